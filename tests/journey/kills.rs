//! The process dies without a word (SIGKILL) in the middle of a cut, again and again.

use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use super::bed::{Bed, FILES, SECOND, TENANTS, documents};
use crate::cut::bench::{Bench, outcome, ready};

/// How many requests each process may send before it is killed: four cuts, and five processes that do not live to
/// their end. Drawn once, so that each lies elsewhere in the cut.
const LIVES: [[usize; 5]; 4] = [
    [9, 23, 27, 14, 12],
    [17, 28, 12, 19, 10],
    [4, 33, 21, 11, 16],
    [26, 11, 24, 16, 13],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_controller_makes_nothing_twice() {
    let undisturbed = Bench::new(|_, text| text).await;
    let (_, second) = undisturbed.both().await;
    ready(&second);
    let expected = without_tags(&undisturbed.outcome());
    let mut beds = Vec::new();
    for lives in LIVES {
        beds.push((Bed::new("kills").await, lives));
    }
    let expected = &expected;
    std::thread::scope(|scope| {
        for (bed, lives) in &beds {
            scope.spawn(move || {
                cut_with_deaths(bed, lives);
                assert_eq!(without_tags(&outcome(&bed.simulator.state())), *expected, "{lives:?}");
            });
        }
    });
    for (bed, _) in beds {
        bed.simulator.shutdown().await;
    }
}

/// One cut, to its end, by processes of which all but the last are killed.
fn cut_with_deaths(bed: &Bed, lives: &[usize]) {
    for file in FILES {
        bed.cluster.apply(&bed.manifest_with(file, "  listLag: 1s\n"));
    }
    for requests in lives {
        let enough = bed.simulator.requests().len() + requests;
        let controller = start(bed);
        let deadline = Instant::now() + Duration::from_secs(60);
        while bed.simulator.requests().len() < enough {
            assert!(Instant::now() < deadline, "{}", bed.conditions());
            std::thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL.
        drop(controller);
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

fn start(bed: &Bed) -> crate::parts::Member {
    let impatient = ["--lease", "1s", "--request-timeout", "1s"];
    bed.cluster
        .start("controller", bed.cluster.controller().args(impatient))
}

/// Identifiers without the part that tells one mapping's version 2 from another's.
fn without_tags(outcome: &Value) -> Value {
    let tag = Regex::new("-v2-[0-9a-f]{6}").expect("a pattern");
    serde_json::from_str(&tag.replace_all(&outcome.to_string(), "-v2")).expect("still JSON")
}
