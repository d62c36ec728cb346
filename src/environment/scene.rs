//! What the tests of this room build environments of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::EnvironmentKey;
use super::decide::{BY_SPEC, Decision, Plan, Standing, decide};
use super::observe::{Holder, Observed};
use crate::ports::{
    Answer, Cause, Claim, EnvironmentView, Evidence, Flip, Object, Order, PinEvent, PinEventKind, RolloutStep, Sampled,
    Scope, StopKind, TenantLine, TenantLines, VersionRecord,
};
use crate::resources::{
    Hold, HumanDuration, InstanceRef, PinDeletionPolicy, Requires, TenantPinSpec, VersionRolloutSpec, annotations,
};

/// The tenant of the tests that need only one.
pub(super) const ACME: &str = "acme";

/// So many seconds after the start of the tests' time. Now is 1000.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_700_000_000 + seconds)
}

/// A pin of a tenant in production, as old as its name is late in the alphabet.
pub(super) fn pin(name: &str, tenant: &str, version: i32) -> Object<TenantPinSpec> {
    Object {
        namespace: "apps".to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        requests: BTreeMap::new(),
        spec: TenantPinSpec {
            instance_ref: InstanceRef {
                name: "omni".to_owned(),
            },
            tenant: tenant.to_owned(),
            environment: "production".to_owned(),
            version: Some(version),
            requires: None,
            hold: None,
            deletion_policy: PinDeletionPolicy::Retain,
        },
        spec_hash: format!("{name}@{version}"),
        first_seen: at(0),
        deleting: false,
    }
}

/// A pin of a tenant in production that follows the rollout, with this label `tier`.
pub(super) fn follower(tenant: &str, tier: &str) -> Object<TenantPinSpec> {
    pin(tenant, tenant, 1).with(|pin| {
        pin.spec.version = None;
        pin.labels.insert("tier".to_owned(), tier.to_owned());
    })
}

/// The rollout `apps/main` of production to a version, by these waves.
pub(super) fn rollout(version: i32, waves: serde_json::Value) -> Object<VersionRolloutSpec> {
    let spec = serde_json::json!({
        "instanceRef": {"name": "omni"}, "environment": "production", "version": version, "waves": waves,
    });
    let spec: VersionRolloutSpec = serde_json::from_value(spec).unwrap();
    Object {
        namespace: "apps".to_owned(),
        name: "main".to_owned(),
        labels: BTreeMap::new(),
        requests: BTreeMap::new(),
        spec_hash: crate::resources::spec_hash(&spec),
        spec,
        first_seen: at(0),
        deleting: false,
    }
}

/// Changes to a pin, one after the other.
pub(super) trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Object<TenantPinSpec>)) -> Self;
    fn held(self, until: Option<i64>) -> Self {
        self.with(|pin| {
            pin.spec.hold = Some(Hold {
                reason: "quarter close".to_owned(),
                until: until.map(at),
            });
        })
    }
    fn requiring(self, environment: &str, soak: u64) -> Self {
        self.with(|pin| {
            pin.spec.requires = Some(Requires {
                environment: environment.to_owned(),
                soak: HumanDuration::from_secs(soak),
            });
        })
    }
    fn restoring(self, word: &str) -> Self {
        self.with(|pin| {
            pin.requests
                .insert(annotations::RESTORE_ROW.to_owned(), word.to_owned());
        })
    }
}

impl With for Object<TenantPinSpec> {
    fn with(mut self, change: impl FnOnce(&mut Object<TenantPinSpec>)) -> Self {
        change(&mut self);
        self
    }
}

/// A flip of the ledger.
pub(super) fn flip(seconds: i64, from: Option<i32>, to: i32) -> PinEvent {
    let by_spec = Cause {
        reason: BY_SPEC.to_owned(),
        wave: None,
    };
    PinEvent {
        cause: Arc::new(by_spec),
        ..event(PinEventKind::Flip, seconds, from, Some(to), to)
    }
}

/// A change by another hand, as the ledger has it.
pub(super) fn outside(seconds: i64, from: Option<i32>, to: Option<i32>, wish: i32) -> PinEvent {
    event(PinEventKind::Outside, seconds, from, to, wish)
}

fn event(kind: PinEventKind, seconds: i64, from: Option<i32>, to: Option<i32>, wish: i32) -> PinEvent {
    PinEvent {
        at: at(seconds),
        kind,
        from,
        to,
        wanted_version: wish,
        cause: Arc::default(),
    }
}

/// An environment, built up piece by piece: versions 1, 2 and 3 are complete, 4 is being cut, 5 is retired.
#[derive(Debug, Clone)]
pub(super) struct Scene(pub(super) Observed, pub(super) Answers);

/// What checks are answered, by name; others pass.
pub(super) type Answers = BTreeMap<String, Answer>;

impl Scene {
    pub(super) fn new(pins: impl IntoIterator<Item = Object<TenantPinSpec>>) -> Self {
        let mut pins: Vec<_> = pins.into_iter().map(Arc::new).collect();
        pins.sort_by(|one, other| one.name.cmp(&other.name));
        let versions = (1..=5).map(|version| (version, version_record(version)));
        Self(
            Observed {
                key: EnvironmentKey {
                    namespace: "apps".to_owned(),
                    instance: "omni".to_owned(),
                    environment: "production".to_owned(),
                },
                pins,
                rollouts: Vec::new(),
                led_elsewhere: None,
                owner: "apps/omni".to_owned(),
                approvals: Vec::new(),
                holders: BTreeMap::new(),
                versions: versions.collect(),
                view: EnvironmentView {
                    now: at(1000),
                    ..EnvironmentView::default()
                },
                tenant_tables: BTreeMap::new(),
                labels_from: None,
                now: at(1000),
                refused: BTreeSet::new(),
            },
            Answers::new(),
        )
    }

    /// The evidence for a version holds no longer.
    pub(super) fn void(mut self, version: i32) -> Self {
        if let Some(record) = self.0.versions.get_mut(&version) {
            record.evidence = Some(Evidence {
                basis: "as it was".to_owned(),
                void: Some("EditedInOmni".to_owned()),
                ..Evidence::default()
            });
        }
        self
    }

    /// The version asks for evidence of every environment; what production's own says of its tenants: nothing yet, that all
    /// is right, or what is not.
    pub(super) fn sampled(mut self, version: i32, production: Option<Option<&str>>) -> Self {
        if let Some(record) = self.0.versions.get_mut(&version) {
            record.evidence = Some(Evidence {
                basis: "as it is".to_owned(),
                sampled: Sampled::Everywhere,
                ..Evidence::default()
            });
            let own = |found: Option<&str>| Evidence {
                basis: "as it is".to_owned(),
                void: found.map(|_| "RoutingWrong".to_owned()),
                found: found.map(str::to_owned),
                ..Evidence::default()
            };
            let own = production.map(|found| ("production".to_owned(), own(found)));
            record.environments = own.into_iter().collect();
            record.environments.insert(
                "staging".to_owned(),
                Evidence {
                    void: Some("QueriesInvalid".to_owned()),
                    ..record.evidence.clone().unwrap_or_default()
                },
            );
        }
        self
    }

    /// Acme's row.
    pub(super) fn row(mut self, version: Option<i32>) -> Self {
        self.0.view.rows = version.map(|version| (ACME.to_owned(), version)).into_iter().collect();
        self
    }

    /// Acme's ledger.
    pub(super) fn ledger(mut self, events: impl IntoIterator<Item = PinEvent>) -> Self {
        self.0.view.events.insert(ACME.to_owned(), events.into_iter().collect());
        self
    }

    /// Acme's ledger in staging.
    pub(super) fn staging(mut self, events: impl IntoIterator<Item = PinEvent>) -> Self {
        let staging = self.0.view.evidence.entry("staging".to_owned()).or_default();
        staging.insert(ACME.to_owned(), events.into_iter().collect());
        self
    }

    /// A claim, and what became of its holder.
    pub(super) fn claim(mut self, tenant: &str, holder: &str, deletion: PinDeletionPolicy, fate: Holder) -> Self {
        let claim = Claim {
            tenant: tenant.to_owned(),
            holder: holder.to_owned(),
            deletion,
        };
        self.0.view.claims.insert(tenant.to_owned(), claim);
        self.0.holders.insert(tenant.to_owned(), fate);
        self
    }

    /// Acme's claim, held by the pin of that name.
    pub(super) fn claimed(self, name: &str) -> Self {
        self.claim(ACME, &format!("apps/{name}"), PinDeletionPolicy::Retain, Holder::Stands)
    }

    /// Tenants without a pin, each with its row, as the application inserted it, and its `tier` in the application's
    /// table, which labels them in the rollout.
    pub(super) fn rows(mut self, rows: &[(&str, &str, i32)]) -> Self {
        for (tenant, tier, version) in rows {
            self.0.view.rows.insert((*tenant).to_owned(), *version);
            self.tier(tenant, Some(tier));
        }
        let table = serde_json::json!({"table": "tenants", "tenantColumn": "id", "columns": ["tier"]});
        let table = serde_json::from_value(table).unwrap();
        self.0.tenant_tables.insert("tenants".to_owned(), table);
        self.0.labels_from = Some("tenants".to_owned());
        for rollout in &mut self.0.rollouts {
            let members = serde_json::json!({"rows": {"labelsFrom": "tenants"}});
            Arc::make_mut(rollout).spec.members = serde_json::from_value(members).unwrap();
        }
        self
    }

    /// What the application's table says of a tenant from now on.
    pub(super) fn tier(&mut self, tenant: &str, tier: Option<&str>) {
        let lines = std::mem::take(&mut self.0.view.tenants);
        let mut lines = match lines {
            TenantLines::Read(lines) => lines,
            _ => Vec::new(),
        };
        lines.retain(|line| line.tenant != tenant);
        lines.push(TenantLine {
            tenant: tenant.to_owned(),
            values: vec![tier.map(str::to_owned)],
        });
        self.0.view.tenants = TenantLines::Read(lines);
    }

    /// What is rolled out.
    pub(super) fn rolling_out(mut self, rollout: Object<VersionRolloutSpec>) -> Self {
        self.0.rollouts = vec![Arc::new(rollout)];
        self
    }

    /// Every tenant's row, as if Wavepin had put it there; each has the claim of its pin.
    pub(super) fn on(mut self, version: i32) -> Self {
        for pin in self.0.pins.clone() {
            let tenant = pin.spec.tenant.clone();
            self.0.view.rows.insert(tenant.clone(), version);
            self.0.view.events.insert(tenant.clone(), vec![flip(1, None, version)]);
            self = self.claim(&tenant, &pin.key(), PinDeletionPolicy::Retain, Holder::Stands);
        }
        self
    }

    /// The newest attempt is stopped, as checks stop it.
    pub(super) fn stop(&mut self, kind: StopKind, why: &str) {
        let attempt = self.0.view.rollouts.attempt.as_ref().expect("one has begun");
        let stopped = attempt.event(RolloutStep::Stopped {
            kind,
            wave: None,
            why: why.to_owned(),
        });
        let now = self.0.view.now;
        self.0.view.rollouts.take_in(&stopped, now);
    }

    /// A person orders tenants back.
    pub(super) fn order(&mut self, scope: Scope) {
        let orders = &mut self.0.view.orders;
        orders.push(Order {
            number: orders.last().map_or(1, |last| last.number + 1),
            at: self.0.view.now,
            scope,
            by: "anna".to_owned(),
            reason: "numbers are off".to_owned(),
        });
    }

    /// So many seconds pass, by both clocks.
    pub(super) fn pass(&mut self, seconds: i64) {
        let by = SignedDuration::from_secs(seconds);
        self.0.now += by;
        self.0.view.now += by;
    }

    /// Does what is decided until nothing more is, and returns what that was, look by look.
    pub(super) fn settle(&mut self) -> Vec<Plan> {
        let mut done = Vec::new();
        loop {
            let plan = self.decide().plan;
            if plan.is_empty() {
                return done;
            }
            self.apply(&plan);
            done.push(plan);
            assert!(done.len() < 100, "it never ends: {:?}", done.last());
        }
    }

    /// Which version each tenant is on, sorted by tenant; 0 without a row.
    pub(super) fn held(&self) -> Vec<(String, i32)> {
        let pins = self.0.pins.iter().map(|pin| pin.spec.tenant.clone());
        pins.map(|tenant| {
            let held = self.0.view.rows.get(&tenant).copied().unwrap_or_default();
            (tenant, held)
        })
        .collect()
    }

    pub(super) fn decide(&self) -> Decision {
        decide(&self.0)
    }

    /// Where the pin of that name stands.
    pub(super) fn standing(&self, name: &str) -> Standing {
        let place = self.0.pins.iter().position(|pin| pin.name == name).unwrap();
        self.decide().standings.swap_remove(place)
    }

    /// Does to the environment what the mapping would do, and refuses what it would refuse.
    pub(super) fn apply(&mut self, plan: &Plan) {
        let view = &mut self.0.view;
        let now = view.now;
        let record = |view: &mut EnvironmentView, tenant: &str, kind, from, to, wish| {
            let events = view.events.entry(tenant.to_owned()).or_default();
            events.push(PinEvent {
                at: now,
                kind,
                from,
                to,
                wanted_version: wish,
                cause: Arc::default(),
            });
        };
        for (tenant, from, to, wish) in &plan.outside {
            assert_eq!(view.rows.get(tenant).copied(), *to, "an invented change of {tenant}");
            record(view, tenant, PinEventKind::Outside, *from, *to, *wish);
        }
        for claim in &plan.claims {
            view.claims.insert(claim.tenant.clone(), claim.clone());
            self.0.holders.insert(claim.tenant.clone(), Holder::Stands);
        }
        for tenant in &plan.releases {
            assert!(view.claims.remove(tenant).is_some(), "{tenant} had no claim");
        }
        for removal in &plan.removals {
            assert_eq!(view.rows.remove(&removal.tenant), Some(removal.holds));
            assert!(view.claims.remove(&removal.tenant).is_some());
            record(
                view,
                &removal.tenant,
                PinEventKind::Delete,
                Some(removal.holds),
                None,
                0,
            );
        }
        for event in &plan.rollout {
            view.rollouts.take_in(event, now);
        }
        if let Some(attempt) = &mut view.rollouts.attempt {
            for question in &plan.questions {
                assert_eq!(question.attempt, attempt.number, "{question:?}");
                let answer = self.1.get(&question.check.name).cloned();
                let answer = answer.unwrap_or_else(|| Answer::passed(String::new()));
                question.answered(answer).take_into(&mut attempt.checks);
            }
        }
        for flip in &plan.flips {
            self.apply_flip(flip);
        }
    }

    fn apply_flip(&mut self, flip: &Flip) {
        let view = &mut self.0.view;
        note_batch(view, flip);
        let cause = Arc::new(Cause {
            reason: flip.reason.clone(),
            wave: flip.wave.clone(),
        });
        for one in &flip.moves {
            let target = &self.0.versions[&one.to];
            assert!(target.complete_at.is_some() && target.retired_at.is_none(), "{flip:?}");
            assert_eq!(view.rows.get(&one.tenant).copied(), one.from, "{flip:?}");
            view.rows.insert(one.tenant.clone(), one.to);
            view.events.entry(one.tenant.clone()).or_default().push(PinEvent {
                at: view.now,
                kind: PinEventKind::Flip,
                from: one.from,
                to: Some(one.to),
                wanted_version: one.to,
                cause: Arc::clone(&cause),
            });
        }
    }
}

/// Puts on record of which wave a flip is a batch, which must have opened.
fn note_batch(view: &mut EnvironmentView, flip: &Flip) {
    if let Some(of) = &flip.wave {
        let attempt = view.rollouts.attempt.as_ref().expect("a wave of an attempt");
        assert_eq!(of.attempt, attempt.number, "{flip:?}");
        assert!(attempt.waves.contains_key(&of.wave), "it has not opened: {flip:?}");
        let to = flip.moves.first().map_or(0, |one| one.to);
        view.rollouts
            .moved((of.attempt, &of.wave), to, flip.moves.len(), view.now);
    }
}

/// A version as its number says: 1, 2 and 3 are complete, 4 is being cut, 5 is retired.
pub(super) fn version_record(version: i32) -> VersionRecord {
    VersionRecord {
        version,
        source: format!("adopt:model-{version}"),
        holder: format!("apps/v{version}"),
        complete_at: (version != 4).then(|| at(1)),
        retired_at: (version == 5).then(|| at(2)),
        ..VersionRecord::default()
    }
}
