//! What other hands do to a complete version: seen at the next look, told by name, never overwritten; tenants stay.

use serde_json::{Value, json};
use wavepin::model_version::VersionReport;
use wavepin::ports::World;
use wavepin::resources::conditions::{CONTENT_READY, DRIFTED, MAPPED, MODEL_READY, READY, STALLED, Verdict};

use super::bench::{Bench, as_it_is, ready, says, stalled, verdict};
use super::breaking::Fuse;

/// The copies of two dashboards.
const SUMMARY: &str = "patient-summary-v2-02d405";
const STAFFING: &str = "billing-overview-v2-02d405";

fn with_annotation(name: &str, value: &str) -> impl Fn(&str, String) -> String {
    let annotated = format!("metadata:\n  annotations: {{wavepin.dev/{name}: {value:?}}}");
    move |file, text| match file {
        "clinical-v2.yaml" => text.replacen("metadata:", &annotated, 1),
        _ => text,
    }
}

fn mending(file: &str, text: String) -> String {
    match file {
        "clinical-v2.yaml" => format!("{text}    drift: Mend\n"),
        _ => text,
    }
}

/// Both versions, complete, and a while later.
async fn cut() -> (Bench, World) {
    let bench = Bench::new(as_it_is).await;
    ready(&bench.both().await.1);
    bench.clock_passes(std::time::Duration::from_secs(301));
    let world = bench.world(&Fuse::never()).await;
    (bench, world)
}

fn play(bench: &Bench, hand: &Value) {
    bench.simulator.play(hand).unwrap();
}

/// What is said after these hands. Nothing is written to Omni because of them, and what was complete stays so.
async fn told(hands: &[Value]) -> (Bench, VersionReport) {
    let (bench, world) = cut().await;
    for hand in hands {
        play(&bench, hand);
    }
    let (state, requests) = (bench.simulator.state(), bench.simulator.requests().len());
    let report = bench.drive(&world, "clinical-v2").await;
    for _ in 0..2 {
        assert_eq!(bench.again("clinical-v2").await.findings, report.findings);
    }
    assert_eq!(bench.simulator.state(), state, "{hands:?}");
    let since = bench.simulator.requests();
    assert!(since.iter().skip(requests).all(|it| it.method == "GET"));
    assert!(report.sealed);
    assert_eq!(verdict(&report.findings, MAPPED), Some(Verdict::True));
    (bench, report)
}

fn drifted(report: &VersionReport) -> String {
    let found = report.findings.iter().find(|it| it.condition == DRIFTED);
    let found = found.unwrap_or_else(|| panic!("nothing is told: {report:#?}"));
    format!("{}: {}", found.reason.as_str(), found.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_someone_deleted_moved_renamed_or_edited_is_told_by_name() {
    let cases: [(Value, &[&str]); 5] = [
        (
            json!({"action": "delete_document", "identifier": SUMMARY}),
            &["Missing", "patient-summary", SUMMARY, "was deleted", "trash"],
        ),
        (
            json!({"action": "move_document", "identifier": SUMMARY, "folder_path": "clinical/v1"}),
            &[
                "MovedInOmni",
                SUMMARY,
                "is in folder \"clinical/v1\" now",
                "put it back",
            ],
        ),
        (
            json!({"action": "rename_document", "identifier": SUMMARY, "name": "Somebody's"}),
            &["MovedInOmni", SUMMARY, "to \"Somebody's\"", "accept-drift"],
        ),
        (
            json!({"action": "rename_document", "identifier": SUMMARY, "new_identifier": "somebodys"}),
            &["MovedInOmni", SUMMARY, "has the identifier \"somebodys\" now"],
        ),
        (
            json!({"action": "edit_document", "identifier": SUMMARY}),
            &["EditedInOmni", SUMMARY, "was edited at", "history", "accept-drift"],
        ),
    ];
    for (hand, parts) in cases {
        let (_, report) = told(std::slice::from_ref(&hand)).await;
        says(&stalled(&report), parts);
        assert_eq!(drifted(&report), stalled(&report));
        let verdicts = [READY, CONTENT_READY, MODEL_READY].map(|it| verdict(&report.findings, it));
        let [no, yes] = [Some(Verdict::False), Some(Verdict::True)];
        assert_eq!(verdicts, [no, no, yes], "{hand}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_someone_edited_is_told_until_it_is_put_back_or_taken_as_it_is() {
    let edit = |yaml: &str| json!({"action": "edit_model_file", "model": "clinical v2", "file_name": "wards.topic", "yaml": yaml});
    let (bench, report) = told(&[edit("base_view: wards\nlabel: Somebody's\n")]).await;
    let text = stalled(&report);
    says(
        &text,
        &["EditedInOmni", "(\"clinical v2\") was edited at", "history in Omni"],
    );
    assert_eq!(verdict(&report.findings, MODEL_READY), Some(Verdict::False));
    assert_eq!(verdict(&report.findings, CONTENT_READY), Some(Verdict::True));
    // A word for another change accepts nothing.
    bench.declare(with_annotation("accept-drift", "00000000"));
    assert_eq!(stalled(&bench.again("clinical-v2").await), text);
    // Put back by hand, it is as it was.
    bench.declare(as_it_is);
    play(&bench, &edit("base_view: wards\nlabel: Wards\njoins: {beds: {}}\n"));
    ready(&bench.again("clinical-v2").await);
    play(&bench, &edit("label: Taken\nbase_view: wards\n"));
    let text = stalled(&bench.again("clinical-v2").await);
    accepted(&bench, &text).await;
    let reads = yaml_reads(&bench);
    for _ in 0..2 {
        ready(&bench.again("clinical-v2").await);
    }
    assert_eq!(yaml_reads(&bench), reads, "what is known to be right is not read again");
}

/// Gives the word that a message asks for, upon which the version is ready; the process that saw that goes on.
async fn accepted(bench: &Bench, text: &str) -> World {
    let word = text.rsplit("accept-drift: ").next().unwrap().trim_matches('"');
    bench.declare(with_annotation("accept-drift", word));
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    world
}

fn yaml_reads(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    requests
        .iter()
        .filter(|it| it.method == "GET" && it.path.ends_with("/yaml"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_accepted_by_a_word_that_names_them() {
    let hands = [
        json!({"action": "edit_document", "identifier": SUMMARY}),
        json!({"action": "rename_document", "identifier": STAFFING, "name": "Somebody's"}),
    ];
    let (bench, report) = told(&hands).await;
    let text = stalled(&report);
    says(&text, &["MovedInOmni", SUMMARY, STAFFING]);
    let world = accepted(&bench, &text).await;
    // The word was for that edit: the next one is told again.
    play(
        &bench,
        &json!({"action": "edit_document", "identifier": SUMMARY, "tile_name": "Again"}),
    );
    let text = stalled(&bench.drive(&world, "clinical-v2").await);
    says(&text, &["EditedInOmni", SUMMARY]);
    assert!(!text.contains(STAFFING), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changed_nothing_is_read_once() {
    let (bench, world) = cut().await;
    // Out and back in: Omni gives it another `updatedAt`.
    for folder in ["clinical/v1", "clinical/v2"] {
        play(
            &bench,
            &json!({"action": "move_document", "identifier": SUMMARY, "folder_path": folder}),
        );
    }
    let exports = || {
        let requests = bench.simulator.requests();
        requests.iter().filter(|it| it.path.ends_with("/export")).count()
    };
    let before = exports();
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(exports(), before + 1);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(exports(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_beside_a_version_are_named_and_take_nothing_from_it() {
    let hands = [
        json!({"action": "create_document", "model": "clinical", "name": "Patient Summary", "folder_path": "clinical/v2", "identifier": "from-a-script"}),
        json!({"action": "create_model", "name": "clinical v2"}),
    ];
    let (bench, report) = told(&hands).await;
    ready(&report);
    assert_eq!(verdict(&report.findings, STALLED), None);
    let text = drifted(&report);
    says(
        &text,
        &[
            "UnknownInOmni",
            "from-a-script",
            "Patient Summary",
            "has the name \"clinical v2\" too",
            "left alone",
        ],
    );
    play(
        &bench,
        &json!({"action": "delete_document", "identifier": "from-a-script"}),
    );
    says(&drifted(&bench.again("clinical-v2").await), &["clinical v2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_version_is_watched_too_and_never_written_to() {
    let (bench, world) = cut().await;
    for hand in [
        json!({"action": "edit_document", "identifier": "12db1a0a"}),
        json!({"action": "move_document", "identifier": "8a41f9b3", "folder_path": "clinical"}),
        json!({"action": "edit_model_file", "model": "clinical", "file_name": "extra.view", "yaml": "label: More\n"}),
    ] {
        play(&bench, &hand);
    }
    let state = bench.simulator.state();
    let report = bench.drive(&world, "clinical-v1").await;
    let text = stalled(&report);
    says(
        &text,
        &["MovedInOmni", "12db1a0a", "8a41f9b3", "(\"clinical\") was edited"],
    );
    assert_eq!(bench.simulator.state(), state);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_out_is_moved_back_where_that_is_asked_for() {
    let (bench, _) = cut().await;
    let before = bench.outcome();
    bench.declare(mending);
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(
        bench.outcome(),
        before,
        "the policy may change, and changes nothing by itself"
    );
    play(
        &bench,
        &json!({"action": "move_document", "identifier": SUMMARY, "folder_path": "clinical/v1"}),
    );
    play(&bench, &json!({"action": "move_document", "identifier": STAFFING}));
    play(
        &bench,
        &json!({"action": "move_document", "identifier": "8a41f9b3", "folder_path": "clinical/v2"}),
    );
    let stranger = |bench: &Bench| {
        let state = bench.simulator.state();
        let documents = state["documents"].as_array().unwrap();
        documents
            .iter()
            .find(|it| it["identifier"] == "8a41f9b3")
            .cloned()
            .unwrap()
    };
    let strangers = stranger(&bench);
    let report = bench.drive(&world, "clinical-v2").await;
    ready(&report);
    says(&drifted(&report), &["UnknownInOmni", "8a41f9b3"]);
    assert_eq!(
        stranger(&bench),
        strangers,
        "what Wavepin did not make stays where it was put"
    );
    play(
        &bench,
        &json!({"action": "move_document", "identifier": "8a41f9b3", "folder_path": "clinical/v1"}),
    );
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(bench.outcome(), before);
    let requests = bench.simulator.requests().len();
    ready(&bench.drive(&world, "clinical-v2").await);
    let since = bench.simulator.requests();
    assert!(since.iter().skip(requests).all(|it| it.method == "GET"));
    // Nobody's work is overwritten, and what is gone is not made up.
    for (hand, parts) in [
        (
            json!({"action": "edit_document", "identifier": SUMMARY}),
            ["EditedInOmni", SUMMARY],
        ),
        (
            json!({"action": "delete_document", "identifier": STAFFING}),
            ["Missing", STAFFING],
        ),
    ] {
        play(&bench, &hand);
        let state = bench.simulator.state();
        says(&stalled(&bench.drive(&world, "clinical-v2").await), &parts);
        assert_eq!(bench.simulator.state(), state);
    }
}

/// A look at versions that are as they should be: one list of models for all of them and one of generated models, one of
/// documents a hundred, and no write.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_versions_at_rest_costs_a_list_each_and_one_for_all() {
    let (bench, world) = cut().await;
    ready(&bench.drive(&world, "clinical-v2").await);
    let before = bench.simulator.requests().len();
    let world = bench.world(&Fuse::never()).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.drive(&world, name).await);
    }
    let requests = bench.simulator.requests();
    let made = requests.iter().skip(before);
    let made: Vec<String> = made.map(|it| format!("{} {}", it.method, it.path)).collect();
    let [models, documents] = ["GET /api/v1/models", "GET /api/v1/documents"];
    assert_eq!(made, [models, documents, documents, models]);
    let kinds = ["modelKind=SHARED", "modelKind=SCHEMA"];
    let lists = requests.iter().skip(before).filter(|it| it.path == "/api/v1/models");
    assert!(lists.zip(kinds).all(|(list, kind)| list.query.contains(kind)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_or_a_model_that_someone_renamed_or_deleted_is_told() {
    let cases: [(Value, &[&str], &str); 4] = [
        (
            json!({"action": "rename_folder", "path": "clinical/v2", "new_path": "clinical/old"}),
            &[
                "MovedInOmni",
                "folder \"clinical/v2\" was moved or renamed to \"clinical/old\"",
            ],
            CONTENT_READY,
        ),
        (
            json!({"action": "delete_folder", "path": "clinical/v2"}),
            &[
                "Missing",
                "folder \"clinical/v2\" is gone, and with it the 5 dashboards",
            ],
            CONTENT_READY,
        ),
        (
            json!({"action": "rename_model", "model": "clinical v2", "name": "somebody's"}),
            &[
                "MovedInOmni",
                "was renamed from \"clinical v2\" to \"somebody's\"",
                "accept-drift",
            ],
            MODEL_READY,
        ),
        (
            json!({"action": "delete_model", "model": "clinical v2"}),
            &["Missing", "is not there any more", "was deleted", "and 1 more"],
            MODEL_READY,
        ),
    ];
    for (hand, parts, condition) in cases {
        let (_, report) = told(std::slice::from_ref(&hand)).await;
        says(&stalled(&report), parts);
        assert_eq!(verdict(&report.findings, condition), Some(Verdict::False), "{hand}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_is_restored_from_the_trash_is_as_it_was() {
    let (bench, _) = told(&[json!({"action": "delete_document", "identifier": SUMMARY})]).await;
    play(&bench, &json!({"action": "restore_document", "identifier": SUMMARY}));
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(verdict(&report.findings, DRIFTED), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_that_were_taken_away_are_granted_again_where_that_is_asked_for() {
    let (bench, world) = cut().await;
    let before = bench.outcome();
    play(
        &bench,
        &json!({"action": "set_permit", "path": "clinical/v2", "user_group": "eV7kQ2mX", "role": "NO_ACCESS"}),
    );
    let taken = bench.outcome();
    assert_ne!(taken, before);
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(bench.outcome(), taken, "without being asked to, nothing is put back");
    bench.declare(mending);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(bench.outcome(), before);
}
