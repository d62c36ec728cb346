//! What is late and must not count, or must not come: a list from before a model was made, a permit that shuts tenants
//! out of a folder which was opened since, one that Omni took and never shows.

use std::time::Duration;

use serde_json::json;
use wavepin::resources::conditions::DRIFTED;
use wavepin::simulator::{Fault, FaultKind};

use super::bench::{Bench, ready, stalled, verdict};
use super::breaking::Fuse;

/// Looks at many versions share a list of models. One that was read before a model was made would show it as missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_cut_after_a_look_at_another_is_not_told_to_be_missing() {
    let bench = Bench::new(|_, text| text).await;
    let world = bench.world(&Fuse::never()).await;
    for name in ["clinical-v1", "clinical-v2"] {
        ready(&bench.drive(&world, name).await);
        // So long that nothing excuses a list that lacks it, and by the clock here alone: for the client it is a moment.
        bench.clock_passes(Duration::from_secs(120));
        let look = bench.drive(&world, name).await;
        ready(&look);
        assert_eq!(verdict(&look.findings, DRIFTED), None, "{look:#?}");
    }
}

/// Whoever finds the mark waits until the permit can come no more: so it goes out when its mark says, and nothing that
/// it would have to wait for lies between the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_shuts_a_group_out_goes_out_when_its_mark_says() {
    for slowed in [false, true] {
        let bench = Bench::new(|_, text| text).await;
        let fuse = Fuse::never();
        let world = bench.world(&fuse).await;
        ready(&bench.drive(&world, "clinical-v1").await);
        if slowed {
            let slow_down = FaultKind::Status429 { retry_after: Some(0) };
            let fault = Fault::once("POST", "/permissions$", slow_down);
            bench.simulator.arm(fault.unwrap());
        }
        ready(&bench.drive(&world, "clinical-v2").await);
        let calls = fuse.calls();
        let calls: Vec<&str> = calls.iter().map(|it| it.what.as_str()).collect();
        let imports = calls.iter().position(|it| *it == "import").unwrap();
        let mut permits = 0;
        for (at, call) in calls[..imports].iter().enumerate() {
            if call.ends_with("_grant") || *call == "grant_folder" {
                assert_eq!(calls[at - 2..at], ["reserve", "open_intent"], "{:?}", &calls[..imports]);
                permits += 1;
            }
        }
        assert!(permits > usize::from(slowed), "{:?}", &calls[..imports]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_omni_takes_and_never_shows_is_written_once_and_told() {
    let mending = |file: &str, text: String| match file {
        "clinical-v2.yaml" => format!("{text}    drift: Mend\n"),
        _ => text,
    };
    let bench = Bench::new(mending).await;
    ready(&bench.both().await.1);
    let before = bench.outcome();
    let take_away =
        json!({"action": "set_permit", "path": "clinical/v2", "user_group": "eV7kQ2mX", "role": "NO_ACCESS"});
    bench.simulator.play(&take_away).unwrap();
    let name = "role".to_owned();
    let to = json!("NO_ACCESS");
    bench.simulator.arm(Fault {
        times: 99,
        ..Fault::once("GET", "/permissions$", FaultKind::ChangedField { name, to }).unwrap()
    });
    let sent = bench.simulator.requests().len();
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    for _ in 0..2 {
        bench.clock_passes(Duration::from_secs(601));
        let world = bench.world(&Fuse::never()).await;
        let text = stalled(&bench.drive(&world, "clinical-v2").await);
        assert!(text.starts_with("OmniRefused") && text.contains("eV7kQ2mX"), "{text}");
    }
    let since = bench.simulator.requests().split_off(sent);
    assert_eq!(since.iter().filter(|it| it.method != "GET").count(), 1, "{since:#?}");
    // Once it shows, all is well; and what is taken away then is granted again.
    bench.simulator.disarm();
    for _ in 0..2 {
        let world = bench.world(&Fuse::never()).await;
        ready(&bench.drive(&world, "clinical-v2").await);
        assert_eq!(bench.outcome(), before);
        bench.simulator.play(&take_away).unwrap();
    }
}
