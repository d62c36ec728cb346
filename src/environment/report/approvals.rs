//! What a pass says of approvals, and what a person would apply to give one.

use super::super::decide::{ApprovalStanding, AwaitedApproval, Decision, LackingApproval};
use super::super::observe::Observed;
use super::super::{ApprovalProgress, ApprovalReport, Approvals};
use super::about;
use crate::ports::{ApprovalRecord, Failure, Object};
use crate::resources::conditions::{ACCEPTED, Finding, READY, RECONCILING, Reason, STALLED};
use crate::resources::{WaveApprovalSpec, approval_refusal};

type Approval = Object<WaveApprovalSpec>;

/// The longest name of a rollout that goes whole into the name of an approval.
const LONGEST: usize = 120;

/// The approvals of an environment whose mapping could not be used.
pub(super) fn unseen(approvals: &Approvals, failure: &Failure) -> Vec<ApprovalReport> {
    blind(approvals, |approval| {
        let told = about(failure, &who(approval));
        vec![told.against(READY), told.abnormal()]
    })
}

/// The approvals of an environment whose instance is suspended.
pub(super) fn suspended(approvals: &Approvals, text: &str) -> Vec<ApprovalReport> {
    blind(approvals, |_| vec![Finding::fails(READY, Reason::Suspended, text)])
}

fn blind(approvals: &Approvals, say: impl Fn(&Approval) -> Vec<Finding>) -> Vec<ApprovalReport> {
    let stay = approvals.iter().filter(|approval| !approval.deleting);
    let report = |approval: &std::sync::Arc<Approval>| {
        let findings = match approval_refusal(&approval.spec) {
            Some(refusal) => invalid(approval, &refusal),
            None => [vec![accepted(approval)], say(approval)].concat(),
        };
        of(approval, findings, None)
    };
    stay.map(report).collect()
}

/// What is said of an approval whose rollout is not there, or cannot be read.
#[must_use]
pub fn without_rollout(approval: &Object<WaveApprovalSpec>) -> ApprovalReport {
    let findings = match approval_refusal(&approval.spec) {
        Some(refusal) => invalid(approval, &refusal),
        None => {
            let text = format!(
                "VersionRollout {}/{} is not there (yet), or cannot be read; apply it",
                approval.namespace, approval.spec.rollout_ref.name
            );
            not_ready(approval, &text)
        }
    };
    of(approval, findings, Some(ApprovalProgress::default()))
}

/// The approvals of an environment that was seen.
pub(super) fn report(seen: &Observed, decision: &Decision) -> Vec<ApprovalReport> {
    let approvals = seen.approvals.iter().map(|offered| &offered.object);
    let stay = approvals
        .zip(&decision.approvals)
        .filter(|(_, standing)| **standing != ApprovalStanding::Deleting);
    stay.map(|(approval, standing)| {
        let (verified, used_at) = match standing {
            ApprovalStanding::Used(record) => (Some(record.approval.verified), Some(record.at)),
            ApprovalStanding::Stands { verified, .. } => (*verified, None),
            ApprovalStanding::Unverified { .. } => (Some(false), None),
            _ => (None, None),
        };
        let progress = ApprovalProgress { verified, used_at };
        of(approval, findings(approval, standing), Some(progress))
    })
    .collect()
}

fn of(approval: &Approval, findings: Vec<Finding>, progress: Option<ApprovalProgress>) -> ApprovalReport {
    ApprovalReport {
        name: approval.name.clone(),
        spec_hash: approval.spec_hash.clone(),
        findings,
        progress,
    }
}

fn findings(approval: &Approval, standing: &ApprovalStanding) -> Vec<Finding> {
    let wave = &approval.spec.wave;
    let (reason, text) = match standing {
        ApprovalStanding::Deleting => return Vec::new(),
        ApprovalStanding::Invalid(refusal) => return invalid(approval, refusal),
        ApprovalStanding::NoLead => {
            let rollout = &approval.spec.rollout_ref.name;
            let text = format!("VersionRollout {rollout} moves no tenants; its conditions say why");
            return not_ready(approval, &text);
        }
        ApprovalStanding::WaveUnknown => {
            let text = format!(
                "{}: the rollout has no wave {wave:?}; delete the approval, and make one that names a wave of it",
                who(approval)
            );
            return unacceptable(Reason::WaveUnknown, &text);
        }
        ApprovalStanding::Unverified { why, may_pass } => return unverified(approval, why, *may_pass),
        ApprovalStanding::Superseded(plan) => {
            let text = format!("the plan is {plan} now, so that it opens nothing; it may be deleted");
            (Reason::ApprovalSuperseded, text)
        }
        ApprovalStanding::NotAsked => (Reason::ApprovalNotNeeded, "the wave asks for no approval".to_owned()),
        ApprovalStanding::Used(ApprovalRecord { at, approval }) => {
            let proved = if approval.verified { "verified" } else { "unverified" };
            let text = format!("it was put on record at {at}, {proved}; it opens nothing else");
            (Reason::ApprovalUsed, text)
        }
        ApprovalStanding::Another(ApprovalRecord { at, approval }) => {
            let text = format!("{} was put on record for it at {at}", approval.object);
            (Reason::ApprovalNotNeeded, text)
        }
        ApprovalStanding::Stands { passed: false, .. } => (
            Reason::Approved,
            "the wave opens when its turn comes; until then the approval may be withdrawn by deleting it".to_owned(),
        ),
        ApprovalStanding::Stands { passed: true, .. } => (
            Reason::Approved,
            "the wave was passed while it had nobody to move; whoever comes into it later moves by this approval"
                .to_owned(),
        ),
    };
    vec![
        accepted(approval),
        Finding::holds(READY, reason, format!("{}: {text}", who(approval))),
    ]
}

fn unverified(approval: &Approval, why: &str, may_pass: bool) -> Vec<Finding> {
    let text = format!(
        "{}: the wave asks for `approval: Verified`, and it is not proved that {} made this one: {why}",
        who(approval),
        approval.spec.approver
    );
    if may_pass {
        return vec![
            accepted(approval),
            Finding::fails(READY, Reason::ApprovalUnverified, text.clone()),
            Finding::holds(RECONCILING, Reason::ApprovalUnverified, text),
        ];
    }
    unacceptable(Reason::ApprovalUnverified, &text)
}

/// What a rollout says of the approval that it waits for: why, and what a person would apply.
pub(super) fn waits_for(awaited: &AwaitedApproval) -> (Reason, String) {
    let AwaitedApproval {
        wave, plan, lacking, ..
    } = awaited;
    match lacking {
        LackingApproval::Missing => {
            let text = format!(
                "wave {wave} opens once somebody who may approves plan {plan}, by this, or by its manifest as a file: {}",
                command(awaited)
            );
            (Reason::ApprovalMissing, text)
        }
        LackingApproval::Unverified { object, why, may_pass } => {
            let then = if *may_pass {
                "it is looked at again".to_owned()
            } else {
                format!("Then delete {object}, and: {}", command(awaited))
            };
            let text = format!(
                "wave {wave} opens by a verified approval of plan {plan} alone, and {object} is none: {why}. {then}"
            );
            (Reason::ApprovalUnverified, text)
        }
    }
}

/// What a person types who approves.
fn command(awaited: &AwaitedApproval) -> String {
    let AwaitedApproval {
        rollout, wave, plan, ..
    } = awaited;
    let (namespace, rollout) = rollout.split_once('/').unwrap_or(("default", rollout));
    let attempt = plan.rsplit('-').next().unwrap_or_default();
    let short: String = rollout.chars().take(LONGEST).collect();
    let name = format!("{}-{wave}-{attempt}", short.trim_end_matches(['-', '.']));
    // In quotes: a wave may be called `no`, or `1`.
    format!(
        "echo \"{{apiVersion: wavepin.dev/v1alpha1, kind: WaveApproval, metadata: {{name: '{name}', namespace: '{namespace}'}}, \
         spec: {{rolloutRef: {{name: '{rollout}'}}, wave: '{wave}', plan: {plan}, approver: '$(kubectl auth whoami \
         -o jsonpath={{.status.userInfo.username}})'}}}}\" | kubectl create -f -"
    )
}

fn accepted(approval: &Approval) -> Finding {
    let text = format!("{} says so", approval.spec.approver);
    Finding::holds(ACCEPTED, Reason::Valid, text)
}

fn invalid(approval: &Approval, refusal: &str) -> Vec<Finding> {
    let text = format!("WaveApproval {}: {refusal}; it opens nothing", approval.key());
    unacceptable(Reason::Invalid, &text)
}

fn not_ready(approval: &Approval, text: &str) -> Vec<Finding> {
    let text = format!("{}: {text}", who(approval));
    vec![
        accepted(approval),
        Finding::fails(READY, Reason::RolloutNotReady, text.clone()),
        Finding::holds(RECONCILING, Reason::RolloutNotReady, text),
    ]
}

fn unacceptable(reason: Reason, text: &str) -> Vec<Finding> {
    vec![
        Finding::fails(ACCEPTED, reason, text),
        Finding::fails(READY, reason, text),
        Finding::holds(STALLED, reason, text),
    ]
}

/// What an approval is for.
fn who(approval: &Approval) -> String {
    let spec = &approval.spec;
    format!("wave {} of {} at plan {}", spec.wave, spec.rollout_ref.name, spec.plan)
}
