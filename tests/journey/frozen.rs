//! The leader is frozen (SIGSTOP) past its Lease and woken while its successor is in the middle of the same cut.

use std::time::Duration;

use super::bed::{Bed, each_ends_undisturbed};
use crate::cluster::eventually;

/// Where the leader freezes: once so many requests that write have reached Omni; and how many more its successor makes
/// before it is woken.
const FREEZES: [(usize, usize); 4] = [(1, 1), (4, 2), (17, 3), (22, 1)];

/// Long enough that a busy machine does not cost the lead.
const LEASE: &str = "6s";

#[tokio::test(flavor = "multi_thread")]
async fn two_leaders_make_nothing_twice() {
    each_ends_undisturbed("frozen", &FREEZES, cut_by_two).await;
}

fn writes(bed: &Bed) -> usize {
    let requests = bed.simulator.requests();
    requests.iter().filter(|request| request.method != "GET").count()
}

fn cut_by_two(bed: &Bed, &(before, between): &(usize, usize)) {
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
    bed.is_in_the_cut();
    first.signal("CONT");
    bed.all_ready("90s");
    bed.cluster.end("successor", successor);
    drop(first);
}
