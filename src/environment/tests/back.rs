//! Whole passes in which a rollout or a tenant is taken back.

use serde_json::json;

use super::*;
use crate::environment::RolloutReport;
use crate::environment::orders::Newest;
use crate::environment::scene::{follower, rollout};
use crate::ports::{Command, Ordered, RolloutStep, Scope, StopKind};
use crate::resources::annotations;
use crate::resources::conditions::COMPLETE;

fn told<'r>(report: &'r RolloutReport, condition: &str) -> (Verdict, Reason, &'r str) {
    let found = report.findings.iter().find(|finding| finding.condition == condition);
    let found = found.unwrap_or_else(|| panic!("no {condition}: {report:?}"));
    (found.verdict, found.reason, &found.message)
}

/// Three tenants that were rolled out from version 1 to 2, and one that had no row before.
async fn rolled_out() -> House {
    let house = House::new().await;
    let all = json!([{"name": "all"}]);
    house.stage.declared.rollout(rollout(1, all.clone()));
    for tenant in [ACME, "globex", "initech"] {
        house.stage.declared.pin(follower(tenant, "late"));
    }
    house.pass().await;
    house
        .by_hand("DELETE FROM wavepin_rollout_event WHERE kind = 'Completed'")
        .await;
    house.stage.declared.rollout(rollout(2, all));
    house.stage.declared.pin(follower("newcomer", "late"));
    house.pass().await;
    assert_eq!(house.held().await, [2; 4]);
    house
}

impl House {
    async fn held(&self) -> Vec<i32> {
        self.rows().await.into_iter().map(|(.., version)| version).collect()
    }

    async fn order(&self, what: Ordered) -> i64 {
        let command = Command {
            environment: "production".to_owned(),
            what,
            by: "anna".to_owned(),
            reason: "numbers are off".to_owned(),
        };
        self.mapping.give_command(&command).await.unwrap()
    }
}

#[tokio::test]
async fn a_rollout_that_is_ordered_back_says_who_ordered_it_and_what_ends_that() {
    let house = rolled_out().await;
    let number = house.order(Ordered::RollBack(Scope::Rollout { attempt: 2 })).await;
    let pass = house.pass().await;
    assert_eq!(house.held().await, [1, 1, 1, 2], "the newcomer had nothing");
    let report = &pass.rollouts[0];
    let (verdict_of, reason, message) = told(report, WAITING);
    assert_eq!((verdict_of, reason), (Verdict::True, Reason::RolledBack));
    assert!(
        message.contains("taken back by anna") && message.contains(&format!("`wavepin rollback --lift {number}`")),
        "{message}"
    );
    assert_eq!(told(report, READY).0, Verdict::True);
    assert_eq!(told(report, COMPLETE).0, Verdict::False);
    let newcomer = pass.pins.iter().find(|pin| pin.name == "newcomer").unwrap();
    assert_eq!(verdict(newcomer, WAITING), Some((Verdict::True, Reason::NotReturned)));
    assert!(ready(newcomer).contains("had no row before"), "{}", ready(newcomer));
    let left_out = &report.progress.as_ref().unwrap().left_out;
    assert_eq!(left_out, &["newcomer: NotReturned"]);

    house.order(Ordered::Lift(number)).await;
    let pass = house.pass().await;
    assert_eq!(house.held().await, [1, 1, 1, 2]);
    let (_, reason, message) = told(&pass.rollouts[0], WAITING);
    assert_eq!(reason, Reason::Latched);
    assert!(message.contains("wavepin.dev/retry-rollout: 1-"), "{message}");

    let word = pass.rollouts[0].progress.as_ref().unwrap().plan.clone();
    let mut again = rollout(2, json!([{"name": "all"}]));
    again.requests.insert(annotations::RETRY_ROLLOUT.to_owned(), word);
    house.stage.declared.rollout(again);
    let pass = house.pass().await;
    assert_eq!(house.held().await, [2; 4]);
    assert_eq!(told(&pass.rollouts[0], COMPLETE).1, Reason::RolledOut);
}

#[tokio::test]
async fn an_order_is_heeded_where_nothing_is_declared_any_more() {
    let house = House::new().await;
    for tenant in [ACME, "globex"] {
        house.stage.declared.pin(pin(tenant, tenant, 1));
    }
    house.pass().await;
    for tenant in [ACME, "globex"] {
        house.stage.declared.delete(tenant);
    }
    assert_eq!(house.look("production").await, None, "the rows stay, and are nobody's");
    let mut of_rows = rollout(2, json!([{"name": "all"}]));
    of_rows.spec.members = serde_json::from_value(json!({"rows": {}})).unwrap();
    house.stage.declared.rollout(of_rows);
    house.pass().await;
    assert_eq!(house.held().await, [2; 2]);
    house.stage.declared.delete("main");
    let world = &house.stage.world;
    assert_eq!(house.look("production").await, None);
    assert_eq!(abandoned(world, "apps", "omni").await, []);

    let number = house.order(Ordered::RollBack(Scope::Rollout { attempt: 1 })).await;
    let tended = abandoned(world, "apps", "omni").await;
    let [key] = &tended[..] else { panic!("{tended:?}") };
    let pass = reconcile(world, key).await.expect("an order stands");
    assert_eq!(house.held().await, [1; 2]);
    assert_eq!((pass.pins.len(), pass.rollouts.len()), (0, 0));
    assert!(pass.moved.contains(&2), "{:?}", pass.moved);
    house.order(Ordered::Lift(number)).await;
    assert_eq!(house.look("production").await, None);
    assert_eq!(abandoned(world, "apps", "omni").await, []);
}

#[tokio::test]
async fn a_rollout_that_failed_is_stalled_until_a_person_acts() {
    for (kind, held, words) in [
        (StopKind::Paused, [2; 4], "it is paused"),
        (StopKind::RolledBack, [1, 1, 1, 2], "it is rolled back"),
    ] {
        let house = rolled_out().await;
        let attempt = house.mapping.environment("production", &[], None).await.unwrap();
        let attempt = attempt.rollouts.attempt.unwrap();
        let failed = attempt.event(RolloutStep::Stopped {
            kind,
            wave: None,
            why: "check errors failed 3 of 2 tenants".to_owned(),
        });
        house.mapping.record_rollout("production", &[failed]).await.unwrap();
        let pass = house.pass().await;
        assert_eq!(house.held().await, held);
        let (_, reason, message) = told(&pass.rollouts[0], STALLED);
        assert_eq!(reason, Reason::RolloutFailed);
        assert!(
            message.contains("check errors failed") && message.contains(words),
            "{message}"
        );
        assert_eq!(told(&pass.rollouts[0], READY).0, Verdict::False);
        let again = house.pass().await;
        assert_eq!(again.rollouts, pass.rollouts, "it is latched");
    }
}

#[tokio::test]
async fn a_tenant_that_is_ordered_back_stays_there_against_its_own_pin() {
    let house = House::new().await;
    house.stage.declared.pin(pin(ACME, ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin(ACME, ACME, 2));
    house.pass().await;
    assert_eq!(house.row().await, Some(2));
    let number = house.order(Ordered::RollBack(Scope::Tenant(ACME.to_owned()))).await;
    house.pass().await;
    let pass = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    assert_eq!(
        verdict(&pass.pins[0], WAITING),
        Some((Verdict::True, Reason::RolledBack))
    );
    assert!(
        ready(&pass.pins[0]).contains("numbers are off"),
        "{}",
        ready(&pass.pins[0])
    );
    house.order(Ordered::Lift(number)).await;
    house.pass().await;
    assert_eq!(house.row().await, Some(2));
}

#[tokio::test]
async fn an_order_that_comes_between_the_first_passes_and_the_first_look_for_orders_is_not_missed() {
    let house = rolled_out().await;
    let (clients, instance) = (&*house.stage.world.clients, instance(spec(false)));
    let newest = Newest::default();
    let nothing = Newest::default();
    assert!(!nothing.moved(clients, &instance).await, "there is none");
    // The passes of a process that has just started have looked, and its first look for orders comes now.
    house.pass().await;
    house.order(Ordered::RollBack(Scope::Rollout { attempt: 2 })).await;
    assert!(newest.moved(clients, &instance).await, "a pass has to look for it");
    assert!(!newest.moved(clients, &instance).await, "once");
    assert!(nothing.moved(clients, &instance).await);
}

#[tokio::test]
async fn what_is_wrong_with_one_version_keeps_nobody_from_going_back_to_another() {
    let house = House::new().await;
    house.complete(3).await;
    for (tenant, version) in [(ACME, 1), ("globex", 2), ("hooli", 2)] {
        house.stage.declared.pin(pin(tenant, tenant, version));
    }
    house.pass().await;
    for tenant in [ACME, "globex", "hooli"] {
        house.stage.declared.pin(follower(tenant, "late"));
    }
    house.stage.declared.rollout(rollout(3, json!([{"name": "all"}])));
    house.pass().await;
    assert_eq!(house.held().await, [3; 3]);
    // Nobody mends the rows of a version whose object is gone.
    house
        .by_hand("INSERT INTO wavepin_dashboard VALUES (1, 'sales', 'i', 'd', 'u', 's', '[]', NULL, NULL, NULL)")
        .await;
    house.order(Ordered::RollBack(Scope::Rollout { attempt: 1 })).await;
    let pass = house.pass().await;
    assert_eq!(house.held().await, [3, 2, 2]);
    let acme = ready(&pass.pins[0]);
    assert!(acme.contains("has no row of version 1 for \"sales\""), "{acme}");
}
