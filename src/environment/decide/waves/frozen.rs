//! Rollouts of which a freeze keeps some tenants only.

use std::sync::Arc;

use serde_json::json;

use super::super::super::scene::follower;
use super::super::super::scene::{Scene, With, at};
use super::super::{FrozenTenants, Kept, RolloutStanding, Standing, Wait};
use super::checked::{answers, checked, unknown};
use super::{edit, lead, phases, relabel, rolling, versions};
use crate::resources::{Freeze, WavePhase};

/// A freeze of those whose region this is.
fn freeze(region: &str, until: Option<i64>) -> Freeze {
    Freeze {
        until: until.map(at),
        reason: "quarter's end".to_owned(),
        selector: serde_json::from_value(json!({"matchLabels": {"region": region}})).unwrap(),
        ..Freeze::default()
    }
}

/// One of the early ones and one of the late ones is of EMEA.
fn settled_abroad(mut scene: Scene) -> Scene {
    for place in [2, 5] {
        relabel(&mut scene, place, |pin| {
            drop(pin.labels.insert("region".to_owned(), "emea".to_owned()));
        });
    }
    scene
}

/// Rolling out to version 2 while EMEA closes its quarter.
fn closing(until: Option<i64>) -> Scene {
    let mut scene = settled_abroad(rolling(2));
    edit(&mut scene, |spec| spec.freeze = vec![freeze("emea", until)]);
    scene
}

fn passes(scene: &mut Scene, seconds: i64) {
    scene.pass(seconds);
    scene.settle();
}

fn kept(scene: &Scene) -> FrozenTenants {
    match lead(scene).wait {
        Some(Wait::FrozenTenants(kept)) => kept,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_in_scope_stays_others_move_on_in_their_batches_and_the_wave_waits() {
    let mut scene = closing(Some(20_000));
    scene.settle();
    passes(&mut scene, 3600);
    assert_eq!(
        versions(&scene),
        [2, 2, 1, 2, 1, 1, 1],
        "a whole batch of those who may move"
    );
    assert!(matches!(lead(&scene).wait, Some(Wait::Batch(..))));
    passes(&mut scene, 600);
    assert_eq!(versions(&scene), [2, 2, 1, 2, 2, 1, 1]);
    let told = kept(&scene);
    assert_eq!(
        (told.wave.as_str(), told.tenants, told.named.as_slice()),
        ("early", 1, ["t2".to_owned()].as_slice())
    );
    assert_eq!(
        (told.freeze.until, told.freeze.scope.as_deref()),
        (Some(at(20_000)), Some("region=emea"))
    );
    assert_eq!(scene.decide().wake, Some(at(20_000)));
    assert!(matches!(scene.standing("t2"), Standing::Kept(Kept::Frozen { .. })));
    assert!(
        matches!(scene.standing("t5"), Standing::Kept(Kept::Queued { .. })),
        "its wave has not opened"
    );
    assert_eq!(lead(&scene).waves[1].left_out, 0, "the wave waits for it");

    passes(&mut scene, 10_000);
    assert_eq!(
        (versions(&scene), phases(&scene)[1]),
        (vec![2, 2, 1, 2, 2, 1, 1], WavePhase::Open),
        "long after the soak"
    );
    passes(&mut scene, 4800);
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1], "the freeze is over");
    passes(&mut scene, 1799);
    assert_eq!(phases(&scene)[1], WavePhase::Soaking, "since the last has moved");
    passes(&mut scene, 1);
    assert_eq!(versions(&scene), [2; 7]);
}

#[test]
fn of_two_freezes_that_keep_a_tenant_the_last_to_end_counts_and_one_without_end_is_a_persons() {
    let mut scene = closing(Some(5000));
    edit(&mut scene, |spec| {
        spec.freeze.push(freeze("emea", Some(30_000)));
        spec.waves.drain(..2);
    });
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 1, 2, 2, 1, 2]);
    let told = kept(&scene);
    assert_eq!(
        (told.tenants, told.freeze.until, told.named.len()),
        (2, Some(at(30_000)), 2)
    );
    passes(&mut scene, 10_000);
    assert_eq!(versions(&scene), [2, 2, 1, 2, 2, 1, 2]);
    edit(&mut scene, |spec| spec.freeze = vec![freeze("emea", None)]);
    scene.settle();
    assert_eq!(
        (kept(&scene).freeze.until, scene.decide().wake),
        (None, None),
        "until a person takes it out"
    );
    edit(&mut scene, |spec| spec.freeze.clear());
    scene.settle();
    assert_eq!(versions(&scene), [2; 7]);
}

#[test]
fn nobody_is_frozen_on_the_way_back_and_a_hold_outlasts_a_freeze() {
    let mut scene = closing(None);
    edit(&mut scene, |spec| spec.freeze.clear());
    scene.settle();
    for _ in 0..4 {
        passes(&mut scene, 3600);
    }
    assert_eq!(versions(&scene), [2; 7]);
    edit(&mut scene, |spec| {
        spec.freeze = vec![freeze("emea", None)];
        spec.version = 1;
    });
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);

    // Kept by something of its own it is left out, and the wave goes on without it.
    let mut held = closing(None);
    for place in [2, 5] {
        relabel(&mut held, place, |pin| *pin = pin.clone().held(None));
    }
    held.settle();
    for _ in 0..4 {
        passes(&mut held, 3600);
    }
    assert_eq!(versions(&held), [2, 2, 1, 2, 2, 1, 2]);
    assert!(lead(&held).complete);
    relabel(&mut held, 5, |pin| pin.spec.hold = None);
    held.settle();
    assert_eq!(
        kept(&held).named,
        ["t5"],
        "who comes after the end of its wave is kept too"
    );
    assert!(lead(&held).complete && matches!(held.standing("t5"), Standing::Kept(Kept::Frozen { .. })));
}

#[test]
fn what_keeps_everybody_and_what_a_check_says_is_told_before_it() {
    let mut scene = settled_abroad(checked(&["errors"], json!({})));
    edit(&mut scene, |spec| {
        spec.freeze = vec![freeze("emea", None)];
        spec.waves.drain(..2);
    });
    answers(&mut scene, "errors", unknown());
    scene.settle();
    assert!(matches!(lead(&scene).wait, Some(Wait::Check(_))), "{:?}", lead(&scene));
    edit(&mut scene, |spec| spec.suspend = true);
    assert_eq!(lead(&scene).wait, Some(Wait::Suspended));
    assert!(matches!(scene.standing("t2"), Standing::Kept(Kept::Queued { .. })));
}

#[test]
fn a_selector_that_is_none_is_refused() {
    let mut scene = closing(None);
    edit(&mut scene, |spec| {
        let odd = json!({"matchExpressions": [{"key": "region", "operator": "Near", "values": ["emea"]}]});
        spec.freeze[0].selector = serde_json::from_value(odd).unwrap();
    });
    let decided = scene.decide();
    assert!(
        matches!(&decided.rollouts[0], RolloutStanding::Invalid(why) if why.starts_with("spec.freeze[0].selector")),
        "{:?}",
        decided.rollouts
    );
}

#[test]
fn a_newcomer_gets_what_was_rolled_out_to_the_end_while_nobody_may_move() {
    for everybody in [true, false] {
        let mut scene = rolling(2);
        while !lead(&scene).complete {
            passes(&mut scene, 600);
        }
        edit(&mut scene, |spec| match everybody {
            true => {
                spec.freeze = vec![Freeze {
                    selector: None,
                    ..freeze("emea", None)
                }]
            }
            false => spec.suspend = true,
        });
        scene.0.pins.insert(0, Arc::new(follower("new", "late")));
        scene.settle();
        assert_eq!(scene.0.view.rows.get("new"), Some(&2), "everybody: {everybody}");
    }
}

#[test]
fn who_comes_late_to_an_ended_wave_hides_nothing_of_what_the_next_one_waits_for() {
    let mut scene = closing(Some(20_000));
    edit(&mut scene, |spec| {
        spec.waves[2].approval = serde_json::from_value(json!("Required")).unwrap();
    });
    // Held, so that the later waves pass it.
    relabel(&mut scene, 2, |pin| *pin = pin.clone().held(Some(15_000)));
    for _ in 0..5 {
        passes(&mut scene, 1800);
    }
    assert_eq!(versions(&scene), [2, 2, 1, 2, 2, 1, 1]);
    assert_eq!(phases(&scene)[1], WavePhase::Ended);
    assert!(
        matches!(lead(&scene).wait, Some(Wait::Approval(_))),
        "{:?}",
        lead(&scene)
    );
    passes(&mut scene, 6000);
    let told = lead(&scene);
    assert!(
        matches!(told.wait, Some(Wait::Approval(_))),
        "a person is awaited: {told:?}"
    );
    let Some(Wait::FrozenTenants(late)) = &told.waves[1].waits else {
        panic!("{told:?}");
    };
    assert!(late.is_late);
    assert_eq!(scene.decide().wake, Some(at(20_000)), "nor is the late one forgotten");
    passes(&mut scene, 20_000);
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
}

#[test]
fn of_two_freezes_of_everybody_the_last_to_end_is_told() {
    let everybody = |until: Option<i64>| Freeze {
        selector: None,
        ..freeze("", until)
    };
    for (first, second, last) in [
        (Some(2000), Some(3000), Some(at(3000))),
        (Some(3000), Some(2000), Some(at(3000))),
        (Some(2000), None, None),
    ] {
        let mut scene = rolling(2);
        edit(&mut scene, |spec| {
            spec.freeze = vec![everybody(first), everybody(second)]
        });
        scene.settle();
        let Some(Wait::Frozen(told)) = lead(&scene).wait else {
            panic!("{:?}", lead(&scene));
        };
        assert_eq!(told.until, last);
    }
}
