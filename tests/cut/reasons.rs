//! Reasons that no other test of the cut meets.

use std::time::Duration;

use serde_json::json;
use wavepin::model_version::reconcile;
use wavepin::resources::conditions::{CONTENT_READY, Finding, IN_USE, MAPPED, MODEL_READY, RECONCILING, VALIDATED};
use wavepin::resources::reasons::Reason;
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, Quiet, Until, as_it_is, ready, stalled, two_dashboards};
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
        (VALIDATED, Reason::EvidenceHolds),
        (MAPPED, Reason::RowsWritten),
        (IN_USE, Reason::Unused),
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
    let text = stalled(&bench.again("clinical-v1").await);
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
    let second = bench.again("clinical-v2").await;
    let text = stalled(&second);
    assert!(text.starts_with(Reason::CopyDiffers.as_str()), "{text}");
    assert!(!second.sealed);
    assert_eq!(
        of(&bench.simulator.state()),
        of(&edited),
        "what someone wrote is theirs"
    );
}

/// How often version 2 says that it waits for a reason, in passes a second apart while Omni may be so.
async fn passes_that_wait(bench: &Bench, passes: usize, why: Reason) -> usize {
    let world = bench.world(&Fuse::never()).await;
    let mut waiting = 0;
    for _ in 0..passes {
        let pass = reconcile(&world, "default", "clinical-v2", &Quiet).await.unwrap();
        waiting += usize::from(reason(&pass.report.findings, RECONCILING) == Some(why));
        bench.clock_passes(Duration::from_secs(1));
    }
    waiting
}

/// A client gives up after some 429s in a row; the version's own passes come back, and nothing of the work is lost.
pub(crate) async fn a_429_is_told_and_loses_no_work() {
    let undisturbed = Bench::new(two_dashboards).await;
    undisturbed.both().await;
    let bench = Bench::new(two_dashboards).await;
    ready(&bench.again("clinical-v1").await);
    for after in [0, 20, 40] {
        let retry_after = Some(0);
        let throttled = Fault::once("GET", "", FaultKind::Status429 { retry_after }).unwrap();
        // More often than one call asks again.
        let fault = Fault {
            method: None,
            times: 12,
            after,
            ..throttled
        };
        bench.simulator.arm(fault);
        let told = passes_that_wait(&bench, 2, Reason::RateLimited).await;
        assert!(told > 0, "after {after} calls");
    }
    ready(&bench.again("clinical-v2").await);
    assert_eq!(bench.outcome(), undisturbed.outcome());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_waits_for_the_one_that_it_is_cut_from() {
    let bench = Bench::new(as_it_is).await;
    assert_eq!(passes_that_wait(&bench, 2, Reason::SourceNotReady).await, 2);
    let requests = bench.simulator.requests();
    assert!(requests.iter().all(|it| it.method == "GET"), "{requests:?}");
    let (first, second) = bench.both().await;
    ready(&first);
    ready(&second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_awaited_as_long_as_lists_may_lag() {
    let bench = Bench::new(two_dashboards).await;
    ready(&bench.again("clinical-v1").await);
    bench.clock_passes(Duration::from_secs(600));
    bench.simulator.turn(|knobs| knobs.list_lag_millis = 55_000);
    let lost = Fault::once("POST", "^/api/v1/models$", FaultKind::LostAnswer).unwrap();
    bench.simulator.arm(lost);
    assert!(passes_that_wait(&bench, 5, Reason::AnswerAwaited).await >= 3);
    ready(&bench.again("clinical-v2").await);
}
