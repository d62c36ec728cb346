//! The time of a rehearsal: what its calls would take at the instance's budget, without waiting for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::ports::Clock;

/// A clock that moves with the calls: a window on whenever one is full. It does not move by itself, so that nothing that
/// is tried is ever late.
pub(super) struct Pace {
    begun: Timestamp,
    rate: u32,
    window: Duration,
    taken: AtomicU32,
}

impl Pace {
    /// So many calls a window.
    pub(super) fn new(begun: Timestamp, rate: u32, window: Duration) -> Self {
        Self {
            begun,
            rate: rate.max(1),
            window,
            taken: AtomicU32::new(0),
        }
    }

    /// One more call is sent.
    pub(super) fn take_place(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }
}

impl Clock for Pace {
    fn now(&self) -> Timestamp {
        let full = self.taken.load(Ordering::Relaxed).saturating_sub(1) / self.rate;
        let passed = self.window.saturating_mul(full);
        self.begun.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_passes_with_the_first_call_that_finds_it_full() {
        let begun = Timestamp::UNIX_EPOCH;
        let pace = Pace::new(begun, 2, Duration::from_secs(60));
        let mut seconds = Vec::new();
        for _ in 0..5 {
            pace.take_place();
            seconds.push(pace.now().as_second());
        }
        assert_eq!(seconds, [0, 0, 60, 60, 120]);
    }
}
