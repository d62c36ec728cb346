//! Waves that nobody is in, or that nobody was in when their turn came.

use super::*;
use crate::ports::RolloutStep;

/// Which waves have opened and ended by these steps.
fn steps<'p>(done: impl IntoIterator<Item = &'p crate::environment::decide::Plan>) -> Vec<String> {
    let events = done.into_iter().flat_map(|plan| &plan.rollout);
    let told = events.filter_map(|event| match &event.step {
        RolloutStep::Opened { wave, members } => Some(format!("{wave} opens with {members}")),
        RolloutStep::Ended { wave } => Some(format!("{wave} ends")),
        RolloutStep::Started => Some(format!("attempt {}", event.attempt)),
        RolloutStep::Completed => Some("complete".to_owned()),
        _ => None,
    });
    told.collect()
}

fn label(scene: &mut Scene, place: usize, tier: &str) {
    relabel(scene, place, |pin| {
        pin.labels.insert("tier".to_owned(), tier.to_owned());
    });
}

/// Seven tenants of no tier.
fn of_no_tier(version: i32) -> Scene {
    let mut scene = rolling(version);
    for place in 0..7 {
        label(&mut scene, place, "none");
    }
    scene
}

#[test]
fn none_is_passed_while_nobody_may_move() {
    let lasting = || Freeze {
        reason: "quarter close".to_owned(),
        ..serde_json::from_value(json!({"reason": "x", "from": "2020-01-01T00:00:00Z"})).unwrap()
    };
    let ways: [fn(&mut crate::resources::VersionRolloutSpec, Freeze); 2] =
        [|spec, _| spec.suspend = true, |spec, freeze| spec.freeze = vec![freeze]];
    for keep in ways {
        let mut scene = of_no_tier(2);
        edit(&mut scene, |spec| keep(spec, lasting()));
        assert_eq!(steps(&scene.settle()), ["attempt 1"]);
        assert_eq!(phases(&scene), [WavePhase::Pending; 3]);
        let told = lead(&scene);
        assert!(matches!(told.wait, Some(Wait::Suspended | Wait::Frozen(_))), "{told:?}");

        for (place, tier) in ["canary", "early", "early", "early", "early"].iter().enumerate() {
            label(&mut scene, place, tier);
        }
        edit(&mut scene, |spec| {
            spec.suspend = false;
            spec.freeze.clear();
        });
        scene.settle();
        assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1], "the canary alone");
    }
}

#[test]
fn a_rollout_that_nobody_follows_ends_once_its_target_may_be_had() {
    let nobody = |version| {
        let mut scene = rolling(version);
        for place in 0..7 {
            relabel(&mut scene, place, |pin| pin.spec.version = Some(1));
        }
        scene
    };
    let mut scene = nobody(4);
    scene.settle();
    let told = lead(&scene);
    assert!(!told.complete, "newcomers would get a version that is being cut");
    assert_eq!(told.wait, Some(Wait::NotComplete { declared: true }));
    assert_eq!(scene.0.view.rollouts.baseline(), None);
    scene.0.versions.get_mut(&4).unwrap().complete_at = Some(at(1500));
    scene.settle();
    assert!(lead(&scene).complete && lead(&scene).wait.is_none());
    assert_eq!(scene.0.view.rollouts.baseline(), Some(4));

    // Also where it was rolled out before.
    let mut scene = nobody(3);
    scene.settle();
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    scene.0.versions.get_mut(&3).unwrap().retired_at = Some(at(1500));
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    assert_eq!(scene.0.view.rollouts.baseline(), Some(2));
    assert_eq!((lead(&scene).complete, lead(&scene).wait), (false, Some(Wait::Retired)));
}

#[test]
fn who_comes_into_a_wave_that_was_passed_has_it_and_the_next_ones_wait() {
    let mut scene = rolling(2);
    label(&mut scene, 0, "late");
    let done = scene.settle();
    assert_eq!(
        steps(&done),
        ["attempt 1", "canary opens with 0", "canary ends", "early opens with 4"]
    );
    assert_eq!(versions(&scene), [1, 2, 2, 1, 1, 1, 1]);

    label(&mut scene, 0, "canary");
    let done = scene.settle();
    assert_eq!(steps(&done), [""; 0], "it is on record as opened and ended already");
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    let canary = lead(&scene).waves.swap_remove(0);
    assert_eq!((canary.phase, canary.ended_at), (WavePhase::Soaking, None));

    // Early has moved and soaked by now, and the canary has not.
    scene.pass(600);
    scene.settle();
    scene.pass(1800);
    assert_eq!(steps(&scene.settle()), ["early ends"]);
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    assert_eq!(lead(&scene).wait, Some(Wait::Soak("canary".to_owned(), at(4600))));
    assert_eq!(scene.decide().wake, Some(at(4600)));
    scene.pass(1199);
    assert!(scene.settle().is_empty());
    scene.pass(1);
    assert_eq!(steps(&scene.settle()), ["rest opens with 2", "rest ends", "complete"]);
    assert_eq!(versions(&scene), [2; 7]);
    scene.pass(10_000);
    assert!(scene.settle().is_empty());
}

#[test]
fn what_was_passed_asks_for_its_approval_and_its_checks_when_somebody_comes() {
    let mut scene = rolling(2);
    label(&mut scene, 0, "late");
    edit(&mut scene, |spec| {
        let check = json!([{"name": "errors", "interval": "1m", "webhook": {"url": "https://checks.example"}}]);
        spec.checks = serde_json::from_value(check).unwrap();
    });
    scene.1.insert(
        "errors".to_owned(),
        crate::ports::Answer::unknown("nothing yet".to_owned()),
    );
    scene.settle();
    label(&mut scene, 0, "canary");
    scene.settle();
    assert_eq!(versions(&scene)[0], 2);
    scene.pass(20_000);
    scene.settle();
    assert_ne!(phases(&scene)[0], WavePhase::Ended, "what is not known is not passed");
    scene.1.clear();
    for _ in 0..20 {
        scene.pass(600);
        scene.settle();
    }
    assert_eq!(
        (phases(&scene), versions(&scene)),
        (vec![WavePhase::Ended; 3], vec![2; 7])
    );
    let asked = scene.settle();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn one_that_ended_before_anybody_followed_begins_anew_for_the_first() {
    let all = house().0.pins;
    let mut scene = rolling(2);
    scene.0.pins.clear();
    scene.0.view.claims.clear();
    scene.settle();
    assert!(lead(&scene).complete);
    // Who has no row comes to what is rolled out, and begins nothing.
    scene.0.pins.push(Arc::new(follower("fresh", "canary")));
    scene.settle();
    assert_eq!(scene.held(), [("fresh".to_owned(), 2)]);
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, 1);

    scene.0.pins.extend(all);
    scene.0.pins.sort_by(|one, other| one.name.cmp(&other.name));
    let done = scene.settle();
    assert_eq!(steps(&done)[..2], ["attempt 2", "canary opens with 2"]);
    assert_eq!(versions(&scene), [2, 2, 1, 1, 1, 1, 1, 1], "the canary alone");
    for _ in 0..4 {
        scene.pass(3600);
        scene.settle();
    }
    assert_eq!(versions(&scene), [2; 8]);
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, 2);
    assert!(lead(&scene).complete);
}

#[test]
fn whose_row_cannot_be_written_takes_no_place_of_a_batch_from_the_others() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3600);
    scene.0.refused = ["t1", "t3"].map(str::to_owned).into();
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 2, 1, 2, 1, 1]);
    scene.pass(600);
    assert!(scene.settle().is_empty());
    assert_eq!(lead(&scene).wait, Some(Wait::Rows("early".to_owned())));
    scene.0.refused.clear();
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
}

#[test]
fn a_part_of_a_wave_that_was_passed_is_of_those_who_came() {
    let mut scene = rolling(2);
    label(&mut scene, 0, "none");
    edit(&mut scene, |spec| {
        let check = json!([{"name": "errors", "interval": "1m", "webhook": {"url": "https://checks.example"}}]);
        spec.checks = serde_json::from_value(check).unwrap();
        spec.failure_budget = serde_json::from_value(json!({"wave": "50%", "total": 7})).unwrap();
    });
    scene.settle();
    for place in [0, 5] {
        label(&mut scene, place, "canary");
    }
    let mut fails = crate::ports::Answer::passed(String::new());
    fails.outcome = crate::ports::CheckOutcome::Failed;
    fails.failing = ["t0".to_owned()].into();
    scene.1.insert("errors".to_owned(), fails);
    for _ in 0..20 {
        scene.settle();
        scene.pass(600);
    }
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap();
    assert!(attempt.stops.is_empty(), "one of two may: {:?}", attempt.stops);
    assert_eq!(versions(&scene), [2; 7]);
}
