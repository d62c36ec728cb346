//! The real controller, killed by SIGKILL in the middle of a rollout, and the next one that goes on: at every SQL statement
//! (a line to PostgreSQL that can read) and at every write of a status, and at events (a front before the API server).
//!
//! An unharmed life is recorded first; each point of it is then the last one of a process, before what it asks for is done,
//! or after, with the answer unread. Several processes die in a life. Every life has a namespace and a database of its own, and ends as the unharmed one does.

mod ground;
mod life;
mod outcome;
mod statements;
mod trap;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, stream};

use self::ground::Ground;
use self::life::{Aim, Ended, live};
use self::trap::{Moment, Point};
use self::writes::{EVENT, STATUS};
use crate::parts::dice::{Dice, say, seed};

/// How many lives go on at the same time: much of one is waiting.
const SIDE_BY_SIDE: usize = 6;

/// How many processes die in a life: a life costs more than a death.
const DEATHS: usize = 10;

/// Every point of an unharmed life; or, unless all are asked for, some that chance takes of each thing that it does: its
/// first or its last, before or after; of statuses, which are written often and are of few kinds, more.
fn points(seen: &BTreeMap<String, usize>, dice: &mut Dice) -> Vec<Point> {
    let whole = std::env::var("WAVEPIN_MATRIX").is_ok_and(|matrix| matrix == "whole");
    let mut points = BTreeSet::new();
    for (what, count) in seen {
        let mut take = |nth, moment| {
            points.insert(Point {
                what: what.clone(),
                nth,
                moment,
            });
        };
        if whole {
            let all = (1..=*count).flat_map(|nth| Moment::BOTH.map(|moment| (nth, moment)));
            all.for_each(|(nth, moment)| take(nth, moment));
            continue;
        }
        take([1, *count][dice.roll(2)], Moment::BOTH[dice.roll(2)]);
        if what.starts_with(STATUS) {
            for _ in 0..4 {
                take(1 + dice.roll(*count), Moment::BOTH[dice.roll(2)]);
            }
        }
    }
    points.into_iter().collect()
}

/// Lives to the end with a death at each point, so many of them in each life. Gives back which were not met, since passes come as they
/// come, and which lives ended otherwise.
async fn deaths(
    ground: &Arc<Ground>,
    aim: Aim,
    points: Vec<Point>,
    each: usize,
    expected: &Ended,
) -> (Vec<Point>, Vec<String>) {
    let lives = points.len().div_ceil(each);
    let of_life = |life: usize| -> Vec<Point> { points.iter().skip(life).step_by(lives.max(1)).cloned().collect() };
    let mut lives = stream::iter((0..lives).map(of_life).collect::<Vec<_>>())
        .map(|points| {
            let (ground, expected) = (Arc::clone(ground), expected.outcome.clone());
            let life = tokio::spawn(live(ground, aim, points, Some(expected)));
            async move { life.await.map_err(|panicked| panicked.to_string()).flatten() }
        })
        .buffer_unordered(SIDE_BY_SIDE);
    let (mut struck, mut wrong) = (Vec::new(), Vec::new());
    while let Some(life) = lives.next().await {
        match life {
            Ok(ended) => struck.extend(ended.struck),
            Err(why) => wrong.push(why),
        }
    }
    let unmet = points.iter().filter(|point| !struck.contains(point)).cloned();
    (unmet.collect(), wrong)
}

/// An unharmed life, and then the deaths. Each kind of thing that it does must have been struck.
async fn at_every(aim: Aim, name: &str) {
    let begun = Instant::now();
    let (seed, ground) = (seed(), Arc::new(Ground::new().await));
    let unharmed = live(Arc::clone(&ground), aim, Vec::new(), None)
        .await
        .expect("nothing disturbs it");
    let points = points(&unharmed.seen, &mut Dice::new(seed));
    let (kinds, in_all) = (unharmed.seen.len(), unharmed.seen.values().sum::<usize>());
    say(&format!(
        "{name}: {kinds} kinds, {in_all} in all; {} deaths to die after {:.0?}",
        points.len(),
        begun.elapsed()
    ));
    let (unmet, wrong) = deaths(&ground, aim, points.clone(), DEATHS, &unharmed).await;
    assert!(wrong.is_empty(), "WAVEPIN_SEED={seed}\n{}", wrong.join("\n\n"));

    // What comes by time comes not as often in every life: it is met at its first then, and by nothing else.
    let met: BTreeSet<&String> = points
        .iter()
        .filter(|it| !unmet.contains(it))
        .map(|it| &it.what)
        .collect();
    let missing = unharmed.seen.keys().filter(|what| !met.contains(what));
    let first = missing.map(|what| Point {
        what: what.clone(),
        nth: 1,
        moment: Moment::After,
    });
    let first: Vec<Point> = first.collect();
    let (mut never, wrong) = deaths(&ground, aim, first.clone(), 1, &unharmed).await;
    say(&format!(
        "{name}: {} deaths at {} of {kinds} kinds, {in_all} in an unharmed life, in {:.0?}; WAVEPIN_SEED={seed}",
        points.len() - unmet.len() + first.len() - never.len(),
        kinds - never.len(),
        begun.elapsed(),
    ));
    assert!(wrong.is_empty(), "WAVEPIN_SEED={seed}\n{}", wrong.join("\n\n"));
    // An event is told at most once: it may have died with a process that was killed at something else.
    never.retain(|point| !point.what.starts_with(EVENT));
    assert!(never.is_empty(), "WAVEPIN_SEED={seed}: never met: {never:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_sql_statement_of_a_rollout_the_end_is_the_same() {
    at_every(Aim::Statements, "statements").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_status_write_of_a_rollout_the_end_is_the_same() {
    at_every(Aim::Writes, "status writes").await;
}
