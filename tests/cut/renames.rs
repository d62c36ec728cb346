//! Names that a version's model does not share with its source's: changed in every dashboard, and in nothing else.

use std::sync::OnceLock;

use serde_json::Value;

use super::bench::{Bench, as_it_is, ready, says, stalled};

const MODEL: [(&str, &str); 4] = [
    (
        "wards.view",
        include_str!("../../src/simulator/seed/clinical/model/wards.view.yaml"),
    ),
    (
        "physicians.view",
        include_str!("../../src/simulator/seed/clinical/model/physicians.view.yaml"),
    ),
    (
        "relationships",
        include_str!("../../src/simulator/seed/clinical/model/relationships.yaml"),
    ),
    (
        "encounters.topic",
        include_str!("../../src/simulator/seed/clinical/model/encounters.topic.yaml"),
    ),
];

/// The renames of the page, which go with [`edits`].
fn page() -> &'static str {
    static LIST: OnceLock<String> = OnceLock::new();
    LIST.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/renames.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, rest) = text.split_once("```yaml\n").unwrap();
        let value: Value = serde_saphyr::from_str(rest.split_once("```").unwrap().0).unwrap();
        let items: Vec<String> = value["renames"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        items.join(", ")
    })
}

/// An edit of a whole file, as it is but for this.
fn edit(name: &str, file: &str, from: &str, change: [&str; 2]) -> String {
    let (_, text) = MODEL.iter().find(|(name, _)| *name == from).unwrap();
    assert!(text.contains(change[0]), "{text}");
    let yaml: String = text
        .replace(change[0], change[1])
        .lines()
        .map(|line| format!("          {line}\n"))
        .collect();
    format!("      - name: {name}\n        fileName: {file}\n        yaml: |\n{yaml}")
}

/// A model in which a field, a view and a topic have other names.
fn edits() -> String {
    [
        edit("beds", "wards.view", "wards.view", ["beds_total:", "beds:"]),
        edit(
            "doctors",
            "doctors.view",
            "physicians.view",
            [
                "label: Physicians",
                "schema: CLINICAL\ntable_name: PHYSICIANS\nlabel: Doctors",
            ],
        )
        .replace("${physicians.", "${doctors."),
        edit("joins", "relationships", "relationships", ["physicians", "doctors"]),
        edit("stays", "stays.topic", "encounters.topic", ["physicians", "doctors"]),
        "      - {name: no-encounters, fileName: encounters.topic, deleteFile: true}\n".to_owned(),
        "      - {name: readmissions, fileName: readmissions.query.view, patch: 'query: {topic: stays}'}\n".to_owned(),
        "      - {name: physicians, view: physicians, ignore: true}\n".to_owned(),
    ]
    .concat()
}

/// Likewise, each dashboard copied by whichever way carries it.
fn with_either_method(renames: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| with(renames)(file, text).replacen("    renames: [", "    method: Auto\n    renames: [", 1)
}

/// Version 2 with those edits and these renames.
fn with(renames: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| {
        if file != "clinical-v2.yaml" {
            return text;
        }
        let (before, rest) = text.split_once("    edits:\n").unwrap();
        let (_, after) = rest.split_once("  content:\n").unwrap();
        format!(
            "{before}    edits:\n{}  content:\n    renames: [{renames}]\n{after}",
            edits()
        )
    }
}

/// The documents of a folder as they are in Omni.
fn documents(bench: &Bench, folder: &str) -> Vec<Value> {
    let state = bench.simulator.state();
    let all = state["documents"].as_array().unwrap();
    all.iter().filter(|it| it["folderPath"] == folder).cloned().collect()
}

/// Every tile that a viewer sees in a folder and that does not compile.
fn broken(bench: &Bench, folder: &str) -> Vec<Value> {
    let seen = bench.simulator.see("acme-corp", "production");
    let documents = seen["documents"].as_array().unwrap().iter();
    let tiles = documents
        .filter(|it| it["folderPath"] == folder)
        .flat_map(|it| it["tiles"].as_array().unwrap());
    tiles.filter(|tile| tile["compiles"] != true).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_names_break_is_named_and_with_the_matching_renames_all_of_it_works() {
    let bare = Bench::new(with("")).await;
    let (_, report) = bare.both().await;
    says(
        &stalled(&report),
        &[
            "ContentInvalid",
            "has 6 findings",
            "topic \"encounters\" does not exist",
        ],
    );

    works_under_its_new_names(Bench::new(with(page())).await).await;
    let bench = works_under_its_new_names(Bench::new(with_either_method(page())).await).await;
    let created = bench.simulator.requests();
    let created = created
        .iter()
        .filter(|it| it.method == "POST" && it.path == "/api/v2/documents");
    assert_eq!(created.count(), 3);
}

/// The version is ready, and every name in it is the one that it shall be.
async fn works_under_its_new_names(bench: Bench) -> Bench {
    let before = documents(&bench, "clinical/v1");
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(documents(&bench, "clinical/v1"), before, "the source is not touched");
    assert_eq!(documents(&bench, "clinical/v2").len(), 5);
    assert_eq!(broken(&bench, "clinical/v2"), Vec::<Value>::new());
    // The tab of its own too, whose files an import makes anew.
    let state = bench.simulator.state();
    let models = state["models"].as_array().unwrap();
    let local = models
        .iter()
        .filter(|it| it["kind"] == "QUERY")
        .map(|it| it["files"]["last_stay.query.view"].to_string());
    let topics: Vec<bool> = local.map(|file| file.contains("topic: stays")).collect();
    assert_eq!(topics.iter().filter(|is_renamed| **is_renamed).count(), 1, "{topics:?}");
    // What is recorded is not asked for again.
    let requests = bench.simulator.requests().len();
    ready(&bench.again("clinical-v2").await);
    let again = bench.simulator.requests();
    assert!(again.iter().skip(requests).all(|it| it.method == "GET"), "{again:?}");
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_finds_nothing_stops_the_version_unless_it_may() {
    let bench = Bench::new(with_example(
        "{kind: Field, find: wards.no_such_field, replace: wards.beds_total}",
    ))
    .await;
    let (_, report) = bench.both().await;
    says(
        &stalled(&report),
        &[
            "RenameUnmatched",
            "no dashboard of version 1 names Field wards.no_such_field",
            "optional: true",
        ],
    );
    assert!(!report.sealed);
    let exports = |bench: &Bench| {
        let requests = bench.simulator.requests();
        requests.iter().filter(|it| it.path.ends_with("/export")).count()
    };
    let before = exports(&bench);
    bench.declare(with_example(
        "{kind: Field, find: wards.no_such_field, replace: wards.beds_total, optional: true}",
    ));
    ready(&bench.again("clinical-v2").await);
    assert_eq!(exports(&bench), before, "no copy can differ for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_were_made_with_other_renames_are_found_and_never_passed_over() {
    let bench = Bench::new(with("")).await;
    bench.both().await;
    bench.declare(with(page()));
    let told = stalled(&bench.again("clinical-v2").await);
    says(
        &told,
        &[
            "3 of 5 dashboards",
            "made with other renames than are declared now: delete",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fields_side_by_side_do_not_become_one() {
    let bench = Bench::new(with_example(
        "{kind: Field, find: wards.beds_total, replace: encounters.bed_days}",
    ))
    .await;
    let (_, report) = bench.both().await;
    says(
        &stalled(&report),
        &[
            "RenameRefused",
            "ward-capacity: ",
            "wards.beds_total becomes encounters.bed_days",
        ],
    );
    assert_eq!(
        documents(&bench, "clinical/v2").len(),
        4,
        "the others are there, and that one was never imported"
    );
}

/// The example with these renames and its own edits.
fn with_example(renames: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| {
        let renames = format!("  content:\n    renames: [{renames}]\n");
        if file == "clinical-v2.yaml" {
            text.replacen("  content:\n", &renames, 1)
        } else {
            as_it_is(file, text)
        }
    }
}
