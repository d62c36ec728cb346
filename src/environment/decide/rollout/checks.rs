//! What checks say of waves: when they are asked, and what follows from the answers.
//!
//! | a check of a wave | |
//! |---|---|
//! | is asked | every `interval`, from the wave's first move until it ends |
//! | keeps the wave's next batch, and its end | until it has passed since the wave's last move; what is not known is not passed |
//! | fails tenants | those that it names, or all of the wave: once it has failed `failureLimit` times in a row |
//!
//! Where all who moved in a wave were taken back before a check has passed, it keeps the wave, and nobody is left to ask about: a
//! person starts anew, or lets them move again.
//!
//! What fails within the budget keeps nobody. Only answers of this attempt count: with other waves, checks or another target
//! every one is asked for anew.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::{Standing, later};
use super::follower::Follower;
use super::told::{Checked, Found, Wait};
use super::{Course, count, length};
use crate::ports::{CheckOutcome, CheckRecord, PinEvent, Question, RolloutStep, StopKind, WaveRecord};
use crate::resources::{OnFailure, RolloutCheck, Wave};

/// How many failing tenants are told by name.
const NAMED: usize = 10;

/// The tenants on the target, each with the place of its wave.
pub(super) type Arrived<'a> = BTreeMap<&'a str, Option<usize>>;

impl<'a> Course<'a> {
    /// Notes who has arrived, where there is anything to ask about them.
    pub(super) fn note_arrived(&mut self, followers: &[Follower<'a>]) {
        if self.spec.checks.is_empty() {
            return;
        }
        let arrived = followers.iter().filter(|it| it.standing == Standing::Pinned);
        self.arrived = arrived.map(|it| (it.member.tenant, it.wave)).collect();
        self.followers = count(followers.iter());
        let in_wave = |place| count(followers.iter().filter(|it| it.wave == Some(place)));
        self.sizes = (0..self.spec.waves.len()).map(in_wave).collect();
    }

    /// Asks what is due of a wave's checks, and says what of them keeps its next step.
    pub(super) fn heed_checks(&mut self, wave: &Wave, record: WaveRecord) -> Option<Wait> {
        let place = self.spec.waves.iter().position(|it| it.name == wave.name);
        // Of those who have left the wave since nobody can say anything.
        let any_arrived = self.arrived.values().any(|it| *it == place);
        let is_forward = !self.is_back() && !self.all_are_there;
        if self.spec.checks.is_empty() || record.ended_at.is_some() || !is_forward {
            return None;
        }
        let moved_at = record
            .last_flip_at
            .map_or(record.opened_at, |last| last.max(record.opened_at));
        if !any_arrived {
            return self
                .were_taken_back(wave)
                .then(|| self.unanswered(wave, moved_at))
                .flatten();
        }
        let on_record = self.seen.view.rollouts.attempt.as_ref();
        let on_record = on_record.filter(|it| Some(it.number) == self.ledger.attempt.as_ref().map(|own| own.number));
        let is_on_record = on_record.is_some_and(|attempt| attempt.waves.contains_key(&wave.name));
        let is_borne = self.spec.failure_budget.is_some() && self.over_budget(|_, _, _| true).is_none();
        let now = self.seen.view.now;
        let mut worst: Option<Checked> = None;
        for check in &self.spec.checks {
            let known = self.record_of(wave, check).cloned();
            let known = known.filter(|known| known.asked_at >= moved_at);
            let next = known
                .as_ref()
                .map(|it| later(it.asked_at, length(check.interval.into())));
            // What opens in this very look is asked about in the next one, after the time at which it opened.
            let is_due = is_on_record && next.is_none_or(|next| next <= now);
            match next.filter(|_| !is_due) {
                Some(next) => self.asks.push(next),
                None if is_due => self.ask(wave, check, record, place),
                None => {}
            }
            let found = match known.map(|it| (it.answer.outcome, it)) {
                Some((CheckOutcome::Passed, _)) if !is_due => continue,
                Some((CheckOutcome::Failed, _)) if !is_due && is_borne => continue,
                Some((CheckOutcome::Failed, known)) => Found::Fails {
                    times: known.failures,
                    limit: check.failure_limit,
                    message: known.answer.message,
                },
                Some((CheckOutcome::Unknown, known)) => Found::Unknown(known.answer.message),
                Some((CheckOutcome::Passed, _)) | None => Found::Nothing,
            };
            if worst.as_ref().is_none_or(|it| it.found.rank() < found.rank()) {
                worst = Some(Checked {
                    wave: wave.name.clone(),
                    check: check.name.clone(),
                    interval: check.interval,
                    found,
                });
            }
        }
        worst.map(Wait::Check)
    }

    /// Whether tenants that moved in this wave hold something else by now, and none of them is on the target. Who is there,
    /// with another wave or a version of its own, or has no row any more, left it for no fault of the target.
    fn were_taken_back(&self, wave: &Wave) -> bool {
        let Some(attempt) = &self.ledger.attempt else {
            return false;
        };
        let of_wave = |event: &PinEvent| {
            let of = event.cause.wave.as_ref();
            of.is_some_and(|of| of.wave == wave.name && of.attempt == attempt.number)
        };
        let view = &self.seen.view;
        let moved = view.events.iter().filter(|(_, events)| events.iter().any(of_wave));
        let own = self
            .seen
            .pins
            .iter()
            .map(|pin| (pin.spec.tenant.as_str(), pin.spec.version));
        let own: BTreeMap<&str, Option<i32>> = own.collect();
        // A version of its own counts as soon as it is declared: its row follows in this very pass.
        let holds = |tenant: &String| {
            let row = view.rows.get(tenant)?;
            Some(own.get(tenant.as_str()).copied().flatten().unwrap_or(*row))
        };
        let hold: BTreeSet<i32> = moved.filter_map(|(tenant, _)| holds(tenant)).collect();
        !hold.is_empty() && !hold.contains(&self.spec.version)
    }

    /// The first check that did not pass before those were taken back whom it was about: nobody is left to ask about.
    pub(super) fn unanswered(&self, wave: &Wave, moved_at: Timestamp) -> Option<Wait> {
        let has_passed = |check: &&RolloutCheck| {
            let known = self.record_of(wave, check);
            known.is_some_and(|it| it.asked_at >= moved_at && it.answer.outcome == CheckOutcome::Passed)
        };
        let check = self.spec.checks.iter().find(|check| !has_passed(check))?;
        Some(Wait::Check(Checked {
            wave: wave.name.clone(),
            check: check.name.clone(),
            interval: check.interval,
            found: Found::NobodyLeft,
        }))
    }

    /// Stops the attempt where checks that have failed as often as they may name more tenants than the budget allows.
    pub(super) fn stop_on_failure(&mut self) {
        let attempt = self.ledger.attempt.as_ref();
        let goes_on = attempt.is_some_and(|it| it.completed_at.is_none() && it.stops.is_empty());
        if !goes_on || self.is_back() {
            return;
        }
        // A wave that ended with failures within the budget is asked about no more: they stand.
        let has_ended = |wave: &str| {
            let mut waves = self.spec.waves.iter().filter(|it| it.name == wave);
            let record = waves.next().and_then(|it| self.record(it));
            // One that was passed without tenants has ended with no failure.
            record.is_some_and(|it| it.ended_at.is_some() && it.members > 0)
        };
        let counts = |wave: &str, check: &RolloutCheck, known: &CheckRecord| {
            known.failures >= check.failure_limit || has_ended(wave)
        };
        if let Some(why) = self.over_budget(counts) {
            let kind = match self.spec.on_failure.unwrap_or_default() {
                OnFailure::Pause => StopKind::Paused,
                OnFailure::RollBack => StopKind::RolledBack,
            };
            self.note(RolloutStep::Stopped { kind, wave: None, why });
        }
    }

    /// The tenants of a wave that fail, whatever the budget says, sorted.
    pub(super) fn failing_in(&self, wave: &Wave) -> Vec<String> {
        let place = self.spec.waves.iter().position(|it| it.name == wave.name);
        let failing = self.failing(&|_, _, _| true);
        let of_wave = failing
            .iter()
            .filter(|tenant| self.arrived.get(*tenant) == Some(&place));
        of_wave.map(|tenant| (*tenant).to_owned()).collect()
    }

    /// The newest answer in this attempt.
    fn record_of(&self, wave: &Wave, check: &RolloutCheck) -> Option<&CheckRecord> {
        let attempt = self.ledger.attempt.as_ref()?;
        attempt.checks.get(&(wave.name.clone(), check.name.clone()))
    }

    fn ask(&mut self, wave: &Wave, check: &RolloutCheck, record: WaveRecord, place: Option<usize>) {
        let of_wave = |it: &(&&str, &Option<usize>)| *it.1 == place;
        let (tenants, others): (Vec<_>, Vec<_>) = self.arrived.iter().partition(of_wave);
        let Some(attempt) = &self.ledger.attempt else { return };
        let moved_at = record
            .last_flip_at
            .map_or(record.opened_at, |last| last.max(record.opened_at));
        self.questions.push(Question {
            rollout: self.object.key(),
            namespace: self.object.namespace.clone(),
            environment: self.seen.key.environment.clone(),
            plan: attempt.word(),
            attempt: attempt.number,
            wave: wave.name.clone(),
            version: self.spec.version,
            check: check.clone(),
            tenants: tenants.into_iter().map(|(tenant, _)| (*tenant).to_owned()).collect(),
            others: others.into_iter().map(|(tenant, _)| (*tenant).to_owned()).collect(),
            asked_at: self.seen.view.now,
            moved_at,
            failures: self.record_of(wave, check).map_or(0, |known| known.failures),
        });
        // Should nobody be asked now, it is tried again soon.
        self.asks
            .push(later(self.seen.view.now, jiff::SignedDuration::from_secs(1)));
    }

    /// Who fails of those that have arrived, by the answers that count.
    fn failing(&self, counts: &dyn Fn(&str, &RolloutCheck, &CheckRecord) -> bool) -> BTreeSet<&'a str> {
        let mut failing = BTreeSet::new();
        let records = self.ledger.attempt.iter().flat_map(|attempt| &attempt.checks);
        for ((wave, check), known) in records {
            let check = self.spec.checks.iter().find(|it| it.name == *check);
            let failed = known.answer.outcome == CheckOutcome::Failed;
            if !check.is_some_and(|check| failed && counts(wave, check, known)) {
                continue;
            }
            if known.answer.failing.is_empty() {
                let place = self.spec.waves.iter().position(|it| it.name == *wave);
                failing.extend(self.arrived.iter().filter(|it| *it.1 == place).map(|it| *it.0));
            }
            let named = known.answer.failing.iter();
            failing.extend(
                named
                    .filter_map(|it| self.arrived.get_key_value(it.as_str()))
                    .map(|it| *it.0),
            );
        }
        failing
    }

    /// Where more fail than may, by the answers that count.
    fn over_budget(&self, counts: impl Fn(&str, &RolloutCheck, &CheckRecord) -> bool) -> Option<String> {
        let failing = self.failing(&counts);
        if failing.is_empty() {
            return None;
        }
        let budget = self.spec.failure_budget.as_ref();
        for (place, wave) in self.spec.waves.iter().enumerate() {
            let Some(record) = self.record(wave) else { continue };
            let of_wave = |it: &&&str| self.arrived.get(**it) == Some(&Some(place));
            let failing: Vec<&str> = failing.iter().filter(of_wave).copied().collect();
            // One that was passed without tenants has those who came since.
            let (members, had) = match record.members {
                0 => (self.sizes[place], format!("has {}", self.sizes[place])),
                members => (members, format!("had {members} when it opened")),
            };
            let allowed = match budget {
                None => Some(0),
                Some(budget) => budget.wave.map(|it| it.of(members)),
            };
            if let Some(allowed) = allowed.filter(|allowed| count(failing.iter()) > *allowed) {
                let whom = format!("of wave {}, which {had},", wave.name);
                return Some(told(&failing, &whom, allowed));
            }
        }
        let failing: Vec<&str> = failing.into_iter().collect();
        let allowed = match budget {
            None => Some(0),
            Some(budget) => budget.total.map(|it| it.of(self.followers)),
        };
        let allowed = allowed.filter(|allowed| count(failing.iter()) > *allowed)?;
        Some(told(
            &failing,
            &format!("of the {} that follow", self.followers),
            allowed,
        ))
    }
}

/// What stands before the names of those who fail.
const BEFORE_NAMES: &str = "may by spec.failureBudget";

/// Why checks stopped an attempt, without the tenants' names.
pub(in super::super) fn without_names(why: &str) -> &str {
    let end = why.find(BEFORE_NAMES).map(|at| at + BEFORE_NAMES.len());
    end.and_then(|end| why.get(..end)).unwrap_or(why)
}

/// How many fail of whom, and how many may; the first of them by name.
fn told(failing: &[&str], whom: &str, allowed: u32) -> String {
    let mut named = failing[..failing.len().min(NAMED)].join(", ");
    if failing.len() > NAMED {
        named.push_str(", ...");
    }
    format!(
        "{} tenants {whom} fail their checks, and {allowed} {BEFORE_NAMES}: {named}",
        failing.len()
    )
}
