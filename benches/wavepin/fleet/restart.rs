//! How soon an operator that begins anew has nothing more to do.

use std::time::{Duration, Instant};

use super::bed::{Bed, Operator};
use crate::idle::cpu_seconds;

/// Idle is who takes less than a fiftieth of a core for so long.
const QUIET: Duration = Duration::from_secs(1);
const LITTLE: f64 = 0.02;

/// How long it may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// One restart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    /// From the start of the process to the first second in which it does next to nothing.
    pub(super) idle_after: Duration,
    /// What it took of processors until then.
    pub(super) cpu_seconds: f64,
}

/// Starts an operator and waits until it is idle.
pub(super) async fn measure(bed: &Bed, name: &str) -> (Operator, Restart) {
    let begun = Instant::now();
    let operator = bed.start(name);
    let process = operator.process.id();
    // Before the lead it waits, and would look idle.
    while !bed.has_said(&operator, "passes begin") {
        assert!(begun.elapsed() < PATIENCE, "no pass has begun after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut since = begun.elapsed();
    let mut then = cpu_seconds(process);
    // Each look that finds more than a little since the last mark is a mark of its own.
    while begun.elapsed() - since < QUIET {
        assert!(begun.elapsed() < PATIENCE, "it is not idle after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = cpu_seconds(process);
        if now - then > LITTLE {
            (since, then) = (begun.elapsed(), now);
        }
    }
    let restart = Restart {
        idle_after: since,
        cpu_seconds: then,
    };
    (operator, restart)
}
