//! What was last seen of complete versions, kept by a process: what moves rows must not cost a look at Omni. And why a
//! version stands still for its edits, where ConfigMaps or Secrets hold some: those are read often, and Omni is not.
//!
//! A version's pass is asked for when its first tenant comes or its last one goes. What it says of Omni then is what the
//! last look said, as long as neither the ledger nor anything declared has changed and the interval has not passed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::decide::Ending;
use super::desired::Desired;
use super::observe::{Observed, sought};
use super::samples::Sample;
use crate::ports::{DashboardRecord, DashboardRow, Object, Unproved, VersionRecord};
use crate::resources::{ModelVersionSpec, OmniInstanceSpec};

/// A look at Omni that a pass ended with, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct LastLook {
    /// It counts until then.
    pub(super) until: Timestamp,
    pub(super) ending: Ending,
    pub(super) basis: Basis,
}

/// Everything besides Omni that what is said of a version rests on, but for its tenants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basis {
    specs: [String; 2],
    requests: [BTreeMap<String, String>; 2],
    /// With what the objects hold that the spec names.
    plan: String,
    record: Option<VersionRecord>,
    dashboards: BTreeMap<String, DashboardRecord>,
    source_dashboards: BTreeMap<String, DashboardRecord>,
    rows: Vec<DashboardRow>,
    /// Environments where a pin wishes the version, and of which there is no evidence yet.
    unproved: BTreeSet<String>,
    /// Tenants as whom a check of a rollout wants its queries asked, and since when.
    sought: BTreeSet<(String, Timestamp)>,
}

impl Basis {
    /// What there is now; nothing where the version's rows were not read.
    pub(super) fn new(
        object: &Object<ModelVersionSpec>,
        instance: &Object<OmniInstanceSpec>,
        desired: &Desired,
        seen: &Observed,
    ) -> Option<Self> {
        let mut record = seen.versions.get(&desired.version).cloned();
        if let Some(complete_at) = record.as_mut().and_then(|record| record.complete_at.as_mut()) {
            // The database's time, which the pass that wrote it did not read.
            *complete_at = Timestamp::UNIX_EPOCH;
        }
        let is_unproved = |(environment, sample): &(&String, &Sample)| {
            let record = record.as_ref();
            sample.wished && record.is_some_and(|it| it.unproved(environment) == Some(Unproved::Missing))
        };
        let unproved = seen.samples.iter().filter(is_unproved);
        Some(Self {
            unproved: unproved.map(|(environment, _)| environment.clone()).collect(),
            sought: sought(seen).map(|it| (it.subject.clone(), it.opened_at)).collect(),
            specs: [object.spec_hash.clone(), instance.spec_hash.clone()],
            requests: [object.requests.clone(), instance.requests.clone()],
            plan: desired.plan.clone(),
            record,
            dashboards: seen.dashboards.clone(),
            source_dashboards: seen.source_dashboards.clone(),
            rows: seen.rows.clone()?,
        })
    }
}

/// The last looks of one process, by namespace and name of the version.
#[derive(Debug, Default)]
pub struct LastLooks(Mutex<HashMap<(String, String), LastLook>>);

impl LastLooks {
    fn inside(&self) -> MutexGuard<'_, HashMap<(String, String), LastLook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last one at a version.
    #[must_use]
    pub fn of(&self, namespace: &str, name: &str) -> Option<LastLook> {
        self.inside().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Keeps one.
    pub fn keep(&self, namespace: &str, name: &str, look: LastLook) {
        self.inside().insert((namespace.to_owned(), name.to_owned()), look);
    }

    /// Forgets that of a version, which is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.inside().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Forgets all of them: what they saw may have been seen with other credentials.
    pub fn forget_all(&self) {
        self.inside().clear();
    }
}
