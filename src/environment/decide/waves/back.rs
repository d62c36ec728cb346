//! Rollbacks: each tenant to exactly what it had, and what starts a rollout again.

use super::super::super::scene::{ACME, With, at, flip, outside, pin};
use super::super::{BY_ORDER, BY_ROLLED_BACK, NotReturned, Stopped};
use super::approvals::approve;
use super::*;
use crate::ports::{Order, Scope, StopKind, Voucher};
use crate::resources::HumanDuration;

/// The canary and two of the early ones are on 2; one of those was on 3 before, as a person had it.
fn moved() -> Scene {
    let mut scene = rolling(2);
    scene.0.view.rows.insert("t1".to_owned(), 3);
    scene.0.view.events.insert("t1".to_owned(), vec![flip(1, None, 3)]);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    scene
}

fn whole(scene: &Scene) -> Scope {
    Scope::Rollout {
        attempt: scene.0.view.rollouts.attempt.as_ref().unwrap().number,
    }
}

#[test]
fn a_rolled_back_rollout_takes_each_to_what_it_had_in_one_transaction_and_is_latched() {
    let mut scene = moved();
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    let done = scene.settle();
    assert_eq!(versions(&scene), [1, 3, 1, 1, 1, 1, 1], "also where they differed");
    let flips: Vec<_> = done.iter().flat_map(|plan| &plan.flips).collect();
    assert_eq!(flips.len(), 1, "in one transaction");
    assert_eq!((flips[0].reason.as_str(), flips[0].moves.len()), (BY_ROLLED_BACK, 3));

    // Neither time nor what only delays it starts it again.
    scene.pass(1_000_000);
    edit(&mut scene, |spec| spec.suspend = true);
    edit(&mut scene, |spec| spec.suspend = false);
    assert!(scene.settle().is_empty());
    let Some(Wait::Stopped(Stopped { kind, why, retry: word })) = lead(&scene).wait else {
        panic!("{:?}", lead(&scene));
    };
    assert_eq!((kind, why.as_str()), (StopKind::RolledBack, "errors: 3 of 2"));
    assert_eq!(word, lead(&scene).plan);
    assert!(!lead(&scene).complete && scene.decide().wake.is_none());

    // A person does: with the first wave, and its soak anew.
    retry(&mut scene);
    scene.settle();
    assert_eq!(versions(&scene), [2, 3, 1, 1, 1, 1, 1]);
    assert_ne!(lead(&scene).plan, word);
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    scene.settle();
    assert_eq!(versions(&scene), [1, 3, 1, 1, 1, 1, 1]);
    scene.pass(1_000_000);
    assert!(
        scene.settle().is_empty(),
        "the word that retried once retries nothing else"
    );
    edit(&mut scene, |spec| spec.version = 3);
    scene.settle();
    assert_eq!(
        versions(&scene),
        [3, 3, 1, 1, 1, 1, 1],
        "another target is another rollout"
    );
}

#[test]
fn a_version_without_a_line_that_was_rolled_back_goes_by_waves_again() {
    let tiers = ["canary", "early", "late"];
    let pins = tiers.map(|tier| follower(tier, tier));
    let mut scene = Scene::new(pins).on(1).rolling_out(rollout(2, waves()));
    for _ in 0..9 {
        scene.settle();
        scene.pass(3600);
    }
    assert_eq!(versions(&scene), [2; 3]);
    assert!(lead(&scene).complete);
    let scope = whole(&scene);
    scene.order(scope);
    scene.settle();
    assert_eq!(versions(&scene), [1; 3]);
    assert_eq!(
        scene.0.view.rollouts.baseline(),
        None,
        "newcomers do not get what was taken back"
    );
    scene.0.view.orders.clear();
    retry(&mut scene);
    scene.settle();
    assert_eq!(
        versions(&scene),
        [2, 1, 1],
        "the canary first, whatever they had before"
    );
}

/// Everything ends that can by itself.
fn ended(scene: &mut Scene) {
    for _ in 0..9 {
        scene.settle();
        scene.pass(3600);
    }
    assert!(lead(scene).complete);
}

#[test]
fn of_versions_without_a_line_one_that_was_left_goes_by_waves_again_and_the_way_back_does_not() {
    let tiers = ["canary", "early", "late"];
    let pins = tiers.map(|tier| follower(tier, tier));
    let mut scene = Scene::new(pins).on(1).rolling_out(rollout(2, waves()));
    ended(&mut scene);
    for _ in 0..2 {
        edit(&mut scene, |spec| spec.version = 1);
        scene.settle();
        assert_eq!(versions(&scene), [1; 3], "the way back");
        ended(&mut scene);
        edit(&mut scene, |spec| spec.version = 2);
        scene.settle();
        assert_eq!(versions(&scene), [2, 1, 1], "the canary first");
        scene.pass(3599);
        scene.settle();
        assert_eq!(versions(&scene), [2, 1, 1], "it soaks");
        ended(&mut scene);
        assert_eq!(versions(&scene), [2; 3]);
    }
}

#[test]
fn an_edit_once_all_have_moved_is_soaked_anew() {
    let soaking = |scene: &mut Scene, seconds| {
        edit(scene, |spec| {
            for wave in &mut spec.waves {
                wave.soak = HumanDuration::from_secs(seconds);
            }
        });
        scene.settle();
    };
    let mut scene = rolling(2);
    soaking(&mut scene, 3600);
    while versions(&scene) != [2; 7] {
        scene.pass(600);
        scene.settle();
    }
    assert!(!lead(&scene).complete, "the last wave soaks");
    soaking(&mut scene, 7200);
    assert!(!lead(&scene).complete, "{:?}", lead(&scene));
    for _ in 0..3 {
        scene.pass(7199);
        scene.settle();
        assert!(!lead(&scene).complete);
        scene.pass(1);
        scene.settle();
    }
    assert!(lead(&scene).complete, "{:?}", lead(&scene));
}

#[test]
fn a_paused_rollout_keeps_who_has_moved_and_moves_nobody_else_forward() {
    let mut scene = moved();
    scene.stop(StopKind::Paused, "errors: 3 of 2");
    scene.pass(1_000_000);
    assert!(scene.settle().is_empty());
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    edit(&mut scene, |spec| spec.version = 1);
    scene.settle();
    assert_eq!(versions(&scene), [1, 2, 1, 1, 1, 1, 1], "who had it goes back at once");
}

#[test]
fn what_earlier_waves_of_the_same_target_moved_goes_back_too_and_what_was_completed_stays() {
    let mut scene = moved();
    edit(&mut scene, |spec| {
        spec.waves[2].soak = crate::resources::HumanDuration::from_secs(60)
    });
    scene.settle();
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, 2);
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    scene.settle();
    assert_eq!(versions(&scene), [1, 3, 1, 1, 1, 1, 1]);

    let mut scene = moved();
    for _ in 0..9 {
        scene.pass(3600);
        scene.settle();
    }
    assert!(lead(&scene).complete);
    // A newcomer's wave is another attempt's.
    edit(&mut scene, |spec| {
        spec.waves[0].soak = crate::resources::HumanDuration::from_secs(60)
    });
    let late = scene.0.view.events.get_mut("t6").unwrap();
    *late = vec![flip(1, None, 1)];
    scene.0.view.rows.insert("t6".to_owned(), 1);
    for _ in 0..9 {
        scene.settle();
        scene.pass(3600);
    }
    assert_eq!(versions(&scene), [2; 7]);
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 2, 1]);
}

#[test]
fn who_cannot_have_what_it_had_stays_and_is_told() {
    let mut scene = moved();
    let retired = scene.0.versions.get_mut(&3).unwrap();
    retired.retired_at = Some(at(1500));
    let first = &mut scene.0.view.events.get_mut("t2").unwrap();
    first.last_mut().unwrap().from = None;
    relabel(&mut scene, 0, |pin| {
        pin.spec.hold = Some(crate::resources::Hold {
            reason: "an audit".to_owned(),
            until: None,
        });
    });
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    assert!(scene.settle().is_empty());
    let standings = scene.decide().standings;
    assert!(
        matches!(standings[0], Standing::Kept(Kept::Held(_))),
        "{:?}",
        standings[0]
    );
    assert_eq!(standings[1], Standing::Kept(Kept::NotReturned(NotReturned::Retired(3))));
    assert_eq!(standings[2], Standing::Kept(Kept::NotReturned(NotReturned::HadNone)));
}

#[test]
fn a_row_that_moved_on_by_another_hand_is_left_alone() {
    let mut scene = moved();
    scene.0.view.rows.insert("t0".to_owned(), 3);
    scene.stop(StopKind::RolledBack, "errors: 3 of 2");
    scene.settle();
    assert_eq!(versions(&scene), [3, 3, 1, 1, 1, 1, 1]);
    let standings = scene.decide().standings;
    assert!(matches!(standings[0], Standing::Kept(Kept::ChangedOutside { .. })));
}

#[test]
fn an_order_outranks_what_is_declared_until_it_is_lifted() {
    let mut scene = moved();
    let scope = whole(&scene);
    scene.order(scope);
    scene.settle();
    assert_eq!(versions(&scene), [1, 3, 1, 1, 1, 1, 1]);
    let plan = lead(&scene).plan;
    edit(&mut scene, |spec| spec.version = 3);
    retry(&mut scene);
    scene.pass(1_000_000);
    assert!(
        scene.settle().is_empty(),
        "neither another target nor a retry begins anything"
    );
    assert!(matches!(
        lead(&scene).wait,
        Some(Wait::Ordered(Order { number: 1, .. }))
    ));
    assert_eq!(lead(&scene).plan, plan);

    edit(&mut scene, |spec| spec.version = 2);
    let mut object = (*scene.0.rollouts[0]).clone();
    object.requests.clear();
    scene.0.rollouts = vec![Arc::new(object)];
    scene.0.view.orders.clear();
    assert!(scene.settle().is_empty(), "what was taken back is latched");
    assert!(matches!(lead(&scene).wait, Some(Wait::Stopped(_))));
    retry(&mut scene);
    scene.settle();
    assert_eq!(versions(&scene), [2, 3, 1, 1, 1, 1, 1]);
}

#[test]
fn one_wave_goes_back_and_the_others_wait() {
    let mut scene = moved();
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    scene.order(Scope::Wave {
        attempt,
        wave: "early".to_owned(),
    });
    scene.pass(1_000_000);
    scene.settle();
    assert_eq!(versions(&scene), [2, 3, 1, 1, 1, 1, 1], "the canary stays");
}

#[test]
fn one_tenant_goes_back_and_stays_whatever_its_pin_or_rollout_says() {
    let mut scene = moved();
    scene.order(Scope::Tenant("t2".to_owned()));
    let done = scene.settle();
    let flips: Vec<_> = done.iter().flat_map(|plan| &plan.flips).collect();
    let back = flips.iter().find(|flip| flip.reason == BY_ORDER).unwrap();
    assert_eq!((back.moves.len(), back.moves[0].to), (1, 1));
    for _ in 0..9 {
        scene.pass(3600);
        scene.settle();
    }
    assert_eq!(versions(&scene), [2, 2, 1, 2, 2, 2, 2], "the others go on");
    assert!(matches!(scene.decide().standings[2], Standing::Kept(Kept::Ordered(_))));
    relabel(&mut scene, 2, |pin| pin.spec.version = Some(2));
    assert!(scene.settle().is_empty(), "nor by a version of its own");
    scene.0.view.orders.clear();
    scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
}

#[test]
fn a_pin_with_its_own_version_is_ordered_back_once_and_never_forward_by_it() {
    let acme = pin("acme-production", ACME, 2);
    let ledger = [flip(1, None, 1), flip(2, Some(1), 2)];
    let mut scene = Scene::new([acme])
        .claimed("acme-production")
        .row(Some(2))
        .ledger(ledger);
    scene.order(Scope::Tenant(ACME.to_owned()));
    scene.settle();
    assert_eq!(versions(&scene), [1]);
    scene.order(Scope::Tenant(ACME.to_owned()));
    assert!(
        scene.settle().is_empty(),
        "a second order takes nobody forward, or further back"
    );

    // What was a way back itself is no move that could be taken back.
    let ledger = [flip(1, None, 1), flip(2, Some(1), 2), flip(3, Some(2), 1)];
    let acme = pin("acme-production", ACME, 1);
    let mut scene = Scene::new([acme])
        .claimed("acme-production")
        .row(Some(1))
        .ledger(ledger);
    scene.order(Scope::Tenant(ACME.to_owned()));
    assert!(scene.settle().is_empty());

    // Nor is what another hand did.
    let ledger = [flip(1, None, 1), outside(2, Some(1), Some(3), 1)];
    let acme = pin("acme-production", ACME, 1).restoring("no");
    let mut scene = Scene::new([acme])
        .claimed("acme-production")
        .row(Some(3))
        .ledger(ledger);
    scene.order(Scope::Tenant(ACME.to_owned()));
    assert!(scene.settle().is_empty());
}

#[test]
fn what_was_taken_back_needs_evidence_to_come_again() {
    let acme = || pin("acme-production", ACME, 2);
    let ledger = [flip(1, None, 1), flip(2, Some(1), 2)];
    let mut scene = Scene::new([acme()])
        .claimed("acme-production")
        .row(Some(2))
        .ledger(ledger);
    scene.order(Scope::Tenant(ACME.to_owned()));
    scene.settle();
    scene.0.view.orders.clear();
    let scene = scene.void(2);
    let standing = scene.standing("acme-production");
    assert!(matches!(standing, Standing::Kept(Kept::Unproved(_))), "{standing:?}");
}

/// An order of everything is carried out by the ledger alone, also where nobody is declared who could lead.
fn ordered_without_a_leader(scene: &mut Scene) {
    let on_hold = moved_pin(scene, "t0", |pin| {
        pin.spec.hold = Some(serde_json::from_value(json!({"reason": "audit"})).unwrap());
    });
    let scope = whole(scene);
    scene.order(scope);
    let done = scene.settle();
    assert_eq!(versions(scene), [2, 3, 1, 1, 1, 1, 1], "but for the one on hold");
    let stops = &scene.0.view.rollouts.attempt.as_ref().unwrap().stops;
    let kinds: Vec<_> = stops.iter().map(|stop| (stop.kind, stop.why.as_str())).collect();
    assert_eq!(kinds, [(StopKind::Ordered, "anna: numbers are off")], "once");
    let flips: Vec<_> = done.iter().flat_map(|plan| &plan.flips).collect();
    assert_eq!((flips.len(), flips[0].reason.as_str()), (1, BY_ROLLED_BACK));
    assert!(matches!(scene.standing("t0"), Standing::Kept(Kept::Held(_))));
    assert_eq!(scene.standing("t1"), Standing::NoRollout);
    scene.0.pins = on_hold;
    scene.settle();
    assert_eq!(versions(scene), [1, 3, 1, 1, 1, 1, 1], "its hold has ended");
}

/// Changes a pin, and returns the pins as they were.
fn moved_pin(
    scene: &mut Scene,
    name: &str,
    change: impl FnOnce(&mut crate::ports::Object<crate::resources::TenantPinSpec>),
) -> Vec<Arc<crate::ports::Object<crate::resources::TenantPinSpec>>> {
    let before = scene.0.pins.clone();
    let pin = scene.0.pins.iter_mut().find(|pin| pin.name == name).unwrap();
    change(Arc::make_mut(pin));
    before
}

#[test]
fn an_order_is_carried_out_though_the_rollout_is_gone() {
    let mut scene = moved();
    scene.0.rollouts.clear();
    assert!(scene.settle().is_empty(), "without an order all stays as it is");
    ordered_without_a_leader(&mut scene);
}

#[test]
fn an_order_is_carried_out_though_the_rollout_is_refused() {
    let mut scene = moved();
    edit(&mut scene, |spec| spec.waves.clear());
    assert!(scene.settle().is_empty(), "without an order all stays as it is");
    ordered_without_a_leader(&mut scene);
}

#[test]
fn an_order_about_a_wave_or_a_tenant_is_carried_out_though_the_rollout_is_gone() {
    let mut scene = moved();
    scene.0.rollouts.clear();
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    let wave = "canary".to_owned();
    scene.order(Scope::Wave { attempt, wave });
    scene.settle();
    assert_eq!(versions(&scene), [1, 2, 2, 1, 1, 1, 1]);
    scene.order(Scope::Tenant("t1".to_owned()));
    let done = scene.settle();
    assert_eq!(versions(&scene), [1, 3, 2, 1, 1, 1, 1]);
    assert_eq!(done[0].flips[0].reason, BY_ORDER);
    assert!(matches!(scene.standing("t1"), Standing::Kept(Kept::Ordered(_))));
}

#[test]
fn an_order_without_a_rollout_on_record_makes_nothing_up() {
    let mut scene = house();
    scene.order(Scope::Rollout { attempt: 1 });
    assert!(scene.settle().is_empty());
    assert_eq!(scene.standing("t0"), Standing::NoRollout);
}

#[test]
fn who_was_in_no_wave_when_all_had_ended_moves_by_the_waves_that_come_later() {
    let unlined = |scene: &mut Scene| {
        for version in [2, 3] {
            let record = scene.0.versions.get_mut(&version).unwrap();
            record.source = format!("adopt:model-{version}");
        }
    };
    for change in [|_: &mut Scene| {}, unlined] {
        let mut scene = rolling(2);
        change(&mut scene);
        edit(&mut scene, |spec| drop(spec.waves.pop()));
        ended(&mut scene);
        assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
        let rest = json!({"name": "rest", "batch": {"size": 1, "every": "10m"}, "soak": "1h", "approval": "Required"});
        edit(&mut scene, |spec| {
            spec.waves.push(serde_json::from_value(rest).unwrap());
        });
        for _ in 0..9 {
            scene.settle();
            scene.pass(3600);
        }
        assert_eq!(versions(&scene)[5..], [1, 1], "it was not approved for them");
        assert!(
            matches!(lead(&scene).wait, Some(Wait::Approval(_))),
            "{:?}",
            lead(&scene)
        );
        approve(&mut scene, "rest", Voucher::Verified);
        scene.settle();
        assert_eq!(versions(&scene)[5..], [2, 1], "one by one");
        scene.pass(600);
        scene.settle();
        assert_eq!(versions(&scene), [2; 7]);
        scene.pass(3599);
        scene.settle();
        assert!(!lead(&scene).complete, "and it soaks");
        scene.pass(1);
        scene.settle();
        assert!(lead(&scene).complete);
    }
}

#[test]
fn the_way_back_stays_one_breath_though_one_is_on_hold_at_an_older_version() {
    let mut scene = rolling(2);
    edit(&mut scene, |spec| {
        spec.waves[2].approval = serde_json::from_value(json!("Required")).unwrap()
    });
    approve(&mut scene, "rest", Voucher::Verified);
    scene.settle();
    approve(&mut scene, "rest", Voucher::Verified);
    super::relabel(&mut scene, 6, |pin| *pin = pin.clone().held(None));
    ended(&mut scene);
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 2, 1]);
    edit(&mut scene, |spec| {
        spec.version = 3;
        spec.waves[2].approval = None;
    });
    ended(&mut scene);
    assert_eq!(versions(&scene), [3, 3, 3, 3, 3, 3, 1]);
    edit(&mut scene, |spec| {
        spec.version = 2;
        spec.waves[2].approval = serde_json::from_value(json!("Required")).unwrap();
    });
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 2, 1]);
    assert!(lead(&scene).complete, "{:?}", lead(&scene).wait);
}

/// Canary and early on 2, two in no wave on 1, as when 2 was rolled out; then all of the waves on 3, which is broken.
fn on_three(change: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = rolling(2);
    edit(&mut scene, |spec| drop(spec.waves.pop()));
    ended(&mut scene);
    edit(&mut scene, |spec| spec.version = 3);
    ended(&mut scene);
    assert_eq!(versions(&scene), [3, 3, 3, 3, 3, 1, 1]);
    change(&mut scene);
    edit(&mut scene, |spec| spec.version = 2);
    scene.settle();
    scene
}

#[test]
fn the_way_back_stays_one_breath_though_some_would_move_forward() {
    let none = on_three(|_| {});
    let rest = on_three(|scene| {
        edit(scene, |spec| {
            let rest = json!({"name": "rest", "soak": "1h", "approval": "Required"});
            spec.waves.push(serde_json::from_value(rest).unwrap());
        });
    });
    let kept = on_three(|scene| {
        for place in [5, 6] {
            relabel(scene, place, |pin| {
                pin.labels.insert("tier".to_owned(), "early".to_owned());
                *pin = pin.clone().requiring("staging", 60);
            });
        }
    });
    for scene in [&none, &rest, &kept] {
        assert_eq!(versions(scene), [2, 2, 2, 2, 2, 1, 1]);
        assert_eq!(scene.0.view.rollouts.baseline(), Some(2), "what newcomers get");
    }
    assert!(lead(&none).complete && lead(&kept).complete);

    // Who would move forward does so by waves of its own attempt, and its gates.
    let mut scene = rest;
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, 4);
    assert_eq!(
        phases(&scene),
        [WavePhase::Soaking, WavePhase::Pending, WavePhase::Pending]
    );
    for _ in 0..9 {
        scene.pass(3600);
        scene.settle();
    }
    assert!(
        matches!(lead(&scene).wait, Some(Wait::Approval(_))),
        "{:?}",
        lead(&scene).wait
    );
    assert_eq!(versions(&scene)[5..], [1, 1]);
    approve(&mut scene, "rest", Voucher::Verified);
    scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
    scene.pass(3600);
    scene.settle();
    assert!(lead(&scene).complete && scene.0.view.rollouts.attempt.as_ref().unwrap().number == 4);

    // Those whom something kept do not come at once, either.
    let mut scene = kept;
    scene.0.pins = scene
        .0
        .pins
        .iter()
        .map(|pin| Arc::new(pin.as_ref().clone().with(|pin| pin.spec.requires = None)))
        .collect();
    scene.settle();
    assert_eq!(versions(&scene)[5..], [1, 1], "the canary soaks first");
    ended(&mut scene);
    assert_eq!(versions(&scene), [2; 7]);
}

#[test]
fn a_fleet_that_never_had_a_version_goes_to_it_by_waves_whoever_had_it_before() {
    for a_pilot_is_left in [false, true] {
        let pins = ["canary", "early", "late", "pilot"].map(|tier| follower(tier, tier));
        let pilots = json!([{"name": "pilots", "selector": {"matchLabels": {"tier": "pilot"}}}]);
        let mut scene = Scene::new(pins).on(1).rolling_out(rollout(2, pilots));
        ended(&mut scene);
        edit(&mut scene, |spec| spec.version = 1);
        ended(&mut scene);
        assert_eq!(versions(&scene), [1; 4]);
        if !a_pilot_is_left {
            relabel(&mut scene, 3, |pin| pin.spec.version = Some(2));
            scene.settle();
        }
        edit(&mut scene, |spec| {
            spec.waves = serde_json::from_value(waves()).unwrap();
            spec.version = 2;
        });
        scene.settle();
        assert_eq!(versions(&scene)[..3], [2, 1, 1], "the canary first: {:?}", lead(&scene));
        assert_eq!(phases(&scene)[0], WavePhase::Soaking);
    }
}

#[test]
fn who_came_to_a_broken_version_first_leaves_it_at_once_too() {
    let mut scene = rolling(2);
    ended(&mut scene);
    scene.0.pins.push(Arc::new(follower("t7", "late")));
    edit(&mut scene, |spec| {
        spec.version = 3;
        spec.waves[2].soak = HumanDuration::from_secs(3600);
    });
    scene.0.view.rows.insert("t7".to_owned(), 3);
    scene.0.view.events.insert("t7".to_owned(), vec![flip(1, None, 3)]);
    scene.settle();
    assert_eq!(versions(&scene), [3, 2, 2, 2, 2, 2, 2, 3]);
    edit(&mut scene, |spec| {
        spec.version = 2;
        spec.waves[2].approval = serde_json::from_value(json!("Required")).unwrap();
    });
    scene.settle();
    assert_eq!(versions(&scene), [2; 8]);
    assert!(lead(&scene).complete);
}

#[test]
fn a_row_that_cannot_go_back_begins_no_attempt_after_the_other() {
    let mut scene = on_three(|scene| {
        edit(scene, |spec| {
            spec.waves
                .push(serde_json::from_value(json!({"name": "rest", "approval": "Required"})).unwrap());
        });
        scene.0.refused = ["t3".to_owned()].into();
        scene.0.view.rows.insert("t3".to_owned(), 3);
    });
    for _ in 0..5 {
        // Each pass tries it again first.
        scene.0.refused.clear();
        let plan = scene.decide().plan;
        assert!(
            plan.flips
                .iter()
                .all(|flip| flip.moves.iter().all(|one| one.tenant == "t3"))
        );
        assert!(plan.rollout.is_empty(), "{:?}", plan.rollout);
        scene.0.refused = ["t3".to_owned()].into();
        let plan = scene.decide().plan;
        assert!(plan.rollout.is_empty(), "{:?}", plan.rollout);
        scene.pass(60);
    }
}

#[test]
fn an_order_about_one_wave_keeps_no_other_from_going_back() {
    let mut scene = moved();
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    let wave = "early".to_owned();
    scene.order(Scope::Wave { attempt, wave });
    scene.settle();
    assert_eq!(versions(&scene), [2, 3, 1, 1, 1, 1, 1]);
    edit(&mut scene, |spec| spec.version = 1);
    scene.settle();
    assert_eq!(
        versions(&scene),
        [1, 3, 1, 1, 1, 1, 1],
        "the canary too, and nobody else moves"
    );
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, 1);

    // One about all of them outranks what is declared.
    let mut scene = moved();
    let scope = whole(&scene);
    scene.order(scope);
    scene.settle();
    edit(&mut scene, |spec| spec.version = 3);
    assert!(scene.settle().is_empty());
}

/// Everybody on 1 but t3, a pilot that had 2 and is on 3, which is taken back by the waves of everybody.
fn back_for_a_pilot() -> Scene {
    let mut scene = house().rolling_out(rollout(
        2,
        json!([{"name": "pilots", "selector": {"matchLabels": {"tier": "pilot"}}}]),
    ));
    relabel(&mut scene, 3, |pin| {
        pin.labels.insert("tier".to_owned(), "pilot".to_owned());
    });
    for version in [2, 3] {
        edit(&mut scene, |spec| spec.version = version);
        ended(&mut scene);
    }
    assert_eq!(versions(&scene), [1, 1, 1, 3, 1, 1, 1]);
    edit(&mut scene, |spec| {
        spec.waves = serde_json::from_value(waves()).unwrap();
        spec.version = 2;
    });
    scene
}

#[test]
fn a_way_back_whose_rows_were_not_written_lets_nobody_past_a_wave() {
    let mut scene = back_for_a_pilot();
    let mut plan = scene.decide().plan;
    assert_eq!(plan.flips[0].moves.len(), 1, "the pilot");
    // The process ends between the two.
    plan.flips.clear();
    scene.apply(&plan);
    relabel(&mut scene, 3, |pin| *pin = pin.clone().held(None));
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 3, 1, 1, 1], "the canary alone");

    let mut scene = back_for_a_pilot();
    scene.settle();
    assert_eq!(
        versions(&scene),
        [2, 1, 1, 2, 1, 1, 1],
        "the canary, by its own attempt"
    );
    assert_eq!(scene.0.view.rollouts.baseline(), Some(2));
}

#[test]
fn who_is_in_no_wave_and_cannot_go_back_begins_no_attempt_in_each_pass() {
    for asks in [false, true] {
        let mut scene = on_three(|scene| {
            relabel(scene, 4, |pin| {
                pin.labels.insert("tier".to_owned(), "none".to_owned());
            });
            relabel(scene, 5, |pin| {
                pin.labels.insert("tier".to_owned(), "early".to_owned());
            });
            edit(scene, |spec| {
                spec.suspend = !asks;
                spec.waves[0].approval = asks.then(|| serde_json::from_value(json!("Required")).unwrap());
            });
        });
        // As if its row had been refused, which no scene does by itself.
        scene.0.view.rows.insert("t4".to_owned(), 3);
        scene
            .0
            .view
            .events
            .insert("t4".to_owned(), vec![flip(1, None, 2), flip(2, Some(2), 3)]);
        let mut begun = std::collections::BTreeSet::new();
        for _ in 0..6 {
            scene.pass(60);
            for refused in [false, true, true, true] {
                scene.0.refused = refused.then(|| "t4".to_owned()).into_iter().collect();
                let mut plan = scene.decide().plan;
                plan.flips
                    .retain(|flip| flip.moves.iter().all(|one| one.tenant != "t4"));
                scene.apply(&plan);
            }
            begun.insert(scene.0.view.rollouts.attempt.as_ref().unwrap().number);
        }
        assert_eq!(begun.len(), 1, "asks: {asks}: {begun:?}");
        assert_eq!(scene.0.view.rows["t5"], 1);
    }
}

#[test]
fn one_that_was_taken_back_before_delays_no_way_back() {
    let mut scene = rolling(2);
    ended(&mut scene);
    scene.order(Scope::Tenant("t5".to_owned()));
    scene.settle();
    edit(&mut scene, |spec| spec.version = 3);
    ended(&mut scene);
    assert_eq!(versions(&scene), [3, 3, 3, 3, 3, 1, 3]);
    edit(&mut scene, |spec| {
        spec.version = 2;
        spec.suspend = true;
    });
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 2]);
    assert_eq!(scene.0.view.rollouts.baseline(), Some(2), "what newcomers get");
    assert!(lead(&scene).complete, "{:?}", lead(&scene).wait);
}

#[test]
fn who_is_ordered_to_stay_keeps_nobody_from_an_attempt_and_begins_none() {
    let mut scene = on_three(|_| {});
    for version in [3, 4] {
        scene.0.versions.get_mut(&4).unwrap().complete_at = Some(at(1));
        edit(&mut scene, |spec| spec.version = version);
        ended(&mut scene);
    }
    scene.order(Scope::Tenant("t1".to_owned()));
    scene.settle();
    assert_eq!(versions(&scene), [4, 3, 4, 4, 4, 1, 1]);
    edit(&mut scene, |spec| {
        spec.version = 2;
        spec.waves
            .push(serde_json::from_value(json!({"name": "rest"})).unwrap());
    });
    ended(&mut scene);
    assert_eq!(versions(&scene), [2, 3, 2, 2, 2, 2, 2], "{:?}", lead(&scene).wait);
    let number = scene.0.view.rollouts.attempt.as_ref().unwrap().number;
    scene.pass(10_000);
    assert!(scene.settle().is_empty());
    assert_eq!(scene.0.view.rollouts.attempt.as_ref().unwrap().number, number);
}

#[test]
fn whose_hold_ends_long_after_a_way_back_goes_by_waves_all_the_same() {
    for edited in [false, true] {
        let mut scene = on_three(|scene| {
            for place in [5, 6] {
                relabel(scene, place, |pin| {
                    pin.labels.insert("tier".to_owned(), "early".to_owned());
                    *pin = pin.clone().held(None);
                });
            }
        });
        assert!(lead(&scene).complete);
        if edited {
            edit(&mut scene, |spec| spec.waves[0].soak = HumanDuration::from_secs(7200));
            scene.settle();
        }
        scene.pass(60);
        for place in [5, 6] {
            relabel(&mut scene, place, |pin| pin.spec.hold = None);
        }
        scene.settle();
        assert_eq!(
            versions(&scene)[5..],
            [1, 1],
            "edited: {edited}: the canary soaks first"
        );
        ended(&mut scene);
        assert_eq!(versions(&scene), [2; 7]);
    }
}
