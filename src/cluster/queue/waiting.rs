//! What waits in a queue, and since when: kube's scheduler keeps that to itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::telemetry::QueueMeasure;

/// The keys of a queue that are to be looked at, each with the time from which on it waits.
#[derive(Debug)]
pub(in crate::cluster) struct Waiting<T>(Arc<Mutex<HashMap<T, Instant>>>);

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Hash + Eq> Waiting<T> {
    /// The key is to be looked at from then on; of many times the first counts, as it does for the scheduler.
    pub(super) fn until(&self, key: T, run_at: Instant) {
        let mut keys = self.keys();
        let at = keys.entry(key).or_insert(run_at);
        *at = run_at.min(*at);
    }

    /// The key waits no longer.
    pub(super) fn taken(&self, key: &T) {
        self.keys().remove(key);
    }

    /// How many keys wait now, and for how long the first of them.
    pub(in crate::cluster) fn measure(&self, queue: &'static str) -> QueueMeasure {
        let now = Instant::now();
        let keys = self.keys();
        let due = keys.values().filter(|at| **at <= now);
        let (depth, first) = due.fold((0, now), |(depth, first), at| (depth + 1, first.min(*at)));
        QueueMeasure {
            queue,
            depth,
            oldest: now - first,
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<T, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
