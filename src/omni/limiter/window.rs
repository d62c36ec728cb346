//! The window of one key as this process saw it: in front of the one in the database, and alone where there is none.
//!
//! It asks nothing of the database that cannot be had, and it holds where the database's clock jumps.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ports::window::{Moment, Places, Room, Standing, Throttle};

/// The places that this process took, and what it was told by the server.
#[derive(Debug, Default)]
pub(super) struct Window {
    standing: Standing,
    places: BTreeMap<u64, Held>,
    next: u64,
}

#[derive(Debug)]
struct Held {
    taken_at: Moment,
    answered: bool,
    /// `None` until its request has ended.
    free_at: Option<Moment>,
}

/// When to look again where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Then.
    Until(Moment),
    /// When a request has ended.
    Change,
}

impl Window {
    /// Whether there is room for a request at this rate.
    pub(super) fn room(&mut self, rate: u32, now: Moment) -> Result<(), Wait> {
        self.forget(now);
        match self.standing.room(&self.places_taken(), rate, now) {
            Room::Free => Ok(()),
            Room::Paused(left) => Err(Wait::Until(now + left)),
            Room::Answer => Err(Wait::Change),
            Room::Full { besides } => {
                let mut free_at: Vec<_> = self.places.values().filter_map(|held| held.free_at).collect();
                free_at.sort_unstable();
                // More than have been answered means that answers must come first.
                Err(free_at.get(besides).map_or(Wait::Change, |at| Wait::Until(*at)))
            }
        }
    }

    /// Takes a place; whether there is room was asked before.
    pub(super) fn take(&mut self, now: Moment) -> u64 {
        self.next += 1;
        let held = Held {
            taken_at: now,
            answered: false,
            free_at: None,
        };
        self.places.insert(self.next, held);
        self.next
    }

    /// The server asked for fewer requests.
    pub(super) fn throttled(&mut self, place: u64, now: Moment, window: Duration, throttle: Throttle) {
        if let Some(held) = self.places.get_mut(&place) {
            held.answered = true;
            self.standing.throttled(held.taken_at, now, window, throttle);
        }
    }

    /// The server took the request.
    pub(super) fn accepted(&mut self, place: u64, now: Moment, rate: u32) {
        if let Some(held) = self.places.get_mut(&place) {
            held.answered = true;
            self.standing.accepted(held.taken_at, now, rate);
        }
    }

    /// The place comes free then.
    pub(super) fn give_back(&mut self, place: u64, free_at: Moment) {
        if let Some(held) = self.places.get_mut(&place) {
            held.answered = true;
            held.free_at = Some(free_at);
        }
    }

    /// No request was sent for this place.
    pub(super) fn leave(&mut self, place: u64) {
        self.places.remove(&place);
    }

    /// When this place was taken.
    pub(super) fn taken_at(&self, place: u64) -> Option<Moment> {
        self.places.get(&place).map(|held| held.taken_at)
    }

    /// How many places are taken.
    pub(super) fn used(&mut self, now: Moment) -> usize {
        self.forget(now);
        self.places.len()
    }

    /// How long every request of the key still waits.
    pub(super) fn pause(&self, now: Moment) -> Option<Duration> {
        self.standing.pause(now)
    }

    fn forget(&mut self, now: Moment) {
        self.places
            .retain(|_, held| held.free_at.is_none_or(|free_at| free_at > now));
    }

    fn places_taken(&self) -> Places {
        let since = |held: &&Held| {
            self.standing
                .paused_at
                .is_none_or(|paused_at| held.taken_at > paused_at)
        };
        let unanswered = self.places.values().filter(|held| !held.answered);
        Places {
            live: self.places.len(),
            lowest: None,
            unanswered: unanswered.filter(since).count(),
        }
    }
}
