//! What is to be written, and how rows that move are gathered into flips.

use std::collections::BTreeMap;

use super::{BY_ROLLED_BACK, Row};
use crate::ports::{Claim, Flip, Move, Question, RolloutEvent, RowRemoval, WaveOfFlip};

/// What is to be written, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Plan {
    /// Changes by another hand to put on record: tenant, what the ledger held, what the row holds, the wish.
    pub(in super::super) outside: Vec<(String, Option<i32>, Option<i32>, i32)>,
    /// Claims to set or to change.
    pub(in super::super) claims: Vec<Claim>,
    /// Tenants whose claims are given up.
    pub(in super::super) releases: Vec<String>,
    /// Rows to delete, with their claims.
    pub(in super::super) removals: Vec<RowRemoval>,
    /// What happens to the rollout, to be put on record before rows move.
    pub(in super::super) rollout: Vec<RolloutEvent>,
    /// Rows to move, one flip a version, reason and wave.
    pub(in super::super) flips: Vec<Flip>,
    /// What is to be asked of the outside about tenants that have moved, and put on record.
    pub(in super::super) questions: Vec<Question>,
}

impl Plan {
    /// Whether nothing is to be written.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.outside.is_empty()
            && self.claims.is_empty()
            && self.releases.is_empty()
            && self.removals.is_empty()
            && self.rollout.is_empty()
            && self.flips.is_empty()
            && self.questions.is_empty()
    }

    /// The versions that rows leave or come to.
    pub(in super::super) fn versions(&self) -> impl Iterator<Item = i32> {
        let moves = self.flips.iter().flat_map(|flip| &flip.moves);
        moves.flat_map(|one| one.from.into_iter().chain([one.to]))
    }

    /// Takes out everything that is for one of these tenants.
    pub(in super::super) fn leave_out(&mut self, out: impl Fn(&str) -> bool) {
        self.outside.retain(|(tenant, ..)| !out(tenant));
        self.claims.retain(|claim| !out(&claim.tenant));
        self.releases.retain(|tenant| !out(tenant));
        self.removals.retain(|removal| !out(&removal.tenant));
        for flip in &mut self.flips {
            flip.moves.retain(|one| !out(&one.tenant));
        }
        self.flips.retain(|flip| !flip.moves.is_empty());
    }

    /// Takes out what happens to the rollout, and every batch of its waves: no row moves on books that are not kept.
    pub(in super::super) fn leave_rollout(&mut self) {
        self.rollout.clear();
        self.questions.clear();
        self.flips.retain(|flip| !is_of_rollout(flip));
    }
}

/// Whether a flip rests on what is on record of the rollout.
pub(in super::super) fn is_of_rollout(flip: &Flip) -> bool {
    flip.wave.is_some() || flip.reason == BY_ROLLED_BACK
}

/// Rows to move, by version, reason and wave; those that go back, each to its own version, are one batch.
#[derive(Default)]
pub(super) struct Flips(BTreeMap<Batched, Vec<Move>>);

/// What the rows of one flip have in common: the version that they get, but where each gets its own; the reason; the wave.
type Batched = (Option<i32>, &'static str, Option<WaveOfFlip>);

impl Flips {
    pub(super) fn add(&mut self, version: i32, reason: &'static str, wave: Option<WaveOfFlip>, row: &Row<'_>) {
        self.0.entry((Some(version), reason, wave)).or_default().push(Move {
            tenant: row.tenant().to_owned(),
            from: row.holds,
            to: version,
        });
    }

    pub(super) fn add_return(&mut self, version: i32, reason: &'static str, row: &Row<'_>) {
        self.0.entry((None, reason, None)).or_default().push(Move {
            tenant: row.tenant().to_owned(),
            from: row.holds,
            to: version,
        });
    }

    pub(super) fn of(self, environment: &str) -> Vec<Flip> {
        let flips = self.0.into_iter().map(|((_, reason, wave), moves)| Flip {
            environment: environment.to_owned(),
            moves,
            reason: reason.to_owned(),
            wave,
        });
        flips.collect()
    }
}
