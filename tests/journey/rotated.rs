//! A Secret that changes while the operator works: nothing tells a controller so but its next look.

use std::time::Duration;

use super::bed::{Bed, FILES, KEY, documents};
use crate::cluster::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_database_url_stops_no_version_until_the_next_interval() {
    let bed = Bed::new("rotated").await;
    let controller = bed.controller("controller");
    for file in &FILES[..2] {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("40s");

    let mut rotated = url::Url::parse(&bed.database.url).expect("a URL");
    rotated.query_pairs_mut().append_pair("application_name", "rotated");
    bed.apply_secret(&[("databaseUrl", rotated.as_str()), ("apiKey", KEY)]);
    // The instance was just looked at, and is asked for nothing.
    let mut requests = 0;
    eventually("a version's pass uses the new URL", Duration::from_secs(90), || {
        requests += 1;
        let request = format!("wavepin.dev/reconcile-requested-at=rotated-{requests}");
        bed.cluster
            .kubectl(&["annotate", "--overwrite", "mv", "--all", &request]);
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rotated'";
        bed.database.psql(sessions).trim() != "0"
    });
    for file in &FILES[2..] {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    assert_eq!(documents(&bed.simulator.state(), "clinical/v2").len(), 5);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
