//! The table of ratios: how fast Wavepin is, next to limits and peers that are measured in the same run.

mod bed;
mod cut;
mod git;
mod idle;
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
use std::time::Duration;

use bed::Budget;
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

#[tokio::main]
async fn main() {
    // `cargo bench -- many rest` measures these parts alone; cargo adds flags of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|it| it == part);
    let mut table = Table::default();
    for budget in BUDGETS.into_iter().filter(|_| wanted("cut")) {
        let Budget { requests, window } = budget;
        eprintln!(
            "a cut of {} dashboards, {requests} requests in {window:?}",
            cut::DASHBOARDS
        );
        cut::measure(budget).await.tell(&mut table);
    }
    if wanted("many") {
        let (versions, dashboards) = (many::VERSIONS, many::DASHBOARDS);
        eprintln!("{versions} cuts of {dashboards} dashboards at once, {ONE_KEY:?}");
        many::measure(ONE_KEY).await.tell(&mut table);
    }
    if wanted("rest") {
        eprintln!("{} versions of {} dashboards at rest", rest::VERSIONS, rest::DASHBOARDS);
        rest::measure().await.tell(&mut table);
    }
    if wanted("idle") {
        eprintln!("100 objects at rest, watched for {:?}", idle::WATCHED);
        idle::measure().await.tell(&mut table);
    }
    if wanted("pins") {
        eprintln!("{} pins, {} times", pins::PINS, pins::ROUNDS);
        pins::measure().await.tell(&mut table);
    }
    if wanted("git") {
        eprintln!("a directory of {} files in a repository of {}", git::COPIED, git::FILES);
        git::measure().await.tell(&mut table);
    }
    if wanted("waves") {
        eprintln!("a wave of {} tenants, {} times", waves::TENANTS, waves::ROUNDS);
        waves::measure().await.tell(&mut table);
    }
    if wanted("queries") {
        let (dashboards, tiles, tenants) = (queries::DASHBOARDS, queries::TILES, queries::TENANTS);
        eprintln!("{dashboards} dashboards of {tiles} tiles, validated as {tenants} tenants");
        queries::measure().await.tell(&mut table);
    }
    println!("{table}");
}

/// A file of the example, with the simulator's address in place of the usual one.
fn example(file: &str, base_url: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/clinical")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("the example is part of the checkout");
    text.replace("http://127.0.0.1:4000", base_url)
}
