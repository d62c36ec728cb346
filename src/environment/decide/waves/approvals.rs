//! Waves that open once somebody approved them.

use std::sync::Arc;

use serde_json::json;

use super::super::super::observe::Offered;
use super::super::super::scene::{Scene, at, rollout};
use super::super::rollout::plan_of;
use super::super::{ApprovalStanding, AwaitedApproval, BY_BASELINE, LackingApproval};
use super::*;
use crate::ports::{Approval, Object, RolloutStep, Voucher};
use crate::resources::{ApprovalPolicy, RolloutRef, WaveApprovalSpec};

/// Declares an approval of a wave for the plan of now, and returns its place.
pub(super) fn approve(scene: &mut Scene, wave: &str, voucher: Voucher) -> usize {
    let plan = plan_of(&scene.0.view.rollouts, &scene.0.rollouts[0].spec);
    approve_at(scene, wave, &plan, voucher)
}

fn approve_at(scene: &mut Scene, wave: &str, plan: &str, voucher: Voucher) -> usize {
    let place = scene.0.approvals.len();
    let spec = WaveApprovalSpec {
        rollout_ref: RolloutRef {
            name: "main".to_owned(),
        },
        wave: wave.to_owned(),
        plan: plan.to_owned(),
        approver: format!("jane-{place}"),
    };
    let object = Object {
        namespace: "apps".to_owned(),
        name: format!("a{place}"),
        labels: Default::default(),
        requests: Default::default(),
        spec_hash: crate::resources::spec_hash(&spec),
        spec,
        first_seen: at(i64::try_from(place).unwrap()),
        deleting: false,
    };
    scene.0.approvals.push(Offered {
        object: Arc::new(object),
        voucher: Some(voucher),
    });
    place
}

fn unverified() -> Voucher {
    Voucher::Unverified("nobody looked".to_owned())
}

/// Version 2, of which the early ones wait for an approval.
fn asking(policy: ApprovalPolicy) -> Scene {
    let mut scene = rolling(2);
    edit(&mut scene, |spec| spec.waves[1].approval = Some(policy));
    scene
}

/// The same, with the canary soaked.
fn at_the_gate(policy: ApprovalPolicy) -> Scene {
    let mut scene = asking(policy);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    scene
}

fn awaited(scene: &Scene) -> AwaitedApproval {
    match lead(scene).wait {
        Some(Wait::Approval(awaited)) => awaited,
        other => panic!("{other:?}"),
    }
}

fn standing(scene: &Scene, place: usize) -> ApprovalStanding {
    scene.decide().approvals.swap_remove(place)
}

#[test]
fn an_approval_opens_its_wave_and_no_other_and_is_on_record() {
    let mut scene = at_the_gate(ApprovalPolicy::Required);
    let waits = awaited(&scene);
    assert_eq!(
        (waits.rollout.as_str(), waits.wave.as_str(), waits.lacking),
        ("apps/main", "early", LackingApproval::Missing)
    );
    assert_eq!(waits.plan, lead(&scene).plan, "it names what the status says");
    assert_eq!(scene.decide().wake, None, "a person is awaited, and no time");
    assert!(!scene.decide().awaits);

    let place = approve(&mut scene, "early", unverified());
    assert_eq!(
        standing(&scene, place),
        ApprovalStanding::Stands {
            verified: Some(false),
            passed: false
        }
    );
    let done = scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    let steps = done.iter().flat_map(|plan| &plan.rollout).map(|event| &event.step);
    let approval = Approval {
        approver: "jane-0".to_owned(),
        verified: false,
        object: "apps/a0".to_owned(),
    };
    let wave = || "early".to_owned();
    let expected = [
        RolloutStep::Opened {
            wave: wave(),
            members: 4,
        },
        RolloutStep::Approved {
            wave: wave(),
            approval: approval.clone(),
        },
    ];
    assert_eq!(steps.cloned().collect::<Vec<_>>(), expected);
    assert!(matches!(standing(&scene, place), ApprovalStanding::Used(record) if record.approval == approval));

    // What opened stays open when the object goes: it is history.
    scene.0.approvals.clear();
    scene.pass(600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    assert_eq!(lead(&scene).waves[1].approval, Some(approval));
}

#[test]
fn what_is_approved_ahead_waits_for_its_turn_and_can_be_withdrawn_until_then() {
    let mut scene = asking(ApprovalPolicy::Required);
    scene.settle();
    approve(&mut scene, "early", unverified());
    assert!(scene.settle().is_empty());
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1], "the canary soaks");
    scene.0.approvals.clear();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1], "it was withdrawn");
    assert_eq!(awaited(&scene).lacking, LackingApproval::Missing);
    let place = approve(&mut scene, "early", unverified());
    let mut going = (*scene.0.approvals[place].object).clone();
    going.deleting = true;
    scene.0.approvals[place].object = Arc::new(going);
    assert!(scene.settle().is_empty(), "it is being deleted");
    assert_eq!(standing(&scene, place), ApprovalStanding::Deleting);
}

#[test]
fn an_approval_for_anything_else_opens_nothing_and_is_told_so() {
    let mut scene = asking(ApprovalPolicy::Required);
    scene.settle();
    let first = lead(&scene).plan;
    let early = approve(&mut scene, "early", Voucher::Verified);
    // An edit of the waves is another plan, a target that comes again another attempt.
    edit(&mut scene, |spec| {
        spec.waves[2].soak = crate::resources::HumanDuration::from_secs(1)
    });
    scene.settle();
    edit(&mut scene, |spec| {
        spec.waves[2].soak = crate::resources::HumanDuration::from_secs(0)
    });
    scene.settle();
    let now = lead(&scene).plan;
    assert_eq!((first.rsplit_once('-'), now.rsplit_once('-')), {
        let hash = first.rsplit_once('-').unwrap().0;
        (Some((hash, "1")), Some((hash, "3")))
    });
    let target = {
        let mut other = scene.0.rollouts[0].spec.clone();
        other.version = 3;
        plan_of(&scene.0.view.rollouts, &other)
    };
    let of_target = approve_at(&mut scene, "early", &target, Voucher::Verified);
    let of_rest = approve(&mut scene, "rest", Voucher::Verified);
    let of_none = approve(&mut scene, "erly", Voucher::Verified);
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!(awaited(&scene).lacking, LackingApproval::Missing);
    assert_eq!(standing(&scene, early), ApprovalStanding::Superseded(now.clone()));
    assert_eq!(standing(&scene, of_target), ApprovalStanding::Superseded(now.clone()));
    assert_eq!(standing(&scene, of_rest), ApprovalStanding::NotAsked);
    assert_eq!(standing(&scene, of_none), ApprovalStanding::WaveUnknown);
    let of_other = approve(&mut scene, "early", Voucher::Verified);
    let mut other = (*scene.0.approvals[of_other].object).clone();
    other.spec.rollout_ref.name = "another".to_owned();
    scene.0.approvals[of_other].object = Arc::new(other);
    assert!(scene.settle().is_empty(), "it is for another rollout");
    assert_eq!(standing(&scene, of_other), ApprovalStanding::NoLead);
    approve(&mut scene, "early", unverified());
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
}

#[test]
fn of_two_approvals_the_oldest_counts() {
    let mut scene = at_the_gate(ApprovalPolicy::Required);
    approve(&mut scene, "early", unverified());
    approve(&mut scene, "early", Voucher::Verified);
    scene.settle();
    assert!(matches!(standing(&scene, 0), ApprovalStanding::Used(_)));
    assert!(matches!(standing(&scene, 1), ApprovalStanding::Another(record) if record.approval.object == "apps/a0"));
}

#[test]
fn a_wave_that_asks_for_a_verified_one_opens_by_no_other() {
    let mut scene = at_the_gate(ApprovalPolicy::Verified);
    let place = approve(&mut scene, "early", unverified());
    assert!(scene.settle().is_empty());
    let lacking = |may_pass| LackingApproval::Unverified {
        object: "apps/a0".to_owned(),
        why: "nobody looked".to_owned(),
        may_pass,
    };
    assert_eq!(awaited(&scene).lacking, lacking(false));
    assert!(!scene.decide().awaits);
    assert!(matches!(
        standing(&scene, place),
        ApprovalStanding::Unverified { may_pass: false, .. }
    ));
    scene.0.approvals[place].voucher = Some(Voucher::Unseen("nobody looked".to_owned()));
    assert!(scene.settle().is_empty());
    assert_eq!(awaited(&scene).lacking, lacking(true));
    assert!(scene.decide().awaits, "it is looked at again");
    scene.0.approvals[place].voucher = None;
    assert!(scene.settle().is_empty(), "nobody looked at it yet");
    approve(&mut scene, "early", Voucher::Verified);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    let approval = lead(&scene).waves[1].approval.clone().unwrap();
    assert_eq!((approval.object.as_str(), approval.verified), ("apps/a1", true));
}

#[test]
fn the_way_back_asks_nobody() {
    let mut scene = at_the_gate(ApprovalPolicy::Verified);
    edit(&mut scene, |spec| {
        spec.version = 1;
        spec.waves
            .iter_mut()
            .for_each(|wave| wave.approval = Some(ApprovalPolicy::Verified));
    });
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
}

#[test]
fn a_wave_without_tenants_is_passed_and_who_comes_into_it_later_moves_once_it_is_approved() {
    let mut scene = asking(ApprovalPolicy::Required);
    for place in 1..5 {
        relabel(&mut scene, place, |pin| {
            drop(pin.labels.insert("tier".to_owned(), "late".to_owned()));
        });
    }
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
    assert!(lead(&scene).complete);
    // Who was put out of the way of the gate and back does not come past it.
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert!(lead(&scene).complete);
    scene
        .0
        .pins
        .push(Arc::new(super::super::super::scene::follower("t9", "early")));
    scene.0.view.rows.insert("t9".to_owned(), 2);
    let joined = vec![super::super::super::scene::flip(1, None, 2)];
    scene.0.view.events.insert("t9".to_owned(), joined);
    scene.settle();
    assert_eq!(versions(&scene)[7], 2);
    assert_eq!(awaited(&scene).wave, "early");
    assert!(lead(&scene).complete, "what has ended stays so");
    // One without a row gets what was rolled out to the end.
    scene
        .0
        .pins
        .push(Arc::new(super::super::super::scene::follower("t91", "early")));
    let joined = scene.settle();
    let flips = joined.iter().flat_map(|plan| &plan.flips);
    assert_eq!(
        flips
            .map(|flip| (flip.moves[0].to, flip.reason.as_str()))
            .collect::<Vec<_>>(),
        [(3, BY_BASELINE)]
    );
    let place = approve(&mut scene, "early", unverified());
    assert_eq!(
        standing(&scene, place),
        ApprovalStanding::Stands {
            verified: Some(false),
            passed: true
        }
    );
    scene.settle();
    assert_eq!(versions(&scene), [3; 9]);
}

#[test]
fn where_all_are_on_the_target_already_nobody_is_asked() {
    let mut scene = rolling(1);
    scene.settle();
    edit(&mut scene, |spec| {
        spec.waves[1].approval = Some(ApprovalPolicy::Required)
    });
    scene.settle();
    assert!(lead(&scene).complete);
    let mut refused = house().rolling_out(rollout(2, json!([{"name": "all", "approval": "Required"}])));
    refused.settle();
    let plan = lead(&refused).plan;
    let place = approve_at(&mut refused, "all", &plan.replacen("1-", "x-", 1), Voucher::Verified);
    assert!(matches!(standing(&refused, place), ApprovalStanding::Invalid(_)));
    assert!(refused.settle().is_empty());
}
