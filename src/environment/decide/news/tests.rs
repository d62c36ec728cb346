//! What is told of what, without a database.

use serde_json::json;

use super::super::super::scene::{Scene, With, follower, rollout};
use super::*;
use crate::ports::StopKind;

/// A canary that is on hold, and one more, with a channel that has been told all so far.
fn held_back() -> Scene {
    let pins = [follower("a", "canary").held(None), follower("b", "late")];
    let canary = json!({"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}});
    let mut declared = rollout(2, json!([canary, {"name": "rest"}]));
    let ops = json!([{"name": "ops", "cloudEvents": {"url": "https://hooks.example"}}]);
    declared.spec.notify = serde_json::from_value(ops).unwrap();
    let mut scene = Scene::new(pins).on(1).rolling_out(declared);
    scene.settle();
    let channels = &mut scene.0.view.channels.channels;
    channels.insert("ops".to_owned(), ChannelRecord::default());
    scene
}

/// What ids begin with.
fn of(scene: &Scene) -> String {
    let key = &scene.0.key;
    spec_hash(&[
        &scene.0.owner,
        &key.namespace,
        &key.instance,
        &key.environment,
        &scene.0.rollouts[0].name,
    ])
}

fn due(scene: &Scene) -> Vec<News> {
    let errands = errands(&scene.0, &scene.decide());
    assert!(errands.notes.is_empty(), "{errands:?}");
    let notices = errands.due.into_iter().flat_map(|errand| errand.notices);
    notices.map(|notice| notice.news).collect()
}

fn step(scene: &Scene, number: i64, step: RolloutStep, members: Option<u32>) -> NumberedStep {
    let attempt = scene.0.view.rollouts.attempt.as_ref().unwrap();
    NumberedStep {
        number,
        at: scene.0.view.now,
        event: attempt.event(step),
        members,
    }
}

#[test]
fn a_wave_of_which_nobody_may_move_is_told_until_it_is_on_record_that_it_was() {
    let mut scene = held_back();
    let told = due(&scene);
    let plan = scene.0.view.rollouts.attempt.as_ref().unwrap().word();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].of, told[0].id.clone()),
        (NotifyOn::Waiting, format!("{}_{plan}_canary_held-back", of(&scene)))
    );
    assert_eq!(told[0].tenants, Some(1));
    scene.pass(1000);
    assert_eq!(due(&scene), told, "whenever it is told it is the same");
    let record = scene.0.view.channels.channels.get_mut("ops").unwrap();
    record.waiting = Some(told[0].id.clone());
    assert_eq!(due(&scene), []);
}

#[test]
fn no_tenants_name_is_told_where_checks_stop_a_rollout() {
    let mut scene = held_back();
    let why = "1 tenants of the 7 that follow fail their checks, and 0 may by spec.failureBudget: acme-corp";
    let stopped = RolloutStep::Stopped {
        kind: StopKind::RolledBack,
        wave: None,
        why: why.to_owned(),
    };
    scene.0.view.channels.steps = vec![
        step(&scene, 1, RolloutStep::Started, None),
        step(&scene, 2, stopped, None),
    ];
    let told = &due(&scene)[1];
    assert!(
        told.message.ends_with("0 may by spec.failureBudget"),
        "{}",
        told.message
    );
}

#[test]
fn each_step_is_told_with_its_wave_and_why_and_what_is_none_is_passed_over() {
    let mut scene = held_back();
    let wave = || "canary".to_owned();
    let stopped = |kind, wave, why: String| RolloutStep::Stopped { kind, wave, why };
    let steps = [
        (
            RolloutStep::Opened {
                wave: wave(),
                members: 1,
            },
            None,
        ),
        (RolloutStep::Started, None),
        (RolloutStep::Ended { wave: wave() }, Some(0)),
        (RolloutStep::Ended { wave: wave() }, Some(3)),
        (stopped(StopKind::Paused, None, "x\n".repeat(600)), None),
        (stopped(StopKind::RolledBack, None, "errors".to_owned()), None),
        (
            stopped(StopKind::Ordered, Some(wave()), "anna: off".to_owned()),
            Some(3),
        ),
        (RolloutStep::Completed, None),
        (
            RolloutStep::Opened {
                wave: wave(),
                members: 1,
            },
            None,
        ),
    ];
    let numbered = (1..).zip(steps);
    let numbered = numbered.map(|(number, (of, members))| step(&scene, number, of, members));
    scene.0.view.channels.steps = numbered.collect();
    let told = due(&scene);
    let shown: Vec<String> = told
        .iter()
        .map(|news| format!("{:?} {:?} {}", news.of, news.wave, news.id.rsplit('_').next().unwrap()))
        .collect();
    let expected = [
        "Started None started",
        "WaveCompleted Some(\"canary\") wave-completed",
        "Stopped None paused",
        "RolledBack None rolled-back",
        "RolledBack Some(\"canary\") ordered-back",
        "Completed None completed",
        "Waiting Some(\"canary\") held-back",
    ];
    assert_eq!(shown, expected);
    assert!(told[2].message.len() <= News::LONGEST && !told[2].message.contains('\n'));
    assert_eq!((told[4].message.as_str(), told[4].tenants), ("anna: off", Some(3)));

    let errand = errands(&scene.0, &scene.decide()).due.remove(0);
    assert_eq!(
        errand.record.told_through, 1,
        "what is first and for nobody is passed over"
    );
    let through: Vec<i64> = errand.notices.iter().map(|notice| notice.through).collect();
    assert_eq!(
        through,
        [3, 4, 5, 6, 7, 9, 9],
        "and the rest with what was told before it"
    );
}

#[test]
fn nobody_is_told_while_no_rollout_leads_and_no_record_is_lost_by_it() {
    let mut scene = held_back();
    scene.0.rollouts.clear();
    assert_eq!(errands(&scene.0, &scene.decide()), Errands::default());
}

#[test]
fn a_channel_that_waits_for_its_time_names_it_and_is_not_due() {
    let mut scene = held_back();
    let channel = scene.0.rollouts[0].spec.notify[0].clone();
    let in_a_minute = later(scene.0.view.now, SignedDuration::from_secs(60));
    let record = scene.0.view.channels.channels.get_mut("ops").unwrap();
    record.tries = 1;
    record.retry_at = Some(in_a_minute);
    record.declared = crate::resources::spec_hash(&channel);
    let errands = errands(&scene.0, &scene.decide());
    assert!(errands.due.is_empty());
    assert_eq!(errands.wake(scene.0.now), Some(in_a_minute));
    scene.pass(60);
    assert_eq!(due(&scene).len(), 1);
}

#[test]
fn ids_of_two_rollouts_differ_where_all_else_is_equal() {
    let scene = held_back();
    let told = |change: fn(&mut Scene)| {
        let mut other = scene.clone();
        change(&mut other);
        due(&other)[0].id.clone()
    };
    let ids = [
        told(|_| {}),
        told(|scene| scene.0.key.environment = "staging".to_owned()),
        told(|scene| scene.0.key.instance = "other".to_owned()),
        told(|scene| scene.0.owner = "another-cluster".to_owned()),
    ];
    let different: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    assert_eq!(told(|_| {}), ids[0]);
}

#[test]
fn a_channel_passes_over_no_step_that_was_not_read_for_it() {
    let mut scene = held_back();
    let behind = scene.0.view.channels.channels["ops"].clone();
    let most = i64::from(ChannelRecords::MOST);
    let of_another = (most * 3..most * 3 + 5).chain(1..=most);
    let mut steps: Vec<_> = of_another
        .map(|number| step(&scene, number, RolloutStep::Started, None))
        .collect();
    steps.sort_by_key(|step| step.number);
    scene.0.view.channels.steps = steps;
    let errands = errands(&scene.0, &scene.decide());
    let through = errands.due[0].notices.last().unwrap().through;
    assert_eq!((behind.told_through, through), (0, most));
}
