//! What of a dashboard no export holds: labels are put on the copy, the rest is told, and nothing stops for it.

use std::collections::BTreeSet;

use serde_json::json;
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, as_it_is, ready};

async fn labelled() -> Bench {
    let bench = Bench::new(as_it_is).await;
    for name in ["Clinical", "verified"] {
        bench.call("POST", "/api/v1/labels", Some(json!({"name": name}))).await;
    }
    for (document, labels) in [
        ("12db1a0a", json!(["Clinical", "verified"])),
        ("8a41f9b3", json!(["Clinical"])),
    ] {
        let path = format!("/api/v1/documents/{document}/labels");
        bench.call("PATCH", &path, Some(json!({"add": labels}))).await;
    }
    let describe = json!({"action": "describe_document", "identifier": "5e07c1d2", "description": "By ward"});
    bench.simulator.play(&describe).unwrap();
    bench.call("PUT", "/api/v1/documents/5e07c1d2/favorite", None).await;
    bench
}

/// The labels of each document in a folder, by name.
fn labels(bench: &Bench, folder: &str) -> BTreeSet<(String, String)> {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap();
    let here = documents.iter().filter(|it| it["folderPath"] == folder);
    here.map(|it| (it["name"].to_string(), it["labels"].to_string()))
        .collect()
}

fn sent(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    requests
        .iter()
        .filter(|it| it.method == "PATCH" && it.path.ends_with("/labels"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_on_the_copies_and_what_is_not_carried_is_listed_exactly() {
    let bench = labelled().await;
    let before = sent(&bench);
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(labels(&bench, "clinical/v2"), labels(&bench, "clinical/v1"));
    assert_eq!(sent(&bench) - before, 2, "one call for each that has some");
    assert_eq!(
        report.not_carried,
        ["readmission-risk: description", "readmission-risk: 1 favourite"]
    );
    // It is on record: the source is not needed for it any more.
    let again = bench.again("clinical-v2").await;
    ready(&again);
    assert_eq!((again.not_carried, sent(&bench) - before), (report.not_carried, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_the_key_may_not_put_are_told_and_stop_nothing() {
    let bench = labelled().await;
    let world = bench.world(&super::breaking::Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    let refused = Fault::once("PATCH", "/labels$", FaultKind::Forbidden).unwrap();
    bench.simulator.arm(refused);
    let report = bench.drive(&world, "clinical-v2").await;
    ready(&report);
    let told = "patient-summary: labels Clinical, verified, which the key may not put";
    assert!(
        report.not_carried.iter().any(|it| it == told),
        "{:?}",
        report.not_carried
    );
    // Told as long as it is so, and not tried at every look.
    let before = sent(&bench);
    let again = bench.again("clinical-v2").await;
    assert_eq!((again.not_carried, sent(&bench)), (report.not_carried, before));
}
