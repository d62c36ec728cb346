//! The request budget, whatever database it stands in.

use std::sync::Arc;
use std::time::Duration;

use wavepin::ports::window::Throttle;
use wavepin::ports::{Ask, Budget, MappingErrorKind, Outcome, Place, Return, Told};

use super::bed::Bed;

const MINUTE: Duration = Duration::from_secs(60);

fn ask(rate: u32) -> Ask {
    Ask {
        key: "ab12".to_owned(),
        rate,
        window: MINUTE,
        hold: 2 * MINUTE,
    }
}

async fn taken(budget: &dyn Budget, ask: &Ask) -> Return {
    match budget.take_place(ask).await.unwrap() {
        Place::Taken { id, told } => Return {
            ask: ask.clone(),
            id,
            recovering: told.recovering,
            outcome: Outcome::Unknown,
        },
        Place::Later { after, told } => panic!("no place for {after:?}: {told:?}"),
    }
}

async fn later(budget: &dyn Budget, ask: &Ask) -> (Duration, Told) {
    match budget.take_place(ask).await.unwrap() {
        Place::Later { after, told } => (after, told),
        Place::Taken { id, told } => panic!("there was place {id}: {told:?}"),
    }
}

async fn end(budget: &dyn Budget, place: &Return, outcome: Outcome) {
    let place = Return {
        outcome,
        ..place.clone()
    };
    budget.give_back(&place).await.unwrap();
}

/// Waits for something that the database's clock does.
async fn soon(budget: &dyn Budget, ask: &Ask) -> Return {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        match budget.take_place(ask).await.unwrap() {
            Place::Taken { id, told } => {
                return Return {
                    ask: ask.clone(),
                    id,
                    recovering: told.recovering,
                    outcome: Outcome::Unknown,
                };
            }
            Place::Later { after, told } => {
                assert!(tokio::time::Instant::now() < patience, "{told:?}");
                tokio::time::sleep(after).await;
            }
        }
    }
}

fn throttled(retry_after: Option<Duration>) -> Outcome {
    Outcome::Throttled(Throttle { retry_after, chance: 0 })
}

pub(super) async fn a_window_holds_as_many_as_the_lowest_rate_allows(bed: Bed) {
    let budget = bed.budgets().await.budget;
    taken(&*budget, &ask(3)).await;
    taken(&*budget, &ask(5)).await;
    let (after, told) = later(&*budget, &ask(2)).await;
    assert_eq!((told.used, told.rate), (2, 2));
    assert!(after <= MINUTE && after > MINUTE / 2, "{after:?}");
    taken(&*budget, &ask(9)).await;
    let (_, told) = later(&*budget, &ask(9)).await;
    assert_eq!((told.used, told.rate), (3, 3), "the lower rate is still asked for");
    let seen = budget.standing("ab12", 9).await.unwrap();
    assert_eq!(seen, told, "who takes no place is told the same");
    let seen = budget.standing("another", 9).await.unwrap();
    assert_eq!((seen.used, seen.rate, seen.paused), (0, 9, false));
}

pub(super) async fn a_place_comes_back_a_window_after_it_is_given_back(bed: Bed) {
    let budget = bed.budgets().await.budget;
    let window = Duration::from_millis(300);
    let ask = Ask { window, ..ask(1) };
    let place = taken(&*budget, &ask).await;
    tokio::time::sleep(window).await;
    let (after, _) = later(&*budget, &ask).await;
    assert!(after <= window, "{after:?}: it may be given back at once");
    let back = std::time::Instant::now();
    end(&*budget, &place, Outcome::Accepted).await;
    let (after, _) = later(&*budget, &ask).await;
    assert!(after <= window && after > Duration::ZERO, "{after:?}");
    soon(&*budget, &ask).await;
    assert!(back.elapsed() >= window);
    let slots = bed.ledger("budget_slot");
    let held = bed
        .by_hand(&format!("SELECT CAST(count(*) AS text) FROM {slots}"))
        .await;
    assert_eq!(held, ["1"], "what is free is deleted");
}

pub(super) async fn a_place_that_nobody_gives_back_is_free_when_its_hold_ends(bed: Bed) {
    let budget = bed.budgets().await.budget;
    let hold = Duration::from_millis(400);
    let ask = Ask { hold, ..ask(1) };
    let taken_at = std::time::Instant::now();
    let place = taken(&*budget, &ask).await;
    soon(&*budget, &ask).await;
    assert!(taken_at.elapsed() >= hold);
    // Given back after all, when another has taken its room.
    end(&*budget, &place, throttled(None)).await;
    let (_, told) = later(&*budget, &ask).await;
    assert!(!told.paused, "it is too long ago to tell anything");
}

pub(super) async fn what_was_sent_is_known_to_the_next_writer_and_the_older_one_gets_no_place(bed: Bed) {
    let older = bed.budgets().await.budget;
    let place = taken(&*older, &ask(2)).await;
    let newer = bed.budgets().await.budget;
    let refused = older.take_place(&ask(2)).await.unwrap_err();
    assert!(matches!(refused.kind, MappingErrorKind::Contended), "{refused}");
    assert!(
        refused.to_string().contains("a place in the request budget"),
        "{refused}"
    );
    let refused = older.give_back(&place).await.unwrap_err();
    assert!(matches!(refused.kind, MappingErrorKind::Contended), "{refused}");
    taken(&*newer, &ask(2)).await;
    let (_, told) = later(&*newer, &ask(2)).await;
    assert_eq!(told.used, 2);
}

pub(super) async fn a_pause_holds_for_all_and_one_goes_ahead_alone(bed: Bed) {
    let budget = bed.budgets().await.budget;
    let ask = ask(10);
    let (first, second) = (taken(&*budget, &ask).await, taken(&*budget, &ask).await);
    let pause = Duration::from_millis(500);
    end(&*budget, &first, throttled(Some(pause))).await;
    let (after, told) = later(&*budget, &ask).await;
    assert!(told.paused && after <= pause && after > Duration::ZERO, "{after:?}");
    end(&*budget, &second, throttled(None)).await;
    let probe = soon(&*budget, &ask).await;
    assert!(probe.recovering);
    let (after, told) = later(&*budget, &ask).await;
    assert!(!told.paused && told.recovering, "{told:?}");
    assert_eq!(
        after,
        MINUTE / 60,
        "another process may have sent it, and does not tell"
    );
    end(&*budget, &probe, Outcome::Accepted).await;
    let next = taken(&*budget, &ask).await;
    taken(&*budget, &ask).await;
    later(&*budget, &ask).await;
    end(&*budget, &next, throttled(None)).await;
    let (after, told) = later(&*budget, &ask).await;
    assert!(
        told.paused && after <= MINUTE / 12 && after > MINUTE / 24,
        "{after:?}: the first strike again"
    );
}

pub(super) async fn of_many_that_ask_at_once_no_more_get_a_place_than_there_are(bed: Bed) {
    let connected = bed.budgets().await;
    let asks = (0..40).map(|_| {
        let budget = Arc::clone(&connected.budget);
        tokio::spawn(async move { budget.take_place(&ask(7)).await.unwrap() })
    });
    let asks: Vec<_> = asks.collect();
    let mut got = 0;
    for ask in asks {
        got += usize::from(matches!(ask.await.unwrap(), Place::Taken { .. }));
    }
    assert_eq!(got, 7);
}

pub(super) async fn a_clock_that_was_set_back_is_noticed(bed: Bed) {
    let budget = bed.budgets().await.budget;
    let window = Duration::from_millis(200);
    let ask = Ask {
        window,
        hold: window,
        ..ask(1)
    };
    let place = taken(&*budget, &ask).await;
    end(&*budget, &place, throttled(Some(MINUTE))).await;
    assert!(budget.standing("ab12", 1).await.unwrap().paused);
    let (slots, keys) = (bed.ledger("budget_slot"), bed.ledger("budget_key"));
    let (slot, key) = if slots.contains('.') {
        ("free_at + interval '1 day'", "paused_until + interval '1 day'")
    } else {
        ("free_at + 86400000000", "paused_until + 86400000000")
    };
    bed.by_hand(&format!("UPDATE {slots} SET free_at = {slot}")).await;
    bed.by_hand(&format!("UPDATE {keys} SET paused_until = {key}")).await;
    assert!(
        !budget.standing("ab12", 1).await.unwrap().paused,
        "no pause lasts a day"
    );
    soon(&*budget, &ask).await;
}

pub(super) async fn keys_have_nothing_to_do_with_each_other(bed: Bed) {
    let budget = bed.budgets().await.budget;
    let place = taken(&*budget, &ask(1)).await;
    end(&*budget, &place, throttled(None)).await;
    let other = Ask {
        key: "cd34".to_owned(),
        ..ask(1)
    };
    taken(&*budget, &other).await;
}
