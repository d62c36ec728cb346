//! What has converged is left alone: by passes, by `kubectl`, and by time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::bed::{Bed, FILES, TENANTS};
use crate::cluster::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn nothing_changes_after_convergence() {
    let bed = Bed::new("at-rest").await;
    let controller = bed.controller("controller");
    let manifests = tempfile::tempdir().expect("the temporary folder takes folders");
    for file in FILES {
        // Short, so that passes come by time while we look.
        let text = bed.manifest_with(file, "  interval: 1s\n");
        std::fs::write(manifests.path().join(file), text).expect("a fresh folder takes files");
    }
    let folder = manifests.path().to_str().expect("temporary folders have plain names");
    bed.cluster.kubectl(&["apply", "-f", folder]);
    bed.all_ready("60s");
    for word in ["once", "twice"] {
        bed.ask_for_passes(word);
    }

    bed.witness_ledger();
    let (versions, writes) = (metadata(&bed, "resourceVersion"), bed.row_writes());
    let (state, requests) = (bed.simulator.state(), bed.simulator.requests().len());
    let claims_read = reads_of_claims(&bed);
    eventually("two passes came by time", PATIENCE, || {
        let requests = &bed.simulator.requests()[requests..];
        let lists = |of: &str| requests.iter().filter(|request| request.path.ends_with(of)).count();
        // Two versions have a folder each, and the instance asks who it is; only environments read claims.
        lists("/documents") >= 4 && lists("/whoami") >= 2 && reads_of_claims(&bed) >= claims_read + 4
    });
    assert_eq!(bed.row_writes(), writes, "rows were written");
    assert_eq!(metadata(&bed, "resourceVersion"), versions, "objects were written");
    assert_eq!(bed.simulator.state(), state);
    let since = &bed.simulator.requests()[requests..];
    assert!(since.iter().all(|request| request.method == "GET"), "{since:?}");

    // Exit status 1 is a difference, and fails here.
    bed.cluster.kubectl(&["diff", "-f", folder]);
    let generations = metadata(&bed, "generation");
    for _ in 0..2 {
        bed.cluster.kubectl(&["apply", "--server-side", "-f", folder]);
        assert_eq!(metadata(&bed, "generation"), generations, "applied server-side");
    }
    bed.cluster.kubectl(&["diff", "--server-side", "-f", folder]);
    the_table_answers(&bed);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}

/// A field of the metadata of every object.
fn metadata(bed: &Bed, field: &str) -> BTreeMap<String, Value> {
    let objects = bed.cluster.objects().into_iter();
    objects
        .map(|object| {
            let name = format!("{}/{}", object["kind"], object["metadata"]["name"]);
            (name, object["metadata"][field].clone())
        })
        .collect()
}

/// How often the claims were read, as PostgreSQL counts it, up to a second ago.
fn reads_of_claims(bed: &Bed) -> u64 {
    let count = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
        WHERE schemaname = 'wavepin' AND relname = 'claim'";
    bed.database.psql(count).trim().parse().expect("a number")
}

/// `kubectl get` says which version, how far, who, where, and that nothing keeps it back.
fn the_table_answers(bed: &Bed) {
    let table = bed.cluster.kubectl(&["get", "mv,tpin"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |words: &[&str]| {
        let found = rows.iter().any(|row| row.starts_with(words));
        assert!(found, "no row {words:?} in\n{table}");
    };
    let columns: [&[&str]; 2] = [
        &["NAME", "VERSION"],
        &["NAME", "TENANT", "ENVIRONMENT", "WANTED", "VERSION", "READY"],
    ];
    columns.into_iter().for_each(row);
    for tenant in TENANTS {
        for (environment, version) in [("staging", "2"), ("production", "1")] {
            let name = format!("tenantpin.wavepin.dev/{tenant}-{environment}");
            row(&[&name, tenant, environment, version, version, "True"]);
        }
    }
    for version in ["1", "2"] {
        let name = format!("modelversion.wavepin.dev/clinical-v{version}");
        let found = rows
            .iter()
            .any(|row| row[..2] == [name.as_str(), version] && row.contains(&"5/5") && row.contains(&"True"));
        assert!(found, "version {version} is not told in\n{table}");
    }
}
