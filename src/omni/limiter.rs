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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap()
    }

    #[test]
    fn no_window_ever_sees_more_sends_than_the_rate() {
        let window = Duration::from_millis(20);
        let arrivals = proptest::collection::vec((0_u64..30, 0_u64..15), 1..30);
        let mut runner = TestRunner::new(Config::with_cases(6));
        let law = (1_u32..6, arrivals);
        runner
            .run(&law, |(rate, arrivals)| {
                let sends = runtime().block_on(async {
                    let limiter = Limiter::new(rate, window);
                    let tasks = arrivals.into_iter().map(|(at, takes)| {
                        let limiter = Arc::clone(&limiter);
                        tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(at)).await;
                            let slot = limiter.slot().await;
                            let sent = Instant::now();
                            tokio::time::sleep(Duration::from_millis(takes)).await;
                            drop(slot);
                            sent
                        })
                    });
                    let tasks: Vec<_> = tasks.collect();
                    let mut sends = Vec::new();
                    for task in tasks {
                        sends.push(task.await.unwrap());
                    }
                    sends.sort();
                    sends
                });
                let rate = rate as usize;
                for pair in sends.windows(rate + 1) {
                    prop_assert!(pair[rate] - pair[0] >= window, "{rate}: {:?}", pair[rate] - pair[0]);
                }
                Ok(())
            })
            .unwrap();
    }

    #[tokio::test]
    async fn callers_get_their_turn_in_the_order_they_came() {
        let limiter = Limiter::new(1, Duration::from_millis(10));
        let first = limiter.slot().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (limiter_of_task, order) = (Arc::clone(&limiter), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _slot = limiter_of_task.slot().await;
                order.lock().unwrap().push(number);
            }));
            while limiter.waiting() <= number {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_slot_comes_back_a_window_after_its_answer_and_not_before() {
        let window = Duration::from_millis(50);
        let limiter = Limiter::new(2, window);
        let slow = limiter.slot().await;
        tokio::time::sleep(window * 2).await;
        assert_eq!(limiter.used(), 1, "an unanswered request holds its slot");
        let answered = Instant::now();
        drop(slow);
        let second = limiter.slot().await;
        let _third = limiter.slot().await;
        assert!(answered.elapsed() >= window);
        drop(second);
    }

    #[tokio::test]
    async fn a_caller_who_gives_up_takes_nothing() {
        let limiter = Limiter::new(1, Duration::from_millis(20));
        let slot = limiter.slot().await;
        let gave_up = tokio::time::timeout(Duration::from_millis(5), limiter.slot()).await;
        assert!(gave_up.is_err());
        assert_eq!((limiter.used(), limiter.waiting()), (1, 0));
        drop(slot);
        let _next = limiter.slot().await;
    }

    #[tokio::test]
    async fn a_429_backs_everyone_off_for_as_long_as_the_server_says() {
        let limiter = Limiter::new(10, Duration::from_millis(10));
        let asked = Duration::from_millis(80);
        let refused_at = Instant::now();
        limiter.slot().await.throttled(Some(asked));
        assert!(limiter.paused());
        let others = (0..4).map(|_| {
            let limiter = Arc::clone(&limiter);
            async move {
                let slot = limiter.slot().await;
                slot.accepted();
                refused_at.elapsed()
            }
        });
        for waited in futures::future::join_all(others).await {
            assert!(waited >= asked, "{waited:?}");
        }
    }

    #[tokio::test]
    async fn after_a_429_one_goes_ahead_alone() {
        let limiter = Limiter::new(10, Duration::from_millis(200));
        limiter.slot().await.throttled(Some(Duration::ZERO));
        let probe = limiter.slot().await;
        let second = tokio::time::timeout(Duration::from_millis(20), limiter.slot()).await;
        assert!(second.is_err(), "the probe has no answer yet");
        probe.accepted();
        drop(probe);
        let _both = (limiter.slot().await, limiter.slot().await);
        assert_eq!(limiter.used(), 4, "slots from before the pause still count");
    }

    #[test]
    fn pauses_grow_to_the_window_and_one_burst_of_429s_is_one_strike() {
        let window = Duration::from_secs(60);
        let mut state = State::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let sent_at = now;
            now += Duration::from_secs(1);
            for _ in 0..5 {
                state.pause(sent_at, now, None, window);
            }
            pauses.push(state.paused_until.unwrap() - now);
            now = state.paused_until.unwrap() + Duration::from_secs(1);
        }
        for (pause, least) in pauses.iter().zip([5, 10, 20, 40, 60, 60]) {
            let least = Duration::from_secs(least);
            assert!(*pause >= least && *pause <= least * 5 / 4, "{pauses:?}");
        }
    }

    #[test]
    fn a_server_may_not_stop_the_work_for_longer_than_five_minutes() {
        let mut state = State::default();
        let now = Instant::now();
        state.pause(now, now, Some(Duration::from_secs(86_400)), Duration::from_secs(60));
        assert_eq!(state.paused_until, Some(now + LONGEST_PAUSE));
    }

    #[tokio::test]
    async fn one_key_is_one_budget_and_the_lowest_rate_wins_while_it_is_asked_for() {
        let limiters = Limiters::new(Duration::from_secs(60));
        let key = SecretString::from("omni_osk_one");
        let many = limiters.limiter("https://acme.omniapp.co", &key, 3);
        let few = limiters.limiter("https://acme.omniapp.co/", &key, 1);
        let other_key = limiters.limiter("https://acme.omniapp.co", &SecretString::from("omni_osk_two"), 1);
        let _slot = many.slot().await;
        assert_eq!((few.used(), other_key.used()), (1, 0));
        let blocked = tokio::time::timeout(Duration::from_millis(10), many.slot()).await;
        assert!(blocked.is_err(), "the lower rate is used up");
        drop(few);
        let _more = many.slot().await;
    }

    #[tokio::test]
    async fn a_budget_outlives_its_users_until_it_is_whole_again() {
        let limiters = Limiters::new(Duration::from_secs(60));
        let key = SecretString::from("omni_osk_one");
        let limiter = limiters.limiter("https://acme.omniapp.co", &key, 3);
        drop(limiter.slot().await);
        drop(limiter);
        let again = limiters.limiter("https://acme.omniapp.co", &key, 3);
        assert_eq!(again.used(), 1);
    }

    #[test]
    fn fingerprints_tell_lists_apart() {
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }
}
