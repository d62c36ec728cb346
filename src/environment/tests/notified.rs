//! Whole passes over rollouts that somebody is told of.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::approvals::approval;
use super::rollouts::verdict_of;
use super::*;
use crate::environment::scene::{follower, rollout};
use crate::environment::{RolloutProgress, RolloutReport};
use crate::ports::{Delivery, Notice};
use crate::resources::RolloutOutcome;
use crate::resources::conditions::{COMPLETE, NOTIFICATIONS_FAILING};

/// The house with `acme` (canary) and `globex`, both on version 1 by a rollout that nobody was told of.
async fn house() -> House {
    let house = House::new().await;
    for (tenant, tier) in [(ACME, "canary"), ("globex", "late")] {
        house.stage.declared.pin(follower(tenant, tier));
    }
    declare(&house, 1, json!([]), json!({}));
    house.pass().await;
    house
}

/// Declares the rollout to a version, in two waves, with these channels; `canary` is what the first wave has besides.
fn declare(house: &House, version: i32, notify: Value, canary: Value) {
    let mut first = json!({"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}});
    for (field, value) in canary.as_object().unwrap() {
        first[field] = value.clone();
    }
    let waves = json!([
        first,
        {"name": "nobody", "selector": {"matchLabels": {"tier": "none"}}},
        {"name": "rest"},
    ]);
    let mut declared = rollout(version, waves);
    declared.spec.notify = serde_json::from_value(notify).unwrap();
    house.stage.declared.rollout(declared);
}

fn ops() -> Value {
    json!([{"name": "ops", "cloudEvents": {"url": "https://hooks.example"}}])
}

type Heard = Arc<Mutex<Vec<Notice>>>;

/// From now on this comes of telling; what is told is kept.
fn hearing(house: &House, delivery: Delivery) -> Heard {
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    *house.stage.wired.hears.lock().unwrap() = Box::new(move |notice| {
        kept.lock().unwrap().push(notice.clone());
        delivery.clone()
    });
    heard
}

fn down() -> Delivery {
    Delivery::Failed {
        why: "nobody answers".to_owned(),
        wait: None,
    }
}

fn ids(heard: &Heard) -> Vec<String> {
    heard.lock().unwrap().iter().map(|it| it.news.id.clone()).collect()
}

/// What was told, as `<what> <wave>`.
fn told(heard: &Heard) -> Vec<String> {
    let heard = heard.lock().unwrap();
    let told = heard.iter().map(|it| {
        let wave = it.news.wave.as_deref().unwrap_or_default();
        format!("{} {wave}", it.news.of.word()).trim().to_owned()
    });
    told.collect()
}

fn failing(pass: &EnvironmentPass) -> Option<Reason> {
    verdict_of(&pass.rollouts[0], NOTIFICATIONS_FAILING).map(|(_, reason)| reason)
}

fn report(pass: &EnvironmentPass) -> &RolloutReport {
    &pass.rollouts[0]
}

fn progress(pass: &EnvironmentPass) -> &RolloutProgress {
    report(pass).progress.as_ref().unwrap()
}

const ALL: [&str; 4] = ["Started", "WaveCompleted canary", "WaveCompleted rest", "Completed"];

#[tokio::test]
async fn each_wave_is_told_once_in_its_order_and_then_nothing_is_told_or_written() {
    let house = house().await;
    let heard = hearing(&house, Delivery::Told);
    declare(&house, 2, ops(), json!({}));
    let done = house.pass().await;
    assert_eq!(
        verdict_of(report(&done), COMPLETE),
        Some((Verdict::True, Reason::RolledOut))
    );
    // The wave without tenants is passed, and nobody is told of it.
    assert_eq!(told(&heard), ALL);
    let canary = heard.lock().unwrap()[1].clone();
    assert_eq!((canary.news.tenants, canary.news.moved), (Some(1), Some(1)));
    let id = format!("_{}_canary_wave-completed", progress(&done).plan);
    assert!(canary.news.id.ends_with(&id), "{}", canary.news.id);
    assert_eq!(
        (canary.rollout.as_str(), canary.environment.as_str()),
        ("main", "production")
    );
    assert_eq!(failing(&done), None);

    let mut witness = house.connection().await;
    let version = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(version).fetch_one(&mut witness).await.unwrap();
    house.pass().await;
    let after: i64 = sqlx::query_scalar(version).fetch_one(&mut witness).await.unwrap();
    assert_eq!((before, told(&heard).len()), (after, ALL.len()));
}

#[tokio::test]
async fn a_channel_that_begins_is_told_nothing_old_and_changing_channels_begins_no_attempt() {
    let house = house().await;
    let heard = hearing(&house, Delivery::Told);
    declare(&house, 1, ops(), json!({}));
    let begun = house.pass().await;
    assert_eq!(told(&heard), Vec::<String>::new());
    assert_eq!(progress(&begun).history.len(), 1, "it is the attempt that it was");
    assert_eq!(progress(&begun).channels.len(), 1);
    declare(&house, 2, ops(), json!({}));
    house.pass().await;
    assert_eq!(told(&heard), ALL);

    // A channel that goes takes its record with it.
    declare(&house, 2, json!([]), json!({}));
    house.pass().await;
    let mut hand = house.connection().await;
    let left = sqlx::query_scalar("SELECT count(*) FROM wavepin_rollout_channel");
    let left: i64 = left.fetch_one(&mut hand).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_channel_hears_what_it_names_and_not_later_what_it_did_not() {
    let house = house().await;
    let heard = hearing(&house, Delivery::Told);
    let only = json!([{"name": "ops", "events": ["Completed"], "cloudEvents": {"url": "https://hooks.example"}}]);
    declare(&house, 2, only, json!({}));
    house.pass().await;
    assert_eq!(told(&heard), ["Completed"]);
    declare(&house, 2, ops(), json!({}));
    house.pass().await;
    assert_eq!(
        told(&heard),
        ["Completed"],
        "what it did not ask for then is no news now"
    );
}

/// So long passes until the channel is tried again.
async fn retried(house: &House) {
    house
        .by_hand("UPDATE wavepin_rollout_channel SET retry_at = retry_at - 3600 * 1000000")
        .await;
}

#[tokio::test]
async fn who_is_down_holds_nobody_and_is_told_once_it_is_up_with_the_same_ids() {
    let house = house().await;
    let in_vain = hearing(&house, down());
    declare(&house, 2, ops(), json!({}));
    let done = house.pass().await;
    assert_eq!(
        verdict_of(report(&done), COMPLETE),
        Some((Verdict::True, Reason::RolledOut))
    );
    assert_eq!(
        verdict_of(report(&done), READY),
        Some((Verdict::True, Reason::Converged))
    );
    assert_eq!(failing(&done), Some(Reason::ReceiverFailing));
    assert_eq!(told(&in_vain), ["Started"], "it is tried once a pass, and in order");
    let channel = &progress(&done).channels[0];
    assert_eq!(channel.message.as_deref(), Some("nobody answers"));
    assert!(channel.failing_since.is_some() && channel.given_up.is_none());
    assert!(
        matches!(done.next, Next::At(at) if at > super::at(1025) && at <= super::at(1030)),
        "it is tried again half a minute later: {:?}",
        done.next
    );
    house.pass().await;
    assert_eq!(ids(&in_vain).len(), 1, "and not before");

    retried(&house).await;
    let heard = hearing(&house, Delivery::Told);
    let well = house.pass().await;
    assert_eq!(told(&heard), ALL);
    assert_eq!(ids(&heard)[0], ids(&in_vain)[0]);
    assert_eq!(failing(&well), None);
    assert_eq!(progress(&well).channels[0].message, None);
}

#[tokio::test]
async fn a_process_that_ends_between_telling_and_the_record_tells_it_again_with_the_same_id() {
    let house = house().await;
    let heard = hearing(&house, Delivery::Told);
    declare(&house, 1, ops(), json!({}));
    house.pass().await;
    house
        .by_hand(
            "CREATE TRIGGER no BEFORE UPDATE ON wavepin_rollout_channel BEGIN SELECT RAISE(ABORT, 'not today'); END",
        )
        .await;
    declare(&house, 2, ops(), json!({}));
    let pass = house.pass().await;
    let ready = report(&pass).findings.iter().find(|it| it.condition == READY).unwrap();
    assert!(ready.message.contains("not today"), "{}", ready.message);
    assert_eq!(told(&heard), ["Started"]);
    assert_eq!(house.row().await, Some(2), "who is told is the last thing that is done");
    house.by_hand("DROP TRIGGER no").await;
    house.pass().await;
    assert_eq!(told(&heard)[1..], ALL);
    assert_eq!(ids(&heard)[0], ids(&heard)[1]);
}

#[tokio::test]
async fn what_could_not_be_told_for_a_day_is_given_up_and_said_and_the_next_is_told() {
    let house = house().await;
    let in_vain = hearing(&house, down());
    declare(&house, 2, ops(), json!({}));
    house.pass().await;
    retried(&house).await;
    house
        .by_hand("UPDATE wavepin_rollout_event SET at = at - 25 * 3600 * 1000000")
        .await;
    let tried = house.pass().await;
    assert_eq!(
        failing(&tried),
        Some(Reason::ReceiverFailing),
        "a day alone is not enough"
    );
    house.by_hand("UPDATE wavepin_rollout_channel SET tries = 7").await;
    retried(&house).await;
    let given_up = house.pass().await;
    assert_eq!(failing(&given_up), Some(Reason::NotificationGivenUp));
    let channel = &progress(&given_up).channels[0];
    assert_eq!(
        (channel.given_up, channel.message.as_deref()),
        (Some(4), Some("nobody answers"))
    );
    retried(&house).await;
    house.pass().await;
    assert_eq!(ids(&in_vain).len(), 3, "and nothing of it is told any more");

    let heard = hearing(&house, Delivery::Told);
    declare(&house, 1, ops(), json!({}));
    let well = house.pass().await;
    assert_eq!(told(&heard), ALL);
    assert_eq!(failing(&well), None);
    assert_eq!(
        progress(&well).channels[0].given_up,
        Some(4),
        "how many were stays known"
    );
}

#[tokio::test]
async fn who_is_gone_for_good_is_not_tried_again_until_there_is_news() {
    let house = house().await;
    let gone = hearing(
        &house,
        Delivery::Gone {
            why: "it answers 410 Gone".to_owned(),
        },
    );
    declare(&house, 2, ops(), json!({}));
    let pass = house.pass().await;
    assert_eq!(failing(&pass), Some(Reason::NotificationGivenUp));
    assert_eq!((ids(&gone).len(), progress(&pass).channels[0].given_up), (1, Some(4)));
    house.pass().await;
    assert_eq!(ids(&gone).len(), 1);
}

#[tokio::test]
async fn an_awaited_approval_is_told_once_with_what_is_to_be_approved() {
    let house = house().await;
    let heard = hearing(&house, Delivery::Told);
    declare(&house, 2, ops(), json!({"approval": "Required"}));
    let waits = house.pass().await;
    assert_eq!(told(&heard), ["Started", "Waiting canary"]);
    let plan = progress(&waits).plan.clone();
    assert!(heard.lock().unwrap()[1].news.message.contains(&plan), "{heard:?}");
    house.pass().await;
    assert_eq!(ids(&heard).len(), 2);
    house.stage.declared.approval(approval("yes", "canary", &plan));
    house.pass().await;
    assert_eq!(told(&heard)[2..], ALL[1..]);
}

#[tokio::test]
async fn one_channel_that_is_down_keeps_no_other() {
    let house = house().await;
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    *house.stage.wired.hears.lock().unwrap() = Box::new(move |notice| {
        if notice.channel.name == "ops" {
            return down();
        }
        kept.lock().unwrap().push(notice.clone());
        Delivery::Told
    });
    let chat = json!({"name": "chat", "slack": {"secretRef": {"name": "slack", "key": "url"}}});
    declare(&house, 2, json!([ops()[0], chat]), json!({}));
    let pass = house.pass().await;
    assert_eq!(told(&heard), ALL);
    assert_eq!(failing(&pass), Some(Reason::ReceiverFailing));
    let waits = Delivery::Failed {
        why: "it answers 429".to_owned(),
        wait: Some(SignedDuration::from_mins(10)),
    };
    hearing(&house, waits);
    retried(&house).await;
    let slower = house.pass().await;
    assert!(
        matches!(slower.next, Next::After(_)),
        "it waits for as long as it is asked to: {:?}",
        slower.next
    );
}

#[tokio::test]
async fn a_plan_tells_nobody() {
    let house = house().await;
    hearing(&house, down());
    declare(&house, 2, ops(), json!({}));
    house.pass().await;
    retried(&house).await;
    *house.stage.wired.hears.lock().unwrap() = Box::new(|_| panic!("a plan tells nobody"));
    let key = EnvironmentKey {
        namespace: "apps".to_owned(),
        instance: "omni".to_owned(),
        environment: "production".to_owned(),
    };
    crate::environment::plan(&house.stage.world, &key).await.unwrap();
}

#[tokio::test]
async fn the_last_five_attempts_are_told_newest_first_with_how_each_ended() {
    let house = house().await;
    declare(&house, 2, json!([]), json!({"approval": "Required"}));
    house.pass().await;
    declare(&house, 2, json!([]), json!({}));
    let done = house.pass().await;
    let ended: Vec<_> = progress(&done)
        .history
        .iter()
        .map(|past| (past.attempt, past.version, past.outcome, past.moved))
        .collect();
    let expected = [
        (3, 2, RolloutOutcome::Completed, 2),
        (2, 2, RolloutOutcome::Superseded, 0),
        (1, 1, RolloutOutcome::Completed, 2),
    ];
    assert_eq!(ended, expected);
    let past = &progress(&done).history;
    assert_eq!(past[1].ended_at, Some(past[0].started_at));
    for version in [1, 2, 1] {
        declare(&house, version, json!([]), json!({}));
        house.pass().await;
    }
    let last = house.pass().await;
    let attempts: Vec<i32> = progress(&last).history.iter().map(|past| past.attempt).collect();
    assert_eq!(attempts, [6, 5, 4, 3, 2]);
}
