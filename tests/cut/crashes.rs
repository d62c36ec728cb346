//! A process that lives on when a call of its cut is lost or refused: one model, one folder, every dashboard once. What
//! becomes of a process that ends stands in the matrix.

use std::time::Duration;

use serde_json::Value;
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, ready, two_dashboards};
use super::breaking::Fuse;

/// What an undisturbed run ends with.
async fn undisturbed() -> Value {
    let bench = Bench::new(two_dashboards).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.again(name).await);
    }
    bench.outcome()
}

/// The connection breaks after Omni did what it was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_creating_call_makes_nothing_twice() {
    let expected = undisturbed().await;
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
    let expected = undisturbed().await;
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
