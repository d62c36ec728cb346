//! The leader is frozen (SIGSTOP) past its Lease and woken while its successor is in the middle of the same cut.

use std::time::Duration;

use super::bed::{Bed, FILES, SECOND, TENANTS, documents, list, shared_model, without_tags};
use crate::cluster::eventually;
use crate::cut::bench::{Bench, outcome, ready};

/// Where the leader freezes: once so many requests that write have reached Omni; and how many more its successor makes
/// before it is woken.
const FREEZES: [(usize, usize); 4] = [(1, 1), (4, 2), (17, 3), (22, 1)];

/// Long enough that a busy machine does not cost the lead.
const LEASE: &str = "6s";

#[tokio::test(flavor = "multi_thread")]
async fn two_leaders_make_nothing_twice() {
    let undisturbed = Bench::new(|_, text| text).await;
    let (_, second) = undisturbed.both().await;
    ready(&second);
    let expected = without_tags(&undisturbed.outcome());
    let mut beds = Vec::new();
    for freeze in FREEZES {
        beds.push((Bed::new("frozen").await, freeze));
    }
    let expected = &expected;
    std::thread::scope(|scope| {
        for (bed, freeze) in &beds {
            scope.spawn(move || {
                cut_by_two(bed, *freeze);
                assert_eq!(without_tags(&outcome(&bed.simulator.state())), *expected, "{freeze:?}");
            });
        }
    });
    for (bed, _) in beds {
        bed.simulator.shutdown().await;
    }
}

fn writes(bed: &Bed) -> usize {
    let requests = bed.simulator.requests();
    requests.iter().filter(|request| request.method != "GET").count()
}

fn cut_by_two(bed: &Bed, (before, between): (usize, usize)) {
    for file in FILES {
        bed.cluster.apply(&bed.manifest_with(file, "  listLag: 1s\n"));
    }
    let first = bed.impatient("first", LEASE);
    eventually("the first leader is in its cut", Duration::from_secs(60), || {
        writes(bed) >= before
    });
    first.signal("STOP");
    let frozen_at = writes(bed);
    let successor = bed.impatient("successor", LEASE);
    eventually("its successor goes on with it", Duration::from_secs(60), || {
        writes(bed) >= frozen_at + between
    });
    assert!(
        bed.database
            .psql("SELECT count(*) FROM dashboard_model WHERE model_version_id = 2")
            .trim()
            == "0",
        "woken too late to disturb the cut"
    );
    first.signal("CONT");
    bed.all_ready("90s");

    let state = bed.simulator.state();
    shared_model(&state, "clinical v2");
    let folders = list(&state, "folders").iter();
    assert_eq!(folders.filter(|folder| folder["path"] == SECOND).count(), 1);
    assert_eq!(documents(&state, SECOND).len(), 5);
    for tenant in TENANTS {
        bed.is_on(&state, tenant, "staging", SECOND);
    }
    let writes = bed.row_writes();
    let (inserts, others): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.contains("|INSERT|"));
    // Five rows a version, one a pin: each written once, by whoever of the two.
    assert_eq!((inserts.len(), others.len()), (5 + 5 + 6, 0), "{writes:#?}");
    bed.cluster.end("successor", successor);
    drop(first);
}
