//! The situations that people ask about, each with the text that they read: `gallery/<name>.txt`. With the variable
//! `WRITE_GALLERY` set, the test writes what is missing or has changed, to be reviewed, and fails.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::act::Failed;
use super::super::decide::decide;
use super::super::forecast::forecast;
use super::super::observe::Holder;
use super::super::report;
use super::super::scene::{ACME, Scene, With, at, flip, follower, outside, pin, rollout};
use super::{Asked, Explanation, Outlook, of};
use crate::ports::{Answer, Object, Order, Scope, StopKind};
use crate::resources::conditions::READY;
use crate::resources::{Freeze, PinDeletionPolicy, TenantPinSpec, VersionRolloutSpec};

const INTERVAL: Duration = Duration::from_secs(300);

/// What somebody asks about.
struct Situation {
    name: &'static str,
    scene: Scene,
    asked: Asked,
}

impl Situation {
    fn explained(&self) -> Explanation {
        of(&self.scene.0, &self.asked, INTERVAL).expect("it is there")
    }
}

/// Acme's pin asks for this version; its row holds version 1.
fn acme(version: i32) -> Scene {
    of_pin(pin("acme", ACME, version))
}

fn of_pin(pin: Object<TenantPinSpec>) -> Scene {
    Scene::new([pin]).on(1)
}

/// Canaries rest for an hour, then half of the early ones at a time, then everybody else.
fn waves() -> Value {
    let tier = |tier: &str| json!({"matchLabels": {"tier": tier}});
    json!([
        {"name": "canary", "selector": tier("canary"), "soak": "1h"},
        {"name": "early", "selector": tier("early"), "batch": {"size": "50%", "every": "10m"}, "soak": "30m"},
        {"name": "rest"},
    ])
}

/// Four tenants on version 1 that follow a rollout: one canary, two early ones, one other. What is done by now is done.
fn rolling(version: i32, change: impl FnOnce(&mut VersionRolloutSpec)) -> Scene {
    rolling_of(|_| {}, version, change)
}

fn rolling_of(
    pins: impl Fn(&mut Object<TenantPinSpec>),
    version: i32,
    change: impl FnOnce(&mut VersionRolloutSpec),
) -> Scene {
    let tiers = ["canary", "early", "early", "late"];
    let all = tiers.iter().enumerate();
    let all = all.map(|(place, tier)| follower(&format!("t{place}"), tier).with(&pins));
    let mut object = rollout(version, waves());
    change(&mut object.spec);
    object.spec_hash = crate::resources::spec_hash(&object.spec);
    let mut scene = Scene::new(all).on(1).rolling_out(object);
    scene.settle();
    scene
}

/// Likewise, when the canary has rested: the first of the early ones has moved.
fn second_wave() -> Scene {
    let mut scene = rolling(2, |_| {});
    scene.pass(3600);
    scene.settle();
    scene
}

fn frozen(until: Option<i64>) -> Freeze {
    Freeze {
        from: None,
        until: until.map(at),
        reason: "year end".to_owned(),
        ..Freeze::default()
    }
}

/// Asked about its canary, which has moved and soaked, with this answer.
fn checked(answer: Answer) -> Scene {
    let mut object = rollout(2, waves());
    let checks = json!([{"name": "errors", "webhook": {"url": "https://checks.example"}}]);
    object.spec.checks = serde_json::from_value(checks).unwrap();
    let mut scene = rolling(1, |_| {}).rolling_out(object);
    scene.1.insert("errors".to_owned(), answer);
    scene.settle();
    scene.pass(3600);
    scene.settle();
    scene
}

fn tenant(name: &'static str, tenant: &str, scene: Scene) -> Situation {
    Situation {
        name,
        scene,
        asked: Asked::Tenant(tenant.to_owned()),
    }
}

fn main_rollout(name: &'static str, scene: Scene) -> Situation {
    Situation {
        name,
        scene,
        asked: Asked::Rollout("main".to_owned()),
    }
}

/// Tenants whose pins have a version of their own.
fn of_tenants() -> Vec<Situation> {
    let mut odd = acme(2);
    odd.0.view.rows.clear();
    odd.0.view.odd_rows.insert(ACME.to_owned(), None);
    let mut unrecorded = acme(2);
    unrecorded.0.view.rows.insert(ACME.to_owned(), 3);
    let mut undeclared = acme(1);
    undeclared.0.pins.clear();
    let twin = |fate| {
        let twins = [pin("acme", ACME, 2), pin("other", ACME, 3)];
        Scene::new(twins)
            .row(Some(1))
            .claim(ACME, "apps/gone", PinDeletionPolicy::Retain, fate)
    };
    let mut as_wished = acme(2);
    as_wished.settle();
    let needs = |staging: Vec<_>| of_pin(pin("acme", ACME, 2).requiring("staging", 3600)).staging(staging);
    vec![
        tenant("as-wished", ACME, as_wished),
        tenant("moving", ACME, acme(2)),
        tenant("without-a-row", ACME, Scene::new([pin("acme", ACME, 4)])),
        tenant("version-being-cut", ACME, acme(4)),
        tenant("version-not-declared", ACME, acme(9)),
        tenant("version-retired", ACME, acme(5)),
        tenant("changed-outside", ACME, {
            let events = [flip(1, None, 1), outside(900, Some(1), Some(3), 2)];
            acme(2).row(Some(3)).ledger(events)
        }),
        tenant("changed-outside-not-on-record", ACME, unrecorded),
        tenant("unknown-current-version", ACME, acme(2).row(Some(7)).ledger([])),
        tenant("no-version", ACME, odd),
        tenant("held-until", ACME, of_pin(pin("acme", ACME, 2).held(Some(5000)))),
        tenant("held", ACME, of_pin(pin("acme", ACME, 2).held(None))),
        tenant("hold-ended", ACME, {
            let mut scene = of_pin(pin("acme", ACME, 1).held(Some(500)));
            scene.settle();
            scene
        }),
        tenant("evidence-void", ACME, acme(2).void(2)),
        tenant("evidence-missing", ACME, acme(2).sampled(2, None)),
        tenant("required-elsewhere-until", ACME, needs(vec![flip(900, Some(1), 2)])),
        tenant("required-elsewhere-broken-off", ACME, {
            needs(vec![flip(100, Some(1), 2), flip(900, Some(2), 1)])
        }),
        tenant("required-elsewhere-not-begun", ACME, needs(Vec::new())),
        tenant("claimed-by-another", ACME, {
            acme(2).claim(ACME, "apps/other", PinDeletionPolicy::Retain, Holder::Unseen)
        }),
        tenant("claimed-by-one-that-is-missing", ACME, twin(Holder::Missing(at(1900)))),
        tenant("pin-refused", ACME, of_pin(pin("acme", ACME, 0))),
        tenant(
            "pin-being-deleted",
            ACME,
            of_pin(pin("acme", ACME, 2).with(|pin| pin.deleting = true)),
        ),
        tenant("without-a-pin", ACME, undeclared),
        tenant("without-a-rollout", "t0", Scene::new([follower("t0", "canary")]).on(1)),
    ]
}

/// Tenants that follow a rollout.
fn of_followers() -> Vec<Situation> {
    let held = |pin: &mut Object<TenantPinSpec>| {
        if pin.labels["tier"] == "canary" {
            *pin = pin.clone().held(Some(9000));
        }
    };
    let only = json!([{"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}}]);
    let mut needs = waves();
    needs[0]["requires"] = json!({"environment": "staging", "soak": "30m"});
    let mut required = Scene::new([follower("t0", "canary"), follower("t3", "late")]).on(1);
    let staging = required.0.view.evidence.entry("staging".to_owned()).or_default();
    staging.insert("t0".to_owned(), vec![flip(900, Some(1), 2)]);
    let mut required = required.rolling_out(rollout(2, needs));
    required.settle();
    let mut newcomer = second_wave();
    newcomer.0.rollouts = {
        let mut object = (*newcomer.0.rollouts[0]).clone();
        object.spec.freeze = vec![frozen(Some(9000))];
        vec![Arc::new(object)]
    };
    newcomer.0.pins.push(Arc::new(follower("t9", "canary")));
    newcomer.settle();
    vec![
        tenant("moved-with-its-wave", "t0", rolling(2, |_| {})),
        tenant("queued-behind-a-soak", "t3", rolling(2, |_| {})),
        tenant("queued-for-the-next-batch", "t2", second_wave()),
        tenant(
            "queued-in-a-freeze",
            "t0",
            rolling(2, |spec| spec.freeze = vec![frozen(Some(9000))]),
        ),
        tenant("ordered-back-though-its-rollout-is-gone", "t0", {
            let mut scene = rolling(2, |_| {});
            scene.0.rollouts.clear();
            scene.order(Scope::Tenant("t0".to_owned()));
            scene.settle();
            scene
        }),
        tenant("queued-while-suspended", "t0", rolling(2, |spec| spec.suspend = true)),
        tenant("queued-behind-a-wave-held-back", "t3", rolling_of(held, 2, |_| {})),
        tenant("queued-for-a-version-being-cut", "t0", {
            let mut scene = rolling(4, |_| {});
            scene.0.view.rollouts.completed = vec![(0, 1)];
            scene.0.pins.push(Arc::new(follower("t9", "canary")));
            scene
        }),
        tenant("queued-behind-a-wave-that-requires", "t3", required),
        tenant("came-late-in-a-freeze", "t9", newcomer),
        tenant("kept-by-a-freeze-of-some", "t1", frozen_abroad()),
        tenant("selected-by-no-wave", "t3", {
            let mut scene = rolling(1, |_| {});
            scene = scene.rolling_out(rollout(2, only));
            scene.settle();
            scene
        }),
    ]
}

/// The second wave, of which a freeze of a region keeps one.
fn frozen_abroad() -> Scene {
    let abroad = |pin: &mut Object<TenantPinSpec>| {
        if pin.name == "t1" {
            pin.labels.insert("region".to_owned(), "emea".to_owned());
        }
    };
    let mut scene = rolling_of(abroad, 2, |spec| {
        spec.freeze = vec![Freeze {
            selector: serde_json::from_value(json!({"matchLabels": {"region": "emea"}})).unwrap(),
            ..frozen(Some(9000))
        }];
    });
    scene.pass(3600);
    scene.settle();
    scene
}

/// The second wave's rollout, when a person ordered this back; done is what follows from it.
fn ordered_back(scope: Scope) -> Scene {
    let mut scene = second_wave();
    scene.0.view.orders.push(Order {
        number: 7,
        at: at(4600),
        scope,
        by: "ann".to_owned(),
        reason: "wrong totals".to_owned(),
    });
    scene.settle();
    scene
}

/// The second wave's rollout, when it was stopped so.
fn stopped(kind: StopKind) -> Scene {
    let mut scene = second_wave();
    scene.stop(kind, "2 of 4 tenants fail check errors");
    scene.settle();
    scene
}

/// What was stopped, and what a person ordered back.
fn of_the_way_back() -> Vec<Situation> {
    let mut retired = second_wave();
    retired.0.versions.get_mut(&1).expect("it is on record").retired_at = Some(at(4000));
    let mut gone = ordered_back(Scope::Tenant("nobody".to_owned()));
    gone.0.versions = retired.0.versions;
    gone.0.view.orders[0].scope = Scope::Rollout { attempt: 1 };
    gone.settle();
    vec![
        tenant(
            "taken-back-by-a-person",
            "t0",
            ordered_back(Scope::Tenant("t0".to_owned())),
        ),
        tenant(
            "taken-back-with-its-rollout",
            "t0",
            ordered_back(Scope::Rollout { attempt: 1 }),
        ),
        tenant(
            "not-moved-yet-when-its-rollout-was-paused",
            "t3",
            stopped(StopKind::Paused),
        ),
        tenant("taken-back-by-a-failure", "t0", stopped(StopKind::RolledBack)),
        tenant("cannot-go-back", "t0", gone),
        main_rollout("rollout-paused", stopped(StopKind::Paused)),
        main_rollout("rollout-rolled-back", stopped(StopKind::RolledBack)),
        main_rollout("rollout-ordered-back", ordered_back(Scope::Rollout { attempt: 1 })),
    ]
}

/// Rollouts whose waves are asked about.
fn of_checks() -> Vec<Situation> {
    vec![
        main_rollout(
            "rollout-check-fails",
            checked(Answer::failed(["t0".to_owned()].into(), "14 errors".to_owned())),
        ),
        main_rollout(
            "rollout-check-says-nothing",
            checked(Answer::unknown("it answers 503".to_owned())),
        ),
        main_rollout("rollout-nobody-left-to-ask", {
            let mut scene = checked(Answer::unknown("it answers 503".to_owned()));
            Arc::make_mut(&mut scene.0.pins[0]).spec.version = Some(1);
            scene.settle();
            scene
        }),
    ]
}

/// Rollouts.
fn of_rollouts() -> Vec<Situation> {
    let held = |pin: &mut Object<TenantPinSpec>| {
        if pin.name == "t1" {
            *pin = pin.clone().held(None);
        }
    };
    let mut complete = rolling_of(held, 2, |_| {});
    for _ in 0..4 {
        complete.pass(3600);
        complete.settle();
    }
    let mut two = rolling(2, |_| {});
    two.0.rollouts.insert(0, {
        let mut other = rollout(3, json!([{"name": "all"}]));
        other.name = "another".to_owned();
        Arc::new(other)
    });
    vec![
        main_rollout("rollout-begins", {
            let tiers = [follower("t0", "canary"), follower("t3", "late")];
            Scene::new(tiers).on(1).rolling_out(rollout(2, waves()))
        }),
        main_rollout("rollout-soaks", rolling(2, |_| {})),
        main_rollout("rollout-between-batches", second_wave()),
        main_rollout(
            "rollout-frozen-without-end",
            rolling(2, |spec| spec.freeze = vec![frozen(None)]),
        ),
        main_rollout("rollout-waits-for-tenants-in-a-freeze", frozen_abroad()),
        main_rollout("rollout-suspended", rolling(2, |spec| spec.suspend = true)),
        main_rollout(
            "rollout-held-back",
            rolling_of(|pin| *pin = pin.clone().held(Some(9000)), 2, |_| {}),
        ),
        main_rollout("rollout-to-a-version-being-cut", rolling(4, |_| {})),
        main_rollout("rollout-to-a-version-not-declared", rolling(9, |_| {})),
        main_rollout("rollout-to-a-version-retired", rolling(5, |_| {})),
        main_rollout(
            "rollout-without-evidence",
            rolling(1, |_| {}).void(2).rolling_out(rollout(2, waves())),
        ),
        main_rollout("rollout-complete", complete),
        main_rollout(
            "rollout-refused",
            rolling(2, |_| {}).rolling_out(rollout(2, {
                json!([{"name": "rest"}, {"name": "canary", "selector": {}}])
            })),
        ),
        Situation {
            asked: Asked::Rollout("another".to_owned()),
            ..main_rollout("rollout-in-conflict", two)
        },
    ]
}

fn situations() -> Vec<Situation> {
    let kinds = [
        of_tenants(),
        of_followers(),
        of_the_way_back(),
        of_checks(),
        of_rollouts(),
    ];
    kinds.into_iter().flatten().collect()
}

#[test]
fn every_situation_reads_as_it_was_reviewed_and_the_folder_has_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/environment/explain/gallery");
    let mut other = Vec::new();
    let mut names = BTreeSet::new();
    for situation in situations() {
        let path = folder.join(format!("{}.txt", situation.name));
        assert!(names.insert(path.clone()), "{} is there twice", situation.name);
        let (text, kept) = (situation.explained().text(), std::fs::read_to_string(&path));
        if kept.as_ref().is_ok_and(|kept| *kept == text) {
            continue;
        }
        other.push(format!("{}:\n{text}was:\n{}", situation.name, kept.unwrap_or_default()));
        if std::env::var_os("WRITE_GALLERY").is_some() {
            std::fs::write(&path, text).unwrap();
        }
    }
    assert!(names.len() >= 20);
    let there = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let unknown: Vec<_> = there.filter(|path| !names.contains(path)).collect();
    assert!(unknown.is_empty(), "of no situation: {unknown:?}");
    assert!(
        other.is_empty(),
        "{} read otherwise:\n{}",
        other.len(),
        other.join("\n")
    );
}

#[test]
fn every_situation_ends_at_a_time_or_by_a_person_and_says_what_its_status_says() {
    let times = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    for situation in situations() {
        let explained = situation.explained();
        let text = explained.text();
        let ends = explained.ends().unwrap_or_else(|| panic!("{}: {text}", situation.name));
        let told = ends.text();
        assert!(
            ends.person.is_some() || times.is_match(&told),
            "{} names neither a time nor a person: {told}",
            situation.name
        );
        assert!(text.trim_end().ends_with(&told), "{text}");
        assert!(
            explained
                .causes
                .iter()
                .all(|cause| cause.reason.is_none() == cause.ends.is_none() || cause.what.starts_with("no TenantPin")),
            "{text}"
        );
        let decision = decide(&situation.scene.0);
        let pass = report::report(&situation.scene.0, &decision, &Failed::default(), INTERVAL);
        let of_pins = pass.pins.iter().map(|it| (&it.name, &it.findings));
        let of_rollouts = pass.rollouts.iter().map(|it| (&it.name, &it.findings));
        let (own, complete) = match &situation.asked {
            Asked::Tenant(tenant) => {
                let pins = situation.scene.0.pins.iter().filter(|pin| pin.spec.tenant == *tenant);
                let names: Vec<_> = pins.map(|pin| pin.name.clone()).collect();
                (
                    of_pins.filter(|(name, _)| names.contains(name)).collect::<Vec<_>>(),
                    false,
                )
            }
            Asked::Rollout(asked) => (of_rollouts.filter(|(name, _)| *name == asked).collect(), true),
        };
        let said: BTreeSet<_> = own
            .iter()
            .flat_map(|(_, findings)| findings.iter())
            .filter(|finding| finding.condition == READY || complete)
            .map(|finding| finding.reason)
            .collect();
        let agrees = explained
            .causes
            .iter()
            .filter_map(|cause| cause.reason)
            .any(|it| said.contains(&it));
        assert!(agrees || own.is_empty(), "{}: {said:?}\n{text}", situation.name);
        let as_wished = explained.outlook == Outlook::AsWished;
        assert_eq!(
            as_wished,
            ["as-wished", "hold-ended", "moved-with-its-wave", "rollout-complete"].contains(&situation.name),
            "{text}"
        );
    }
}

#[test]
fn who_is_nowhere_is_not_explained() {
    let scene = acme(2);
    let asked = |asked: Asked| of(&scene.0, &asked, INTERVAL);
    assert_eq!(asked(Asked::Tenant("nobody".to_owned())), None);
    assert_eq!(asked(Asked::Rollout("main".to_owned())), None);
}

#[test]
fn programs_read_the_same() {
    let explained = rolling(2, |_| {});
    let explained = of(&explained.0, &Asked::Rollout("main".to_owned()), INTERVAL).unwrap();
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["outlook"], "Waits");
    assert_eq!((&json["tenants"], &json["moved"]), (&json!(4), &json!(1)));
    assert_eq!(json["waves"][0]["phase"], "Soaking");
    assert_eq!(json["waves"][0]["waits"]["reason"], "Soaking");
    assert_eq!(json["waves"][0]["waits"]["ends"]["at"], at(4600).to_string());
    assert_eq!(json["causes"].as_array().unwrap().last().unwrap()["reason"], "Soaking");
}

/// Whatever is the matter, each tenant and the rollout are explained, and the chain ends at a time that comes or by a
/// person; and the rollout's end is forecast, or what is in its way.
pub(in crate::environment) fn everything_is_explained(scene: &Scene) {
    let tenants = scene.0.pins.iter().map(|pin| Asked::Tenant(pin.spec.tenant.clone()));
    let rollouts = scene
        .0
        .rollouts
        .iter()
        .map(|rollout| Asked::Rollout(rollout.name.clone()));
    for asked in tenants.chain(rollouts) {
        let explained = of(&scene.0, &asked, INTERVAL).expect("it is declared");
        let ends = explained.ends().cloned().unwrap_or_default();
        assert!(ends.at.is_none_or(|at| at > scene.0.view.now), "{}", explained.text());
        assert!(
            ends.at.is_some() || ends.person.is_some() || ends.looks_again_by.is_some(),
            "{}",
            explained.text()
        );
    }
    let told = forecast(&scene.0);
    assert!(
        told.iter().all(|told| told.ends_at.is_some() != told.stops.is_some()),
        "{told:?}"
    );
}
