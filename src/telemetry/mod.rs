//! What Wavepin tells of itself while it runs: logs and measures.

mod logs;
mod measures;

pub use logs::{LogArgs, LogFormat, init};
pub use measures::{BudgetMeasure, Measures};
