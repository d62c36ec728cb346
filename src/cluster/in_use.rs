//! Versions that a pass over an environment concerns: their use by tenants began or ended, a pin began to wait until they are
//! validated as the tenants there, or a check of a wave wants to know something that their own passes ask.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kind::ObjectName;
use super::store::Store;
use crate::environment::{EnvironmentKey, EnvironmentPass};
use crate::ports::Objects;
use crate::resources::conditions::{IN_USE, Reason, WAITING};
use crate::resources::{ModelVersion, TenantPin};

/// Versions over which a pass runs.
#[derive(Debug, Default)]
pub(super) struct RunningPasses(Mutex<HashSet<ObjectName>>);

/// A pass that runs, for as long as this is there.
#[derive(Debug)]
pub(super) struct RunningPass<'a> {
    all: &'a RunningPasses,
    name: ObjectName,
}

impl RunningPasses {
    fn lock(&self) -> MutexGuard<'_, HashSet<ObjectName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass over this version begins; of two at once, which the queue sees to, nothing is known here.
    pub(super) fn begin(&self, name: &ObjectName) -> RunningPass<'_> {
        let name = name.clone();
        self.lock().insert(name.clone());
        RunningPass { all: self, name }
    }

    /// Whether a pass over this version runs.
    pub(super) fn contains(&self, name: &ObjectName) -> bool {
        self.lock().contains(name)
    }
}

impl Drop for RunningPass<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.name);
    }
}

/// The versions of which `InUse` says something else than the rows do since this pass: their own passes would notice
/// only after the interval. Rows that were moved for others of a version that stays in use concern nobody, so that a
/// promotion brings no pass that asks Omni.
///
/// A version is unsettled while a pass over it runs or what it said waits to be written. That pass may have read the rows before
/// they moved, and what the status says now is not what it will: such a version is looked at again wherever one of its rows moved.
pub(super) fn changed(
    store: &Store,
    key: &EnvironmentKey,
    pass: &EnvironmentPass,
    is_unsettled: impl Fn(&ObjectName) -> bool,
) -> Vec<ObjectName> {
    let mut came = BTreeSet::new();
    let mut left = BTreeSet::new();
    for report in pass.pins.iter().filter(|report| report.row_seen) {
        let name = ObjectName::new(&key.namespace, &report.name);
        let held = store
            .record::<TenantPin>(&name)
            .and_then(|record| record.status.version);
        if held != report.version {
            came.extend(report.version);
            left.extend(held);
        }
    }
    // Of rows without a pin no status says what they held before. That of a pin may not be written yet: told by it alone, rows
    // that went and came back meanwhile would not have moved.
    came.extend(&pass.moved);
    left.extend(&pass.moved);
    if came.is_empty() && left.is_empty() {
        return Vec::new();
    }
    let is_unseen = pass.pins.iter().any(|it| !it.row_seen) || pass.rollouts.iter().any(|it| it.progress.is_none());
    let versions = store.versions(&key.namespace, &key.instance);
    let names = versions.iter().filter_map(|version| {
        let name = ObjectName::new(&version.namespace, &version.name);
        let status = &store.record::<ModelVersion>(&name)?.status;
        let mut conditions = status.conditions.iter();
        let in_use = conditions.any(|condition| condition.type_ == IN_USE && condition.status == "True");
        let number = version.spec.version;
        let is_held = || is_held(store, key, pass, number);
        // A row that was to be moved may not have been; whether it was, a pass that failed does not tell.
        let begins = status.sealed == Some(true) && !in_use && came.contains(&number) && (is_unseen || is_held());
        let ends = in_use && left.contains(&number) && !is_held();
        let is_stale = || (came.contains(&number) || left.contains(&number)) && is_unsettled(&name);
        (begins || ends || is_stale()).then_some(name)
    });
    names.collect()
}

/// Whether a pin holds the version, or a row that takes part without one: here as the pass found it, elsewhere as the
/// statuses say.
fn is_held(store: &Store, key: &EnvironmentKey, pass: &EnvironmentPass, version: i32) -> bool {
    let mut others = store.environments(&ObjectName::new(&key.namespace, &key.instance));
    others.retain(|other| other != key);
    let holds = |other: &EnvironmentKey| {
        let pins = store.pins(&other.namespace, &other.instance, &other.environment);
        pins.iter().any(|pin| {
            let record = store.record::<TenantPin>(&ObjectName::new(&pin.namespace, &pin.name));
            record.is_some_and(|record| record.status.version == Some(version))
        })
    };
    pass.pins.iter().any(|report| report.version == Some(version))
        || pass.held.contains(&version)
        || others.iter().any(holds)
}

/// The versions with these numbers.
pub(super) fn numbered(store: &Store, key: &EnvironmentKey, numbers: &BTreeSet<i32>) -> Vec<ObjectName> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let mut versions = store.versions(&key.namespace, &key.instance);
    versions.retain(|it| numbers.contains(&it.spec.version));
    let names = versions.iter().map(|it| ObjectName::new(&it.namespace, &it.name));
    names.collect()
}

/// The versions that a pin began to wait for with this pass, since they are not validated yet as the tenants of its
/// environment: their own passes would notice only after the interval. Once is enough: whatever keeps such a pass from
/// validating them brings the next.
pub(super) fn unproved(store: &Store, key: &EnvironmentKey, pass: &EnvironmentPass) -> Vec<ObjectName> {
    let missing = Reason::EvidenceMissing.as_str();
    let begins = pass.pins.iter().filter_map(|report| {
        let mut findings = report.findings.iter();
        findings.find(|it| it.condition == WAITING && it.reason.as_str() == missing)?;
        let record = store.record::<TenantPin>(&ObjectName::new(&key.namespace, &report.name))?;
        let mut told = record.status.conditions.iter();
        let is_told = told.any(|it| it.type_ == WAITING && it.reason == missing);
        (!is_told).then_some(record.object.spec.version)
    });
    let begins: BTreeSet<Option<i32>> = begins.collect();
    let mut awaited: BTreeSet<i32> = begins.iter().copied().flatten().collect();
    if begins.contains(&None) {
        let rollouts = store.rollouts(&key.namespace, &key.instance, &key.environment);
        awaited.extend(rollouts.iter().map(|rollout| rollout.spec.version));
    }
    numbered(store, key, &awaited)
}
