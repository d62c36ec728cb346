//! What is said of a rollout: where it stands, and what it waits for.

use jiff::Timestamp;

use super::members::{RowCount, Unlabelled};
use super::{AwaitedApproval, LackingApproval};
use crate::ports::{Approval, Order, StopKind, Unproved};
use crate::resources::{HumanDuration, LastingFreeze, WavePhase};

/// Where one rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum RolloutStanding {
    /// Its spec is refused.
    Invalid(String),
    /// Another one, as `<namespace>/<name>`, is for this environment already.
    Conflict(String),
    /// It moves tenants.
    Leads(Lead),
}

/// Where the rollout stands that moves tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Lead {
    /// What it is, as one word.
    pub(in crate::environment) plan: String,
    /// The version that is moved to.
    pub(in crate::environment) target: i32,
    /// Its waves in their order.
    pub(in crate::environment) waves: Vec<WaveState>,
    /// Every wave has ended.
    pub(in crate::environment) complete: bool,
    /// What the next move waits for.
    pub(in crate::environment) wait: Option<Wait>,
    /// How many tenants follow it.
    pub(in crate::environment) followers: u32,
    /// How many of them are on the target.
    pub(in crate::environment) moved: u32,
    /// How many of them go back to what they had.
    pub(in crate::environment) returning: u32,
    /// How many of them take part without a pin, where any may.
    pub(in crate::environment) rows: Option<RowCount>,
}

/// How far a wave is. Times are the database's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct WaveState {
    /// Its name.
    pub(in crate::environment) name: String,
    /// Where it stands.
    pub(in crate::environment) phase: WavePhase,
    /// How many tenants are in it.
    pub(in crate::environment) tenants: u32,
    /// How many of them are on the target.
    pub(in crate::environment) moved: u32,
    /// How many of them something of their own keeps back.
    pub(in crate::environment) left_out: u32,
    /// Which of them fail a check, sorted.
    pub(in crate::environment) failing: Vec<String>,
    /// When it opened.
    pub(in crate::environment) opened_at: Option<Timestamp>,
    /// When it ended.
    pub(in crate::environment) ended_at: Option<Timestamp>,
    /// Who approved it.
    pub(in crate::environment) approval: Option<Approval>,
    /// What its next move, or its end, waits for; nothing where it waits for the waves before it.
    pub(in crate::environment) waits: Option<Wait>,
}

/// What the next move of a rollout waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum Wait {
    /// The target is not complete yet, or not on record at all.
    NotComplete {
        /// It is on record.
        declared: bool,
    },
    /// The target is retired.
    Retired,
    /// The evidence for the target does not hold any more, or there is none for this environment yet.
    Unproved(Unproved),
    /// The labels of tenants without a pin are not known.
    Unlabelled(Unlabelled),
    /// A person suspended it.
    Suspended,
    /// A freeze of everybody lasts.
    Frozen(LastingFreeze),
    /// A freeze of some lasts, and nobody else of the wave is left to move.
    FrozenTenants(FrozenTenants),
    /// A wave asks for an approval, and lacks it.
    Approval(AwaitedApproval),
    /// Rows of this wave are to be moved, and could not be yet.
    Rows(String),
    /// The next batch of this wave comes at this time, by the database's clock.
    Batch(String, Timestamp),
    /// Tenants of this wave run the target elsewhere, and have for long enough at this time, by the database's clock.
    Requirement(String, Timestamp),
    /// All tenants of this wave are kept back by something of their own; the first of them is free by itself at this time, by
    /// this process's clock, if any is.
    HeldBack(String, Option<Timestamp>),
    /// A check of a wave has not passed since the wave's last move.
    Check(Checked),
    /// This wave rests until this time, by the database's clock.
    Soak(String, Timestamp),
    /// It was stopped.
    Stopped(Stopped),
    /// A person ordered it back, and nobody has lifted that since.
    Ordered(Order),
}

/// Tenants of a wave whom a freeze keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct FrozenTenants {
    /// The wave.
    pub(in crate::environment) wave: String,
    /// The wave has ended without them.
    pub(in crate::environment) is_late: bool,
    /// The freeze; of several that keep tenants of the wave the one that ends first.
    pub(in crate::environment) freeze: LastingFreeze,
    /// How many it keeps.
    pub(in crate::environment) tenants: u32,
    /// The first of them by name: at most 10.
    pub(in crate::environment) named: Vec<String>,
}

/// What stopped a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Stopped {
    /// What becomes of those that have moved.
    pub(in crate::environment) kind: StopKind,
    /// Why, for people.
    pub(in crate::environment) why: String,
    /// The word by which a person starts it again.
    pub(in crate::environment) retry: String,
}

/// A check that keeps a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Checked {
    /// The wave.
    pub(in crate::environment) wave: String,
    /// The check's name.
    pub(in crate::environment) check: String,
    /// How often it is asked.
    pub(in crate::environment) interval: HumanDuration,
    /// What is known of it.
    pub(in crate::environment) found: Found,
}

/// What is known of a check that has not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum Found {
    /// It is to be asked.
    Nothing,
    /// It had not passed when all who had moved were taken back, so that there is nobody to ask about.
    NobodyLeft,
    /// It got no answer that can be used, and why.
    Unknown(String),
    /// It fails.
    Fails {
        /// So often in a row.
        times: u32,
        /// And so often it must before its tenants count.
        limit: u32,
        /// What it said.
        message: String,
    },
}

impl Found {
    /// What is told before other things.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Nothing | Self::NobodyLeft => 0,
            Self::Unknown(_) => 1,
            Self::Fails { .. } => 2,
        }
    }
}

impl Wait {
    /// Whether it is told in place of a soak that is not over.
    pub(super) const fn is_news(&self) -> bool {
        !matches!(
            self,
            Self::Check(Checked {
                found: Found::Nothing,
                ..
            })
        )
    }

    /// Whether a check is awaited that has nobody left to ask about.
    pub(super) const fn is_of_nobody_left(&self) -> bool {
        matches!(
            self,
            Self::Check(Checked {
                found: Found::NobodyLeft,
                ..
            })
        )
    }

    /// Whether it is about the target itself.
    pub(super) const fn is_of_target(&self) -> bool {
        matches!(self, Self::NotComplete { .. } | Self::Retired | Self::Unproved(_))
    }

    /// When it ends by itself, where that is known.
    pub(in crate::environment) const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Batch(_, at) | Self::Requirement(_, at) | Self::Soak(_, at) => Some(*at),
            Self::Frozen(freeze) => freeze.until,
            Self::FrozenTenants(kept) => kept.freeze.until,
            Self::HeldBack(_, freed) => *freed,
            _ => None,
        }
    }

    /// Whether it ends without a person and without a time that is known.
    pub(in crate::environment) const fn comes_by_itself(&self) -> bool {
        match self {
            Self::Approval(awaited) => {
                matches!(awaited.lacking, LackingApproval::Unverified { may_pass: true, .. })
            }
            _ => matches!(
                self,
                Self::NotComplete { .. } | Self::Unproved(_) | Self::Unlabelled(_) | Self::Rows(_)
            ),
        }
    }
}
