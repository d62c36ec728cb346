//! A process that ends while a rollout goes on, at whatever statement: the next one goes on where it stopped.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use serde_json::json;

use super::*;
use crate::environment::scene::{follower, rollout};
use crate::ports::{Command, Ordered, Scope};

/// What became of it: the rows, what happened to the second rollout, and its batches.
type End = (Vec<(String, String, i32)>, Vec<String>, Vec<String>);

/// Two canaries and three others on version 1, rolled out to the end.
async fn house() -> House {
    let house = House::new().await;
    for (tenant, tier) in [("a", "canary"), ("b", "canary"), ("c", "x"), ("d", "x"), ("e", "x")] {
        house.stage.declared.pin(follower(tenant, tier));
    }
    declare(&house, 1);
    house.pass().await;
    house
}

fn declare(house: &House, version: i32) {
    let waves = json!([
        {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}},
        {"name": "nobody", "selector": {"matchLabels": {"tier": "none"}}},
        {"name": "rest"},
    ]);
    house.stage.declared.rollout(rollout(version, waves));
}

async fn end(house: &House, attempt: i32) -> End {
    let mut connection = house.connection().await;
    let events = sqlx::query_scalar(
        "SELECT kind || ' ' || wave || ' ' || coalesce(members, '-') FROM wavepin_rollout_event WHERE attempt = ? ORDER BY id",
    );
    let batches = sqlx::query_scalar(
        "SELECT wave || ' ' || tenants || ' ' || from_version || ' ' || to_version FROM wavepin_pin_event \
         WHERE attempt = ? ORDER BY id",
    );
    (
        house.rows().await,
        events.bind(attempt).fetch_all(&mut connection).await.unwrap(),
        batches.bind(attempt).fetch_all(&mut connection).await.unwrap(),
    )
}

/// Goes on until this is waited for so often, and then no more; whether it came to its end before.
pub(super) async fn at_most(polls: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn a_process_that_ends_at_any_statement_of_a_rollout_leaves_the_next_one_to_the_same_end() {
    let undisturbed = house().await;
    declare(&undisturbed, 2);
    undisturbed.pass().await;
    let expected = end(&undisturbed, 2).await;
    assert_eq!(expected.1.len(), 8, "{expected:?}");
    assert_eq!(expected.2.len(), 2, "{expected:?}");

    let mut ends = 0;
    for polls in 1.. {
        let house = house().await;
        declare(&house, 2);
        let key = EnvironmentKey {
            namespace: "apps".to_owned(),
            instance: "omni".to_owned(),
            environment: "production".to_owned(),
        };
        if at_most(polls, reconcile(&house.stage.world, &key)).await {
            break;
        }
        ends += 1;
        house.pass().await;
        assert_eq!(end(&house, 2).await, expected, "ended after {polls} waits");
        // And back, whoever had moved.
        declare(&house, 1);
        // Where the database answers at once it may even come to its end.
        at_most(polls.min(6), reconcile(&house.stage.world, &key)).await;
        house.pass().await;
        let rows = house.rows().await;
        assert!(rows.iter().all(|(.., version)| *version == 1), "{rows:?}");
    }
    println!("{ends} ends");
    assert!(ends > 15, "{ends} ends only");
}

#[tokio::test]
async fn a_process_that_ends_at_any_statement_of_a_rollback_leaves_the_next_one_to_the_same_end() {
    let mut ends = 0;
    for polls in 1.. {
        let house = house().await;
        declare(&house, 2);
        house.pass().await;
        let order = Command {
            environment: "production".to_owned(),
            what: Ordered::RollBack(Scope::Rollout { attempt: 2 }),
            by: "anna".to_owned(),
            reason: "numbers are off".to_owned(),
        };
        house.mapping.give_command(&order).await.unwrap();
        let key = EnvironmentKey {
            namespace: "apps".to_owned(),
            instance: "omni".to_owned(),
            environment: "production".to_owned(),
        };
        if at_most(polls, reconcile(&house.stage.world, &key)).await {
            break;
        }
        ends += 1;
        house.pass().await;
        let (rows, steps, _) = end(&house, 2).await;
        assert!(
            rows.iter().all(|(.., version)| *version == 1),
            "ended after {polls} waits: {rows:?}"
        );
        let stops = steps.iter().filter(|step| step.starts_with("Ordered")).count();
        assert_eq!(stops, 1, "ended after {polls} waits: {steps:?}");
        let mut connection = house.connection().await;
        let back: Vec<String> =
            sqlx::query_scalar("SELECT tenants FROM wavepin_pin_event WHERE reason = 'rolled-back'")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        assert_eq!(back.len(), 1, "in one transaction, and once: {back:?}");
    }
    println!("{ends} ends");
    assert!(ends > 4, "{ends} ends only");
}
