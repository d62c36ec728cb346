//! Rollouts that are stopped, since more tenants fail their checks than may.

use serde_json::json;

use super::super::super::scene::Scene;
use super::super::Wait;
use super::super::rollout::checks::without_names;
use super::checked::{answers, checked, fails, unknown};
use super::{edit, lead, versions};
use crate::ports::{Answer, StopKind};

/// Why the rollout is stopped, and what becomes of those that have moved.
fn stopped(scene: &Scene) -> Option<(StopKind, String)> {
    match lead(scene).wait {
        Some(Wait::Stopped(stopped)) => Some((stopped.kind, stopped.why)),
        _ => None,
    }
}

#[test]
fn a_check_that_fails_often_enough_over_budget_pauses_and_moves_nobody_back() {
    let mut scene = checked(&["errors"], json!({}));
    answers(&mut scene, "errors", fails(&["t0"]));
    scene.settle();
    assert_eq!(stopped(&scene), None, "once is not often enough");
    scene.pass(60);
    scene.settle();
    answers(&mut scene, "errors", unknown());
    scene.pass(60);
    scene.settle();
    assert_eq!(stopped(&scene), None, "what is not known does not count");
    answers(&mut scene, "errors", fails(&["t0"]));
    scene.pass(60);
    scene.settle();
    let (kind, why) = stopped(&scene).unwrap();
    assert_eq!(kind, StopKind::Paused);
    assert!(
        why.contains("1 tenants of wave canary") && why.contains("0 may") && why.contains("t0"),
        "{why}"
    );
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);

    scene.1.clear();
    scene.pass(100_000);
    assert!(
        scene.settle().is_empty(),
        "nobody is asked, and nobody moves, until a person does something"
    );
    edit(&mut scene, |spec| spec.checks[0].failure_limit = 4);
    for _ in 0..10 {
        scene.pass(3600);
        scene.settle();
    }
    assert!(lead(&scene).complete, "{:?}", lead(&scene));
}

#[test]
fn who_passes_in_between_begins_to_count_anew() {
    let mut scene = checked(&["errors"], json!({}));
    for _ in 0..5 {
        for answer in [fails(&["t0"]), fails(&["t0"]), Answer::passed(String::new())] {
            answers(&mut scene, "errors", answer);
            scene.settle();
            scene.pass(60);
        }
    }
    assert_eq!(stopped(&scene), None);
}

#[test]
fn over_budget_everybody_goes_back_to_what_it_had_where_that_is_asked_for() {
    let mut scene = checked(
        &["errors"],
        json!({"onFailure": "RollBack", "failureBudget": {"total": 1}}),
    );
    answers(&mut scene, "errors", fails(&["t0"]));
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1], "one may fail");
    answers(&mut scene, "errors", fails(&["t0", "t1", "t6", "unheard-of"]));
    for _ in 0..3 {
        scene.pass(60);
        scene.settle();
    }
    let (kind, why) = stopped(&scene).unwrap();
    assert_eq!(kind, StopKind::RolledBack);
    assert!(
        why.contains("2 tenants of the 7 that follow") && why.contains("1 may"),
        "who has not moved is not counted: {why}"
    );
    assert_eq!(versions(&scene), [1; 7]);
    scene.pass(100_000);
    assert!(scene.settle().is_empty());
}

#[test]
fn failures_that_a_wave_ended_with_count_against_the_total() {
    let mut scene = checked(&["errors"], json!({"failureBudget": {"total": 1}}));
    scene.settle();
    scene.pass(3540);
    scene.settle();
    answers(&mut scene, "errors", fails(&["t0"]));
    scene.pass(60);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1], "one may fail, and has once");
    answers(&mut scene, "errors", fails(&["t1"]));
    for _ in 0..3 {
        scene.pass(60);
        scene.settle();
    }
    let (kind, why) = stopped(&scene).unwrap();
    assert_eq!(kind, StopKind::Paused);
    assert!(why.contains("2 tenants of the 7 that follow"), "{why}");
    let told = without_names(&why);
    assert!(why.ends_with(": t0, t1") && told.ends_with("failureBudget"), "{told}");
}

#[test]
fn a_check_that_fails_and_names_nobody_fails_all_of_the_wave_that_have_moved() {
    let half = json!({"failureBudget": {"wave": "49%"}});
    let mut scene = checked(&["errors"], half);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1], "two of four");
    answers(&mut scene, "errors", fails(&[]));
    for _ in 0..3 {
        scene.pass(60);
        scene.settle();
    }
    let (_, why) = stopped(&scene).unwrap();
    assert!(
        why.contains("2 tenants of wave early, which had 4") && why.contains("1 may"),
        "{why}"
    );
}

#[test]
fn two_checks_that_name_different_tenants_fail_both_together() {
    let mut scene = checked(&["errors", "smoke"], json!({"failureBudget": {"wave": 1}}));
    scene.settle();
    scene.pass(3600);
    scene.settle();
    answers(&mut scene, "errors", fails(&["t1"]));
    answers(&mut scene, "smoke", fails(&["t2"]));
    for _ in 0..3 {
        scene.pass(60);
        scene.settle();
    }
    let (_, why) = stopped(&scene).unwrap();
    assert!(
        why.contains("2 tenants of wave early") && why.contains("t1, t2"),
        "{why}"
    );
}
