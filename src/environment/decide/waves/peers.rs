//! Failures that others have had, each by the name of its report.

use super::super::super::scene::{With, at, flip, follower};
use super::*;
use crate::ports::{StopKind, WaveOfFlip};
use crate::resources::{Amount, HumanDuration};

/// Octopus Deploy issue 5408: the success of one tenant promoted all of them.
#[test]
fn octopus_5408_what_one_tenant_has_shown_moves_no_other() {
    let needs = json!([{"name": "all", "requires": {"environment": "staging", "soak": "10m"}}]);
    let mut scene = house().rolling_out(rollout(2, needs));
    let staging = scene.0.view.evidence.entry("staging".to_owned()).or_default();
    staging.insert("t3".to_owned(), vec![flip(1, Some(1), 2)]);
    staging.insert("t4".to_owned(), vec![flip(900, Some(1), 2)]);
    scene.settle();
    assert_eq!(
        versions(&scene),
        [1, 1, 1, 2, 1, 1, 1],
        "t3 alone has run it for long enough"
    );
    scene.pass(500);
    scene.settle();
    assert_eq!(versions(&scene), [1, 1, 1, 2, 2, 1, 1]);
}

/// Argo CD issue 29410: health from before a change opened the next step.
#[test]
fn argo_cd_29410_what_was_seen_before_an_edit_opens_nothing_after_it() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3599);
    // All but over: then another target, and another's soak of the same length.
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    assert_eq!(versions(&scene), [3, 1, 1, 1, 1, 1, 1]);
    scene.pass(3599);
    assert!(scene.settle().is_empty(), "the canary's rest on 2 says nothing of 3");
    scene.pass(1);
    scene.settle();
    assert_eq!(versions(&scene), [3, 3, 3, 1, 1, 1, 1]);
}

/// Argo CD issue 23685: `maxUpdate` was ignored, and all moved at once.
#[test]
fn argo_cd_23685_no_batch_is_larger_however_many_join_or_how_often_it_is_looked_at() {
    let waves = json!([{"name": "all", "batch": {"size": 2, "every": "10m"}}]);
    let mut scene = house().rolling_out(rollout(2, waves));
    for round in 0..6 {
        // Others join while it goes on, and passes come at all times.
        let tenant = format!("u{round}");
        scene.0.pins.push(Arc::new(follower(&tenant, "late")));
        scene.0.view.rows.insert(tenant.clone(), 1);
        scene.0.view.events.insert(tenant, vec![flip(1, None, 1)]);
        let moved = |plans: Vec<super::super::Plan>| -> usize {
            let flips = plans.iter().flat_map(|plan| &plan.flips);
            flips.map(|flip| flip.moves.len()).sum()
        };
        assert_eq!(moved(scene.settle()), 2, "round {round}");
        for _ in 0..5 {
            scene.pass(119);
            assert_eq!(moved(scene.settle()), 0, "round {round}");
        }
        scene.pass(5);
    }
    edit(&mut scene, |spec| {
        spec.waves[0].batch.as_mut().unwrap().size = Amount::Count(1_000_000);
        spec.waves[0].batch.as_mut().unwrap().every = HumanDuration::from_secs(60);
    });
    scene.pass(60);
    scene.settle();
    assert!(versions(&scene).iter().all(|version| *version == 2));
}

/// Argo CD issues 19771, 19535 and 22976: a step was waited for that could never end, and nobody was told.
#[test]
fn argo_cd_19771_every_wait_has_a_time_or_names_whose_move_it_is() {
    let stops = |scene: &mut Scene| scene.stop(StopKind::Paused, "x");
    let situations: [&dyn Fn(&mut Scene); 8] = [
        &|_| {},
        &|scene| scene.pass(3600),
        &|scene| edit(scene, |spec| spec.suspend = true),
        &|scene| {
            edit(scene, |spec| {
                spec.freeze = serde_json::from_value(json!([{"reason": "x"}])).unwrap();
            });
        },
        &|scene| relabel(scene, 0, |pin| *pin = pin.clone().held(None)),
        &|scene| edit(scene, |spec| spec.version = 4),
        &|scene| edit(scene, |spec| spec.version = 5),
        &stops,
    ];
    for (number, situation) in situations.iter().enumerate() {
        let mut scene = rolling(2);
        scene.settle();
        situation(&mut scene);
        scene.settle();
        let wait = lead(&scene)
            .wait
            .unwrap_or_else(|| panic!("situation {number} waits for nothing"));
        let by_a_person = match &wait {
            Wait::Suspended | Wait::HeldBack(..) | Wait::Retired | Wait::Stopped(_) => true,
            Wait::Frozen(freeze) => freeze.until.is_none(),
            _ => false,
        };
        let decision = scene.decide();
        let by_itself = decision.awaits || decision.wake.is_some_and(|wake| wake > scene.0.now);
        assert!(by_a_person || by_itself, "situation {number}: nobody ends {wait:?}");
    }
}

/// Kargo issues 4586, 6360 and 4238: a soak had ended, and nothing moved until a restart or the next poll.
#[test]
fn kargo_4586_the_end_of_a_soak_is_a_time_at_which_it_wakes_also_after_a_restart() {
    let mut scene = rolling(2);
    scene.settle();
    assert_eq!(
        scene.decide().wake,
        Some(at(1000 + 3600)),
        "to the second, and not at the next poll"
    );
    // A process that starts knows what the ledger knows, and nothing more.
    let mut restarted = scene.clone();
    restarted.pass(1800);
    assert_eq!(
        restarted.decide().wake,
        Some(at(1000 + 3600)),
        "a restart neither shortens nor lengthens it"
    );
    restarted.pass(1800);
    restarted.settle();
    assert_eq!(versions(&restarted), [2, 2, 2, 1, 1, 1, 1]);
}

/// cert-manager issue 6406: two owners of one thing wrote in turns for ever.
#[test]
fn cert_manager_6406_of_two_rollouts_one_leads_both_are_told_and_nothing_is_written() {
    let mut scene = rolling(2);
    scene.settle();
    let mut other = rollout(3, waves());
    other.name = "other".to_owned();
    scene.0.rollouts.push(Arc::new(other));
    for _ in 0..10 {
        assert!(scene.settle().is_empty());
        let told = scene.decide().rollouts;
        assert!(matches!(told[0], RolloutStanding::Leads(_)), "{told:?}");
        assert_eq!(told[1], RolloutStanding::Conflict("apps/main".to_owned()));
        scene.0.rollouts.reverse();
        scene.0.rollouts.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

/// Apartment issue 369: half of the tenants were migrated, and what had failed was forgotten.
#[test]
fn apartment_369_a_wave_of_which_a_part_could_not_be_written_does_not_end() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3600);
    let mut plan = scene.decide().plan;
    plan.leave_out(|tenant| tenant == "t2");
    scene.apply(&plan);
    assert_eq!(versions(&scene), [2, 2, 1, 1, 1, 1, 1]);
    scene.pass(600);
    scene.settle();
    scene.pass(600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    assert_eq!(phases(&scene)[1], WavePhase::Soaking);
    let wave = |wave: &str| WaveOfFlip {
        attempt: scene.0.view.rollouts.attempt.as_ref().unwrap().number,
        wave: wave.to_owned(),
    };
    for tenant in ["t1", "t2", "t3", "t4"] {
        let last = scene.0.view.events[tenant].last().unwrap();
        assert_eq!(last.cause.wave, Some(wave("early")), "{tenant}");
    }
}

/// The Grafana operator's issues 1106 and 1137: every look that came by time made another version of the same.
#[test]
fn grafana_1106_to_look_again_starts_nothing_anew() {
    let mut scene = rolling(2);
    let last_wave = loop {
        scene.settle();
        if lead(&scene).complete {
            break scene.0.view.rollouts.attempt.clone().unwrap();
        }
        scene.pass(600);
    };
    let word = lead(&scene).plan.clone();
    for _ in 0..50 {
        scene.pass(300);
        assert!(scene.settle().is_empty(), "nothing is written");
        assert_eq!(lead(&scene).plan, word);
    }
    assert_eq!(scene.0.view.rollouts.attempt.as_ref(), Some(&last_wave));
}

/// Datadog's operator, issue 2854: what somebody deleted by hand was not seen, and taken for there.
#[test]
fn datadog_2854_rows_that_are_deleted_by_hand_are_not_counted_as_moved() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    let before = lead(&scene).moved;
    scene.0.view.rows.remove("t1");
    scene.settle();
    assert_eq!(lead(&scene).moved, before - 1, "it is not there any more");
    let last = scene.0.view.events["t1"].last().unwrap();
    assert_eq!((last.from, last.to), (Some(2), None), "and that is on record");
    scene.settle();
    assert!(!versions(&scene).is_empty(), "the others go on");
}
