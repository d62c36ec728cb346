//! What Wavepin tells of itself while it runs: logs, measures and traces.

mod logs;
mod measures;
mod traces;

pub use logs::{LogArgs, LogFormat, LogLevel, init};
pub use measures::{
    BudgetMeasure, CHECK_RESULTS, CHECKS, ConditionCount, DatabaseLine, Description, KINDS, LEASE_TRANSITIONS,
    Measures, NOTIFICATION_FORMS, NOTIFICATION_RESULTS, ObjectsMeasure, PASS_OUTCOMES, PASSES, QueueMeasure,
    RolloutsMeasure, WRITE_OUTCOMES,
};
pub use traces::{SPANS, Traces, trace_id};
