//! A cut of many dashboards under a budget that both sides keep.

use std::time::{Duration, Instant};

use wavepin::simulator::LoggedRequest;

use crate::bed::{Bed, Budget, drive};
use crate::table::{Goal, Table};

/// How many dashboards are copied.
pub(crate) const DASHBOARDS: usize = 200;

/// In the seed one dashboard of five has a tab that an import leaves empty, and that tab's model has so many files.
const TAB_EVERY: usize = 5;
const TAB_FILES: usize = 3;

/// One cut, as the organisation saw it.
#[derive(Debug)]
pub(crate) struct Cut {
    budget: Budget,
    wall: Duration,
    calls: u32,
    limit: u32,
    over_budget: usize,
}

impl Cut {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let Budget { requests, window } = self.budget;
        let (wall, window) = (self.wall.as_secs_f64(), window.as_secs_f64());
        let steady = f64::from(self.calls) / f64::from(requests) * window;
        // A whole budget may go at once, and the next one a window later: so many windows must pass.
        let windows = (self.calls.max(1) - 1) / requests;
        let least = f64::from(windows) * window;
        table.ratio(
            &format!("cut of {DASHBOARDS} dashboards, {requests} requests in {window} s"),
            format!("{wall:.2} s"),
            format!("calls / budget: {steady:.2} s"),
            wall / steady,
            Goal::AtMost(1.05),
        );
        table.ratio(
            "  next to the least that a sliding window allows",
            format!("{wall:.2} s"),
            format!("{windows} x {window} s: {least:.2} s"),
            wall / least,
            Goal::None,
        );
        table.ratio(
            "  its calls",
            self.calls.to_string(),
            format!("formula: {}", self.limit),
            f64::from(self.calls) / f64::from(self.limit),
            Goal::AtMost(1.0),
        );
        table.none("  answers 429", self.over_budget);
    }
}

/// Adopts version 1, lets the budget's window pass, and cuts version 2.
pub(crate) async fn measure(budget: Budget) -> Cut {
    let bed = Bed::new("cut", DASHBOARDS, 1, budget).await;
    let world = bed.rested().await;

    let before = bed.simulator.requests().len();
    let start = Instant::now();
    let report = drive(&world, "clinical-v2").await;
    let wall = start.elapsed();

    let copied = report.dashboards.as_ref().map_or(0, |dashboards| dashboards.ready);
    assert_eq!(usize::try_from(copied).ok(), Some(DASHBOARDS), "{report:#?}");
    let requests = bed.simulator.requests();
    let made = &requests[before..];
    let model = report.model_id.as_deref().expect("a complete version has a model");
    let count = |calls: usize| u32::try_from(calls).expect("a cut makes few calls");
    Cut {
        budget,
        wall,
        calls: count(made.len()),
        limit: count(formula(made, model)),
        over_budget: requests.iter().filter(|it| it.status == Some(429)).count(),
    }
}

/// The calls that a cut may cost: `3·D + T + L + F + 20 + 2·(⌈D/100⌉ − 1) + R`.
fn formula(made: &[LoggedRequest], model: &str) -> usize {
    let posts = |matches: &dyn Fn(&str) -> bool| {
        let posts = made.iter().filter(|it| it.method == "POST" && matches(&it.path));
        posts.count()
    };
    let tabs = DASHBOARDS / TAB_EVERY;
    let files = posts(&|path| path == format!("/api/v1/models/{model}/yaml"));
    let grants = posts(&|path| path.ends_with("/model-roles") || path.ends_with("/permissions"));
    3 * DASHBOARDS + tabs + tabs * (3 + TAB_FILES) + files + 20 + 2 * (DASHBOARDS.div_ceil(100) - 1) + grants
}
