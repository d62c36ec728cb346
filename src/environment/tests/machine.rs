//! A state machine: random lives of a rollout on a real database. Targets, labels, holds, freezes, approvals, checks, budgets,
//! failures and orders come and go, processes end at any statement and others take over, and time passes. After each step
//! every row that was written is held to what was declared and on record then, and what is waited for has a time or names
//! what a person does; in the end all tenants are where they should be. What is right is said here a second time, by the
//! ledger's tables: no decision is asked for it.

mod evidence;
mod gates;
mod ledger;
mod life;

use std::sync::{Arc, LazyLock, Mutex};

use jiff::SignedDuration;
use proptest::test_runner::{Config, RngSeed};
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use serde_json::json;
use tokio::runtime::Runtime;

use super::ended::at_most;
use super::*;
use crate::environment::scene::{follower, rollout};
use crate::ports::{Command, Ordered, RolloutStep, Scope, StopKind};
use crate::resources::annotations;
use gates::{Gate, Given, Says};
use ledger::Book;
use life::{Frozen, Life, Model, Step, TENANTS, TIERS, region};

/// The system: a database, what is declared, and what was read of the ledger so far.
struct System {
    runtime: Runtime,
    house: House,
    book: Book,
    retry: Option<String>,
    /// What checks are answered now.
    says: Arc<Mutex<Says>>,
    given: Given,
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
            says: Arc::default(),
            given: Given::default(),
        };
        let says = Arc::clone(&system.says);
        *system.house.stage.wired.answers.lock().unwrap() = Box::new(move |question| {
            let says = says.lock().unwrap();
            says.answer(&question.check.name)
        });
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
            Step::Crash(waits) => {
                system.crash(waits);
                system.read(model);
            }
            Step::Fail(back) => system.fail(back),
            Step::Order(about) => system.order(about),
            Step::Lift => system.lift(),
            Step::Gate(Gate::Approve { wave, earlier }) => system.approve(wave, earlier),
            Step::Gate(Gate::Withdraw(which)) => system.given.withdraw(which, &system.house),
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
            frozen: Frozen::Nobody,
            held: [false; TENANTS],
            own: [None; TENANTS],
            orders: Vec::new(),
            says: Says::default(),
            ..last
        };
        system.lift();
        for _ in 0..40 {
            system.retry = system.attempt().map(|attempt| attempt.word());
            system.declare(&model);
            system.settle(&model);
            for wave in 0..TIERS.len() {
                system.approve(wave, false);
            }
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
            pin.labels.insert("region".to_owned(), region(it).to_owned());
            pin.spec.version = model.own[it];
            let pin = if model.held[it] { pin.held(None) } else { pin };
            self.house.stage.declared.pin(pin);
        }
    }

    fn declare(&self, model: &Model) {
        self.declare_pins(model);
        *self.says.lock().unwrap() = model.says.clone();
        let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
        let waves = json!([
            {"name": "canary", "selector": tier("canary"), "soak": "1h"},
            {"name": "early", "selector": tier("early"), "batch": {"size": "50%", "every": "10m"}},
            {"name": "late"},
        ]);
        let mut object = rollout(model.target, waves);
        object.spec.suspend = model.suspended;
        let freeze = match model.frozen {
            Frozen::Nobody => json!([]),
            Frozen::Everybody => json!([{"reason": "close"}]),
            Frozen::Emea => json!([{"reason": "close", "selector": {"matchLabels": {"region": "emea"}}}]),
        };
        object.spec.freeze = serde_json::from_value(freeze).unwrap();
        model.gates.declare(&mut object.spec);
        if let Some(word) = &self.retry {
            object
                .requests
                .insert(annotations::RETRY_ROLLOUT.to_owned(), word.clone());
        }
        object.spec_hash = crate::resources::spec_hash(&object.spec);
        self.house.stage.declared.rollout(object);
    }

    fn pass(&self) -> EnvironmentPass {
        self.runtime.block_on(self.house.pass())
    }

    /// A person approves a wave of what the status tells.
    fn approve(&mut self, wave: usize, earlier: bool) {
        self.given.approve(wave, earlier, &self.house);
    }

    /// Passes until nothing more is written, and holds what was to what is declared.
    fn settle(&mut self, model: &Model) {
        let pass = self.pass();
        self.read(model);
        self.book.is_stopped_over_budget(model);
        self.given.note(&pass, self.book.attempt());
        gates::tells_what_ends_it(&pass);
    }

    /// Reads what was written since the last time, and holds it to what is declared.
    fn read(&mut self, model: &Model) {
        self.book.read(&self.runtime, &self.house);
        self.book.hold_to(model);
        self.book.hold_gates(model, &self.given);
    }

    /// The ledger grows older, and so does the world.
    fn time_passes(&self, seconds: i64) {
        let by = seconds * 1_000_000;
        self.house.stage.clock.pass(SignedDuration::from_secs(seconds));
        self.runtime.block_on(async {
            let mut connection = self.house.connection().await;
            let tables = [
                ("wavepin_pin_event", "at"),
                ("wavepin_rollout_event", "at"),
                ("wavepin_command", "at"),
                ("wavepin_rollout_check", "at"),
                ("wavepin_rollout_check", "asked_at"),
            ];
            for (table, time) in tables {
                let older = format!("UPDATE {table} SET {time} = {time} - {by}");
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

/// How many lives are lived: some in every run. `WAVEPIN_LIVES` says another number, `WAVEPIN_SEED` which ones.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    Config {
        cases: number("WAVEPIN_LIVES").map_or(24, |lives| lives.try_into().unwrap()),
        max_shrink_iters: 400,
        // Failures are kept as tests with names instead.
        failure_persistence: None,
        rng_seed: number("WAVEPIN_SEED").map_or(RngSeed::Random, RngSeed::Fixed),
        ..Config::default()
    }
});

prop_state_machine! {
    #![proptest_config(CONFIG.clone())]

    #[test]
    fn whatever_happens_to_a_rollout_every_row_is_written_as_declared_and_all_arrive(sequential 10..30 => System);
}
