//! Where a pin or a row stands, and what keeps it from its wish.

use jiff::Timestamp;

use super::super::observe::Holder;
use crate::ports::{Order, Unproved};
use crate::resources::{Hold, LastingFreeze, Requires};

/// Where one pin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Standing {
    /// Its spec is refused.
    Invalid(String),
    /// It is being deleted; its row is left alone until it is gone.
    Deleting,
    /// Another pin has the claim.
    Conflict {
        /// The other, as `<namespace>/<name>`.
        holder: String,
        /// What became of it.
        fate: Holder,
    },
    /// Its row holds what it wishes.
    Pinned,
    /// Its row is to be moved.
    Moving,
    /// The wished version is not declared, or not complete, yet.
    NotComplete {
        /// It is on record, so that somebody declared it.
        declared: bool,
    },
    /// The wished version is retired.
    Retired,
    /// It has no version of its own, and no rollout is declared for its environment.
    NoRollout,
    /// It is as it may be now; something keeps it from its wish.
    Kept(Kept),
}

/// What keeps a pin from its wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Kept {
    /// Another hand changed its row.
    ChangedOutside {
        /// What the ledger says the row held.
        was: Option<i32>,
        /// The annotation's value that confirms the restoring.
        confirm: String,
    },
    /// Its row holds a version that is not on record as complete.
    UnknownCurrentVersion {
        /// That version.
        current: i32,
    },
    /// Its row holds what can be no version.
    NoVersion {
        /// What it holds, as text.
        current: String,
    },
    /// It is on hold.
    Held(Hold),
    /// A person ordered it back, and nobody has lifted that since.
    Ordered(Order),
    /// Its rollout was rolled back, or a person ordered it back, and it cannot have what it had.
    NotReturned(NotReturned),
    /// It follows a rollout, and none of its waves selects it.
    NotSelected {
        /// The rollout, as `<namespace>/<name>`.
        rollout: String,
    },
    /// It follows a rollout, and it is not its turn yet.
    Queued {
        /// The rollout, as `<namespace>/<name>`.
        rollout: String,
        /// The wave that it is in.
        wave: String,
    },
    /// It follows a rollout whose wave has opened for it, and a freeze of some keeps it.
    Frozen {
        /// The rollout, as `<namespace>/<name>`.
        rollout: String,
        /// The freeze.
        freeze: LastingFreeze,
    },
    /// Its row takes part in a rollout without a pin, and its labels are not known.
    Unlabelled,
    /// The evidence for the wished version does not hold any more, or there is none for this environment yet.
    Unproved(Unproved),
    /// The tenant has not run the version in the required environment for as long as required.
    RequirementNotMet(Requires, Lacking),
}

impl Kept {
    /// Whether it is kept by what its rollout waits for, and is left out of nothing.
    pub(in super::super) const fn moves_with_its_wave(&self) -> bool {
        matches!(
            self,
            Self::Queued { .. } | Self::Frozen { .. } | Self::Unproved(_) | Self::Unlabelled
        )
    }
}

/// Why a tenant that is to go back cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum NotReturned {
    /// It had no row.
    HadNone,
    /// What it had is retired.
    Retired(i32),
    /// What it had is not on record as complete.
    NotComplete(i32),
}

/// What the ledger lacks of the evidence for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Lacking {
    /// It runs since a time, and will have run for long enough at another; both by the database's clock.
    Until {
        /// Since when.
        since: Timestamp,
        /// Enough at this time.
        enough: Timestamp,
    },
    /// It ran, but never for long enough without a break, and does not run now.
    Run,
    /// No recorded event put it there.
    Start,
}
