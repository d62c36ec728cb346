//! Whatever a rule or the dashboard asks for is there in a scrape of a real run.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use wavepin::resources::conditions::Reason;

use super::rules::alerts;
use super::run::{Told, told};
use crate::parts::promtool;

/// The labels that a scrape gets from where it was made.
pub(super) const TARGET: [&str; 3] = ["namespace", "job", "pod"];

/// The queries of the dashboard, those that fill its variables included.
fn dashboard() -> Vec<String> {
    fn collect(value: &Value, queries: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                let texts = ["expr", "query"]
                    .into_iter()
                    .filter_map(|name| fields.get(name)?.as_str());
                queries.extend(texts.map(str::to_owned));
                fields.values().for_each(|value| collect(value, queries));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, queries)),
            _ => {}
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/wavepin/files/dashboard.json");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    collect(&board, &mut queries);
    // The variable that picks the data source asks for a kind of source.
    queries.retain(|query| query != "prometheus");
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

/// Holds one query to what was told: names, labels, and the values that they are compared with.
fn holds(told: &Told, query: &str) {
    let selector = Regex::new(r"\b(wavepin_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).unwrap();
    let grouping = Regex::new(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)").unwrap();
    let mut known: BTreeSet<&str> = TARGET.into_iter().collect();
    for selected in selector.captures_iter(query) {
        let name = selected.get(1).unwrap().as_str();
        let scrapes = told.all().into_iter().filter(|scrape| scrape.labels(name).is_some());
        let labels: BTreeSet<&str> = scrapes.filter_map(|scrape| scrape.labels(name)).flatten().collect();
        let there = told.all().iter().any(|scrape| scrape.labels(name).is_some());
        assert!(there, "nothing tells {name}, which is asked for by {query}");
        for compared in matcher.captures_iter(selected.get(2).map_or("", |it| it.as_str())) {
            let (label, values) = (&compared[1], &compared[3]);
            if TARGET.contains(&label) {
                continue;
            }
            assert!(labels.contains(label), "{name} has no label {label}: {query}");
            for value in values.split('|') {
                let of_a_series = |scrape: &&super::scrape::Scrape| scrape.sum(name, &[(label, value)]).is_some();
                let is_reason = label == "reason" && Reason::ALL.iter().any(|it| it.as_str() == value);
                let known = is_reason || told.all().iter().any(of_a_series);
                assert!(known, "no {label} of {name} is {value:?}: {query}");
            }
        }
        known.extend(labels);
    }
    for grouped in grouping.captures_iter(query) {
        for label in grouped[1].split(',').map(str::trim) {
            assert!(known.contains(label), "nothing in {query} has the label {label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_measure_and_label_that_an_alert_asks_for_is_told() {
    let told = told().await;
    for alert in alerts() {
        assert!(alert.expr.contains("wavepin_"), "{alert:?}");
        holds(told, &alert.expr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_measure_and_label_that_the_dashboard_asks_for_is_told() {
    let told = told().await;
    for query in dashboard() {
        holds(told, &query);
    }
}

#[test]
fn the_queries_of_the_dashboard_are_in_prometheus_language() {
    let queries = dashboard()
        .into_iter()
        .filter(|query| !query.starts_with("label_values("));
    let rules: Vec<Value> = queries
        .enumerate()
        .map(|(at, query)| {
            let expr = query.replace("$__rate_interval", "5m");
            serde_json::json!({"record": format!("dashboard:query:{at}"), "expr": expr})
        })
        .collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("queries.json");
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&file, groups.to_string()).unwrap();
    promtool::check_rules(&file);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_measure_that_is_told_is_described_with_its_labels() {
    let measures = wavepin::telemetry::Measures::default();
    let mut seen = BTreeSet::new();
    for series in told().await.all().into_iter().flat_map(|scrape| &scrape.series) {
        let parts = ["", "_bucket", "_sum", "_count"];
        let mut names = parts.iter().filter_map(|end| series.name.strip_suffix(end));
        let described = names.find_map(|name| measures.described().iter().find(|it| it.name == name));
        let described = described.unwrap_or_else(|| panic!("{} is described nowhere", series.name));
        let mut labels: BTreeSet<&str> = series.labels.keys().map(String::as_str).collect();
        if described.kind == "histogram" {
            labels.remove("le");
        }
        assert_eq!(labels, described.labels.iter().copied().collect(), "{}", series.name);
        seen.insert(described.name.clone());
    }
    let unseen = measures.described().iter().filter(|it| !seen.contains(&it.name));
    let unseen: Vec<&str> = unseen.map(|it| it.name.as_str()).collect();
    assert!(unseen.is_empty(), "a real run told nothing of {unseen:?}");
}
