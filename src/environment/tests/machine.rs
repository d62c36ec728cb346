//! A state machine: random lives of a rollout on a real database. Targets, labels, holds, freezes, failures and orders come
//! and go, processes end at any statement and others take over, and time passes. After each step every row that was written
//! is held to what was declared then; in the end all tenants are where they should be.

mod ledger;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::json;
use tokio::runtime::Runtime;

use super::ended::at_most;
use super::*;
use crate::environment::scene::{follower, rollout};
use crate::ports::{Command, Ordered, RolloutStep, Scope, StopKind};
use crate::resources::{Freeze, annotations};
use ledger::Book;

/// How many tenants there are.
const TENANTS: usize = 7;

/// One step of a life.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Time passes, and a pass is made.
    Pass(i64),
    /// A process ends after so many waits for the database, and another takes over.
    Crash(usize),
    Target(i32),
    Suspend(bool),
    Freeze(bool),
    Hold(usize, bool),
    Tier(usize, usize),
    Own(usize, Option<i32>),
    /// What a check puts on record.
    Fail(bool),
    Order(Option<usize>),
    Lift,
    Retry,
}

/// The model: what is declared, and what people ordered.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) target: i32,
    pub(super) suspended: bool,
    pub(super) frozen: bool,
    pub(super) held: [bool; TENANTS],
    pub(super) tiers: [usize; TENANTS],
    pub(super) own: [Option<i32>; TENANTS],
    /// Orders that stand: of one tenant, or of the rollout.
    pub(super) orders: Vec<Option<usize>>,
}

/// The labels and waves: a canary that soaks an hour, batches of half ten minutes apart, the rest.
pub(super) const TIERS: [&str; 3] = ["canary", "early", "late"];

/// The life that is drawn.
#[derive(Debug)]
struct Life;

impl ReferenceStateMachine for Life {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        vec(0..TIERS.len(), TENANTS)
            .prop_map(|tiers| Model {
                target: 2,
                suspended: false,
                frozen: false,
                held: [false; TENANTS],
                tiers: tiers.try_into().unwrap(),
                own: [None; TENANTS],
                orders: Vec::new(),
            })
            .boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let tenant = || 0..TENANTS;
        prop_oneof![
            6 => (1_i64..4000).prop_map(Step::Pass),
            4 => (0_usize..60).prop_map(Step::Crash),
            2 => (1..=3).prop_map(Step::Target),
            1 => any::<bool>().prop_map(Step::Suspend),
            1 => any::<bool>().prop_map(Step::Freeze),
            2 => (tenant(), any::<bool>()).prop_map(|(it, held)| Step::Hold(it, held)),
            1 => (tenant(), 0..TIERS.len()).prop_map(|(it, tier)| Step::Tier(it, tier)),
            1 => (tenant(), option::weighted(0.3, 1..=3)).prop_map(|(it, own)| Step::Own(it, own)),
            1 => any::<bool>().prop_map(Step::Fail),
            1 => option::of(tenant()).prop_map(Step::Order),
            1 => Just(Step::Lift),
            2 => Just(Step::Retry),
        ]
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match step {
            Step::Pass(_) | Step::Crash(_) | Step::Fail(_) | Step::Retry => {}
            Step::Target(target) => model.target = *target,
            Step::Suspend(suspended) => model.suspended = *suspended,
            Step::Freeze(frozen) => model.frozen = *frozen,
            Step::Hold(it, held) => model.held[*it] = *held,
            Step::Tier(it, tier) => model.tiers[*it] = *tier,
            Step::Own(it, own) => model.own[*it] = *own,
            Step::Order(about) => model.orders.push(*about),
            Step::Lift => model.orders.clear(),
        }
        model
    }
}

/// The system: a database, what is declared, and what was read of the ledger so far.
struct System {
    runtime: Runtime,
    house: House,
    book: Book,
    retry: Option<String>,
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Life;

    fn init_test(model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let house = runtime.block_on(rolled_out_once());
        let mut system = Self {
            runtime,
            house,
            book: Book::default(),
            retry: None,
        };
        // Everybody is on 1, as if by a rollout that was completed.
        let all = json!([{"name": "all"}]);
        system.house.stage.declared.rollout(rollout(1, all));
        system.declare_pins(model);
        system.pass();
        system.book.read(&system.runtime, &system.house);
        system.book.begin();
        system.declare(model);
        system.settle(model);
        system
    }

    fn apply(mut system: Self, model: &Model, step: Step) -> Self {
        system.declare(model);
        match step {
            Step::Pass(seconds) => system.time_passes(seconds),
            Step::Crash(waits) => system.crash(waits),
            Step::Fail(back) => system.fail(back),
            Step::Order(about) => system.order(about),
            Step::Lift => system.lift(),
            Step::Retry => {
                system.retry = system.attempt().map(|attempt| attempt.word());
                system.declare(model);
            }
            _ => {}
        }
        system.settle(model);
        system
    }

    fn check_invariants(system: &Self, model: &Model) {
        system.book.everybody_is_back(model, system.attempt().as_ref());
    }

    fn teardown(mut system: Self, last: Model) {
        let model = Model {
            target: 3,
            suspended: false,
            frozen: false,
            held: [false; TENANTS],
            own: [None; TENANTS],
            orders: Vec::new(),
            ..last
        };
        system.lift();
        for _ in 0..40 {
            system.retry = system.attempt().map(|attempt| attempt.word());
            system.declare(&model);
            system.settle(&model);
            system.time_passes(2000);
        }
        system.settle(&model);
        let rows = system.runtime.block_on(system.house.rows());
        assert!(rows.iter().all(|(.., version)| *version == 3), "{rows:?}");
        assert!(system.attempt().unwrap().completed_at.is_some());
        let before = system.book.rows_read;
        system.pass();
        system.settle(&model);
        assert_eq!(system.book.rows_read, before, "no change, no write");
    }
}

/// A house whose versions 2 and 3 are each cut from the one before.
async fn rolled_out_once() -> House {
    let house = House::new().await;
    house.complete(3).await;
    house
        .by_hand("UPDATE wavepin_model_version SET source = 'cut:' || (version - 1) WHERE version > 1")
        .await;
    house
}

impl System {
    fn declare_pins(&self, model: &Model) {
        for it in 0..TENANTS {
            let mut pin = follower(&format!("t{it}"), TIERS[model.tiers[it]]);
            pin.spec.version = model.own[it];
            let pin = if model.held[it] { pin.held(None) } else { pin };
            self.house.stage.declared.pin(pin);
        }
    }

    fn declare(&self, model: &Model) {
        self.declare_pins(model);
        let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
        let waves = json!([
            {"name": "canary", "selector": tier("canary"), "soak": "1h"},
            {"name": "early", "selector": tier("early"), "batch": {"size": "50%", "every": "10m"}},
            {"name": "late"},
        ]);
        let mut object = rollout(model.target, waves);
        object.spec.suspend = model.suspended;
        if model.frozen {
            object.spec.freeze.push(Freeze {
                from: None,
                until: None,
                reason: "close".to_owned(),
                ..Freeze::default()
            });
        }
        if let Some(word) = &self.retry {
            object
                .requests
                .insert(annotations::RETRY_ROLLOUT.to_owned(), word.clone());
        }
        object.spec_hash = crate::resources::spec_hash(&object.spec);
        self.house.stage.declared.rollout(object);
    }

    fn pass(&self) {
        self.runtime.block_on(self.house.pass());
    }

    /// Passes until nothing more is written, and holds what was to what is declared.
    fn settle(&mut self, model: &Model) {
        self.pass();
        self.book.read(&self.runtime, &self.house);
        self.book.hold_to(model);
    }

    /// The ledger grows older, and so does the world.
    fn time_passes(&self, seconds: i64) {
        let by = seconds * 1_000_000;
        self.house.stage.clock.pass(SignedDuration::from_secs(seconds));
        self.runtime.block_on(async {
            let mut connection = self.house.connection().await;
            for table in ["wavepin_pin_event", "wavepin_rollout_event", "wavepin_command"] {
                let older = format!("UPDATE {table} SET at = at - {by}");
                sqlx::query(sqlx::AssertSqlSafe(older))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        });
    }

    /// A process ends somewhere in a pass; the next one takes the fence.
    fn crash(&mut self, waits: usize) {
        let key = EnvironmentKey {
            namespace: "apps".to_owned(),
            instance: "omni".to_owned(),
            environment: "production".to_owned(),
        };
        self.runtime.block_on(async {
            at_most(waits, reconcile(&self.house.stage.world, &key)).await;
            let next = connect(&self.house.file().into(), MappingOptions::default())
                .await
                .unwrap();
            next.prepare("apps/omni", None).await.unwrap();
            self.house.mapping = Arc::clone(&next);
            *crate::ports::fakes::inside(&self.house.stage.wired.mapping) = Box::new(move || Ok(Arc::clone(&next)));
        });
    }

    fn attempt(&self) -> Option<crate::ports::Attempt> {
        let view = self
            .runtime
            .block_on(self.house.mapping.environment("production", &[], None));
        view.unwrap().rollouts.attempt
    }

    fn fail(&self, back: bool) {
        let Some(attempt) = self.attempt() else { return };
        let failed = [attempt.event(RolloutStep::Stopped {
            kind: if back { StopKind::RolledBack } else { StopKind::Paused },
            wave: None,
            why: "a check failed".to_owned(),
        })];
        let recorded = self.house.mapping.record_rollout("production", &failed);
        self.runtime.block_on(recorded).unwrap();
    }

    fn command(&self, what: Ordered) {
        let command = Command {
            environment: "production".to_owned(),
            what,
            by: "anna".to_owned(),
            reason: "numbers are off".to_owned(),
        };
        self.runtime
            .block_on(self.house.mapping.give_command(&command))
            .unwrap();
    }

    fn order(&self, about: Option<usize>) {
        let attempt = self.attempt().unwrap().number;
        let scope = match about {
            Some(it) => Scope::Tenant(format!("t{it}")),
            None => Scope::Rollout { attempt },
        };
        self.command(Ordered::RollBack(scope));
    }

    fn lift(&self) {
        let view = self
            .runtime
            .block_on(self.house.mapping.environment("production", &[], None));
        for order in view.unwrap().orders {
            self.command(Ordered::Lift(order.number));
        }
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 12, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_to_a_rollout_every_row_is_written_as_declared_and_all_arrive(sequential 10..30 => System);
}
