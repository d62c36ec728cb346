//! Three lanes of keyed work: what much else waits for goes before what is new or changed, and that before what is only
//! looked at again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// Which lane; the first ones go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Few objects, and passes over many others wait for what is said of them.
    Awaited,
    /// New and changed objects: somebody waits for them.
    Fresh,
    /// All others.
    Resync,
}

const LANES: [Lane; 3] = [Lane::Awaited, Lane::Fresh, Lane::Resync];

/// Jobs by key; the newest of a key replaces an older one that has not begun, and no key has two at once.
#[derive(Debug)]
pub(super) struct Lanes<K, J> {
    /// Whose turn it is, lane by lane.
    queues: [VecDeque<K>; LANES.len()],
    waiting: HashMap<K, (Lane, J)>,
    begun: HashSet<K>,
}

impl<K, J> Default for Lanes<K, J> {
    fn default() -> Self {
        Self {
            queues: std::array::from_fn(|_| VecDeque::new()),
            waiting: HashMap::new(),
            begun: HashSet::new(),
        }
    }
}

impl<K: Hash + Eq + Clone, J> Lanes<K, J> {
    /// Adds a job. One that waits keeps its place, unless the newer one is for the faster lane.
    pub(super) fn add(&mut self, key: K, lane: Lane, job: J) {
        let before = self.waiting.get(&key).map(|(lane, _)| *lane);
        let lane = before.map_or(lane, |before| before.min(lane));
        if before != Some(lane) && !self.begun.contains(&key) {
            self.queue(lane).push_back(key.clone());
        }
        self.waiting.insert(key, (lane, job));
    }

    /// Puts a job back that could not be done, unless a newer one waits.
    pub(super) fn put_back(&mut self, key: K, lane: Lane, job: J) {
        if !self.waiting.contains_key(&key) {
            self.add(key, lane, job);
        }
    }

    /// The next job; [`done`](Self::done) must follow.
    pub(super) fn begin(&mut self) -> Option<(K, Lane, J)> {
        loop {
            let (from, key) = LANES
                .into_iter()
                .find_map(|lane| Some((lane, self.queue(lane).pop_front()?)))?;
            // A place in a slow lane is void once its job went over to a faster one.
            if self.waiting.get(&key).is_some_and(|(lane, _)| *lane == from)
                && let Some((lane, job)) = self.waiting.remove(&key)
            {
                self.begun.insert(key.clone());
                return Some((key, lane, job));
            }
        }
    }

    /// The job of this key has ended; one that came meanwhile may begin.
    pub(super) fn done(&mut self, key: &K) {
        self.begun.remove(key);
        if let Some((lane, _)) = self.waiting.get(key) {
            let lane = *lane;
            self.queue(lane).push_back(key.clone());
        }
    }

    /// Whether a job of this key waits or has begun.
    pub(super) fn knows(&self, key: &K) -> bool {
        self.waiting.contains_key(key) || self.begun.contains(key)
    }

    /// Nothing waits and nothing has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.begun.is_empty()
    }

    fn queue(&mut self, lane: Lane) -> &mut VecDeque<K> {
        &mut self.queues[lane as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ones_go_first_and_the_newest_job_of_a_key_counts() {
        let mut lanes = Lanes::default();
        lanes.add("a", Lane::Resync, 1);
        lanes.add("b", Lane::Resync, 1);
        lanes.add("c", Lane::Fresh, 1);
        lanes.add("b", Lane::Fresh, 2);
        lanes.add("c", Lane::Resync, 2);
        let order: Vec<_> = std::iter::from_fn(|| lanes.begin()).collect();
        assert_eq!(
            order,
            [("c", Lane::Fresh, 2), ("b", Lane::Fresh, 2), ("a", Lane::Resync, 1)]
        );
    }

    #[test]
    fn what_others_wait_for_goes_before_all_that_came_earlier() {
        let mut lanes = Lanes::default();
        lanes.add("pin", Lane::Fresh, 1);
        lanes.add("version", Lane::Awaited, 1);
        lanes.add("version", Lane::Fresh, 2);
        let order: Vec<_> = std::iter::from_fn(|| lanes.begin()).collect();
        assert_eq!(order, [("version", Lane::Awaited, 2), ("pin", Lane::Fresh, 1)]);
    }

    #[test]
    fn a_key_has_never_two_jobs_at_once_and_none_is_lost() {
        let mut lanes = Lanes::default();
        lanes.add("a", Lane::Fresh, 1);
        assert_eq!(lanes.begin(), Some(("a", Lane::Fresh, 1)));
        lanes.add("a", Lane::Resync, 2);
        lanes.put_back("a", Lane::Fresh, 1);
        assert_eq!(lanes.begin(), None, "the first has not ended");
        assert!(!lanes.is_empty());
        lanes.done(&"a");
        assert_eq!(
            lanes.begin(),
            Some(("a", Lane::Resync, 2)),
            "and the older one is not put back"
        );
        lanes.done(&"a");
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_job_that_is_put_back_comes_again() {
        let mut lanes = Lanes::default();
        lanes.add("a", Lane::Fresh, 1);
        let (key, lane, job) = lanes.begin().unwrap();
        lanes.put_back(key, lane, job);
        lanes.done(&"a");
        assert_eq!(lanes.begin(), Some(("a", Lane::Fresh, 1)));
    }
}
