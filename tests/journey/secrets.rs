//! What the operator is trusted with is told to nobody.

use regex::Regex;

use super::bed::{Bed, FILES, KEY, audited};

const REVOKED: &str = "omni_osk_revoked-but-still-nobodys-business";

pub(crate) async fn the_secret_appears_nowhere() {
    let bed = Bed::new("secrets").await;
    let (secret, instance) = bed.secret_and_instance();
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
    bed.cluster.apply(&secret);
    bed.is_mended();
    for file in &FILES[1..] {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
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
