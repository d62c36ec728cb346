//! What a run ends with, as far as two runs can be compared: the organisation and the whole mapping, without times and
//! with names in place of the ids that Omni chooses.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::super::bench::Bench;
use super::super::git::history;

/// Tables that say nothing of what was made. What an organisation is recognised by grows with every look.
const NOT_COMPARED: [&str; 6] = [
    "sqlite_sequence",
    "wavepin_migration",
    "wavepin_fence",
    "wavepin_budget_key",
    "wavepin_budget_slot",
    "wavepin_organization",
];

/// Columns that hold times, or what is computed from them.
fn differs_by_nature(column: &str) -> bool {
    column.ends_with("_at") || ["id", "at", "definition", "source_stamp"].contains(&column)
}

/// Everything, as one text a thing: sorted, so that what differs is seen at a glance.
pub async fn outcome(bench: &Bench) -> Vec<String> {
    let state = bench.simulator.state();
    let names = names(&state);
    let mut all = organisation(&state);
    all.extend(mapping(bench).await);
    all.extend(repository(bench));
    let mut all: Vec<String> = all.into_iter().map(|it| renamed(&it, &names)).collect();
    all.sort();
    all
}

/// What one run has and the other has not, in the words of both.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    let lacking = expected
        .iter()
        .filter(|it| !found.contains(it))
        .map(|it| format!("- {it}"));
    let more = found
        .iter()
        .filter(|it| !expected.contains(it))
        .map(|it| format!("+ {it}"));
    let mut lines: Vec<String> = lacking.chain(more).collect();
    if lines.is_empty() && expected.len() != found.len() {
        let twice = found
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| format!("twice: {}", pair[0]));
        lines.extend(twice);
    }
    (!lines.is_empty() || expected.len() != found.len()).then(|| lines.join("\n"))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Names for the ids that Omni chose.
fn names(state: &Value) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut put = |id: &Value, name: String| {
        if let Some(id) = id.as_str() {
            names.insert(id.to_owned(), name);
        }
    };
    for folder in list(state, "folders") {
        put(&folder["id"], format!("<folder {}>", folder["path"]));
    }
    for document in list(state, "documents") {
        let identifier = &document["identifier"];
        put(&document["documentId"], format!("<document {identifier}>"));
        put(&document["dashboardId"], format!("<dashboard {identifier}>"));
        put(&document["workbookModelId"], format!("<workbook of {identifier}>"));
        for (n, id) in list(document, "queryModelIds").enumerate() {
            put(id, format!("<tab {n} of {identifier}>"));
        }
    }
    for model in list(state, "models").filter(|it| it["kind"] == "SHARED") {
        put(&model["id"], format!("<model {}>", model["name"]));
    }
    names
}

static UUID: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());

/// A time inside a recorded state.
static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"updated_at\\":\\"[^"\\]*"#).unwrap());

/// When the generated models below a version last changed.
static SCHEMAS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"schemas\\":\{[^}]*\}"#).unwrap());

fn renamed(text: &str, names: &BTreeMap<String, String>) -> String {
    let text = TIME.replace_all(text, "updated_at");
    let text = SCHEMAS.replace_all(&text, "schemas");
    UUID.replace_all(&text, |found: &regex::Captures<'_>| {
        names.get(&found[0]).cloned().unwrap_or_else(|| found[0].to_owned())
    })
    .into_owned()
}

/// Models with their files, documents with their local models, folders with their permits, roles.
fn organisation(state: &Value) -> Vec<String> {
    let files = |id: &Value| {
        let model = list(state, "models").find(|it| it["id"] == *id);
        model.map_or(Value::Null, |it| it["files"].clone())
    };
    let models = list(state, "models").filter(|it| it["kind"] == "SHARED").map(|it| {
        json!({"model": it["name"], "files": it["files"], "deleted": it["deleted"],
            "branches": list(it, "branches").map(|branch| branch["name"].clone()).collect::<Vec<_>>()})
    });
    let documents = list(state, "documents").map(|it| {
        json!({"document": it["identifier"], "name": it["name"], "folder": it["folderPath"], "deleted": it["deleted"],
            "scope": it["scope"], "model": it["modelId"], "workbook": files(&it["workbookModelId"]),
            "tabs": list(it, "queryModelIds").map(files).collect::<Vec<_>>(),
            "labels": it["labels"], "permits": it["permits"], "settings": it["settings"]})
    });
    let folders = list(state, "folders").map(|it| json!({"folder": it["path"], "permits": it["permits"]}));
    let roles = list(state, "roles").map(|it| json!({"role": it}));
    let all = models.chain(documents).chain(folders).chain(roles);
    all.map(|it| it.to_string()).collect()
}

/// What was there before, to the last byte: no run may write to any of it.
pub fn strangers(bench: &Bench) -> Value {
    let state = bench.simulator.state();
    let documents = list(&state, "documents").filter(|it| it["folderPath"] != "clinical/v2");
    let models = list(&state, "models").filter(|it| it["name"] == "clinical");
    documents.chain(models).cloned().collect()
}

/// Every table of the mapping, a text a row.
async fn mapping(bench: &Bench) -> Vec<String> {
    let pool = SqlitePool::connect(bench.database().expose_secret()).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .fetch_all(&pool)
        .await
        .unwrap();
    let mut all = Vec::new();
    for table in tables.iter().filter(|it| !NOT_COMPARED.contains(&it.as_str())) {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&pool)
            .await;
        all.extend(rows.unwrap().iter().map(|row| format!("{table} {}", line(row))));
    }
    pool.close().await;
    all
}

fn line(row: &SqliteRow) -> Value {
    let columns = row.columns().iter().filter(|it| !differs_by_nature(it.name()));
    let cells = columns.map(|column| {
        let n = column.ordinal();
        let raw = row.try_get_raw(n).unwrap();
        let value = match raw.type_info().name() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" => json!(row.get::<i64, _>(n)),
            _ => json!(row.get_unchecked::<String, _>(n)),
        };
        (column.name().to_owned(), mark(value))
    });
    Value::Object(cells.collect::<Map<String, Value>>())
}

/// The commits of the models' repository, newest first, and what it holds.
fn repository(bench: &Bench) -> Vec<String> {
    let Some(repository) = bench.repository.get() else {
        return Vec::new();
    };
    let (commits, files) = history(repository);
    let commits = commits.iter().enumerate();
    let commits = commits.map(|(n, subject)| format!("commit {n} {subject}"));
    commits.chain(files.iter().map(|it| format!("file {it}"))).collect()
}

/// A merge is marked with the name of what was merged, which holds a time; files that came by Git with a commit.
fn mark(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.starts_with("merged ") => json!("merged"),
        Some(text) if ["taken ", "kept "].iter().any(|word| text.starts_with(word)) => json!(&text[..5]),
        _ => value,
    }
}
