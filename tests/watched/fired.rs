//! Each alert, fired: by a scrape of a real run in trouble where the trouble is cheaply made, else by one of a run in
//! which all was well, with one series of it moved to where the alert wants it. No other alert may fire beside it.

use serde_json::{Value, json};

use super::queries::TARGET;
use super::rules::{alerts, file};
use super::run::{Told, told};
use super::scrape::{Scrape, Series};
use crate::parts::promtool;

/// A series that is told otherwise than it was: its name, some of its labels, and its values in promtool's words.
type Moved = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// What fires an alert.
pub(super) struct Case {
    pub(super) alert: &'static str,
    /// For the page.
    pub(super) fired_by: &'static str,
    /// The scrape that is told again and again.
    told: fn(&Told) -> &Scrape,
    /// What of it is told otherwise.
    moved: Option<Moved>,
    /// After how many minutes the alert has fired.
    after: u32,
}

const fn real(alert: &'static str, fired_by: &'static str, told: fn(&Told) -> &Scrape) -> Case {
    Case {
        alert,
        fired_by,
        told,
        moved: None,
        after: 40,
    }
}

const fn moved(
    alert: &'static str,
    fired_by: &'static str,
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    values: &'static str,
) -> Case {
    Case {
        alert,
        fired_by,
        told: |told| &told.well,
        moved: Some((name, labels, values)),
        after: 40,
    }
}

/// A case for each alert, in the order of the file.
pub(super) const CASES: [Case; 17] = [
    real(
        "WavepinLeaderAbsent",
        "a real run: only the replica that stands by is scraped",
        |told| &told.standby,
    ),
    moved(
        "WavepinGateShut",
        "one gate stays shut",
        "wavepin_gates_shut",
        &[],
        "1x200",
    ),
    moved(
        "WavepinReconcilesFailing",
        "6 passes a minute over environments fail, and none ends otherwise",
        "wavepin_reconciles_total",
        &[("kind", "environment"), ("outcome", "failed")],
        "0+6x200",
    ),
    moved(
        "WavepinQueueStuck",
        "the first version in its queue waits for 1,000 seconds, then longer",
        "wavepin_queue_oldest_seconds",
        &[("queue", "version")],
        "1000+60x200",
    ),
    real(
        "WavepinStalled",
        "a real run: two ModelVersions declare one number",
        |told| &told.stalled,
    ),
    real(
        "WavepinDrifted",
        "a real run: a person edits a dashboard of a complete version",
        |told| &told.drifted,
    ),
    moved(
        "WavepinVersionNotReady",
        "a version is not ready from the first minute on",
        "wavepin_longest_unready_seconds",
        &[("kind", "ModelVersion")],
        "7000+60x200",
    ),
    moved(
        "WavepinRolloutAwaitsPerson",
        "an approval has been awaited for a day, then longer",
        "wavepin_rollout_longest_waiting_seconds",
        &[("reason", "ApprovalMissing")],
        "86000+60x200",
    ),
    moved(
        "WavepinRolloutTenantsFailing",
        "three tenants fail their checks at every moment",
        "wavepin_rollout_tenants",
        &[("state", "failing")],
        "3x200",
    ),
    moved(
        "WavepinNotificationsFailing",
        "a channel cannot be told, twice in an hour",
        "wavepin_notifications_total",
        &[("form", "slack"), ("result", "failed")],
        "0x4 1x30 2x170",
    ),
    real(
        "WavepinBudgetPaused",
        "a real run: Omni answers every request with 429",
        |told| &told.throttled,
    ),
    Case {
        after: 150,
        ..moved(
            "WavepinBudgetExhausted",
            "three calls wait at every moment",
            "wavepin_budget_waiting",
            &[("urgency", "going")],
            "3x200",
        )
    },
    real(
        "WavepinOmniRefusesKey",
        "a real run: Omni answers every request with 401",
        |told| &told.key_refused,
    ),
    real(
        "WavepinOmniContractDrift",
        "a real run: a page that is no JSON answers in Omni's place",
        |told| &told.unknown_answer,
    ),
    real(
        "WavepinOmniUnreachable",
        "a real run: every connection to Omni closes without an answer",
        |told| &told.omni_gone,
    ),
    real(
        "WavepinDatabaseDown",
        "a real run: the line to the database is cut",
        |told| &told.database_gone,
    ),
    moved(
        "WavepinStatusWritesFailing",
        "2 statuses of pins a minute are forbidden",
        "wavepin_status_writes_total",
        &[("kind", "TenantPin"), ("outcome", "forbidden")],
        "0+2x200",
    ),
];

/// A line of promtool's test: the series as Prometheus would have it, and its values.
fn input(series: &Series, values: &str) -> Value {
    let target = TARGET.map(|label| (label.to_owned(), format!("wavepin-{label}")));
    let labels = series.labels.clone().into_iter().chain(target);
    let labels: Vec<String> = labels.map(|(label, value)| format!("{label}={value:?}")).collect();
    json!({"series": format!("{}{{{}}}", series.name, labels.join(",")), "values": values})
}

/// What is told every minute of three hours and more.
fn inputs(scrape: &Scrape, case: Option<&Case>) -> Vec<Value> {
    let moved = case.and_then(|case| case.moved);
    let mut found = 0;
    let series = scrape.series.iter().map(|series| match moved {
        Some((name, labels, values)) if series.name == name && series.has(labels) => {
            found += 1;
            input(series, values)
        }
        _ => input(series, &format!("{}x200", series.value)),
    });
    let inputs = series.collect();
    assert_eq!(found > 0, moved.is_some(), "the real run told no {moved:?}");
    inputs
}

/// That after so many minutes these alerts are firing, and no others.
fn test(name: &str, inputs: Vec<Value>, after: u32, firing: &[&str]) -> Value {
    let samples = firing
        .iter()
        .map(|alert| json!({"labels": format!("{{alertname={alert:?}}}"), "value": 1}));
    json!({
        "name": name, "interval": "1m", "input_series": inputs,
        "promql_expr_test": [{
            "expr": "group by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": format!("{after}m"),
            "exp_samples": samples.collect::<Vec<_>>(),
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_for_its_own_trouble_and_none_while_all_is_well() {
    let told = told().await;
    let mut tests = vec![test("all is well", inputs(&told.well, None), 190, &[])];
    for case in &CASES {
        let inputs = inputs((case.told)(told), Some(case));
        tests.push(test(case.fired_by, inputs, case.after, &[case.alert]));
    }
    // Nothing is scraped at all: the only alert that can tell so does.
    tests.push(test("nothing is there", Vec::new(), 40, &["WavepinLeaderAbsent"]));
    let folder = tempfile::TempDir::new().unwrap();
    let written = folder.path().join("tests.json");
    let tests = json!({"rule_files": [file()], "evaluation_interval": "1m", "tests": tests});
    std::fs::write(&written, tests.to_string()).unwrap();
    promtool::test_rules(&written).success();
}

#[test]
fn every_alert_has_what_fires_it() {
    let alerts: Vec<String> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(CASES.map(|case| case.alert.to_owned()).to_vec(), alerts);
}
