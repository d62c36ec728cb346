//! The request budget of one API key: a sliding window, shared by every client that uses the key.
//!
//! Omni counts requests per key in any 60 seconds. A token bucket would let a full burst follow a full burst inside one
//! window, so slots are counted instead: one is taken before a request is sent and comes back a whole window after its
//! answer. What Omni counts then never exceeds the rate, wherever its own window starts. The flip side: slow answers
//! cost throughput, by their own duration in every window.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The longest pause that a server's `Retry-After` may ask for; a longer one is cut to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// One user's share in the budget of a key. While it lives its rate is asked for; the lowest rate asked for wins.
#[derive(Debug)]
pub struct Limiter {
    bucket: Arc<Bucket>,
    ask: u64,
}

impl Limiter {
    /// A budget of its own: at most `rate` requests (at least one) in any `window`.
    #[must_use]
    pub fn new(rate: u32, window: Duration) -> Arc<Self> {
        Bucket::new(window).share(rate)
    }

    /// Waits for a turn, first come first served. The slot is in use until it is dropped, and a window longer.
    pub async fn slot(&self) -> Slot {
        let _waiting = Waiting::new(&self.bucket.waiting);
        let _turn = self.bucket.turn.lock().await;
        loop {
            // Registered before the look, so that a change in between is not missed.
            let changed = self.bucket.changed.notified();
            // Bound first, so that the state is not locked while waiting.
            let take = self.bucket.state().take(Instant::now());
            match take {
                Take::Taken(sent_at) => {
                    return Slot {
                        bucket: Arc::clone(&self.bucket),
                        sent_at,
                    };
                }
                Take::Until(free_at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(free_at) => {}
                        () = changed => {}
                    }
                }
                Take::Change => changed.await,
            }
        }
    }

    /// How many slots are in use or not yet back.
    #[must_use]
    pub fn used(&self) -> usize {
        let mut state = self.bucket.state();
        state.give_back(Instant::now());
        state.in_flight + state.cooling.len()
    }

    /// How many callers wait for a turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.bucket.waiting.load(Ordering::Relaxed)
    }

    /// Whether every request of the key waits, after the server asked for fewer.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.bucket
            .state()
            .paused_until
            .is_some_and(|until| until > Instant::now())
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.bucket.state().rates.remove(&self.ask);
        self.bucket.changed.notify_one();
    }
}

/// A request's place in the window.
#[derive(Debug)]
pub struct Slot {
    bucket: Arc<Bucket>,
    sent_at: Instant,
}

impl Slot {
    /// The server asked for fewer requests: every request of the key waits `retry_after`, or else a pause that grows
    /// from a twelfth of the window to the whole, with jitter. Answers to requests that were sent before an earlier
    /// pause tell nothing new and do not make it grow.
    pub fn throttled(&self, retry_after: Option<Duration>) {
        self.bucket
            .state()
            .pause(self.sent_at, Instant::now(), retry_after, self.bucket.window);
        self.bucket.changed.notify_one();
    }

    /// The server took the request: the pauses start small again.
    pub fn accepted(&self) {
        let mut state = self.bucket.state();
        if state.paused_at.is_none_or(|paused_at| paused_at < self.sent_at) {
            state.strikes = 0;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.bucket.state();
        state.in_flight -= 1;
        state.cooling.push_back(Instant::now() + self.bucket.window);
        drop(state);
        self.bucket.changed.notify_one();
    }
}

#[derive(Debug)]
struct Bucket {
    window: Duration,
    /// Only who holds it looks for a slot; tokio's mutex is first come first served.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    changed: Notify,
    waiting: AtomicUsize,
    next_ask: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    rates: BTreeMap<u64, u32>,
    in_flight: usize,
    /// When each slot of an answered request comes back, soonest first.
    cooling: VecDeque<Instant>,
    paused_at: Option<Instant>,
    paused_until: Option<Instant>,
    /// Pauses in a row without an accepted request.
    strikes: u32,
}

enum Take {
    Taken(Instant),
    Until(Instant),
    Change,
}

impl Bucket {
    fn new(window: Duration) -> Arc<Self> {
        Arc::new(Self {
            window,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::default(),
            changed: Notify::new(),
            waiting: AtomicUsize::new(0),
            next_ask: AtomicU64::new(0),
        })
    }

    fn share(self: &Arc<Self>, rate: u32) -> Arc<Limiter> {
        let ask = self.next_ask.fetch_add(1, Ordering::Relaxed);
        self.state().rates.insert(ask, rate.max(1));
        Arc::new(Limiter {
            bucket: Arc::clone(self),
            ask,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned count is still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.give_back(now);
        state.rates.is_empty() && state.in_flight == 0 && state.cooling.is_empty() && state.paused_until <= Some(now)
    }
}

impl State {
    fn give_back(&mut self, now: Instant) {
        while self.cooling.front().is_some_and(|free_at| *free_at <= now) {
            self.cooling.pop_front();
        }
    }

    fn take(&mut self, now: Instant) -> Take {
        self.give_back(now);
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Take::Until(until);
        }
        // After a pause one request goes ahead alone; only when it is accepted do the others follow.
        if self.strikes > 0 && self.in_flight > 0 {
            return Take::Change;
        }
        let rate = self.rates.values().min().map_or(1, |rate| *rate as usize);
        let used = self.in_flight + self.cooling.len();
        if used < rate {
            self.in_flight += 1;
            return Take::Taken(now);
        }
        // So many must come back before one is free; more than are cooling means that answers must come first.
        match self.cooling.get(used - rate) {
            Some(free_at) => Take::Until(*free_at),
            None => Take::Change,
        }
    }

    fn pause(&mut self, sent_at: Instant, now: Instant, retry_after: Option<Duration>, window: Duration) {
        let news = self.paused_at.is_none_or(|paused_at| paused_at < sent_at);
        if news {
            self.strikes = self.strikes.saturating_add(1);
            self.paused_at = Some(now);
        }
        let pause = match retry_after {
            Some(asked) => asked.min(LONGEST_PAUSE),
            None if news => grown_pause(self.strikes, window),
            None => Duration::ZERO,
        };
        self.paused_until = self.paused_until.max(Some(now + pause));
    }
}

/// A twelfth of the window at the first strike, doubled at each further one up to the window, and up to a quarter more
/// by chance, so that several programs with one key do not come back together.
fn grown_pause(strikes: u32, window: Duration) -> Duration {
    let doublings = strikes.saturating_sub(1).min(8);
    let pause = (window / 12 * 2_u32.pow(doublings)).min(window);
    // A fresh hasher's keys are random; that is chance enough, without a generator of random numbers.
    let chance = RandomState::new().build_hasher().finish() % 256;
    pause + pause / 1024 * u32::try_from(chance).unwrap_or(0)
}

/// Counts a caller as waiting for as long as it lives, so that one who gives up is not counted for ever.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    /// A share in the budget of this key at this Omni. Budgets that nobody uses and that are whole again are forgotten.
    #[must_use]
    pub fn limiter(&self, base_url: &str, api_key: &SecretString, rate: u32) -> Arc<Limiter> {
        let name = fingerprint([base_url.trim_end_matches('/'), api_key.expose_secret()]);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = Arc::clone(buckets.entry(name).or_insert_with(|| Bucket::new(self.window)));
        let limiter = bucket.share(rate);
        buckets.retain(|_, bucket| !bucket.idle());
        limiter
    }
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
