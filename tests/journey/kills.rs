//! The process dies without a word (SIGKILL) in the middle of a cut, again and again.

use std::time::{Duration, Instant};

use wavepin::simulator::{Fault, FaultKind};

use super::bed::{Bed, each_ends_undisturbed};
use crate::cluster::eventually;
use crate::parts::Member;

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
    each_ends_undisturbed("kills", &DEATHS, cut_with_deaths).await;
}

/// One cut, to its end, by processes of which all but the last are killed.
fn cut_with_deaths(bed: &Bed, deaths: &[(usize, usize); 5]) {
    // Each answer comes late enough that who is to die is met where it should be, on a busy machine too.
    let late = FaultKind::Slow { millis: 25 };
    bed.simulator.arm(Fault {
        times: u32::MAX,
        method: None,
        ..Fault::once("", "", late).expect("a pattern")
    });
    for death in deaths {
        live_until(bed, *death);
        bed.is_in_the_cut();
    }
    let mut last = start(bed);
    eventually("all objects are ready", Duration::from_secs(120), || {
        restarted(bed, &mut last);
        bed.is_ready()
    });
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
        restarted(bed, &mut controller);
        assert!(Instant::now() < deadline, "{}", bed.conditions());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts it again where it lost its lead on a machine that is too busy, as a cluster does.
fn restarted(bed: &Bed, controller: &mut Member) {
    if controller.ended().is_some() {
        *controller = start(bed);
    }
}

fn start(bed: &Bed) -> Member {
    bed.impatient("controller", "2s")
}
