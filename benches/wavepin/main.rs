//! The table of ratios: how fast Wavepin is, next to limits and peers that are measured in the same run.

mod bed;
mod cut;
mod decide;
mod fleet;
mod git;
mod idle;
mod machine;
mod many;
mod pins;
mod queries;
mod rest;
mod table;
mod waves;

#[path = "../../tests/parts/api_server.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod api_server;
#[path = "../../tests/parts/family.rs"]
mod family;
#[path = "../../tests/parts/git_https.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod git_https;
#[path = "../../tests/parts/git.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod git_server;
#[path = "../../tests/parts/postgres.rs"]
mod postgres;
#[path = "../../tests/parts/program.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod program;

use std::path::Path;
use std::time::{Duration, Instant};

use bed::Budget;
use machine::Machine;
use table::Table;

/// 500 requests a minute, ten times as fast on both sides: the program's own time weighs ten times as much as it would.
/// The first as Omni counts, in one long window, of which half a cut goes at once; the second in windows so short that
/// next to nothing does.
const BUDGETS: [Budget; 2] = [
    Budget {
        requests: 500,
        window: Duration::from_secs(6),
    },
    Budget {
        requests: 50,
        window: Duration::from_millis(600),
    },
];

/// What many cuts share: half of the above, since every call of them costs a place in the database too, one after the
/// other.
const ONE_KEY: Budget = Budget {
    requests: 250,
    window: Duration::from_secs(6),
};

/// The parts, in their order; docs/performance.md says what each measures.
const PARTS: [&str; 10] = [
    "cut", "many", "rest", "idle", "pins", "fleet", "git", "waves", "decide", "queries",
];

#[tokio::main]
async fn main() {
    // `cargo bench -- many rest` measures these parts alone; cargo adds flags of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|it| !PARTS.contains(&it.as_str())) {
        panic!("there is no part {unknown:?}; there are: {}", PARTS.join(", "));
    }
    let machine = Machine::look();
    let mut table = Table::default();
    let mut times = Vec::new();
    for part in PARTS {
        if asked.is_empty() || asked.iter().any(|it| it == part) {
            let begun = Instant::now();
            measure(part, &mut table).await;
            times.push(format!("{part} {:.0} s", begun.elapsed().as_secs_f64()));
        }
    }
    println!("{machine}the parts took: {}\n\n{table}", times.join(", "));
}

/// Measures a part and adds its rows.
async fn measure(part: &str, table: &mut Table) {
    match part {
        "cut" => {
            for budget in BUDGETS {
                let Budget { requests, window } = budget;
                let dashboards = cut::DASHBOARDS;
                eprintln!("a cut of {dashboards} dashboards, {requests} requests in {window:?}");
                cut::measure(budget).await.tell(table);
            }
        }
        "many" => {
            let (versions, dashboards) = (many::VERSIONS, many::DASHBOARDS);
            eprintln!("{versions} cuts of {dashboards} dashboards at once, {ONE_KEY:?}");
            many::measure(ONE_KEY).await.tell(table);
        }
        "rest" => {
            eprintln!("{} versions of {} dashboards at rest", rest::VERSIONS, rest::DASHBOARDS);
            rest::measure().await.tell(table);
        }
        "idle" => {
            eprintln!("100 objects at rest, watched for {:?}", idle::WATCHED);
            idle::measure().await.tell(table);
        }
        "pins" => {
            eprintln!("{} pins, {} times", pins::PINS, pins::ROUNDS);
            pins::measure().await.tell(table);
        }
        "fleet" => {
            eprintln!("{} pins that follow a rollout", fleet::how_many());
            fleet::measure().await.tell(table);
        }
        "git" => {
            eprintln!("a directory of {} files in a repository of {}", git::COPIED, git::FILES);
            git::measure().await.tell(table);
        }
        "waves" => {
            eprintln!("a wave of {} tenants, {} times", waves::TENANTS, waves::ROUNDS);
            waves::measure().await.tell(table);
        }
        "decide" => {
            eprintln!(
                "{} followers decided together, {} times",
                decide::TENANTS,
                decide::ROUNDS
            );
            decide::measure().await.tell(table);
        }
        "queries" => {
            let (dashboards, tiles, tenants) = (queries::DASHBOARDS, queries::TILES, queries::TENANTS);
            eprintln!("{dashboards} dashboards of {tiles} tiles, validated as {tenants} tenants");
            queries::measure().await.tell(table);
        }
        _ => unreachable!("the parts are known"),
    }
}

/// A file of the example, with the simulator's address in place of the usual one.
fn example(file: &str, base_url: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/clinical")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("the example is part of the checkout");
    text.replace("http://127.0.0.1:4000", base_url)
}
