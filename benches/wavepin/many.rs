//! Many versions cut at once on one key: how full the budget is while work waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::ports::{SystemClock, World};
use wavepin::simulator::{LoggedRequest, Simulator, SimulatorOptions};
use wavepin::standalone::Declared;

use crate::cut::{Budget, catalog, drive};
use crate::postgres::Postgres;
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
    /// How many requests a window held, on the mean, while work waited.
    in_use: f64,
    over_budget: usize,
}

impl Cuts {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let Budget { requests, window } = self.budget;
        let requests = f64::from(requests);
        table.ratio(
            &format!("{VERSIONS} versions of {DASHBOARDS} dashboards cut at once on one key: its budget"),
            format!("{:.1} of a window in use", self.in_use),
            format!("full use: {requests}"),
            requests / self.in_use,
            Goal::AtMost(1.02),
        );
        let calls = u32::try_from(self.calls).expect("cuts make few calls");
        let steady = f64::from(calls) / requests * window.as_secs_f64();
        table.ratio(
            "  their time",
            format!("{:.2} s", self.wall.as_secs_f64()),
            format!("{calls} calls / budget: {steady:.2} s"),
            self.wall.as_secs_f64() / steady,
            Goal::None,
        );
        table.none("  answers 429", self.over_budget);
    }
}

/// Adopts version 1, lets the budget's window pass, and cuts all others from it at once.
pub(crate) async fn measure(budget: Budget) -> Cuts {
    let options = SimulatorOptions {
        dashboards: DASHBOARDS,
        requests_per_minute: Some(budget.requests),
        budget_window: budget.window,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.expect("the loopback has a free port");
    let declared = Arc::new(Declared::new(catalog(&simulator, budget, VERSIONS)));
    let database = Postgres::shared().database("many");
    let clients = ClientOptions {
        default_database: Some(database.url.clone().into()),
        budget_window: budget.window,
        ..ClientOptions::default()
    };
    let world = World {
        objects: Arc::clone(&declared) as _,
        request_timeout: clients.request_timeout,
        clients: Arc::new(ClientRegistry::new(Arc::clone(&declared) as _, clients)),
        clock: Arc::new(SystemClock),
        slice: Duration::from_secs(30),
    };
    drive(&world, "clinical-v1").await;
    tokio::time::sleep(budget.window).await;

    let before = simulator.requests().len();
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
    let requests = simulator.requests();
    Cuts {
        budget,
        wall,
        calls: requests.len() - before,
        in_use: in_use(&requests[before..], budget),
        over_budget: requests.iter().filter(|it| it.status == Some(429)).count(),
    }
}

/// How many requests a window holds at the time of each, from the end of the first window until the last budget's worth
/// begins: then fewer wait than could go.
fn in_use(made: &[LoggedRequest], budget: Budget) -> f64 {
    let at = |request: &LoggedRequest| request.at.parse::<Timestamp>().expect("the log holds times");
    let times: Vec<Timestamp> = made.iter().map(at).collect();
    let since = |later: Timestamp, earlier: Timestamp| later.duration_since(earlier).unsigned_abs();
    let last = times.len().saturating_sub(budget.requests as usize);
    let mut held = Vec::new();
    for (index, now) in times.iter().enumerate().take(last) {
        if since(*now, times[0]) >= budget.window {
            let window = times[..=index]
                .iter()
                .rev()
                .take_while(|it| since(*now, **it) < budget.window);
            held.push(window.count());
        }
    }
    assert!(!held.is_empty(), "the cuts take more than two windows");
    let count = |number: usize| f64::from(u32::try_from(number).expect("a log is not that long"));
    count(held.iter().sum()) / count(held.len())
}
