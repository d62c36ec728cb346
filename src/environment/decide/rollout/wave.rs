//! One wave: when it opens, whom it lets move, what it waits for, when it ends.
//!
//! | a wave | |
//! |---|---|
//! | opens | when the waves before it have ended, the target may be moved to, and nobody moves without leave |
//! | ends | when all of its tenants that may move have, those whom freezes keep too, at least one of them is on the target, it has soaked, and its checks have passed |
//! | without tenants | is passed |
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
        let opened = self.record(wave);
        // Who is in the wave is known in part only: it neither opens nor ends.
        if self.unlabelled.is_some() && !back {
            return (self.phase_when_stopped(wave), gate.filter(|_| reached).cloned());
        }
        let asks = opened.is_none() && reached && gate.is_none() && !members.is_empty() && !self.all_are_there;
        let lacking = if asks { self.lacks_approval(wave) } else { None };
        let record = match opened {
            Some(record) => record,
            None if !reached => return (WavePhase::Pending, None),
            // An empty wave is passed also while nobody may move.
            None if gate.is_some() && !back && !members.is_empty() => return (WavePhase::Pending, gate.cloned()),
            None if lacking.is_some() => return (WavePhase::Pending, lacking),
            None => {
                let name = wave.name.clone();
                let members = count(members.iter());
                self.note(RolloutStep::Opened { wave: name, members });
                if members > 0 {
                    self.approve(wave);
                }
                let opened_at = self.seen.view.now;
                WaveRecord {
                    opened_at,
                    members,
                    last_flip_at: None,
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
        self.note(RolloutStep::Ended {
            wave: wave.name.clone(),
        });
        (WavePhase::Ended, None)
    }

    /// What those wait for who are still to move, or could not show anything to the next wave.
    fn keeps_open(
        &mut self,
        wave: &Wave,
        members: &[&mut Follower<'a>],
        gate: Option<&Wait>,
        checks: Option<&Wait>,
    ) -> Option<Wait> {
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
        let mut forward = members
            .iter_mut()
            .filter(|it| it.standing == Standing::Moving && it.leave.is_none() && it.frozen.is_none())
            .peekable();
        forward.peek()?;
        if let Some(gate) = gate {
            return Some(gate.clone());
        }
        if let Some(lacking) = self.lacks_approval(wave) {
            return Some(lacking);
        }
        self.approve(wave);
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
        for follower in forward.take(most) {
            follower.leave = Some(Leave::Forward(WaveOfFlip {
                attempt,
                wave: wave.name.clone(),
            }));
        }
        None
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
            ended_at: record.and_then(|record| record.ended_at),
            approval: self.approval_of(wave).map(|record| record.approval.clone()),
            waits: None,
        }
    }
}
