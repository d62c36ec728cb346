//! What passes a line, counted, and the points at which processes die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// When a process dies at something that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// What it asks for never arrives.
    Before,
    /// It is done, and the answer never arrives.
    After,
}

impl Moment {
    pub(super) const BOTH: [Moment; 2] = [Moment::Before, Moment::After];
}

/// Where a process dies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// A statement, or a write to the API server.
    pub(super) what: String,
    /// At which one of these in the rollout's life, from 1 on, whichever process asks for it.
    pub(super) nth: usize,
    pub(super) moment: Moment,
}

/// Whether what runs is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// It has met one of the points.
    Doomed,
    /// It waits for an answer that will not come.
    Held,
}

/// What becomes of something that a process asks for.
#[derive(Debug)]
pub(super) enum Met {
    /// It goes its way.
    Goes,
    /// The process dies at it.
    Dies(Point),
    /// The process is as good as dead: it is not done, and not answered.
    Dead,
}

/// Counts, and holds what it is to hold: one thing of a process, and then all others until that is dead.
#[derive(Debug)]
pub(super) struct Trap {
    points: Mutex<BTreeSet<Point>>,
    seen: Mutex<BTreeMap<String, usize>>,
    struck: Mutex<Vec<Point>>,
    fate: watch::Sender<Fate>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trap {
    pub(super) fn new(points: impl IntoIterator<Item = Point>) -> Self {
        Self {
            points: Mutex::new(points.into_iter().collect()),
            seen: Mutex::default(),
            struck: Mutex::default(),
            fate: watch::Sender::new(Fate::Lives),
        }
    }

    /// Counts one, unless it comes from a process that is to die.
    pub(super) fn meets(&self, what: &str) -> Met {
        let mut seen = lock(&self.seen);
        if *self.fate.borrow() != Fate::Lives {
            return Met::Dead;
        }
        let count = seen.entry(what.to_owned()).or_default();
        *count += 1;
        let mut points = lock(&self.points);
        let met = points.iter().find(|it| it.what == what && it.nth <= *count).cloned();
        let Some(point) = met else { return Met::Goes };
        points.remove(&point);
        self.fate.send_replace(Fate::Doomed);
        Met::Dies(point)
    }

    /// Holds what has met its point for as long as the process lives.
    pub(super) async fn hold(&self, point: Point) {
        lock(&self.struck).push(point);
        self.fate.send_replace(Fate::Held);
        let _ = self.fate.subscribe().wait_for(|fate| *fate != Fate::Held).await;
    }

    /// Waits until the process is dead.
    pub(super) async fn burial(&self) {
        let _ = self.fate.subscribe().wait_for(|fate| *fate == Fate::Lives).await;
    }

    /// Once something is held.
    pub(super) async fn holds(&self) {
        let _ = self.fate.subscribe().wait_for(|fate| *fate == Fate::Held).await;
    }

    pub(super) fn is_held(&self) -> bool {
        *self.fate.borrow() == Fate::Held
    }

    /// The process is dead, by whatever; the next one has a fate of its own.
    pub(super) fn buried(&self) {
        self.fate.send_replace(Fate::Lives);
    }

    /// How often each was met.
    pub(super) fn seen(&self) -> BTreeMap<String, usize> {
        lock(&self.seen).clone()
    }

    /// Where processes died.
    pub(super) fn struck(&self) -> Vec<Point> {
        lock(&self.struck).clone()
    }
}
