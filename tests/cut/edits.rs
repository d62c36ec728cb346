//! Every kind of edit that the page names, cut; and what is refused before anything is written.

use rstest::rstest;
use serde_json::{Value, json};

use super::bench::{Bench, as_it_is, ready, says, stalled};

/// The list on the page.
pub(super) fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/edits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```yaml\nedits:\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Version 2 with these edits in place of its own.
pub(super) fn with_edits(edits: String) -> impl Fn(&str, String) -> String {
    move |file, text| {
        if file != "clinical-v2.yaml" {
            return text;
        }
        let (before, rest) = text.split_once("    edits:\n").unwrap();
        let (_, after) = rest.split_once("  content:\n").unwrap();
        let edits: String = edits.lines().map(|line| format!("    {line}\n")).collect();
        format!("{before}    edits:\n{edits}  content:\n{after}")
    }
}

/// The authored files of a model, as values.
pub(super) fn files(bench: &Bench, model: &str) -> Value {
    let state = bench.simulator.state();
    let models = state["models"].as_array().unwrap();
    let model = models
        .iter()
        .find(|it| it["name"] == model && it["kind"] == "SHARED")
        .unwrap();
    let files = model["files"].as_object().unwrap().iter();
    let parsed = files.map(|(name, file)| {
        let text = file.as_str().unwrap_or_else(|| panic!("{name}: {file}"));
        (name.clone(), serde_saphyr::from_str::<Value>(text).unwrap())
    });
    parsed.collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_every_kind_of_edit_of_the_page_is_cut() {
    let bench = Bench::new(with_edits(page())).await;
    let (_, report) = bench.both().await;
    ready(&report);
    let (first, second) = (files(&bench, "clinical"), files(&bench, "clinical v2"));
    assert_eq!(second["wards.topic"]["base_view"], "wards");
    assert_eq!(second.get("vitals.view"), None);
    assert_eq!(second["lab_results.topic"]["ignored"], true);
    assert_eq!(
        second["patients.view"]["dimensions"]["ssn"],
        json!({"hidden": true, "ignored": true})
    );
    assert_eq!(second["patients.view"]["dimensions"]["age_group"]["type"], "number");
    assert_eq!(second["wards.view"]["label"], "Hospital wards");
    assert_eq!(second["wards.view"]["measures"]["beds_total"]["label"], "Beds");
    // Nothing else differs, but for links that lead into the version; and the source is what it was.
    let mut mine = second["wards.view"].clone();
    mine["label"] = first["wards.view"]["label"].clone();
    mine["dimensions"]["title"]["label"] = first["wards.view"]["dimensions"]["title"]["label"].clone();
    mine["measures"]["beds_total"].as_object_mut().unwrap().remove("label");
    assert_eq!(mine, first["wards.view"]);
    let before = Bench::new(as_it_is).await;
    assert_eq!(files(&before, "clinical"), first);
}

#[rstest]
#[case::a_file("{name: it, fileName: gone.topic, deleteFile: true}", &["edit it", "no file \"gone.topic\""])]
#[case::a_field("{name: it, view: patients, field: snn, ignore: true}", &["edit it", "\"patients\"", "no field \"snn\""])]
#[case::a_view("{name: it, view: patient, ignore: true}", &["edit it", "no view \"patient\""])]
#[case::a_patch_of_a_schema_file("{name: it, fileName: beds.view, patch: 'label: B'}", &["edit it", "no file \"beds.view\" to patch"])]
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_finds_nothing_is_refused_before_anything_is_written(#[case] edit: &str, #[case] parts: &[&str]) {
    let bench = Bench::new(with_edits(format!("  - {edit}"))).await;
    ready(&bench.again("clinical-v1").await);
    let before = bench.simulator.state();
    let report = bench.again("clinical-v2").await;
    says(&stalled(&report), &["EditRefused", "model.edits"]);
    says(&stalled(&report), parts);
    assert_eq!(bench.simulator.state(), before);
    // Corrected, the same object is cut.
    bench.declare(with_edits(page()));
    ready(&bench.again("clinical-v2").await);
}
