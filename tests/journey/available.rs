//! Two replicas with the chart's own flags: the leader is killed, replaced, and cut off.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::bed::{Bed, FILES, each_ends_undisturbed};
use crate::cluster::eventually;
use crate::parts::{Line, Member, Proxy};

const PATIENCE: Duration = Duration::from_secs(60);

fn start(bed: &Bed, name: &str, word: &str) -> Member {
    let replica = bed.controller(name);
    eventually(&format!("{name} says {word}"), PATIENCE, || {
        let said = bed.cluster.readiness(name);
        said.is_some_and(|(status, text)| status == 200 && text.contains(word))
    });
    replica
}

/// Once so many requests that write have reached Omni, the leader is killed.
const KILLS: [usize; 3] = [2, 9, 21];

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_in_its_cut_and_the_other_goes_on_within_20_seconds() {
    each_ends_undisturbed("killed-leader", &KILLS, |bed, writes| {
        let leader = start(bed, "leader", "ok: leading");
        let other = start(bed, "other", "ok: standby");
        eventually("the leader is in its cut", PATIENCE, || {
            let requests = bed.simulator.requests();
            requests.iter().filter(|request| request.method != "GET").count() >= *writes
        });
        // SIGKILL: it hands nothing over.
        drop(leader);
        bed.is_in_the_cut();
        let requests = bed.simulator.requests().len();
        eventually("the other looks at Omni", Duration::from_secs(20), || {
            bed.simulator.requests().len() > requests
        });
        bed.all_ready("90s");
        bed.cluster.end("other", other);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_leaves_no_moment_without_a_replica_that_can_lead() {
    let bed = Bed::new("rolling").await;
    let old = start(&bed, "old", "ok: leading");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    let new = start(&bed, "new", "ok: standby");
    // What changes while nobody leads is taken up by whoever leads next.
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| bed.cluster.end("old", old));
        let promotion = r#"{"spec": {"version": 2}}"#;
        bed.cluster
            .kubectl(&["patch", "tpin", "globex-production", "--type=merge", "-p", promotion]);
        let wait = [
            "wait",
            "--for=jsonpath={.status.version}=2",
            "tpin/globex-production",
            "--timeout=30s",
        ];
        bed.cluster.kubectl(&wait);
    });
    println!(
        "the pin moved {:.1} s after the old replica was told to end",
        began.elapsed().as_secs_f64()
    );
    let lease: Value = serde_json::from_str(&lease(&bed)).unwrap();
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "handed over once: {lease}");
    bed.cluster.end("new", new);
    bed.simulator.shutdown().await;
}

fn lease(bed: &Bed) -> String {
    let get = ["-n", &bed.cluster.home, "get", "lease", "wavepin", "--output=json"];
    bed.cluster.api_server.kubectl(&get).success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_loses_the_api_server_stops_before_its_lease_ends() {
    let bed = Bed::new("cut-off").await;
    let proxy = Proxy::to(bed.cluster.api_server.port()).await;
    for line in [Line::Cut, Line::Silent] {
        let name = format!("{line:?}");
        let mut leader = bed.cluster.start(&name, &mut bed.cluster.controller_by(proxy.port()));
        eventually("it leads", PATIENCE, || {
            let said = bed.cluster.readiness(&name);
            said.is_some_and(|(_, text)| text.contains("ok: leading"))
        });
        proxy.turn(line);
        eventually("it ended", PATIENCE, || leader.ended().is_some());
        let ended = Timestamp::now();
        let lease: Value = serde_json::from_str(&lease(&bed)).unwrap();
        let renewed: Timestamp = lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap();
        let lasts = lease["spec"]["leaseDurationSeconds"].as_i64().unwrap();
        let left = lasts - ended.duration_since(renewed).as_secs();
        assert!(left > 0, "{line:?}: its Lease had ended {} s before", -left);
        proxy.turn(Line::Carries);
    }
    bed.simulator.shutdown().await;
}
