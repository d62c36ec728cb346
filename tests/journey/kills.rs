//! The process dies without a word (SIGKILL) in the middle of a cut, again and again.

use std::time::{Duration, Instant};

use super::bed::{Bed, FILES, SECOND, TENANTS, documents, without_tags};
use crate::cut::bench::{Bench, outcome, ready};

/// When each process is killed: once so many requests that write have reached Omni in all, and so many more of any
/// kind. Four cuts, and five processes that do not live to their end. Drawn once, so that each lies elsewhere.
const DEATHS: [[(usize, usize); 5]; 4] = [
    [(0, 9), (4, 0), (17, 1), (23, 0), (26, 2)],
    [(1, 0), (2, 0), (12, 0), (21, 1), (28, 0)],
    [(0, 13), (3, 1), (20, 0), (22, 0), (25, 0)],
    [(2, 1), (8, 0), (19, 0), (24, 1), (30, 0)],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_controller_makes_nothing_twice() {
    let undisturbed = Bench::new(|_, text| text).await;
    let (_, second) = undisturbed.both().await;
    ready(&second);
    let expected = without_tags(&undisturbed.outcome());
    let mut beds = Vec::new();
    for deaths in DEATHS {
        beds.push((Bed::new("kills").await, deaths));
    }
    let expected = &expected;
    std::thread::scope(|scope| {
        for (bed, deaths) in &beds {
            scope.spawn(move || {
                cut_with_deaths(bed, deaths);
                assert_eq!(without_tags(&outcome(&bed.simulator.state())), *expected, "{deaths:?}");
            });
        }
    });
    for (bed, _) in beds {
        bed.simulator.shutdown().await;
    }
}

/// One cut, to its end, by processes of which all but the last are killed.
fn cut_with_deaths(bed: &Bed, deaths: &[(usize, usize)]) {
    for file in FILES {
        bed.cluster.apply(&bed.manifest_with(file, "  listLag: 1s\n"));
    }
    for death in deaths {
        live_until(bed, *death);
        let rows = "SELECT count(*) FROM dashboard_model WHERE model_version_id = 2";
        assert_eq!(
            bed.database.psql(rows).trim(),
            "0",
            "killed too late to disturb the cut"
        );
    }
    let last = start(bed);
    bed.all_ready("90s");
    let state = bed.simulator.state();
    assert_eq!(documents(&state, SECOND).len(), 5);
    for tenant in TENANTS {
        bed.is_on(&state, tenant, "staging", SECOND);
    }
    let writes = bed.row_writes();
    let (inserts, others): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.contains("|INSERT|"));
    // Five rows a version, one a pin.
    assert_eq!((inserts.len(), others.len()), (5 + 5 + 6, 0), "{writes:#?}");
    bed.cluster.end("controller", last);
}

/// One process, to its death.
fn live_until(bed: &Bed, (writes, more): (usize, usize)) {
    let mut controller = start(bed);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let requests = bed.simulator.requests();
        let is_write = |place: &usize| requests[*place].method != "GET";
        let mut written = (0..requests.len()).filter(is_write);
        let reached = match writes.checked_sub(1) {
            Some(last) => written.nth(last).map(|place| place + 1),
            None => Some(0),
        };
        if reached.is_some_and(|reached| requests.len() >= reached + more) {
            // SIGKILL, as it goes out of scope.
            return;
        }
        if controller.ended().is_some() {
            // It lost its lead on a machine that is too busy; a cluster starts it again.
            controller = start(bed);
        }
        assert!(Instant::now() < deadline, "{}", bed.conditions());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn start(bed: &Bed) -> crate::parts::Member {
    bed.impatient("controller", "2s")
}
