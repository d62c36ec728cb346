//! A wave whose check asks the queries of its tenants: two controllers' work, the environment's and the version's, with the
//! ledger between them.

use std::time::Duration;

use serde_json::json;

use super::bed::{Bed, FILES, TENANTS};
use crate::cluster::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

fn follower(tenant: &str) -> String {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
        "metadata": {"name": format!("{tenant}-live"), "labels": {"tenant": tenant}},
        "spec": {"instanceRef": {"name": "clinical"}, "tenant": tenant, "environment": "live"},
    })
    .to_string()
}

fn rollout() -> String {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "live"},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "live", "version": 2, "waves": [
            {"name": "canary", "selector": {"matchLabels": {"tenant": "globex"}}},
            {"name": "rest"},
        ], "checks": [{"name": "queries", "interval": "1s", "failureLimit": 100, "validation": {"max": 1}}]},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_waits_for_its_tenants_queries_and_goes_on_by_itself_when_they_can_be_planned_again() {
    let bed = Bed::new("sought").await;
    let controller = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    for tenant in TENANTS {
        bed.cluster.apply(&follower(tenant));
    }
    // The one attribute that leads a tenant to its environment is gone, as evidence never sees.
    let without = json!({"action": "remove_attribute", "external_id": "globex", "attribute": "environment"});
    bed.simulator.play(&without).unwrap();
    bed.cluster.apply(&rollout());
    let told = bed.told_of("vro/live", "Waiting", "CheckFailed", "as tenant globex");
    assert!(told.contains("dynamic environments"), "{told}");
    let on = || {
        let sql = "SELECT tenant_id || ' ' || model_version_id FROM tenant_version \
                   WHERE tenant_environment = 'live' ORDER BY 1";
        bed.database.psql(sql)
    };
    assert_eq!(on().trim(), "globex 2", "the others wait for it");
    let with = json!({"action": "set_user", "external_id": "globex", "attributes": {"environment": "production"}});
    bed.simulator.play(&with).unwrap();
    eventually("all have moved", PATIENCE, || on().lines().count() == 3);
    bed.told("vro/live", "Complete", "RolledOut");
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
