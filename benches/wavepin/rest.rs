//! What an interval costs when everything is as declared.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::ports::{SystemClock, World};
use wavepin::simulator::{Simulator, SimulatorOptions};
use wavepin::standalone::{Catalog, CatalogOptions, Declared, Reading};

use crate::cut::{adopting, drive};
use crate::example;
use crate::postgres::Postgres;
use crate::table::{Goal, Table};

/// How many versions are at rest, and how many dashboards each has.
pub(crate) const VERSIONS: usize = 20;
pub(crate) const DASHBOARDS: usize = 40;

/// One look at every version.
#[derive(Debug)]
pub(crate) struct Rest {
    wall: Duration,
    calls: usize,
    writes: usize,
    rows_written: usize,
}

impl Rest {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        // A list of the connection's models, of each folder, and of each folder's documents a hundred at a time.
        let limit = VERSIONS * (2 + DASHBOARDS.div_ceil(100)) + 1;
        let calls = |count: usize| f64::from(u32::try_from(count).expect("few calls"));
        table.ratio(
            &format!("{VERSIONS} versions of {DASHBOARDS} dashboards at rest, calls an interval"),
            self.calls.to_string(),
            format!("lists: {limit}"),
            calls(self.calls) / calls(limit),
            Goal::AtMost(1.0),
        );
        table.value("  time of that look", format!("{:.2} s", self.wall.as_secs_f64()));
        table.none("  writes to Omni", self.writes);
        table.none("  writes to the application's tables and the ledger", self.rows_written);
    }
}

/// Cuts all versions from the first, then looks at each once more, a day later as far as intervals go.
pub(crate) async fn measure() -> Rest {
    let options = SimulatorOptions {
        dashboards: DASHBOARDS,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.expect("the loopback has a free port");
    let declared = Arc::new(Declared::new(catalog(&simulator)));
    let database = Postgres::shared().database("rest");
    let window = Duration::from_millis(10);
    let world = || {
        let clients = ClientOptions {
            default_database: Some(database.url.clone().into()),
            budget_window: window,
            ..ClientOptions::default()
        };
        World {
            objects: Arc::clone(&declared) as _,
            request_timeout: clients.request_timeout,
            clients: Arc::new(ClientRegistry::new(Arc::clone(&declared) as _, clients)),
            clock: Arc::new(SystemClock),
            slice: Duration::from_secs(30),
        }
    };
    let first = world();
    drive(&first, "clinical-v1").await;
    let names: Vec<String> = (2..=VERSIONS).map(|number| format!("clinical-v{number}")).collect();
    join_all(names.iter().map(|name| drive(&first, name))).await;
    drop(first);

    // A new process knows nothing of when it looked last.
    let second = world();
    let before = simulator.requests().len();
    let written = rows(&database);
    let start = Instant::now();
    for name in std::iter::once("clinical-v1").chain(names.iter().map(String::as_str)) {
        drive(&second, name).await;
    }
    let wall = start.elapsed();
    let made = &simulator.requests()[before..];
    Rest {
        wall,
        calls: made.len(),
        writes: made.iter().filter(|it| it.method != "GET").count(),
        rows_written: rows(&database).abs_diff(written),
    }
}

/// How many rows were ever written to the two tables and to what the ledger says of versions.
fn rows(database: &crate::postgres::Database) -> usize {
    let written = database.psql(
        "SELECT pg_stat_force_next_flush();
         SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables
         WHERE relname NOT LIKE 'budget%' AND relname <> 'fence'",
    );
    let last = written.lines().last().unwrap_or_default();
    last.trim().parse().expect("a count")
}

/// Version 1 with every dashboard of the seed, and so many cut from it.
fn catalog(simulator: &Simulator) -> Catalog {
    let mut reading = Reading::default();
    let text = |file: &str| example(file, simulator.base_url());
    let instance = text("instance.yaml").replace("requestsPerMinute: 600", "requestsPerMinute: 1000");
    reading.add(Path::new("instance.yaml"), &instance);
    let first = adopting(&text("clinical-v1.yaml"), &simulator.state());
    reading.add(Path::new("clinical-v1.yaml"), &first);
    for number in 2..=VERSIONS {
        let version = text("clinical-v2.yaml")
            .replace("version: 2", &format!("version: {number}"))
            .replace("clinical-v2", &format!("clinical-v{number}"))
            .replace("clinical v2", &format!("clinical v{number}"))
            .replace("name: v2", &format!("name: v{number}"));
        reading.add(Path::new(&format!("clinical-v{number}.yaml")), &version);
    }
    let options = CatalogOptions {
        prune: false,
        now: Timestamp::now(),
    };
    let catalog = Catalog::new(reading, &Catalog::default(), options);
    assert_eq!(catalog.refusals(), [], "the example is well-formed");
    catalog
}
