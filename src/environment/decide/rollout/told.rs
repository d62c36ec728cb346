//! What is said of a rollout: where it stands, and what it waits for.

use jiff::Timestamp;

use crate::ports::{Order, StopKind, Unproved};
use crate::resources::{Freeze, WavePhase};

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
    /// When it opened.
    pub(in crate::environment) opened_at: Option<Timestamp>,
    /// When it ended.
    pub(in crate::environment) ended_at: Option<Timestamp>,
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
    /// A person suspended it.
    Suspended,
    /// A freeze lasts.
    Frozen(Freeze),
    /// Rows of this wave are to be moved, and could not be yet.
    Rows(String),
    /// The next batch of this wave comes at this time, by the database's clock.
    Batch(String, Timestamp),
    /// Tenants of this wave run the target elsewhere, and have for long enough at this time, by the database's clock.
    Requirement(String, Timestamp),
    /// All tenants of this wave are kept back by something of their own.
    HeldBack(String),
    /// This wave rests until this time, by the database's clock.
    Soak(String, Timestamp),
    /// It was stopped.
    Stopped(Stopped),
    /// A person ordered it back, and nobody has lifted that since.
    Ordered(Order),
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

impl Wait {
    /// Whether it is about the target itself.
    pub(super) const fn is_of_target(&self) -> bool {
        matches!(self, Self::NotComplete { .. } | Self::Retired | Self::Unproved(_))
    }

    /// Whether it ends without a person and without a time that is known.
    pub(in crate::environment) const fn comes_by_itself(&self) -> bool {
        matches!(self, Self::NotComplete { .. } | Self::Unproved(_) | Self::Rows(_))
    }
}
