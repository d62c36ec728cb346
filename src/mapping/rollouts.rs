//! The ledger's rows of rollouts, as both dialects read them.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::ledger::{EventBatch, time, unreadable};
use super::lines::read_by_name;
use crate::ports::{MappingErrorKind, RolloutEvent, RolloutStep, Rollouts};

/// The columns of a [`RolloutLine`] besides its time, in the order in which they are written.
pub(super) const COLUMNS: &str = "environment, attempt, kind, wave, members, target, plan, holder";

/// A row of the table of rollouts' events.
#[derive(Debug)]
pub(super) struct RolloutLine {
    at: i64,
    attempt: i32,
    kind: String,
    wave: String,
    members: Option<i32>,
    target: i32,
    plan: String,
    holder: String,
}

read_by_name!(RolloutLine { at, attempt, kind, wave, members, target, plan, holder } from PgRow, SqliteRow);

impl RolloutLine {
    fn event(self) -> Result<RolloutEvent, MappingErrorKind> {
        let odd = |what: String| unreadable("an event of a rollout", &what);
        let step = match self.kind.as_str() {
            "Started" => RolloutStep::Started,
            "Opened" => {
                let members = self.members.and_then(|members| u32::try_from(members).ok());
                let members = members.ok_or_else(|| odd(format!("wave {:?} opened with nobody counted", self.wave)))?;
                RolloutStep::Opened {
                    wave: self.wave,
                    members,
                }
            }
            "Ended" => RolloutStep::Ended { wave: self.wave },
            "Completed" => RolloutStep::Completed,
            other => return Err(odd(format!("its kind is {other:?}"))),
        };
        Ok(RolloutEvent {
            attempt: self.attempt,
            holder: self.holder,
            target: self.target,
            plan: self.plan,
            step,
        })
    }
}

/// The ledger's words for a step: its kind, its wave, and how many tenants were counted.
pub(super) fn words(step: &RolloutStep) -> (&'static str, &str, Option<i32>) {
    match step {
        RolloutStep::Started => ("Started", "", None),
        // No table of tenants has more rows than fit.
        RolloutStep::Opened { wave, members } => ("Opened", wave, Some(i32::try_from(*members).unwrap_or(i32::MAX))),
        RolloutStep::Ended { wave } => ("Ended", wave, None),
        RolloutStep::Completed => ("Completed", "", None),
    }
}

/// What events, oldest first, add up to; `moved` are recorded moves of rows, also of other environments.
pub(super) fn add_up(
    lines: Vec<RolloutLine>,
    moved: &[EventBatch],
    environment: &str,
) -> Result<Rollouts, MappingErrorKind> {
    let mut rollouts = Rollouts::default();
    for line in lines {
        let at = time(line.at)?;
        rollouts.take_in(&line.event()?, at);
    }
    for batch in moved.iter().filter(|batch| batch.environment == environment) {
        if let (Some(number), Some(wave), Some(to)) = (batch.attempt, &batch.wave, batch.to) {
            rollouts.moved(number, wave, to, time(batch.at)?);
        }
    }
    Ok(rollouts)
}
