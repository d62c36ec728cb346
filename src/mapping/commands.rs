//! The ledger's rows of commands, as both dialects read and write them.

use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::ledger::{time, unreadable};
use super::lines::read_by_name;
use crate::ports::{Command, MappingErrorKind, Order, Ordered, Scope};

/// The columns of a [`CommandLine`] besides its time.
pub(super) const COLUMNS: &str = "id, kind, attempt, wave, tenant, lifts, ordered_by, reason";

/// A row of the table of commands.
#[derive(Debug)]
pub(super) struct CommandLine {
    at: i64,
    id: i64,
    kind: String,
    attempt: Option<i32>,
    wave: Option<String>,
    tenant: Option<String>,
    lifts: Option<i64>,
    ordered_by: String,
    reason: String,
}

read_by_name!(CommandLine { at, id, kind, attempt, wave, tenant, lifts, ordered_by, reason } from PgRow, SqliteRow);

/// The orders that none of these rows, oldest first, lifts.
pub(super) fn standing(lines: Vec<CommandLine>) -> Result<Vec<Order>, MappingErrorKind> {
    let lifted: BTreeSet<i64> = lines.iter().filter_map(|line| line.lifts).collect();
    let orders = lines
        .into_iter()
        .filter(|line| line.kind != LIFT && !lifted.contains(&line.id));
    orders.map(CommandLine::order).collect()
}

/// That an order is about the newest attempt: what it shall take back was looked at before, and another may have begun since.
pub(super) fn still_newest(attempt: Option<i32>, newest: Option<i32>) -> Result<(), MappingErrorKind> {
    match (attempt, newest) {
        (Some(attempt), Some(newest)) if attempt != newest => Err(MappingErrorKind::Refused {
            why: format!(
                "attempt {attempt} of the rollout is over, since attempt {newest} has begun meanwhile; nothing was ordered. Look \
                 again, and order anew"
            ),
        }),
        _ => Ok(()),
    }
}

impl CommandLine {
    fn order(self) -> Result<Order, MappingErrorKind> {
        let scope = match (self.kind.as_str(), self.attempt, self.wave, self.tenant) {
            (ROLL_BACK, Some(attempt), None, None) => Scope::Rollout { attempt },
            (ROLL_BACK, Some(attempt), Some(wave), None) => Scope::Wave { attempt, wave },
            (ROLL_BACK, None, None, Some(tenant)) => Scope::Tenant(tenant),
            (kind, ..) => {
                let what = format!("command {} is {kind:?} of nothing that is known", self.id);
                return Err(unreadable("a command", &what));
            }
        };
        Ok(Order {
            number: self.id,
            at: time(self.at)?,
            scope,
            by: self.ordered_by,
            reason: self.reason,
        })
    }
}

const ROLL_BACK: &str = "RollBack";
const LIFT: &str = "Lift";

/// A command as it stands in its row.
pub(super) struct Words<'c> {
    pub(super) kind: &'static str,
    pub(super) attempt: Option<i32>,
    pub(super) wave: Option<&'c str>,
    pub(super) tenant: Option<&'c str>,
    pub(super) lifts: Option<i64>,
}

/// The words for a command.
pub(super) fn words(command: &Command) -> Words<'_> {
    let nothing = Words {
        kind: ROLL_BACK,
        attempt: None,
        wave: None,
        tenant: None,
        lifts: None,
    };
    match &command.what {
        Ordered::RollBack(Scope::Rollout { attempt }) => Words {
            attempt: Some(*attempt),
            ..nothing
        },
        Ordered::RollBack(Scope::Wave { attempt, wave }) => Words {
            attempt: Some(*attempt),
            wave: Some(wave),
            ..nothing
        },
        Ordered::RollBack(Scope::Tenant(tenant)) => Words {
            tenant: Some(tenant),
            ..nothing
        },
        Ordered::Lift(number) => Words {
            kind: LIFT,
            lifts: Some(*number),
            ..nothing
        },
    }
}
