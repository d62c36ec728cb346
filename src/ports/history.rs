//! What the ledger recorded of rows and rollouts, for people who ask. No decision rests on it.

use jiff::Timestamp;

use super::{PinEvent, RolloutEvent};

/// What is asked of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryAsk {
    /// Of whom.
    pub of: HistoryOf,
    /// Only of this environment; `None`: of all.
    pub environment: Option<String>,
    /// Only what was recorded at this time or later, by the database's clock.
    pub since: Option<Timestamp>,
    /// At most so many moves or steps: the newest.
    pub most: u32,
}

/// Whose history is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryOf {
    /// A tenant's: what became of its rows.
    Tenant(String),
    /// A rollout's, as `<namespace>/<name>`: what its attempts did.
    Rollout(String),
}

/// What the ledger recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Of a tenant: what became of its rows, oldest first.
    pub moves: Vec<RecordedMove>,
    /// Of a rollout: its steps, oldest first.
    pub steps: Vec<RecordedStep>,
    /// Of a rollout: the tenants that moved in the waves of the attempts of these steps, or in any wave of its since the time
    /// that was asked for, sorted by environment, attempt, wave and reason.
    pub batches: Vec<RecordedBatches>,
    /// More is on record, older than this.
    pub cut: bool,
}

/// What became of a tenant's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMove {
    /// In which environment.
    pub environment: String,
    /// What, and why.
    pub event: PinEvent,
    /// The rollout that began the attempt of that wave, as `<namespace>/<name>`.
    pub rollout: Option<String>,
}

/// What happened to a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// In which environment.
    pub environment: String,
    /// When it was recorded, by the database's clock.
    pub at: Timestamp,
    /// What.
    pub event: RolloutEvent,
}

/// The tenants that moved in one wave of an attempt, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedBatches {
    /// In which environment.
    pub environment: String,
    /// The number of the attempt.
    pub attempt: i32,
    /// The wave's name.
    pub wave: String,
    /// Why: see [`Flip::reason`](super::Flip::reason).
    pub reason: String,
    /// In how many transactions.
    pub batches: u64,
    /// How many moves of tenants that were; one that moved twice counts twice.
    pub tenants: u64,
    /// When the last one was.
    pub last_at: Timestamp,
}
