//! Forecasts of rollouts whose end can be counted by hand, and that what was forecast comes true.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::scene::{Scene, With, at, follower, pin, rollout};
use super::{Forecast, forecast};
use crate::resources::{Freeze, VersionRolloutSpec};

/// One canary that rests for an hour, four early ones in halves ten minutes apart that rest for half an hour, and two
/// others; all on version 1.
fn house(change: impl FnOnce(&mut VersionRolloutSpec)) -> Scene {
    let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
    let waves: Value = json!([
        {"name": "canary", "selector": tier("canary"), "soak": "1h"},
        {"name": "early", "selector": tier("early"), "batch": {"size": "50%", "every": "10m"}, "soak": "30m"},
        {"name": "rest"},
    ]);
    let tiers = ["canary", "early", "early", "early", "early", "late", "late"];
    let pins = tiers.iter().enumerate();
    let pins = pins.map(|(place, tier)| follower(&format!("t{place}"), tier));
    let mut object = rollout(2, waves);
    change(&mut object.spec);
    Scene::new(pins).on(1).rolling_out(object)
}

fn of(scene: &Scene) -> Forecast {
    forecast(&scene.0).expect("a rollout moves tenants")
}

/// Moves, batches and the end of each wave.
fn waves(forecast: &Forecast) -> Vec<(u32, u32, Option<Timestamp>)> {
    let waves = forecast.waves.iter();
    waves.map(|wave| (wave.moves, wave.batches, wave.ends_at)).collect()
}

fn freeze(from: Option<i64>, until: Option<i64>) -> Freeze {
    Freeze {
        from: from.map(at),
        until: until.map(at),
        reason: "year end".to_owned(),
        ..Freeze::default()
    }
}

#[test]
fn soaks_and_batches_are_counted_and_come_true() {
    let mut scene = house(|_| {});
    let told = of(&scene);
    let rested = 1000 + 3600;
    let early = rested + 600 + 1800;
    assert_eq!(
        waves(&told),
        [
            (1, 1, Some(at(rested))),
            (4, 2, Some(at(early))),
            (2, 1, Some(at(early)))
        ]
    );
    assert_eq!((told.ends_at, &told.stops, told.left_out), (Some(at(early)), &None, 0));
    assert_eq!(told.waves[1].moves_at, Some(at(rested)));

    // Looked at once a minute, as passes do; half way the rest is forecast likewise.
    while scene.0.now < at(early) {
        assert!(!scene.decide().plan.is_empty() || scene.held().iter().any(|(_, version)| *version == 1));
        scene.settle();
        scene.pass(60);
        assert_eq!(of(&scene).ends_at, Some(at(early)), "at {}", scene.0.now);
    }
    scene.settle();
    assert!(scene.held().iter().all(|(_, version)| *version == 2));
    let done = of(&scene);
    assert_eq!(waves(&done).iter().map(|wave| wave.0).collect::<Vec<_>>(), [0, 0, 0]);
    assert!(!done.has_work() && told.has_work());
}

#[test]
fn a_freeze_that_comes_in_between_pushes_what_it_covers_on() {
    // From the middle of the canary's rest to after its end, and another one that the batches run into.
    let scene = house(|spec| {
        spec.freeze = vec![freeze(Some(3000), Some(8000)), freeze(Some(8100), Some(20_000))];
    });
    let told = of(&scene);
    let early = 20_000 + 1800;
    assert_eq!(
        waves(&told),
        [(1, 1, Some(at(4600))), (4, 2, Some(at(early))), (2, 1, Some(at(early)))]
    );
    assert_eq!(told.waves[1].moves_at, Some(at(8000)));
}

#[test]
fn a_freeze_of_some_pushes_their_wave_and_what_comes_after_it() {
    let of_some = |until| {
        let scope = serde_json::from_value(json!({"matchLabels": {"tier": "late"}})).unwrap();
        let freeze = Freeze {
            selector: scope,
            ..freeze(None, until)
        };
        of(&house(|spec| spec.freeze = vec![freeze]))
    };
    let told = of_some(Some(20_000));
    let early = 1000 + 3600 + 600 + 1800;
    assert_eq!(
        waves(&told),
        [
            (1, 1, Some(at(4600))),
            (4, 2, Some(at(early))),
            (2, 1, Some(at(20_000)))
        ]
    );
    assert_eq!(told.waves[2].moves_at, Some(at(20_000)));
    let endless = of_some(None);
    assert_eq!(waves(&endless)[2], (0, 0, None));
    let stops = endless.stops.unwrap();
    assert!(
        stops.contains("tier=late: t5, t6") && stops.contains("spec.freeze"),
        "{stops}"
    );
}

#[test]
fn what_waits_for_a_person_never_ends_by_itself_and_says_so() {
    let suspended = of(&house(|spec| spec.suspend = true));
    assert_eq!(waves(&suspended), [(0, 0, None), (0, 0, None), (0, 0, None)]);
    assert!(
        suspended.stops.as_ref().is_some_and(|why| why.contains("spec.suspend")),
        "{suspended:?}"
    );
    let frozen = of(&house(|spec| spec.freeze = vec![freeze(Some(3000), None)]));
    assert_eq!(waves(&frozen)[..2], [(1, 1, Some(at(4600))), (0, 0, None)]);
    assert!(
        frozen.stops.as_ref().is_some_and(|why| why.contains("spec.freeze")),
        "{frozen:?}"
    );
    assert_eq!(frozen.ends_at, None);
    assert!(frozen.has_work());

    let mut held = house(|_| {});
    let canary = (*held.0.pins[0]).clone();
    held.0.pins[0] = Arc::new(canary.clone().held(None));
    let told = of(&held);
    assert!(
        told.stops
            .as_ref()
            .is_some_and(|why| why.contains("every tenant of wave canary")),
        "{told:?}"
    );
    assert_eq!(
        (told.left_out, told.left_out_tenants.as_slice()),
        (1, &["t0: Held".to_owned()][..])
    );
    assert_eq!(told.waves[0].left_out, 1);
    // A hold with an end only delays.
    held.0.pins[0] = Arc::new(canary.held(Some(5000)));
    let told = of(&held);
    assert_eq!(
        (told.waves[0].moves_at, told.waves[0].ends_at),
        (Some(at(5000)), Some(at(8600)))
    );
    assert_eq!(told.stops, None);
}

#[test]
fn who_has_a_version_of_its_own_or_is_on_hold_is_not_counted_as_moving() {
    let mut scene = house(|_| {});
    scene.0.pins[5] = Arc::new(pin("t5", "t5", 3));
    scene.0.pins[1] = Arc::new((*scene.0.pins[1]).clone().held(None));
    let told = of(&scene);
    let moves: Vec<_> = told
        .waves
        .iter()
        .map(|wave| (wave.tenants, wave.moves, wave.left_out))
        .collect();
    assert_eq!(moves, [(1, 1, 0), (4, 3, 1), (1, 1, 0)]);
    assert_eq!(told.left_out_tenants, ["t1: Held"]);
}

#[test]
fn a_target_that_is_being_cut_is_presumed_and_one_that_is_retired_or_unknown_is_not() {
    let being_cut = of(&house(|spec| spec.version = 4));
    assert_eq!(
        being_cut.presumed.as_deref(),
        Some("counted as if version 4 were complete now")
    );
    assert_eq!(being_cut.ends_at, Some(at(1000 + 3600 + 600 + 1800)));
    for version in [5, 9] {
        let told = of(&house(|spec| spec.version = version));
        assert_eq!((told.ends_at, &told.presumed), (None, &None));
        assert!(told.stops.is_some());
    }
}

#[test]
fn the_way_back_takes_one_transaction_and_no_rest() {
    let mut scene = house(|_| {});
    scene.settle();
    let mut object = (*scene.0.rollouts[0]).clone();
    object.spec.version = 1;
    let scene = scene.rolling_out(object);
    let told = of(&scene);
    assert_eq!((told.ends_at, &told.stops), (Some(at(1000)), &None));
}

#[test]
fn many_batches_are_counted_one_by_one() {
    let pins = (0..40).map(|place| follower(&format!("t{place:02}"), "late"));
    let waves = json!([{"name": "all", "batch": {"size": 1, "every": "1m"}}]);
    let told = of(&Scene::new(pins).on(1).rolling_out(rollout(2, waves)));
    assert_eq!(super::tests::waves(&told), [(40, 40, Some(at(1000 + 39 * 60)))]);
}

#[test]
fn checks_that_are_asked_each_minute_use_up_no_looks() {
    let check =
        json!([{"name": "errors", "prometheus": {"url": "https://metrics.example", "query": "errors", "max": 1}}]);
    let told = of(&house(|spec| {
        spec.checks = serde_json::from_value(check).unwrap();
        for wave in &mut spec.waves {
            wave.soak = crate::resources::HumanDuration::from_secs(100 * 3600);
        }
    }));
    let hours = |hours: i64| Some(at(1000 + hours * 3600));
    assert_eq!(
        waves(&told),
        [
            (1, 1, hours(100)),
            (4, 2, Some(at(1000 + 200 * 3600 + 600))),
            (2, 1, Some(at(1000 + 300 * 3600 + 600)))
        ],
        "{told:?}"
    );
    assert!(told.ends_at.is_some() && !told.is_cut, "{told:?}");
}

#[test]
fn what_a_person_ends_is_not_cut_since_checks_are_asked_meanwhile() {
    let check =
        json!([{"name": "errors", "prometheus": {"url": "https://metrics.example", "query": "errors", "max": 1}}]);
    let mut scene = house(|spec| spec.checks = serde_json::from_value(check).unwrap());
    scene.settle();
    scene.pass(4000);
    scene.settle();
    let mut object = (*scene.0.rollouts[0]).clone();
    object.spec.suspend = true;
    scene.0.rollouts = vec![Arc::new(object)];
    let told = of(&scene);
    assert!(!told.is_cut && told.ends_at.is_none(), "{told:?}");
    assert!(told.stops.as_ref().unwrap().contains("suspended"), "{told:?}");
}

#[test]
fn who_comes_late_to_a_wave_that_has_ended_is_counted_batch_by_batch() {
    let pins = (0..10).map(|place| follower(&format!("t{place}"), "late"));
    let waves = json!([{"name": "all", "batch": {"size": 5, "every": "10m"}}]);
    let mut scene = Scene::new(pins).on(1).rolling_out(rollout(2, waves));
    for _ in 0..4 {
        scene.settle();
        scene.pass(600);
    }
    assert!(!of(&scene).has_work());
    for place in 0..10 {
        let mut late = follower(&format!("u{place}"), "late");
        late.name = format!("u{place}");
        scene.0.pins.push(Arc::new(late.clone()));
        scene.0.view.rows.insert(late.spec.tenant.clone(), 1);
        let begun = super::super::scene::flip(1, None, 1);
        scene.0.view.events.insert(late.spec.tenant.clone(), vec![begun]);
    }
    let now = scene.0.now;
    let told = of(&scene);
    assert_eq!((told.waves[0].moves, told.waves[0].batches), (10, 2), "{told:?}");
    assert_eq!(
        told.ends_at,
        now.checked_add(jiff::SignedDuration::from_mins(10)).ok(),
        "{told:?}"
    );
}

#[test]
fn a_forecast_that_is_broken_off_does_not_say_that_nothing_ends_it() {
    let pins = (0..2100).map(|place| follower(&format!("t{place:04}"), "late"));
    let waves = json!([{"name": "all", "batch": {"size": 1, "every": "1m"}}]);
    let told = of(&Scene::new(pins).on(1).rolling_out(rollout(2, waves)));
    assert!(told.is_cut && told.ends_at.is_none(), "{told:?}");
}
