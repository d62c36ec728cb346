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
    moves: Measured<Counter, 1>,
    flips: Histogram,
    stops: Measured<Counter, 1>,
}

/// Which way rollouts move tenants, as labels tell it.
const DIRECTIONS: [&str; 2] = ["forward", "back"];

/// What stops rollouts, as labels tell it.
const STOPS: [&str; 3] = ["Paused", "RolledBack", "Ordered"];

impl Calls {
    pub(super) fn enter(book: &mut Book) -> Self {
        let calls = Self {
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
            moves: book.counter(
                "wavepin_rollout_moves",
                "Tenants that rollouts have moved, by direction: forward (by a wave), back (to what they had)",
                ["direction"],
            ),
            flips: book.alone(
                "wavepin_rollout_flip_seconds",
                "How long transactions took by which rollouts move a batch of tenants",
                times(),
            ),
            stops: book.counter(
                "wavepin_rollout_stops",
                "What stopped rollouts: Paused and RolledBack (by their checks), Ordered (taken back by a person)",
                ["kind"],
            ),
        };
        // So that the first is an increase.
        for direction in DIRECTIONS {
            drop(calls.moves.of([direction]));
        }
        for kind in STOPS {
            drop(calls.stops.of([kind]));
        }
        calls
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

    /// A rollout moved so many tenants at once, forward or back.
    pub fn flipped(&self, direction: &'static str, tenants: usize, took: Duration) {
        let tenants = u64::try_from(tenants).unwrap_or(u64::MAX);
        self.calls.moves.of([direction]).inc_by(tenants);
        self.calls.flips.observe(took.as_secs_f64());
    }

    /// A rollout was stopped: Paused, RolledBack or Ordered.
    pub fn stopped(&self, kind: &'static str) {
        self.calls.stops.of([kind]).inc();
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
