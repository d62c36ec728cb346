//! Rollouts whose waves are asked about.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::scene::{Scene, at};
use super::super::{Checked, Found, Kept, Plan, Standing, Wait};
use super::lives::again;
use super::{edit, lead, phases, relabel, rolling, versions};
use crate::ports::{Answer, CheckOutcome, Question, RolloutStep, Scope};
use crate::resources::{HumanDuration, VersionRolloutSpec, WavePhase};

/// A webhook that is asked every minute.
fn check(name: &str) -> Value {
    json!({"name": name, "webhook": {"url": "https://checks.example"}})
}

/// Rolling out to version 2, with these checks and more.
pub(super) fn checked(checks: &[&str], more: Value) -> Scene {
    let mut scene = rolling(2);
    edit(&mut scene, |spec| {
        let mut whole = serde_json::to_value(&*spec).unwrap();
        whole["checks"] = checks.iter().map(|name| check(name)).collect();
        for (field, value) in more.as_object().unwrap() {
            whole[field] = value.clone();
        }
        *spec = serde_json::from_value(whole).unwrap();
    });
    scene
}

pub(super) fn fails(names: &[&str]) -> Answer {
    let failing = names.iter().map(|name| (*name).to_owned()).collect();
    Answer::failed(failing, "errors".to_owned())
}

pub(super) fn unknown() -> Answer {
    Answer::unknown("no answer".to_owned())
}

pub(super) fn answers(scene: &mut Scene, check: &str, answer: Answer) {
    scene.1.insert(check.to_owned(), answer);
}

/// What is asked until nothing more is to be done.
fn asked(scene: &mut Scene) -> Vec<(String, String)> {
    let plans = scene.settle();
    let questions = plans.iter().flat_map(|plan| &plan.questions);
    questions.map(|it| (it.wave.clone(), it.check.name.clone())).collect()
}

fn found(scene: &Scene) -> Option<Found> {
    match lead(scene).wait {
        Some(Wait::Check(Checked { found, .. })) => Some(found),
        _ => None,
    }
}

const CANARY: [(&str, &str); 1] = [("canary", "errors")];

fn is(asked: &[(String, String)], expected: &[(&str, &str)]) -> bool {
    asked
        .iter()
        .map(|(wave, check)| (wave.as_str(), check.as_str()))
        .eq(expected.iter().copied())
}

#[test]
fn a_wave_that_all_who_moved_have_left_is_not_asked_about() {
    let mut scene = checked(&["errors"], json!({}));
    answers(&mut scene, "errors", unknown());
    assert!(is(&asked(&mut scene), &CANARY));
    relabel(&mut scene, 0, |pin| pin.spec.version = Some(2));
    scene.pass(3600);
    assert!(
        asked(&mut scene).iter().all(|(wave, _)| wave != "canary"),
        "nobody of it can tell anything"
    );
    assert_eq!(phases(&scene)[0], WavePhase::Ended);
}

/// A batch of one at a time, and a check that does not pass for the first.
fn failing_first(answer: Answer) -> Scene {
    let wave = json!([{"name": "all", "batch": {"size": 1, "every": "10m"}}]);
    let mut scene = checked(&["errors"], json!({"waves": wave}));
    answers(&mut scene, "errors", answer);
    scene.settle();
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    scene
}

#[test]
fn who_fails_and_is_taken_back_takes_no_check_out_of_the_way() {
    let taken_back: [fn(&mut Scene); 3] = [
        |scene| scene.order(Scope::Tenant("t0".to_owned())),
        |scene| relabel(scene, 0, |pin| pin.spec.version = Some(1)),
        |scene| *scene.0.view.rows.get_mut("t0").unwrap() = 1,
    ];
    for answer in [fails(&["t0"]), unknown()] {
        for take_back in taken_back {
            let mut scene = failing_first(answer.clone());
            take_back(&mut scene);
            for _ in 0..9 {
                scene.settle();
                scene.pass(3600);
            }
            assert_eq!(versions(&scene), [1; 7], "nobody moves on what did not pass");
            assert_eq!(found(&scene), Some(Found::NobodyLeft));
            // A person starts anew.
            scene.0.view.orders.clear();
            edit(&mut scene, |spec| spec.version = 3);
            answers(&mut scene, "errors", Answer::passed(String::new()));
            scene.settle();
            assert!(versions(&scene).contains(&3), "{:?}", lead(&scene));
        }
    }
}

#[test]
fn where_nobody_is_left_to_ask_about_what_is_named_as_a_way_out_is_one() {
    type WayOut = (&'static str, fn(&mut Scene));
    let ways_out: [WayOut; 3] = [
        ("the order is lifted", |scene| scene.0.view.orders.clear()),
        ("the waves are edited", |scene| {
            edit(scene, |spec| spec.waves[0].soak = HumanDuration::from_secs(60));
        }),
        ("another takes its place", |scene| {
            edit(scene, |spec| spec.version = 3);
        }),
    ];
    for (name, way_out) in ways_out {
        let mut scene = failing_first(unknown());
        scene.order(Scope::Tenant("t0".to_owned()));
        scene.settle();
        assert_eq!(found(&scene), Some(Found::NobodyLeft));
        scene.pass(3600);
        way_out(&mut scene);
        scene.settle();
        let on = versions(&scene);
        assert_eq!(on.iter().filter(|it| **it != 1).count(), 1, "{name}: {on:?}");
        assert!(
            matches!(found(&scene), Some(Found::Unknown(_))),
            "{name}: {:?}",
            found(&scene)
        );
        scene.pass(3600);
        scene.settle();
        assert_eq!(versions(&scene), on, "{name}: the others wait for the check as ever");
    }
}

#[test]
fn nothing_is_asked_in_the_look_that_opens_a_wave() {
    let mut scene = checked(&["errors"], json!({}));
    scene.settle();
    answers(&mut scene, "errors", fails(&["t0"]));
    edit(&mut scene, |spec| spec.waves[1].soak = HumanDuration::from_secs(60));
    let plan = scene.decide().plan;
    assert!(!plan.rollout.is_empty() && plan.questions.is_empty(), "{plan:?}");
    // The database's clock went on before the steps were on record.
    scene.apply(&plan);
    scene.pass(1);
    let asked = asked(&mut scene);
    assert_eq!(asked, [("canary".to_owned(), "errors".to_owned())], "once");
    assert!(
        matches!(found(&scene), Some(Found::Fails { times: 1, .. })),
        "{:?}",
        found(&scene)
    );
}

#[test]
fn a_wave_does_not_end_in_the_look_that_takes_its_only_tenant_back() {
    let mut scene = checked(&["errors"], json!({}));
    answers(&mut scene, "errors", unknown());
    scene.settle();
    scene.pass(3600);
    scene.settle();
    relabel(&mut scene, 0, |pin| pin.spec.version = Some(1));
    scene.settle();
    assert_eq!(versions(&scene), [1; 7]);
    assert_eq!(
        (phases(&scene)[1], found(&scene)),
        (WavePhase::Pending, Some(Found::NobodyLeft))
    );
}

#[test]
fn who_passed_before_being_taken_back_and_who_is_gone_keep_nobody() {
    let mut scene = failing_first(Answer::passed(String::new()));
    scene.order(Scope::Tenant("t0".to_owned()));
    scene.pass(600);
    scene.settle();
    assert_eq!(versions(&scene)[..2], [1, 2]);

    let mut scene = failing_first(unknown());
    scene.0.pins.retain(|pin| pin.name != "t0");
    scene.0.view.rows.remove("t0");
    scene.0.view.events.remove("t0");
    scene.0.view.claims.remove("t0");
    scene.pass(600);
    scene.settle();
    assert!(
        scene.0.view.rows.values().any(|version| *version == 2),
        "{:?}",
        lead(&scene)
    );
}

#[test]
fn a_wave_ends_when_it_has_soaked_and_every_check_has_passed_since_its_last_move() {
    let mut scene = checked(&["errors", "smoke"], json!({}));
    answers(&mut scene, "smoke", unknown());
    assert!(is(&asked(&mut scene), &[("canary", "errors"), ("canary", "smoke")]));
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!(
        found(&scene),
        Some(Found::Unknown("no answer".to_owned())),
        "unknown is not passed, and told"
    );
    assert_eq!(scene.decide().wake, Some(at(1000 + 60)));

    scene.pass(59);
    assert!(asked(&mut scene).is_empty(), "its interval has not passed");
    scene.pass(1);
    assert_eq!(asked(&mut scene).len(), 2);
    scene.pass(3540);
    assert_eq!(asked(&mut scene).len(), 2);
    assert_eq!(
        versions(&scene),
        [2, 1, 1, 1, 1, 1, 1],
        "it has soaked, and nobody knows how it fares"
    );
    assert_eq!(phases(&scene)[0], WavePhase::Soaking);

    answers(&mut scene, "smoke", fails(&["t0"]));
    scene.pass(60);
    asked(&mut scene);
    let failing = Found::Fails {
        times: 1,
        limit: 3,
        message: "errors".to_owned(),
    };
    assert_eq!(found(&scene), Some(failing));
    assert_eq!(lead(&scene).waves[0].failing, ["t0"]);
    assert_eq!(versions(&scene), [2, 1, 1, 1, 1, 1, 1]);

    scene.1.clear();
    scene.pass(60);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    assert!(lead(&scene).waves[0].failing.is_empty());
}

#[test]
fn a_wave_that_soaks_says_so_while_its_checks_pass() {
    let mut scene = checked(&["errors"], json!({}));
    scene.settle();
    assert_eq!(
        lead(&scene).wait,
        Some(Wait::Soak("canary".to_owned(), at(1000 + 3600)))
    );
    assert_eq!(
        scene.decide().wake,
        Some(at(1060)),
        "and is asked about again in between"
    );
    let question = scene.0.view.rollouts.attempt.as_ref().unwrap().checks.clone();
    assert_eq!(question.len(), 1);
}

#[test]
fn a_pass_from_before_the_last_move_ends_nothing_and_the_next_batch_waits_for_one_since_the_last() {
    let mut scene = checked(&["errors"], json!({}));
    scene.settle();
    scene.pass(3600);
    scene.settle();
    assert_eq!(
        versions(&scene),
        [2, 2, 2, 1, 1, 1, 1],
        "the first batch of the second wave"
    );
    answers(&mut scene, "errors", unknown());
    scene.pass(600);
    assert!(is(&asked(&mut scene), &[("early", "errors")]));
    assert_eq!(
        versions(&scene),
        [2, 2, 2, 1, 1, 1, 1],
        "ten minutes later, and no pass since"
    );
    scene.1.clear();
    scene.pass(60);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    // The wave has moved again: what passed before counts no longer.
    answers(&mut scene, "errors", unknown());
    scene.pass(100_000);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 2, 2, 1, 1]);
    assert_eq!(phases(&scene)[1], WavePhase::Soaking);
}

#[test]
fn an_answer_about_an_earlier_wave_plan_target_or_attempt_opens_nothing() {
    let stale = |change: fn(&mut VersionRolloutSpec)| {
        let mut scene = checked(&["errors"], json!({}));
        scene.settle();
        scene.pass(3599);
        scene.settle();
        assert_eq!(found(&scene), None, "it has passed");
        edit(&mut scene, change);
        answers(&mut scene, "errors", unknown());
        scene.settle();
        scene.pass(100_000);
        scene.settle();
        assert!(matches!(found(&scene), Some(Found::Unknown(_))), "{:?}", lead(&scene));
        assert_eq!(phases(&scene)[0], WavePhase::Soaking);
        assert_eq!(versions(&scene)[1..], [1, 1, 1, 1, 1, 1]);
    };
    stale(|spec| spec.version = 3);
    stale(|spec| spec.waves[1].soak = HumanDuration::from_secs(1));
    stale(|spec| spec.checks[0].interval = HumanDuration::from_secs(30));
    stale(|spec| spec.failure_budget = serde_json::from_value(json!({"wave": 0})).unwrap());

    // Of an earlier wave: what passed for the canary says nothing of the others.
    let mut scene = checked(&["errors"], json!({}));
    scene.settle();
    scene.pass(3600);
    answers(&mut scene, "errors", unknown());
    scene.settle();
    assert_eq!(
        versions(&scene),
        [2, 1, 1, 1, 1, 1, 1],
        "asked again at the end of its soak"
    );
    scene.1.clear();
    scene.pass(60);
    scene.settle();
    assert_eq!(versions(&scene), [2, 2, 2, 1, 1, 1, 1]);
    let keys: Vec<_> = scene
        .0
        .view
        .rollouts
        .attempt
        .as_ref()
        .unwrap()
        .checks
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys.len(), 2, "each wave has its own: {keys:?}");
}

#[test]
fn nothing_is_asked_before_somebody_has_moved_nor_on_the_way_back_nor_when_all_is_done() {
    let mut scene = checked(&["errors"], json!({"suspend": true}));
    assert!(asked(&mut scene).is_empty(), "nobody has moved");
    edit(&mut scene, |spec| spec.suspend = false);
    assert!(is(&asked(&mut scene), &CANARY));
    edit(&mut scene, |spec| spec.suspend = true);
    scene.pass(60);
    assert!(
        is(&asked(&mut scene), &CANARY),
        "while it is suspended, who has moved is looked after"
    );
    edit(&mut scene, |spec| spec.version = 1);
    assert!(asked(&mut scene).is_empty(), "on the way back");
    assert_eq!(versions(&scene), [1; 7]);

    let mut scene = checked(&["errors"], json!({}));
    for _ in 0..20 {
        scene.pass(3600);
        scene.settle();
    }
    assert!(lead(&scene).complete, "{:?}", lead(&scene));
    scene.pass(100_000);
    assert!(
        scene.settle().is_empty(),
        "nothing is asked and nothing written when all is done"
    );
}

#[test]
fn a_question_tells_who_has_moved_in_the_wave_and_who_before() {
    let mut scene = checked(&["errors"], json!({}));
    scene.settle();
    scene.pass(3600);
    let plans = scene.settle();
    let last = plans.iter().flat_map(|plan| &plan.questions).last().unwrap();
    let Question {
        rollout,
        namespace,
        environment,
        plan,
        wave,
        version,
        tenants,
        others,
        ..
    } = last;
    assert_eq!(
        (
            rollout.as_str(),
            namespace.as_str(),
            environment.as_str(),
            wave.as_str(),
            *version
        ),
        ("apps/main", "apps", "production", "early", 2)
    );
    assert_eq!(plan, &lead(&scene).plan);
    assert_eq!(
        (tenants.as_slice(), others.len()),
        (["t1".to_owned(), "t2".to_owned()].as_slice(), 1)
    );
}

#[test]
fn what_fails_within_the_budget_is_shown_and_keeps_nobody() {
    let mut scene = checked(&["errors"], json!({"failureBudget": {"wave": "100%", "total": 1}}));
    answers(&mut scene, "errors", fails(&["t0"]));
    for _ in 0..200 {
        scene.pass(60);
        scene.settle();
    }
    assert!(lead(&scene).complete, "{:?}", lead(&scene));
    assert_eq!(lead(&scene).waves[0].failing, ["t0"]);
    assert_eq!(lead(&scene).waves[1].failing, Vec::<String>::new());
}

/// What may happen while a rollout is asked about.
#[derive(Debug, Clone)]
enum Act {
    Pass(i64),
    Says(&'static str, u8, BTreeSet<usize>),
    Target(i32),
}

fn act() -> impl Strategy<Value = Act> {
    let check = || prop_oneof![Just("errors"), Just("smoke")];
    prop_oneof![
        4 => (1_i64..4000).prop_map(Act::Pass),
        4 => (check(), 0_u8..4, proptest::collection::btree_set(0_usize..7, 0..3))
            .prop_map(|(check, kind, who)| Act::Says(check, kind, who)),
        1 => (2..=3).prop_map(Act::Target),
    ]
}

/// Holds what is decided to what was answered: a wave ends, and a batch follows another, only on passes since its last move,
/// in this attempt.
fn check_plan(scene: &Scene, plan: &Plan) -> Result<(), TestCaseError> {
    let attempt = scene.0.view.rollouts.attempt.as_ref();
    let spec = &scene.0.rollouts[0].spec;
    // The way back of a whole rollout is asked about by nobody.
    if again(scene, plan.flips.first()) {
        return Ok(());
    }
    let begins = plan.rollout.iter().any(|event| event.step == RolloutStep::Started);
    let mut steps: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &plan.rollout {
        if let RolloutStep::Ended { wave } = &event.step {
            steps.insert(wave, "ends");
        }
    }
    for flip in &plan.flips {
        if let Some(of) = &flip.wave {
            steps.insert(&of.wave, "moves on");
        }
    }
    for (wave, step) in steps {
        let Some(attempt) = attempt.filter(|_| !begins) else {
            continue;
        };
        let Some(last) = attempt.waves.get(wave).and_then(|it| it.last_flip_at) else {
            continue;
        };
        for check in &spec.checks {
            let known = attempt.checks.get(&(wave.to_owned(), check.name.clone()));
            let passed = known.is_some_and(|it| it.answer.outcome == CheckOutcome::Passed && it.asked_at >= last);
            prop_assert!(passed, "{wave} {step} without {}: {known:?}", check.name);
        }
    }
    for question in &plan.questions {
        prop_assert!(!question.tenants.is_empty(), "{question:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_answered_no_wave_gets_on_without_passes_of_its_own(acts in vec(act(), 0..40), first in option::of(0_u8..4)) {
        let mut scene = checked(&["errors", "smoke"], json!({}));
        if first == Some(1) {
            answers(&mut scene, "errors", unknown());
        }
        for act in &acts {
            match act {
                Act::Pass(seconds) => scene.pass(*seconds),
                Act::Target(version) => edit(&mut scene, |spec| spec.version = *version),
                Act::Says(check, kind, who) => {
                    let who: Vec<String> = who.iter().map(|it| format!("t{it}")).collect();
                    let who: Vec<&str> = who.iter().map(String::as_str).collect();
                    let answer = match kind {
                        0 => unknown(),
                        1 => fails(&who),
                        _ => Answer::passed(String::new()),
                    };
                    answers(&mut scene, check, answer);
                }
            }
            for _ in 0..100 {
                let plan = scene.decide().plan;
                if plan.is_empty() {
                    break;
                }
                check_plan(&scene, &plan)?;
                scene.apply(&plan);
            }
            prop_assert!(scene.decide().plan.is_empty(), "it never ends");
            // Whatever is waited for has a time, or a person's hand that ends it.
            if found(&scene).is_some() {
                prop_assert!(scene.decide().wake.is_some());
            }
            let queued = |it: &Standing| matches!(it, Standing::Pinned | Standing::Kept(Kept::Queued { .. }));
            prop_assert!(scene.decide().standings.iter().all(queued));
        }
    }
}
