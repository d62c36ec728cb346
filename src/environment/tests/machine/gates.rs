//! Approvals, checks and budgets in a life: what is declared of them, who approves what, and what checks say.

use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::{Model, TENANTS, TIERS};
use crate::ports::{Answer, Object};
use crate::resources::conditions::COMPLETE;
use crate::resources::{ApprovalPolicy, RolloutRef, VersionRolloutSpec, WaveApprovalSpec};

/// The checks, and how often in a row each must fail to count.
pub(super) const CHECKS: [(&str, i32); 2] = [("errors", 1), ("smoke", 2)];

/// What the rollout asks for before it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// Which waves ask for an approval.
    pub(super) asks: [bool; 3],
    /// What is borne of what checks say, if any are asked.
    pub(super) checks: Option<Borne>,
}

/// What is borne, and what follows from more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Borne {
    pub(super) wave: Option<Share>,
    pub(super) total: Option<Share>,
    /// Everybody goes back; else it is paused.
    pub(super) goes_back: bool,
}

/// A number of tenants, or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Count(usize),
    Percent(usize),
}

impl Share {
    pub(super) const fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => all * percent / 100,
        }
    }

    fn written(self) -> Value {
        match self {
            Self::Count(count) => json!(count),
            Self::Percent(percent) => json!(format!("{percent}%")),
        }
    }
}

impl Gates {
    pub(super) fn declare(&self, spec: &mut VersionRolloutSpec) {
        for (wave, asks) in spec.waves.iter_mut().zip(self.asks) {
            wave.approval = asks.then_some(ApprovalPolicy::Required);
        }
        let Some(borne) = self.checks else { return };
        let checks = CHECKS.map(|(name, limit)| {
            json!({"name": name, "interval": "10m", "failureLimit": limit, "webhook": {"url": "https://checks.example"}})
        });
        spec.checks = serde_json::from_value(json!(checks)).unwrap();
        let mut budget = json!({});
        for (field, share) in [("wave", borne.wave), ("total", borne.total)] {
            if let Some(share) = share {
                budget[field] = share.written();
            }
        }
        let any = borne.wave.is_some() || borne.total.is_some();
        spec.failure_budget = any.then(|| serde_json::from_value(budget).unwrap());
        let on_failure = if borne.goes_back { "RollBack" } else { "Pause" };
        spec.on_failure = serde_json::from_value(json!(on_failure)).unwrap();
    }
}

/// What the checks are answered, each until it is answered otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Says([Say; 2]);

#[derive(Debug, Clone, Default)]
pub(super) enum Say {
    #[default]
    Passes,
    /// These fail; all of the wave, where there are none.
    Fails(BTreeSet<usize>),
    /// Tenants fail of whom nobody has heard.
    FailsStrangers,
    /// Nobody answers.
    Nothing,
}

impl Says {
    pub(super) fn answer(&self, check: &str) -> Answer {
        let place = CHECKS.iter().position(|(name, _)| *name == check).unwrap();
        let failed = |failing: BTreeSet<String>| Answer::failed(failing, "errors".to_owned());
        match &self.0[place] {
            Say::Passes => Answer::passed(String::new()),
            Say::Fails(tenants) => failed(tenants.iter().map(|it| format!("t{it}")).collect()),
            Say::FailsStrangers => failed(BTreeSet::from(["a stranger".to_owned()])),
            Say::Nothing => Answer::unknown("no answer".to_owned()),
        }
    }
}

/// A step that concerns gates.
#[derive(Debug, Clone)]
pub(super) enum Gate {
    Ask(usize, bool),
    Checks(Option<Borne>),
    /// A person approves a wave, of the plan of now or of the one before.
    Approve {
        wave: usize,
        earlier: bool,
    },
    /// One of the approvals is deleted.
    Withdraw(usize),
    Says(usize, Say),
}

impl Gate {
    pub(super) fn alter(&self, model: &mut Model) {
        match self {
            Self::Ask(wave, asks) => model.gates.asks[*wave] = *asks,
            Self::Checks(borne) => model.gates.checks = *borne,
            Self::Says(check, say) => model.says.0[*check] = say.clone(),
            Self::Approve { .. } | Self::Withdraw(_) => {}
        }
    }
}

fn share() -> impl Strategy<Value = Share> {
    let percent = prop_oneof![Just(0), Just(20), Just(34), Just(50), Just(100)];
    prop_oneof![(0_usize..4).prop_map(Share::Count), percent.prop_map(Share::Percent)]
}

fn borne() -> impl Strategy<Value = Borne> {
    (option::of(share()), option::of(share()), any::<bool>()).prop_map(|(wave, total, goes_back)| Borne {
        wave,
        total,
        goes_back,
    })
}

pub(super) fn gates() -> impl Strategy<Value = Gates> {
    (any::<[bool; 3]>(), option::weighted(0.7, borne())).prop_map(|(asks, checks)| Gates { asks, checks })
}

pub(super) fn gate() -> impl Strategy<Value = Gate> {
    let wave = || 0..TIERS.len();
    let say = prop_oneof![
        4 => Just(Say::Passes),
        4 => btree_set(0..TENANTS, 0..4).prop_map(Say::Fails),
        1 => Just(Say::FailsStrangers),
        2 => Just(Say::Nothing),
    ];
    prop_oneof![
        1 => (wave(), any::<bool>()).prop_map(|(wave, asks)| Gate::Ask(wave, asks)),
        1 => option::weighted(0.8, borne()).prop_map(Gate::Checks),
        6 => (wave(), any::<bool>()).prop_map(|(wave, earlier)| Gate::Approve { wave, earlier }),
        1 => (0_usize..8).prop_map(Gate::Withdraw),
        5 => (0..CHECKS.len(), say).prop_map(|(check, say)| Gate::Says(check, say)),
    ]
}

/// An approval as it was given.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) wave: usize,
    /// The number of the attempt that was told with the plan.
    pub(super) attempt: i32,
    pub(super) approver: &'static str,
    pub(super) is_declared: bool,
}

/// Who approved what, and the plans that were told so far.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) handed: Vec<Handed>,
    plans: Vec<(String, i32)>,
}

impl Given {
    /// Reads the plan as a person does, and holds it to being another one for another attempt.
    pub(super) fn note(&mut self, pass: &EnvironmentPass, attempt: i32) {
        let plan = pass.rollouts[0].progress.as_ref().unwrap().plan.clone();
        for (told, of) in &self.plans {
            assert_eq!(*told == plan, *of == attempt, "one plan for two attempts: {plan}");
        }
        if self.plans.last().is_none_or(|(last, _)| *last != plan) {
            self.plans.push((plan, attempt));
        }
    }

    pub(super) fn approve(&mut self, wave: usize, earlier: bool, house: &House) {
        let back = if earlier { 2 } else { 1 };
        let Some((plan, attempt)) = self.plans.len().checked_sub(back).map(|place| &self.plans[place]) else {
            return;
        };
        let approver = ["anna", "jane"][self.handed.len() % 2];
        let spec = WaveApprovalSpec {
            rollout_ref: RolloutRef {
                name: "main".to_owned(),
            },
            wave: TIERS[wave].to_owned(),
            plan: plan.clone(),
            approver: approver.to_owned(),
        };
        house.stage.declared.approval(Object {
            namespace: "apps".to_owned(),
            name: format!("a{}", self.handed.len()),
            labels: Default::default(),
            requests: Default::default(),
            spec_hash: crate::resources::spec_hash(&spec),
            spec,
            first_seen: at(i64::try_from(self.handed.len()).unwrap()),
            deleting: false,
        });
        self.handed.push(Handed {
            wave,
            attempt: *attempt,
            approver,
            is_declared: true,
        });
    }

    pub(super) fn withdraw(&mut self, which: usize, house: &House) {
        if let Some(handed) = self.handed.get_mut(which) {
            handed.is_declared = false;
            house.stage.declared.withdraw(&format!("a{which}"));
        }
    }
}

/// Whatever is waited for comes at a time, or by what a person does, who is told it.
pub(super) fn tells_what_ends_it(pass: &EnvironmentPass) {
    let findings = &pass.rollouts[0].findings;
    let holds = |condition: &str| {
        let mut findings = findings.iter();
        findings.find(|it| it.condition == condition && it.verdict == Verdict::True)
    };
    let Some(waits) = holds(WAITING).or_else(|| holds(STALLED)) else {
        assert!(holds(COMPLETE).is_some(), "nothing is waited for: {findings:?}");
        return;
    };
    let hands = [
        "spec.suspend",
        "spec.freeze",
        "kind: WaveApproval",
        "retry-rollout",
        "--lift",
        "Free one",
    ];
    let by_hand = hands.iter().any(|hand| waits.message.contains(hand));
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d|it is asked every 10m").unwrap();
    assert!(by_hand || time.is_match(&waits.message), "{}", waits.message);
}
