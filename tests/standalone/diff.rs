//! `wavepin diff`: it names what people changed and nothing else, and leaves everything as it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wavepin::simulator::{Fault, FaultKind, SimulatorOptions};

use super::bench::{Bench, Ran};

/// `wavepin diff 1 2` on the folder.
fn diff(bench: &Bench, more: &[&str]) -> Ran {
    bench.look("diff", &[&["1", "2"], more].concat())
}

fn differences(bench: &Bench) -> Value {
    let told = diff(bench, &["-o", "json"]).ended_with(0).stdout;
    let told: Value = serde_json::from_str(&told).expect("it is JSON");
    told["differences"].clone()
}

/// Version 2 without its edits.
fn without_edits(bench: &Bench) {
    let text = std::fs::read_to_string(bench.file("clinical-v2.yaml")).unwrap();
    let (before, rest) = text.split_once("    edits:\n").unwrap();
    let (_, content) = rest.split_once("  content:\n").unwrap();
    bench.write("clinical-v2.yaml", &format!("{before}  content:\n{content}"));
}

/// The identifier of a dashboard in version 2.
async fn copy_of(bench: &Bench, slug: &str) -> String {
    let query =
        format!("SELECT dashboard_id FROM dashboard_model WHERE model_version_id = 2 AND dashboard_slug = '{slug}'");
    let [identifier] = bench.ask(&query).await.try_into().expect("it has one row");
    identifier
}

/// What the edits of `examples/clinical/clinical-v2.yaml` are.
fn edits_of_the_example() -> Value {
    json!([
        {"kind": "dimension", "change": "added", "dashboard": null, "where": "patients.age_group", "details": [
            {"key": "label", "before": null, "after": "Age group"},
            {"key": "sql", "before": null, "after": "floor(${patients.age} / 10) * 10"},
            {"key": "type", "before": null, "after": "number"},
        ]},
        {"kind": "dimension", "change": "changed", "dashboard": null, "where": "patients.mrn", "details": [
            {"key": "label", "before": "Record number", "after": "Medical record number"},
        ]},
        {"kind": "topic", "change": "added", "dashboard": null, "where": "wards", "details": [
            {"key": "base_view", "before": null, "after": "wards"},
            {"key": "joins", "before": null, "after": "{beds: {}}"},
            {"key": "label", "before": null, "after": "Wards"},
        ]},
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_difference_of_the_examples_versions_is_its_edits_and_asking_changes_nothing() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let before = (bench.contents().await, bench.simulator.state());
    let fence = bench.ask("SELECT owner, token FROM wavepin_fence").await;
    let calls = bench.simulator.requests().len();
    let began = jiff::Timestamp::now().as_microsecond();

    let told = diff(&bench, &["-o", "json"]).ended_with(0);
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(json["differences"], edits_of_the_example());
    assert_eq!(
        [&json["instance"], &json["one"], &json["other"], &json["modelOnly"]],
        [&json!("clinical"), &json!(1), &json!(2), &json!(false)]
    );
    assert!(
        told.stderr.contains("reading dashboard 5 of 5: ward-capacity"),
        "{}",
        told.stderr
    );

    let requests = bench.simulator.requests().split_off(calls);
    assert!(requests.iter().all(|it| it.method == "GET"), "{requests:?}");
    assert_eq!(requests.len(), 3 + 2 + 2 * 5, "as --help says");
    let places = format!("SELECT count(*) FROM wavepin_budget_slot WHERE taken_at > {began}");
    let places = bench.ask(&places).await;
    assert_eq!(places, ["15"], "each call is counted");
    assert_eq!((bench.contents().await, bench.simulator.state()), before);
    assert_eq!(
        bench.ask("SELECT owner, token FROM wavepin_fence").await,
        fence,
        "whoever works on the mapping goes on"
    );

    let yaml: Value = serde_saphyr::from_str(&diff(&bench, &["-o", "yaml"]).ended_with(0).stdout).unwrap();
    assert_eq!(yaml, json);
    let table = diff(&bench, &[]).ended_with(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 8, "{table}");
    assert!(lines[0].starts_with("KIND ") && lines[0].ends_with(" WHAT"), "{table}");
    for line in [
        "label: Record number -> Medical record number",
        "topic       wards                added     base_view: wards",
    ] {
        assert!(table.contains(line), "{line:?} in\n{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_edits_differs_in_nothing_from_its_source() {
    // Also where its tab's query view was made by hand, whose raw columns a copy names by their aliases.
    for raw_query_columns in [false, true] {
        let bench = Bench::clinical_of(SimulatorOptions {
            raw_query_columns,
            ..SimulatorOptions::default()
        })
        .await;
        without_edits(&bench);
        bench.apply(&[]).ended_with(0);
        assert_eq!(differences(&bench), json!([]));
        let table = diff(&bench, &[]).ended_with(0).stdout;
        assert_eq!(table, "no difference between versions 1 and 2\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hands_changed_is_named_with_its_dashboard_and_tile() {
    let bench = Bench::clinical().await;
    without_edits(&bench);
    bench.apply(&[]).ended_with(0);
    let summary = copy_of(&bench, "patient-summary").await;
    let capacity = copy_of(&bench, "ward-capacity").await;
    for hand in [
        json!({"action": "edit_document", "identifier": summary, "tile_name": "Everyone", "fields": ["patients.average_age"]}),
        json!({"action": "rename_document", "identifier": capacity, "name": "Beds"}),
        json!({"action": "edit_model_file", "model": "clinical v2", "file_name": "vitals.view"}),
    ] {
        bench.simulator.play(&hand).unwrap();
    }
    let rows = differences(&bench);
    let rows: Vec<&Value> = rows.as_array().unwrap().iter().collect();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    assert_eq!([&rows[0]["kind"], &rows[0]["change"]], ["view", "removed"]);
    assert_eq!(rows[0]["where"], "vitals");
    assert_eq!(
        rows[1],
        &json!({"kind": "tile", "change": "changed", "dashboard": "patient-summary", "where": "patient-summary / Patients",
        "details": [
            {"key": "name", "before": "Patients", "after": "Everyone"},
            {"key": "query.fields", "before": "[patients.count]", "after": "[patients.average_age]"},
        ]})
    );
    assert_eq!(
        rows[2],
        &json!({"kind": "dashboard", "change": "changed", "dashboard": "ward-capacity", "where": "ward-capacity",
            "details": [{"key": "name", "before": "Ward Capacity", "after": "Beds"}]})
    );

    let calls = bench.simulator.requests().len();
    let models = diff(&bench, &["--model-only"]).ended_with(0).stdout;
    assert!(
        models.contains("vitals") && !models.contains("patient-summary"),
        "{models}"
    );
    assert_eq!(bench.simulator.requests().len() - calls, 5, "as --help says");
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_of_one_version_alone_are_told_without_reading_them() {
    let bench = Bench::clinical().await;
    without_edits(&bench);
    let text = std::fs::read_to_string(bench.file("clinical-v2.yaml")).unwrap();
    bench.write(
        "clinical-v2.yaml",
        &format!("{text}    dashboards: {{exclude: [billing-overview]}}\n"),
    );
    bench.apply(&[]).ended_with(0);
    let calls = bench.simulator.requests().len();
    assert_eq!(
        differences(&bench),
        json!([{"kind": "dashboard", "change": "removed", "dashboard": "billing-overview", "where": "billing-overview",
            "details": [{"key": "name", "before": "Billing Overview", "after": null}]}])
    );
    let paths: BTreeSet<String> = bench
        .simulator
        .requests()
        .split_off(calls)
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert!(!paths.iter().any(|path| path.contains("f16b28a5")), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_cannot_be_compared_are_refused_with_the_way_out() {
    let bench = Bench::clinical().await;
    let refused = |more: &[&str], code: i32, parts: &[&str]| {
        let told = bench.look("diff", more).ended_with(code);
        for part in parts {
            assert!(told.stderr.contains(part), "{part:?} in\n{}", told.stderr);
        }
        assert_eq!(told.stdout, "");
    };
    refused(&["1", "2"], 2, &["has no version yet", "--database-url"]);
    assert!(!bench.has_database(), "no file is made");
    refused(&["1", "1"], 2, &["both are version 1"]);
    refused(&["0", "1"], 2, &["0 is not in 1.."]);
    refused(
        &["1", "2", "--instance", "other"],
        2,
        &["no OmniInstance \"other\"", "clinical"],
    );

    // Version 2 is recorded, and its model is refused by Omni.
    bench.edit("clinical-v2.yaml", "base_view: wards", "base_view: no_such_view");
    bench.apply(&[]);
    let calls = bench.simulator.requests().len();
    refused(&["1", "2"], 1, &["VersionNotComplete", "version 2", "wavepin get"]);
    refused(&["3", "1"], 2, &["has no version 3, but 1, 2"]);
    assert_eq!(bench.simulator.requests().len(), calls, "Omni is not asked");

    bench.edit("clinical-v2.yaml", "base_view: no_such_view", "base_view: wards");
    bench.apply(&[]).ended_with(0);
    bench.edit("instance.yaml", "spec:\n", "spec:\n  suspend: true\n");
    let calls = bench.simulator.requests().len();
    refused(&["1", "2"], 3, &["Suspended", "spec.suspend is true"]);
    assert_eq!(bench.simulator.requests().len(), calls, "Omni is not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_omni_does_not_give_is_told_and_nothing_is_guessed() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    let summary = copy_of(&bench, "patient-summary").await;
    let gone = json!({"action": "delete_document", "identifier": summary});
    bench.simulator.play(&gone).unwrap();
    let told = diff(&bench, &[]).ended_with(1);
    for part in [summary.as_str(), "patient-summary of version 2", "--model-only"] {
        assert!(told.stderr.contains(part), "{part:?} in\n{}", told.stderr);
    }
    assert_eq!(told.stdout, "");
    diff(&bench, &["--model-only"]).ended_with(0);

    let wrong = Fault::once("GET", "/yaml$", FaultKind::WrongJson).unwrap();
    bench.simulator.arm(Fault { times: 100, ..wrong });
    let told = diff(&bench, &[]).ended_with(5);
    assert!(told.stderr.contains("ContractDrift"), "{}", told.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_than_the_one_on_record_is_not_read() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    bench.simulator.turn(|knobs| knobs.another_organisation = true);
    let calls = bench.simulator.requests().len();
    let told = diff(&bench, &[]).ended_with(1);
    assert!(told.stderr.contains("AnotherOrganization"), "{}", told.stderr);
    let read = bench.simulator.requests().split_off(calls);
    assert!(
        !read
            .iter()
            .any(|it| it.path.contains("/yaml") || it.path.contains("/export")),
        "{read:?}"
    );
}
