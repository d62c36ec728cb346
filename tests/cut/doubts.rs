//! Where Omni leaves in doubt what came of a call, or the world moves in the middle of a cut: nothing is made twice, and
//! a way on is named.

use std::time::Duration;

use serde_json::{Value, json};
use wavepin::model_version::reconcile;
use wavepin::ports::World;
use wavepin::resources::conditions::{READY, Verdict};
use wavepin::simulator::{Fault, FaultKind, IdentifierClash, ImportAnswer, ImportFolder};

use super::bench::{Bench, Until, as_it_is, ready, says, stalled, verdict};
use super::breaking::Fuse;

/// Longer than a stalled version is left alone.
const LATER: Duration = Duration::from_secs(601);

fn calls(bench: &Bench, method: &str, end: &str) -> usize {
    let requests = bench.simulator.requests();
    requests
        .iter()
        .filter(|it| it.method == method && it.path.ends_with(end))
        .count()
}

async fn adopted(bench: &Bench) -> World {
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    // What was there before shows in every list, however much lists lag.
    bench.clock_passes(LATER);
    world
}

/// Passes over version 2, the last of which ends as soon as one more request of this kind was answered.
async fn cut_until(bench: &Bench, method: &str, end: &str) {
    let world = bench.world(&Fuse::never()).await;
    let before = calls(bench, method, end);
    let until = Until(|| calls(bench, method, end) > before);
    for _ in 0..10 {
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
        if calls(bench, method, end) > before {
            assert_eq!(calls(bench, method, end), before + 1);
            return;
        }
        bench.clock_passes(Duration::from_secs(20));
    }
    panic!("no {method} {end}");
}

/// Version 2's stalled message, in three rounds with time between them that make nothing more in Omni.
async fn stays_stalled(bench: &Bench) -> String {
    let world = bench.world(&Fuse::never()).await;
    let text = stalled(&bench.drive(&world, "clinical-v2").await);
    let outcome = bench.outcome();
    for _ in 0..3 {
        bench.clock_passes(LATER);
        assert_eq!(stalled(&bench.again("clinical-v2").await), text);
        assert_eq!(bench.outcome(), outcome);
    }
    text
}

/// An answer is lost, and the list shows what was made only much later.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_behind_lists_that_lag_makes_nothing_twice() {
    let undisturbed = Bench::new(as_it_is).await;
    undisturbed.both().await;
    let paths = [
        ("^/api/v1/models$", 0),
        ("^/api/v1/models$", 1),
        ("^/api/v1/folders$", 0),
        ("/documents/import$", 0),
    ];
    for (path, after) in paths {
        let bench = Bench::new(as_it_is).await;
        let world = adopted(&bench).await;
        // Just below the instance's listLag of a minute.
        bench.simulator.turn(|knobs| knobs.list_lag_millis = 55_000);
        let mut fault = Fault::once("POST", path, FaultKind::LostAnswer).unwrap();
        fault.after = after;
        bench.simulator.arm(fault);
        ready(&bench.drive(&world, "clinical-v2").await);
        assert_eq!(bench.outcome(), undisturbed.outcome(), "a lost answer to POST {path}");
    }
}

/// A process ends right behind a creation that is on record but not in the lists.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_is_used_while_lists_do_not_show_it() {
    let undisturbed = Bench::new(as_it_is).await;
    undisturbed.both().await;
    // The model; its branch; the folder.
    for (end, nth) in [("/v1/models", 1), ("/v1/models", 2), ("/v1/folders", 1)] {
        let bench = Bench::new(as_it_is).await;
        adopted(&bench).await;
        bench.simulator.turn(|knobs| knobs.list_lag_millis = 55_000);
        for _ in 0..nth {
            cut_until(&bench, "POST", end).await;
        }
        ready(&bench.again("clinical-v2").await);
        assert_eq!(calls(&bench, "POST", "/v1/models"), 2, "{nth} of {end}");
        assert_eq!(bench.outcome(), undisturbed.outcome(), "{nth} of {end}");
    }
}

/// Somebody takes the identifier of a copy between the look for it and its import.
async fn identifier_taken_behind_our_back(clash: IdentifierClash) -> Bench {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    cut_until(&bench, "GET", "/export").await;
    let taken = json!({"action": "create_document", "model": "clinical", "name": "Somebody's", "identifier": "billing-overview-v2-02d405"});
    bench.simulator.play(&taken).unwrap();
    bench.simulator.turn(|knobs| knobs.identifier_clash = clash);
    bench
}

/// The document that took it is in the trash, where no export finds it.
async fn identifier_in_the_trash() -> Bench {
    let bench = identifier_taken_behind_our_back(IdentifierClash::Suffix).await;
    bench
        .simulator
        .play(&json!({"action": "delete_document", "identifier": "billing-overview-v2-02d405"}))
        .unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_another_identifier_is_told_and_never_made_again() {
    let bench = identifier_taken_behind_our_back(IdentifierClash::Suffix).await;
    let text = stays_stalled(&bench).await;
    says(
        &text,
        &["IdentifierTaken", "billing-overview-v2-02d405-1", "delete the document"],
    );
    assert_eq!(calls(&bench, "POST", "/import"), 5, "one a dashboard");

    // The same where the answer does not tell the identifier.
    let bench = identifier_in_the_trash().await;
    bench
        .simulator
        .turn(|knobs| knobs.import_answer = ImportAnswer::Unknown);
    let text = stays_stalled(&bench).await;
    says(
        &text,
        &["ContractDrift", "billing-overview", "look for the copy by its name"],
    );
    assert_eq!(calls(&bench, "POST", "/import"), 5, "one a dashboard");

    // And where there is no answer at all.
    let bench = identifier_in_the_trash().await;
    bench
        .simulator
        .arm(Fault::once("POST", "/import$", FaultKind::LostAnswer).unwrap());
    let text = stays_stalled(&bench).await;
    says(
        &text,
        &["billing-overview", "billing-overview-v2-02d405-1", "may be the copy"],
    );
    assert_eq!(calls(&bench, "POST", "/import"), 5, "one a dashboard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_identifier_holds_up_its_dashboard_alone() {
    let bench = identifier_taken_behind_our_back(IdentifierClash::Reject).await;
    let text = stays_stalled(&bench).await;
    says(&text, &["IdentifierTaken", "billing-overview", "is not touched"]);
    let state = bench.simulator.state();
    let copies = state["documents"].as_array().unwrap().iter();
    assert_eq!(copies.filter(|it| it["folderPath"] == "clinical/v2").count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_omni_puts_elsewhere_is_told_and_never_made_again() {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    // Something has the path and does not show.
    bench.simulator.turn(|knobs| knobs.list_lag_millis = 50_000);
    bench
        .simulator
        .play(&json!({"action": "create_folder", "name": "v2", "parent_path": "clinical"}))
        .unwrap();
    let text = stays_stalled(&bench).await;
    says(&text, &["FolderTaken", "\"clinical/v2-1\"", "content.folder.name"]);
    assert_eq!(calls(&bench, "POST", "/v1/folders"), 1);
    // The way out that it names.
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => text.replace("name: v2\n", "name: version-two\n"),
        _ => text,
    });
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(report.folder.as_deref(), Some("clinical/version-two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_already_cannot_be_declared_otherwise_before_it_is_whole() {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    cut_until(&bench, "POST", "/import").await;
    // Somebody's folder, open to all viewers, is no place for half a version.
    bench
        .simulator
        .play(&json!({"action": "create_folder", "name": "v3", "parent_path": "clinical"}))
        .unwrap();
    let changes = [
        ("name: v2\n", "name: v3\n", "content.folder"),
        ("name: clinical v2", "name: clinical two", "model.name"),
    ];
    for (from, to, field) in changes {
        bench.declare(|file, text| match file {
            "clinical-v2.yaml" => text.replace(from, to),
            _ => text,
        });
        let (outcome, imports) = (bench.outcome(), calls(&bench, "POST", "/import"));
        says(
            &stalled(&bench.again("clinical-v2").await),
            &["Invalid", field, "put it back", "new number"],
        );
        assert_eq!((bench.outcome(), calls(&bench, "POST", "/import")), (outcome, imports));
    }
    bench.declare(as_it_is);
    ready(&bench.again("clinical-v2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_dashboard_that_vanished_may_be_excluded_in_the_middle_of_a_cut() {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    cut_until(&bench, "GET", "/export").await;
    bench
        .simulator
        .play(&json!({"action": "delete_document", "identifier": "8a41f9b3"}))
        .unwrap();
    says(
        &stalled(&bench.again("clinical-v2").await),
        &["DashboardNotFound", "ward-capacity", "put it back, or exclude it"],
    );
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => format!("{text}    dashboards: {{exclude: [ward-capacity]}}\n"),
        _ => text,
    });
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(report.dashboards.unwrap().progress, "4/4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_a_single_dashboard_is_refused() {
    let bench = Bench::new(|file, text| match file {
        "clinical-v2.yaml" => format!(
            "{text}    dashboards: {{exclude: [patient-summary, ward-capacity, medication-review, billing-overview, staffing]}}\n"
        ),
        _ => text,
    })
    .await;
    let world = adopted(&bench).await;
    let text = stalled(&bench.drive(&world, "clinical-v2").await);
    says(&text, &["Invalid", "content.dashboards"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_complete_version_that_holds_another_dashboard_is_told() {
    let bench = Bench::new(as_it_is).await;
    bench.both().await;
    let options = bench.database();
    let url = secrecy::ExposeSecret::expose_secret(&options).to_owned();
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let changed = sqlx::query("UPDATE dashboard_model SET dashboard_id = '12db1a0a' WHERE model_version_id = 2 AND dashboard_slug = 'patient-summary'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    pool.close().await;
    let report = bench.again("clinical-v2").await;
    says(
        &stalled(&report),
        &[
            "MappingConflict",
            "patient-summary",
            "12db1a0a",
            "correct or delete that row",
        ],
    );
    assert!(report.sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_grows_later_leaves_a_complete_version_as_it_is() {
    let bench = Bench::new(as_it_is).await;
    bench.both().await;
    let third = |text: &str| {
        text.replace("clinical-v2", "clinical-v3")
            .replace("version: 2", "version: 3")
            .replace("fromVersion: 1", "fromVersion: 2")
            .replace("clinical v2", "clinical v3")
            .replace("name: v2", "name: v3")
    };
    let with_third = move |file: &str, text: String| match file {
        "clinical-v2.yaml" => format!("{text}---\n{}", third(&text)),
        _ => text,
    };
    bench.declare(with_third);
    ready(&bench.again("clinical-v3").await);
    bench.declare(move |file, text| match file {
        "clinical-v2.yaml" => format!(
            "{text}    dashboards: {{add: [{{slug: data-dictionary, identifier: 9b7e4d20}}]}}\n---\n{}",
            third(&text)
        ),
        _ => text,
    });
    let world = bench.world(&Fuse::never()).await;
    assert_eq!(
        bench.drive(&world, "clinical-v2").await.dashboards.unwrap().progress,
        "6/6"
    );
    let imports = calls(&bench, "POST", "/import");
    let report = bench.drive(&world, "clinical-v3").await;
    ready(&report);
    assert_eq!(report.dashboards.unwrap().progress, "5/5");
    assert_eq!(verdict(&report.findings, "ContentReady"), Some(Verdict::True));
    assert_eq!(calls(&bench, "POST", "/import"), imports);
}

/// A document that is added from elsewhere is part of the source too: a mix of two of its states is never mapped.
#[tokio::test(flavor = "multi_thread")]
async fn an_added_document_that_moves_during_the_cut_is_told() {
    let bench = Bench::new(|file, text| match file {
        "clinical-v2.yaml" => {
            format!("{text}    dashboards: {{add: [{{slug: data-dictionary, identifier: 9b7e4d20}}]}}\n")
        }
        _ => text,
    })
    .await;
    let world = adopted(&bench).await;
    let copies = || {
        let state = bench.simulator.state();
        let documents = state["documents"].as_array().unwrap().iter();
        documents.filter(|it| it["folderPath"] == "clinical/v2").count()
    };
    let until = Until(|| copies() == 3);
    while copies() < 3 {
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
    }
    bench
        .simulator
        .play(&json!({"action": "edit_document", "identifier": "9b7e4d20"}))
        .unwrap();
    let text = stays_stalled(&bench).await;
    says(&text, &["SourceMoved", "new number"]);
    assert!(!bench.again("clinical-v2").await.sealed);
}

/// However short a slice is, a pass that had to wait for the budget keeps what it saw until it has something to show.
#[tokio::test(flavor = "multi_thread")]
async fn the_shortest_slices_end_in_a_whole_version() {
    let undisturbed = Bench::new(as_it_is).await;
    undisturbed.both().await;
    let bench = Bench::new(as_it_is).await;
    let mut world = adopted(&bench).await;
    world.slice = Duration::ZERO;
    let mut passes = 0;
    loop {
        let pass = reconcile(&world, "default", "clinical-v2", &super::bench::Quiet)
            .await
            .unwrap();
        passes += 1;
        if verdict(&pass.report.findings, READY) == Some(Verdict::True) {
            break;
        }
        assert!(passes < 60, "{pass:?}");
    }
    assert!(passes > 5, "slices do end passes");
    assert_eq!(bench.outcome(), undisturbed.outcome());
    let repeated: Value = bench.simulator.state()["requestsOverBudget"].clone();
    assert_eq!(repeated, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_version_asks_nobody_and_nothing_goes_on() {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    cut_until(&bench, "POST", "/import").await;
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => text.replace("  version: 2\n", "  version: 2\n  suspend: true\n"),
        _ => text,
    });
    let requests = bench.simulator.requests().len();
    let world = bench.world(&Fuse::never()).await;
    let pass = reconcile(&world, "default", "clinical-v2", &super::bench::Quiet)
        .await
        .unwrap();
    let findings = &pass.report.findings;
    assert_eq!(verdict(findings, READY), Some(Verdict::False));
    assert_eq!(
        (verdict(findings, "Stalled"), verdict(findings, "Reconciling")),
        (None, None)
    );
    assert_eq!(bench.simulator.requests().len(), requests);
    bench.declare(as_it_is);
    ready(&bench.drive(&world, "clinical-v2").await);
}

/// A document is found by its UUID and by former names as well; what is copied goes by the name that it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_added_by_its_own_name() {
    let bench = Bench::new(as_it_is).await;
    let uuid = bench.simulator.state()["documents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["identifier"] == "9b7e4d20")
        .map(|it| it["documentId"].as_str().unwrap().to_owned())
        .unwrap();
    let adding = move |name: &str| {
        let name = name.to_owned();
        move |file: &str, text: String| match file {
            "clinical-v2.yaml" => {
                format!("{text}    dashboards: {{add: [{{slug: data-dictionary, identifier: {name}}}]}}\n")
            }
            _ => text,
        }
    };
    adopted(&bench).await;
    bench.declare(adding(&uuid));
    let text = stays_stalled(&bench).await;
    says(&text, &["data-dictionary", "calls it \"9b7e4d20\"", "name it so"]);
    bench.declare(adding("9b7e4d20"));
    ready(&bench.again("clinical-v2").await);
    // To a whole version it may be added by any name: its entry could not be corrected any more.
    let bench = Bench::new(as_it_is).await;
    bench.both().await;
    bench.declare(adding(&uuid));
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(report.dashboards.unwrap().progress, "6/6");
}

/// Every document that Wavepin did not make, whole.
fn strangers(bench: &Bench) -> Vec<Value> {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap().iter();
    let made = |it: &&Value| it["identifier"].as_str().unwrap().contains("-v2-02d405");
    let theirs = documents.filter(|it| !made(it));
    let model = |it: &Value| {
        let models = state["models"].as_array().unwrap();
        models
            .iter()
            .find(|model| model["id"] == it["workbookModelId"])
            .cloned()
    };
    theirs.map(|it| json!([it, model(it)])).collect()
}

/// Documents of the same names everywhere, from somebody's script, in the middle of a cut; whatever Omni does with
/// identifiers, folders and lists.
#[tokio::test(flavor = "multi_thread")]
async fn what_wavepin_did_not_make_stays_byte_for_byte() {
    for clash in [
        IdentifierClash::Reject,
        IdentifierClash::Overwrite,
        IdentifierClash::Suffix,
    ] {
        for (folder, lag) in [
            (ImportFolder::Honour, 0),
            (ImportFolder::Root, 0),
            (ImportFolder::Honour, 55_000),
        ] {
            let bench = Bench::new(as_it_is).await;
            adopted(&bench).await;
            bench.simulator.turn(|knobs| {
                knobs.identifier_clash = clash;
                knobs.import_folder = folder;
                knobs.list_lag_millis = lag;
            });
            cut_until(&bench, "POST", "/import").await;
            for (number, place) in [Some("clinical/v2"), Some("clinical/v1"), None].into_iter().enumerate() {
                for (model, name) in [("clinical", "Patient Summary"), ("clinical v2", "Ward Capacity")] {
                    let mut hand = json!({"action": "create_document", "model": model, "name": name,
                        "identifier": format!("script-{number}-{}", name.len())});
                    if let Some(place) = place {
                        hand["folder_path"] = json!(place);
                    }
                    bench.simulator.play(&hand).unwrap();
                }
            }
            let before = strangers(&bench);
            let world = bench.world(&Fuse::never()).await;
            for _ in 0..2 {
                let report = bench.drive(&world, "clinical-v2").await;
                ready(&report);
                bench.clock_passes(LATER);
            }
            let report = bench.drive(&bench.world(&Fuse::never()).await, "clinical-v2").await;
            let told = report.findings.iter().find(|it| it.condition == "Drifted").unwrap();
            says(&told.message, &["script-0-13", "script-0-15"]);
            assert_eq!(strangers(&bench), before, "{clash:?} {folder:?} {lag}");
        }
    }
}

/// A copy that somebody renames before it is whole is not taken under its new name.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_another_identifier_before_it_is_whole_is_told() {
    let bench = Bench::new(as_it_is).await;
    adopted(&bench).await;
    cut_until(&bench, "POST", "/import").await;
    let rename =
        json!({"action": "rename_document", "identifier": "billing-overview-v2-02d405", "new_identifier": "somebodys"});
    bench.simulator.play(&rename).unwrap();
    let text = stays_stalled(&bench).await;
    says(
        &text,
        &["MovedInOmni", "billing-overview", "\"somebodys\"", "new number"],
    );
}

/// A copy that is whole and was edited, moved or deleted before the version is mapped.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_whole_copy_in_the_middle_of_a_cut_is_told_before_anyone_sees_it() {
    let copy = "billing-overview-v2-02d405";
    for (hand, parts) in [
        (
            json!({"action": "edit_document", "identifier": copy}),
            ["EditedInOmni", copy],
        ),
        (
            json!({"action": "move_document", "identifier": copy, "folder_path": "clinical"}),
            ["MovedInOmni", copy],
        ),
        (
            json!({"action": "delete_document", "identifier": copy}),
            ["Missing", copy],
        ),
    ] {
        let bench = Bench::new(as_it_is).await;
        adopted(&bench).await;
        for _ in 0..2 {
            cut_until(&bench, "POST", "/import").await;
        }
        bench.simulator.play(&hand).unwrap();
        let text = stays_stalled(&bench).await;
        says(&text, &parts);
        assert!(!bench.again("clinical-v2").await.sealed);
    }
}
