//! What is declared in the watched namespaces, in memory: the cluster's answer to [`Objects`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;

use super::kind::{Kind, ObjectName};
use super::table::{Change, Entry, Record, Scope, Table};
use super::watched::Watched;
use crate::environment::EnvironmentKey;
use crate::ports::{Absence, Lookup, Object, Objects};
use crate::resources::{
    ModelVersion, ModelVersionSpec, OmniInstance, OmniInstanceSpec, Requires, TenantPin, TenantPinSpec, VersionRollout,
    VersionRolloutSpec, WaveApproval, WaveApprovalSpec, annotations,
};

/// Every object of our kinds, kept up to date by the watches.
#[derive(Default)]
pub(super) struct Store {
    instances: RwLock<Table<OmniInstance>>,
    versions: RwLock<Table<ModelVersion>>,
    pins: RwLock<Table<TenantPin>>,
    rollouts: RwLock<Table<VersionRollout>>,
    approvals: RwLock<Table<WaveApproval>>,
    requirements: RwLock<Requirements>,
}

/// Which environments have pins or waves that require another one, by the required one: how many each.
type Requirements = HashMap<EnvironmentKey, BTreeMap<String, usize>>;

/// A kind that the store holds.
pub(super) trait Stored: Kind {
    fn table(store: &Store) -> &RwLock<Table<Self>>;
    /// Keeps what else the store knows of the kind in step.
    fn changed(_store: &Store, _changes: &[Change<Self>]) {}
}

impl Stored for OmniInstance {
    fn table(store: &Store) -> &RwLock<Table<Self>> {
        &store.instances
    }
}

impl Stored for ModelVersion {
    fn table(store: &Store) -> &RwLock<Table<Self>> {
        &store.versions
    }
}

impl Stored for TenantPin {
    fn table(store: &Store) -> &RwLock<Table<Self>> {
        &store.pins
    }

    fn changed(store: &Store, changes: &[Change<Self>]) {
        require(store, changes, |pin| pin.spec.requires.iter().collect());
    }
}

impl Stored for VersionRollout {
    fn table(store: &Store) -> &RwLock<Table<Self>> {
        &store.rollouts
    }

    fn changed(store: &Store, changes: &[Change<Self>]) {
        require(store, changes, |rollout| {
            let waves = rollout.spec.waves.iter();
            waves.filter_map(|wave| wave.requires.as_ref()).collect()
        });
    }
}

impl Stored for WaveApproval {
    fn table(store: &Store) -> &RwLock<Table<Self>> {
        &store.approvals
    }
}

/// Keeps in step which environments are required by which.
fn require<K: Kind<Group = EnvironmentKey>>(
    store: &Store,
    changes: &[Change<K>],
    requires: impl Fn(&Object<K::Spec>) -> Vec<&Requires>,
) {
    let mut requirements = write(&store.requirements);
    for change in changes {
        for (entry, came) in [(&change.before, false), (&change.after, true)] {
            let Some(record) = entry.as_ref().and_then(Entry::readable) else {
                continue;
            };
            let own = K::group_of(&record.object.namespace, &record.object.spec);
            for requires in requires(&record.object) {
                let required = EnvironmentKey {
                    environment: requires.environment.clone(),
                    ..own.clone()
                };
                count(&mut requirements, required, own.environment.clone(), came);
            }
        }
    }
}

fn count(requirements: &mut Requirements, required: EnvironmentKey, environment: String, came: bool) {
    let counts = requirements.entry(required.clone()).or_default();
    let pins = counts.entry(environment.clone()).or_default();
    *pins = if came { *pins + 1 } else { pins.saturating_sub(1) };
    if *pins == 0 {
        counts.remove(&environment);
    }
    if counts.is_empty() {
        requirements.remove(&required);
    }
}

// A panic in a reader or writer ends the process anyway; until then the tables are still consistent enough to read.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Takes in what a watch of `scope` showed.
    pub(super) fn take_in<K: Stored>(&self, scope: &Scope, event: Event<Watched<K>>) -> Vec<Change<K>> {
        let changes = write(K::table(self)).take_in(scope, event);
        K::changed(self, &changes);
        changes
    }

    /// Keeps what a status write gave back; see [`Table::keep_written`].
    #[must_use]
    pub(super) fn keep_written<K: Stored>(
        &self,
        based_on: &Record<K>,
        metadata: &ObjectMeta,
        status: K::Status,
    ) -> Option<Change<K>> {
        write(K::table(self)).keep_written(based_on, metadata, status)
    }

    pub(super) fn entry<K: Stored>(&self, name: &ObjectName) -> Option<Entry<K>> {
        read(K::table(self)).get(&name.namespace, &name.name).cloned()
    }

    /// The object, where it parses.
    pub(super) fn record<K: Stored>(&self, name: &ObjectName) -> Option<Arc<Record<K>>> {
        self.entry(name)?.readable().cloned()
    }

    /// Every object of a kind, as it is now.
    pub(super) fn all<K: Stored>(&self) -> Vec<Entry<K>> {
        read(K::table(self)).entries().cloned().collect()
    }

    /// The environments of this instance that have pins or a rollout.
    pub(super) fn environments(&self, instance: &ObjectName) -> Vec<EnvironmentKey> {
        let of = |key: &&EnvironmentKey| key.namespace == instance.namespace && key.instance == instance.name;
        let mut environments: BTreeSet<EnvironmentKey> = read(&self.pins).groups().filter(of).cloned().collect();
        environments.extend(read(&self.rollouts).groups().filter(of).cloned());
        environments.into_iter().collect()
    }

    /// The environments with pins or waves that wait for evidence from `required`.
    pub(super) fn environments_requiring(&self, required: &EnvironmentKey) -> Vec<EnvironmentKey> {
        let requirements = read(&self.requirements);
        let environments = requirements.get(required).into_iter().flat_map(BTreeMap::keys);
        environments
            .map(|environment| EnvironmentKey {
                environment: environment.clone(),
                ..required.clone()
            })
            .collect()
    }

    /// The passes asked for by annotation on pins of this environment, by the pin's name.
    pub(super) fn requested_of_pins(&self, key: &EnvironmentKey) -> HashMap<String, String> {
        requested_by_name(&self.pins(&key.namespace, &key.instance, &key.environment))
    }

    /// The passes asked for by annotation on rollouts of this environment, by the rollout's name.
    pub(super) fn requested_of_rollouts(&self, key: &EnvironmentKey) -> HashMap<String, String> {
        requested_by_name(&self.rollouts(&key.namespace, &key.instance, &key.environment))
    }

    /// The passes asked for by annotation on approvals of this environment's rollouts, by the approval's name.
    pub(super) fn requested_of_approvals(&self, key: &EnvironmentKey) -> HashMap<String, String> {
        let rollouts = self.rollouts(&key.namespace, &key.instance, &key.environment);
        let approvals = rollouts.iter().map(|it| self.approvals(&it.namespace, &it.name));
        approvals.flat_map(|approvals| requested_by_name(&approvals)).collect()
    }

    fn lookup<K: Stored>(&self, namespace: &str, name: &str) -> Lookup<K::Spec> {
        match read(K::table(self)).get(namespace, name) {
            None => Lookup::Absent,
            Some(Entry::Unreadable(unreadable)) => Lookup::Unreadable(unreadable.why.clone()),
            Some(Entry::Readable(record)) => Lookup::Found(Arc::clone(&record.object)),
        }
    }
}

/// The pass that this object's annotation asks for.
pub(super) fn requested<S>(object: &Object<S>) -> Option<String> {
    object.requests.get(annotations::RECONCILE_REQUESTED_AT).cloned()
}

/// The passes that these objects' annotations ask for, by name.
fn requested_by_name<S>(objects: &[Arc<Object<S>>]) -> HashMap<String, String> {
    let asking = objects.iter().filter_map(|it| Some((it.name.clone(), requested(it)?)));
    asking.collect()
}

impl Objects for Store {
    fn instance(&self, namespace: &str, name: &str) -> Lookup<OmniInstanceSpec> {
        self.lookup::<OmniInstance>(namespace, name)
    }

    fn version(&self, namespace: &str, name: &str) -> Lookup<ModelVersionSpec> {
        self.lookup::<ModelVersion>(namespace, name)
    }

    fn versions(&self, namespace: &str, instance: &str) -> Vec<Arc<Object<ModelVersionSpec>>> {
        read(&self.versions).group(&ObjectName::new(namespace, instance))
    }

    fn pin(&self, namespace: &str, name: &str) -> Lookup<TenantPinSpec> {
        self.lookup::<TenantPin>(namespace, name)
    }

    fn pins(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<TenantPinSpec>>> {
        read(&self.pins).group(&EnvironmentKey {
            namespace: namespace.to_owned(),
            instance: instance.to_owned(),
            environment: environment.to_owned(),
        })
    }

    fn environments(&self, namespace: &str, instance: &str) -> BTreeSet<String> {
        let keys = Self::environments(self, &ObjectName::new(namespace, instance));
        keys.into_iter().map(|key| key.environment).collect()
    }

    fn pinned(&self, namespace: &str, instance: &str) -> BTreeSet<i32> {
        let environments = self.environments(&ObjectName::new(namespace, instance));
        let pins = read(&self.pins);
        let members = environments.iter().flat_map(|key| pins.members(key));
        let mut versions: BTreeSet<i32> = members.filter_map(|pin| pin.spec.version).collect();
        let rollouts = read(&self.rollouts);
        let targets = environments.iter().flat_map(|key| rollouts.members(key));
        versions.extend(targets.map(|rollout| rollout.spec.version));
        versions
    }

    fn rollouts(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<VersionRolloutSpec>>> {
        read(&self.rollouts).group(&EnvironmentKey {
            namespace: namespace.to_owned(),
            instance: instance.to_owned(),
            environment: environment.to_owned(),
        })
    }

    fn rollout(&self, namespace: &str, name: &str) -> Lookup<VersionRolloutSpec> {
        self.lookup::<VersionRollout>(namespace, name)
    }

    fn approvals(&self, namespace: &str, rollout: &str) -> Vec<Arc<Object<WaveApprovalSpec>>> {
        read(&self.approvals).group(&ObjectName::new(namespace, rollout))
    }

    fn absence(&self, namespace: &str, name: &str) -> Absence {
        let others = [
            read(&self.instances).complete(namespace),
            read(&self.versions).complete(namespace),
        ];
        if others.contains(&false) {
            return Absence::Unknown;
        }
        read(&self.pins).absence(&ObjectName::new(namespace, name))
    }
}
