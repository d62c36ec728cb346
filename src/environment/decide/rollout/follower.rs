//! A tenant that follows a rollout, and how it moves now.

use super::super::row::{Member, Row};
use super::super::{BY_BASELINE, BY_ORDER, BY_RESTORE, BY_ROLLED_BACK, BY_ROLLOUT, BY_WAY_BACK, Flips, Standing};
use crate::ports::WaveOfFlip;

/// A tenant without a version of its own: its pin has none, or its row takes part without a pin.
pub(in crate::environment::decide) struct Follower<'a> {
    /// The place of its pin among the pins, if it has one.
    pub(in crate::environment::decide) place: Option<usize>,
    pub(super) member: Member<'a>,
    pub(in crate::environment::decide) row: Row<'a>,
    /// The place of its wave.
    pub(super) wave: Option<usize>,
    /// The place of the freeze that keeps it from moving forward, among those of some.
    pub(super) frozen: Option<usize>,
    /// Where it stands by itself, with what it and its wave require; in the end, with its place in the rollout.
    pub(in crate::environment::decide) standing: Standing,
    /// How it moves now.
    pub(in crate::environment::decide) leave: Option<Leave>,
}

impl Follower<'_> {
    /// Adds the move that it has leave for.
    pub(in crate::environment::decide) fn add_to(&self, flips: &mut Flips, target: i32) {
        if let Some(Leave::Return { version, ordered }) = self.leave {
            let reason = if ordered { BY_ORDER } else { BY_ROLLED_BACK };
            return flips.add_return(version, reason, &self.row);
        }
        let (version, reason, wave) = match &self.leave {
            _ if self.standing != Standing::Moving => return,
            None | Some(Leave::Return { .. }) => return,
            Some(Leave::Join(baseline)) => (*baseline, BY_BASELINE, None),
            Some(Leave::Back) if self.row.restored() => (target, BY_RESTORE, None),
            Some(Leave::Back) => (target, BY_WAY_BACK, None),
            Some(Leave::Forward(wave)) => (target, BY_ROLLOUT, Some(wave.clone())),
        };
        flips.add(version, reason, wave, &self.row);
    }
}

/// Leave to move now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment::decide) enum Leave {
    /// Forward, with a batch of a wave.
    Forward(WaveOfFlip),
    /// To what it had before, or as a person confirmed.
    Back,
    /// To the version that newcomers get.
    Join(i32),
    /// To what it had before it was moved.
    Return {
        /// That version.
        version: i32,
        /// A person ordered it for this tenant.
        ordered: bool,
    },
}
