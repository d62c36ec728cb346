//! What is read at a scrape: budgets, queues, and the objects that are declared.

use std::collections::BTreeMap;
use std::time::Duration;

/// How the request budget of one key stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BudgetMeasure {
    /// The start of a hash of address and key, which tells budgets apart.
    pub budget: String,
    /// How many requests any window may hold.
    pub limit: u32,
    /// How many it holds.
    pub used: u32,
    /// How long all requests still wait after a 429; zero where they do not.
    pub paused: Duration,
    /// How many calls wait for their turn, by urgency.
    pub waiting: Vec<(&'static str, usize)>,
}

/// What waits in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMeasure {
    /// Which.
    pub queue: &'static str,
    /// How many keys wait though their time has come.
    pub depth: usize,
    /// For how long the first of them has been waiting; zero where none does.
    pub oldest: Duration,
}

/// Objects that have a condition of one status for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConditionCount {
    /// The kind of the objects.
    pub kind: &'static str,
    /// The condition's type.
    pub condition: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// The condition's reason.
    pub reason: &'static str,
}

/// How far the declared rollouts are, by their statuses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RolloutsMeasure {
    /// How many tenants of all rollouts' waves there are, by what of them: following, moved, failing, left_out.
    pub tenants: BTreeMap<&'static str, u64>,
    /// How many waves there are, by their phase.
    pub waves: BTreeMap<&'static str, usize>,
    /// For how long the rollout waits that waits longest, by what for.
    pub waiting: BTreeMap<&'static str, Duration>,
}

/// What is declared, and how it stands. Every key is of a small set, whatever people declare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectsMeasure {
    /// How many objects there are, by kind and state.
    pub states: BTreeMap<(&'static str, &'static str), usize>,
    /// How many objects have a condition.
    pub conditions: BTreeMap<ConditionCount, usize>,
    /// Since how long the object of a kind is not ready that has not been for the longest time.
    pub unready: BTreeMap<&'static str, Duration>,
    /// How many tenants' rows hold a version, by its number.
    pub tenants: BTreeMap<String, usize>,
    /// How far rollouts are.
    pub rollouts: RolloutsMeasure,
}
