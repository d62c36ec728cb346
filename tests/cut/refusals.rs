//! What is refused, in the words that a user reads; nothing is written to Omni or to rows because of it.

use std::time::Duration;

use serde_json::json;
use wavepin::resources::conditions::{READY, RECONCILING, Verdict};
use wavepin::simulator::{IdentifierClash, Knobs, SimulatorOptions};

use super::bench::{Bench, says, stalled, verdict};
use super::breaking::Fuse;

/// Changes one file of the example.
fn in_file(name: &'static str, from: &'static str, to: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| {
        if file != name {
            return text;
        }
        assert!(text.contains(from), "{name} holds {from:?}");
        text.replace(from, to)
    }
}

const V1: &str = "clinical-v1.yaml";
const V2: &str = "clinical-v2.yaml";

/// Adopts version 1, then tells what is said of version 2; Omni must have seen no write.
async fn refused(bench: &Bench) -> String {
    super::bench::ready(&bench.again("clinical-v1").await);
    refused_as_is(bench, "clinical-v2").await
}

async fn refused_as_is(bench: &Bench, name: &str) -> String {
    let before = bench.simulator.requests().len();
    let state = bench.simulator.state();
    let text = stalled(&bench.again(name).await);
    let written: Vec<_> = bench
        .simulator
        .requests()
        .into_iter()
        .skip(before)
        .filter(|it| it.method != "GET")
        .collect();
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(bench.simulator.state(), state);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_model_that_omni_does_not_have() {
    let bench = Bench::new(in_file(V1, "3fb59130", "00000000")).await;
    says(
        &refused_as_is(&bench, "clinical-v1").await,
        &["ModelNotFound", "00000000-54fc", "source.adopt.modelId"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_identifier_that_omni_does_not_have() {
    let bench = Bench::new(in_file(V1, "8a41f9b3", "deadbeef")).await;
    says(
        &refused_as_is(&bench, "clinical-v1").await,
        &[
            "DashboardNotFound",
            "ward-capacity",
            "deadbeef",
            "source.adopt.dashboards",
        ],
    );
    // The number is not taken by a mistake: corrected, the same object has it.
    bench.declare(|_, text| text);
    super::bench::ready(&bench.again("clinical-v1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_folder_that_omni_does_not_have() {
    let bench = Bench::new(in_file(V1, "folderPath: clinical/v1", "folderPath: clinical/v9")).await;
    says(
        &refused_as_is(&bench, "clinical-v1").await,
        &["clinical/v9", "source.adopt.folderPath"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_is_in_use_elsewhere_in_the_organisation() {
    for clash in [
        IdentifierClash::Reject,
        IdentifierClash::Overwrite,
        IdentifierClash::Suffix,
    ] {
        let knobs = Knobs {
            identifier_clash: clash,
            ..Knobs::default()
        };
        let bench = Bench::with(
            SimulatorOptions {
                knobs,
                ..SimulatorOptions::default()
            },
            |_, text| text,
        )
        .await;
        let taken = json!({"action": "create_document", "model": "clinical", "name": "Somebody's", "identifier": "patient-summary-v2-02d405"});
        bench.simulator.play(&taken).unwrap();
        says(
            &refused(&bench).await,
            &[
                "IdentifierTaken",
                "patient-summary-v2-02d405",
                "Somebody's",
                "not touched",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_elses_model_has() {
    let bench = Bench::new(|_, text| text).await;
    bench
        .simulator
        .play(&json!({"action": "create_model", "name": "clinical v2"}))
        .unwrap();
    let text = refused(&bench).await;
    says(&text, &["NameTaken", "clinical v2", "wavepin.dev/adopt-model: "]);
    // The annotation that the message names is the way out.
    let id = text.split("adopt-model: ").nth(1).unwrap().to_owned();
    let annotated = format!("metadata:\n  annotations: {{wavepin.dev/adopt-model: {id}}}");
    bench.declare(move |file, text| {
        if file == V2 {
            text.replacen("metadata:", &annotated, 1)
        } else {
            text
        }
    });
    let report = bench.again("clinical-v2").await;
    super::bench::ready(&report);
    assert_eq!(report.model_id.as_deref(), Some(id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_ours() {
    let bench = Bench::new(|_, text| text).await;
    bench
        .simulator
        .play(&json!({"action": "create_folder", "name": "v2", "parent_path": "clinical"}))
        .unwrap();
    says(
        &refused(&bench).await,
        &["FolderTaken", "clinical/v2", "content.folder.name"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_no_yaml() {
    let bench = Bench::new(in_file(V2, "          label: Wards\n", "          label: [Wards\n")).await;
    says(
        &refused(&bench).await,
        &["EditRefused", "wards", "wards.topic", "no YAML"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_omnis_validation_refuses() {
    let bench = Bench::new(in_file(
        V2,
        "          base_view: wards\n",
        "          base_view: wardz\n",
    ))
    .await;
    let world = bench.world(&Fuse::never()).await;
    super::bench::ready(&bench.drive(&world, "clinical-v1").await);
    let report = bench.drive(&world, "clinical-v2").await;
    says(
        &stalled(&report),
        &["ModelInvalid", "unmerged", "wardz", "Correct model.edits"],
    );
    assert_eq!(verdict(&report.findings, "Validated"), Some(Verdict::False));
    let merged = bench.simulator.requests().iter().any(|it| it.path.ends_with("/merge"));
    assert!(!merged && !report.sealed);
    // Corrected, the same cut goes on.
    bench.declare(|_, text| text);
    super::bench::ready(&bench.drive(&world, "clinical-v2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_the_environments_attribute() {
    let bench = Bench::new(|_, text| text).await;
    super::bench::ready(&bench.again("clinical-v1").await);
    bench.simulator.turn(|knobs| knobs.caller_attribute = None);
    says(
        &refused_as_is(&bench, "clinical-v2").await,
        &[
            "CallerAttributeMissing",
            "key's owner",
            "Clinical Snowflake",
            "\"environment\"",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_the_organisations() {
    let bench = Bench::new(|_, text| text).await;
    super::bench::ready(&bench.again("clinical-v1").await);
    bench.simulator.turn(|knobs| knobs.key_is_personal = true);
    says(
        &refused_as_is(&bench, "clinical-v2").await,
        &["NotOrganizationKey", "organisation key"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_branch_based_refresh() {
    let bench = Bench::new(|_, text| text).await;
    bench.simulator.turn(|knobs| knobs.branch_schema_refresh = true);
    let world = bench.world(&Fuse::never()).await;
    super::bench::ready(&bench.drive(&world, "clinical-v1").await);
    says(
        &stalled(&bench.drive(&world, "clinical-v2").await),
        &["BranchRefreshOn", "forbids a second shared model"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_another_source_has() {
    let bench = Bench::new(|_, text| text).await;
    bench.both().await;
    let other = "  source: {fromVersion: 1}";
    bench.declare(in_file(V2, other, "  source: {fromVersion: 7}"));
    says(
        &refused_as_is(&bench, "clinical-v2").await,
        &["VersionTaken", "version 2 belongs to cut:1", "cut:7"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_another_object_has() {
    let bench = Bench::new(|file, text| {
        if file == V2 {
            format!("{text}---\n{}", text.replace("name: clinical-v2", "name: also-v2"))
        } else {
            text
        }
    })
    .await;
    let world = bench.world(&Fuse::never()).await;
    super::bench::ready(&bench.drive(&world, "clinical-v1").await);
    super::bench::ready(&bench.drive(&world, "clinical-v2").await);
    says(
        &refused_as_is(&bench, "also-v2").await,
        &["VersionTaken", "clinical-v2", "number of its own"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_version_that_is_changed() {
    let bench = Bench::new(|_, text| text).await;
    bench.both().await;
    bench.declare(in_file(V2, "label: Wards", "label: All wards"));
    says(
        &refused_as_is(&bench, "clinical-v2").await,
        &["Sealed", "cut a new version"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_dashboard_that_the_source_does_not_have() {
    let bench = Bench::new(|file, text| {
        if file == V2 {
            format!("{text}    dashboards: {{exclude: [nobody]}}\n")
        } else {
            text
        }
    })
    .await;
    says(
        &refused(&bench).await,
        &["Invalid", "content.dashboards.exclude", "nobody"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_moves_during_the_cut_is_never_mapped() {
    let bench = Bench::new(|_, text| text).await;
    let fuse = Fuse::after(90);
    let world = bench.world(&fuse).await;
    for name in ["clinical-v1", "clinical-v2"] {
        for _ in 0..3 {
            wavepin::model_version::reconcile(&world, "default", name, &super::bench::Quiet).await;
        }
    }
    assert!(fuse.blown());
    bench
        .simulator
        .play(&json!({"action": "edit_document", "identifier": "c3d90e74"}))
        .unwrap();
    let report = bench.again("clinical-v2").await;
    says(
        &stalled(&report),
        &["SourceMoved", "version 1 was changed", "new number"],
    );
    assert!(!report.sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_yet_is_waited_for() {
    let bench = Bench::new(|_, text| text).await;
    let world = bench.world(&Fuse::never()).await;
    let pass = wavepin::model_version::reconcile(&world, "default", "clinical-v2", &super::bench::Quiet)
        .await
        .unwrap();
    let findings = &pass.report.findings;
    assert_eq!(verdict(findings, READY), Some(Verdict::False));
    assert_eq!(
        verdict(findings, RECONCILING),
        Some(Verdict::True),
        "not stalled: objects come in any order"
    );
    assert_eq!(verdict(findings, "Stalled"), None);
    assert!(matches!(pass.next, wavepin::ports::Next::Backoff { .. }));
    assert_eq!(bench.simulator.requests().len(), 0, "{:?}", Duration::ZERO);
}
