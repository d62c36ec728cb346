//! What the operator is trusted with is told to nobody.

use regex::Regex;
use serde_json::json;

use super::bed::{Bed, FILES, KEY, audited};

/// The address of an incoming webhook, at which nobody is.
const SLACK: &str = "http://127.0.0.1:1/services/T0/B0/nobodys-business-either";

const REVOKED: &str = "omni_osk_revoked-but-still-nobodys-business";

pub(crate) async fn the_secret_appears_nowhere() {
    let bed = Bed::new("secrets").await;
    let (_, instance) = bed.secret_and_instance();
    let start = |name: &str, format: &str| {
        let mut controller = bed.cluster.controller();
        controller.args(["--log", "trace", "--log-format", format]);
        bed.cluster.start(name, &mut controller)
    };

    let text = start("text", "text");
    bed.cluster.apply(&instance);
    // No parser's complaint may quote it.
    let unreadable = bed.database.url.replacen("@", "@no host:no port/", 1);
    bed.cluster.keeps(REVOKED);
    bed.cluster.keeps(&unreadable);
    bed.apply_secret(&[("databaseUrl", &unreadable), ("apiKey", KEY)]);
    bed.told("omni/clinical", "Stalled", "Invalid");
    bed.apply_secret(&[("databaseUrl", &bed.database.url), ("apiKey", REVOKED)]);
    bed.look_again("revoked");
    bed.told("omni/clinical", "Stalled", "KeyRefused");
    bed.cluster.keeps("nobodys-business-either");
    bed.apply_secret(&[("databaseUrl", &bed.database.url), ("apiKey", KEY), ("slackUrl", SLACK)]);
    bed.is_mended();
    for file in &FILES[1..] {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    bed.cluster.apply(&told_to_slack());
    bed.told_of(
        "vro/told",
        "NotificationsFailing",
        "ReceiverFailing",
        "error sending request",
    );
    measures_tell_no_name(&bed).await;
    bed.cluster.end("text", text);

    let json = start("json", "json");
    bed.ask_for_passes("json");
    bed.apply_secret(&[("databaseUrl", &unreadable), ("apiKey", REVOKED)]);
    bed.cluster.end("json", json);

    let logs = ["text", "json"].map(|name| bed.cluster.log(name));
    assert!(logs[0].contains("TRACE") && logs[1].contains("\"level\":\"TRACE\""));
    let events = bed.cluster.kubectl(&["get", "events.events.k8s.io", "--output=yaml"]);
    assert!(events.contains("KeyRefused"), "{events}");
    let bodies: Vec<String> = audited(&bed.cluster).iter().map(ToString::to_string).collect();
    assert!(
        bodies.iter().any(|body| body.contains("KeyRefused")),
        "no body is in the audit log"
    );
    // Everything that was told is searched when the installation ends.
    bed.simulator.shutdown().await;
}

/// A rollout of nobody, of which Slack is told.
fn told_to_slack() -> String {
    let chat = json!({"name": "chat", "slack": {"secretRef": {"name": "omni", "key": "slackUrl"}}});
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "told"},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "told", "version": 1, "waves": [{"name": "all"}],
            "notify": [chat]},
    })
    .to_string()
}

/// What Prometheus is told names no object and holds no secret.
async fn measures_tell_no_name(bed: &Bed) {
    let log = bed.cluster.log("text");
    let probes = Regex::new(r"http://(127\.0\.0\.1:\d+)/readyz").expect("a pattern");
    let probes = probes.captures(&log).expect("the log says where the probes are");
    let metrics = reqwest::get(format!("http://{}/metrics", &probes[1])).await;
    let metrics = metrics.expect("it answers").text().await.expect("it is text");
    assert!(metrics.contains("wavepin_omni_requests_total"), "{metrics}");
    let password = url::Url::parse(&bed.database.url).expect("a URL");
    let password = password.password().unwrap_or("no password").to_owned();
    for word in [KEY, REVOKED, &bed.database.url, &password, "clinical", "acme-corp"] {
        assert!(!metrics.contains(word), "{word:?} in\n{metrics}");
    }
}
