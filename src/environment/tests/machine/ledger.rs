//! What the ledger tells, read as anybody may read it, and held to what was declared when it was written.

use std::collections::BTreeMap;

use sqlx::Row as _;
use tokio::runtime::Runtime;

use super::super::House;
use super::evidence::{Answered, Known};
use super::{Model, TIERS};
use crate::ports::Attempt;

/// A batch of rows, as the ledger has it. Times are microseconds.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) at: i64,
    pub(super) tenants: Vec<usize>,
    from: Vec<Option<i32>>,
    pub(super) to: Option<i32>,
    reason: String,
    pub(super) wave: Option<(i32, String)>,
}

/// What happened to a rollout, and when.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) attempt: i32,
    pub(super) wave: String,
    pub(super) members: Option<i32>,
    pub(super) target: i32,
    pub(super) why: Option<String>,
    pub(super) approver: Option<String>,
    pub(super) approval: Option<String>,
}

/// Everything that was read so far.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) batches: Vec<Batch>,
    pub(super) steps: Vec<Happened>,
    /// What checks were answered.
    pub(super) answers: Vec<Answered>,
    /// What was there at the reading before.
    pub(super) known: Known,
    /// Where each tenant went, oldest first, as the places of batches.
    pub(super) ways: BTreeMap<usize, Vec<usize>>,
    /// The first batch that is not held to anything yet.
    unseen: usize,
    pub(super) rows_read: usize,
}

impl Book {
    /// Reads it anew: time that passed has made all of it older.
    pub(super) fn read(&mut self, runtime: &Runtime, house: &House) {
        self.known = Known {
            answers: std::mem::take(&mut self.answers),
            batches: self.batches.len(),
            steps: self.steps.len(),
        };
        let (batches, steps, answers) = runtime.block_on(async {
            let mut connection = house.connection().await;
            let batches = sqlx::query(
                "SELECT at, tenants, from_version, to_version, reason, attempt, wave FROM wavepin_pin_event ORDER BY id",
            );
            let steps = sqlx::query(
                "SELECT at, kind, attempt, wave, members, target, why, approver, approval FROM wavepin_rollout_event \
                 ORDER BY id",
            );
            let answers = sqlx::query(
                "SELECT at, attempt, wave, name, outcome, failures, failing FROM wavepin_rollout_check ORDER BY id",
            );
            (
                batches.fetch_all(&mut connection).await.unwrap(),
                steps.fetch_all(&mut connection).await.unwrap(),
                answers.fetch_all(&mut connection).await.unwrap(),
            )
        });
        self.batches = batches.iter().map(batch).collect();
        self.steps = steps.iter().map(happened).collect();
        self.answers = answers.iter().map(Answered::of).collect();
        self.rows_read = self.batches.len() + self.steps.len() + self.answers.len();
        self.ways.clear();
        for (place, batch) in self.batches.iter().enumerate() {
            for tenant in &batch.tenants {
                self.ways.entry(*tenant).or_default().push(place);
            }
        }
    }

    /// What was written until now is held to nothing.
    pub(super) fn begin(&mut self) {
        self.unseen = self.batches.len();
    }

    /// Holds what was written since the last time to what is declared.
    pub(super) fn hold_to(&mut self, model: &Model) {
        for place in self.unseen..self.batches.len() {
            let batch = &self.batches[place];
            for (tenant, from) in batch.tenants.iter().zip(&batch.from) {
                assert!(!model.held[*tenant], "t{tenant} is held, and moved: {batch:?}");
                self.hold_move(model, place, *tenant, *from);
            }
            if let Some((attempt, wave)) = &batch.wave {
                let mut tenants = batch.tenants.iter();
                let frozen = tenants.any(|tenant| model.frozen.keeps(*tenant));
                assert!(!model.suspended && !frozen, "while nobody may: {batch:?}");
                self.hold_wave(place, *attempt, wave);
            }
        }
        self.unseen = self.batches.len();
    }

    fn hold_move(&self, model: &Model, place: usize, tenant: usize, from: Option<i32>) {
        let batch = &self.batches[place];
        let before = self.ways[&tenant].iter().rev().find(|other| **other < place);
        let before = before.map(|other| (&self.batches[*other], tenant));
        let about = |about: &Option<usize>| about.is_none_or(|about| about == tenant);
        let ordered = model.orders.iter().any(about);
        match batch.reason.as_str() {
            "rolled-back" | "ordered-back" => {
                let (last, tenant) = before.expect("it was moved before");
                let at = last.tenants.iter().position(|it| *it == tenant).unwrap();
                assert_eq!(
                    (last.from[at], last.to),
                    (batch.to, from),
                    "not exactly what t{tenant} had"
                );
            }
            "spec.version" => {
                assert_eq!(batch.to, model.own[tenant], "t{tenant}");
                let held = model.orders.contains(&Some(tenant));
                assert!(!held, "t{tenant} moves against an order");
            }
            "rollout" | "rollout-back" => {
                assert!(model.own[tenant].is_none(), "t{tenant} has a version of its own");
                assert_eq!(batch.to, Some(model.target));
                assert!(!ordered, "t{tenant} moves against an order");
                if batch.reason == "rollout-back" {
                    let had = self.ways[&tenant]
                        .iter()
                        .any(|other| *other < place && self.batches[*other].to == batch.to);
                    assert!(had, "t{tenant} goes back to what it never had");
                } else {
                    let wave = batch.wave.as_ref().map(|(_, wave)| wave.as_str());
                    assert_eq!(wave, Some(TIERS[model.tiers[tenant]]), "t{tenant}");
                }
            }
            other => panic!("nobody asked for {other}: {batch:?}"),
        }
    }

    pub(super) fn step(&self, kind: &str, attempt: i32, wave: &str) -> Option<&Happened> {
        let mut steps = self.steps.iter();
        steps.find(|it| (it.kind.as_str(), it.attempt, it.wave.as_str()) == (kind, attempt, wave))
    }

    /// The newest attempt.
    pub(super) fn attempt(&self) -> i32 {
        self.steps.iter().map(|it| it.attempt).max().unwrap_or_default()
    }

    /// A batch of a wave: in order, no larger and no sooner than declared, after a rest.
    fn hold_wave(&self, place: usize, attempt: i32, wave: &str) {
        let batch = &self.batches[place];
        let opened = self.step("Opened", attempt, wave).expect("it has opened");
        assert!(opened.at <= batch.at);
        let stopped = ["Paused", "RolledBack", "Ordered"]
            .iter()
            .any(|kind| self.step(kind, attempt, "").is_some());
        let since = self.unseen <= place;
        assert!(
            !(stopped && since && self.stopped_before(attempt, batch.at)),
            "a stopped rollout goes on: {batch:?}"
        );
        let number = TIERS.iter().position(|tier| *tier == wave).unwrap();
        for earlier in &TIERS[..number] {
            let ended = self
                .step("Ended", attempt, earlier)
                .expect("every wave before has ended");
            assert!(ended.at <= opened.at, "{wave} opened before {earlier} ended");
        }
        let of_wave =
            |other: &&Batch| other.wave.as_ref().is_some_and(|(_, name)| name == wave) && other.to == batch.to;
        if wave == "early" && !self.is_way_back(attempt, batch.at) {
            let most = usize::try_from(opened.members.unwrap()).unwrap().div_ceil(2).max(1);
            assert!(batch.tenants.len() <= most, "{} of at most {most}", batch.tenants.len());
            if let Some(last) = self.batches[..place].iter().rev().find(of_wave) {
                assert!(batch.at - last.at >= 600_000_000, "too soon after the last: {batch:?}");
            }
        }
        if number > 0
            && !self.is_way_back(attempt, batch.at)
            && let Some(ended) = self.step("Ended", attempt, "canary")
        {
            let mut canaries = self.batches[..place].iter();
            let canary = canaries.rfind(|other| other.wave.as_ref() == Some(&(attempt, "canary".to_owned())));
            if let Some(canary) = canary.filter(|canary| canary.at <= ended.at) {
                assert!(ended.at - canary.at >= 3_600_000_000, "the canary did not rest");
            }
        }
    }

    fn stopped_before(&self, attempt: i32, at: i64) -> bool {
        let stops = ["Paused", "RolledBack", "Ordered"];
        let mut steps = self.steps.iter();
        steps.any(|it| it.attempt == attempt && stops.contains(&it.kind.as_str()) && it.at < at)
    }

    /// Nobody whom a rolled-back rollout moved is still there, but for those that a person keeps.
    pub(super) fn everybody_is_back(&self, model: &Model, attempt: Option<&Attempt>) {
        let Some(attempt) = attempt else { return };
        for (tenant, way) in &self.ways {
            let last = &self.batches[*way.last().unwrap()];
            let Some((number, wave)) = &last.wave else { continue };
            let of = crate::ports::WaveOfFlip {
                attempt: *number,
                wave: wave.clone(),
            };
            if model.own[*tenant].is_none() && !model.held[*tenant] {
                assert!(!attempt.takes_back(&of), "t{tenant} was not taken back: {last:?}");
            }
        }
    }
}

fn happened(row: &sqlx::sqlite::SqliteRow) -> Happened {
    Happened {
        at: row.get("at"),
        kind: row.get("kind"),
        attempt: row.get("attempt"),
        wave: row.get("wave"),
        members: row.get("members"),
        target: row.get("target"),
        why: row.get("why"),
        approver: row.get("approver"),
        approval: row.get("approval"),
    }
}

fn batch(row: &sqlx::sqlite::SqliteRow) -> Batch {
    let tenants: Vec<String> = serde_json::from_str(row.get("tenants")).unwrap();
    let number = |tenant: &String| tenant.strip_prefix('t').unwrap().parse().unwrap();
    let attempt: Option<i32> = row.get("attempt");
    Batch {
        at: row.get("at"),
        tenants: tenants.iter().map(number).collect(),
        from: serde_json::from_str(row.get("from_version")).unwrap(),
        to: row.get("to_version"),
        reason: row.get("reason"),
        wave: attempt.zip(row.get("wave")),
    }
}
