//! One pass of each kind: asks the reconciler, hands its reports to the status writer.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::in_use::{self, RunningPasses};
use super::kind::{Kind as _, KindName, ObjectName};
use super::measured::{Passed, measured};
use super::merge::status_patch;
use super::queue::Asker;
use super::status::{CallError, FIELD_MANAGER, Report, StatusWriter, is_absent, within};
use super::store::{Store, Stored, requested};
use super::table::Entry;
use super::triggers::{Key, environment_of};
use super::validation::Published;
use crate::environment::{self, EnvironmentKey};
use crate::model_version::last_look::{LastLook, LastLooks};
use crate::model_version::{self, Progress, VersionReport};
use crate::omni_instance;
use crate::ports::{Failure, Lookup, Next, Object, Objects, World};
use crate::resources::conditions::{ACCEPTED, Finding, READY, Reason, STALLED, apply};
use crate::resources::{ModelVersion, ModelVersionSpec, OmniInstance, TenantPin, VersionRollout, WaveApproval};
use crate::telemetry::Measures;

/// How often an object is looked at whose deletion waits for somebody else.
const DELETING_PACE: Duration = Duration::from_secs(600);

/// Who to ask for which pass.
pub(super) struct Askers {
    pub(super) instances: Asker<ObjectName>,
    pub(super) versions: Asker<ObjectName>,
    pub(super) environments: Asker<EnvironmentKey>,
    pub(super) approvals: Asker<ObjectName>,
    pub(super) unreadable: Asker<(KindName, ObjectName)>,
}

impl Askers {
    pub(super) fn ask(&self, key: Key) {
        match key {
            Key::Instance(name) => self.instances.ask(name),
            Key::Version(name) => self.versions.ask(name),
            Key::Environment(key) => self.environments.ask(key),
            Key::Approval(name) => self.approvals.ask(name),
            Key::Unreadable(kind, name) => self.unreadable.ask((kind, name)),
        }
    }
}

/// What passes need.
pub(super) struct Passes {
    pub(super) world: World,
    pub(super) client: kube::Client,
    pub(super) store: Arc<Store>,
    pub(super) writer: Arc<StatusWriter>,
    pub(super) askers: Arc<Askers>,
    pub(super) measures: Arc<Measures>,
    pub(super) looks: LastLooks,
    pub(super) running: RunningPasses,
    pub(super) stop: CancellationToken,
}

impl Passes {
    pub(super) async fn instance(&self, name: ObjectName) -> Option<Next> {
        measured(&self.measures, "instance", name.clone(), self.over_instance(name)).await
    }

    pub(super) async fn version(&self, name: ObjectName) -> Option<Next> {
        measured(&self.measures, "version", name.clone(), self.over_version(name)).await
    }

    pub(super) async fn environment(&self, key: EnvironmentKey) -> Option<Next> {
        let object = format!("{}/{} {}", key.namespace, key.instance, key.environment);
        measured(&self.measures, "environment", object, self.over_environment(key)).await
    }

    /// Has an approval looked at, by the pass of its environment where its rollout is there.
    pub(super) async fn approval(&self, name: ObjectName) -> Option<Next> {
        measured(&self.measures, "approval", name.clone(), self.over_approval(name)).await
    }

    /// Tells an object that it does not parse.
    pub(super) async fn unreadable(&self, kind: KindName, name: ObjectName) -> Option<Next> {
        let object = format!("{} {name}", kind.as_str());
        measured(&self.measures, "unreadable", object, self.over_unreadable(kind, name)).await
    }

    async fn over_instance(&self, name: ObjectName) -> Passed {
        let request = self.requested::<OmniInstance>(&name);
        let Some(pass) = omni_instance::reconcile(&self.world, &name.namespace, &name.name).await else {
            return Passed::GONE;
        };
        let passed = Passed::having_found(pass.next, &pass.findings);
        if pass.opens {
            for version in self.store.versions(&name.namespace, &name.name) {
                let version = ObjectName::new(&version.namespace, &version.name);
                self.askers.versions.ask(version);
            }
        }
        if pass.has_mapping() {
            for key in environment::abandoned(&self.world, &name.namespace, &name.name).await {
                self.askers.environments.ask(key);
            }
        }
        self.writer.offer(name, Report::Instance(Box::new(pass)), request);
        passed
    }

    async fn over_version(&self, name: ObjectName) -> Passed {
        // Until what it has to say is handed over.
        let _running = self.running.begin(&name);
        let Lookup::Found(object) = self.store.version(&name.namespace, &name.name) else {
            self.measures.cut(&name.to_string(), None);
            self.looks.forget(&name.namespace, &name.name);
            return Passed::GONE;
        };
        if object.deleting {
            self.measures.cut(&name.to_string(), None);
            // Somebody else's finalizer keeps it. A cut that goes on would outlive its declaration; what stands stays,
            // and so does what the status says of it. The object's end, like every change of it, brings a pass.
            return Passed::again(Next::After(DELETING_PACE));
        }
        let progress = VersionProgress {
            passes: self,
            name: &name,
            instance: &object.spec.instance_ref.name,
            rate: self.rate(&object),
            spec_hash: &object.spec_hash,
        };
        let Some(pass) = model_version::reconcile(&self.world, &name.namespace, &name.name, &progress).await else {
            return Passed::GONE;
        };
        let passed = Passed::having_found(pass.next, &pass.report.findings);
        progress.measure(&pass.report);
        self.publish_found(&name, &object, &pass.report).await;
        if pass.next == Next::Again {
            progress.publish(&pass.report);
        } else {
            self.writer
                .offer(name, Report::Version(Box::new(pass.report)), requested(&object));
        }
        passed
    }

    /// What validation found, for people.
    async fn publish_found(&self, name: &ObjectName, object: &Object<ModelVersionSpec>, report: &VersionReport) {
        let instance = &object.spec.instance_ref.name;
        let (Some(found), Some(record), Lookup::Found(instance)) = (
            &report.found,
            self.store.record::<ModelVersion>(name),
            self.store.instance(&name.namespace, instance),
        ) else {
            return;
        };
        // It was there a moment ago; if it is not now, the next pass finds the same.
        let Ok((mapping, _)) = self.world.mapping(&instance).await else {
            return;
        };
        let published = Published {
            name,
            uid: &record.identity.uid,
            version: object.spec.version,
            found,
        };
        published.keep(&self.client, &*mapping).await;
    }

    async fn over_environment(&self, key: EnvironmentKey) -> Passed {
        let mut requests = self.store.requested_of_pins(&key);
        let mut of_rollouts = self.store.requested_of_rollouts(&key);
        let mut of_approvals = self.store.requested_of_approvals(&key);
        let Some(pass) = environment::reconcile(&self.world, &key).await else {
            return Passed::GONE;
        };
        // Before the reports are written: the statuses say what was.
        let is_unsettled =
            |name: &ObjectName| self.running.contains(name) || self.writer.is_due(ModelVersion::NAME, name);
        let changed = in_use::changed(&self.store, &key, &pass, is_unsettled);
        let sought = in_use::numbered(&self.store, &key, &pass.sought);
        let unproved = in_use::unproved(&self.store, &key, &pass);
        for name in changed.into_iter().chain(unproved).chain(sought) {
            self.askers.versions.ask(name);
        }
        for report in pass.pins {
            let request = requests.remove(&report.name);
            let name = ObjectName::new(&key.namespace, &report.name);
            self.writer.offer(name, Report::Pin(report), request);
        }
        for report in pass.rollouts {
            let request = of_rollouts.remove(&report.name);
            let name = ObjectName::new(&key.namespace, &report.name);
            self.writer.offer(name, Report::Rollout(Box::new(report)), request);
        }
        for report in pass.approvals {
            let request = of_approvals.remove(&report.name);
            let name = ObjectName::new(&key.namespace, &report.name);
            self.writer.offer(name, Report::Approval(report), request);
        }
        Passed::again(pass.next)
    }

    async fn over_approval(&self, name: ObjectName) -> Passed {
        let Some(record) = self.store.record::<WaveApproval>(&name) else {
            return Passed::GONE;
        };
        let approval = &record.object;
        let rollout = ObjectName::new(&name.namespace, &approval.spec.rollout_ref.name);
        let environment = environment_of(&self.store, &rollout);
        if environment.is_empty() && !approval.deleting {
            let report = environment::approval_without_rollout(approval);
            self.writer.offer(name, Report::Approval(report), requested(approval));
        }
        environment.into_iter().for_each(|key| self.askers.ask(key));
        Passed::UNTIL_CHANGED
    }

    /// The status is read afresh: of an object that does not parse the watch gives only the metadata.
    async fn over_unreadable(&self, kind: KindName, name: ObjectName) -> Passed {
        let told = match kind {
            KindName::OmniInstance => self.tell_unreadable::<OmniInstance>(&name).await,
            KindName::ModelVersion => self.tell_unreadable::<ModelVersion>(&name).await,
            KindName::TenantPin => self.tell_unreadable::<TenantPin>(&name).await,
            KindName::VersionRollout => self.tell_unreadable::<VersionRollout>(&name).await,
            KindName::WaveApproval => self.tell_unreadable::<WaveApproval>(&name).await,
        };
        match told {
            Ok(()) => Passed::UNTIL_CHANGED,
            Err(CallError::Api(kube::Error::Api(status))) if is_absent(&status) || status.is_invalid() => {
                warn!(kind = kind.as_str(), %name, %status, "an object that does not parse cannot be told so");
                Passed::UNTIL_CHANGED
            }
            Err(error) => {
                warn!(kind = kind.as_str(), %name, %error, "failed to tell an object that it does not parse");
                Passed::again(Next::Backoff { after: None })
            }
        }
    }

    async fn tell_unreadable<K: Stored>(&self, name: &ObjectName) -> Result<(), CallError> {
        let Some(Entry::Unreadable(unreadable)) = self.store.entry::<K>(name) else {
            return Ok(());
        };
        let resource = ApiResource::erase::<K>(&());
        let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &name.namespace, &resource);
        let object = within(objects.get(&name.name)).await?;
        let status = &object.data["status"];
        let before: Vec<Condition> = serde_json::from_value(status["conditions"].clone()).unwrap_or_default();
        let mut after = before.clone();
        let plural = K::plural(&());
        let message = format!(
            "the object cannot be read: {}; see `kubectl explain {plural}.spec` and change it. Until then nothing is \
             done for it",
            unreadable.why
        );
        let findings = [
            Finding::fails(ACCEPTED, Reason::Invalid, &message),
            Finding::fails(READY, Reason::Invalid, &message),
            Finding::holds(STALLED, Reason::Invalid, &message),
        ];
        apply(&mut after, &findings, object.metadata.generation);
        let was = json!({"observedGeneration": status["observedGeneration"], "conditions": before});
        let now = json!({"observedGeneration": object.metadata.generation, "conditions": after});
        let version = object.metadata.resource_version.unwrap_or_default();
        let Some(patch) = status_patch::<Value>(&was, &now, &version) else {
            return Ok(());
        };
        within(objects.patch_status(&name.name, &PatchParams::apply(FIELD_MANAGER), &Patch::Merge(&patch))).await?;
        let uid = object.metadata.uid.unwrap_or_default();
        self.writer.teller.tell(K::NAME, name.clone(), &uid, &before, &after);
        Ok(())
    }

    fn rate(&self, version: &Object<ModelVersionSpec>) -> u32 {
        match self.store.instance(&version.namespace, &version.spec.instance_ref.name) {
            Lookup::Found(instance) => instance.spec.requests_per_minute,
            Lookup::Absent | Lookup::Unreadable(_) => 1,
        }
    }

    fn requested<K: Stored>(&self, name: &ObjectName) -> Option<String> {
        requested(&self.store.record::<K>(name)?.object)
    }
}

/// Where a version's long pass tells how far it is.
struct VersionProgress<'a> {
    passes: &'a Passes,
    name: &'a ObjectName,
    instance: &'a str,
    /// Of the spec that the pass began with.
    spec_hash: &'a str,
    /// Requests a minute.
    rate: u32,
}

impl VersionProgress<'_> {
    /// How long the cut will still take, if no other shares its key's budget.
    fn measure(&self, report: &VersionReport) {
        let seconds = |calls: u32| Duration::from_secs_f64(f64::from(calls) * 60.0 / f64::from(self.rate.max(1)));
        let left = report.calls_left.map(seconds);
        self.passes.measures.cut(&self.name.to_string(), left);
    }
}

impl Progress for VersionProgress<'_> {
    fn publish(&self, report: &VersionReport) {
        self.measure(report);
        self.passes.writer.offer_progress(self.name, report);
    }

    fn interrupted(&self) -> bool {
        let stands = || match self.passes.store.version(&self.name.namespace, &self.name.name) {
            Lookup::Found(object) => object.spec_hash == self.spec_hash && !object.deleting,
            Lookup::Absent | Lookup::Unreadable(_) => false,
        };
        self.passes.stop.is_cancelled() || !stands()
    }

    fn last_look(&self) -> Option<LastLook> {
        self.passes.looks.of(&self.name.namespace, &self.name.name)
    }

    fn looked(&self, look: LastLook) {
        self.passes.looks.keep(&self.name.namespace, &self.name.name, look);
    }

    fn stepped(&self, step: &'static str, failed: Option<&Failure>) {
        let outcome = match failed {
            None => "done",
            Some(failure) if failure.stalled => "stalled",
            Some(_) => "failed",
        };
        self.passes.measures.stepped(step, outcome);
    }

    fn wants_instance(&self) {
        let instance = ObjectName::new(&self.name.namespace, self.instance);
        self.passes.askers.instances.ask(instance);
    }
}
