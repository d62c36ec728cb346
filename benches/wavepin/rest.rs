//! What an interval costs when everything is as declared.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::bed::{Bed, Budget, drive};
use crate::postgres::Database;
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
        // The connection's models and the folders once, and each version's documents a hundred at a time; the look at the
        // organisation asks whose key it is, for the description of its API, and for its connections.
        let limit = 2 + VERSIONS * DASHBOARDS.div_ceil(100) + 3;
        let calls = |count: usize| f64::from(u32::try_from(count).expect("few calls"));
        table.ratio(
            &format!("{VERSIONS} versions of {DASHBOARDS} dashboards at rest, calls an interval"),
            self.calls.to_string(),
            format!("may be asked: {limit}"),
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
    // So wide and so short that nothing waits for it.
    let budget = Budget {
        requests: 1000,
        window: Duration::from_millis(10),
    };
    let bed = Bed::new("rest", DASHBOARDS, VERSIONS - 1, budget).await;
    let first = bed.rested().await;
    let names: Vec<String> = (2..=VERSIONS).map(|number| format!("clinical-v{number}")).collect();
    join_all(names.iter().map(|name| drive(&first, name))).await;
    drop(first);

    let before = bed.simulator.requests().len();
    let written = rows(&bed.database);
    let start = Instant::now();
    let second = bed.start().await;
    for name in std::iter::once("clinical-v1").chain(names.iter().map(String::as_str)) {
        drive(&second, name).await;
    }
    let wall = start.elapsed();
    let made = &bed.simulator.requests()[before..];
    Rest {
        wall,
        calls: made.len(),
        writes: made.iter().filter(|it| it.method != "GET").count(),
        rows_written: rows(&bed.database).abs_diff(written),
    }
}

/// How many rows were ever written to the two tables and to what the ledger says of versions.
pub(crate) fn rows(database: &Database) -> usize {
    let written = database.psql(
        "SELECT pg_stat_force_next_flush();
         SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables
         WHERE relname NOT LIKE 'budget%' AND relname <> 'fence'",
    );
    let last = written.lines().last().unwrap_or_default();
    last.trim().parse().expect("a count")
}
