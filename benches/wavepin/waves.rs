//! A wave of many tenants, its way back and its rollback, next to one plain UPDATE of the same rows.

use std::time::{Duration, Instant};

use wavepin::mapping::{MappingOptions, connect};
use wavepin::ports::{CompleteVersion, Flip, FlipOutcome, Mapping, Move, RolloutEvent, RolloutStep, WaveOfFlip};

use crate::postgres::{Database, Postgres};
use crate::table::{Goal, Table};

/// How many tenants are in the wave.
pub(crate) const TENANTS: usize = 12_000;

/// How often each is measured; the median counts.
pub(crate) const ROUNDS: usize = 7;

/// What all are on before a wave, where they are on one version; and what they are on in turn, where they are not.
const ONE: [i32; 1] = [1];
const SEVERAL: [i32; 3] = [1, 3, 4];

/// Where a wave moves them, and what the wave is called.
const TARGET: i32 = 2;
const WAVE: &str = "all";

/// What each took, in rounds.
#[derive(Debug, Default)]
pub(crate) struct Waves {
    there: Vec<Duration>,
    back: Vec<Duration>,
    from_several: Vec<Duration>,
    to_several: Vec<Duration>,
    plain: Vec<Duration>,
}

impl Waves {
    /// Adds its rows, each of medians.
    pub(crate) fn tell(&self, table: &mut Table) {
        let plain = median(&self.plain);
        let mut against = |what: &str, took: Duration| {
            let ratio = took.as_secs_f64() / plain.as_secs_f64();
            let [took, plain] = [took, plain].map(|it| format!("{:.0} ms", it.as_secs_f64() * 1000.0));
            table.ratio(
                what,
                took,
                format!("one plain UPDATE: {plain}"),
                ratio,
                Goal::AtMost(2.0),
            );
        };
        against(&format!("a wave of {TENANTS} tenants"), median(&self.there));
        against("  its way back", median(&self.back));
        let several = SEVERAL.len();
        let from_several = format!("a wave of {TENANTS} tenants on {several} versions");
        against(&from_several, median(&self.from_several));
        let to_several = "  its rollback, each to the version that it had";
        against(to_several, median(&self.to_several));
    }
}

fn median(all: &[Duration]) -> Duration {
    let mut all = all.to_vec();
    all.sort();
    all[all.len() / 2]
}

/// There, back, and the same by hand, in turns, so that what else the machine does meets all of them.
pub(crate) async fn measure() -> Waves {
    let database = Postgres::shared().database("waves");
    let mapping = connect(&database.url.clone().into(), MappingOptions::default())
        .await
        .expect("the database answers");
    mapping.prepare("apps/bench", None).await.expect("the tables are made");
    for version in [1, 2, 3, 4] {
        complete(&*mapping, version).await;
    }
    flip(&*mapping, None, Some(&ONE), "rollout-baseline").await;
    let started = [
        RolloutStep::Started,
        RolloutStep::Opened {
            wave: WAVE.to_owned(),
            members: 12_000,
        },
    ];
    let events = started.map(|step| RolloutEvent {
        attempt: 1,
        holder: "apps/bench".to_owned(),
        target: TARGET,
        plan: "1-bench".to_owned(),
        step,
    });
    mapping
        .record_rollout("production", &events)
        .await
        .expect("it is put on record");
    let mut waves = Waves::default();
    for round in 0..=ROUNDS {
        let there = flip(&*mapping, Some(&ONE), None, "rollout").await;
        let back = flip(&*mapping, None, Some(&ONE), "rollout-back").await;
        scatter(&database);
        let from_several = flip(&*mapping, Some(&SEVERAL), None, "rollout").await;
        let to_several = flip(&*mapping, None, Some(&SEVERAL), "rolled-back").await;
        let plain = plain(&database, TARGET);
        self::plain(&database, ONE[0]);
        // The first warms what is cached.
        if round > 0 {
            waves.there.push(there);
            waves.back.push(back);
            waves.from_several.push(from_several);
            waves.to_several.push(to_several);
            waves.plain.push(plain);
        }
    }
    waves
}

/// What the tenant in this place is on, where they are on these versions in turn.
fn one_of(versions: &[i32], at: usize) -> i32 {
    versions[at % versions.len()]
}

/// Puts the tenants on several versions in turn, by hand.
fn scatter(database: &Database) {
    for (turn, version) in SEVERAL.iter().enumerate() {
        database.psql(&format!(
            "UPDATE tenant_version SET model_version_id = {version} \
             WHERE right(tenant_id, 5)::int % {} = {turn}",
            SEVERAL.len()
        ));
    }
}

async fn complete(mapping: &dyn Mapping, version: i32) {
    mapping
        .record_version(version, &format!("adopt:{version}"), "apps/bench")
        .await
        .expect("the number is free");
    let complete = CompleteVersion {
        version,
        plan: "bench".to_owned(),
        rows: Vec::new(),
    };
    mapping.complete_version(&complete).await.expect("it is recorded");
}

/// All tenants from these versions in turn to those, ledger and fence included; `None` is no row before anything, and
/// the target of the wave otherwise.
async fn flip(mapping: &dyn Mapping, from: Option<&[i32]>, to: Option<&[i32]>, reason: &str) -> Duration {
    let first = reason == "rollout-baseline";
    let moves = (0..TENANTS).map(|at| Move {
        tenant: format!("tenant-{at:05}"),
        from: match from {
            None if first => None,
            from => Some(from.map_or(TARGET, |from| one_of(from, at))),
        },
        to: to.map_or(TARGET, |to| one_of(to, at)),
    });
    let flip = Flip {
        environment: "production".to_owned(),
        moves: moves.collect(),
        reason: reason.to_owned(),
        wave: (reason == "rollout").then(|| WaveOfFlip {
            attempt: 1,
            wave: WAVE.to_owned(),
        }),
    };
    let start = Instant::now();
    let done = mapping.flip(&flip).await.expect("the database answers");
    let took = start.elapsed();
    assert_eq!(done, FlipOutcome::Done);
    took
}

/// What a person would do, as PostgreSQL times it: without the start of psql.
fn plain(database: &Database, version: i32) -> Duration {
    let sql = format!(
        "\\timing on\nUPDATE tenant_version SET model_version_id = {version}, updated_at = now() \
         WHERE tenant_environment = 'production';"
    );
    let told = database.psql(&sql);
    let took = told.lines().find_map(|line| line.strip_prefix("Time: "));
    let took = took.and_then(|time| time.split(' ').next()?.parse::<f64>().ok());
    Duration::from_secs_f64(took.expect("psql tells the time") / 1000.0)
}
