//! Whole passes over rollouts whose waves are asked about.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::ended::at_most;
use super::rollouts::verdict_of;
use super::*;
use crate::environment::RolloutReport;
use crate::environment::scene::{With as _, follower, rollout};
use crate::ports::{Answer, Question};
use crate::resources::conditions::COMPLETE;
use crate::resources::{VersionRolloutSpec, annotations};

/// The house with tenants `acme` (canary) and `globex` on version 1, and a rollout to 2 that checks the canary.
async fn checked(more: Value) -> House {
    let house = House::new().await;
    house.stage.declared.rollout(rollout(1, json!([{"name": "all"}])));
    for (tenant, tier) in [(ACME, "canary"), ("globex", "late")] {
        house.stage.declared.pin(follower(tenant, tier));
    }
    house.pass().await;
    let waves = json!([
        {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}},
        {"name": "rest"},
    ]);
    let mut next = rollout(2, waves);
    let mut spec = serde_json::to_value(&next.spec).unwrap();
    spec["checks"] = json!([{"name": "errors", "webhook": {"url": "https://checks.example"}}]);
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    next.spec = serde_json::from_value(spec).unwrap();
    house.stage.declared.rollout(next);
    house
}

/// From now on this is answered; what is asked is kept.
fn answering(house: &House, answer: Answer) -> Arc<Mutex<Vec<Question>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    *house.stage.wired.answers.lock().unwrap() = Box::new(move |question| {
        kept.lock().unwrap().push(question.clone());
        answer.clone()
    });
    asked
}

fn passed() -> Answer {
    Answer::passed(String::new())
}

fn fails() -> Answer {
    Answer::failed(BTreeSet::from([ACME.to_owned()]), "14 errors".to_owned())
}

fn waiting(report: &RolloutReport) -> (Reason, String) {
    told(report, WAITING)
}

fn told(report: &RolloutReport, condition: &str) -> (Reason, String) {
    let told = report.findings.iter().find(|it| it.condition == condition).unwrap();
    (told.reason, told.message.clone())
}

/// The spec of the rollout as it is declared.
fn declared(house: &House) -> VersionRolloutSpec {
    let rollouts = house.stage.world.objects.rollouts("apps", "omni", "production");
    rollouts[0].spec.clone()
}

/// So many seconds pass for what is on record of checks.
async fn later(house: &House, seconds: i64) {
    let sql = "UPDATE wavepin_rollout_check SET at = at - ? * 1000000, asked_at = asked_at - ? * 1000000";
    let moved = "UPDATE wavepin_pin_event SET at = at - ? * 1000000 WHERE wave IS NOT NULL";
    let opened = "UPDATE wavepin_rollout_event SET at = at - ? * 1000000";
    let mut hand = house.connection().await;
    sqlx::query(sql)
        .bind(seconds)
        .bind(seconds)
        .execute(&mut hand)
        .await
        .unwrap();
    for sql in [moved, opened] {
        sqlx::query(sql).bind(seconds).execute(&mut hand).await.unwrap();
    }
}

async fn versions(house: &House) -> Vec<i32> {
    house.rows().await.into_iter().map(|(.., version)| version).collect()
}

#[tokio::test]
async fn a_rollout_whose_checks_pass_is_done_in_one_pass_and_asked_once_a_wave() {
    let house = checked(json!({})).await;
    let asked = answering(&house, passed());
    let done = house.pass().await;
    assert_eq!(
        verdict_of(&done.rollouts[0], COMPLETE),
        Some((Verdict::True, Reason::RolledOut))
    );
    let waves: Vec<_> = asked.lock().unwrap().iter().map(|it| it.wave.clone()).collect();
    assert_eq!(waves, ["canary", "rest"]);
    later(&house, 100_000).await;
    house.pass().await;
    assert_eq!(asked.lock().unwrap().len(), 2, "nobody is asked when all is done");
}

#[tokio::test]
async fn what_is_declared_while_a_check_is_asked_counts_before_anybody_else_moves() {
    let changes: [fn(&House); 3] = [
        |house| {
            let mut now = (*house.stage.world.objects.rollouts("apps", "omni", "production")[0]).clone();
            now.spec.suspend = true;
            house.stage.declared.rollout(now);
        },
        |house| house.stage.declared.pin(follower("globex", "late").held(None)),
        |house| house.stage.declared.instance(instance(spec(true))),
    ];
    for change in changes {
        let house = Arc::new(checked(json!({})).await);
        let meanwhile = Arc::downgrade(&house);
        *house.stage.wired.answers.lock().unwrap() = Box::new(move |_| {
            change(&meanwhile.upgrade().unwrap());
            passed()
        });
        house.pass().await;
        assert_eq!(versions(&house).await, [2, 1], "globex stays");
    }
}

/// A life that chance found: asking was counted as a quarrel over rows, of which a pass bears four rounds.
#[tokio::test]
async fn however_many_waves_are_asked_about_a_pass_goes_on_to_the_end() {
    let tiers = ["canary", "first", "second", "third", "fourth", "fifth"];
    let wave = |tier: &&str| json!({"name": tier, "selector": {"matchLabels": {"tier": tier}}});
    let mut waves: Vec<Value> = tiers.iter().map(wave).collect();
    waves.push(json!({"name": "rest"}));
    let house = checked(json!({"waves": waves})).await;
    for tier in &tiers[1..] {
        house.stage.declared.pin(follower(tier, tier));
    }
    let asked = answering(&house, passed());
    let done = house.pass().await;
    let waves: Vec<_> = asked.lock().unwrap().iter().map(|it| it.wave.clone()).collect();
    assert_eq!(waves, [&tiers[..], &["rest"]].concat());
    assert_eq!(
        verdict_of(&done.rollouts[0], COMPLETE),
        Some((Verdict::True, Reason::RolledOut))
    );
}

#[tokio::test]
async fn what_is_not_known_holds_the_wave_with_its_words_and_is_asked_once_an_interval() {
    let house = checked(json!({})).await;
    let asked = answering(&house, Answer::unknown("no whole answer within 5s".to_owned()));
    let held = house.pass().await;
    let (reason, message) = waiting(&held.rollouts[0]);
    assert_eq!(reason, Reason::CheckUnknown);
    for part in ["check errors", "wave canary", "no whole answer within 5s", "every 1m"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(
        verdict_of(&held.rollouts[0], READY),
        Some((Verdict::True, Reason::CheckUnknown))
    );
    assert!(
        matches!(held.next, Next::At(at) if at > super::at(1055) && at < super::at(1061)),
        "{:?}",
        held.next
    );
    assert_eq!(versions(&house).await, [2, 1]);

    // As long as nothing is due, nothing is asked and nothing written.
    let mut witness = house.connection().await;
    let version = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(version).fetch_one(&mut witness).await.unwrap();
    let again = house.pass().await;
    let after: i64 = sqlx::query_scalar(version).fetch_one(&mut witness).await.unwrap();
    assert_eq!((before, &again.rollouts), (after, &held.rollouts));
    assert_eq!(asked.lock().unwrap().len(), 1);

    // A process that starts anew knows what was answered: it stands in the ledger.
    later(&house, 61).await;
    let still = house.pass().await;
    assert_eq!(
        still.rollouts[0].findings, held.rollouts[0].findings,
        "the same answer is no news"
    );
    assert_eq!(asked.lock().unwrap().len(), 2);
    answering(&house, passed());
    later(&house, 61).await;
    house.pass().await;
    assert_eq!(versions(&house).await, [2, 2]);
}

#[tokio::test]
async fn a_check_that_fails_holds_the_wave_and_names_the_tenants() {
    let house = checked(json!({})).await;
    answering(&house, fails());
    let held = house.pass().await;
    let (reason, message) = waiting(&held.rollouts[0]);
    assert_eq!(reason, Reason::CheckFailed);
    assert!(message.contains("14 errors; 1 times in a row, of 3"), "{message}");
    let wave = &held.rollouts[0].progress.as_ref().unwrap().waves[0];
    assert_eq!(
        (wave.failing, wave.failing_tenants.as_slice()),
        (Some(1), [ACME.to_owned()].as_slice())
    );
    assert_eq!(versions(&house).await, [2, 1]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_put_on_record_opens_nothing_and_is_told() {
    let house = checked(json!({})).await;
    let asked = answering(&house, passed());
    house
        .by_hand("CREATE TRIGGER no BEFORE INSERT ON wavepin_rollout_check BEGIN SELECT RAISE(ABORT, 'not today'); END")
        .await;
    let pass = house.pass().await;
    let ready = pass.rollouts[0]
        .findings
        .iter()
        .find(|it| it.condition == READY)
        .unwrap();
    assert!(ready.message.contains("not today"), "{}", ready.message);
    assert_eq!(versions(&house).await, [2, 1]);
    assert_eq!(
        asked.lock().unwrap().len(),
        1,
        "and nobody is asked again in the same pass"
    );
    house.by_hand("DROP TRIGGER no").await;
    house.pass().await;
    assert_eq!(versions(&house).await, [2, 2]);
}

#[tokio::test]
async fn a_plan_asks_nobody_and_says_what_is_to_be_asked() {
    let house = checked(json!({})).await;
    answering(&house, Answer::unknown("gone".to_owned()));
    house.pass().await;
    later(&house, 61).await;
    house.by_hand("DELETE FROM wavepin_rollout_check").await;
    *house.stage.wired.answers.lock().unwrap() = Box::new(|_| panic!("a plan asks nobody"));
    let key = EnvironmentKey {
        namespace: "apps".to_owned(),
        instance: "omni".to_owned(),
        environment: "production".to_owned(),
    };
    let plan = crate::environment::plan(&house.stage.world, &key).await.unwrap();
    let (reason, message) = waiting(&plan.rollouts[0]);
    assert_eq!(reason, Reason::CheckAwaited);
    assert!(
        message.contains("check errors is to be asked about wave canary"),
        "{message}"
    );
}

#[tokio::test]
async fn over_budget_the_rollout_is_paused_and_a_person_may_retry_it() {
    let checks = json!([{"name": "errors", "failureLimit": 2, "webhook": {"url": "https://checks.example"}}]);
    let house = checked(json!({"checks": checks})).await;
    let asked = answering(&house, fails());
    house.pass().await;
    later(&house, 61).await;
    let stopped = house.pass().await;
    let report = &stopped.rollouts[0];
    let (_, message) = told(report, STALLED);
    assert_eq!(
        verdict_of(report, STALLED),
        Some((Verdict::True, Reason::RolloutFailed))
    );
    for part in [
        "1 tenants of wave canary",
        "0 may by spec.failureBudget",
        ACME,
        "it is paused",
        "retry-rollout",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(versions(&house).await, [2, 1]);
    assert_eq!(asked.lock().unwrap().len(), 2);
    later(&house, 61).await;
    house.pass().await;
    assert_eq!(asked.lock().unwrap().len(), 2, "nobody is asked while it is stopped");

    // A person retries: what was answered before counts no longer.
    let asked = answering(&house, passed());
    let word = report.progress.as_ref().unwrap().plan.clone();
    let mut again = rollout(2, json!([]));
    again.spec = declared(&house);
    again.requests.insert(annotations::RETRY_ROLLOUT.to_owned(), word);
    house.stage.declared.rollout(again);
    house.pass().await;
    assert_eq!(versions(&house).await, [2, 2]);
    assert!(!asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn over_budget_everybody_goes_back_where_that_is_asked_for_and_another_process_goes_on_from_there() {
    let checks = json!([{"name": "errors", "failureLimit": 1, "webhook": {"url": "https://checks.example"}}]);
    let house = checked(json!({"checks": checks, "onFailure": "RollBack", "failureBudget": {"wave": 0}})).await;
    let asked = answering(&house, fails());
    let back = house.pass().await;
    assert_eq!(
        verdict_of(&back.rollouts[0], STALLED),
        Some((Verdict::True, Reason::RolloutFailed))
    );
    assert_eq!(versions(&house).await, [1, 1]);
    later(&house, 100_000).await;
    let still = house.pass().await;
    assert_eq!(still.rollouts[0].findings, back.rollouts[0].findings);
    assert_eq!((versions(&house).await, asked.lock().unwrap().len()), (vec![1, 1], 1));
}

/// The rows, what was answered, and what happened to the rollout.
async fn end(house: &House) -> (Vec<i32>, Vec<String>, Vec<String>) {
    let mut hand = house.connection().await;
    let checks =
        "SELECT wave || ' ' || outcome || ' ' || failures || ' ' || failing FROM wavepin_rollout_check ORDER BY id";
    let events = "SELECT kind || ' ' || wave FROM wavepin_rollout_event WHERE attempt = 2 ORDER BY id";
    let checks = sqlx::query_scalar(checks).fetch_all(&mut hand).await.unwrap();
    let events = sqlx::query_scalar(events).fetch_all(&mut hand).await.unwrap();
    (versions(house).await, checks, events)
}

#[tokio::test]
async fn a_process_that_ends_anywhere_around_a_check_leaves_the_next_one_to_the_same_end() {
    let begun = async || {
        let checks = json!([{"name": "errors", "failureLimit": 1, "webhook": {"url": "https://checks.example"}}]);
        let house = checked(json!({"checks": checks, "onFailure": "RollBack"})).await;
        answering(&house, fails());
        house
    };
    let undisturbed = begun().await;
    undisturbed.pass().await;
    let expected = end(&undisturbed).await;
    assert_eq!(expected.0, [1, 1]);
    assert_eq!(expected.1, ["canary Failed 1 [\"acme\"]"]);
    assert_eq!(expected.2, ["Started ", "Opened canary", "RolledBack "]);
    let key = EnvironmentKey {
        namespace: "apps".to_owned(),
        instance: "omni".to_owned(),
        environment: "production".to_owned(),
    };
    let mut ends = 0;
    for polls in 1.. {
        let house = begun().await;
        if at_most(polls, reconcile(&house.stage.world, &key)).await {
            break;
        }
        ends += 1;
        house.pass().await;
        assert_eq!(end(&house).await, expected, "ended after {polls} waits");
    }
    assert!(ends > 10, "{ends} ends only");
}
