//! Whole passes in which waves wait for approvals.

use serde_json::json;

use super::*;
use crate::environment::approval_without_rollout;
use crate::environment::scene::{follower, rollout};
use crate::ports::Object;
use crate::resources::{RolloutRef, WaveApprovalSpec};

pub(super) fn approval(name: &str, wave: &str, plan: &str) -> Object<WaveApprovalSpec> {
    let spec = WaveApprovalSpec {
        rollout_ref: RolloutRef {
            name: "main".to_owned(),
        },
        wave: wave.to_owned(),
        plan: plan.to_owned(),
        approver: "jane".to_owned(),
    };
    Object {
        namespace: "apps".to_owned(),
        name: name.to_owned(),
        labels: Default::default(),
        requests: Default::default(),
        spec_hash: crate::resources::spec_hash(&spec),
        spec,
        first_seen: at(0),
        deleting: false,
    }
}

fn found<'f>(findings: &'f [Finding], condition: &str) -> Option<&'f Finding> {
    findings.iter().find(|finding| finding.condition == condition)
}

/// Acme, with a wave that asks for an approval.
async fn asking(policy: &str) -> House {
    let house = House::new().await;
    house.stage.declared.pin(follower(ACME, "canary"));
    let waves = json!([{"name": "canary", "approval": policy}]);
    house.stage.declared.rollout(rollout(1, waves));
    house
}

fn plan_of(pass: &EnvironmentPass) -> String {
    pass.rollouts[0].progress.as_ref().unwrap().plan.clone()
}

#[tokio::test]
async fn a_wave_waits_for_a_person_with_what_to_type_and_tells_who_approved_it() {
    let house = asking("Required").await;
    let waits = house.pass().await;
    let rollout = &waits.rollouts[0].findings;
    let waiting = found(rollout, WAITING).unwrap();
    let ready = found(rollout, READY).unwrap();
    assert_eq!(
        (waiting.reason, ready.verdict),
        (Reason::ApprovalMissing, Verdict::True)
    );
    let plan = plan_of(&waits);
    let manifest = format!(
        "kind: WaveApproval, metadata: {{name: 'main-canary-1', namespace: 'apps'}}, spec: {{rolloutRef: {{name: 'main'}}, \
         wave: 'canary', plan: {plan}, approver: "
    );
    assert!(waiting.message.contains(&manifest), "{}", waiting.message);
    assert!(waiting.message.len() < 1000, "{}", waiting.message);
    assert_eq!(house.row().await, None);

    house
        .stage
        .declared
        .approval(approval("early", "canary", "1-0123456789abcdef-1"));
    house.stage.declared.approval(approval("typo", "canry", &plan));
    house.stage.declared.approval(approval("wrong", "canary", "7"));
    let told = house.pass().await;
    let reasons = told.approvals.iter().map(|it| found(&it.findings, READY).unwrap());
    let reasons: Vec<_> = reasons.map(|it| (it.verdict, it.reason)).collect();
    let (holds, fails) = (Verdict::True, Verdict::False);
    assert_eq!(
        reasons,
        [
            (holds, Reason::ApprovalSuperseded),
            (fails, Reason::WaveUnknown),
            (fails, Reason::Invalid)
        ]
    );
    assert_eq!(house.row().await, None);

    house.stage.declared.approval(approval("fine", "canary", &plan));
    house.stage.declared.approval(approval("second", "canary", &plan));
    let done = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    let wave = &done.rollouts[0].progress.as_ref().unwrap().waves[0];
    assert_eq!(
        (wave.approved_by.as_deref(), wave.approval_verified),
        (Some("jane"), Some(false))
    );
    let of = |name: &str| done.approvals.iter().find(|it| it.name == name).unwrap();
    let reason = |name: &str| found(&of(name).findings, READY).unwrap().reason;
    assert_eq!(
        (reason("fine"), reason("second")),
        (Reason::ApprovalUsed, Reason::ApprovalNotNeeded)
    );
    let progress = of("fine").progress.unwrap();
    assert!(progress.used_at.is_some() && progress.verified == Some(false));
    let again = house.pass().await;
    assert_eq!((&again.approvals, &again.rollouts), (&done.approvals, &done.rollouts));
}

#[tokio::test]
async fn an_approval_ahead_is_told_to_stand_and_a_file_verifies_nothing() {
    let house = asking("Verified").await;
    let waits = house.pass().await;
    house
        .stage
        .declared
        .approval(approval("file", "canary", &plan_of(&waits)));
    let told = house.pass().await;
    let report = &told.approvals[0];
    let stalled = found(&report.findings, STALLED).unwrap();
    assert_eq!(stalled.reason, Reason::ApprovalUnverified);
    assert!(stalled.message.contains("without Kubernetes"), "{}", stalled.message);
    assert_eq!(report.progress.unwrap().verified, Some(false));
    let waiting = found(&told.rollouts[0].findings, WAITING).unwrap();
    assert_eq!(waiting.reason, Reason::ApprovalUnverified);
    assert!(
        waiting.message.contains("Then delete apps/file, and: echo"),
        "{}",
        waiting.message
    );
    assert_eq!(house.row().await, None);

    let waves = json!([
        {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "1h"},
        {"name": "rest", "approval": "Required"},
    ]);
    house.stage.declared.rollout(rollout(1, waves));
    house.stage.declared.pin(follower("globex", "late"));
    let soaks = house.pass().await;
    house
        .stage
        .declared
        .approval(approval("ahead", "rest", &plan_of(&soaks)));
    let ahead = house.pass().await;
    let ahead = ahead.approvals.iter().find(|it| it.name == "ahead").unwrap();
    assert_eq!(found(&ahead.findings, READY).unwrap().reason, Reason::Approved);
    assert_eq!(house.rows().await.len(), 1);
}

#[test]
fn an_approval_without_a_rollout_waits_for_it() {
    let report = approval_without_rollout(&approval("alone", "canary", "1-0123456789abcdef-1"));
    let reconciling = found(&report.findings, RECONCILING).unwrap();
    assert_eq!(reconciling.reason, Reason::RolloutNotReady);
    assert!(
        reconciling
            .message
            .contains("VersionRollout apps/main is not there (yet)")
    );
}
