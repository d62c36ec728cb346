//! A changed contract and another organisation, seen by whole passes over real adapters: what stops, and what goes on.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::environment::{self, EnvironmentKey};
use wavepin::model_version::{self, VersionPass};
use wavepin::omni_instance::{self, InstancePass};
use wavepin::ports::{Files, World};
use wavepin::resources::conditions::{
    CONTRACT_KNOWN, Finding, READY, RECONCILING, SAME_ORGANIZATION, STALLED, Verdict,
};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::DEFAULT_API_KEY;

use crate::cut::bench::{Bench, Quiet, verdict};
use crate::parts::OneSecret;

/// The adapters as a freshly started process has them.
fn world(bench: &Bench) -> World {
    let options = ClientOptions {
        default_database: Some(bench.database()),
        request_timeout: Duration::from_secs(10),
        ..ClientOptions::default()
    };
    World {
        objects: Arc::clone(&bench.declared) as _,
        config_maps: Arc::clone(&bench.declared) as _,
        secrets: Arc::clone(&bench.declared) as _,
        approvers: Arc::new(Files),
        clients: Arc::new(ClientRegistry::new(Arc::new(OneSecret(DEFAULT_API_KEY)), options)),
        clock: Arc::clone(&bench.clock) as _,
        slice: Duration::from_secs(3600),
        request_timeout: Duration::from_secs(10),
    }
}

async fn instance(world: &World) -> InstancePass {
    omni_instance::reconcile(world, "default", "clinical").await.unwrap()
}

async fn version(world: &World, name: &str) -> VersionPass {
    model_version::reconcile(world, "default", name, &Quiet).await.unwrap()
}

fn said<'f>(findings: &'f [Finding], condition: &str) -> (Verdict, Reason, &'f str) {
    let found = findings.iter().find(|finding| finding.condition == condition);
    let found = found.unwrap_or_else(|| panic!("nothing is said of {condition}: {findings:#?}"));
    (found.verdict, found.reason, &found.message)
}

/// The example, with the production pin of acme-corp at this version.
fn declare(bench: &Bench, production: i32) {
    bench.declare(|file, text| match file {
        "pins.yaml" => text.replacen("  version: 1\n", &format!("  version: {production}\n"), 1),
        _ => text,
    });
}

/// Moves acme-corp in production to this version, and asserts that Omni hears nothing of it.
async fn promote(bench: &Bench, world: &World, production: i32) {
    declare(bench, production);
    let before = bench.simulator.requests().len();
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: "production".to_owned(),
    };
    let pass = environment::reconcile(world, &key).await.unwrap();
    let pin = pass.pins.iter().find(|pin| pin.name == "acme-corp-production").unwrap();
    assert_eq!(pin.version, Some(production), "{pin:#?}");
    assert_eq!(verdict(&pin.findings, READY), Some(Verdict::True), "{pin:#?}");
    assert_eq!(
        bench.simulator.requests().len(),
        before,
        "a promotion asks Omni nothing"
    );
}

/// Both versions cut and complete, by the passes of one process.
async fn complete() -> (Bench, World) {
    let bench = Bench::new(|_, text| text).await;
    let world = world(&bench);
    assert_eq!(said(&instance(&world).await.findings, READY).0, Verdict::True);
    for name in ["clinical-v1", "clinical-v2"] {
        let report = bench.drive(&world, name).await;
        assert_eq!(verdict(&report.findings, READY), Some(Verdict::True), "{report:#?}");
    }
    promote(&bench, &world, 1).await;
    (bench, world)
}

/// A merge patch that changes a description at a pointer.
fn patch(pointer: &str, with: Value) -> Value {
    let steps = pointer.trim_start_matches('/').split('/');
    steps
        .rev()
        .fold(with, |inner, step| json!({ (step.replace("~1", "/")): inner }))
}

#[rstest]
#[case::a_renamed_field(
    "/components/schemas/DocumentImportBody/properties",
    json!({"folderPath": null, "folder": {"type": "string"}}),
    Some("POST /unstable/documents/import: the body has no folderPath")
)]
#[case::a_removed_call(
    "/paths/~1api~1unstable~1documents~1import",
    Value::Null,
    Some("POST /unstable/documents/import: the call is gone")
)]
#[case::a_new_required_field(
    "/components/schemas/DocumentImportBody/required",
    json!(["baseModelId", "document", "exportVersion", "queryModels", "reviewer"]),
    Some("POST /unstable/documents/import: the body needs reviewer")
)]
#[case::a_new_word_in_an_answer(
    "/components/schemas/ModelsValidateResponse/properties/issues/items/properties/severity/enum",
    json!(["error", "warning", "notice"]),
    None
)]
#[tokio::test(flavor = "multi_thread")]
async fn under_a_changed_contract_only_the_touched_call_stops_and_promotion_goes_on(
    #[case] at: &str,
    #[case] with: Value,
    #[case] touched: Option<&str>,
) {
    let (bench, first) = complete().await;
    let change = patch(at, with);
    bench.simulator.turn(|knobs| knobs.openapi_patch = Some(change));
    let restarted = world(&bench);
    let mut production = 1;
    for world in [&first, &restarted] {
        let findings = instance(world).await.findings;
        let (verdict_told, reason, told) = said(&findings, CONTRACT_KNOWN);
        match touched {
            Some(touched) => {
                assert_eq!(
                    (verdict_told, reason),
                    (Verdict::False, Reason::ContractDrift),
                    "{told}"
                );
                assert!(told.contains(touched), "{told}");
            }
            None => {
                assert_eq!((verdict_told, reason), (Verdict::True, Reason::ContractFits), "{told}");
                assert!(told.contains("severity = notice"), "{told}");
            }
        }
        assert_eq!(said(&findings, READY).0, Verdict::True);
        // What is complete needs no import to be looked at.
        let look = version(world, "clinical-v2").await.report;
        assert_eq!(verdict(&look.findings, READY), Some(Verdict::True), "{look:#?}");
        production = 3 - production;
        promote(&bench, world, production).await;
    }
    cuts_when_the_contract_is_right_again(&bench, &restarted, touched).await;
}

/// A third version: what it needs is kept back as long as the contract touches it, and goes on by itself after that.
async fn cuts_when_the_contract_is_right_again(bench: &Bench, world: &World, touched: Option<&str>) {
    bench.declare(|file, text| match file {
        "clinical-v2.yaml" => {
            let third = text
                .replace("name: clinical-v2", "name: clinical-v3")
                .replace("version: 2", "version: 3")
                .replace("name: clinical v2", "name: clinical v3")
                .replace("\n      name: v2\n", "\n      name: v3\n");
            format!("{text}\n---\n{third}")
        }
        _ => text,
    });
    let imports = || {
        let requests = bench.simulator.requests();
        requests
            .iter()
            .filter(|it| it.path.ends_with("/documents/import"))
            .count()
    };
    let before = imports();
    if let Some(touched) = touched {
        let report = bench.drive(world, "clinical-v3").await;
        let (_, reason, told) = said(&report.findings, STALLED);
        assert_eq!(reason, Reason::ContractDrift, "{told}");
        let (call, what) = touched.split_once(": ").unwrap();
        assert!(
            told.contains(call) && told.contains(what) && told.contains("newer release"),
            "{told}"
        );
        assert_eq!(imports(), before, "kept back before it is sent");
        bench.simulator.turn(|knobs| knobs.openapi_patch = None);
        let pass = instance(world).await;
        assert!(pass.opens, "{pass:#?}");
    }
    let report = bench.drive(world, "clinical-v3").await;
    assert_eq!(verdict(&report.findings, READY), Some(Verdict::True), "{report:#?}");
    assert!(imports() > before);
}

/// What a version may send before the organisation is recognised, and after it turned out to be another: nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_organisation_behind_the_same_address_hears_nothing_but_the_look() {
    let (bench, first) = complete().await;
    let cut = bench.simulator.requests().len();
    bench.simulator.turn(|knobs| knobs.another_organisation = true);
    let restarted = world(&bench);
    let mut production = 1;
    // The first before the restarted one: after that it no longer has the fence.
    for (world, recognised_before) in [(&first, true), (&restarted, false)] {
        let sent = bench.simulator.requests().len();
        if !recognised_before {
            let early = version(world, "clinical-v2").await.report;
            let (_, reason, _) = said(&early.findings, RECONCILING);
            assert_eq!(reason, Reason::InstanceNotReady);
            assert_eq!(bench.simulator.requests().len(), sent, "nothing before the look");
        }
        let pass = instance(world).await;
        let (told, reason, message) = said(&pass.findings, SAME_ORGANIZATION);
        assert_eq!(
            (told, reason),
            (Verdict::False, Reason::AnotherOrganization),
            "{message}"
        );
        let look = bench.simulator.requests().len();
        let late = version(world, "clinical-v2").await;
        let (_, reason, message) = said(&late.report.findings, RECONCILING);
        assert_eq!(reason, Reason::InstanceNotReady);
        assert!(message.contains("confirm-identity"), "{message}");
        assert_eq!(
            verdict(&late.report.findings, READY),
            Some(Verdict::True),
            "its rows still serve"
        );
        assert_eq!(bench.simulator.requests().len(), look, "nothing after it");
        production = 3 - production;
        promote(&bench, world, production).await;
    }
    let since = bench.simulator.requests().split_off(cut);
    assert!(since.iter().all(|it| it.method == "GET"), "{since:#?}");

    bench.simulator.turn(|knobs| knobs.another_organisation = false);
    let pass = instance(&restarted).await;
    assert!(pass.opens, "the versions that were turned away are called again");
    let report = version(&restarted, "clinical-v2").await.report;
    assert_eq!(verdict(&report.findings, READY), Some(Verdict::True), "{report:#?}");
    assert!(
        !report.findings.iter().any(|it| it.condition == RECONCILING),
        "{report:#?}"
    );
}

/// A pass that begins together with the instance's waits for it, and says nothing that would hold for a moment only.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_begins_before_the_look_goes_on_when_it_ends() {
    let (bench, _) = complete().await;
    let restarted = world(&bench);
    let (look, pass) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            instance(&restarted).await
        },
        version(&restarted, "clinical-v2")
    );
    assert!(!look.opens, "nobody was turned away");
    assert_eq!(verdict(&pass.report.findings, READY), Some(Verdict::True));
    assert!(!pass.report.findings.iter().any(|it| it.condition == RECONCILING));
}
