//! Rollouts by example; what holds of every one of them is in `lives`.

mod approvals;
mod back;
mod checked;
mod empty;
mod frozen;
mod lives;
mod over_budget;
mod peers;
mod rows;

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::scene::{Scene, With, at, follower, rollout};
use super::{BY_BASELINE, BY_WAY_BACK, Kept, Lead, RolloutStanding, Standing, Wait};
use crate::ports::VersionRecord;
use crate::resources::{Freeze, WavePhase, annotations};

/// Canaries, then half of the early ones at a time, then everybody else.
fn waves() -> Value {
    let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
    json!([
        {"name": "canary", "selector": tier("canary"), "soak": "1h"},
        {"name": "early", "selector": tier("early"), "batch": {"size": "50%", "every": "10m"}, "soak": "30m"},
        {"name": "rest"},
    ])
}

/// Seven tenants on version 1: one canary, four early ones, two others. Version 2 is cut from 1, and 3 from 2.
fn house() -> Scene {
    let tiers = ["canary", "early", "early", "early", "early", "late", "late"];
    let pins = tiers
        .iter()
        .enumerate()
        .map(|(place, tier)| follower(&format!("t{place}"), tier));
    let mut scene = Scene::new(pins).on(1);
    for version in [2, 3] {
        let record = scene.0.versions.get_mut(&version).unwrap();
        *record = VersionRecord {
            source: format!("cut:{}", version - 1),
            ..record.clone()
        };
    }
    scene
}

fn rolling(version: i32) -> Scene {
    house().rolling_out(rollout(version, waves()))
}

fn edit(scene: &mut Scene, change: impl FnOnce(&mut crate::resources::VersionRolloutSpec)) {
    let mut object = (*scene.0.rollouts[0]).clone();
    change(&mut object.spec);
    scene.0.rollouts = vec![Arc::new(object)];
}

/// Asks for the attempt to be made again.
fn retry(scene: &mut Scene) {
    let word = scene.0.view.rollouts.attempt.as_ref().unwrap().word();
    let mut object = (*scene.0.rollouts[0]).clone();
    object.requests.insert(annotations::RETRY_ROLLOUT.to_owned(), word);
    scene.0.rollouts = vec![Arc::new(object)];
}

fn relabel(
    scene: &mut Scene,
    place: usize,
    change: impl FnOnce(&mut crate::ports::Object<crate::resources::TenantPinSpec>),
) {
    let mut pin = (*scene.0.pins[place]).clone();
    change(&mut pin);
    scene.0.pins[place] = Arc::new(pin);
}

fn lead(scene: &Scene) -> Lead {
    match scene.decide().rollouts.swap_remove(0) {
        RolloutStanding::Leads(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn versions(scene: &Scene) -> Vec<i32> {
    scene.held().into_iter().map(|(_, version)| version).collect()
}

fn phases(scene: &Scene) -> Vec<WavePhase> {
    lead(scene).waves.iter().map(|wave| wave.phase).collect()
}

#[test]
fn waves_move_one_after_the_other_and_batches_keep_their_size_and_distance() {
    use WavePhase::{Ended, Open, Pending, Soaking};
    let mut scene = rolling(2);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!(phases(&scene), [Soaking, Pending, Pending]);
    assert_eq!(
        lead(&scene).wait,
        Some(Wait::Soak("canary".to_owned(), at(1000 + 3600)))
    );
    assert_eq!(scene.decide().wake, Some(at(1000 + 3600)));

    scene.pass(3599);
    assert!(scene.settle().is_empty());
    scene.pass(1);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1], "half of the early ones");
    assert_eq!(phases(&scene), [Ended, Open, Pending]);
    assert!(matches!(lead(&scene).wait, Some(Wait::Batch(..))));
    scene.pass(599);
    assert!(scene.settle().is_empty());
    scene.pass(1);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    assert_eq!(phases(&scene), [Ended, Soaking, Pending]);

    scene.pass(1800);
    let last = scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
    let flips = last.iter().flat_map(|plan| &plan.flips);
    assert_eq!(
        flips.map(|flip| flip.moves.len()).collect::<Vec<_>>(),
        [2],
        "one transaction"
    );
    let lead = lead(&scene);
    assert!(
        lead.complete && lead.wait.is_none() && (lead.moved, lead.followers) == (7, 7),
        "{lead:?}"
    );
    assert!(scene.decide().standings.iter().all(|it| *it == Standing::Pinned));
}

#[test]
fn who_has_moved_goes_back_at_once_and_a_version_that_was_taken_back_is_forward_again() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    edit(&mut scene, |spec| {
        spec.version = 1;
        spec.suspend = true;
        spec.freeze = vec![Freeze {
            from: None,
            until: None,
            reason: "close".to_owned(),
            ..Freeze::default()
        }];
    });
    let back = scene.settle();
    assert_eq!(
        versions(&scene),
        [1; 7],
        "neither a freeze nor suspend keeps anybody from going back"
    );
    let flips: Vec<_> = back.iter().flat_map(|plan| &plan.flips).collect();
    assert_eq!(flips.len(), 1, "in one transaction");
    assert_eq!((flips[0].reason.as_str(), flips[0].moves.len()), (BY_WAY_BACK, 3));

    edit(&mut scene, |spec| {
        spec.version = 2;
        spec.suspend = false;
        spec.freeze.clear();
    });
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1], "the canary goes first again");
}

#[test]
fn a_whole_rollout_is_taken_back_without_waves_and_rolled_out_again_with_them() {
    let mut scene = rolling(1);
    scene.settle();
    scene.pass(10_000);
    scene.settle();
    assert!(lead(&scene).complete, "all are there already");
    for target in [2, 3] {
        edit(&mut scene, |spec| spec.version = target);
        for _ in 0..10 {
            scene.settle();
            scene.pass(3600);
        }
        assert_eq!(versions(&scene), [target; 7]);
        assert!(lead(&scene).complete);
    }
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
    assert!(lead(&scene).complete, "{:?}", lead(&scene));
    assert_eq!(scene.0.view.rollouts.baseline(), Some(2));
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    assert_eq!(versions(&scene), [3, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn an_old_soak_opens_nothing_in_a_changed_rollout() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3599);
    let plan = lead(&scene).plan;
    edit(&mut scene, |spec| {
        spec.waves[1].soak = crate::resources::HumanDuration::from_secs(60)
    });
    scene.settle();
    assert_ne!(lead(&scene).plan, plan);
    scene.pass(3599);
    assert!(scene.settle().is_empty(), "the canary soaks anew");
    scene.pass(1);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);

    let plan = lead(&scene).plan;
    edit(&mut scene, |spec| {
        spec.freeze = vec![Freeze {
            from: None,
            until: Some(at(9000)),
            reason: "x".to_owned(),
            ..Freeze::default()
        }]
    });
    assert_eq!(lead(&scene).plan, plan, "what only delays it is no other rollout");
}

#[test]
fn batches_keep_their_distance_when_waves_are_edited_in_between() {
    let mut scene = rolling(2);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    edit(&mut scene, |spec| {
        spec.waves[0].soak = crate::resources::HumanDuration::from_secs(0);
        spec.waves[1].soak = crate::resources::HumanDuration::from_secs(1);
    });
    scene.settle();
    assert_eq!(
        versions(&scene),
        [2, 2, 2, 1, 1, 1, 1],
        "the next batch comes no sooner for it"
    );
    assert_eq!(lead(&scene).wait, Some(Wait::Batch("early".to_owned(), at(4600 + 600))));
    scene.pass(600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
}

#[test]
fn nobody_moves_forward_while_frozen_or_suspended() {
    let mut scene = rolling(2);
    edit(&mut scene, |spec| {
        spec.freeze = vec![Freeze {
            from: None,
            until: Some(at(2000)),
            reason: "close".to_owned(),
            ..Freeze::default()
        }]
    });
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
    assert!(matches!(lead(&scene).wait, Some(Wait::Frozen(_))));
    assert_eq!(scene.decide().wake, Some(at(2000)));
    scene.pass(1000);
    edit(&mut scene, |spec| spec.suspend = true);
    scene.settle();
    assert_eq!(
        (versions(&scene), lead(&scene).wait),
        (vec![1; 7], Some(Wait::Suspended))
    );
    edit(&mut scene, |spec| spec.suspend = false);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_freeze_that_comes_again_keeps_each_time_and_wakes_at_its_end() {
    // The tests' time begins at 22:13:20 on a Tuesday.
    let mut scene = rolling(2);
    edit(&mut scene, |spec| {
        spec.freeze = vec![Freeze {
            cron: Some("0 22 * * *".to_owned()),
            length: Some(crate::resources::HumanDuration::from_secs(3600)),
            reason: "the nightly load".to_owned(),
            ..Freeze::default()
        }]
    });
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
    let end = "2023-11-14T23:00:00Z".parse().unwrap();
    assert!(matches!(lead(&scene).wait, Some(Wait::Frozen(freeze)) if freeze.until == Some(end)));
    assert_eq!(scene.decide().wake, Some(end));
    scene.pass(2800);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    // The canary has soaked long before the next night, and would move others in it.
    scene.pass(23 * 3600);
    assert!(
        scene.settle().iter().all(|plan| plan.flips.is_empty()),
        "{:?}",
        versions(&scene)
    );
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
}

#[test]
fn a_held_tenant_is_left_out_and_a_wave_of_held_ones_shows_nothing_to_the_next() {
    let mut scene = rolling(2);
    relabel(&mut scene, 1, |pin| *pin = pin.clone().held(None));
    scene.settle();
    scene.pass(3600);
    scene.settle();
    scene.pass(600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 2, 2, 2, 1, 1]);
    assert_eq!(lead(&scene).waves[1].left_out, 1);
    scene.pass(1800);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 2, 2, 2, 2, 2]);
    assert!(lead(&scene).complete);
    relabel(&mut scene, 1, |pin| pin.spec.hold = None);
    scene.settle();
    assert_eq!(versions(&scene), [2; 7], "when its hold ends");

    let mut scene = rolling(2);
    relabel(&mut scene, 0, |pin| *pin = pin.clone().held(None));
    scene.settle();
    scene.pass(1_000_000);
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
    assert_eq!(lead(&scene).wait, Some(Wait::HeldBack("canary".to_owned(), None)));
    relabel(&mut scene, 0, |pin| *pin = pin.clone().held(Some(2_000_000)));
    let freed = Some(at(2_000_000));
    assert_eq!(lead(&scene).wait, Some(Wait::HeldBack("canary".to_owned(), freed)));
}

#[test]
fn a_target_that_is_not_complete_or_not_proven_any_more_opens_nothing_and_ends_nothing() {
    let mut scene = rolling(4);
    scene.settle();
    assert_eq!(lead(&scene).wait, Some(Wait::NotComplete { declared: true }));
    assert!(scene.decide().awaits);
    edit(&mut scene, |spec| spec.version = 5);
    scene.settle();
    assert_eq!(lead(&scene).wait, Some(Wait::Retired));
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    let mut scene = scene.void(2);
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    assert!(matches!(lead(&scene).wait, Some(Wait::Unproved(_))));
    assert_eq!(phases(&scene)[1..], [WavePhase::Pending, WavePhase::Pending]);
}

#[test]
fn what_a_wave_requires_is_waited_for_while_it_runs_elsewhere() {
    let mut needs = waves();
    needs[0]["requires"] = json!({"environment": "staging", "soak": "30m"});
    let mut scene = house().rolling_out(rollout(2, needs));
    let staging = scene.0.view.evidence.entry("staging".to_owned()).or_default();
    staging.insert("t0".to_owned(), vec![super::super::scene::flip(900, Some(1), 2)]);
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
    assert_eq!(
        lead(&scene).wait,
        Some(Wait::Requirement("canary".to_owned(), at(900 + 1800)))
    );
    assert_eq!(scene.decide().wake, Some(at(2700)));
    scene.pass(1700);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_newcomer_gets_what_was_rolled_out_last_until_its_wave_moves() {
    let mut scene = rolling(1);
    scene.settle();
    scene.pass(10_000);
    scene.settle();
    assert!(lead(&scene).complete);
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    scene.0.pins.push(Arc::new(follower("t9", "late")));
    let joined = scene.settle();
    assert_eq!(
        joined.iter().flat_map(|plan| &plan.flips).next().unwrap().reason,
        BY_BASELINE
    );
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1, 1]);
    assert!(matches!(scene.standing("t9"), Standing::Kept(Kept::Queued { .. })));
    scene.0.pins.push(Arc::new(follower("t91", "canary")));
    scene.settle();
    assert_eq!(versions(&scene)[8], 2, "its wave is open");
}

#[test]
fn who_is_in_no_wave_and_who_has_a_version_of_its_own_is_not_moved() {
    let only = json!([{"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}}]);
    let mut scene = house().rolling_out(rollout(2, only));
    relabel(&mut scene, 1, |pin| pin.spec.version = Some(3));
    scene.settle();
    assert_eq!(versions(&scene), [2, 3, 1, 1, 1, 1, 1]);
    assert!(matches!(scene.standing("t5"), Standing::Kept(Kept::NotSelected { .. })));
    assert!(lead(&scene).complete);
    scene.0.rollouts.clear();
    assert_eq!(scene.standing("t5"), Standing::NoRollout);
    assert!(scene.settle().is_empty());
}

#[test]
fn of_two_rollouts_the_one_that_began_counts_and_one_without_tenants_ends() {
    let mut scene = rolling(2);
    scene.settle();
    let mut other = rollout(3, json!([{"name": "all"}]));
    other.name = "another".to_owned();
    other.first_seen = at(-5);
    scene.0.rollouts.insert(0, Arc::new(other));
    assert!(scene.settle().is_empty());
    assert_eq!(
        scene.decide().rollouts[0],
        RolloutStanding::Conflict("apps/main".to_owned())
    );
    assert!(matches!(scene.decide().rollouts[1], RolloutStanding::Leads(_)));
    let mut empty = Scene::new([]).rolling_out(rollout(2, waves()));
    empty.settle();
    assert!(lead(&empty).complete);
    let mut refused = rolling(2);
    edit(&mut refused, |spec| spec.waves.swap(0, 2));
    assert!(matches!(&refused.decide().rollouts[0], RolloutStanding::Invalid(why) if why.contains("waves[0] (rest)")));
    assert!(refused.settle().is_empty());
}
