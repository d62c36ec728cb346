//! What the operator is trusted with is told to nobody.

use super::bed::{Bed, FILES, KEY, audited};

const REVOKED: &str = "omni_osk_revoked-but-still-nobodys-business";

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_appears_nowhere() {
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
