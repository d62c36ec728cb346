//! A cut of many dashboards under a budget that both sides keep.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::model_version::{Progress, VersionPass, VersionReport, reconcile};
use wavepin::ports::{Next, SystemClock, World};
use wavepin::resources::conditions::{READY, STALLED, Verdict};
use wavepin::simulator::{LoggedRequest, Simulator, SimulatorOptions};
use wavepin::standalone::{Catalog, CatalogOptions, Declared, Reading};

use crate::example;
use crate::postgres::Postgres;
use crate::table::{Goal, Table};

/// How many dashboards are copied.
pub(crate) const DASHBOARDS: usize = 200;

/// What an organisation takes, and what Wavepin is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) requests: u32,
    pub(crate) window: Duration,
}

/// How long a cut may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

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
    let options = SimulatorOptions {
        dashboards: DASHBOARDS,
        requests_per_minute: Some(budget.requests),
        budget_window: budget.window,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.expect("the loopback has a free port");
    let declared = Arc::new(Declared::new(catalog(&simulator, budget, 1)));
    let database = Postgres::shared().database("cut");
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
    // What the adoption spent is not to slow the cut: its window is over once nothing was sent for so long.
    tokio::time::sleep(budget.window).await;

    let before = simulator.requests().len();
    let start = Instant::now();
    let report = drive(&world, "clinical-v2").await;
    let wall = start.elapsed();

    let copied = report.dashboards.as_ref().map_or(0, |dashboards| dashboards.ready);
    assert_eq!(usize::try_from(copied).ok(), Some(DASHBOARDS), "{report:#?}");
    let requests = simulator.requests();
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

/// The example with every dashboard of the seed adopted, and its cut so many times under names of its own.
pub(crate) fn catalog(simulator: &Simulator, budget: Budget, cuts: usize) -> Catalog {
    let mut reading = Reading::default();
    for file in ["clinical-v1.yaml", "clinical-v2.yaml", "instance.yaml"] {
        let text = example(file, simulator.base_url());
        let text = match file {
            "clinical-v1.yaml" => adopting(&text, &simulator.state()),
            "instance.yaml" => text.replace(
                "requestsPerMinute: 600",
                &format!("requestsPerMinute: {}", budget.requests),
            ),
            _ => text,
        };
        reading.add(Path::new(file), &text);
        for version in (3..cuts + 2).filter(|_| file == "clinical-v2.yaml") {
            let another = text.replace("version: 2", &format!("version: {version}"));
            let another = another.replace("v2", &format!("v{version}"));
            reading.add(Path::new(&format!("clinical-v{version}.yaml")), &another);
        }
    }
    let options = CatalogOptions {
        prune: false,
        now: Timestamp::now(),
    };
    let catalog = Catalog::new(reading, &Catalog::default(), options);
    assert_eq!(catalog.refusals(), [], "the example is well-formed");
    catalog
}

/// Version 1 with a list of all dashboards in place of its own.
pub(crate) fn adopting(text: &str, state: &Value) -> String {
    let (head, _) = text.split_once("dashboards:").expect("version 1 adopts dashboards");
    let documents = state["documents"].as_array().expect("the state lists documents");
    let adopted = documents
        .iter()
        .filter(|it| it["folderPath"] == "clinical/v1" && it["deleted"] == false);
    let lines = adopted.enumerate().map(|(at, it)| {
        format!(
            "        - {{slug: dashboard-{at:03}, identifier: {}}}\n",
            it["identifier"]
        )
    });
    format!("{head}dashboards:\n{}", lines.collect::<String>())
}

/// Passes over one version until it is ready, each when the last asked for it.
pub(crate) async fn drive(world: &World, name: &str) -> VersionReport {
    let passes = async {
        loop {
            let pass = reconcile(world, "default", name, &Quiet).await;
            let VersionPass { report, next } = pass.expect("it is declared");
            if says(&report, READY) {
                return report;
            }
            assert!(!says(&report, STALLED), "{name} is stalled: {report:#?}");
            match next {
                Next::Again => {}
                Next::At(at) => tokio::time::sleep(at.duration_since(world.clock.now()).unsigned_abs()).await,
                Next::After(pause) => tokio::time::sleep(pause).await,
                Next::Backoff { after } => tokio::time::sleep(after.unwrap_or(Duration::from_secs(1))).await,
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, passes).await;
    ended.unwrap_or_else(|_| panic!("{name} is not ready after {PATIENCE:?}"))
}

fn says(report: &VersionReport, condition: &str) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.condition == condition && finding.verdict == Verdict::True)
}

/// Nobody watches.
struct Quiet;

impl Progress for Quiet {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        false
    }
}
