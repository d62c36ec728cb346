//! What is wrong is told to the person who can mend it, harms nothing, and is taken up once it is mended.

use std::time::Duration;

use serde_json::Value;

use super::bed::{Bed, FILES, KEY, TENANTS};
use crate::cluster::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_on_a_cluster() {
    let bed = Bed::new("bad-input").await;
    let controller = bed.controller("controller");
    let (secret, instance) = bed.secret_and_instance();
    bed.cluster.apply(&instance);
    secrets_that_lack_something(&bed);
    a_database_elsewhere(&bed);
    tables_that_do_not_do(&bed);
    a_key_that_is_missing_and_one_that_is_refused(&bed);
    assert_eq!(
        bed.row_writes(),
        Vec::<String>::new(),
        "rows were written for what is wrong"
    );
    assert!(bed.simulator.requests().iter().all(|request| request.method == "GET"));

    bed.cluster.apply(&secret);
    bed.is_mended();
    for file in &FILES[1..] {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("40s");
    a_second_pin_for_one_row(&bed);
    a_row_that_another_hand_changed(&bed);
    a_row_at_a_version_that_nobody_declared(&bed);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

/// The message holds all of this.
#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "no {word:?} in: {message}");
    }
}

fn secrets_that_lack_something(bed: &Bed) {
    let namespace = &bed.cluster.namespace;
    let told = bed.told("omni/clinical", "Reconciling", "SecretMissing");
    says(
        &told,
        &[
            &format!("Secret {namespace}/omni is not there"),
            "spec.mapping.urlSecretRef",
        ],
    );
    bed.apply_secret(&[("apiKey", KEY)]);
    let told = bed.told_of("omni/clinical", "Reconciling", "SecretMissing", "has no text");
    says(&told, &["under the key \"databaseUrl\"", "it has \"apiKey\""]);
}

fn a_database_elsewhere(bed: &Bed) {
    let mut elsewhere = url::Url::parse(&bed.database.url).expect("a URL");
    // Nobody listens there: it needs a superuser.
    elsewhere.set_port(Some(1)).expect("it has a host");
    bed.apply_secret(&[("databaseUrl", elsewhere.as_str()), ("apiKey", KEY)]);
    bed.told("omni/clinical", "Reconciling", "MappingUnreachable");
}

fn tables_that_do_not_do(bed: &Bed) {
    bed.database.psql(
        "ALTER TABLE dashboard_model RENAME dashboard_slug TO slug;
         ALTER TABLE tenant_version ALTER model_version_id TYPE text;",
    );
    bed.apply_secret(&[("databaseUrl", &bed.database.url)]);
    bed.look_again("other-tables");
    let told = bed.told("omni/clinical", "Stalled", "MappingSchema");
    says(
        &told,
        &[
            "dashboard_model has no column dashboard_slug",
            "tenant_version.model_version_id is text",
        ],
    );
    bed.database.psql(
        "ALTER TABLE dashboard_model RENAME slug TO dashboard_slug;
         ALTER TABLE tenant_version ALTER model_version_id TYPE int USING model_version_id::int;",
    );
    bed.look_again("the-tables");
}

fn a_key_that_is_missing_and_one_that_is_refused(bed: &Bed) {
    let told = bed.told("omni/clinical", "Reconciling", "SecretMissing");
    says(
        &told,
        &[
            "has no text under the key \"apiKey\"",
            "spec.apiKeySecretRef",
            "it has \"databaseUrl\"",
        ],
    );
    bed.apply_secret(&[("databaseUrl", &bed.database.url), ("apiKey", "omni_osk_revoked")]);
    let told = bed.told("omni/clinical", "Stalled", "KeyRefused");
    says(&told, &["key"]);
    assert!(!told.contains("omni_osk_revoked"), "{told}");
    eventually("a person is warned", Duration::from_secs(10), || {
        let events = bed.cluster.kubectl(&["get", "events.events.k8s.io", "--output=json"]);
        let events: Value = serde_json::from_str(&events).expect("kubectl prints JSON");
        let mut events = events["items"].as_array().expect("a list").iter();
        events.any(|event| event["reason"] == "KeyRefused" && event["type"] == "Warning")
    });
}

fn a_second_pin_for_one_row(bed: &Bed) {
    bed.cluster.apply(&pin("usurper", "acme-corp", 2));
    let told = bed.told("tpin/usurper", "Stalled", "Conflict");
    let holder = format!("pin {}/acme-corp-production claimed", bed.cluster.namespace);
    says(&told, &[&holder, "delete one of the two"]);
    assert_eq!(row(bed, "acme-corp"), "1");
}

fn a_row_that_another_hand_changed(bed: &Bed) {
    let by_hand = "UPDATE tenant_version SET model_version_id = 2
        WHERE tenant_id = 'globex' AND tenant_environment = 'production'";
    bed.database.psql(by_hand);
    bed.look_again("by-hand");
    let told = bed.told("tpin/globex-production", "Waiting", "ChangedOutside");
    says(
        &told,
        &[
            "is on version 2",
            "which by the ledger is on version 1",
            "wavepin.dev/restore-row: \"2->1\"",
        ],
    );
    assert_eq!(row(bed, "globex"), "2");
    let restore = ["annotate", "tpin/globex-production", "wavepin.dev/restore-row=2->1"];
    bed.cluster.kubectl(&restore);
    let wait = [
        "wait",
        "--for=condition=Pinned",
        "tpin/globex-production",
        "--timeout=20s",
    ];
    bed.cluster.kubectl(&wait);
    assert_eq!(row(bed, "globex"), "1");
}

fn a_row_at_a_version_that_nobody_declared(bed: &Bed) {
    assert!(!TENANTS.contains(&"umbrella"));
    bed.database
        .psql("INSERT INTO tenant_version VALUES ('umbrella', 'production', 7)");
    bed.cluster.apply(&pin("umbrella", "umbrella", 2));
    let told = bed.told("tpin/umbrella", "Waiting", "UnknownCurrentVersion");
    says(
        &told,
        &[
            "is on version 7",
            "Declare a ModelVersion with version 7 and source.adopt",
        ],
    );
    assert_eq!(row(bed, "umbrella"), "7");
}

/// The version of a tenant in production.
fn row(bed: &Bed, tenant: &str) -> String {
    let row = format!(
        "SELECT model_version_id FROM tenant_version
         WHERE tenant_id = '{tenant}' AND tenant_environment = 'production'"
    );
    bed.database.psql(&row).trim().to_owned()
}

fn pin(name: &str, tenant: &str, version: u32) -> String {
    format!(
        "{{apiVersion: wavepin.dev/v1alpha1, kind: TenantPin, metadata: {{name: {name}}}, spec: {{instanceRef: \
         {{name: clinical}}, tenant: {tenant}, environment: production, version: {version}}}}}"
    )
}
