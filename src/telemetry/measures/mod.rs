//! Measures in the format that Prometheus scrapes. No label names an object: clusters have many, and a series is kept
//! for as long as the process lives.
//!
//! What happens is counted when it happens. What is there (budgets, queues, objects) is read at a scrape, from whoever
//! has it, so that nothing must be kept in step.

mod book;
mod classic;
mod counted;
mod database;
mod scraped;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;

use self::book::Book;
pub use self::book::Description;
use self::counted::Counted;
pub use self::counted::{
    CHECK_RESULTS, CHECKS, KINDS, LEASE_TRANSITIONS, NOTIFICATION_FORMS, NOTIFICATION_RESULTS, PASS_OUTCOMES, PASSES,
    WRITE_OUTCOMES,
};
pub use self::database::DatabaseLine;
use self::database::{Calls, States};
use self::scraped::Scraped;
pub use self::sources::{BudgetMeasure, ConditionCount, ObjectsMeasure, QueueMeasure, RolloutsMeasure};

/// A gauge of seconds and their parts.
type Seconds = Gauge<f64, AtomicU64>;

/// What reads something of the process at a scrape.
type Reading<T> = Box<dyn Fn() -> T + Send + Sync>;

/// All measures of a process.
pub struct Measures {
    counted: Counted,
    calls: Calls,
    scraped: Scraped,
    databases: Mutex<Vec<Weak<DatabaseLine>>>,
    budgets: Mutex<Vec<Reading<Vec<BudgetMeasure>>>>,
    queues: Mutex<Vec<Reading<Vec<QueueMeasure>>>>,
    objects: Mutex<Vec<Reading<ObjectsMeasure>>>,
    /// How long each cut in progress will still take, by its object.
    cuts: Mutex<BTreeMap<String, Duration>>,
    /// Held while a scrape is written, so that two at once do not count into one another.
    scrape: Mutex<()>,
    book: Book,
}

impl Default for Measures {
    fn default() -> Self {
        let mut book = Book::default();
        let build = book.gauge("wavepin_build_info", "Always 1; the label is the release", ["version"]);
        build.of([env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            counted: Counted::enter(&mut book),
            calls: Calls::enter(&mut book),
            scraped: Scraped::enter(&mut book),
            databases: Mutex::default(),
            budgets: Mutex::default(),
            queues: Mutex::default(),
            objects: Mutex::default(),
            cuts: Mutex::default(),
            scrape: Mutex::default(),
            book,
        }
    }
}

impl Measures {
    /// Every measure, in the order of the scrape.
    #[must_use]
    pub fn described(&self) -> &[Description] {
        &self.book.described
    }

    /// A pass ended so; the kind is one of [`PASSES`], the outcome one of [`PASS_OUTCOMES`].
    /// The trace is told beside the time that it took, where there is one.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str, took: Duration, trace: Option<String>) {
        self.counted.reconciles.of([kind, outcome]).inc();
        let trace = trace.map(|id| [("trace_id", id)]);
        self.counted
            .durations
            .of([kind])
            .observe(took.as_secs_f64(), trace, None);
    }

    /// An effect of a cut ended so.
    pub fn stepped(&self, step: &'static str, outcome: &'static str) {
        self.counted.steps.of([step, outcome]).inc();
    }

    /// A request to Omni ended so.
    pub fn request(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.counted.requests.of([operation, outcome]).inc();
        self.counted.request_durations.observe(took.as_secs_f64());
    }

    /// A check of a rollout was asked; the kind is one of [`CHECKS`], the result one of [`CHECK_RESULTS`].
    pub fn checked(&self, kind: &'static str, result: &'static str) {
        self.counted.checks.of([kind, result]).inc();
    }

    /// A channel of a rollout was told, in one of [`NOTIFICATION_FORMS`]; the result is one of [`NOTIFICATION_RESULTS`].
    pub fn notified(&self, form: &'static str, result: &'static str) {
        self.counted.notifications.of([form, result]).inc();
    }

    /// A try to write a status ended so, with one of [`WRITE_OUTCOMES`].
    pub fn wrote_status(&self, kind: &'static str, outcome: &'static str) {
        self.counted.writes.of([kind, outcome]).inc();
    }

    /// One of [`LEASE_TRANSITIONS`] happened.
    pub fn lease(&self, transition: &'static str) {
        self.counted.leases.of([transition]).inc();
        self.counted.leader.set(i64::from(transition == "acquired"));
    }

    /// So many gates of `/readyz` are shut.
    pub fn shut_gates(&self, gates: usize) {
        self.counted.gates.set(i64::try_from(gates).unwrap_or(i64::MAX));
    }

    /// The cut of this object will still take so long; `None` where it is no cut in progress, or no longer.
    pub fn cut(&self, object: &str, left: Option<Duration>) {
        let mut cuts = lock(&self.cuts);
        match left {
            Some(left) => drop(cuts.insert(object.to_owned(), left)),
            None => drop(cuts.remove(object)),
        }
    }

    /// Where the calls to one more database are told. It counts for as long as somebody keeps it.
    #[must_use]
    pub fn database(&self) -> Arc<DatabaseLine> {
        let line = Arc::new(DatabaseLine::new(self.calls.clone()));
        let mut databases = lock(&self.databases);
        databases.retain(|line| line.strong_count() > 0);
        databases.push(Arc::downgrade(&line));
        line
    }

    /// Where to read budgets at a scrape.
    pub fn read_budgets(&self, read: impl Fn() -> Vec<BudgetMeasure> + Send + Sync + 'static) {
        lock(&self.budgets).push(Box::new(read));
    }

    /// Where to read queues at a scrape.
    pub fn read_queues(&self, read: impl Fn() -> Vec<QueueMeasure> + Send + Sync + 'static) {
        lock(&self.queues).push(Box::new(read));
    }

    /// Where to read at a scrape what is declared, and how it stands.
    pub fn read_objects(&self, read: impl Fn() -> ObjectsMeasure + Send + Sync + 'static) {
        lock(&self.objects).push(Box::new(read));
    }

    /// Everything, as a scrape gets it that asks for OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let _one_at_a_time = lock(&self.scrape);
        let longest = lock(&self.cuts).values().max().copied().unwrap_or_default();
        self.counted.cut.set(longest.as_secs_f64());
        self.scraped.clear();
        for budget in lock(&self.budgets).iter().flat_map(|read| read()) {
            self.scraped.budget(&budget);
        }
        for queue in lock(&self.queues).iter().flat_map(|read| read()) {
            self.scraped.queue(&queue);
        }
        for objects in lock(&self.objects).iter().map(|read| read()) {
            self.scraped.objects(&objects);
        }
        let lines = lock(&self.databases)
            .iter()
            .filter_map(Weak::upgrade)
            .collect::<Vec<_>>();
        self.scraped.databases(&States::of(&lines));
        let mut text = String::new();
        encode(&mut text, &self.book.registry).expect("a string takes all that is written to it");
        text
    }

    /// Everything in the older format, for scrapes that do not ask for OpenMetrics, such as `curl`.
    #[must_use]
    pub fn classic_text(&self) -> String {
        classic::classic(&self.text())
    }
}

impl std::fmt::Debug for Measures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Measures")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
