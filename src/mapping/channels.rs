//! The ledger's rows of channels, and of the steps that they were not told yet, as both dialects read them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::ledger::{time, unreadable};
use super::lines::read_by_name;
use super::rollouts::RolloutLine;
use crate::ports::{ChannelRecord, ChannelRecords, MappingErrorKind, NumberedStep};

/// How far a channel is. Times are microseconds.
#[derive(Debug)]
pub(super) struct ChannelLine {
    name: String,
    told_through: i64,
    waiting: Option<String>,
    tries: i32,
    failing_since: Option<i64>,
    retry_at: Option<i64>,
    why: String,
    declared: String,
    given_up: i32,
    gave_up_at: Option<i64>,
}

read_by_name!(ChannelLine { name, told_through, waiting, tries, failing_since, retry_at, why, declared, given_up, gave_up_at } from PgRow, SqliteRow);

impl ChannelLine {
    fn record(self) -> Result<(String, ChannelRecord), MappingErrorKind> {
        let counted = |what: &str, number: i32| {
            u32::try_from(number).map_err(|_| unreadable("a channel", &format!("{what} is {number}")))
        };
        let at = |at: Option<i64>| at.map(time).transpose();
        let record = ChannelRecord {
            told_through: self.told_through,
            waiting: self.waiting,
            tries: counted("tries", self.tries)?,
            failing_since: at(self.failing_since)?,
            retry_at: at(self.retry_at)?,
            why: self.why,
            declared: self.declared,
            given_up: counted("given_up", self.given_up)?,
            gave_up_at: at(self.gave_up_at)?,
        };
        Ok((self.name, record))
    }
}

/// The channels of an environment, by name.
pub(super) fn channels(lines: Vec<ChannelLine>) -> Result<BTreeMap<String, ChannelRecord>, MappingErrorKind> {
    lines.into_iter().map(ChannelLine::record).collect()
}

/// How far channels are: the steps after each of these are to be read. One that is far behind must not keep others from what
/// is news to them.
pub(super) fn told_through(channels: &BTreeMap<String, ChannelRecord>) -> BTreeSet<i64> {
    channels.values().map(|channel| channel.told_through).collect()
}

/// An event of a rollout with its number, and the count at its wave's opening.
#[derive(Debug)]
pub(super) struct StepLine {
    id: i64,
    opened_with: Option<i32>,
    line: RolloutLine,
}

/// Reads one from the columns of an event, `id` and `opened_with`.
macro_rules! step_from {
    ($($row:ty),+) => {
        $(impl FromRow<'_, $row> for StepLine {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self {
                    id: row.try_get("id")?,
                    opened_with: row.try_get("opened_with")?,
                    line: RolloutLine::from_row(row)?,
                })
            }
        })+
    };
}
step_from!(PgRow, SqliteRow);

impl StepLine {
    fn step(self) -> Result<NumberedStep, MappingErrorKind> {
        Ok(NumberedStep {
            number: self.id,
            at: time(self.line.at)?,
            members: self.opened_with.and_then(|members| u32::try_from(members).ok()),
            event: self.line.event()?,
        })
    }
}

/// What is on record of an environment's channels; some steps may have been read twice.
pub(super) fn records(
    channels: BTreeMap<String, ChannelRecord>,
    steps: Vec<StepLine>,
) -> Result<ChannelRecords, MappingErrorKind> {
    let by_number = steps
        .into_iter()
        .map(|line| line.step().map(|step| (step.number, step)));
    let by_number: BTreeMap<i64, NumberedStep> = by_number.collect::<Result<_, _>>()?;
    let steps = by_number.into_values().collect();
    Ok(ChannelRecords { channels, steps })
}

/// A time as it is written.
pub(super) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

/// A count as it is written.
pub(super) fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
