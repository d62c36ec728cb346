//! The ledger's rows as people ask for them, as both dialects read them.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::ledger::{event_kind, time, unreadable};
use super::lines::read_by_name;
use super::rollouts::RolloutLine;
use crate::ports::{
    Cause, History, HistoryAsk, MappingErrorKind, PinEvent, RecordedBatches, RecordedMove, RecordedStep, WaveOfFlip,
};

/// One more than is asked for: whether there is more.
pub(super) fn most(ask: &HistoryAsk) -> i64 {
    i64::from(ask.most) + 1
}

/// What a tenant's row became, as the queries name it.
#[derive(Debug)]
pub(super) struct MoveLine {
    at: i64,
    environment: String,
    kind: String,
    from_version: Option<i32>,
    to_version: Option<i32>,
    wanted_version: i32,
    reason: String,
    attempt: Option<i32>,
    wave: Option<String>,
    rollout: Option<String>,
}

read_by_name!(MoveLine { at, environment, kind, from_version, to_version, wanted_version, reason, attempt, wave, rollout } from PgRow, SqliteRow);

impl MoveLine {
    fn recorded(self) -> Result<RecordedMove, MappingErrorKind> {
        let wave = self
            .attempt
            .zip(self.wave)
            .map(|(attempt, wave)| WaveOfFlip { attempt, wave });
        Ok(RecordedMove {
            environment: self.environment,
            event: PinEvent {
                at: time(self.at)?,
                kind: event_kind(&self.kind)?,
                from: self.from_version,
                to: self.to_version,
                wanted_version: self.wanted_version,
                cause: Arc::new(Cause {
                    reason: self.reason,
                    wave,
                }),
            },
            rollout: self.rollout,
        })
    }
}

/// Moves of a wave, counted.
#[derive(Debug)]
pub(super) struct BatchesLine {
    environment: String,
    attempt: i32,
    wave: String,
    reason: String,
    batches: i64,
    tenants: i64,
    last_at: i64,
}

read_by_name!(BatchesLine { environment, attempt, wave, reason, batches, tenants, last_at } from PgRow, SqliteRow);

impl BatchesLine {
    fn recorded(self) -> Result<RecordedBatches, MappingErrorKind> {
        let count = |number: i64| u64::try_from(number).map_err(|why| unreadable("a count", &why.to_string()));
        Ok(RecordedBatches {
            environment: self.environment,
            attempt: self.attempt,
            wave: self.wave,
            reason: self.reason,
            batches: count(self.batches)?,
            tenants: count(self.tenants)?,
            last_at: time(self.last_at)?,
        })
    }
}

/// A tenant's history, of lines that are newest first.
pub(super) fn of_tenant(ask: &HistoryAsk, lines: Vec<MoveLine>) -> Result<History, MappingErrorKind> {
    let (lines, cut) = oldest_first(ask, lines);
    let moves = lines.into_iter().map(MoveLine::recorded);
    Ok(History {
        moves: moves.collect::<Result<_, _>>()?,
        cut,
        ..History::default()
    })
}

/// The steps of a rollout, of lines that are newest first, and whether there are more.
pub(super) fn steps(ask: &HistoryAsk, lines: Vec<RolloutLine>) -> Result<(Vec<RecordedStep>, bool), MappingErrorKind> {
    let (lines, cut) = oldest_first(ask, lines);
    let steps = lines.into_iter().map(RolloutLine::recorded);
    Ok((steps.collect::<Result<_, _>>()?, cut))
}

/// The environments and attempts of steps, each once, as two columns.
pub(super) fn attempts(steps: &[RecordedStep]) -> (Vec<String>, Vec<i32>) {
    let mut attempts: Vec<_> = steps
        .iter()
        .map(|step| (step.environment.clone(), step.event.attempt))
        .collect();
    attempts.sort();
    attempts.dedup();
    attempts.into_iter().unzip()
}

/// A rollout's history.
pub(super) fn of_rollout(
    (steps, cut): (Vec<RecordedStep>, bool),
    batches: Vec<BatchesLine>,
) -> Result<History, MappingErrorKind> {
    let batches = batches.into_iter().map(BatchesLine::recorded);
    let mut batches = batches.collect::<Result<Vec<_>, _>>()?;
    batches.sort();
    Ok(History {
        steps,
        batches,
        cut,
        ..History::default()
    })
}

/// At most so many as are asked for, the other way round, and whether there are more.
fn oldest_first<T>(ask: &HistoryAsk, mut lines: Vec<T>) -> (Vec<T>, bool) {
    let most = usize::try_from(ask.most).unwrap_or(usize::MAX);
    let cut = lines.len() > most;
    lines.truncate(most);
    lines.reverse();
    (lines, cut)
}
