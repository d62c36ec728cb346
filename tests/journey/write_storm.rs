//! Kargo 1.12: times in a status that moved at every look were writes without end.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Bed, FILES, audited};
use crate::cluster::eventually;
use crate::parts::Site;

const PATIENCE: Duration = Duration::from_secs(60);

/// How many passes over each of the environments are looked at.
const PASSES: u64 = 8;

/// Where answers of checks are kept.
const CHECKS: &str = "wavepin.rollout_check";

fn pins(environment: &str) -> Value {
    let pin = |number: usize| {
        let name = format!("{environment}-{number}");
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin", "metadata": {"name": name},
            "spec": {"instanceRef": {"name": "clinical"}, "tenant": name, "environment": environment},
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": (0..4).map(pin).collect::<Vec<_>>()})
}

fn rollout(environment: &str, wave: &Value, checks: &Value) -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": environment},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": environment, "version": 1, "waves": [wave],
            "checks": checks},
    })
}

/// Who wrote what to the API server, Leases aside: a leader says that it lives.
fn writes(bed: &Bed) -> Vec<String> {
    let reads = ["get", "list", "watch"];
    let events = audited(&bed.cluster).into_iter();
    let writes = events.filter(|event| {
        let by = event["user"]["username"].as_str().unwrap_or_default();
        by.starts_with("system:serviceaccount:")
            && !reads.contains(&event["verb"].as_str().unwrap_or_default())
            && event["objectRef"]["resource"] != "leases"
    });
    writes
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect()
}

/// How often the claims were read, as PostgreSQL counts it: once a pass over an environment.
fn passes(bed: &Bed) -> u64 {
    let count = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
        WHERE schemaname = 'wavepin' AND relname = 'claim'";
    bed.database.psql(count).trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn kargo_1_12_a_rollout_at_rest_and_one_in_the_middle_of_a_soak_write_nothing() {
    let bed = Bed::new("write-storm").await;
    let site = Site::saying(json!({"passed": true})).await;
    let controller = bed.controller("controller");
    for file in FILES.iter().filter(|file| **file != "pins.yaml") {
        // Short, so that passes come by time while we look.
        bed.cluster.apply(&bed.manifest_with(file, "  interval: 1s\n"));
    }
    let (none, smoke) = (
        json!([]),
        json!([{"name": "smoke", "interval": "1s", "webhook": {"url": site.url}}]),
    );
    let (at_once, long) = (json!({"name": "all"}), json!({"name": "all", "soak": "24h"}));
    for (environment, wave, checks) in [
        ("at-rest", &at_once, &none),
        ("soaking", &long, &none),
        ("checked", &long, &smoke),
    ] {
        bed.cluster.apply(&pins(environment).to_string());
        bed.cluster.apply(&rollout(environment, wave, checks).to_string());
    }
    bed.all_ready("60s");
    bed.told("vro/at-rest", "Complete", "RolledOut");
    bed.told("vro/soaking", "Waiting", "Soaking");
    bed.told("vro/checked", "Waiting", "Soaking");
    eventually("its check was asked often", PATIENCE, || site.asked().len() > 2);

    bed.witness_ledger();
    let (rows, begun, asked) = (bed.row_writes().len(), passes(&bed), site.asked().len());
    let told = writes(&bed);
    assert!(!told.is_empty(), "what was written until now is seen");
    eventually("passes came by time", PATIENCE, || {
        passes(&bed) >= begun + 3 * PASSES && site.asked().len() > asked + 3
    });
    assert_eq!(writes(&bed)[told.len()..], [] as [String; 0], "to the API server");
    let written = bed.row_writes();
    let tables: BTreeSet<&str> = written[rows..]
        .iter()
        .filter_map(|write| write.split('|').next())
        .collect();
    assert_eq!(
        tables,
        BTreeSet::from([CHECKS]),
        "that a check was asked is on record, and nothing else"
    );
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
