//! One pass a key at a time, pauses that grow, and those that end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

const FOREVER: Duration = Duration::from_secs(3600);

fn pace(concurrency: usize) -> Pace {
    Pace {
        first_pause: Duration::from_millis(10),
        ..Pace::of(concurrency)
    }
}

/// Runs the queue until the pass has been called `calls` times; gives the keys and the times of the calls.
async fn calls(
    pace: Pace,
    keys: &[&'static str],
    calls: usize,
    next: impl Fn(usize) -> Option<Next> + Send + Sync + 'static,
) -> Vec<(&'static str, Instant)> {
    let (asker, queue) = queue(pace);
    keys.iter().for_each(|key| asker.ask(*key));
    let log = Arc::new(Mutex::new(Vec::new()));
    let stop = CancellationToken::new();
    let next = Arc::new(next);
    let work = queue.work(stop.clone(), |key| {
        let (log, stop, next) = (Arc::clone(&log), stop.clone(), Arc::clone(&next));
        async move {
            let call = {
                let mut log = log.lock().unwrap();
                log.push((key, Instant::now()));
                log.len()
            };
            if call == calls {
                stop.cancel();
            }
            next(call)
        }
    });
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("the calls are made")
        .unwrap();
    let log = log.lock().unwrap();
    log.clone()
}

#[tokio::test]
async fn a_key_never_runs_twice_at_once_and_what_changes_meanwhile_brings_another_pass() {
    let (asker, queue) = queue(pace(4));
    let asker = Arc::new(asker);
    let (running, most, passes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((running, most, passes));
    let stop = CancellationToken::new();
    asker.ask("one");
    let work = queue.work(stop.clone(), |key| {
        let (counts, asker, stop) = (Arc::clone(&counts), Arc::clone(&asker), stop.clone());
        async move {
            let (running, most, passes) = &*counts;
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Several changes during one pass are one more pass.
            if passes.fetch_add(1, Ordering::SeqCst) == 0 {
                (0..5).for_each(|_| asker.ask(key));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            if passes.load(Ordering::SeqCst) == 2 {
                stop.cancel();
            }
            Some(Next::After(FOREVER))
        }
    });
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("there are two passes")
        .unwrap();
    assert_eq!(counts.1.load(Ordering::SeqCst), 1, "one at a time");
    assert_eq!(counts.2.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_more_passes_run_than_there_is_room_for() {
    let (asker, queue) = queue(pace(2));
    (0..6).for_each(|key| asker.ask(key));
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)));
    let stop = CancellationToken::new();
    let work = queue.work(stop.clone(), |_| {
        let (counts, stop) = (Arc::clone(&counts), stop.clone());
        async move {
            let (running, most, ended) = &*counts;
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            if ended.fetch_add(1, Ordering::SeqCst) == 5 {
                stop.cancel();
            }
            None
        }
    });
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("every key has its pass")
        .unwrap();
    assert_eq!(counts.1.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn failures_wait_longer_each_time_and_a_success_forgets_them() {
    let log = calls(pace(1), &["one"], 6, |call| {
        Some(if call == 4 {
            Next::Again
        } else {
            Next::Backoff { after: None }
        })
    })
    .await;
    let pauses: Vec<_> = log.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let millis = Duration::from_millis;
    assert!(
        pauses[0] >= millis(10) && pauses[1] >= millis(20) && pauses[2] >= millis(40),
        "{pauses:?}"
    );
    assert!(pauses[3] < millis(40), "again is at once: {pauses:?}");
    assert!(
        pauses[4] >= millis(10) && pauses[4] < millis(40),
        "it begins anew: {pauses:?}"
    );
}

#[test]
fn pauses_end_at_the_longest_and_are_not_all_alike() {
    let pace = Pace::of(1);
    assert_eq!(pause(pace, 0, 0), Duration::from_secs(1));
    assert_eq!(pause(pace, 3, 0), Duration::from_secs(8));
    assert_eq!(pause(pace, u32::MAX, 0), Duration::from_secs(300));
    assert_ne!(pause(pace, 3, 500), pause(pace, 3, 999));
    assert!(pause(pace, 9, 999) <= Duration::from_secs(360));
}

#[tokio::test]
async fn the_other_side_is_not_asked_before_it_said() {
    let after = Duration::from_millis(60);
    let log = calls(pace(1), &["one"], 2, move |_| {
        Some(Next::Backoff { after: Some(after) })
    })
    .await;
    assert!(log[1].1 - log[0].1 >= after);
}

#[tokio::test]
async fn a_pause_of_ages_is_no_panic_and_others_go_on() {
    for next in [
        Next::After(Duration::MAX),
        Next::Backoff {
            after: Some(Duration::MAX),
        },
        Next::At(jiff::Timestamp::MAX),
    ] {
        let log = calls(pace(1), &["one", "two"], 2, move |_| Some(next)).await;
        assert_ne!(log[0].0, log[1].0, "{next:?}");
    }
}

#[tokio::test]
async fn a_change_does_not_wait_for_the_pause() {
    let (asker, queue) = queue(pace(1));
    asker.ask("one");
    let asker = Arc::new(asker);
    let stop = CancellationToken::new();
    let passes = Arc::new(AtomicUsize::new(0));
    let work = queue.work(stop.clone(), |key| {
        let (asker, stop, passes) = (Arc::clone(&asker), stop.clone(), Arc::clone(&passes));
        async move {
            if passes.fetch_add(1, Ordering::SeqCst) == 1 {
                stop.cancel();
            }
            // After the pass has ended, when its long pause has begun.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                asker.ask(key);
            });
            Some(Next::Backoff { after: Some(FOREVER) })
        }
    });
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("the change brings a pass")
        .unwrap();
}

#[tokio::test]
async fn a_flood_of_changes_is_spaced() {
    let spaced = Pace {
        spacing: Duration::from_millis(50),
        ..pace(1)
    };
    let log = calls(spaced, &["one"], 3, |_| Some(Next::Again)).await;
    assert!(log[2].1 - log[0].1 >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_panic_ends_the_queue() {
    let (asker, queue) = queue(pace(1));
    asker.ask("one");
    let work = queue.work(CancellationToken::new(), async |_| panic!("in a pass"));
    let ended = tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("it ends");
    assert!(ended.unwrap_err().is_panic());
}

#[test]
fn a_part_that_is_gone_for_an_hour_costs_each_key_few_passes() {
    for chance in [0, 999] {
        let mut left = Duration::from_secs(3600);
        let mut passes = 0;
        while let Some(rest) = left.checked_sub(pause(Pace::of(1), passes, chance)) {
            left = rest;
            passes += 1;
        }
        assert!((10..=24).contains(&passes), "{passes} passes in an hour");
    }
}

#[tokio::test]
async fn what_waits_is_told_until_a_pass_takes_it_and_what_is_for_later_is_not() {
    let (asker, queue) = queue(pace(1));
    let (waiting, stop) = (queue.waiting(), CancellationToken::new());
    ["one", "two", "three", "two"].iter().for_each(|key| asker.ask(*key));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let work = queue.work(stop.clone(), |_| {
        let (seen, waiting, stop) = (Arc::clone(&seen), waiting.clone(), stop.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let measure = waiting.measure("version");
            let mut seen = seen.lock().unwrap();
            seen.push((measure.depth, measure.oldest >= Duration::from_millis(5)));
            if seen.len() == 3 {
                stop.cancel();
            }
            Some(Next::After(FOREVER))
        }
    });
    work.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(2, true), (1, true), (0, false)]);
    let after = waiting.measure("version");
    assert_eq!((after.depth, after.oldest), (0, Duration::ZERO));
}
