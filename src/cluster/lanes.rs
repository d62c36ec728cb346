//! Three lanes of keyed work: what much else waits for goes before what is new or changed, and that before what is only
//! looked at again.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use tokio::time::Instant;

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
    /// Besides those that are being done, those that rest: a newer job of the key waits for the end of the rest.
    begun: HashSet<K>,
    /// By the end of the rest, and then by the order in which they came.
    resting: BTreeMap<(Instant, u64), (K, Lane, J)>,
    rests: u64,
}

impl<K, J> Default for Lanes<K, J> {
    fn default() -> Self {
        Self {
            queues: std::array::from_fn(|_| VecDeque::new()),
            waiting: HashMap::new(),
            begun: HashSet::new(),
            resting: BTreeMap::new(),
            rests: 0,
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

    /// Puts a job that began and could not be done aside until then. It comes again unless a newer one waits by then.
    pub(super) fn rest(&mut self, key: K, lane: Lane, job: J, until: Instant) {
        self.rests += 1;
        self.resting.insert((until, self.rests), (key, lane, job));
    }

    /// When the next rest ends.
    pub(super) fn next_rest(&self) -> Option<Instant> {
        self.resting.keys().next().map(|(until, _)| *until)
    }

    fn end_rests(&mut self, now: Instant) {
        while let Some(first) = self.resting.first_entry()
            && first.key().0 <= now
        {
            let (key, lane, job) = first.remove();
            if !self.waiting.contains_key(&key) {
                self.waiting.insert(key.clone(), (lane, job));
            }
            self.done(&key);
        }
    }

    /// The next job; [`done`](Self::done) or [`rest`](Self::rest) must follow.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(K, Lane, J)> {
        self.end_rests(now);
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

    /// The job of this key that has not begun.
    pub(super) fn waiting(&self, key: &K) -> Option<&J> {
        self.waiting.get(key).map(|(_, job)| job)
    }

    /// Every job that has not begun, or rests, in no order.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &J> {
        let waiting = self.waiting.values().map(|(_, job)| job);
        waiting.chain(self.resting.values().map(|(_, _, job)| job))
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
        let order: Vec<_> = std::iter::from_fn(|| lanes.begin(Instant::now())).collect();
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
        let order: Vec<_> = std::iter::from_fn(|| lanes.begin(Instant::now())).collect();
        assert_eq!(order, [("version", Lane::Awaited, 2), ("pin", Lane::Fresh, 1)]);
    }

    #[test]
    fn a_key_has_never_two_jobs_at_once_and_none_is_lost() {
        let now = Instant::now();
        let mut lanes = Lanes::default();
        lanes.add("a", Lane::Fresh, 1);
        assert_eq!(lanes.begin(now), Some(("a", Lane::Fresh, 1)));
        lanes.add("a", Lane::Resync, 2);
        assert_eq!(lanes.begin(now), None, "the first has not ended");
        lanes.rest("a", Lane::Fresh, 1, now);
        assert!(!lanes.is_empty());
        assert_eq!(
            lanes.begin(now),
            Some(("a", Lane::Resync, 2)),
            "and the older one does not come again"
        );
        lanes.done(&"a");
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_job_that_rests_comes_again_in_time_and_keeps_nobody_waiting() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        let mut lanes = Lanes::default();
        lanes.add("a", Lane::Fresh, 1);
        lanes.add("b", Lane::Fresh, 1);
        let (key, _, job) = lanes.begin(now).unwrap();
        lanes.rest(key, Lane::Resync, job, later);
        assert_eq!(lanes.next_rest(), Some(later));
        assert_eq!(lanes.begin(now), Some(("b", Lane::Fresh, 1)));
        assert_eq!(lanes.begin(now), None);
        assert!(lanes.knows(&"a"));
        assert_eq!(lanes.begin(later), Some(("a", Lane::Resync, 1)));
        assert_eq!(lanes.next_rest(), None);
    }
}
