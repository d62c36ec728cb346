//! The request budget of one API key: a sliding window, shared by every client that uses the key.
//!
//! Omni counts requests per key in any 60 seconds. A token bucket would let a full burst follow a full burst inside one
//! window, so places are counted instead: one is taken before a request is sent and comes back a whole window after its
//! answer. What Omni counts then never exceeds the rate, wherever its own window starts. The flip side: slow answers
//! cost throughput, by their own duration in every window.
//!
//! The window that counts stands in the mapping database, where a restart does not forget it and other processes see it.
//! What is here stands in front of it: who waits stands in line by importance, and only who is next asks, not before
//! there can be a place. A limiter without a database is for tests.

mod line;
mod order;
mod slot;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use self::line::{Bucket, Line, Look, Waiting};
pub use self::slot::Slot;
use crate::ports::{Budget, MappingError, Urgency};
use crate::telemetry::BudgetMeasure;

/// Where a key's window is kept for all processes, and how long their requests may take.
#[derive(Clone)]
pub struct Shared {
    /// The mapping database.
    pub budget: Arc<dyn Budget>,
    /// How long one request may take.
    pub request_timeout: Duration,
}

/// One user's share in the budget of a key. While it lives its rate is asked for; the lowest rate asked for wins.
#[derive(Debug)]
pub struct Limiter {
    line: Arc<Line>,
    ask: u64,
}

impl Limiter {
    /// A budget of its own, in memory alone: at most `rate` requests (at least one) in any `window`.
    #[must_use]
    pub fn new(rate: u32, window: Duration) -> Arc<Self> {
        let bucket = Bucket::new(window);
        bucket.share(rate, bucket.line([0; 32], None))
    }

    /// Waits for a turn: the more important first, by weight, and first come first served among equals. The place is in
    /// use until it is dropped, and a window longer.
    ///
    /// # Errors
    /// The database gives no place: it cannot be reached, or the lead is lost.
    pub async fn slot(&self, urgency: Urgency) -> Result<Slot, MappingError> {
        let line = &self.line;
        let waiting = Waiting::new(line, urgency);
        loop {
            // Registered before the look, so that a change in between is not missed.
            let changed = line.bucket.changed.notified();
            match line.look(&waiting).await? {
                Look::Taken(slot) => return Ok(slot),
                Look::Until(moment) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(line.bucket.start + moment) => {}
                        () = changed => {}
                    }
                }
                Look::Change => changed.await,
            }
        }
    }

    /// How many places of this process are in use or not yet back.
    #[cfg(test)]
    fn used(&self) -> usize {
        let bucket = &self.line.bucket;
        bucket.state().window.used(bucket.now())
    }

    /// How many callers wait for a turn.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        let state = self.line.state();
        Urgency::ALL.into_iter().map(|it| state.order.waiting(it)).sum()
    }

    /// Whether every request of the key waits, after the server asked for fewer.
    #[cfg(test)]
    fn paused(&self) -> bool {
        let bucket = &self.line.bucket;
        bucket.state().window.pause(bucket.now()).is_some()
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.line.bucket.state().rates.remove(&self.ask);
        self.line.bucket.changed.notify_waiters();
    }
}

/// The budgets of all keys that this process uses, so that two instances with one key share one.
#[derive(Debug)]
pub struct Limiters {
    window: Duration,
    buckets: Mutex<HashMap<[u8; 32], Arc<Bucket>>>,
}

impl Limiters {
    /// Budgets that count in any `window`; Omni's is 60 seconds.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            buckets: Mutex::default(),
        }
    }

    /// A share in the budget of this key at this Omni; without `shared` in the memory of this process alone. Budgets
    /// that nobody uses and that are whole again are forgotten.
    #[must_use]
    pub fn limiter(&self, base_url: &str, api_key: &SecretString, rate: u32, shared: Option<Shared>) -> Arc<Limiter> {
        let name = of_key(base_url, api_key);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(name).or_insert_with(|| Bucket::new(self.window));
        let limiter = bucket.share(rate, bucket.line(name, shared));
        buckets.retain(|_, bucket| !bucket.idle());
        limiter
    }

    /// How each budget stands.
    #[must_use]
    pub fn measures(&self) -> Vec<BudgetMeasure> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.values().flat_map(|bucket| bucket.measures()).collect()
    }
}

/// What the budget of this key at this Omni is called in the mapping: a hash that tells neither.
#[must_use]
pub(crate) fn budget_name(base_url: &str, api_key: &SecretString) -> String {
    hex(&of_key(base_url, api_key))
}

fn of_key(base_url: &str, api_key: &SecretString) -> [u8; 32] {
    fingerprint([base_url.trim_end_matches('/'), api_key.expose_secret()])
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A SHA-256 over texts, for maps that must tell secrets apart without holding them. Lengths are hashed too, so that no
/// two lists of texts give the same.
#[must_use]
pub(crate) fn fingerprint<const N: usize>(texts: [&str; N]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
