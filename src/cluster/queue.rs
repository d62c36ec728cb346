//! Keyed work: never two passes of one key at once, a bounded number of passes, and each key at its time.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::scheduler::{ScheduleRequest, Scheduler, scheduler};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::waiting::Waiting;
use crate::ports::{Clock, Next, SystemClock};

/// The longest pause that is kept. Specs and answers of Omni may ask for ages, which no clock can count; to look once a
/// month at what wants no looking costs nothing.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a queue paces its passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many passes may run at once.
    pub(super) concurrency: usize,
    /// How long a change waits for others that come with it.
    pub(super) gather: Duration,
    /// The least time from the start of a key's pass to the start of its next, so that a flood of changes is taken
    /// together. A pass that takes long has up to 2 seconds, twice its own time, so that no key fills a processor.
    pub(super) spacing: Duration,
    /// The first pause after a failure; it doubles with each failure after another.
    pub(super) first_pause: Duration,
    /// The longest pause after failures.
    pub(super) longest_pause: Duration,
}

impl Pace {
    /// Failures wait for 1 second at first and for 5 minutes at most; changes are passed on at once.
    pub(super) const fn of(concurrency: usize) -> Self {
        Self {
            concurrency,
            gather: Duration::ZERO,
            spacing: Duration::ZERO,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
        }
    }
}

/// Asks for passes.
#[derive(Debug)]
pub(super) struct Asker<T> {
    requests: mpsc::UnboundedSender<ScheduleRequest<T>>,
    waiting: Waiting<T>,
    gather: Duration,
}

impl<T: Hash + Eq + Clone> Asker<T> {
    /// Asks for a pass over this key now. One that waits already is enough; one that runs is followed by another.
    pub(super) fn ask(&self, message: T) {
        let now = Instant::now();
        let run_at = now.checked_add(self.gather).unwrap_or(now);
        self.waiting.until(message.clone(), run_at);
        // Without effect once the queue has ended, as it should be.
        let _ = self.requests.send(ScheduleRequest { message, run_at });
    }
}

/// The receiving side, before it works.
pub(super) struct Queue<T> {
    pace: Pace,
    // The queue asks for later passes itself; it ends by its token, not by the last sender.
    requests: mpsc::UnboundedSender<ScheduleRequest<T>>,
    inbox: mpsc::UnboundedReceiver<ScheduleRequest<T>>,
    waiting: Waiting<T>,
}

/// An empty queue and who fills it.
pub(super) fn queue<T>(pace: Pace) -> (Asker<T>, Queue<T>) {
    let (requests, inbox) = mpsc::unbounded_channel();
    let waiting = Waiting::default();
    let asker = Asker {
        requests: requests.clone(),
        waiting: waiting.clone(),
        gather: pace.gather,
    };
    let queue = Queue {
        pace,
        requests,
        inbox,
        waiting,
    };
    (asker, queue)
}

impl<T: Hash + Eq + Clone + Send + 'static> Queue<T> {
    /// What waits in it, now and later.
    pub(super) fn waiting(&self) -> Waiting<T> {
        self.waiting.clone()
    }

    /// Works until the token is cancelled, then lets the running passes end.
    ///
    /// A pass gives back when its key is to be looked at again; `None` where there is nothing to look at any more.
    ///
    /// # Errors
    /// A pass panicked.
    pub(super) async fn work<F, Fut>(self, stop: CancellationToken, pass: F) -> Result<(), JoinError>
    where
        F: Fn(T) -> Fut,
        Fut: Future<Output = Option<Next>> + Send + 'static,
    {
        let Self {
            pace,
            requests,
            inbox,
            waiting,
        } = self;
        let inbox = futures::stream::unfold(inbox, async |mut inbox| Some((inbox.recv().await?, inbox)));
        let mut scheduler = pin!(scheduler(inbox));
        let mut book = Book::new(pace, requests, waiting);
        let mut passes = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = passes.join_next(), if !passes.is_empty() => {
                    let (key, started, next) = ended?;
                    book.ended(key, started, next);
                }
                Some(key) = book.due(scheduler.as_mut()) => {
                    if book.start(&key) {
                        let work = pass(key.clone());
                        passes.spawn(async move {
                            let started = Instant::now();
                            (key, started, work.await)
                        });
                    }
                }
            }
        }
        while let Some(ended) = passes.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// Who runs, who failed how often, and who is not to start yet.
struct Book<T> {
    pace: Pace,
    requests: mpsc::UnboundedSender<ScheduleRequest<T>>,
    waiting: Waiting<T>,
    running: HashSet<T>,
    failures: HashMap<T, u32>,
    not_before: HashMap<T, Instant>,
    chance: RandomState,
}

impl<T: Hash + Eq + Clone> Book<T> {
    fn new(pace: Pace, requests: mpsc::UnboundedSender<ScheduleRequest<T>>, waiting: Waiting<T>) -> Self {
        Self {
            pace,
            requests,
            waiting,
            running: HashSet::new(),
            failures: HashMap::new(),
            not_before: HashMap::new(),
            chance: RandomState::new(),
        }
    }

    /// The next key whose time has come, once there is room for its pass.
    async fn due<R: Stream<Item = ScheduleRequest<T>>>(&self, scheduler: Pin<&mut Scheduler<T, R>>) -> Option<T> {
        let room = self.running.len() < self.pace.concurrency;
        // What is not taken now stays with the scheduler, also when this future is dropped.
        pin!(scheduler.hold_unless(|key| room && !self.running.contains(key)))
            .next()
            .await
    }

    /// Whether the pass may start now; one that comes too early is put off.
    fn start(&mut self, key: &T) -> bool {
        self.waiting.taken(key);
        if let Some(&early_until) = self.not_before.get(key)
            && Instant::now() < early_until
        {
            self.again(key.clone(), early_until);
            return false;
        }
        self.running.insert(key.clone());
        true
    }

    fn ended(&mut self, key: T, started: Instant, next: Option<Next>) {
        self.running.remove(&key);
        let now = Instant::now();
        self.not_before.retain(|_, early_until| *early_until > now);
        if !self.pace.spacing.is_zero() {
            // Longer is no computing but a wait for others.
            let own = (2 * (now - started)).min(Duration::from_secs(2));
            let spacing = self.pace.spacing.max(own);
            self.not_before.insert(key.clone(), started + spacing);
        }
        let Some(next) = next else {
            self.failures.remove(&key);
            return;
        };
        let pause = match next {
            Next::Backoff { after } => {
                let failures = self.failures.entry(key.clone()).or_default();
                let pause = pause(self.pace, *failures, self.chance.hash_one(now));
                *failures = failures.saturating_add(1);
                pause.max(after.unwrap_or_default())
            }
            settled => {
                self.failures.remove(&key);
                delay(settled)
            }
        };
        self.again(key, now + pause.min(LONGEST));
    }

    fn again(&self, message: T, run_at: Instant) {
        self.waiting.until(message.clone(), run_at);
        // The receiver lives as long as the book.
        let _ = self.requests.send(ScheduleRequest { message, run_at });
    }
}

/// The pause after so many failures before this one: twice the last, and up to a fifth more, so that what failed
/// together does not come back together.
fn pause(pace: Pace, failures: u32, chance: u64) -> Duration {
    let doubled = pace.first_pause.saturating_mul(1 << failures.min(20));
    let pause = doubled.min(pace.longest_pause);
    pause + pause.mul_f64((chance % 1000) as f64 / 5000.0)
}

/// How long until a pass that did not fail is repeated.
fn delay(next: Next) -> Duration {
    // A time that has just passed, again and again, would be a hot loop.
    const LEAST: Duration = Duration::from_millis(100);
    match next {
        Next::Again | Next::Backoff { .. } => Duration::ZERO,
        Next::At(at) => {
            let left = at.duration_since(SystemClock.now());
            Duration::try_from(left).unwrap_or_default().max(LEAST)
        }
        Next::After(after) => after.max(LEAST),
    }
}

mod waiting;

#[cfg(test)]
mod tests;
