//! `wavepin validate`: what is found in a version as it is, by whoever asks; it writes nothing.

use serde_json::{Value, json};

use super::bench::{Bench, Ran};

/// Wards without the measure that one tile of one dashboard shows.
const NO_BEDS: &str = "label: Wards\ndimensions:\n  id: {primary_key: true, hidden: true}\n  title: {label: Ward}\n";

fn validate(bench: &Bench, more: &[&str]) -> Ran {
    bench.look("validate", &[&["--version", "2"], more].concat())
}

fn json(bench: &Bench, code: i32) -> Value {
    serde_json::from_str(&validate(bench, &["-o", "json"]).ended_with(code).stdout).expect("it is JSON")
}

/// Takes the measure away in an edit of version 2.
fn without_beds(bench: &Bench) {
    let indented: String = NO_BEDS.lines().map(|line| format!("          {line}\n")).collect();
    let edit = format!("    edits:\n      - name: no-beds\n        fileName: wards.view\n        yaml: |\n{indented}");
    bench.edit("clinical-v2.yaml", "    edits:\n", &edit);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_version_is_found_right_and_nothing_is_written() {
    let bench = Bench::clinical().await;
    let text = "  validation:\n    queries: {mode: PlanOnly}\n";
    let spec = std::fs::read_to_string(bench.file("clinical-v2.yaml")).unwrap();
    bench.write("clinical-v2.yaml", &format!("{spec}{text}"));
    validate(&bench, &[]).ended_with(1);
    assert_eq!(bench.writes(), 0, "a version that is not there is not made");
    bench.apply(&[]).ended_with(0);

    let before = (bench.contents().await, bench.simulator.state());
    let calls = bench.simulator.requests().len();
    let told = json(&bench, 0);
    assert_eq!(told["checks"], json!(["model", "content", "queries"]));
    assert_eq!((&told["findings"], &told["blocking"]), (&json!([]), &json!(0)));
    assert_eq!(told["dashboards"].as_array().unwrap().len(), 5);
    let asked = bench.simulator.requests().split_off(calls);
    let planned = asked.iter().filter(|it| it.path.ends_with("/query/run")).count();
    assert!(planned > 5, "the marks of the cut do not count: {planned}");
    let writes = asked
        .iter()
        .filter(|it| it.method != "GET" && !it.path.ends_with("/query/run"));
    assert_eq!(writes.count(), 0, "{asked:?}");
    assert_eq!((bench.contents().await, bench.simulator.state()), before);
    let text = validate(&bench, &[]).ended_with(0);
    assert!(text.stdout.ends_with("nothing was found\n"), "{}", text.stdout);
    assert!(
        text.stderr.contains("asking the queries of ward-capacity"),
        "{}",
        text.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_field_is_named_with_its_tile_in_every_shape_and_the_way_back_too() {
    let bench = Bench::clinical().await;
    without_beds(&bench);
    bench.apply(&[]).ended_with(1);
    let before = (bench.contents().await, bench.writes());
    let told = json(&bench, 1);
    assert_eq!(told["blocking"], 1);
    let [finding] = told["findings"].as_array().unwrap().as_slice() else {
        panic!("{told}")
    };
    assert_eq!(
        [
            &finding["check"],
            &finding["dashboard"],
            &finding["tile"],
            &finding["blocks"]
        ],
        [
            &json!("content"),
            &json!("ward-capacity"),
            &json!("Days in bed by ward"),
            &json!(true)
        ]
    );
    let words = "Field wards.beds_total does not exist";
    assert!(finding["text"].as_str().unwrap().contains(words), "{finding}");
    let shape = |shape: &str| validate(&bench, &["--output", shape]).ended_with(1).stdout;
    assert!(shape("text").contains("1 of 1 findings block"), "{}", shape("text"));
    let junit = shape("junit");
    assert!(
        junit.contains("failures=\"1\"") && junit.contains(words) && junit.contains("classname=\"content\""),
        "{junit}"
    );
    let sarif: Value = serde_json::from_str(&shape("sarif")).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(
        (&sarif["version"], &result["level"]),
        (&json!("2.1.0"), &json!("error"))
    );
    assert_eq!(result["partialFingerprints"]["finding/v1"], finding["fingerprint"]);
    assert_eq!((bench.contents().await, bench.writes()), before, "it is not cut on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_and_an_adopted_version_have_is_told_and_blocks_nobody() {
    let bench = Bench::clinical().await;
    let hand = json!({"action": "edit_model_file", "model": "clinical", "file_name": "wards.view", "yaml": NO_BEDS});
    bench.simulator.play(&hand).unwrap();
    bench.apply(&[]).ended_with(0);
    for version in ["1", "2"] {
        let told = bench
            .look("validate", &["--version", version, "-o", "json"])
            .ended_with(0)
            .stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["blocking"], &told["findings"][0]["blocks"]),
            (&json!(0), &json!(false)),
            "{told}"
        );
    }
    let other = bench.look("validate", &["--version", "7"]).ended_with(2);
    assert!(other.stderr.contains("but 1, 2; name one of these"), "{}", other.stderr);
}
