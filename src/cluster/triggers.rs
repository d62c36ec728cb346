//! Which passes a change asks for.
//!
//! An object's own pass follows its generation, labels, annotations, finalizers and deletion, never its status: our
//! own writes bring no pass. Passes over other objects follow only the few facts that they build upon.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kind::{Kind, KindName, ObjectName};
use super::store::Store;
use super::table::{Change, Entry, Record};
use crate::environment::EnvironmentKey;
use crate::ports::{Object, Objects};
use crate::resources::conditions::READY;
use crate::resources::{ModelVersion, ModelVersionSpec, OmniInstance, TenantPin, VersionRollout, WaveApproval};

/// One thing to pass over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// An OmniInstance.
    Instance(ObjectName),
    /// A ModelVersion.
    Version(ObjectName),
    /// An environment of an instance, with all its pins and its rollout.
    Environment(EnvironmentKey),
    /// An approval, which may name a rollout that is not there.
    Approval(ObjectName),
    /// An object that does not parse: it is told so.
    Unreadable(KindName, ObjectName),
}

/// A kind whose changes bring passes.
pub(super) trait Triggers: Kind {
    /// What a change asks for, given what else is known.
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key>;
}

impl Triggers for OmniInstance {
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key> {
        let mut keys = own(change, Key::Instance(change.name.clone()));
        let fact = |record: &Record<Self>| (record.object.spec_hash.clone(), ready(record));
        if moved(change, fact) {
            let name = &change.name;
            keys.extend(versions(store, name, |_| true));
            keys.extend(store.environments(name).into_iter().map(Key::Environment));
        }
        keys
    }
}

impl Triggers for ModelVersion {
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key> {
        let mut keys = own(change, Key::Version(change.name.clone()));
        let fact = |record: &Record<Self>| (record.object.spec_hash.clone(), record.status.sealed, ready(record));
        if moved(change, fact) {
            for record in records(change) {
                let instance = Self::group_of(&change.name.namespace, &record.object.spec);
                let number = record.object.spec.version;
                // Those that are cut from it, and those that claim its number.
                keys.extend(versions(store, &instance, |other| {
                    other.name != change.name.name
                        && (other.spec.version == number || other.spec.source.from_version == Some(number))
                }));
                keys.extend(store.environments(&instance).into_iter().map(Key::Environment));
            }
        }
        keys
    }
}

impl Triggers for TenantPin {
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key> {
        let mut keys = Vec::new();
        // Both environments, where the pin left one.
        for record in records(change) {
            let environment = Self::group_of(&change.name.namespace, &record.object.spec);
            keys.extend(own(change, Key::Environment(environment.clone())));
            // What runs where is the evidence that pins elsewhere may wait for.
            if moved(change, |record: &Record<Self>| record.status.version) {
                let requiring = store.environments_requiring(&environment);
                keys.extend(requiring.into_iter().map(Key::Environment));
            }
        }
        if matches!(change.after, Some(Entry::Unreadable(_))) {
            keys.extend(own(change, Key::Unreadable(Self::NAME, change.name.clone())));
        }
        keys
    }
}

impl Triggers for VersionRollout {
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key> {
        let mut keys = Vec::new();
        for record in records(change) {
            let environment = Self::group_of(&change.name.namespace, &record.object.spec);
            keys.extend(own(change, Key::Environment(environment)));
        }
        if matches!(change.after, Some(Entry::Unreadable(_))) {
            keys.extend(own(change, Key::Unreadable(Self::NAME, change.name.clone())));
        }
        // Where the rollout is there, its environment's pass speaks of its approvals.
        if change.after.as_ref().and_then(Entry::readable).is_none() {
            let approvals = store.approvals(&change.name.namespace, &change.name.name);
            let names = approvals.iter().map(|it| ObjectName::new(&it.namespace, &it.name));
            keys.extend(names.map(Key::Approval));
        }
        keys
    }
}

impl Triggers for WaveApproval {
    fn triggers(change: &Change<Self>, store: &Store) -> Vec<Key> {
        let mut keys = own(change, Key::Approval(change.name.clone()));
        // One that went is withdrawn.
        if let (Some(before), None) = (change.before.as_ref().and_then(Entry::readable), &change.after) {
            keys = environment_of(store, &Self::group_of(&change.name.namespace, &before.object.spec));
        }
        keys
    }
}

/// The environment of a rollout that is there.
pub(super) fn environment_of(store: &Store, rollout: &ObjectName) -> Vec<Key> {
    let record = store.record::<VersionRollout>(rollout);
    let key = record.map(|it| VersionRollout::group_of(&rollout.namespace, &it.object.spec));
    key.map(Key::Environment).into_iter().collect()
}

/// The object's own pass, if something moved that is not status. What does not parse is told so instead.
fn own<K: Kind>(change: &Change<K>, key: Key) -> Vec<Key> {
    let fires = match (&change.before, &change.after) {
        (Some(Entry::Readable(before)), Some(Entry::Readable(after))) => declared(before) != declared(after),
        (Some(Entry::Unreadable(before)), Some(Entry::Unreadable(after))) => {
            (&before.identity.uid, before.identity.generation, &before.why)
                != (&after.identity.uid, after.identity.generation, &after.why)
        }
        _ => true,
    };
    match (&change.after, &key) {
        _ if !fires => Vec::new(),
        (Some(Entry::Unreadable(_)), Key::Instance(_) | Key::Version(_) | Key::Approval(_)) => {
            vec![Key::Unreadable(K::NAME, change.name.clone())]
        }
        _ => vec![key],
    }
}

type Words = BTreeMap<String, String>;

/// Identity, generation, finalizers, labels, requests, deletion.
type Declared<'a> = (&'a str, i64, &'a [String], &'a Words, &'a Words, bool);

fn declared<K: Kind>(record: &Record<K>) -> Declared<'_> {
    let (identity, object) = (&record.identity, &record.object);
    (
        &identity.uid,
        identity.generation,
        &identity.finalizers,
        &object.labels,
        &object.requests,
        object.deleting,
    )
}

fn records<K: Kind>(change: &Change<K>) -> Vec<&Arc<Record<K>>> {
    let entries = [&change.before, &change.after].into_iter().flatten();
    entries.filter_map(Entry::readable).collect()
}

/// Whether a fact is not what it was. An object that comes, goes, or parses no more has moved.
fn moved<K: Kind, T: PartialEq>(change: &Change<K>, fact: impl Fn(&Record<K>) -> T) -> bool {
    let [before, after] = [&change.before, &change.after].map(|entry| {
        let record = entry.as_ref().and_then(Entry::readable);
        record.map(|record| fact(record))
    });
    before != after
}

fn ready<K: Kind>(record: &Record<K>) -> Option<String> {
    let mut conditions = K::conditions(&record.status).iter();
    let ready = conditions.find(|condition| condition.type_ == READY)?;
    Some(ready.status.clone())
}

fn versions(store: &Store, instance: &ObjectName, wanted: impl Fn(&Object<ModelVersionSpec>) -> bool) -> Vec<Key> {
    let versions = store.versions(&instance.namespace, &instance.name).into_iter();
    versions
        .filter(|version| wanted(version))
        .map(|version| Key::Version(ObjectName::new(&version.namespace, &version.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::store::Stored;
    use crate::cluster::table::tests::{guarded, pin};

    /// What an event asks for, after the store took it in.
    fn fired<K: Stored + Triggers>(store: &Store, object: Value) -> Vec<Key> {
        let changes = store.take_in::<K>(&None, Event::Apply(guarded(object)));
        let mut keys: Vec<_> = changes.iter().flat_map(|change| K::triggers(change, store)).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    fn environment(environment: &str) -> Key {
        Key::Environment(EnvironmentKey {
            namespace: "n".into(),
            instance: "acme".into(),
            environment: environment.into(),
        })
    }

    fn version(name: &str) -> Key {
        Key::Version(ObjectName::new("n", name))
    }

    fn with(mut object: Value, path: &str, value: Value) -> Value {
        let (parent, last) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[last] = value;
        object
    }

    fn model_version(name: &str, number: i32, source: Value, resource_version: u32) -> Value {
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "ModelVersion",
            "metadata": {"name": name, "namespace": "n", "uid": name, "generation": 1,
                "resourceVersion": resource_version.to_string()},
            "spec": {"instanceRef": {"name": "acme"}, "version": number, "source": source},
            "status": {},
        })
    }

    #[test]
    fn a_pin_fires_its_environment_for_what_is_declared_and_not_for_its_status() {
        let store = Store::default();
        let first = pin("a", "staging", 1, json!(1));
        assert_eq!(fired::<TenantPin>(&store, first.clone()), [environment("staging")]);
        let status = with(first.clone(), "/metadata/resourceVersion", json!("2"));
        let status = with(status, "/status", json!({"version": 1, "conditions": []}));
        assert!(fired::<TenantPin>(&store, status.clone()).is_empty());
        let labelled = with(status, "/metadata/resourceVersion", json!("3"));
        let labelled = with(labelled, "/metadata/labels", json!({"tier": "canary"}));
        assert_eq!(fired::<TenantPin>(&store, labelled.clone()), [environment("staging")]);
        let other = with(labelled, "/metadata/resourceVersion", json!("4"));
        let other = with(other, "/metadata/annotations/other", json!("two"));
        assert!(
            fired::<TenantPin>(&store, other).is_empty(),
            "the annotation of somebody else"
        );
    }

    #[test]
    fn a_pin_that_moves_or_goes_fires_where_it_was() {
        let store = Store::default();
        fired::<TenantPin>(&store, pin("a", "staging", 1, json!(1)));
        let moved = fired::<TenantPin>(&store, pin("a", "production", 2, json!(1)));
        assert_eq!(moved, [environment("production"), environment("staging")]);
        let gone = store.take_in::<TenantPin>(&None, Event::Delete(guarded(pin("a", "production", 2, json!(1)))));
        assert_eq!(TenantPin::triggers(&gone[0], &store), [environment("production")]);
    }

    #[test]
    fn evidence_fires_the_environments_that_wait_for_it() {
        let store = Store::default();
        fired::<TenantPin>(&store, pin("a", "staging", 1, json!(1)));
        let requires = json!({"environment": "staging", "soak": "0s"});
        let waiting = with(pin("a-prod", "production", 1, json!(1)), "/spec/requires", requires);
        fired::<TenantPin>(&store, waiting.clone());
        let flipped = with(
            pin("a", "staging", 1, json!(1)),
            "/metadata/resourceVersion",
            json!("5"),
        );
        let flipped = with(flipped, "/status", json!({"version": 1, "conditions": []}));
        assert_eq!(fired::<TenantPin>(&store, flipped.clone()), [environment("production")]);
        store.take_in::<TenantPin>(&None, Event::Delete(guarded(waiting)));
        let again = with(flipped, "/metadata/resourceVersion", json!("6"));
        let again = with(again, "/status/version", json!(2));
        assert!(fired::<TenantPin>(&store, again).is_empty(), "nobody waits any more");
    }

    #[test]
    fn a_version_that_is_complete_fires_what_waits_for_it_and_its_progress_does_not() {
        let store = Store::default();
        fired::<TenantPin>(&store, pin("a", "staging", 1, json!(1)));
        let adopt = json!({"adopt": {"modelId": "m", "folderPath": "f", "dashboards": []}});
        let one = model_version("one", 1, adopt.clone(), 1);
        fired::<ModelVersion>(&store, one.clone());
        fired::<ModelVersion>(&store, model_version("two", 2, json!({"fromVersion": 1}), 2));
        fired::<ModelVersion>(&store, model_version("three", 3, json!({"fromVersion": 2}), 3));
        let progress = with(one, "/metadata/resourceVersion", json!("4"));
        let progress = with(progress, "/status", json!({"modelId": "m", "conditions": []}));
        assert!(fired::<ModelVersion>(&store, progress.clone()).is_empty());
        let sealed = with(progress, "/metadata/resourceVersion", json!("5"));
        let sealed = with(sealed, "/status/sealed", json!(true));
        assert_eq!(
            fired::<ModelVersion>(&store, sealed),
            [version("two"), environment("staging")]
        );
    }

    #[test]
    fn an_instance_that_becomes_ready_fires_all_that_is_in_it() {
        let store = Store::default();
        fired::<TenantPin>(&store, pin("a", "staging", 1, json!(1)));
        fired::<ModelVersion>(&store, model_version("two", 2, json!({"fromVersion": 1}), 2));
        let instance = json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "OmniInstance",
            "metadata": {"name": "acme", "namespace": "n", "uid": "i", "resourceVersion": "1", "generation": 1},
            "spec": {"baseUrl": "https://acme.omniapp.co", "apiKeySecretRef": {"name": "omni", "key": "api-key"}},
        });
        let all = [version("two"), environment("staging")];
        let own = Key::Instance(ObjectName::new("n", "acme"));
        let came = fired::<OmniInstance>(&store, instance.clone());
        assert!(came.contains(&own) && came.len() == 3);
        let ready = with(instance, "/metadata/resourceVersion", json!("2"));
        let ready = with(
            ready,
            "/status",
            json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Converged",
            "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}),
        );
        assert_eq!(fired::<OmniInstance>(&store, ready), all);
    }

    #[test]
    fn an_approval_is_looked_at_and_one_that_goes_wakes_its_rollout() {
        let object = |kind: &str, name: &str, spec: Value| {
            json!({"apiVersion": "wavepin.dev/v1alpha1", "kind": kind, "spec": spec, "status": {},
                "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1", "generation": 1}})
        };
        let store = Store::default();
        let spec = json!({"rolloutRef": {"name": "main"}, "wave": "rest", "plan": "1-0123456789abcdef-1",
            "approver": "jane"});
        let approval = object("WaveApproval", "rest-1", spec);
        let own = Key::Approval(ObjectName::new("n", "rest-1"));
        assert_eq!(
            fired::<WaveApproval>(&store, approval.clone()),
            std::slice::from_ref(&own)
        );
        let status = with(approval.clone(), "/metadata/resourceVersion", json!("2"));
        assert!(fired::<WaveApproval>(&store, with(status, "/status/verified", json!(true))).is_empty());
        let spec = json!({"instanceRef": {"name": "acme"}, "environment": "staging", "version": 1,
            "waves": [{"name": "rest"}]});
        let rollout = object("VersionRollout", "main", spec);
        assert_eq!(
            fired::<VersionRollout>(&store, rollout.clone()),
            [environment("staging")]
        );
        let gone = store.take_in::<WaveApproval>(&None, Event::Delete(guarded(approval.clone())));
        assert_eq!(WaveApproval::triggers(&gone[0], &store), [environment("staging")]);
        fired::<WaveApproval>(&store, approval);
        let gone = store.take_in::<VersionRollout>(&None, Event::Delete(guarded(rollout)));
        let fired = VersionRollout::triggers(&gone[0], &store);
        assert_eq!(
            fired,
            [environment("staging"), own],
            "nobody else speaks of it any more"
        );
    }

    #[test]
    fn what_does_not_parse_is_told_so_once() {
        let store = Store::default();
        let bad = pin("a", "staging", 1, json!("one"));
        let told = Key::Unreadable(KindName::TenantPin, ObjectName::new("n", "a"));
        assert_eq!(fired::<TenantPin>(&store, bad.clone()), std::slice::from_ref(&told));
        let status = with(bad, "/metadata/resourceVersion", json!("2"));
        assert!(fired::<TenantPin>(&store, status).is_empty(), "the status that told it");
        let mended = fired::<TenantPin>(&store, pin("a", "staging", 3, json!(1)));
        assert_eq!(mended, [environment("staging")]);
    }
}
