//! Whole passes in which tenants without a pin take part, with labels of the application's own table.

use serde_json::{Value, json};

use super::*;
use crate::environment::scene::{follower, rollout};
use crate::environment::{RolloutProgress, RolloutReport};
use crate::ports::{Absence, Claim, Object};
use crate::resources::conditions::COMPLETE;
use crate::resources::{PinDeletionPolicy, VersionRolloutSpec, VersionRolloutStatus};

fn to(version: i32, labels_from: Option<&str>) -> Object<VersionRolloutSpec> {
    let waves = json!([
        {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}},
        {"name": "rest"},
    ]);
    let mut rollout = rollout(version, waves);
    let rows = labels_from.map_or_else(|| json!({}), |name| json!({"labelsFrom": name}));
    rollout.spec.members = serde_json::from_value(json!({"rows": rows})).unwrap();
    rollout
}

/// The house with an application that has a table of tenants, and four of them on version 1 that no pin speaks for.
async fn house(tables: Value) -> House {
    let house = House::new().await;
    let mut spec = spec(false);
    spec["mapping"] = json!({"tenantTables": tables});
    house.stage.declared.instance(instance(spec));
    house.by_hand("CREATE TABLE tenants (id TEXT, tier TEXT)").await;
    house
        .by_hand("INSERT INTO tenants VALUES ('a', 'canary'), ('b', 'late'), ('c', NULL), ('nobody', 'two words')")
        .await;
    house
        .by_hand(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES \
             ('a', 'production', 1), ('b', 'production', 1), ('c', 'production', 1), ('d', 'production', 1)",
        )
        .await;
    house
}

fn declared() -> Value {
    json!({"main": {"table": "tenants", "tenantColumn": "id", "columns": ["tier"]}})
}

async fn versions(house: &House) -> Vec<i32> {
    house.rows().await.into_iter().map(|(.., version)| version).collect()
}

fn told(report: &RolloutReport, condition: &str) -> Option<(Reason, String)> {
    let mut findings = report.findings.iter();
    let found = findings.find(|it| it.condition == condition && it.verdict == Verdict::True)?;
    Some((found.reason, found.message.clone()))
}

fn progress(pass: &EnvironmentPass) -> &RolloutProgress {
    pass.rollouts[0].progress.as_ref().unwrap()
}

#[tokio::test]
async fn rows_move_without_a_pin_and_a_converged_look_writes_nothing() {
    let house = house(declared()).await;
    house.stage.declared.rollout(to(2, Some("main")));
    let pass = house.pass().await;
    assert_eq!(versions(&house).await, [2; 4]);
    assert_eq!(
        told(&pass.rollouts[0], COMPLETE).map(|(reason, _)| reason),
        Some(Reason::RolledOut)
    );
    assert_eq!(progress(&pass).moved, (4, 4));
    let rows = progress(&pass).rows.unwrap();
    assert_eq!((rows.tenants, rows.unlabelled), (4, 1));
    assert_eq!(Vec::from_iter(pass.moved.clone()), [1, 2]);
    assert_eq!(Vec::from_iter(pass.held.clone()), [2]);
    let current = "SELECT version FROM wavepin_current_version WHERE environment = 'production'";
    let current: Option<i64> = sqlx::query_scalar(current)
        .fetch_optional(&mut house.connection().await)
        .await
        .unwrap();
    assert_eq!(current, Some(2));

    let mut witness = house.connection().await;
    let moved = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    let again = house.pass().await;
    assert_eq!((&again.rollouts, &again.held), (&pass.rollouts, &pass.held));
    assert!(again.moved.is_empty() && again.pins.is_empty());
    let after: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(before, after, "a pass that has nothing to do wrote to the database");

    // A tenant that the application makes at run time, as old as the application thinks right.
    house
        .by_hand(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES ('e', 'production', 1)",
        )
        .await;
    house.pass().await;
    assert_eq!(versions(&house).await, [2; 5]);
    house.stage.declared.rollout(to(1, Some("main")));
    house.pass().await;
    assert_eq!(versions(&house).await, [1; 5], "and all go back");
}

#[tokio::test]
async fn a_table_that_does_not_do_is_told_on_the_rollout_alone_and_its_mending_is_noticed() {
    let house = house(json!({})).await;
    house.stage.declared.rollout(to(2, Some("main")));
    house.stage.declared.pin(pin("own", "own", 2));
    house.stage.declared.pin(follower("follows", "canary"));
    let pass = house.pass().await;
    let (reason, message) = told(&pass.rollouts[0], RECONCILING).unwrap();
    assert_eq!(reason, Reason::TenantTableMissing);
    assert!(
        message.contains("labelsFrom is \"main\"") && message.contains("declare it there"),
        "{message}"
    );
    assert_eq!(
        versions(&house).await,
        [1, 1, 1, 1, 2],
        "only the pin with a version of its own moves"
    );
    assert_eq!(verdict(&pass.pins[1], READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(
        progress(&pass).left_out,
        Vec::<String>::new(),
        "nobody is left out by himself"
    );

    let wrong = json!({"main": {"table": "tenants", "tenantColumn": "id", "columns": ["region"]}});
    let mut spec = spec(false);
    spec["mapping"] = json!({"tenantTables": wrong});
    house.stage.declared.instance(instance(spec));
    let pass = house.pass().await;
    let (reason, message) = told(&pass.rollouts[0], STALLED).unwrap();
    assert_eq!(reason, Reason::TenantTableUnusable);
    assert!(message.contains("no such column: t.region"), "{message}");
    assert!(message.contains("spec.mapping.tenantTables.main"), "{message}");
    assert!(
        matches!(pass.next, Next::After(pause) if pause <= std::time::Duration::from_secs(30)),
        "{:?}",
        pass.next
    );
    house.by_hand("ALTER TABLE tenants ADD COLUMN region TEXT").await;
    let pass = house.pass().await;
    assert_eq!(told(&pass.rollouts[0], STALLED), None);
    assert_eq!(versions(&house).await, [2; 6]);

    house.by_hand("INSERT INTO tenants VALUES ('a', 'late', 'x')").await;
    house.stage.declared.rollout(to(1, Some("main")));
    house.pass().await;
    let back = house.rows().await;
    assert_eq!(
        back.iter().filter(|(.., version)| *version == 1).count(),
        4,
        "back they go all the same: {back:?}"
    );
    house.stage.declared.rollout(to(2, Some("main")));
    let pass = house.pass().await;
    let (_, message) = told(&pass.rollouts[0], STALLED).unwrap();
    assert!(message.contains("more than one row for tenant \"a\""), "{message}");
}

#[tokio::test]
async fn a_row_that_does_not_move_is_named_with_its_reason() {
    let house = house(declared()).await;
    house
        .by_hand(
            "CREATE TRIGGER no BEFORE UPDATE ON tenant_version WHEN NEW.tenant_id = 'b' \
             BEGIN SELECT RAISE(ABORT, 'b is in court'); END",
        )
        .await;
    house
        .by_hand(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id) VALUES ('z', 'production', 3)",
        )
        .await;
    house.stage.declared.pin(
        follower("pinned", "late")
            .with(|pin| pin.spec.tenant = "d".to_owned())
            .held(None),
    );
    house.stage.declared.rollout(to(2, Some("main")));
    let pass = house.pass().await;
    assert_eq!(versions(&house).await, [2, 1, 2, 1, 3]);
    assert_eq!(
        progress(&pass).left_out,
        [
            "b: MappingUnreachable",
            "d: Held (TenantPin pinned)",
            "z: UnknownCurrentVersion"
        ]
    );
    let (reason, message) = told(&pass.rollouts[0], RECONCILING).unwrap();
    assert_eq!(reason, Reason::Progressing);
    assert!(
        message.contains("of tenant b: ") && message.contains("b is in court"),
        "{message}"
    );

    house.by_hand("DROP TRIGGER no").await;
    house
        .by_hand("UPDATE tenant_version SET model_version_id = 1 WHERE tenant_id = 'a'")
        .await;
    let pass = house.pass().await;
    assert_eq!(versions(&house).await, [1, 2, 2, 1, 3]);
    assert_eq!(progress(&pass).left_out[0], "a: ChangedOutside");
    let recorded = "SELECT kind FROM wavepin_pin_history WHERE tenant = 'a' ORDER BY id DESC LIMIT 1";
    let recorded: String = sqlx::query_scalar(recorded)
        .fetch_one(&mut house.connection().await)
        .await
        .unwrap();
    assert_eq!(recorded, "outside");
}

#[tokio::test]
async fn a_row_whose_pin_goes_takes_part_by_itself() {
    let house = house(declared()).await;
    house.stage.declared.pin(pin("a", "a", 1));
    house.stage.declared.rollout(to(2, Some("main")));
    house.pass().await;
    assert_eq!(
        versions(&house).await,
        [1, 2, 2, 2],
        "a pin with a version outranks a row"
    );
    house.stage.declared.delete("a");
    let pass = house.pass().await;
    assert_eq!(versions(&house).await, [2; 4]);
    assert_eq!(progress(&pass).rows.unwrap().tenants, 4);
}

#[tokio::test]
async fn whose_row_is_refused_takes_no_place_of_a_batch() {
    let house = house(declared()).await;
    house
        .by_hand(
            "CREATE TRIGGER no BEFORE UPDATE ON tenant_version WHEN NEW.tenant_id = 'b' \
             BEGIN SELECT RAISE(ABORT, 'b is in court'); END",
        )
        .await;
    let mut one_by_one = to(2, Some("main"));
    one_by_one.spec.waves[1].batch = serde_json::from_value(json!({"size": 1, "every": "1h"})).unwrap();
    house.stage.declared.rollout(one_by_one);
    let pass = house.pass().await;
    assert_eq!(
        versions(&house).await,
        [2, 1, 2, 1],
        "c has the place that b cannot take"
    );
    let (reason, _) = told(&pass.rollouts[0], WAITING).unwrap();
    assert_eq!(reason, Reason::BatchSpaced);
    assert_eq!(progress(&pass).left_out, ["b: MappingUnreachable"]);
}

#[tokio::test]
async fn who_takes_no_part_is_named_all_the_same() {
    let house = house(declared()).await;
    let claim = Claim {
        tenant: "c".to_owned(),
        holder: "elsewhere/gone".to_owned(),
        deletion: PinDeletionPolicy::Retain,
    };
    house.mapping.set_claims("production", &[claim]).await.unwrap();
    *house.stage.declared.absence.lock().unwrap() = Some(Absence::Unknown);
    house
        .stage
        .declared
        .pin(follower("b", "late").with(|pin| pin.deleting = true));
    house.stage.declared.pin(pin("of-d", "d", 1));
    house.stage.declared.rollout(to(2, Some("main")));
    let pass = house.pass().await;
    assert_eq!(versions(&house).await, [2, 1, 1, 1]);
    let told = progress(&pass);
    assert_eq!(
        told.left_out,
        ["b: being deleted", "c: Conflict (TenantPin elsewhere/gone, not seen)"]
    );
    let mut status = VersionRolloutStatus::default();
    told.fill(&mut status);
    assert_eq!((status.left_out, status.with_own_version), (Some(2), Some(1)));
    assert_eq!(status.with_own_version_tenants, ["d: 1"]);
}
