//! A state machine: random lives of two versions and a pin. People edit specs and rows and work in Omni, answers get
//! lost, clocks jump, lists lag, processes end between any two calls and others take over, one of them without knowing
//! that it was overtaken. After each step a small model of what must hold is held; in the end everything converges or
//! says why it does not, and then rests.

mod system;

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest as _, prop_state_machine};
use system::System;

use crate::parts::dice::{number, say, seed};

/// What a pass is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Instance,
    First,
    Second,
    Production,
}

/// One step of a life.
#[derive(Debug, Clone)]
pub enum Step {
    /// The present process makes a pass.
    Pass(Subject),
    /// A process is started, makes a pass, and is stopped at the call with this number, at this of three points.
    Crash {
        subject: Subject,
        call: usize,
        point: usize,
    },
    /// Another process takes over.
    TakeOver,
    /// The process before the last take-over makes a pass, as if it still led.
    Overtaken(Subject),
    /// The next calls but so many meet a fault of Omni.
    Fault { kind: usize, after: u32, times: u32 },
    /// A person does something in Omni.
    Hand(usize),
    /// A person changes the tenant's row.
    Row(i32),
    /// The pin is declared to want this version.
    Pin(i32),
    /// Version 2 is suspended, or goes on.
    Suspend(bool),
    /// The clock of the machine, and of Omni where it goes forward.
    Clock(i64),
    /// Omni's lists lag behind, or do not.
    Lag(bool),
}

/// The model: what is declared, and what may be so by somebody else's hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Somebody else wrote the row.
    pub row_by_hand: bool,
}

/// The life that is drawn.
#[derive(Debug)]
pub struct Life;

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        1 => Just(Subject::Instance),
        2 => Just(Subject::First),
        6 => Just(Subject::Second),
        3 => Just(Subject::Production),
    ]
}

impl ReferenceStateMachine for Life {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        prop_oneof![
            6 => subject().prop_map(Step::Pass),
            5 => (subject(), 0_usize..system::CALLS, 0_usize..3)
                .prop_map(|(subject, call, point)| Step::Crash { subject, call, point }),
            1 => Just(Step::TakeOver),
            2 => subject().prop_map(Step::Overtaken),
            4 => (0_usize..system::FAULTS.len(), 0_u32..50, 1_u32..3)
                .prop_map(|(kind, after, times)| Step::Fault { kind, after, times }),
            2 => (0_usize..system::HANDS).prop_map(Step::Hand),
            1 => (1_i32..4).prop_map(Step::Row),
            2 => (1_i32..3).prop_map(Step::Pin),
            1 => any::<bool>().prop_map(Step::Suspend),
            2 => (-300_i64..900).prop_map(Step::Clock),
            1 => any::<bool>().prop_map(Step::Lag),
        ]
        .boxed()
    }

    fn apply(mut state: Model, step: &Step) -> Model {
        if let Step::Row(_) = step {
            state.row_by_hand = true;
        }
        state
    }
}

/// How many lives each of the four tests lives: some in every run, 510 for more than two thousand (a quarter of an hour
/// on two cores). `WAVEPIN_LIVES` says another number, `WAVEPIN_SEED` repeats a run.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let lives = number("WAVEPIN_LIVES").unwrap_or(30);
    let seed = seed();
    say(&format!("four times {lives} lives; again with WAVEPIN_SEED={seed}"));
    Config {
        cases: u32::try_from(lives).expect("a life takes half a second"),
        max_shrink_iters: 400,
        // Failures are kept as tests with names instead.
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    }
});

/// A life that chance found: the copy is thrown away in mid-cut, and its identifier lies in the trash with it.
#[test]
fn a_copy_in_the_trash_holds_its_identifier_and_no_import_is_sent_for_it() {
    let model = Model::default();
    let thrown_away = Step::Hand(6);
    let imported = Step::Crash {
        subject: Subject::Second,
        call: 97,
        point: 1,
    };
    let mut system = System::init_test(&model);
    for step in [imported, thrown_away] {
        system = System::apply(system, &model, step);
        System::check_invariants(&system, &model);
    }
    System::teardown(system, model);
}

/// Another that chance found: a process ends between the mark and the call that makes the model, and a person makes one of
/// just that name. Empty, it is taken; with anything in it, it stays theirs.
#[test]
fn what_a_person_makes_in_place_of_an_unanswered_call_is_taken_while_it_is_empty() {
    let unanswered = Step::Crash {
        subject: Subject::Second,
        call: 30,
        point: 1,
    };
    let pass = || Step::Pass(Subject::Second);
    for (hand, is_complete) in [(0, true), (system::FILLED, false)] {
        let model = Model::default();
        let mut system = System::init_test(&model);
        for step in [unanswered.clone(), Step::Hand(hand), pass()] {
            system = System::apply(system, &model, step);
            System::check_invariants(&system, &model);
        }
        assert_eq!(system.is_complete(2), is_complete);
        System::teardown(system, model);
    }
}

prop_state_machine! {
    #![proptest_config(CONFIG.clone())]

    #[test]
    fn short_lives_keep_what_must_hold(sequential 1..5 => System);
    #[test]
    fn lives_keep_what_must_hold(sequential 2..8 => System);
    #[test]
    fn other_lives_keep_what_must_hold(sequential 2..8 => System);
    #[test]
    fn long_lives_keep_what_must_hold(sequential 5..12 => System);
}
