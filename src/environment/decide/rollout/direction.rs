//! Whether a rollout goes forward or back.
//!
//! | an attempt whose target was rolled out to the end before | |
//! |---|---|
//! | takes tenants back to what they had | is a way back: no wave, check or soak delays it. Who would move forward is left until it has ended, and begins another attempt |
//! | has nobody who would move | is passed in the same breath |
//! | moves tenants forward, who were not there then | goes by waves and gates, as the first time |
//!
//! So does one to a version that was taken back, or that is made from what was rolled out last.

use super::follower::{Follower, Leave};
use super::told::Wait;
use super::{Course, is_made_from};
use crate::environment::decide::row::Row;
use crate::environment::decide::{BY_WAY_BACK, Kept, Standing};
use crate::ports::{AttemptEnd, PinEvent, RolloutStep};
use crate::resources::Wave;

/// Where the followers of an attempt come from and go to, where its target was rolled out to the end before.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// Some were taken back from the target when they last left it.
    taken_back: bool,
    /// Some have moved forward in this attempt, from another version.
    moved_on: bool,
    /// Some have gone back in this attempt.
    went_back: bool,
    /// Some are to go back, and it has just begun.
    goes_back: bool,
    /// Some go back in this very look.
    returning: bool,
    /// Some would move forward, now or once they may.
    climbs: bool,
    /// It was rolled out again, and has ended without having moved anybody forward.
    over: bool,
}

impl<'a> Course<'a> {
    /// Notes where followers come from, by which the way back is told from the way forward.
    pub(super) fn note_where_from(&mut self, followers: &[Follower<'a>]) {
        self.drift = Drift::default();
        let rollouts = &self.seen.view.rollouts;
        if !rollouts.was_completed(self.spec.version) {
            return;
        }
        let any = |is: &dyn Fn(&Follower<'a>) -> bool| followers.iter().any(is);
        let number = self.ledger.attempt.as_ref().map(|attempt| attempt.number);
        let on_record = rollouts.attempt.as_ref().filter(|it| Some(it.number) == number);
        let has_opened = on_record.is_some_and(|attempt| !attempt.waves.is_empty());
        let drift = Drift {
            taken_back: any(&|it| it.row.was_taken_back()),
            moved_on: any(&|it| self.has_climbed(it)),
            went_back: any(&|it| self.has_gone_back(it)),
            goes_back: !has_opened && any(&|it| self.is_returning(it)),
            climbs: any(&|it| self.may_climb(it)),
            ..Drift::default()
        };
        self.drift = drift;
    }

    /// Begins anew for those who would move forward, where the attempt ended while nobody followed it, or was one to what had
    /// been rolled out before and moved nobody forward: it has shown nothing that could let them all move at once.
    pub(super) fn begin_anew(&mut self, followers: &[Follower<'a>]) {
        let Some(attempt) = &self.ledger.attempt else { return };
        if attempt.completed_at.is_none() || !attempt.stops.is_empty() || self.order.is_some() {
            return;
        }
        // Who had no row came since to what was rolled out, and shows nothing of those who had another version.
        let had_nobody = attempt.waves.values().all(|wave| wave.members == 0);
        let before = |&(number, target): &(i32, i32)| target == self.spec.version && number < attempt.first;
        let is_again = self.ledger.completed.iter().any(before);
        self.drift.over = is_again && !self.drift.moved_on;
        let begins = (had_nobody || self.drift.over)
            && !followers.iter().any(|it| self.is_returning(it))
            && followers.iter().any(|it| it.wave.is_some() && self.would_climb(it));
        if begins {
            self.note(RolloutStep::Started);
            self.note_where_from(followers);
        }
    }

    /// Whether this is a way back, which no wave delays: see the table.
    pub(super) fn is_back(&self) -> bool {
        let attempt = self.ledger.attempt.as_ref();
        let done = attempt.is_some_and(|attempt| attempt.completed_at.is_some());
        let before = &self.seen.view.rollouts;
        let is_new =
            (self.drift.taken_back && !self.takes_back()) || before.baseline().is_some_and(|it| self.is_made_from(it));
        let goes_forward = self.drift.moved_on || (self.drift.climbs && !self.takes_back());
        !done && before.was_completed(self.spec.version) && !is_new && !goes_forward
    }

    /// Whether tenants go back in this attempt, or have.
    pub(super) const fn takes_back(&self) -> bool {
        self.drift.goes_back || self.drift.went_back
    }

    /// Notes whether anybody goes back in this look: until all have, no wave of a way back ends, so that none has if it turns out
    /// to be none.
    pub(super) fn note_returning(&mut self, followers: &[Follower<'a>]) {
        let goes = |it: &Follower<'a>| it.leave == Some(Leave::Back) && !self.is_refused(it);
        self.drift.returning = followers.iter().any(goes);
    }

    /// What keeps a wave of a way back open.
    pub(super) fn keeps_way_back(&self, wave: &Wave) -> Option<Wait> {
        self.drift.returning.then(|| Wait::Rows(wave.name.clone()))
    }

    fn is_refused(&self, follower: &Follower<'a>) -> bool {
        self.seen.refused.contains(follower.member.tenant)
    }

    /// Whether an order about a tenant keeps it where it is.
    fn is_ordered(&self, follower: &Follower<'a>) -> bool {
        let mut orders = self.seen.view.orders.iter();
        orders.any(|order| order.tenant() == Some(follower.member.tenant))
    }

    /// Whether those who would move forward are left to another attempt.
    pub(super) fn leaves_climbers(&self) -> bool {
        self.drift.over || self.is_back()
    }

    /// Whether a row moves forward, so that its wave and the gates count: to what it never had, unless that was rolled out here
    /// and it has what was made from it since; or again to what is made from what it has now. A version that was taken back is
    /// forward the second time too.
    pub(super) fn is_forward(&self, row: &Row<'a>) -> bool {
        let target = self.spec.version;
        let is_source = |holds| is_made_from(&self.seen.versions, holds, target);
        let returns = || self.seen.view.rollouts.was_completed(target) && row.holds.is_some_and(is_source);
        (row.is_forward() && !returns()) || (!row.restored() && row.holds.is_some_and(|holds| self.is_made_from(holds)))
    }

    /// Whether a tenant that has a version would move forward to the target with its wave.
    pub(super) fn would_climb(&self, follower: &Follower<'a>) -> bool {
        let row = &follower.row;
        let moves = follower.standing == Standing::Moving && !self.is_ordered(follower);
        moves && row.holds.is_some() && self.is_forward(row)
    }

    /// Likewise, now or once what keeps it lets it.
    fn may_climb(&self, follower: &Follower<'a>) -> bool {
        let lacks = matches!(
            follower.standing,
            Standing::Kept(Kept::RequirementNotMet(..) | Kept::Unproved(_))
        );
        let row = &follower.row;
        let is_kept = || lacks && !self.is_ordered(follower) && row.holds.is_some() && self.is_forward(row);
        follower.wave.is_some() && (self.would_climb(follower) || is_kept())
    }

    /// Whether a tenant has moved forward in this attempt, or one that it goes on from, from another version.
    fn has_climbed(&self, follower: &Follower<'a>) -> bool {
        let in_attempt = |event: &&PinEvent| {
            let attempt = self.ledger.attempt.as_ref().zip(event.cause.wave.as_ref());
            attempt.is_some_and(|(attempt, of)| (attempt.first..=attempt.number).contains(&of.attempt))
        };
        let made_by = follower.row.made_by().filter(in_attempt);
        follower.standing == Standing::Pinned && made_by.is_some_and(|event| event.from.is_some())
    }

    /// Whether a tenant has gone back in this attempt.
    fn has_gone_back(&self, follower: &Follower<'a>) -> bool {
        let waves = self.ledger.attempt.iter().flat_map(|attempt| attempt.waves.values());
        let Some(began) = waves.map(|wave| wave.opened_at).min() else {
            return false;
        };
        // The attempt before may have been one too, and no time need have passed since.
        let before = self.ledger.past.iter().rev().nth(1).and_then(|past| past.ended);
        let before = before
            .filter(|(end, _)| *end == AttemptEnd::Completed)
            .map(|(_, at)| at);
        let since = |at| at >= began && before.is_none_or(|before| at > before);
        let is_back = |event: &PinEvent| event.cause.reason == BY_WAY_BACK && since(event.at);
        follower.row.made_by().is_some_and(is_back)
    }

    /// Whether a tenant is to go back now, and its row has not been refused in this pass. What a person confirmed of one row
    /// tells nothing of the rollout.
    fn is_returning(&self, follower: &Follower<'a>) -> bool {
        let row = &follower.row;
        let is_back = follower.standing == Standing::Moving && !self.is_forward(row) && !row.restored();
        is_back && !self.is_refused(follower) && !self.is_ordered(follower)
    }

    /// Lets those move at once who go back to what they had, or as a person confirmed. While all are taken back, nobody; while
    /// an order takes some back, those of the others who leave what the attempt moved them to.
    pub(super) fn let_back(&self, followers: &mut [Follower<'a>]) {
        let attempt = self.ledger.attempt.as_ref();
        let leaves = attempt.filter(|it| it.target != self.spec.version);
        let was_moved = |follower: &Follower<'a>| {
            let wave = follower.row.advance().and_then(|advance| advance.cause.wave.as_ref());
            let attempt = leaves.zip(wave);
            attempt.is_some_and(|(attempt, of)| {
                (attempt.first..=attempt.number).contains(&of.attempt) && !attempt.takes_back(of)
            })
        };
        for follower in followers.iter_mut().filter(|it| it.standing == Standing::Moving) {
            let may = match self.order {
                Some(_) => was_moved(follower),
                None => !self.is_rolled_back(),
            };
            if may && !self.is_forward(&follower.row) {
                follower.leave = Some(Leave::Back);
            }
        }
    }
}
