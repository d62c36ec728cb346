//! What the operator is trusted with is told to nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bed::{Bed, FILES, KEY, audited};

const REVOKED: &str = "omni_osk_revoked-but-still-nobodys-business";

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_appears_nowhere() {
    let bed = Bed::new("secrets").await;
    let password = url::Url::parse(&bed.database.url).expect("a URL");
    let password = password.password().unwrap_or_default().to_owned();
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
    let get = |what: &str| {
        bed.cluster
            .kubectl(&["get", what, "--output=yaml", "--show-managed-fields"])
    };
    let events = get("events.events.k8s.io");
    assert!(events.contains("KeyRefused"), "{events}");
    let bodies: Vec<String> = audited(&bed.cluster).iter().map(ToString::to_string).collect();
    assert!(
        bodies.iter().any(|body| body.contains("KeyRefused")),
        "no body is in the audit log"
    );
    let [text, json] = logs;
    let told = [
        text,
        json,
        events,
        get("omni,mv,tpin"),
        get("leases"),
        bodies.join("\n"),
    ];
    let encoded = [KEY, REVOKED, &bed.database.url, &unreadable].map(|value| STANDARD.encode(value));
    let plain = [KEY, REVOKED, &password].map(str::to_owned);
    let secrets = plain.iter().chain(&encoded).filter(|secret| !secret.is_empty());
    for secret in secrets {
        for told in &told {
            let line = told.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None);
        }
    }
    bed.simulator.shutdown().await;
}
