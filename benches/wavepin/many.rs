//! Many versions cut at once on one key: how full the budget is while work waits for it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use wavepin::simulator::LoggedRequest;

use crate::bed::{Bed, Budget, drive};
use crate::table::{Goal, Table};

/// How many versions are cut.
pub(crate) const VERSIONS: usize = 10;

/// How many dashboards each of them copies.
pub(crate) const DASHBOARDS: usize = 20;

/// All cuts together, as the organisation saw them.
#[derive(Debug)]
pub(crate) struct Cuts {
    budget: Budget,
    wall: Duration,
    calls: usize,
    /// After how long a place was used again, on the mean.
    turn: Duration,
    over_budget: usize,
}

impl Cuts {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let Budget { requests, window } = self.budget;
        let (turn, wall, window) = (self.turn.as_secs_f64(), self.wall.as_secs_f64(), window.as_secs_f64());
        table.ratio(
            &format!("{VERSIONS} versions of {DASHBOARDS} dashboards cut at once on one key: a turn of its budget"),
            format!("{turn:.3} s"),
            format!("full use: {window:.3} s"),
            turn / window,
            Goal::AtMost(1.02),
        );
        // Whole windows must pass, however well each is used.
        let calls = u32::try_from(self.calls).expect("cuts make few calls");
        let windows = (calls.max(1) - 1) / requests;
        let least = f64::from(windows) * window;
        table.ratio(
            "  their time",
            format!("{wall:.2} s"),
            format!("{windows} x {window} s for {calls} calls: {least:.2} s"),
            wall / least,
            Goal::None,
        );
        table.none("  answers 429", self.over_budget);
    }
}

/// Adopts version 1, lets the budget's window pass, and cuts all others from it at once.
pub(crate) async fn measure(budget: Budget) -> Cuts {
    let bed = Bed::new("many", DASHBOARDS, VERSIONS, budget).await;
    let world = bed.rested().await;

    let before = bed.simulator.requests().len();
    let start = Instant::now();
    let cuts = (0..VERSIONS).map(|at| {
        let world = world.clone();
        tokio::spawn(async move { drive(&world, &format!("clinical-v{}", at + 2)).await })
    });
    for cut in cuts.collect::<Vec<_>>() {
        let report = cut.await.expect("no cut panics");
        let copied = report.dashboards.as_ref().map_or(0, |dashboards| dashboards.ready);
        assert_eq!(usize::try_from(copied).ok(), Some(DASHBOARDS), "{report:#?}");
    }
    let wall = start.elapsed();
    let requests = bed.simulator.requests();
    Cuts {
        budget,
        wall,
        calls: requests.len() - before,
        turn: turn(&requests[before..], budget),
        over_budget: requests.iter().filter(|it| it.status == Some(429)).count(),
    }
}

/// After how long the budget's worth of requests has gone by, on the mean over every stretch of so many: a window at full
/// use, and never less.
fn turn(made: &[LoggedRequest], budget: Budget) -> Duration {
    let at = |request: &LoggedRequest| request.at.parse::<Timestamp>().expect("the log holds times");
    let times: Vec<Timestamp> = made.iter().map(at).collect();
    let worth = budget.requests as usize;
    assert!(times.len() > 3 * worth, "the cuts take more than three windows");
    let stretches = times.iter().zip(&times[worth..]);
    let all: Duration = stretches
        .map(|(first, next)| next.duration_since(*first).unsigned_abs())
        .sum();
    all / u32::try_from(times.len() - worth).expect("a log is not that long")
}
