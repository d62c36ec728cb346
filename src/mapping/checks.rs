//! The ledger's rows of what checks were answered, as both dialects read them.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::ledger::{time, unreadable};
use super::lines::read_by_name;
use crate::ports::{Answer, CheckOutcome, CheckRecord, CheckRecords, MappingErrorKind};

/// The newest row of a check of a wave. The names of failing tenants are JSON; times are microseconds.
#[derive(Debug)]
pub(super) struct CheckLine {
    id: i64,
    at: i64,
    asked_at: i64,
    wave: String,
    name: String,
    outcome: String,
    failures: i32,
    failing: String,
    message: String,
}

read_by_name!(CheckLine { id, at, asked_at, wave, name, outcome, failures, failing, message } from PgRow, SqliteRow);

/// A record by its wave and check, with the id of its row.
type Found = ((String, String), (i64, CheckRecord));

impl CheckLine {
    fn record(self) -> Result<Found, MappingErrorKind> {
        let odd = |why: String| unreadable("an answer to a check", &why);
        let outcome = CheckOutcome::ALL.into_iter().find(|it| it.word() == self.outcome);
        let record = CheckRecord {
            since: time(self.at)?,
            asked_at: time(self.asked_at)?,
            failures: u32::try_from(self.failures).map_err(|_| odd(format!("it failed {} times", self.failures)))?,
            answer: Answer {
                outcome: outcome.ok_or_else(|| odd(format!("it is {:?}", self.outcome)))?,
                failing: serde_json::from_str(&self.failing).map_err(|source| odd(source.to_string()))?,
                message: self.message,
            },
        };
        Ok(((self.wave, self.name), (self.id, record)))
    }
}

/// The newest records of an attempt with the ids of their rows.
pub(super) type Newest = BTreeMap<(String, String), (i64, CheckRecord)>;

/// Reads lines of which there is one a check and wave.
pub(super) fn newest(lines: Vec<CheckLine>) -> Result<Newest, MappingErrorKind> {
    lines.into_iter().map(CheckLine::record).collect()
}

/// The same without the ids.
pub(super) fn records(lines: Vec<CheckLine>) -> Result<CheckRecords, MappingErrorKind> {
    let newest = newest(lines)?.into_iter();
    Ok(newest.map(|(key, (_, record))| (key, record)).collect())
}
