//! A place in the window, from its taking to its return.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::line::Line;
use crate::ports::window::Throttle;
use crate::ports::{MappingError, MappingErrorKind, Outcome, Return};

/// A request's place in the window.
#[derive(Debug)]
pub struct Slot {
    pub(super) line: Arc<Line>,
    /// In the window of this process.
    pub(super) place: u64,
    /// Before the place was asked for.
    pub(super) asked_at: Instant,
    /// In the database.
    pub(super) shared: Option<Return>,
    pub(super) rate: u32,
}

impl Slot {
    /// Holds the place to be as good as when it was asked for.
    ///
    /// # Errors
    /// The database took long to answer, or the process stood still: nobody knows who leads by now.
    pub(in super::super) fn fresh(&self) -> Result<(), MappingError> {
        if self.asked_at.elapsed() <= self.line.fresh {
            return Ok(());
        }
        let why = format!(
            "it was longer than {} s on its way, and is not used",
            self.line.fresh.as_secs()
        );
        Err(MappingError {
            action: "take a place in the request budget".to_owned(),
            kind: MappingErrorKind::Unreachable { why },
        })
    }

    /// The server asked for fewer requests: every request of the key waits, here and in other processes, as
    /// [`Standing::throttled`](crate::ports::window::Standing::throttled) says.
    pub fn throttled(&mut self, retry_after: Option<Duration>) {
        // A fresh hasher's keys are random; that is chance enough, without a generator of random numbers.
        let chance = RandomState::new().build_hasher().finish().to_le_bytes()[0];
        let throttle = Throttle { retry_after, chance };
        let bucket = &self.line.bucket;
        let now = bucket.now();
        bucket
            .state()
            .window
            .throttled(self.place, now, bucket.window, throttle);
        self.ended(Outcome::Throttled(throttle));
    }

    /// The server took the request: the pauses start small again.
    pub fn accepted(&mut self) {
        let bucket = &self.line.bucket;
        let now = bucket.now();
        bucket.state().window.accepted(self.place, now, self.rate);
        self.ended(Outcome::Accepted);
    }

    fn ended(&mut self, outcome: Outcome) {
        if let Some(shared) = &mut self.shared {
            shared.outcome = outcome;
        }
        self.line.bucket.changed.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (line, place) = (Arc::clone(&self.line), self.place);
        let shared = self.shared.take().zip(line.shared.clone());
        match (shared, tokio::runtime::Handle::try_current()) {
            (Some((shared, to)), Ok(runtime)) => {
                // Nobody waits for it: the answer is here, and what is counted meanwhile is one too many.
                runtime.spawn(async move { line.give_back(place, &shared, &*to.budget).await });
            }
            (Some((shared, _)), Err(_)) => line.ended(place, Some(shared.ask.hold)),
            (None, _) => line.ended(place, None),
        }
    }
}
