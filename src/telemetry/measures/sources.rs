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
}
