//! A cut that is broken off anywhere ends, started again, as if nothing had happened: one model, one folder, every
//! dashboard once.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use wavepin::model_version::reconcile;
use wavepin::resources::conditions::{READY, Verdict};
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, Quiet, ready, verdict};
use super::breaking::Fuse;

/// Two dashboards are enough to meet every kind of call: one has fields of its workbook, one a tab of its own.
fn two_dashboards(file: &str, text: String) -> String {
    match file {
        "clinical-v2.yaml" => {
            format!("{text}    dashboards: {{exclude: [ward-capacity, medication-review, billing-overview]}}\n")
        }
        _ => text,
    }
}

/// What an undisturbed run ends with, and how many calls it makes.
async fn undisturbed() -> (Value, u64) {
    let bench = Bench::new(two_dashboards).await;
    let fuse = Fuse::never();
    let world = bench.world(&fuse).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.drive(&world, name).await);
    }
    (bench.outcome(), fuse.made())
}

/// Runs until the fuse blows, then starts again with everything that is durable and nothing else.
async fn broken_off(after: u64, deaf: bool) -> Value {
    let bench = Bench::new(two_dashboards).await;
    let fuse = Fuse::after(i64::try_from(after).unwrap(), deaf);
    let world = bench.world(&fuse).await;
    'run: for name in ["clinical-v1", "clinical-v2"] {
        loop {
            let pass = reconcile(&world, "default", name, &Quiet)
                .await
                .expect("it is declared");
            if fuse.blown() {
                break 'run;
            }
            if verdict(&pass.report.findings, READY) == Some(Verdict::True) {
                break;
            }
        }
    }
    assert!(fuse.blown(), "the run must break off after {after} calls");
    drop(world);
    let world = bench.world(&Fuse::never()).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.drive(&world, name).await);
    }
    bench.outcome()
}

async fn every_boundary(deaf: bool) {
    let (expected, calls) = undisturbed().await;
    let expected = Arc::new(expected);
    let runs = (1..calls).map(|after| {
        let expected = Arc::clone(&expected);
        tokio::spawn(async move {
            let outcome = broken_off(after, deaf).await;
            assert_eq!(outcome, *expected, "broken off after {after} of {calls} calls");
        })
    });
    let mut runs = futures::stream::iter(runs).buffer_unordered(4);
    while let Some(run) = runs.next().await {
        run.unwrap();
    }
}

/// The process ends after the n-th answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_broken_off_after_any_call_ends_the_same() {
    every_boundary(false).await;
}

/// The process ends after the n-th call took effect, before its answer is heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_broken_off_before_any_answer_ends_the_same() {
    every_boundary(true).await;
}

/// The connection breaks after Omni did what it was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_creating_call_makes_nothing_twice() {
    let (expected, _) = undisturbed().await;
    let calls = [
        ("^/api/v1/models$", 0),
        ("^/api/v1/models$", 1),
        ("^/api/v1/folders$", 0),
        ("/documents/import$", 0),
        ("/documents/import$", 1),
        ("/merge$", 0),
        ("/yaml$", 3),
        ("/permissions$", 0),
        ("/model-roles$", 0),
    ];
    for kind in [FaultKind::LostAnswer, FaultKind::Status500After, FaultKind::Truncated] {
        for (path, after) in calls {
            let bench = Bench::new(two_dashboards).await;
            let world = bench.world(&Fuse::never()).await;
            ready(&bench.drive(&world, "clinical-v1").await);
            let mut fault = Fault::once("POST", path, kind.clone()).unwrap();
            fault.after = after;
            bench.simulator.arm(fault);
            ready(&bench.drive(&world, "clinical-v2").await);
            let befallen = bench
                .simulator
                .requests()
                .iter()
                .filter(|it| it.fault.is_some())
                .count();
            assert_eq!(befallen, 1, "{kind:?} on POST {path}");
            assert_eq!(bench.outcome(), expected, "{kind:?} on POST {path}");
        }
    }
}

/// A refused or failed call that had no effect is simply sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_had_no_effect_is_sent_again_without_waiting() {
    let (expected, _) = undisturbed().await;
    for path in ["^/api/v1/models$", "^/api/v1/folders$", "/documents/import$"] {
        let bench = Bench::new(two_dashboards).await;
        let world = bench.world(&Fuse::never()).await;
        ready(&bench.drive(&world, "clinical-v1").await);
        bench
            .simulator
            .arm(Fault::once("POST", path, FaultKind::Status429 { retry_after: Some(0) }).unwrap());
        let started = std::time::Instant::now();
        ready(&bench.drive(&world, "clinical-v2").await);
        assert!(started.elapsed() < Duration::from_secs(20));
        assert_eq!(bench.outcome(), expected, "429 on POST {path}");
    }
}
