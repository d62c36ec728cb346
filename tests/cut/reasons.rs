//! Reasons that no other test of the cut meets.

use serde_json::json;
use wavepin::model_version::reconcile;
use wavepin::resources::conditions::{CONTENT_READY, Finding, MAPPED, MODEL_READY, VALIDATED};
use wavepin::resources::reasons::Reason;

use super::bench::{Bench, Until, ready, stalled};
use super::breaking::Fuse;

fn reason(findings: &[Finding], condition: &str) -> Option<Reason> {
    let mut of_it = findings.iter().filter(|finding| finding.condition == condition);
    of_it.next().map(|finding| finding.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_ready_version_says_what_is_there() {
    let bench = Bench::new(|_, text| text).await;
    let (_, second) = bench.both().await;
    ready(&second);
    for (condition, is) in [
        (MODEL_READY, Reason::ModelPresent),
        (CONTENT_READY, Reason::ContentPresent),
        (VALIDATED, Reason::ModelValid),
        (MAPPED, Reason::RowsWritten),
    ] {
        assert_eq!(reason(&second.findings, condition), Some(is), "{second:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_dashboard_of_another_model_is_refused() {
    let bench = Bench::new(|_, text| text.replace("8a41f9b3", "0ddba115")).await;
    for hand in [
        json!({"action": "create_model", "name": "finance"}),
        json!({"action": "create_document", "name": "Ledger", "model": "finance", "identifier": "0ddba115"}),
    ] {
        bench.simulator.play(&hand).unwrap();
    }
    let world = bench.world(&Fuse::never()).await;
    let text = stalled(&bench.drive(&world, "clinical-v1").await);
    let reason = Reason::DashboardOnOtherModel.as_str();
    assert!(text.starts_with(reason) && text.contains("ward-capacity"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_someone_edits_before_it_is_whole_is_named_and_left_to_them() {
    let bench = Bench::new(|_, text| text).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let imported = || {
        let state = bench.simulator.state();
        let documents = state["documents"].as_array().unwrap();
        let mut copies = documents.iter().filter(|it| it["folderPath"] == "clinical/v2");
        copies.next().map(|it| it["identifier"].as_str().unwrap().to_owned())
    };
    let until = Until(|| imported().is_some());
    while imported().is_none() {
        reconcile(&world, "default", "clinical-v2", &until).await.unwrap();
    }
    let copy = imported().unwrap();
    let edit = json!({"action": "rename_document", "identifier": copy, "name": "Somebody's own words"});
    bench.simulator.play(&edit).unwrap();
    let edited = bench.simulator.state();
    let of = |state: &serde_json::Value| {
        let documents = state["documents"].as_array().unwrap();
        documents.iter().find(|it| it["identifier"] == copy.as_str()).cloned()
    };
    let world = bench.world(&Fuse::never()).await;
    let second = bench.drive(&world, "clinical-v2").await;
    let text = stalled(&second);
    assert!(text.starts_with(Reason::CopyDiffers.as_str()), "{text}");
    assert!(!second.sealed);
    assert_eq!(
        of(&bench.simulator.state()),
        of(&edited),
        "what someone wrote is theirs"
    );
}
