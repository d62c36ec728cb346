//! Objects in any order, gone and back again: nothing but time is needed, and nothing that is served is touched.

use std::time::Duration;

use serde_json::Value;

use super::bed::{Bed, FILES, SECOND, TENANTS, audited};
use crate::cluster::{Installation, condition, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_order_converges_without_stalling() {
    let bed = Bed::on(Installation::apart("worst"), "worst").await;
    let controller = bed.controller("controller");
    let (secret, instance) = bed.secret_and_instance();
    let [v1, v2, pins] = ["clinical-v1.yaml", "clinical-v2.yaml", "pins.yaml"].map(|file| bed.manifest(file));
    for manifest in [&pins, &v2, &v1, &instance, &secret] {
        bed.cluster.apply(manifest);
        eventually("all were looked at", PATIENCE, || {
            let is_seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
            bed.cluster.objects().iter().all(is_seen)
        });
    }
    bed.all_ready("40s");
    let served = Served::of(&bed);
    for tenant in TENANTS {
        bed.is_on(&served.state, tenant, "staging", SECOND);
    }

    let gone = |manifest: &str| {
        let delete = ["-n", &bed.cluster.namespace, "delete", "-f", "-"];
        bed.cluster.api_server.kubectl_stdin(&delete, manifest).success();
    };
    let back = |manifest: &str, what: &str| {
        bed.cluster.apply(manifest);
        bed.all_ready("40s");
        served.are_untouched(&bed, what);
    };
    gone(&pins);
    eventually("the claims are given up", PATIENCE, || {
        bed.database.psql("SELECT count(*) FROM wavepin.claim").trim() == "0"
    });
    back(&pins, "the pins");
    gone(&instance);
    eventually("the others notice that the instance is gone", PATIENCE, || {
        let mut objects = bed.cluster.objects().into_iter();
        let waits = |reconciling: &Value| reconciling["reason"] == "InstanceNotReady";
        objects.all(|object| condition(&object, "Reconciling").is_some_and(waits))
    });
    back(&instance, "the instance");
    for (manifest, what) in [(&v1, "the source"), (&v2, "the version"), (&secret, "the Secret")] {
        gone(manifest);
        bed.ask_for_passes(&what.replace(' ', "-"));
        back(manifest, what);
    }
    for time in ["once", "twice"] {
        let namespace = bed.cluster.namespace.as_str();
        let api_server = bed.cluster.api_server;
        api_server
            .kubectl(&["delete", "namespace", namespace, "--timeout=60s"])
            .success();
        api_server.kubectl(&["create", "namespace", namespace]).success();
        // The Role and its binding went with the namespace.
        bed.cluster.helm(&[]);
        for file in FILES {
            bed.cluster.apply(&bed.manifest(file));
        }
        bed.all_ready("60s");
        served.are_untouched(&bed, time);
    }
    never_stalled(&bed);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

/// What tenants are served from.
struct Served {
    state: Value,
    row_writes: Vec<String>,
}

impl Served {
    fn of(bed: &Bed) -> Self {
        Self {
            state: bed.simulator.state(),
            row_writes: bed.row_writes(),
        }
    }

    #[track_caller]
    fn are_untouched(&self, bed: &Bed, what: &str) {
        assert_eq!(bed.row_writes(), self.row_writes, "{what}");
        assert_eq!(bed.simulator.state(), self.state, "{what}");
    }
}

/// No status that was ever written says that a person must do something.
fn never_stalled(bed: &Bed) {
    let statuses: Vec<Value> = audited(&bed.cluster)
        .into_iter()
        .filter(|event| event["objectRef"]["subresource"] == "status" && event["verb"] == "patch")
        .map(|mut event| event["requestObject"].take())
        .collect();
    let waiting = |status: &&Value| condition(status, "Reconciling").is_some();
    assert!(
        statuses.iter().any(|status| waiting(&status)),
        "no body is in the audit log"
    );
    for status in statuses {
        assert!(condition(&status, "Stalled").is_none(), "{status:#}");
    }
}
