//! What both dialects share of the request budget: rows as they are read, and what they mean.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::lines::read_by_name;
use crate::ports::window::{Places, Room, Standing};
use crate::ports::{Ask, Outcome, Place, Return, Told};

/// How much further than its own hold a place may seem to reach: clocks of replicas differ, and so may their options.
/// What reaches further was written before the clock was set back.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// A row of the key table; times are microseconds.
#[derive(Debug)]
pub(super) struct KeyLine {
    paused_at: Option<i64>,
    paused_until: Option<i64>,
    strikes: i32,
    at_once: Option<i32>,
}

read_by_name!(KeyLine { paused_at, paused_until, strikes, at_once } from PgRow, SqliteRow);

impl KeyLine {
    pub(super) fn standing(&self) -> Standing {
        Standing {
            paused_at: self.paused_at.map(moment),
            paused_until: self.paused_until.map(moment),
            strikes: u32::try_from(self.strikes).unwrap_or_default(),
            at_once: self.at_once.map(|most| u32::try_from(most).unwrap_or_default()),
        }
    }

    pub(super) fn of(standing: &Standing) -> Self {
        let number = |it: u32| i32::try_from(it).unwrap_or(i32::MAX);
        Self {
            paused_at: standing.paused_at.map(microseconds),
            paused_until: standing.paused_until.map(microseconds),
            strikes: number(standing.strikes),
            at_once: standing.at_once.map(number),
        }
    }

    /// The columns in the order of the table.
    pub(super) fn columns(&self) -> (Option<i64>, Option<i64>, i32, Option<i32>) {
        (self.paused_at, self.paused_until, self.strikes, self.at_once)
    }
}

/// The places of a key as they were, and the one that was taken if there was room.
#[derive(Debug, Default)]
pub(super) struct PlacesLine {
    pub(super) now: i64,
    pub(super) live: i64,
    pub(super) lowest: Option<i32>,
    pub(super) unanswered: i64,
    pub(super) id: Option<i64>,
    /// Where the window is full: when as many places have come free as must.
    pub(super) frees_in: Option<i64>,
}

read_by_name!(PlacesLine { now, live, lowest, unanswered, id, frees_in } from PgRow);

impl PlacesLine {
    pub(super) fn places(&self) -> Places {
        Places {
            live: usize::try_from(self.live).unwrap_or(usize::MAX),
            lowest: self.lowest.map(|rate| u32::try_from(rate).unwrap_or_default()),
            unanswered: usize::try_from(self.unanswered).unwrap_or(usize::MAX),
        }
    }

    /// How the key stands for one who would take this rate.
    pub(super) fn told(&self, asked: u32, standing: &Standing) -> Told {
        Told {
            used: u32::try_from(self.live + i64::from(self.id.is_some())).unwrap_or(u32::MAX),
            rate: self.places().rate(asked),
            recovering: standing.at_once.is_some(),
            paused: standing.pause(moment(self.now)).is_some(),
        }
    }

    /// What came of asking. To look again before `after` would be in vain: a request that is on its way now keeps its
    /// place for a window at least.
    pub(super) fn place(&self, ask: &Ask, standing: &Standing) -> Place {
        let (now, places) = (moment(self.now), self.places());
        let told = self.told(ask.rate, standing);
        if let Some(id) = self.id {
            return Place::Taken { id, told };
        }
        let after = match standing.room(&places, ask.rate, now) {
            Room::Paused(left) => left,
            // Another process may have sent the request that is waited for.
            Room::Answer => ask.window / 60,
            Room::Full { .. } => self.frees_in.map_or(ask.window, moment).min(ask.window),
            // The pause ended just now.
            Room::Free => Duration::ZERO,
        };
        Place::Later { after, told }
    }
}

/// Whether others must be told how the request ended.
pub(super) fn tells(place: &Return) -> bool {
    match place.outcome {
        Outcome::Unknown => false,
        Outcome::Accepted => place.recovering,
        Outcome::Throttled(_) => true,
    }
}

/// What an answer makes of the key's standing.
pub(super) fn learn(standing: &mut Standing, place: &Return, taken_at: i64, now: i64) {
    let (taken_at, now) = (moment(taken_at), moment(now));
    match place.outcome {
        Outcome::Unknown => {}
        Outcome::Accepted => standing.accepted(taken_at, now, place.ask.rate),
        Outcome::Throttled(throttle) => standing.throttled(taken_at, now, place.ask.window, throttle),
    }
}

/// A rate as the table has it.
pub(super) fn rate(ask: &Ask) -> i32 {
    i32::try_from(ask.rate).unwrap_or(i32::MAX)
}

/// A length of time as statements have it.
pub(super) fn microseconds(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4)
}

/// A time of the table, counted from 1970.
pub(super) fn moment(microseconds: i64) -> Duration {
    Duration::from_micros(u64::try_from(microseconds).unwrap_or_default())
}
