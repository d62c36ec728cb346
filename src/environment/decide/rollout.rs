//! Which tenants of a rollout move now, and what the rollout waits for.
//!
//! Gates hold forward moves only: whoever goes back to what it had goes at once, and all in one batch.
//!
//! | a tenant that would move forward | moves |
//! |---|---|
//! | is in no wave | never |
//! | is in a wave that has not opened | when every wave before it has ended |
//! | while `suspend` is true or a freeze lasts, of everybody or of it | afterwards |
//! | is in a wave with `batch` | with a batch, at most so many of them at least so far apart |

mod approvals;
pub(super) mod back;
pub(super) mod checks;
mod direction;
mod follower;
mod frozen;
mod members;
mod told;
mod wave;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::observe::Observed;
use super::row::{Member, Row, is_made_from};
use super::{Kept, Standing, later};
use crate::ports::{Attempt, Object, Order, Question, RolloutEvent, RolloutStep, Rollouts};
use crate::resources::{VersionRolloutSpec, WavePhase, WaveSelector, rollout_plan, rollout_refusal};
#[cfg(test)]
pub(super) use approvals::plan_of;
pub(super) use approvals::standings as approvals;
pub(in super::super) use approvals::{ApprovalStanding, AwaitedApproval, LackingApproval, could_open};
use checks::Arrived;
use direction::Drift;
pub(super) use follower::Follower;
use follower::Leave;
pub(super) use members::without_pin;
pub(in super::super) use members::{RowCount, Unlabelled};
pub(in super::super) use told::{Checked, Found, FrozenTenants, Lead, RolloutStanding, Stopped, Wait, WaveState};

/// The rollout that moves tenants, and what the ledger knows of it.
pub(super) struct Course<'a> {
    seen: &'a Observed,
    object: &'a Object<VersionRolloutSpec>,
    spec: &'a VersionRolloutSpec,
    plan: String,
    selectors: Vec<WaveSelector>,
    /// The freezes of some that last now.
    frozen: Vec<frozen::ScopedFreeze>,
    ledger: Rollouts,
    /// What is to be put on record.
    pub(super) events: Vec<RolloutEvent>,
    /// When something changes by itself, by the database's clock.
    wakes: Vec<Timestamp>,
    /// When checks are asked again, likewise.
    asks: Vec<Timestamp>,
    /// The newest order of a person about this rollout that nobody has lifted.
    order: Option<Order>,
    /// Why the labels of tenants without a pin are not known, if they are not: then no wave gets on.
    unlabelled: Option<Unlabelled>,
    /// How many tenants take part without a pin, if any may.
    rows: Option<RowCount>,
    /// The waves that lack an approval which they ask for.
    unapproved: BTreeSet<String>,
    /// Every follower was on the target before this attempt, or one that it goes on from, moved anybody: nothing is left that
    /// a soak could keep.
    all_are_there: bool,
    /// What of its followers tells whether this attempt is a way back.
    drift: Drift,
    /// Who is on the target, where there are checks.
    arrived: Arrived<'a>,
    /// How many follow, likewise.
    followers: u32,
    /// And how many of them are in each wave.
    sizes: Vec<u32>,
    /// What is to be asked.
    pub(super) questions: Vec<Question>,
}

/// The rollout that counts among those that are declared here, and why the others do not, in their order.
pub(super) fn course(seen: &Observed) -> (Option<Course<'_>>, Vec<Option<RolloutStanding>>) {
    let refusals: Vec<Option<String>> = seen
        .rollouts
        .iter()
        .map(|rollout| rollout_refusal(&rollout.spec))
        .collect();
    let holder = seen
        .view
        .rollouts
        .attempt
        .as_ref()
        .map(|attempt| attempt.holder.as_str());
    let fit = seen
        .rollouts
        .iter()
        .zip(&refusals)
        .filter(|(_, refusal)| refusal.is_none());
    // Nobody here leads while the one that began moves the environment for another instance.
    let fit = fit.filter(|_| seen.led_elsewhere.is_none());
    // The one that began goes on; of others the oldest, and of two as old the first by name.
    let lead = fit
        .map(|(rollout, _)| rollout)
        .min_by_key(|it| (holder != Some(it.key().as_str()), it.first_seen, it.name.clone()));
    let standings = seen
        .rollouts
        .iter()
        .zip(refusals)
        .map(|(rollout, refusal)| match (refusal, lead) {
            (Some(refusal), _) => Some(RolloutStanding::Invalid(refusal)),
            (None, None) => seen.led_elsewhere.clone().map(RolloutStanding::Conflict),
            (None, Some(lead)) if lead.name != rollout.name => Some(RolloutStanding::Conflict(lead.key())),
            (None, _) => None,
        });
    (lead.map(|object| Course::begin(seen, object)), standings.collect())
}

impl<'a> Course<'a> {
    fn begin(seen: &'a Observed, object: &'a Object<VersionRolloutSpec>) -> Self {
        let spec = &object.spec;
        let ledger = seen.view.rollouts.clone();
        let mut course = Self {
            seen,
            object,
            spec,
            plan: rollout_plan(spec),
            // A spec with a selector that is none is refused.
            selectors: spec.waves.iter().flat_map(WaveSelector::of).collect(),
            frozen: frozen::scoped(spec, seen.now),
            ledger,
            events: Vec::new(),
            wakes: Vec::new(),
            asks: Vec::new(),
            order: None,
            unlabelled: None,
            rows: None,
            unapproved: BTreeSet::new(),
            all_are_there: false,
            drift: Drift::default(),
            arrived: Arrived::new(),
            followers: 0,
            sizes: Vec::new(),
            questions: Vec::new(),
        };
        course.heed_people();
        course
    }

    /// Puts a step on record, and takes it for done.
    fn note(&mut self, step: RolloutStep) {
        let before = self.ledger.attempt.as_ref().map_or(0, |attempt| attempt.number);
        // What happens to an attempt tells of it as it began, whatever is declared since.
        let begun = self.ledger.attempt.as_ref().filter(|_| step != RolloutStep::Started);
        let event = RolloutEvent {
            attempt: before + i32::from(step == RolloutStep::Started),
            holder: self.object.key(),
            target: begun.map_or(self.spec.version, |begun| begun.target),
            plan: begun.map_or_else(|| self.plan.clone(), |begun| begun.plan.clone()),
            step,
        };
        self.ledger.take_in(&event, self.seen.view.now);
        self.events.push(event);
    }

    /// A tenant that follows, and where it stands by itself.
    pub(super) fn follower(
        &self,
        place: Option<usize>,
        member: Member<'a>,
        labels: &BTreeMap<String, String>,
    ) -> Follower<'a> {
        let wave = self.selectors.iter().position(|wave| wave.selects(labels));
        let requires = wave.and_then(|wave| self.spec.waves[wave].requires.as_ref());
        let row = Row::of(self.seen, member, Some(self.spec.version)).requiring(requires);
        Follower {
            place,
            member,
            wave,
            frozen: self.frozen_by(labels),
            standing: row.standing(),
            row,
            leave: None,
        }
    }

    /// The version that is moved to.
    pub(super) const fn target(&self) -> i32 {
        self.spec.version
    }

    /// Lets followers move, opens and ends waves, and says what is waited for.
    pub(super) fn advance(&mut self, followers: &mut [Follower<'a>]) -> Lead {
        self.note_arrived(followers);
        self.note_where_from(followers);
        self.begin_anew(followers);
        self.stop_on_failure();
        let gate = self.gate();
        self.let_back(followers);
        let returning = self.take_back(followers);
        self.note_returning(followers);
        let stopped = self.stopped();
        self.all_are_there = !self.goes_on_from_moves() && followers.iter().all(|it| it.standing == Standing::Pinned);
        let mut waves = Vec::with_capacity(self.spec.waves.len());
        let (mut wait, mut late) = (None, None);
        let mut all_ended = true;
        for (place, wave) in self.spec.waves.iter().enumerate() {
            let mut members: Vec<&mut Follower<'a>> =
                followers.iter_mut().filter(|it| it.wave == Some(place)).collect();
            let (phase, waits) = match &stopped {
                Some(stopped) => (self.phase_when_stopped(wave), Some(stopped.clone())),
                None => self.advance_wave(wave, &mut members, all_ended, gate.as_ref()),
            };
            all_ended &= phase == WavePhase::Ended;
            waves.push(WaveState {
                waits: waits.clone(),
                ..self.state(wave, phase, &members)
            });
            // Who comes late to a wave that has ended hides nothing of those that have not.
            match phase {
                WavePhase::Ended => late = late.or(waits),
                _ => wait = wait.or(waits),
            }
        }
        wait = wait.or(late);
        for follower in followers.iter_mut() {
            if follower.standing == Standing::Moving && follower.leave.is_none() {
                follower.standing = self.queued(follower, stopped.is_none() && gate.is_none());
            }
            self.join(follower, gate.is_some());
        }
        let is_complete = |course: &Self| {
            course
                .ledger
                .attempt
                .as_ref()
                .is_some_and(|it| it.completed_at.is_some())
        };
        // Newcomers get the version that was rolled out last: no other than one that may be had.
        let may_be_had = !matches!(gate, Some(Wait::NotComplete { .. } | Wait::Retired));
        if all_ended && may_be_had && stopped.is_none() && !is_complete(self) {
            self.note(RolloutStep::Completed);
        }
        let moved = followers.iter().filter(|it| it.standing == Standing::Pinned);
        Lead {
            plan: self.ledger.attempt.as_ref().map(Attempt::word).unwrap_or_default(),
            target: self.spec.version,
            waves,
            complete: is_complete(self),
            // What nobody waits for any more is no news.
            wait: wait.or_else(|| gate.filter(|gate| !is_complete(self) || matches!(gate, Wait::Unlabelled(_)))),
            followers: count(followers.iter()),
            moved: count(moved),
            returning,
            rows: self.rows,
        }
    }

    /// Whether attempts that this one goes on from have moved tenants: those are still to be soaked and asked about.
    fn goes_on_from_moves(&self) -> bool {
        let attempt = self.ledger.attempt.as_ref();
        attempt.is_some_and(|it| {
            let mut moved = self.ledger.moved_in.keys();
            moved.any(|(number, _)| (it.first..=it.number).contains(number))
        })
    }

    /// A follower that would move and has no leave keeps what it has.
    fn queued(&self, follower: &Follower<'a>, goes_on: bool) -> Standing {
        let frozen = || self.kept_frozen(follower).filter(|_| goes_on);
        if let Some(kept) = self.kept_without_labels(follower).or_else(frozen) {
            return kept;
        }
        let rollout = self.object.key();
        Standing::Kept(match follower.wave {
            Some(wave) => Kept::Queued {
                rollout,
                wave: self.spec.waves[wave].name.clone(),
            },
            None => Kept::NotSelected { rollout },
        })
    }

    /// Lets a follower without a row have the version that newcomers get, while the target is not for it; also where that is
    /// the target, and not a wave's turn but a gate keeps it.
    fn join(&self, follower: &mut Follower<'a>, gated: bool) {
        let target_only = match &follower.standing {
            Standing::NotComplete { .. } | Standing::Retired => true,
            Standing::Kept(kept) => matches!(
                kept,
                Kept::Queued { .. }
                    | Kept::Frozen { .. }
                    | Kept::NotSelected { .. }
                    | Kept::Unproved(_)
                    | Kept::RequirementNotMet(..)
            ),
            _ => false,
        };
        let kept = matches!(
            follower.standing,
            Standing::Kept(Kept::Frozen { .. } | Kept::RequirementNotMet(..))
        );
        let is_due =
            |baseline: &i32| *baseline != self.spec.version || gated || kept || self.waits_for_its_turn(follower);
        let baseline = self.ledger.baseline().filter(is_due);
        if let Some(baseline) = baseline.filter(|_| target_only && follower.row.holds.is_none())
            && Row::of(self.seen, follower.member, Some(baseline)).standing() == Standing::Moving
        {
            follower.standing = Standing::Moving;
            follower.leave = Some(Leave::Join(baseline));
        }
    }

    /// What keeps every forward move back.
    fn gate(&self) -> Option<Wait> {
        let target = self.seen.versions.get(&self.spec.version);
        match target {
            None => return Some(Wait::NotComplete { declared: false }),
            Some(target) if target.retired_at.is_some() => return Some(Wait::Retired),
            Some(target) if target.complete_at.is_none() => return Some(Wait::NotComplete { declared: true }),
            Some(target) => {
                if let Some(unproved) = target.unproved(&self.seen.key.environment) {
                    return Some(Wait::Unproved(unproved));
                }
            }
        }
        if let Some(unlabelled) = &self.unlabelled {
            return Some(Wait::Unlabelled(unlabelled.clone()));
        }
        if self.spec.suspend {
            return Some(Wait::Suspended);
        }
        let freezes = self.spec.freeze.iter().filter(|freeze| freeze.selector.is_none());
        let lasting = freezes.filter_map(|freeze| freeze.lasting(self.seen.now));
        // Of several the one that ends last is the one that counts.
        lasting.max_by_key(frozen::ends).map(Wait::Frozen)
    }

    /// Whether the target was cut from this version, or from one that was.
    fn is_made_from(&self, version: i32) -> bool {
        is_made_from(&self.seen.versions, self.spec.version, version)
    }

    /// The first time at which something changes by itself, by this process's clock, but for what checks answer.
    pub(super) fn wake_but_for_checks(&self) -> Option<Timestamp> {
        let freezes = self.spec.freeze.iter();
        let ends = freezes.filter_map(|freeze| freeze.lasting(self.seen.now)?.until);
        self.first_of(&self.wakes).into_iter().chain(ends).min()
    }

    /// The first time at which a check is asked again, likewise.
    pub(super) fn asks_again(&self) -> Option<Timestamp> {
        self.first_of(&self.asks)
    }

    /// The first of these times of the database's clock, by this process's.
    fn first_of(&self, times: &[Timestamp]) -> Option<Timestamp> {
        let first = times.iter().min()?;
        Some(later(self.seen.now, first.duration_since(self.seen.view.now)))
    }
}

fn length(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn count<T>(of: impl Iterator<Item = T>) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}
