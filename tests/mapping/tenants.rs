//! The application's own table of tenants, and what the application asks when it inserts a row.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use wavepin::mapping::connect;
use wavepin::ports::{Mapping, RolloutEvent, RolloutStep, StopKind, TenantLine, TenantLines};
use wavepin::resources::{Management, TenantTable};

use super::bed::Bed;
use super::postgres::as_nobody;
use super::scenarios::{complete, flip};

fn table(name: &str, columns: &[&str]) -> TenantTable {
    of(json!({"table": name, "tenantColumn": "id", "columns": columns}))
}

fn of(table: Value) -> TenantTable {
    serde_json::from_value(table).unwrap()
}

/// What is read of a table, sorted: `<tenant>: <values>`.
async fn read(mapping: &dyn Mapping, table: &TenantTable) -> Result<Vec<String>, String> {
    let view = mapping.environment("production", &[], Some(table)).await.unwrap();
    assert_eq!(view.rows.len(), 3, "the rows are seen whatever becomes of the table");
    assert!(!view.events.is_empty());
    let told = |line: TenantLine| {
        let values = line.values.into_iter();
        let values: Vec<String> = values.map(|value| value.unwrap_or_else(|| "-".to_owned())).collect();
        format!("{}: {}", line.tenant, values.join(" "))
    };
    match view.tenants {
        TenantLines::Read(lines) => {
            let mut lines: Vec<String> = lines.into_iter().map(told).collect();
            lines.sort();
            Ok(lines)
        }
        TenantLines::Unusable(why) => Err(why),
        TenantLines::NotAsked => panic!("it was asked for"),
    }
}

/// Tenants 1, 2 and 3 with rows in production, and 4 in staging.
async fn prepared(bed: &Bed) -> std::sync::Arc<dyn Mapping> {
    let mapping = bed.writer().await;
    complete(&*mapping, 1).await;
    let production = flip(1, &[("1", None), ("2", None), ("3", None)]);
    mapping.flip(&production).await.unwrap();
    let mut staging = flip(1, &[("4", None)]);
    staging.environment = "staging".to_owned();
    mapping.flip(&staging).await.unwrap();
    mapping
}

pub(crate) async fn labels_are_read_of_those_that_have_a_row_here_and_only_where_they_are_asked_for(bed: Bed) {
    let mapping = prepared(&bed).await;
    bed.by_hand("CREATE TABLE tenants (id text, tier text, \"Group\" varchar(20))")
        .await;
    bed.by_hand(
        "INSERT INTO tenants VALUES ('1', 'canary', NULL), ('2', NULL, 'a b'), ('4', 'early', 'x'), ('9', 'late', 'x')",
    )
    .await;
    let before = bed.writes().await;
    let both = table("tenants", &["tier", "Group"]);
    assert_eq!(read(&*mapping, &both).await.unwrap(), ["1: canary -", "2: - a b"]);
    let turned = table("tenants", &["Group", "tier"]);
    assert_eq!(read(&*mapping, &turned).await.unwrap(), ["1: - canary", "2: a b -"]);
    let unasked = mapping.environment("production", &[], None).await.unwrap();
    assert_eq!(unasked.tenants, TenantLines::NotAsked);
    assert_eq!(bed.writes().await, before);

    bed.by_hand("INSERT INTO tenants VALUES ('1', 'again', 'x')").await;
    let twice = table("tenants", &["tier"]);
    assert_eq!(
        read(&*mapping, &twice).await.unwrap(),
        ["1: again", "1: canary", "2: -"],
        "what that means is decided elsewhere"
    );
}

pub(crate) async fn columns_of_any_type_are_read_as_their_text(bed: Bed) {
    let mapping = prepared(&bed).await;
    bed.by_hand("CREATE TABLE tenants (id integer, pilot boolean, seats integer, stage text)")
        .await;
    bed.by_hand(
        "INSERT INTO tenants VALUES (1, true, 7, 'production'), (1, false, 8, 'staging'), (2, NULL, 9, 'production')",
    )
    .await;
    let all = of(json!({
        "table": "tenants", "tenantColumn": "id", "environmentColumn": "stage", "columns": ["pilot", "seats"],
    }));
    let yes = if bed.ledger("x").starts_with("wavepin.") {
        "true"
    } else {
        "1"
    };
    assert_eq!(
        read(&*mapping, &all).await.unwrap(),
        [format!("1: {yes} 7"), "2: - 9".to_owned()]
    );
}

pub(crate) async fn a_table_that_cannot_be_read_is_told_and_spoils_nothing_else(bed: Bed) {
    let mapping = prepared(&bed).await;
    let why = read(&*mapping, &table("tenants", &["tier"])).await.unwrap_err();
    assert!(why.contains("tenants") && why.contains("correct table"), "{why}");
    bed.by_hand("CREATE TABLE tenants (id text, tier text)").await;
    for wrong in [
        table("tenants", &["tier", "region"]),
        of(json!({"table": "tenants", "tenantColumn": "region", "columns": ["tier"]})),
        of(json!({"table": "tenants", "tenantColumn": "id", "environmentColumn": "region", "columns": ["tier"]})),
    ] {
        let why = read(&*mapping, &wrong).await.unwrap_err();
        assert!(why.contains("region") && why.contains("correct tenantColumn"), "{why}");
    }
    // What no declaration lets through is still only a name here.
    for name in [
        "tenants\" AS t; DROP TABLE tenants; --",
        "tenants; DROP TABLE tenants",
        "(SELECT 1)",
    ] {
        let why = read(&*mapping, &table(name, &["tier"])).await;
        assert!(why.is_err(), "{why:?}");
        let why = read(&*mapping, &table("tenants", &[name])).await;
        assert!(why.is_err(), "{why:?}");
    }
    assert_eq!(read(&*mapping, &table("tenants", &["tier"])).await.unwrap().len(), 0);
    let view = "CREATE VIEW labelled AS SELECT id, tier || '-1' AS tier FROM tenants";
    bed.by_hand(view).await;
    bed.by_hand("INSERT INTO tenants VALUES ('3', 'late')").await;
    let view = table("labelled", &["tier"]);
    assert_eq!(
        read(&*mapping, &view).await.unwrap(),
        ["3: late-1"],
        "a view serves as well"
    );
}

pub(crate) async fn the_current_version_is_what_was_last_rolled_out_to_the_end(bed: Bed) {
    let mapping = bed.writer().await;
    let current = async |environment: &str| {
        let by_function = format!("SELECT coalesce(wavepin.current_version('{environment}')::text, 'none')");
        let by_view = format!(
            "SELECT coalesce((SELECT CAST(version AS text) FROM wavepin_current_version \
             WHERE environment = '{environment}'), 'none')"
        );
        let is_postgres = bed.ledger("x").starts_with("wavepin.");
        let told = bed.by_hand(if is_postgres { &by_function } else { &by_view }).await;
        let view = mapping.environment(environment, &[], None).await.unwrap();
        let baseline = view.rollouts.baseline();
        let expected = baseline.map_or_else(|| "none".to_owned(), |version| version.to_string());
        assert_eq!(told, [expected]);
        baseline
    };
    let wave = || "all".to_owned();
    let (opened, ended) = (
        RolloutStep::Opened {
            wave: wave(),
            members: 0,
        },
        RolloutStep::Ended { wave: wave() },
    );
    let record = async |attempt, target, steps: &[RolloutStep]| {
        let event = |step: &RolloutStep| RolloutEvent {
            attempt,
            holder: "ns/main".to_owned(),
            target,
            plan: format!("1-{target}"),
            step: step.clone(),
        };
        let events: Vec<RolloutEvent> = steps.iter().map(event).collect();
        mapping.record_rollout("production", &events).await.unwrap();
    };
    assert_eq!(current("production").await, None);
    record(1, 3, &[RolloutStep::Started, opened.clone()]).await;
    assert_eq!(
        current("production").await,
        None,
        "one that began is not one that ended"
    );
    record(1, 3, &[ended.clone(), RolloutStep::Completed]).await;
    assert_eq!(current("production").await, Some(3));
    record(2, 4, &[RolloutStep::Started, opened]).await;
    assert_eq!(current("production").await, Some(3));
    record(3, 2, &[RolloutStep::Started, ended, RolloutStep::Completed]).await;
    assert_eq!(
        current("production").await,
        Some(2),
        "the last in time, not the highest"
    );
    // What was taken back was not rolled out; a pause takes nothing back.
    let stop = |kind, wave: Option<&str>| RolloutStep::Stopped {
        kind,
        wave: wave.map(str::to_owned),
        why: "errors".to_owned(),
    };
    record(3, 2, &[stop(StopKind::Paused, None)]).await;
    assert_eq!(current("production").await, Some(2));
    record(3, 2, &[stop(StopKind::RolledBack, Some("all"))]).await;
    assert_eq!(current("production").await, Some(3));
    record(4, 5, &[RolloutStep::Started, RolloutStep::Completed]).await;
    assert_eq!(current("production").await, Some(5));
    record(5, 5, &[RolloutStep::Started, stop(StopKind::Ordered, None)]).await;
    assert_eq!(
        current("production").await,
        Some(5),
        "what the one before had completed stays so"
    );
    record(6, 6, &[RolloutStep::Started]).await;
    record(7, 6, &[RolloutStep::Started, RolloutStep::Completed]).await;
    assert_eq!(current("production").await, Some(6));
    record(7, 6, &[stop(StopKind::Ordered, None)]).await;
    assert_eq!(current("production").await, Some(5));
    assert_eq!(current("staging").await, None);
}

#[tokio::test]
async fn an_application_asks_for_the_current_version_with_no_right_on_the_ledger() {
    let bed = Bed::postgres();
    let mapping = bed.writer().await;
    let event = |step| RolloutEvent {
        attempt: 1,
        holder: "ns/main".to_owned(),
        target: 7,
        plan: "1-x".to_owned(),
        step,
    };
    let done = [event(RolloutStep::Started), event(RolloutStep::Completed)];
    mapping.record_rollout("production", &done).await.unwrap();
    let (_, user) = as_nobody(&bed).await;
    let ask = format!("SET ROLE \"{user}\"; SELECT wavepin.current_version('production')");
    assert!(
        bed.try_by_hand(&ask)
            .await
            .unwrap_err()
            .contains("permission denied for schema")
    );
    bed.by_hand(&format!("GRANT USAGE ON SCHEMA wavepin TO \"{user}\""))
        .await;
    assert_eq!(bed.by_hand(&ask).await, ["7"]);
    let other = format!("SET ROLE \"{user}\"; SELECT count(*) FROM wavepin.rollout_event");
    assert!(bed.try_by_hand(&other).await.is_err(), "it sees nothing else");
    bed.by_hand(&format!("DROP OWNED BY \"{user}\" CASCADE; DROP ROLE \"{user}\""))
        .await;
}

/// What is read is refused for want of a right until the statements that it names were run.
async fn granted(bed: &Bed, mapping: &dyn Mapping, table: &TenantTable) -> Vec<String> {
    for _ in 0..3 {
        match read(mapping, table).await {
            Ok(lines) => return lines,
            Err(why) => {
                let (_, grants) = why.split_once("Run: ").unwrap_or_else(|| panic!("{why}"));
                assert!(why.contains("permission denied"), "{why}");
                bed.by_hand(grants).await;
            }
        }
    }
    panic!("its grants lead nowhere");
}

#[tokio::test]
async fn the_grants_that_an_unreadable_table_names_are_enough() {
    let mut bed = Bed::postgres();
    prepared(&bed).await;
    bed.by_hand(
        "CREATE SCHEMA crm; CREATE TABLE crm.tenants (id uuid, tier text); CREATE TYPE tier AS ENUM ('canary', 'late'); \
         CREATE TABLE public.tenants (id int, tier tier); INSERT INTO public.tenants VALUES (1, 'canary')",
    )
    .await;
    let (url, user) = as_nobody(&bed).await;
    bed.by_hand(&format!(
        "GRANT USAGE, CREATE ON SCHEMA wavepin, public TO \"{user}\"; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wavepin TO \"{user}\"; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON dashboard_model, tenant_version TO \"{user}\""
    ))
    .await;
    let mapping = connect(&url, bed.options.clone()).await.unwrap();
    mapping.prepare("acme", None).await.unwrap();
    assert_eq!(
        granted(&bed, &*mapping, &table("crm.tenants", &["tier"])).await.len(),
        0
    );
    let plain = table("tenants", &["tier"]);
    assert_eq!(granted(&bed, &*mapping, &plain).await, ["1: canary"]);

    // A right on the columns is enough; a row that a policy hides would be a tenant without labels.
    bed.by_hand(&format!(
        "REVOKE ALL ON public.tenants FROM \"{user}\"; GRANT SELECT (id, tier) ON public.tenants TO \"{user}\""
    ))
    .await;
    assert_eq!(read(&*mapping, &plain).await.unwrap(), ["1: canary"]);
    bed.by_hand("ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY")
        .await;
    let why = read(&*mapping, &plain).await.unwrap_err();
    assert!(why.contains("row-level security") && why.contains("BYPASSRLS"), "{why}");
    bed.by_hand("CREATE VIEW labels AS SELECT id, tier FROM public.tenants")
        .await;
    bed.by_hand(&format!("GRANT SELECT ON labels TO \"{user}\"")).await;
    assert_eq!(
        read(&*mapping, &table("labels", &["tier"])).await.unwrap(),
        ["1: canary"]
    );

    // Without a schema of its own a table is looked for where the mapping's two tables are.
    bed.by_hand("CREATE SCHEMA app").await;
    bed.options.schema = Some("app".to_owned());
    bed.options.management = Management::Managed;
    let own = bed.writer().await;
    let view = own.environment("production", &[], Some(&plain)).await.unwrap();
    let TenantLines::Unusable(why) = view.tenants else {
        panic!("{:?}", view.tenants)
    };
    assert!(why.contains("\"app.tenants\" does not exist"), "{why}");
    bed.by_hand(&format!("DROP OWNED BY \"{user}\" CASCADE; DROP ROLE \"{user}\""))
        .await;
}

#[tokio::test]
async fn a_table_that_the_application_keeps_locked_holds_nobody_up_for_long() {
    let mut bed = Bed::postgres();
    bed.options.statement_timeout = std::time::Duration::from_millis(600);
    let mapping = prepared(&bed).await;
    bed.by_hand("CREATE TABLE tenants (id text, tier text)").await;
    let hand = sqlx::PgPool::connect(bed.url.expose_secret()).await.unwrap();
    let mut locked = hand.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tenants").execute(&mut *locked).await.unwrap();
    let plain = table("tenants", &["tier"]);
    let why = read(&*mapping, &plain).await.unwrap_err();
    assert!(why.contains("another transaction has locked it"), "{why}");
    locked.rollback().await.unwrap();
    assert!(read(&*mapping, &plain).await.unwrap().is_empty());
    bed.by_hand("CREATE VIEW slow AS SELECT id, pg_sleep(5)::text AS tier FROM (VALUES ('1')) AS it (id)")
        .await;
    let why = read(&*mapping, &table("slow", &["tier"])).await.unwrap_err();
    assert!(why.contains("takes too long"), "{why}");
}
