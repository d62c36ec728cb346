//! Who waits for a place of a key: in line by importance, and only who is next asks the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::order::Order;
use super::slot::Slot;
use super::window::{Wait, Window};
use super::{Limiter, Shared, hex};
use crate::ports::window::Moment;
use crate::ports::{Ask, Budget, MappingError, Outcome, Place, Return, Told, Urgency};
use crate::telemetry::BudgetMeasure;

/// How long a place is good for until its request is sent. One that is older belongs to a process that stood still, and
/// that may have lost the lead meanwhile: it asks anew.
const FRESH: Duration = Duration::from_secs(5);

/// The window of one key in this process.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) window: Duration,
    /// What moments are counted from.
    pub(super) start: Instant,
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rates: BTreeMap<u64, u32>,
    pub(super) next_ask: u64,
    pub(super) window: Window,
    pub(super) lines: Vec<Weak<Line>>,
}

/// Who waits for a key in one database. Two instances with one key may have two databases; then each has a line, and
/// the window of this process is common to both.
pub(super) struct Line {
    pub(super) bucket: Arc<Bucket>,
    pub(super) key: String,
    pub(super) shared: Option<Shared>,
    pub(super) fresh: Duration,
    /// Who holds it asks for a place.
    pub(super) asking: tokio::sync::Mutex<()>,
    pub(super) state: Mutex<LineState>,
}

#[derive(Debug, Default)]
pub(super) struct LineState {
    pub(super) order: Order,
    /// The database has no place before then.
    pub(super) not_before: Moment,
    /// How the key stood in the database, when that was told, and how many of its places were ours then.
    pub(super) told: Option<(Told, Moment, usize)>,
}

pub(super) enum Look {
    Taken(Slot),
    Until(Moment),
    Change,
}

impl Bucket {
    pub(super) fn new(window: Duration) -> Arc<Self> {
        Arc::new(Self {
            window,
            start: Instant::now(),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(super) fn now(&self) -> Moment {
        self.start.elapsed()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned count is still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of this database, made if there is none.
    pub(super) fn line(self: &Arc<Self>, key: [u8; 32], shared: Option<Shared>) -> Arc<Line> {
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

    pub(super) fn share(&self, rate: u32, line: Arc<Line>) -> Arc<Limiter> {
        let mut state = self.state();
        state.next_ask += 1;
        let ask = state.next_ask;
        state.rates.insert(ask, rate.max(1));
        Arc::new(Limiter { line, ask })
    }

    pub(super) fn measures(&self) -> Vec<BudgetMeasure> {
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

    pub(super) fn idle(&self) -> bool {
        let now = self.now();
        let mut state = self.state();
        state.rates.is_empty() && state.window.used(now) == 0 && state.window.pause(now).is_none()
    }
}

impl State {
    pub(super) fn rate(&self) -> u32 {
        self.rates.values().min().copied().unwrap_or(1)
    }
}

impl Line {
    pub(super) fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_of(&self, shared: Option<&Shared>) -> bool {
        match (&self.shared, shared) {
            (Some(own), Some(other)) => {
                Arc::ptr_eq(&own.budget, &other.budget) && own.request_timeout == other.request_timeout
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// Looks for a place for the one who waits.
    pub(super) async fn look(self: &Arc<Self>, waiting: &Waiting<'_>) -> Result<Look, MappingError> {
        if !waiting.is_first() {
            return Ok(Look::Change);
        }
        let _asking = self.asking.lock().await;
        if !waiting.is_first() {
            return Ok(Look::Change);
        }
        let bucket = &self.bucket;
        let not_before = self.state().not_before;
        if not_before > bucket.now() {
            return Ok(Look::Until(not_before));
        }
        let asked_at = Instant::now();
        // Taken before the database is asked: another line of the key may look meanwhile.
        let (place, rate) = {
            let now = bucket.now();
            let mut state = bucket.state();
            let rate = state.rate();
            match state.window.room(rate, now) {
                Ok(()) => (Taking::new(bucket, state.window.take(now)), rate),
                Err(Wait::Until(moment)) => return Ok(Look::Until(moment)),
                Err(Wait::Change) => return Ok(Look::Change),
            }
        };
        match &self.shared {
            Some(shared) => self.ask(shared, waiting, asked_at, place, rate).await,
            None => Ok(self.taken(waiting, self.slot(place.keep(), asked_at, rate, None))),
        }
    }

    /// Asks the database for a place beside the one that is taken here.
    async fn ask(
        self: &Arc<Self>,
        shared: &Shared,
        waiting: &Waiting<'_>,
        asked_at: Instant,
        place: Taking<'_>,
        rate: u32,
    ) -> Result<Look, MappingError> {
        let bucket = &self.bucket;
        let ask = Ask {
            key: self.key.clone(),
            rate,
            window: bucket.window,
            hold: bucket.window + shared.request_timeout + self.fresh,
        };
        let answer = shared.budget.take_place(&ask).await?;
        let now = bucket.now();
        match answer {
            Place::Taken { id, told } => {
                self.tell(told, now);
                let shared = Return {
                    ask,
                    id,
                    recovering: told.recovering,
                    outcome: Outcome::Unknown,
                };
                let slot = self.slot(place.keep(), asked_at, rate, Some(shared));
                slot.fresh()?;
                Ok(self.taken(waiting, slot))
            }
            Place::Later { after, told } => {
                drop(place);
                self.tell(told, now);
                self.state().not_before = now + after;
                Ok(Look::Until(now + after))
            }
        }
    }

    /// Keeps how the key stands in the database.
    fn tell(&self, told: Told, now: Moment) {
        let own = self.bucket.state().window.used(now);
        self.state().told = Some((told, now, own));
    }

    pub(super) fn slot(self: &Arc<Self>, place: u64, asked_at: Instant, rate: u32, shared: Option<Return>) -> Slot {
        Slot {
            line: Arc::clone(self),
            place,
            asked_at,
            shared,
            rate,
        }
    }

    pub(super) fn taken(&self, waiting: &Waiting<'_>, slot: Slot) -> Look {
        self.state().order.served(waiting.urgency, waiting.name);
        Look::Taken(slot)
    }

    /// How the key stands: as the database told last, with what this process did since.
    pub(super) fn measure(&self, now: Moment, rate: u32, own: usize, pause: Duration) -> BudgetMeasure {
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

    pub(super) async fn give_back(&self, place: u64, shared: &Return, budget: &dyn Budget) {
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
    pub(super) fn ended(&self, place: u64, hold: Option<Duration>) {
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

/// A place that is taken here while the database is asked for its own. Without that one no request follows, and it is
/// free at once.
struct Taking<'a> {
    bucket: &'a Bucket,
    place: u64,
    kept: bool,
}

impl<'a> Taking<'a> {
    fn new(bucket: &'a Bucket, place: u64) -> Self {
        let kept = false;
        Self { bucket, place, kept }
    }

    /// A request follows: its slot gives the place back.
    fn keep(mut self) -> u64 {
        self.kept = true;
        self.place
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.bucket.state().window.leave(self.place);
            self.bucket.changed.notify_waiters();
        }
    }
}

/// A caller in line; who gives up leaves it.
pub(super) struct Waiting<'a> {
    pub(super) line: &'a Line,
    pub(super) urgency: Urgency,
    pub(super) name: u64,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(line: &'a Line, urgency: Urgency) -> Self {
        let name = line.state().order.join(urgency);
        // Whoever was next may be so no longer.
        line.bucket.changed.notify_waiters();
        Self { line, urgency, name }
    }

    pub(super) fn is_first(&self) -> bool {
        self.line.state().order.first() == Some(self.name)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.state().order.leave(self.urgency, self.name);
        self.line.bucket.changed.notify_waiters();
    }
}
