//! What Wavepin tells of itself while it runs: logs and measures.

mod logs;
mod measures;

pub use logs::{LogArgs, LogFormat, LogLevel, init};
pub use measures::{
    BudgetMeasure, ConditionCount, DatabaseLine, Description, KINDS, LEASE_TRANSITIONS, Measures, ObjectsMeasure,
    PASS_OUTCOMES, PASSES, QueueMeasure, WRITE_OUTCOMES,
};
