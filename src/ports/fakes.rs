//! A world for tests of whole passes: declared objects and a clock in memory; mapping and Omni as the test wires them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use secrecy::SecretString;

use super::{
    Absence, Answer, Clients, Clock, ConfigMapError, ConfigMapRecord, ConfigMaps, ConnectError, Delivery, Files,
    Lookup, Mapping, ModelRepository, Notice, Object, Objects, Omni, Question, SecretError, SecretRecord, Secrets,
    Urgency, World,
};
use crate::resources::{ModelVersionSpec, OmniInstanceSpec, TenantPinSpec, VersionRolloutSpec, WaveApprovalSpec};

/// Objects that a test declares.
#[derive(Default)]
pub(crate) struct Declared {
    instances: Mutex<Vec<Arc<Object<OmniInstanceSpec>>>>,
    pins: Mutex<Vec<Arc<Object<TenantPinSpec>>>>,
    rollouts: Mutex<Vec<Arc<Object<VersionRolloutSpec>>>>,
    approvals: Mutex<Vec<Arc<Object<WaveApprovalSpec>>>>,
    /// The names of pins that do not parse.
    pub(crate) broken: Mutex<Vec<String>>,
    /// What absence means; by default that the object was seen to be deleted.
    pub(crate) absence: Mutex<Option<Absence>>,
}

pub(crate) fn inside<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Declared {
    /// Declares an instance, in place of the one of its name.
    pub(crate) fn instance(&self, instance: Object<OmniInstanceSpec>) {
        let mut instances = inside(&self.instances);
        instances.retain(|one| one.key() != instance.key());
        instances.push(Arc::new(instance));
    }

    /// Declares a pin, in place of the one of its name.
    pub(crate) fn pin(&self, pin: Object<TenantPinSpec>) {
        self.delete(&pin.name);
        inside(&self.pins).push(Arc::new(pin));
    }

    /// Declares an approval.
    pub(crate) fn approval(&self, approval: Object<WaveApprovalSpec>) {
        inside(&self.approvals).push(Arc::new(approval));
    }

    /// Deletes an approval.
    pub(crate) fn withdraw(&self, name: &str) {
        inside(&self.approvals).retain(|approval| approval.name != name);
    }

    /// Declares a rollout, in place of the one of its name.
    pub(crate) fn rollout(&self, rollout: Object<VersionRolloutSpec>) {
        let mut rollouts = inside(&self.rollouts);
        rollouts.retain(|one| one.name != rollout.name);
        rollouts.push(Arc::new(rollout));
    }

    /// Absence says nothing from now on, as in a folder that is applied without pruning.
    pub(crate) fn keep(&self) {
        *inside(&self.absence) = Some(Absence::Unknown);
    }

    /// Deletes a pin.
    pub(crate) fn delete(&self, name: &str) {
        inside(&self.pins).retain(|pin| pin.name != name);
        inside(&self.rollouts).retain(|rollout| rollout.name != name);
    }
}

fn lookup<S>(objects: &[Arc<Object<S>>], namespace: &str, name: &str) -> Lookup<S> {
    let found = objects
        .iter()
        .find(|one| one.namespace == namespace && one.name == name);
    found.map_or(Lookup::Absent, |found| Lookup::Found(Arc::clone(found)))
}

impl Objects for Declared {
    fn instance(&self, namespace: &str, name: &str) -> Lookup<OmniInstanceSpec> {
        lookup(&inside(&self.instances), namespace, name)
    }
    fn version(&self, _: &str, _: &str) -> Lookup<ModelVersionSpec> {
        Lookup::Absent
    }
    fn versions(&self, _: &str, _: &str) -> Vec<Arc<Object<ModelVersionSpec>>> {
        Vec::new()
    }
    fn pin(&self, namespace: &str, name: &str) -> Lookup<TenantPinSpec> {
        if inside(&self.broken).iter().any(|broken| broken == name) {
            return Lookup::Unreadable("spec.version: not a number".to_owned());
        }
        lookup(&inside(&self.pins), namespace, name)
    }
    fn pins(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<TenantPinSpec>>> {
        let pins = inside(&self.pins);
        let of = |pin: &&Arc<Object<TenantPinSpec>>| {
            pin.namespace == namespace && pin.spec.instance_ref.name == instance && pin.spec.environment == environment
        };
        let mut pins: Vec<_> = pins.iter().filter(of).cloned().collect();
        pins.sort_by(|one, other| one.name.cmp(&other.name));
        pins
    }
    fn environments(&self, namespace: &str, instance: &str) -> BTreeSet<String> {
        let pins = inside(&self.pins);
        let of =
            |pin: &&Arc<Object<TenantPinSpec>>| pin.namespace == namespace && pin.spec.instance_ref.name == instance;
        pins.iter().filter(of).map(|pin| pin.spec.environment.clone()).collect()
    }
    fn pinned(&self, namespace: &str, instance: &str) -> BTreeSet<i32> {
        let pins = inside(&self.pins);
        let of =
            |pin: &&Arc<Object<TenantPinSpec>>| pin.namespace == namespace && pin.spec.instance_ref.name == instance;
        pins.iter().filter(of).filter_map(|pin| pin.spec.version).collect()
    }
    fn rollouts(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<VersionRolloutSpec>>> {
        let rollouts = inside(&self.rollouts);
        let of = |it: &&Arc<Object<VersionRolloutSpec>>| {
            it.namespace == namespace && it.spec.instance_ref.name == instance && it.spec.environment == environment
        };
        let mut rollouts: Vec<_> = rollouts.iter().filter(of).cloned().collect();
        rollouts.sort_by(|one, other| one.name.cmp(&other.name));
        rollouts
    }
    fn rollout(&self, namespace: &str, name: &str) -> Lookup<VersionRolloutSpec> {
        lookup(&inside(&self.rollouts), namespace, name)
    }
    fn approvals(&self, namespace: &str, rollout: &str) -> Vec<Arc<Object<WaveApprovalSpec>>> {
        let approvals = inside(&self.approvals);
        let of = |it: &&Arc<Object<WaveApprovalSpec>>| it.namespace == namespace && it.spec.rollout_ref.name == rollout;
        let mut approvals: Vec<_> = approvals.iter().filter(of).cloned().collect();
        approvals.sort_by(|one, other| one.name.cmp(&other.name));
        approvals
    }
    fn absence(&self, _: &str, _: &str) -> Absence {
        inside(&self.absence).unwrap_or(Absence::Deleted)
    }
}

#[async_trait]
impl ConfigMaps for Declared {
    async fn config_map(&self, _: &str, _: &str) -> Result<Option<ConfigMapRecord>, ConfigMapError> {
        panic!("no ConfigMap is needed here")
    }
}

#[async_trait]
impl Secrets for Declared {
    async fn secret(&self, _: &str, _: &str) -> Result<Option<SecretRecord>, SecretError> {
        panic!("no Secret is needed here")
    }
}

/// What a test gives, or refuses, when a pass asks for an adapter.
pub(crate) type Wire<T> = Box<dyn Fn() -> Result<Arc<T>, ConnectError> + Send + Sync>;

/// What a test says when a check is asked.
pub(crate) type Answering = Box<dyn Fn(&Question) -> Answer + Send + Sync>;

/// What a test says when a channel is told.
pub(crate) type Hearing = Box<dyn Fn(&Notice) -> Delivery + Send + Sync>;

/// Adapters as the test wires them.
pub(crate) struct Wired {
    /// The mapping.
    pub(crate) mapping: Mutex<Wire<dyn Mapping>>,
    /// The organisation.
    pub(crate) omni: Mutex<Wire<dyn Omni>>,
    /// What checks are answered.
    pub(crate) answers: Mutex<Answering>,
    /// Who hears what channels are told.
    pub(crate) hears: Mutex<Hearing>,
    /// How often credentials were forgotten.
    pub(crate) forgotten: Mutex<usize>,
}

impl Wired {
    /// This mapping, and an Omni that must not be asked for.
    pub(crate) fn to(mapping: Arc<dyn Mapping>) -> Self {
        Self {
            mapping: Mutex::new(Box::new(move || Ok(Arc::clone(&mapping)))),
            omni: Mutex::new(Box::new(|| panic!("no client of Omni is needed here"))),
            answers: Mutex::new(Box::new(|_| panic!("no check is asked here"))),
            hears: Mutex::new(Box::new(|_| panic!("nobody is told here"))),
            forgotten: Mutex::default(),
        }
    }
}

#[async_trait]
impl Clients for Wired {
    async fn omni(&self, _: &Object<OmniInstanceSpec>, _: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        inside(&self.omni)()
    }
    async fn mapping(&self, _: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        inside(&self.mapping)()
    }
    async fn repository(
        &self,
        _: &Object<OmniInstanceSpec>,
        _: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        panic!("no repository is needed here")
    }
    async fn repository_token(&self, _: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        panic!("no repository is needed here")
    }
    async fn ask_check(&self, question: &Question) -> Answer {
        inside(&self.answers)(question)
    }
    async fn notify(&self, notice: &Notice) -> Delivery {
        inside(&self.hears)(notice)
    }
    fn forget_credentials(&self, _: &Object<OmniInstanceSpec>) {
        *inside(&self.forgotten) += 1;
    }
}

/// A clock that stands until it is told otherwise, and does something the next time that it is asked.
pub(crate) struct StandingClock {
    now: Mutex<Timestamp>,
    /// What happens when the time is asked for, once.
    pub(crate) then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        let then = inside(&self.then).take();
        if let Some(then) = then {
            then();
        }
        *inside(&self.now)
    }
}

impl StandingClock {
    /// So much time passes.
    pub(crate) fn pass(&self, by: SignedDuration) {
        *inside(&self.now) += by;
    }
}

/// A world and the parts of it that a test plays with.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) declared: Arc<Declared>,
    pub(crate) wired: Arc<Wired>,
    pub(crate) clock: Arc<StandingClock>,
}

impl Stage {
    pub(crate) fn new(declared: Declared, wired: Wired, now: Timestamp) -> Self {
        let declared = Arc::new(declared);
        let wired = Arc::new(wired);
        let clock = Arc::new(StandingClock {
            now: Mutex::new(now),
            then: Mutex::default(),
        });
        let world = World {
            objects: declared.clone(),
            config_maps: declared.clone(),
            secrets: declared.clone(),
            approvers: Arc::new(Files),
            clients: wired.clone(),
            clock: clock.clone(),
            slice: Duration::from_secs(10),
            request_timeout: Duration::from_secs(5),
        };
        Self {
            world,
            declared,
            wired,
            clock,
        }
    }
}

/// An instance `apps/omni`, from what stands in its spec.
pub(crate) fn instance(spec: serde_json::Value) -> Object<OmniInstanceSpec> {
    Object {
        namespace: "apps".to_owned(),
        name: "omni".to_owned(),
        labels: Default::default(),
        requests: Default::default(),
        spec: serde_json::from_value(spec).unwrap(),
        spec_hash: "instance".to_owned(),
        first_seen: Timestamp::UNIX_EPOCH,
        deleting: false,
    }
}

/// A question about the tenants `a` and `b` of the wave, while `old` has moved before.
pub(crate) fn question(check: serde_json::Value) -> Question {
    let at = Timestamp::UNIX_EPOCH;
    Question {
        rollout: "apps/main".to_owned(),
        namespace: "apps".to_owned(),
        environment: "production".to_owned(),
        plan: "1-abc-4".to_owned(),
        attempt: 4,
        wave: "canary".to_owned(),
        version: 2,
        check: serde_json::from_value(check).unwrap(),
        tenants: vec!["a".to_owned(), "b".to_owned()],
        others: BTreeSet::from(["old".to_owned()]),
        asked_at: at,
        moved_at: at,
        failures: 0,
    }
}
