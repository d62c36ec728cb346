//! What approvals and checks allowed, by what was on record when it was done.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::gates::{CHECKS, Given};
use super::ledger::{Book, Happened};
use super::{Frozen, Model, TENANTS, TIERS};

/// An answer to a check, as the ledger has it: since when, and what.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    at: i64,
    attempt: i32,
    wave: String,
    name: String,
    outcome: String,
    failures: i32,
    failing: String,
}

impl Answered {
    pub(super) fn of(row: &sqlx::sqlite::SqliteRow) -> Self {
        Self {
            at: row.get("at"),
            attempt: row.get("attempt"),
            wave: row.get("wave"),
            name: row.get("name"),
            outcome: row.get("outcome"),
            failures: row.get("failures"),
            failing: row.get("failing"),
        }
    }
}

/// What was on record at a reading.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) answers: Vec<Answered>,
    pub(super) batches: usize,
    pub(super) steps: usize,
}

/// Who is taken for arrived where it may be either: a tenant that a person orders back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    IsThere,
    IsNot,
}

/// Which failures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counting {
    All,
    /// Those that came as often in a row as the check says.
    OftenEnough,
}

impl Book {
    /// Holds what was written since the reading before to the approvals and answers of then.
    pub(super) fn hold_gates(&self, model: &Model, given: &Given) {
        for step in &self.steps[self.known.steps..] {
            match step.kind.as_str() {
                "Approved" => held_to_what_was_given(step, given),
                "Ended" => self.hold_end(model, step),
                "Paused" | "RolledBack" => self.hold_stop(model, step),
                _ => {}
            }
        }
        for place in self.known.batches..self.batches.len() {
            let batch = &self.batches[place];
            let Some((attempt, wave)) = &batch.wave else { continue };
            if self.is_way_back(*attempt, batch.at) {
                continue;
            }
            if model.gates.asks[number(wave)] {
                let approved = self.step("Approved", *attempt, wave);
                assert!(
                    approved.is_some_and(|it| it.at <= batch.at),
                    "{wave} moves without an approval: {batch:?}"
                );
            }
            let over = self.over_budget(
                model,
                *attempt,
                (self.known.answers.as_slice(), self.known.batches),
                (Counting::OftenEnough, Doubt::IsNot),
            );
            // Who comes after the end of the whole is asked about no more.
            let is_done = self.step("Completed", *attempt, "").is_some_and(|it| it.at <= batch.at);
            assert!(!over || is_done, "others move, though too many fail: {batch:?}");
            let ended = self.step("Ended", *attempt, wave).is_some_and(|it| it.at <= batch.at);
            let last = self.last_move(*attempt, wave, place);
            if let Some(last) = last.filter(|_| !ended) {
                self.hold_answers(model, (*attempt, wave.as_str()), last, batch.at);
            }
        }
    }

    /// After a look: more fail than may, so that the attempt is stopped.
    pub(super) fn is_stopped_over_budget(&self, model: &Model) {
        let (attempt, now) = (self.attempt(), i64::MAX);
        let is_done = self.step("Completed", attempt, "").is_some() || self.is_way_back(attempt, now);
        let stops = ["Paused", "RolledBack", "Ordered"];
        let is_stopped = self
            .steps
            .iter()
            .any(|it| it.attempt == attempt && stops.contains(&it.kind.as_str()));
        let known = (self.answers.as_slice(), self.batches.len());
        let over = self.over_budget(model, attempt, known, (Counting::OftenEnough, Doubt::IsNot));
        assert!(
            !over || is_done || is_stopped,
            "too many fail, and it goes on: {:?}",
            self.answers
        );
    }

    /// Whether the target of an attempt was rolled out to the end before, and nothing newer is made from it: neither waves
    /// nor gates delay that. Each version is made from the one before it.
    pub(super) fn is_way_back(&self, attempt: i32, at: i64) -> bool {
        let of = |kinds: &[&str], of: i32| {
            let mut steps = self.steps.iter();
            steps.any(|it| it.attempt == of && kinds.contains(&it.kind.as_str()) && it.at <= at)
        };
        let Some(target) = self.step("Started", attempt, "").map(|it| it.target) else {
            return false;
        };
        let done = self
            .steps
            .iter()
            .filter(|it| it.kind == "Completed" && it.attempt < attempt && it.at <= at);
        let done = done.filter(|it| !of(&["RolledBack", "Ordered"], it.attempt));
        let targets: Vec<i32> = done.map(|it| it.target).collect();
        targets.contains(&target) && targets.last().is_some_and(|last| *last >= target)
    }

    /// A wave ends when its checks have passed since it last moved, and nobody waits in it for the end of a freeze.
    fn hold_end(&self, model: &Model, ended: &Happened) {
        let (attempt, wave) = (ended.attempt, ended.wave.as_str());
        if self.is_way_back(attempt, ended.at) {
            return;
        }
        let until = self.batches.partition_point(|batch| batch.at <= ended.at);
        if model.frozen == Frozen::Emea && model.orders.is_empty() {
            let waits = |it: &usize| {
                TIERS[model.tiers[*it]] == wave
                    && model.own[*it].is_none()
                    && !model.held[*it]
                    && model.frozen.keeps(*it)
            };
            for tenant in (0..TENANTS).filter(waits) {
                assert_eq!(
                    self.version(tenant, until),
                    Some(model.target),
                    "{wave} ended without t{tenant}"
                );
            }
        }
        let arrived = self.arrived(model, until, Doubt::IsNot);
        let mut follow = (0..TENANTS).filter(|it| model.own[*it].is_none());
        let has_moved = |batch: &super::ledger::Batch| batch.wave.as_ref().is_some_and(|(of, _)| *of == attempt);
        let all_were_there = !self.batches[..until].iter().any(has_moved)
            && follow.all(|it| self.version(it, until) == Some(model.target));
        let last = self.last_move(attempt, wave, until);
        let somebody = arrived.iter().any(|it| TIERS[model.tiers[*it]] == wave);
        if all_were_there || (last.is_none() && !somebody) {
            return;
        }
        let opened = self.step("Opened", attempt, wave).expect("it has opened").at;
        self.hold_answers(model, (attempt, wave), last.unwrap_or(opened).max(opened), ended.at);
    }

    /// What checks stopped was over the budget, and they stop it as is declared.
    fn hold_stop(&self, model: &Model, stop: &Happened) {
        if !stop.why.as_ref().is_some_and(|why| why.contains("fail their checks")) {
            return;
        }
        let until = self.batches.partition_point(|batch| batch.at <= stop.at);
        let known = (self.answers.as_slice(), until);
        let over = self.over_budget(model, stop.attempt, known, (Counting::OftenEnough, Doubt::IsThere));
        assert!(over, "stopped within its budget: {stop:?}\n{:?}", self.answers);
        let goes_back = model.gates.checks.unwrap().goes_back;
        assert_eq!(goes_back, stop.kind == "RolledBack", "{stop:?}");
    }

    /// Each check has passed since a time, or what fails is borne.
    fn hold_answers(&self, model: &Model, (attempt, wave): (i32, &str), since: i64, at: i64) {
        let Some(borne) = model.gates.checks else { return };
        let then: Vec<Answered> = self.answers.iter().filter(|it| it.at <= at).cloned().collect();
        let until = self.batches.partition_point(|batch| batch.at < at);
        for (check, _) in CHECKS {
            let of = |it: &&Answered| (it.attempt, it.wave.as_str(), it.name.as_str()) == (attempt, wave, check);
            let newest = then.iter().rfind(of);
            let newest = newest.unwrap_or_else(|| panic!("{wave} of {attempt} goes on, and {check} was not asked"));
            assert!(
                newest.at >= since,
                "{wave} goes on by an answer from before its last move: {newest:?}"
            );
            let has_budget = borne.wave.is_some() || borne.total.is_some();
            let is_borne = || {
                let over = self.over_budget(model, attempt, (then.as_slice(), until), (Counting::All, Doubt::IsNot));
                has_budget && !over
            };
            let fine = newest.outcome == "Passed" || (newest.outcome == "Failed" && is_borne());
            assert!(fine, "{wave} goes on: {newest:?}");
        }
    }

    /// When tenants last moved in a wave of an attempt, of the batches before this one.
    fn last_move(&self, attempt: i32, wave: &str, before: usize) -> Option<i64> {
        let of = |batch: &&super::ledger::Batch| batch.wave.as_ref() == Some(&(attempt, wave.to_owned()));
        self.batches[..before].iter().rfind(of).map(|batch| batch.at)
    }

    /// What a tenant has after so many batches.
    fn version(&self, tenant: usize, batches: usize) -> Option<i32> {
        let mut way = self.ways.get(&tenant)?.iter();
        way.rfind(|place| **place < batches)
            .and_then(|place| self.batches[*place].to)
    }

    /// Who follows and is on the target after so many batches.
    fn arrived(&self, model: &Model, batches: usize, doubt: Doubt) -> BTreeSet<usize> {
        let is_there = |it: &usize| {
            let in_doubt = model.orders.contains(&Some(*it)) && doubt == Doubt::IsNot;
            model.own[*it].is_none() && !in_doubt && self.version(*it, batches) == Some(model.target)
        };
        (0..TENANTS).filter(is_there).collect()
    }

    /// Whether more fail than may, by these answers, after so many batches.
    fn over_budget(
        &self,
        model: &Model,
        attempt: i32,
        (answers, batches): (&[Answered], usize),
        (counting, doubt): (Counting, Doubt),
    ) -> bool {
        let Some(borne) = model.gates.checks else { return false };
        let arrived = self.arrived(model, batches, doubt);
        let mut newest: BTreeMap<(&str, &str), &Answered> = BTreeMap::new();
        for answered in answers.iter().filter(|it| it.attempt == attempt) {
            newest.insert((answered.wave.as_str(), answered.name.as_str()), answered);
        }
        let mut failing = BTreeSet::new();
        for answered in newest.values().filter(|it| it.outcome == "Failed") {
            let (_, limit) = CHECKS.iter().find(|(name, _)| *name == answered.name).unwrap();
            if counting == Counting::OftenEnough && answered.failures < *limit {
                continue;
            }
            let named: Vec<String> = serde_json::from_str(&answered.failing).unwrap();
            let fails = |it: &&usize| match named.is_empty() {
                true => TIERS[model.tiers[**it]] == answered.wave,
                false => named.contains(&format!("t{it}")),
            };
            failing.extend(arrived.iter().filter(fails).copied());
        }
        let nobody = borne.wave.is_none() && borne.total.is_none();
        let wave_is_over = TIERS.iter().enumerate().any(|(tier, wave)| {
            let Some(opened) = self.step("Opened", attempt, wave) else {
                return false;
            };
            let failing = failing.iter().filter(|it| model.tiers[**it] == tier).count();
            let members = usize::try_from(opened.members.unwrap()).unwrap();
            failing > 0
                && borne
                    .wave
                    .map(|share| share.of(members))
                    .is_some_and(|most| failing > most)
        });
        let follow = model.own.iter().filter(|own| own.is_none()).count();
        let most = borne.total.map(|share| share.of(follow));
        wave_is_over || most.is_some_and(|most| failing.len() > most) || (nobody && !failing.is_empty())
    }
}

fn number(wave: &str) -> usize {
    TIERS.iter().position(|tier| *tier == wave).unwrap()
}

/// An approval is of exactly this wave and attempt, and was there.
fn held_to_what_was_given(approved: &Happened, given: &Given) {
    let object = approved.approval.as_deref().unwrap();
    let place: usize = object.strip_prefix("apps/a").unwrap().parse().unwrap();
    let handed = &given.handed[place];
    assert_eq!(
        TIERS[handed.wave], approved.wave,
        "an approval of another wave: {approved:?}"
    );
    assert_eq!(
        handed.attempt, approved.attempt,
        "an approval of an earlier plan: {approved:?}"
    );
    assert_eq!(approved.approver.as_deref(), Some(handed.approver));
    assert!(handed.is_declared, "an approval that is deleted: {approved:?}");
}
