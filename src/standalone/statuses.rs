//! What is known of each object: the same status as it would have in a cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::catalog::{Catalog, Id, id_of};
use crate::environment::{self, ApprovalReport, EnvironmentKey, PinReport, RolloutReport};
use crate::model_version::VersionReport;
use crate::omni_instance::InstancePass;
use crate::resources::conditions::{self, Finding, READY, Transition};
use crate::resources::{
    ModelVersionStatus, OmniInstanceStatus, TenantPinStatus, VersionRolloutStatus, WaveApprovalStatus,
};

/// One piece of work: what one pass looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An OmniInstance.
    Instance(Id),
    /// A ModelVersion.
    Version(Id),
    /// All pins of an environment, and its rollout.
    Environment(EnvironmentKey),
}

/// Names an object in messages: `ModelVersion/clinical-v2`, with the namespace in front unless it is `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    kind: &'static str,
    id: Id,
}

impl Subject {
    /// Names the object `id` of `kind`.
    #[must_use]
    pub fn new(kind: &'static str, id: &Id) -> Self {
        Self { kind, id: id.clone() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = &self.id;
        if namespace != "default" {
            write!(formatter, "{namespace}/")?;
        }
        write!(formatter, "{}/{name}", self.kind)
    }
}

/// Is told what happens while it happens.
pub trait Observer: Send + Sync {
    /// A condition of an object moved. Called while the engine holds what it knows: an observer asks it nothing.
    fn transition(&self, subject: &Subject, transition: &Transition);
    /// A version has `ready` of `desired` dashboards.
    fn progress(&self, subject: &Subject, ready: u32, desired: u32);
    /// All work that is due is done; the next is in so long, if any is known.
    fn resting(&self, pause: Option<Duration>);
}

/// The statuses, by object.
#[derive(Debug, Clone, Default)]
pub struct Statuses {
    /// Of the instances.
    pub instances: BTreeMap<Id, OmniInstanceStatus>,
    /// Of the versions.
    pub versions: BTreeMap<Id, ModelVersionStatus>,
    /// Of the pins.
    pub pins: BTreeMap<Id, TenantPinStatus>,
    /// Of the rollouts.
    pub rollouts: BTreeMap<Id, VersionRolloutStatus>,
    /// Of the approvals.
    pub approvals: BTreeMap<Id, WaveApprovalStatus>,
}

impl Statuses {
    /// Forgets what is no longer declared.
    pub(super) fn retain(&mut self, catalog: &Catalog) {
        let instances: Vec<Id> = catalog.instances().map(|object| id_of(object)).collect();
        let versions: Vec<Id> = catalog.versions().map(|object| id_of(object)).collect();
        let pins: Vec<Id> = catalog.pins().map(|object| id_of(object)).collect();
        let rollouts: Vec<Id> = catalog.rollouts().map(|object| id_of(object)).collect();
        let approvals: Vec<Id> = catalog.approvals().map(|object| id_of(object)).collect();
        self.rollouts.retain(|id, _| rollouts.binary_search(id).is_ok());
        self.approvals.retain(|id, _| approvals.binary_search(id).is_ok());
        self.instances.retain(|id, _| instances.binary_search(id).is_ok());
        self.versions.retain(|id, _| versions.binary_search(id).is_ok());
        self.pins.retain(|id, _| pins.binary_search(id).is_ok());
    }

    /// Takes what a pass says of an instance; true if others may want to know.
    pub(super) fn instance(&mut self, id: &Id, pass: &InstancePass, observer: &dyn Observer) -> bool {
        let status = self.instances.entry(id.clone()).or_default();
        let subject = Subject::new("OmniInstance", id);
        take(&mut status.conditions, &pass.findings, &subject, observer)
    }

    /// Takes what a pass says of a version; true if others may want to know.
    pub(super) fn version(&mut self, id: &Id, report: &VersionReport, observer: &dyn Observer) -> bool {
        let status = self.versions.entry(id.clone()).or_default();
        let mark = |status: &ModelVersionStatus| (status.sealed, verdict(&status.conditions, READY));
        let before = mark(status);
        // What a pass did not come to see stays as it was: an outage says nothing of it.
        status.model_id = report.model_id.clone().or(status.model_id.take());
        status.folder = report.folder.clone().or(status.folder.take());
        status.git_commit = report.git_commit.clone().or(status.git_commit.take());
        status.plan = report.plan.clone().or(status.plan.take());
        status.sealed = report.sealed.then_some(true).or(status.sealed);
        if report.dashboards.is_some() {
            status.dashboards.clone_from(&report.dashboards);
            status.foreign_links.clone_from(&report.foreign_links);
            status.not_carried.clone_from(&report.not_carried);
        }
        let validation = report.found.as_ref().map(|it| it.status());
        status.validation = validation.or(status.validation.take());
        let subject = Subject::new("ModelVersion", id);
        take(&mut status.conditions, &report.findings, &subject, observer);
        mark(status) != before
    }

    /// Takes what a pass says of a pin.
    pub(super) fn pin(&mut self, namespace: &str, report: &PinReport, observer: &dyn Observer) {
        let id = (namespace.to_owned(), report.name.clone());
        let status = self.pins.entry(id.clone()).or_default();
        if report.row_seen {
            status.version = report.version;
            status.previous_version = report.previous_version;
            status.since = report.since;
        }
        let subject = Subject::new("TenantPin", &id);
        take(&mut status.conditions, &report.findings, &subject, observer);
    }
}

impl Statuses {
    /// Takes what a pass says of a rollout.
    pub(super) fn rollout(&mut self, namespace: &str, report: &RolloutReport, observer: &dyn Observer) {
        let id = (namespace.to_owned(), report.name.clone());
        let status = self.rollouts.entry(id.clone()).or_default();
        if let Some(progress) = &report.progress {
            progress.fill(status);
        }
        let subject = Subject::new("VersionRollout", &id);
        take(&mut status.conditions, &report.findings, &subject, observer);
    }
}

impl Statuses {
    /// Takes what a pass says of an approval.
    pub(super) fn approval(&mut self, namespace: &str, report: &ApprovalReport, observer: &dyn Observer) {
        let id = (namespace.to_owned(), report.name.clone());
        let status = self.approvals.entry(id.clone()).or_default();
        report.fill(status);
        let subject = Subject::new("WaveApproval", &id);
        take(&mut status.conditions, &report.findings, &subject, observer);
    }

    /// Tells approvals whose rollout is not in the files: no pass speaks of them.
    pub(super) fn without_rollout(&mut self, catalog: &Catalog, observer: &dyn Observer) {
        for approval in catalog.approvals().filter(|it| catalog.rollout_of(it).is_none()) {
            let report = environment::approval_without_rollout(approval);
            self.approval(&approval.namespace, &report, observer);
        }
    }
}

/// True if `Ready` moved.
fn take(known: &mut Vec<Condition>, findings: &[Finding], subject: &Subject, observer: &dyn Observer) -> bool {
    let before = known.clone();
    conditions::apply(known, findings, None);
    for transition in conditions::transitions(&before, known) {
        observer.transition(subject, &transition);
    }
    verdict(&before, READY) != verdict(known, READY)
}

fn verdict(all: &[Condition], kind: &str) -> Option<String> {
    all.iter()
        .find(|condition| condition.type_ == kind)
        .map(|condition| condition.status.clone())
}

/// One condition of a status, if it is there and true.
#[must_use]
pub fn true_condition<'all>(all: &'all [Condition], kind: &str) -> Option<&'all Condition> {
    all.iter()
        .find(|condition| condition.type_ == kind && condition.status == "True")
}
