//! What a life ends with: everything that is told and kept, without times and numbers that are given out.

use std::collections::BTreeMap;

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use wavepin::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout};

/// What is compared of the tables, each in an order of its own.
const TABLES: [(&str, &str); 7] = [
    (
        "tenant_version",
        "SELECT to_jsonb(it) - 'updated_at' AS line FROM tenant_version AS it ORDER BY tenant_id",
    ),
    (
        "claim",
        "SELECT to_jsonb(it) AS line FROM wavepin.claim AS it ORDER BY tenant",
    ),
    (
        "rollout_event",
        "SELECT to_jsonb(it) - '{id,at}'::text[] AS line FROM wavepin.rollout_event AS it ORDER BY id",
    ),
    (
        "pin_event",
        "SELECT to_jsonb(it) - '{id,at}'::text[] AS line FROM wavepin.pin_event AS it ORDER BY id",
    ),
    (
        "rollout_check",
        "SELECT to_jsonb(it) AS line FROM (SELECT DISTINCT attempt, wave, name, outcome, failing FROM wavepin.rollout_check ORDER BY 1, 2, 3, 4, 5) AS it",
    ),
    (
        "command",
        "SELECT to_jsonb(it) - '{id,at}'::text[] AS line FROM wavepin.command AS it ORDER BY id",
    ),
    (
        "pin_history",
        "SELECT to_jsonb(it) - '{id,at}'::text[] AS line FROM wavepin.pin_history AS it ORDER BY id, tenant",
    ),
];

/// Lines of text, each of which names where it is from.
pub(super) type Outcome = Vec<String>;

pub(super) async fn outcome(client: &kube::Client, namespace: &str, database: &mut PgConnection) -> Outcome {
    let mut outcome = Vec::new();
    for (table, sql) in TABLES {
        let sql = format!("SELECT line::text FROM ({sql}) AS lines");
        let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *database)
            .await
            .unwrap();
        outcome.extend(lines.into_iter().map(|line| format!("{table} {line}")));
    }
    for kind in [
        ApiResource::erase::<OmniInstance>(&()),
        ApiResource::erase::<ModelVersion>(&()),
        ApiResource::erase::<TenantPin>(&()),
        ApiResource::erase::<VersionRollout>(&()),
    ] {
        let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
        let mut told = BTreeMap::new();
        for object in objects.list(&ListParams::default()).await.unwrap() {
            let status = timeless(object.data["status"].clone());
            let current = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
            told.insert(
                object.metadata.name.unwrap_or_default(),
                json!({"current": current, "status": status}),
            );
        }
        let lines = told
            .into_iter()
            .map(|(name, told)| format!("{} {name} {told}", kind.kind));
        outcome.extend(lines);
    }
    // Another namespace, another life.
    outcome
        .into_iter()
        .map(|line| line.replace(namespace, "NAMESPACE"))
        .collect()
}

/// Without times, and without whatever is only when.
fn timeless(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, timeless(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(timeless).collect(),
        Value::String(text) => Value::String(without_times(&text)),
        other => other,
    }
}

fn without_times(text: &str) -> String {
    static TIME: std::sync::LazyLock<regex::Regex> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("a pattern"));
    TIME.replace_all(text, "TIME").into_owned()
}

/// How one differs from the other; empty where it does not.
pub(super) fn difference(expected: &Outcome, found: &Outcome) -> String {
    let missing = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| format!("- {line}"));
    let added = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = missing.chain(added).collect();
    if lines.is_empty() && expected.len() != found.len() {
        lines.push(format!("{} lines instead of {}", found.len(), expected.len()));
    }
    lines.join("\n")
}
