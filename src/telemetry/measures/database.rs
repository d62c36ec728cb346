//! What is measured of the mapping databases.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::book::{Book, Measured, times};
use super::lock;

/// A database that was out of reach and was not asked for so long is nobody's any more: whoever needs one asks again
/// within 6 minutes, the longest pause after failures.
const ASKED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The calls to all databases.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    ended: Measured<Counter, 2>,
    durations: Measured<Histogram, 1>,
}

impl Calls {
    pub(super) fn enter(book: &mut Book) -> Self {
        Self {
            ended: book.counter(
                "wavepin_database_calls",
                "Calls to mapping databases, by class (connect, prepare, read, write, budget: a place for a request to \
                 Omni) and by how they ended: done, unreachable, locked (by another transaction), fenced (another \
                 writer took over), forbidden (rights are missing), schema (a table is not as needed), refused",
                ["class", "outcome"],
            ),
            durations: book.enter(
                "wavepin_database_call_duration_seconds",
                "How long calls to mapping databases took, by class",
                Measured::new(["class"], times),
            ),
        }
    }
}

/// How one database stands, told by whoever calls it.
#[derive(Debug)]
pub struct DatabaseLine {
    calls: Calls,
    /// Whether the last call reached it, and when that ended.
    last: Mutex<Option<(bool, Instant)>>,
}

impl DatabaseLine {
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            last: Mutex::default(),
        }
    }

    /// A call of this class ended so; `unreachable` is the outcome of one that did not reach the database.
    pub fn called(&self, class: &'static str, outcome: &'static str, took: Duration) {
        self.calls.ended.of([class, outcome]).inc();
        self.calls.durations.of([class]).observe(took.as_secs_f64());
        *lock(&self.last) = Some((outcome != "unreachable", Instant::now()));
    }
}

impl Default for DatabaseLine {
    /// One that no scrape tells of.
    fn default() -> Self {
        Self::new(Calls::enter(&mut Book::default()))
    }
}

/// How many databases answer, and how many do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct States {
    pub(super) up: usize,
    pub(super) down: usize,
}

impl States {
    pub(super) fn of(lines: &[Arc<DatabaseLine>]) -> Self {
        let mut states = Self::default();
        for (up, at) in lines.iter().filter_map(|line| *lock(&line.last)) {
            match up {
                true => states.up += 1,
                false if at.elapsed() < ASKED_WITHIN => states.down += 1,
                false => {}
            }
        }
        states
    }
}
