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

mod order;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::order::Order;
use self::window::{Wait, Window};
use crate::ports::window::{Moment, Throttle};
use crate::ports::{Ask, Budget, MappingError, MappingErrorKind, Outcome, Place, Return, Told, Urgency};
use crate::telemetry::BudgetMeasure;

/// How long a place is good for until its request is sent. One that is older belongs to a process that stood still, and
/// that may have lost the lead meanwhile: it asks anew.
const FRESH: Duration = Duration::from_secs(5);

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
    #[must_use]
    pub fn used(&self) -> usize {
        let bucket = &self.line.bucket;
        bucket.state().window.used(bucket.now())
    }

    /// How many callers wait for a turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.line.state();
        Urgency::ALL.into_iter().map(|it| state.order.waiting(it)).sum()
    }

    /// Whether every request of the key waits, after the server asked for fewer.
    #[must_use]
    pub fn paused(&self) -> bool {
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

/// A request's place in the window.
#[derive(Debug)]
pub struct Slot {
    line: Arc<Line>,
    /// In the window of this process.
    place: u64,
    /// Before the place was asked for.
    asked_at: Instant,
    /// In the database.
    shared: Option<Return>,
    rate: u32,
}

impl Slot {
    /// Holds the place to be as good as when it was asked for.
    ///
    /// # Errors
    /// The database took long to answer, or the process stood still: nobody knows who leads by now.
    pub(super) fn fresh(&self) -> Result<(), MappingError> {
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

/// The window of one key in this process.
#[derive(Debug)]
struct Bucket {
    window: Duration,
    /// What moments are counted from.
    start: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    rates: BTreeMap<u64, u32>,
    next_ask: u64,
    window: Window,
    lines: Vec<Weak<Line>>,
}

/// Who waits for a key in one database. Two instances with one key may have two databases; then each has a line, and
/// the window of this process is common to both.
struct Line {
    bucket: Arc<Bucket>,
    key: String,
    shared: Option<Shared>,
    fresh: Duration,
    /// Who holds it asks for a place.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<LineState>,
}

#[derive(Debug, Default)]
struct LineState {
    order: Order,
    /// The database has no place before then.
    not_before: Moment,
    /// How the key stood in the database, when that was told, and how many of its places were ours then.
    told: Option<(Told, Moment, usize)>,
}

enum Look {
    Taken(Slot),
    Until(Moment),
    Change,
}

impl Bucket {
    fn new(window: Duration) -> Arc<Self> {
        Arc::new(Self {
            window,
            start: Instant::now(),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn now(&self) -> Moment {
        self.start.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned count is still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of this database, made if there is none.
    fn line(self: &Arc<Self>, key: [u8; 32], shared: Option<Shared>) -> Arc<Line> {
        let mut state = self.state();
        state.lines.retain(|line| line.strong_count() > 0);
        let known = state.lines.iter().filter_map(Weak::upgrade);
        if let Some(line) = known.into_iter().find(|line| line.is_of(shared.as_ref())) {
            return line;
        }
        let fresh = shared.as_ref().map_or(FRESH, |shared| {
            shared.request_timeout.clamp(Duration::from_secs(1), FRESH)
        });
        let line = Arc::new(Line {
            bucket: Arc::clone(self),
            key: hex(&key),
            shared,
            fresh,
            asking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        });
        state.lines.push(Arc::downgrade(&line));
        line
    }

    fn share(&self, rate: u32, line: Arc<Line>) -> Arc<Limiter> {
        let mut state = self.state();
        state.next_ask += 1;
        let ask = state.next_ask;
        state.rates.insert(ask, rate.max(1));
        Arc::new(Limiter { line, ask })
    }

    fn measures(&self) -> Vec<BudgetMeasure> {
        let now = self.now();
        let (rate, own, pause, lines) = {
            let mut state = self.state();
            let lines: Vec<_> = state.lines.iter().filter_map(Weak::upgrade).collect();
            let pause = state.window.pause(now).unwrap_or_default();
            (state.rate(), state.window.used(now), pause, lines)
        };
        let lines = lines.iter().map(|line| line.measure(now, rate, own, pause));
        lines.collect()
    }

    fn idle(&self) -> bool {
        let now = self.now();
        let mut state = self.state();
        state.rates.is_empty() && state.window.used(now) == 0 && state.window.pause(now).is_none()
    }
}

impl State {
    fn rate(&self) -> u32 {
        self.rates.values().min().copied().unwrap_or(1)
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of(&self, shared: Option<&Shared>) -> bool {
        match (&self.shared, shared) {
            (Some(own), Some(other)) => {
                Arc::ptr_eq(&own.budget, &other.budget) && own.request_timeout == other.request_timeout
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// Looks for a place for the one who waits.
    async fn look(self: &Arc<Self>, waiting: &Waiting<'_>) -> Result<Look, MappingError> {
        if !waiting.is_first() {
            return Ok(Look::Change);
        }
        let _asking = self.asking.lock().await;
        if !waiting.is_first() {
            return Ok(Look::Change);
        }
        let bucket = &self.bucket;
        let asked_at = Instant::now();
        let rate = {
            let now = bucket.now();
            let mut state = bucket.state();
            let rate = state.rate();
            match state.window.room(rate, now) {
                Ok(()) if self.shared.is_none() => {
                    let place = state.window.take(now);
                    drop(state);
                    return Ok(self.taken(waiting, self.slot(place, asked_at, rate, None)));
                }
                Ok(()) => rate,
                Err(Wait::Until(moment)) => return Ok(Look::Until(moment)),
                Err(Wait::Change) => return Ok(Look::Change),
            }
        };
        let not_before = self.state().not_before;
        match &self.shared {
            Some(shared) if not_before <= bucket.now() => self.ask(shared, waiting, asked_at, rate).await,
            _ => Ok(Look::Until(not_before)),
        }
    }

    /// Asks the database for a place.
    async fn ask(
        self: &Arc<Self>,
        shared: &Shared,
        waiting: &Waiting<'_>,
        asked_at: Instant,
        rate: u32,
    ) -> Result<Look, MappingError> {
        let bucket = &self.bucket;
        let ask = Ask {
            key: self.key.clone(),
            rate,
            window: bucket.window,
            hold: bucket.window + shared.request_timeout + self.fresh,
        };
        let place = shared.budget.take_place(&ask).await?;
        let now = bucket.now();
        match place {
            Place::Taken { id, told } => {
                let (place, own) = {
                    let mut state = bucket.state();
                    (state.window.take(now), state.window.used(now))
                };
                self.state().told = Some((told, now, own));
                let shared = Return {
                    ask,
                    id,
                    recovering: told.recovering,
                    outcome: Outcome::Unknown,
                };
                let slot = self.slot(place, asked_at, rate, Some(shared));
                slot.fresh()?;
                Ok(self.taken(waiting, slot))
            }
            Place::Later { after, told } => {
                let own = bucket.state().window.used(now);
                let mut state = self.state();
                state.not_before = now + after;
                state.told = Some((told, now, own));
                Ok(Look::Until(now + after))
            }
        }
    }

    fn slot(self: &Arc<Self>, place: u64, asked_at: Instant, rate: u32, shared: Option<Return>) -> Slot {
        Slot {
            line: Arc::clone(self),
            place,
            asked_at,
            shared,
            rate,
        }
    }

    fn taken(&self, waiting: &Waiting<'_>, slot: Slot) -> Look {
        self.state().order.served(waiting.urgency, waiting.name);
        Look::Taken(slot)
    }

    /// How the key stands: as the database told last, with what this process did since.
    fn measure(&self, now: Moment, rate: u32, own: usize, pause: Duration) -> BudgetMeasure {
        let state = self.state();
        let waiting = Urgency::ALL.map(|urgency| (urgency.word(), state.order.waiting(urgency)));
        // What others sent leaves the window like our own, but only the database knows when.
        let told = state.told.filter(|(_, at, _)| *at + self.bucket.window > now);
        let others = told.map_or(0, |(told, _, ours)| (told.used as usize).saturating_sub(ours));
        let paused = told.is_some_and(|(told, ..)| told.paused);
        let left = state.not_before.saturating_sub(now);
        BudgetMeasure {
            budget: self.key.chars().take(8).collect(),
            limit: told.map_or(rate, |(told, ..)| told.rate.min(rate)),
            used: u32::try_from(own + others).unwrap_or(u32::MAX),
            paused: if paused { pause.max(left) } else { pause },
            waiting: waiting.into(),
        }
    }

    async fn give_back(&self, place: u64, shared: &Return, budget: &dyn Budget) {
        match budget.give_back(shared).await {
            Ok(()) => self.ended(place, None),
            Err(error) => {
                tracing::debug!(%error, "a place in the budget is free only when its time is over");
                self.ended(place, Some(shared.ask.hold));
            }
        }
    }

    /// The request of this place has ended, and the database knows; or it does not, and frees the place when its hold
    /// ends.
    fn ended(&self, place: u64, hold: Option<Duration>) {
        let bucket = &self.bucket;
        let now = bucket.now();
        let mut state = bucket.state();
        let free_at = match hold {
            None => now + bucket.window,
            Some(hold) => (state.window.taken_at(place).unwrap_or(now) + hold).max(now + bucket.window),
        };
        state.window.give_back(place, free_at);
        drop(state);
        let mut state = self.state();
        // Who went ahead after a pause has its answer: the database may have room for more at once.
        if state.told.is_some_and(|(told, ..)| told.recovering) {
            state.not_before = Moment::ZERO;
        }
        drop(state);
        bucket.changed.notify_waiters();
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Line")
            .field("key", &self.key)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A caller in line; who gives up leaves it.
struct Waiting<'a> {
    line: &'a Line,
    urgency: Urgency,
    name: u64,
}

impl<'a> Waiting<'a> {
    fn new(line: &'a Line, urgency: Urgency) -> Self {
        let name = line.state().order.join(urgency);
        // Whoever was next may be so no longer.
        line.bucket.changed.notify_waiters();
        Self { line, urgency, name }
    }

    fn is_first(&self) -> bool {
        self.line.state().order.first() == Some(self.name)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.state().order.leave(self.urgency, self.name);
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
        let name = fingerprint([base_url.trim_end_matches('/'), api_key.expose_secret()]);
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
    hex(&fingerprint([base_url.trim_end_matches('/'), api_key.expose_secret()]))
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
