//! One pass over an instance, a version or an environment, and what it wakes.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::Engine;
use super::telling::Telling;
use crate::environment::{self, EnvironmentKey, EnvironmentPass};
use crate::model_version;
use crate::omni_instance;
use crate::ports::Objects as _;
use crate::resources::conditions::{Finding, IN_USE, Reason, WAITING};
use crate::standalone::catalog::{Id, id_of};
use crate::standalone::schedule::Work;
use crate::standalone::statuses::{Key, true_condition};

impl Engine {
    pub(super) async fn instance(&self, id: Id) {
        let key = Key::Instance(id.clone());
        self.begin(&key);
        let Some(pass) = omni_instance::reconcile(&self.world, &id.0, &id.1).await else {
            self.nothing_there(&key);
            return;
        };
        let abandoned = match pass.has_mapping() {
            true => self.abandoned_environments(&id).await,
            false => Vec::new(),
        };
        let mut state = self.state();
        let state = &mut *state;
        let moved = state.statuses.instance(&id, &pass, &*self.observer);
        self.settle(state, key, pass.next, &pass.findings);
        for key in abandoned {
            state.work.entry(Key::Environment(key)).or_insert_with(Work::now);
        }
        if moved || pass.opens {
            state.wake(|key, _| match key {
                Key::Instance(_) => false,
                Key::Version(other) => other.0 == id.0,
                Key::Environment(key) => key.namespace == id.0 && key.instance == id.1,
            });
        }
    }

    /// With pruning: the environments in which tenants are claimed, or an order stands, and of which nothing is left in any file.
    pub(super) async fn abandoned_environments(&self, id: &Id) -> Vec<EnvironmentKey> {
        if self.declared.absence_is_deletion(&id.0) {
            environment::abandoned(&self.world, &id.0, &id.1).await
        } else {
            Vec::new()
        }
    }

    pub(super) async fn version(&self, id: Id, deadline: Instant) {
        let key = Key::Version(id.clone());
        if !self.due().0.contains(&key) {
            return;
        }
        self.begin(&key);
        let progress = Telling::new(self, &id, deadline);
        let Some(pass) = model_version::reconcile(&self.world, &id.0, &id.1, &progress).await else {
            self.looks.forget(&id.0, &id.1);
            self.nothing_there(&key);
            return;
        };
        let mut state = self.state();
        state.take_version(&id, &pass.report, &*self.observer);
        self.settle(&mut state, key, pass.next, &pass.report.findings);
    }

    pub(super) async fn environment(&self, key: EnvironmentKey) {
        self.begin(&Key::Environment(key.clone()));
        let Some(pass) = environment::reconcile(&self.world, &key).await else {
            self.nothing_there(&Key::Environment(key));
            return;
        };
        let mut concerned = self.wrongly_unused(&key, &pass);
        concerned.extend(self.unproved(&key, &pass));
        concerned.extend(self.numbered(&key, &pass.sought));
        let mut state = self.state();
        let state = &mut *state;
        let mut rows_moved = false;
        for pin in &pass.pins {
            let id = (key.namespace.clone(), pin.name.clone());
            let held = state.statuses.pins.get(&id).and_then(|status| status.version);
            rows_moved |= pin.row_seen && held != pin.version;
            state.statuses.pin(&key.namespace, pin, &*self.observer);
        }
        for rollout in &pass.rollouts {
            state.statuses.rollout(&key.namespace, rollout, &*self.observer);
        }
        for approval in &pass.approvals {
            state.statuses.approval(&key.namespace, approval, &*self.observer);
        }
        let of_pins = pass.pins.iter().flat_map(|pin| pin.findings.clone());
        let of_rollouts = pass.rollouts.iter().flat_map(|rollout| rollout.findings.clone());
        let findings: Vec<Finding> = of_pins.chain(of_rollouts).collect();
        self.settle(state, Key::Environment(key.clone()), pass.next, &findings);
        // Evidence for other environments, use for versions that thought themselves unused, what checks want to know.
        state.wake(|other, _| match other {
            Key::Instance(_) => false,
            Key::Version(id) => concerned.contains(id),
            Key::Environment(other) => {
                rows_moved && *other != key && other.namespace == key.namespace && other.instance == key.instance
            }
        });
    }

    /// Versions that a pin began to wait for, since they are not validated yet as the tenants of its environment.
    fn unproved(&self, key: &EnvironmentKey, pass: &EnvironmentPass) -> BTreeSet<Id> {
        let missing = Reason::EvidenceMissing;
        let state = self.state();
        let begins = pass.pins.iter().filter(|pin| {
            let waits = |it: &Finding| it.condition == WAITING && it.reason == missing;
            let known = state.statuses.pins.get(&(key.namespace.clone(), pin.name.clone()));
            let told = known.and_then(|status| true_condition(&status.conditions, WAITING));
            pin.findings.iter().any(waits) && told.is_none_or(|it| it.reason != missing.as_str())
        });
        let begins: BTreeSet<&str> = begins.map(|pin| pin.name.as_str()).collect();
        let pins = self.declared.pins(&key.namespace, &key.instance, &key.environment);
        let awaited = pins.iter().filter(|pin| begins.contains(pin.name.as_str()));
        let begins: BTreeSet<Option<i32>> = awaited.map(|pin| pin.spec.version).collect();
        let mut awaited: BTreeSet<i32> = begins.iter().copied().flatten().collect();
        if begins.contains(&None) {
            let rollouts = self.declared.rollouts(&key.namespace, &key.instance, &key.environment);
            awaited.extend(rollouts.iter().map(|rollout| rollout.spec.version));
        }
        drop(state);
        self.numbered(key, &awaited)
    }

    /// The versions with these numbers.
    fn numbered(&self, key: &EnvironmentKey, numbers: &BTreeSet<i32>) -> BTreeSet<Id> {
        let versions = self.declared.versions(&key.namespace, &key.instance);
        let named = versions.iter().filter(|it| numbers.contains(&it.spec.version));
        named.map(|it| id_of(it)).collect()
    }

    /// Versions that a row points at and whose condition does not say so yet.
    fn wrongly_unused(&self, key: &EnvironmentKey, pass: &EnvironmentPass) -> BTreeSet<Id> {
        let state = self.state();
        let rows: BTreeSet<i32> = pass.pins.iter().filter_map(|pin| pin.version).collect();
        let versions = self.declared.versions(&key.namespace, &key.instance);
        versions
            .iter()
            .filter(|version| rows.contains(&version.spec.version))
            .map(|version| id_of(version))
            .filter(|id| {
                let status = state.statuses.versions.get(id);
                status.is_some_and(|status| {
                    status.sealed == Some(true) && true_condition(&status.conditions, IN_USE).is_none()
                })
            })
            .collect()
    }
}
