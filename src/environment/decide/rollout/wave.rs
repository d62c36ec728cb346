//! One wave: when it opens, whom it lets move, what it waits for, when it ends.
//!
//! | a wave | |
//! |---|---|
//! | opens | when the waves before it have ended, the target may be moved to, and nobody moves without leave |
//! | ends | when all of its tenants that may move have, those whom freezes keep too, at least one of them is on the target, it has soaked, and its checks have passed |
//! | without tenants | is passed, once tenants may move; those who come later and would move have it for themselves, as long as any wave has not ended |
//! | that asks for an approval | opens once one stands, see `approvals` |

use jiff::Timestamp;

use super::super::{Kept, Lacking, Standing, later};
use super::follower::{Follower, Leave};
use super::told::{Wait, WaveState};
use super::{Course, count, length};
use crate::ports::{RolloutStep, WaveOfFlip, WaveRecord};
use crate::resources::{Wave, WavePhase};

impl<'a> Course<'a> {
    /// Where a wave stands when nothing gets on.
    pub(super) fn phase_when_stopped(&self, wave: &Wave) -> WavePhase {
        match self.record(wave) {
            None => WavePhase::Pending,
            Some(record) if record.ended_at.is_some() => WavePhase::Ended,
            Some(_) => WavePhase::Open,
        }
    }

    /// Advances one wave; what is said is where it stands then, and what its next move waits for.
    pub(super) fn advance_wave(
        &mut self,
        wave: &Wave,
        members: &mut [&mut Follower<'a>],
        reached: bool,
        gate: Option<&Wait>,
    ) -> (WavePhase, Option<Wait>) {
        let back = self.is_back();
        let on_record = self.record(wave);
        let opened = on_record.filter(|it| !self.was_passed_by(wave, *it, members));
        // Who is in the wave is known in part only: it neither opens nor ends.
        if self.unlabelled.is_some() && !back {
            return (self.phase_when_stopped(wave), gate.filter(|_| reached).cloned());
        }
        let asks = opened.is_none() && reached && gate.is_none() && !members.is_empty() && !self.all_are_there;
        let lacking = if asks { self.lacks_approval(wave) } else { None };
        let record = match opened {
            Some(record) => record,
            None if !reached => return (WavePhase::Pending, None),
            // An empty wave too: whoever is to be in it may come while nobody may move.
            None if gate.is_some() && !back => return (WavePhase::Pending, gate.cloned()),
            None if lacking.is_some() => return (WavePhase::Pending, lacking),
            None => {
                let members = count(members.iter());
                if on_record.is_none() {
                    let wave = wave.name.clone();
                    self.note(RolloutStep::Opened { wave, members });
                }
                if members > 0 {
                    self.approve(wave);
                }
                WaveRecord {
                    opened_at: on_record.map_or(self.seen.view.now, |it| it.opened_at),
                    members,
                    last_flip_at: on_record.and_then(|it| it.last_flip_at),
                    ended_at: None,
                }
            }
        };
        let checks = self.heed_checks(wave, record);
        let keeps = gate.or(checks.as_ref());
        let queued = self.let_forward(wave, record, members, keeps);
        if record.ended_at.is_some() {
            return (WavePhase::Ended, queued.or_else(|| self.frozen_in(wave, members)));
        }
        if let Some(waits) = queued.or_else(|| self.keeps_open(wave, members, gate, checks.as_ref())) {
            return (WavePhase::Open, Some(waits));
        }
        let any_moved = members.iter().any(|it| it.standing == Standing::Pinned);
        if let Some(rest) = self.rest(wave, record, any_moved, checks) {
            return (WavePhase::Soaking, Some(rest));
        }
        if on_record.is_none_or(|it| it.ended_at.is_none()) {
            let wave = wave.name.clone();
            self.note(RolloutStep::Ended { wave });
        }
        (WavePhase::Ended, None)
    }

    /// Whether a wave had nobody when it was passed, and has tenants now that would move, or that have and have not shown yet
    /// what they are to show: then it opens for them.
    fn was_passed_by(&self, wave: &Wave, record: WaveRecord, members: &[&mut Follower<'a>]) -> bool {
        let attempt = self.ledger.attempt.as_ref();
        let goes_on = attempt.is_some_and(|it| it.completed_at.is_none());
        if !goes_on || record.members > 0 || record.ended_at.is_none() || self.is_back() {
            return false;
        }
        let is_to_show = |last| {
            let soaks = self.seen.view.now < later(last, length(wave.soak.into()));
            soaks || self.unanswered(wave, last).is_some()
        };
        members.iter().any(|it| self.would_climb(it)) || record.last_flip_at.is_some_and(is_to_show)
    }

    /// What those wait for who are still to move, or could not show anything to the next wave.
    fn keeps_open(
        &mut self,
        wave: &Wave,
        members: &[&mut Follower<'a>],
        gate: Option<&Wait>,
        checks: Option<&Wait>,
    ) -> Option<Wait> {
        // Who is left to another attempt keeps no way back from its end.
        if self.is_back() && self.takes_back() {
            return self.keeps_way_back(wave);
        }
        if members.iter().any(|it| it.leave.is_some()) {
            return Some(Wait::Rows(wave.name.clone()));
        }
        if let Some(frozen) = self.frozen_in(wave, members) {
            let told = gate.or(checks.filter(|it| it.is_news()));
            return Some(told.cloned().unwrap_or(frozen));
        }
        if let Some(enough) = self.runs_elsewhere_until(members) {
            return Some(Wait::Requirement(wave.name.clone(), enough));
        }
        // What keeps all tenants from the target keeps the wave open.
        if let Some(gate) = gate.filter(|gate| gate.is_of_target() && !members.is_empty() && !self.all_moved(members)) {
            return Some(gate.clone());
        }
        let any_moved = members.iter().any(|it| it.standing == Standing::Pinned);
        (!members.is_empty() && !any_moved).then(|| {
            let freed = members.iter().filter_map(|it| match &it.standing {
                Standing::Kept(kept) => super::super::wake(self.seen, kept),
                _ => None,
            });
            Wait::HeldBack(wave.name.clone(), freed.min())
        })
    }

    /// What keeps a wave whose tenants have moved from its end: its soak, and its checks.
    fn rest(&mut self, wave: &Wave, record: WaveRecord, any_moved: bool, checks: Option<Wait>) -> Option<Wait> {
        let since = record
            .last_flip_at
            .map_or(record.opened_at, |last| last.max(record.opened_at));
        let rested = later(since, length(wave.soak.into()));
        // Who moved may have left the wave since: what it was to show is still awaited.
        let to_show = any_moved || record.last_flip_at.is_some();
        if !self.is_back() && !self.all_are_there && to_show && self.seen.view.now < rested {
            self.wakes.push(rested);
            let told = checks.filter(Wait::is_news);
            return told.or(Some(Wait::Soak(wave.name.clone(), rested)));
        }
        checks
    }

    /// Gives the wave's next batch leave to move; what is said is what the rest waits for.
    fn let_forward(
        &mut self,
        wave: &Wave,
        record: WaveRecord,
        members: &mut [&mut Follower<'a>],
        gate: Option<&Wait>,
    ) -> Option<Wait> {
        let waiting = members
            .iter_mut()
            .filter(|it| it.standing == Standing::Moving && it.leave.is_none() && it.frozen.is_none())
            .filter(|it| it.row.holds.is_none() || !self.leaves_climbers());
        // Whose row could not be written in this pass takes no place of a batch from the others.
        let (refused, mut forward): (Vec<_>, Vec<_>) =
            waiting.partition(|it| self.seen.refused.contains(it.member.tenant));
        if refused.is_empty() && forward.is_empty() {
            return None;
        }
        if let Some(gate) = gate {
            // Those may come again of whom a check is to say something, where nobody else is left to ask about.
            forward.retain(|it| gate.is_of_nobody_left() && self.moved_in(wave, it));
            if forward.is_empty() {
                return Some(gate.clone());
            }
        }
        if let Some(lacking) = self.lacks_approval(wave) {
            return Some(lacking);
        }
        self.approve(wave);
        if forward.is_empty() {
            return Some(Wait::Rows(wave.name.clone()));
        }
        let most = match &wave.batch {
            Some(batch) if !self.is_back() => {
                let last = self.ledger.last_batches.get(&(self.spec.version, wave.name.clone()));
                let next = last.map(|last| later(*last, length(batch.every.into())));
                if let Some(next) = next.filter(|next| self.seen.view.now < *next) {
                    self.wakes.push(next);
                    return Some(Wait::Batch(wave.name.clone(), next));
                }
                usize::try_from(batch.size.of(record.members)).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        let attempt = self.ledger.attempt.as_ref().map_or(0, |attempt| attempt.number);
        for follower in forward.into_iter().take(most) {
            follower.leave = Some(Leave::Forward(WaveOfFlip {
                attempt,
                wave: wave.name.clone(),
            }));
        }
        None
    }

    /// Whether a tenant has moved with this wave in this attempt, whatever it has by now.
    fn moved_in(&self, wave: &Wave, follower: &Follower<'a>) -> bool {
        let number = self.ledger.attempt.as_ref().map(|attempt| attempt.number);
        let events = self.seen.view.events.get(follower.member.tenant);
        let mut causes = events
            .into_iter()
            .flatten()
            .filter_map(|event| event.cause.wave.as_ref());
        causes.any(|of| of.wave == wave.name && Some(of.attempt) == number)
    }

    pub(super) fn record(&self, wave: &Wave) -> Option<WaveRecord> {
        self.ledger.attempt.as_ref()?.waves.get(&wave.name).copied()
    }

    fn all_moved(&self, members: &[&mut Follower<'a>]) -> bool {
        members.iter().all(|it| it.standing == Standing::Pinned)
    }

    /// When the first of those that run the target elsewhere has done so for long enough.
    fn runs_elsewhere_until(&mut self, members: &[&mut Follower<'a>]) -> Option<Timestamp> {
        let enough = members.iter().filter_map(|it| match &it.standing {
            Standing::Kept(Kept::RequirementNotMet(_, Lacking::Until { enough, .. })) => Some(*enough),
            _ => None,
        });
        let enough = enough.min()?;
        self.wakes.push(enough);
        Some(enough)
    }

    pub(super) fn state(&self, wave: &Wave, phase: WavePhase, members: &[&mut Follower<'a>]) -> WaveState {
        let record = self.record(wave);
        let left_out = |it: &&&mut Follower<'a>| match &it.standing {
            Standing::Kept(kept) => !kept.moves_with_its_wave(),
            _ => false,
        };
        WaveState {
            name: wave.name.clone(),
            phase,
            tenants: count(members.iter()),
            moved: count(members.iter().filter(|it| it.standing == Standing::Pinned)),
            left_out: count(members.iter().filter(left_out)),
            failing: self.failing_in(wave),
            opened_at: record.map(|record| record.opened_at),
            ended_at: record
                .and_then(|record| record.ended_at)
                .filter(|_| phase == WavePhase::Ended),
            approval: self.approval_of(wave).map(|record| record.approval.clone()),
            waits: None,
        }
    }
}
