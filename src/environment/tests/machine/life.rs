//! What may happen in a life, and the model: what is declared, and what is said of the tenants.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::gates::{self, Gate, Gates, Says};

/// How many tenants there are.
pub(super) const TENANTS: usize = 7;

/// One step of a life.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Time passes, and a pass is made.
    Pass(i64),
    /// A process ends after so many waits for the database, and another takes over.
    Crash(usize),
    Target(i32),
    Suspend(bool),
    Freeze(Frozen),
    Hold(usize, bool),
    Tier(usize, usize),
    Own(usize, Option<i32>),
    /// What a check puts on record.
    Fail(bool),
    Order(Option<usize>),
    Lift,
    Retry,
    /// What concerns approvals and checks.
    Gate(Gate),
}

/// Whom a freeze keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frozen {
    Nobody,
    Everybody,
    /// Every second tenant.
    Emea,
}

impl Frozen {
    pub(super) fn keeps(self, tenant: usize) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Emea => region(tenant) == "emea",
        }
    }
}

pub(super) fn region(tenant: usize) -> &'static str {
    ["emea", "apac"][tenant % 2]
}

/// The model: what is declared, what people ordered, and what checks say.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) target: i32,
    pub(super) suspended: bool,
    pub(super) frozen: Frozen,
    pub(super) held: [bool; TENANTS],
    pub(super) tiers: [usize; TENANTS],
    pub(super) own: [Option<i32>; TENANTS],
    /// Orders that stand: of one tenant, or of the rollout.
    pub(super) orders: Vec<Option<usize>>,
    pub(super) gates: Gates,
    pub(super) says: Says,
}

/// The labels and waves: a canary that soaks an hour, batches of half ten minutes apart, the rest.
pub(super) const TIERS: [&str; 3] = ["canary", "early", "late"];

/// The life that is drawn.
#[derive(Debug)]
pub(super) struct Life;

impl ReferenceStateMachine for Life {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        (vec(0..TIERS.len(), TENANTS), gates::gates())
            .prop_map(|(tiers, gates)| Model {
                target: 2,
                suspended: false,
                frozen: Frozen::Nobody,
                held: [false; TENANTS],
                tiers: tiers.try_into().unwrap(),
                own: [None; TENANTS],
                orders: Vec::new(),
                gates,
                says: Says::default(),
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
            1 => prop_oneof![2 => Just(Frozen::Nobody), 1 => Just(Frozen::Everybody), 2 => Just(Frozen::Emea)].prop_map(Step::Freeze),
            2 => (tenant(), any::<bool>()).prop_map(|(it, held)| Step::Hold(it, held)),
            1 => (tenant(), 0..TIERS.len()).prop_map(|(it, tier)| Step::Tier(it, tier)),
            1 => (tenant(), option::weighted(0.3, 1..=3)).prop_map(|(it, own)| Step::Own(it, own)),
            1 => any::<bool>().prop_map(Step::Fail),
            1 => option::of(tenant()).prop_map(Step::Order),
            1 => Just(Step::Lift),
            2 => Just(Step::Retry),
            12 => gates::gate().prop_map(Step::Gate),
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
            Step::Gate(gate) => gate.alter(&mut model),
        }
        model
    }
}
