//! The ledger's rows of rollouts, as both dialects read them.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::ledger::{EventBatch, time, unreadable};
use super::lines::read_by_name;
use crate::ports::{Approval, MappingErrorKind, Order, RecordedStep, RolloutEvent, RolloutStep, Rollouts, StopKind};

/// The columns of a [`RolloutLine`] besides its time, in the order in which they are written.
pub(super) const COLUMNS: &str =
    "environment, attempt, kind, wave, members, target, plan, holder, why, approver, verified, approval";

/// A row of the table of rollouts' events.
#[derive(Debug)]
pub(super) struct RolloutLine {
    pub(super) at: i64,
    environment: String,
    attempt: i32,
    kind: String,
    wave: String,
    members: Option<i32>,
    target: i32,
    plan: String,
    holder: String,
    why: Option<String>,
    approver: Option<String>,
    verified: Option<bool>,
    approval: Option<String>,
}

read_by_name!(RolloutLine { at, environment, attempt, kind, wave, members, target, plan, holder, why, approver, verified, approval } from PgRow, SqliteRow);

impl RolloutLine {
    /// What is told of it to people.
    pub(super) fn recorded(self) -> Result<RecordedStep, MappingErrorKind> {
        Ok(RecordedStep {
            environment: self.environment.clone(),
            at: time(self.at)?,
            event: self.event()?,
        })
    }

    fn stopped(self, kind: StopKind) -> RolloutStep {
        RolloutStep::Stopped {
            kind,
            wave: Some(self.wave).filter(|wave| !wave.is_empty()),
            why: self.why.unwrap_or_default(),
        }
    }

    pub(super) fn event(self) -> Result<RolloutEvent, MappingErrorKind> {
        let (attempt, target) = (self.attempt, self.target);
        let (holder, plan) = (self.holder.clone(), self.plan.clone());
        Ok(RolloutEvent {
            attempt,
            holder,
            target,
            plan,
            step: self.step()?,
        })
    }

    fn step(self) -> Result<RolloutStep, MappingErrorKind> {
        let odd = |what: String| unreadable("an event of a rollout", &what);
        Ok(match self.kind.as_str() {
            "Started" => RolloutStep::Started,
            "Opened" => {
                let members = self.members.and_then(|members| u32::try_from(members).ok());
                let members = members.ok_or_else(|| odd(format!("wave {:?} opened with nobody counted", self.wave)))?;
                RolloutStep::Opened {
                    wave: self.wave,
                    members,
                }
            }
            "Approved" => match (self.approver, self.verified, self.approval) {
                (Some(approver), Some(verified), Some(object)) => RolloutStep::Approved {
                    wave: self.wave,
                    approval: Approval {
                        approver,
                        verified,
                        object,
                    },
                },
                _ => return Err(odd(format!("wave {:?} was approved by nobody", self.wave))),
            },
            "Ended" => RolloutStep::Ended { wave: self.wave },
            "Completed" => RolloutStep::Completed,
            "Paused" => self.stopped(StopKind::Paused),
            "RolledBack" => self.stopped(StopKind::RolledBack),
            "Ordered" => self.stopped(StopKind::Ordered),
            other => return Err(odd(format!("its kind is {other:?}"))),
        })
    }
}

/// A step as it stands in its row.
pub(super) struct Words<'s> {
    pub(super) kind: &'static str,
    /// Empty for what is of no wave.
    pub(super) wave: &'s str,
    /// How many tenants were counted.
    pub(super) members: Option<i32>,
    /// Why, where it is a stop.
    pub(super) why: Option<&'s str>,
    /// Who approved, where it is an approval.
    pub(super) approval: Option<&'s Approval>,
}

/// That an attempt that is on record already was begun by just this, as where its answer was lost; holder, target and plan of the
/// one on record.
pub(super) fn is_begun_so(
    event: &RolloutEvent,
    (holder, target, plan): &(String, i32, String),
) -> Result<(), MappingErrorKind> {
    if (holder, *target, plan) == (&event.holder, event.target, &event.plan) {
        return Ok(());
    }
    Err(MappingErrorKind::Refused {
        why: format!(
            "attempt {} was begun meanwhile by VersionRollout {holder}, to version {target}; the next look says which one leads",
            event.attempt
        ),
    })
}

/// Refuses to begin an attempt while an order stands that takes the one before back: who decided it had not seen the order.
pub(super) fn is_not_ordered_back(event: &RolloutEvent, orders: &[Order]) -> Result<(), MappingErrorKind> {
    let Some(order) = orders.iter().find(|order| order.tenant().is_none()) else {
        return Ok(());
    };
    Err(MappingErrorKind::Refused {
        why: format!(
            "attempt {} does not begin, since {} has ordered the one before back meanwhile; the next look heeds order {}",
            event.attempt, order.by, order.number
        ),
    })
}

/// The ledger's words for a step.
pub(super) fn words(step: &RolloutStep) -> Words<'_> {
    let plain = |kind, wave| Words {
        kind,
        wave,
        members: None,
        why: None,
        approval: None,
    };
    match step {
        RolloutStep::Started => plain("Started", ""),
        RolloutStep::Opened { wave, members } => Words {
            // No table of tenants has more rows than fit.
            members: Some(i32::try_from(*members).unwrap_or(i32::MAX)),
            ..plain("Opened", wave)
        },
        RolloutStep::Approved { wave, approval } => Words {
            approval: Some(approval),
            ..plain("Approved", wave)
        },
        RolloutStep::Ended { wave } => plain("Ended", wave),
        RolloutStep::Completed => plain("Completed", ""),
        RolloutStep::Stopped { kind, wave, why } => {
            let kind = match kind {
                StopKind::Paused => "Paused",
                StopKind::RolledBack => "RolledBack",
                StopKind::Ordered => "Ordered",
            };
            Words {
                why: Some(why),
                ..plain(kind, wave.as_deref().unwrap_or_default())
            }
        }
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
            rollouts.moved((number, wave), to, batch.tenants.len(), time(batch.at)?);
        }
    }
    Ok(rollouts)
}
