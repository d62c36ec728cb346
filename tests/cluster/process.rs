//! The binary, with no more rights than it needs, from objects applied in the worst order to its end by a signal.

use std::time::Duration;

use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::installation::{Installation, condition, eventually, example};
use crate::parts::Postgres;

const KEY: &str = "omni_osk_that-nobody-may-see";

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_order_converges_without_a_stall_and_the_next_process_writes_nothing() {
    let cluster = Installation::new("process");
    let database = Postgres::shared().database("process");
    cluster.keeps(KEY);
    cluster.keeps(&database.url);
    let options = SimulatorOptions {
        api_key: KEY.to_owned(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.expect("the loopback has a free port");
    let start = |name: &str| {
        let mut controller = cluster.controller();
        controller
            .args(["--lease", "10s"])
            .env("WAVEPIN_DATABASE_URL", &database.url);
        cluster.start(name, &mut controller)
    };
    let first = start("first");

    let documents = |file: &str| example(file, simulator.base_url(), KEY);
    let (secret, instance) = {
        let both = documents("instance.yaml");
        let (secret, instance) = both.split_once("\n---\n").expect("two documents");
        (secret.to_owned(), instance.to_owned())
    };
    let mut stalled = Vec::new();
    let mut look = |cluster: &Installation| {
        let objects = cluster.objects();
        stalled.extend(
            objects
                .iter()
                .filter_map(|object| condition(object, "Stalled"))
                .map(Value::to_string),
        );
        objects
    };
    let pins = documents("pins.yaml");
    let order = [
        pins,
        documents("clinical-v2.yaml"),
        documents("clinical-v1.yaml"),
        instance,
        secret,
    ];
    for manifest in order {
        cluster.apply(&manifest);
        eventually("all were looked at", Duration::from_secs(20), || {
            let is_seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
            look(&cluster).iter().all(is_seen)
        });
    }
    // No long pause is waited for: what becomes complete is passed on at once.
    eventually("all are ready", Duration::from_secs(25), || {
        look(&cluster)
            .iter()
            .all(|object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "True"))
    });
    assert!(stalled.is_empty(), "{stalled:?}");
    let rows = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2";
    let rows = database.psql(rows);
    assert_eq!(
        rows.lines().filter(|row| row.ends_with("staging|2")).count(),
        3,
        "{rows}"
    );
    assert_eq!(
        rows.lines().filter(|row| row.ends_with("production|1")).count(),
        3,
        "{rows}"
    );
    let versions = |holds: &dyn Fn(&Value) -> bool| {
        let objects = cluster.objects().into_iter();
        let mut versions = objects.filter(|object| object["kind"] == "ModelVersion");
        versions.all(|object| holds(&object))
    };
    // Rows came after the versions were last looked at, and bring a look of their own.
    eventually("both versions are in use", Duration::from_secs(30), || {
        versions(&|object| condition(object, "InUse").is_some_and(|used| used["status"] == "True"))
    });
    cluster.kubectl(&["annotate", "mv", "--all", "wavepin.dev/reconcile-requested-at=now"]);
    eventually(
        "both have acknowledged the pass asked for",
        Duration::from_secs(30),
        || versions(&|object| object["status"]["lastHandledReconcileAt"] == "now"),
    );
    cluster.end("first", first);

    let events = cluster.kubectl(&["get", "events.events.k8s.io", "--output=json"]);
    assert!(events.contains("MakeVersion"), "{events}");
    let lease = cluster.kubectl(&["get", "lease", "wavepin", "--output=jsonpath={.spec.holderIdentity}"]);
    assert_eq!(lease, "", "handed over");

    let (before, requests) = (cluster.objects(), simulator.requests().len());
    let second = start("second");
    eventually("the second looked at both folders", Duration::from_secs(60), || {
        let requests = &simulator.requests()[requests..];
        let lists = |request: &&wavepin::simulator::LoggedRequest| request.path.ends_with("/documents");
        requests.iter().filter(lists).count() >= 2
    });
    cluster.end("second", second);
    for (was, is) in before.iter().zip(cluster.objects()) {
        assert_eq!(was, &is, "a second look changed it");
    }
    let writes = &simulator.requests()[requests..];
    assert!(writes.iter().all(|request| request.method == "GET"), "{writes:?}");

    simulator.shutdown().await;
}
