//! Which waves ask for an approval, and which approvals count.
//!
//! | a wave with `approval` | |
//! |---|---|
//! | has tenants | opens once an approval for exactly this plan stands |
//! | has none, or all are on the target already | is passed; who comes later moves once an approval stands |
//! | of a way back | asks nobody |
//!
//! An approval counts while it is declared, until it is on record: then it is history. Of many the oldest counts.

use super::super::super::observe::{Observed, Offered};
use super::super::{Kept, Standing};
use super::{Course, Follower, RolloutStanding, Wait};
use crate::ports::{Approval, ApprovalRecord, Attempt, RolloutStep, Rollouts, Voucher};
use crate::resources::{ApprovalPolicy, VersionRolloutSpec, Wave, WaveApprovalSpec, approval_refusal, rollout_plan};

/// The approval that a wave waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct AwaitedApproval {
    /// The rollout, as `<namespace>/<name>`.
    pub(in crate::environment) rollout: String,
    /// The wave.
    pub(in crate::environment) wave: String,
    /// What is to be approved: the word of the rollout's status.
    pub(in crate::environment) plan: String,
    /// What is lacking.
    pub(in crate::environment) lacking: LackingApproval,
}

/// What a wave lacks of the approval that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum LackingApproval {
    /// There is none for this wave and plan.
    Missing,
    /// It must be verified, and this one is not.
    Unverified {
        /// The object, as `<namespace>/<name>`.
        object: String,
        /// Why, and what a person can do.
        why: String,
        /// It could not be seen whether it is, which may pass.
        may_pass: bool,
    },
}

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum ApprovalStanding {
    /// It is being deleted, and counts no more.
    Deleting,
    /// Its spec is refused.
    Invalid(String),
    /// Its rollout moves no tenants.
    NoLead,
    /// It is for another plan than this one, which is that of now.
    Superseded(String),
    /// The rollout has no such wave.
    WaveUnknown,
    /// The wave asks for no approval.
    NotAsked,
    /// It is on record.
    Used(ApprovalRecord),
    /// Another one is on record.
    Another(ApprovalRecord),
    /// It counts.
    Stands {
        /// Whether it is proved who made it; `None`: not looked at yet.
        verified: Option<bool>,
        /// The wave has opened without it, since nobody was in it that could move forward.
        passed: bool,
    },
    /// The wave asks for a verified one, and it is none; the text says why.
    Unverified {
        /// Why, and what a person can do.
        why: String,
        /// It could not be seen whether it is, which may pass.
        may_pass: bool,
    },
}

/// What a rollout is now, as one word with the number of its attempt.
pub(in crate::environment) fn plan_of(ledger: &Rollouts, rollout: &VersionRolloutSpec) -> String {
    let plan = rollout_plan(rollout);
    let number = match &ledger.attempt {
        Some(attempt) if is_of(attempt, rollout, &plan) => return attempt.word(),
        before => before.as_ref().map_or(0, |attempt| attempt.number) + 1,
    };
    format!("{plan}-{number}")
}

/// Whether an approval could open a wave now, so that it matters who made it.
pub(in crate::environment) fn could_open(
    ledger: &Rollouts,
    rollout: &VersionRolloutSpec,
    approval: &WaveApprovalSpec,
) -> bool {
    let asks = |wave: &Wave| wave.name == approval.wave && wave.approval.is_some();
    let approved = ledger.attempt.as_ref().map(|attempt| &attempt.approvals);
    rollout.waves.iter().any(asks)
        && plan_of(ledger, rollout) == approval.plan
        && approved.is_none_or(|approved| !approved.contains_key(&approval.wave) || !is_of_now(ledger, rollout))
}

/// Whether the newest attempt is of what is declared.
fn is_of_now(ledger: &Rollouts, rollout: &VersionRolloutSpec) -> bool {
    let attempt = ledger.attempt.as_ref();
    attempt.is_some_and(|attempt| is_of(attempt, rollout, &rollout_plan(rollout)))
}

fn is_of(attempt: &Attempt, rollout: &VersionRolloutSpec, plan: &str) -> bool {
    attempt.target == rollout.version && attempt.plan == plan
}

impl<'a> Course<'a> {
    /// What a wave lacks of the approval that it asks for; `None` where it asks for none, or may have it.
    pub(super) fn lacks_approval(&mut self, wave: &Wave) -> Option<Wait> {
        let policy = wave.approval?;
        if self.is_back() || self.approval_of(wave).is_some() || self.approval_for(wave, policy).is_some() {
            return None;
        }
        self.unapproved.insert(wave.name.clone());
        let offered = self.offered(wave).min_by_key(|it| age(it));
        let lacking = match offered.map(|it| (it, it.voucher.as_ref())) {
            Some((it, Some(Voucher::Unverified(why)))) => LackingApproval::Unverified {
                object: it.object.key(),
                why: why.clone(),
                may_pass: false,
            },
            Some((it, Some(Voucher::Unseen(why)))) => LackingApproval::Unverified {
                object: it.object.key(),
                why: why.clone(),
                may_pass: true,
            },
            // What was not looked at yet is at the next look.
            Some((_, Some(Voucher::Verified) | None)) | None => LackingApproval::Missing,
        };
        Some(Wait::Approval(AwaitedApproval {
            rollout: self.object.key(),
            wave: wave.name.clone(),
            plan: self.word(),
            lacking,
        }))
    }

    /// Puts on record who approved a wave, if it asks and that is not on record yet.
    pub(super) fn approve(&mut self, wave: &Wave) {
        let Some(policy) = wave.approval else { return };
        if self.is_back() || self.approval_of(wave).is_some() {
            return;
        }
        if let Some(approval) = self.approval_for(wave, policy) {
            self.note(RolloutStep::Approved {
                wave: wave.name.clone(),
                approval,
            });
        }
    }

    /// Who approved a wave in this attempt.
    pub(super) fn approval_of(&self, wave: &Wave) -> Option<&ApprovalRecord> {
        self.ledger.attempt.as_ref()?.approvals.get(&wave.name)
    }

    /// Whether a follower without a row waits for the turn of its wave, or for its approval, to get what was rolled out to the
    /// end already.
    pub(super) fn waits_for_its_turn(&self, follower: &Follower<'a>) -> bool {
        let queued = matches!(follower.standing, Standing::Kept(Kept::Queued { .. }));
        let wave = follower.wave.map(|wave| &self.spec.waves[wave]);
        queued && wave.is_some_and(|wave| self.unapproved.contains(&wave.name) || self.record(wave).is_none())
    }

    /// The approval that counts for a wave.
    fn approval_for(&self, wave: &Wave, policy: ApprovalPolicy) -> Option<Approval> {
        let enough = |it: &&Offered| match (policy, &it.voucher) {
            // It is looked at before it counts, so that the record tells whether it is verified.
            (_, None) => false,
            (ApprovalPolicy::Required, Some(_)) => true,
            (ApprovalPolicy::Verified, Some(voucher)) => *voucher == Voucher::Verified,
        };
        let oldest = self.offered(wave).filter(enough).min_by_key(|it| age(it))?;
        Some(Approval {
            approver: oldest.object.spec.approver.clone(),
            verified: oldest.voucher == Some(Voucher::Verified),
            object: oldest.object.key(),
        })
    }

    /// What this rollout is, as its status has it.
    fn word(&self) -> String {
        self.ledger.attempt.as_ref().map(Attempt::word).unwrap_or_default()
    }

    /// The approvals that stand for a wave and this plan.
    fn offered(&self, wave: &Wave) -> impl Iterator<Item = &'a Offered> {
        let plan = self.word();
        let (rollout, wave) = (&self.object.name, wave.name.clone());
        self.seen.approvals.iter().filter(move |it| {
            let spec = &it.object.spec;
            spec.rollout_ref.name == *rollout
                && spec.wave == wave
                && spec.plan == plan
                && !it.object.deleting
                && approval_refusal(spec).is_none()
        })
    }
}

fn age(offered: &Offered) -> (jiff::Timestamp, String) {
    (offered.object.first_seen, offered.object.name.clone())
}

/// What became of each approval, in their order; `rollouts`: where the declared rollouts stand.
pub(in crate::environment::decide) fn standings(
    seen: &Observed,
    rollouts: &[RolloutStanding],
) -> Vec<ApprovalStanding> {
    let lead = seen.rollouts.iter().zip(rollouts);
    let lead = lead.filter(|(_, standing)| matches!(standing, RolloutStanding::Leads(_)));
    let lead = lead.map(|(rollout, _)| rollout).next();
    let standing = |offered: &Offered| {
        let spec = &offered.object.spec;
        match (approval_refusal(spec), lead) {
            _ if offered.object.deleting => ApprovalStanding::Deleting,
            (Some(refusal), _) => ApprovalStanding::Invalid(refusal),
            (None, Some(lead)) if lead.name == spec.rollout_ref.name => {
                of_lead(&seen.view.rollouts, &lead.spec, offered)
            }
            (None, _) => ApprovalStanding::NoLead,
        }
    };
    seen.approvals.iter().map(standing).collect()
}

/// What became of an approval of the rollout that moves tenants, as the ledger has it.
fn of_lead(ledger: &Rollouts, rollout: &VersionRolloutSpec, offered: &Offered) -> ApprovalStanding {
    let spec = &offered.object.spec;
    let plan = plan_of(ledger, rollout);
    if plan != spec.plan {
        return ApprovalStanding::Superseded(plan);
    }
    let Some(wave) = rollout.waves.iter().find(|wave| wave.name == spec.wave) else {
        return ApprovalStanding::WaveUnknown;
    };
    let attempt = ledger.attempt.as_ref().filter(|_| is_of_now(ledger, rollout));
    let record = attempt.and_then(|attempt| attempt.approvals.get(&wave.name));
    match (record, wave.approval, &offered.voucher) {
        (Some(record), ..) if record.approval.object == offered.object.key() => ApprovalStanding::Used(record.clone()),
        (Some(record), ..) => ApprovalStanding::Another(record.clone()),
        (None, None, _) => ApprovalStanding::NotAsked,
        (None, Some(ApprovalPolicy::Verified), Some(Voucher::Unverified(why))) => ApprovalStanding::Unverified {
            why: why.clone(),
            may_pass: false,
        },
        (None, Some(ApprovalPolicy::Verified), Some(Voucher::Unseen(why))) => ApprovalStanding::Unverified {
            why: why.clone(),
            may_pass: true,
        },
        (None, Some(_), voucher) => ApprovalStanding::Stands {
            verified: voucher.as_ref().map(|it| *it == Voucher::Verified),
            passed: attempt.is_some_and(|attempt| attempt.waves.contains_key(&wave.name)),
        },
    }
}
