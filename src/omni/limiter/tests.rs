//! The laws of the budget, in real time with short windows.

use tokio::time::Instant;

use super::*;
use crate::ports::{Ask, MappingErrorKind, Outcome, Place, Return, Told};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

#[test]
fn no_window_ever_sees_more_sends_than_the_rate() {
    let window = Duration::from_millis(20);
    let arrivals = proptest::collection::vec((0_u64..30, 0_u64..15), 1..30);
    let mut runner = TestRunner::new(Config::with_cases(6));
    let law = (1_u32..6, arrivals);
    runner
        .run(&law, |(rate, arrivals)| {
            let sends = runtime().block_on(async {
                let limiter = Limiter::new(rate, window);
                let tasks = arrivals.into_iter().map(|(at, takes)| {
                    let limiter = Arc::clone(&limiter);
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(at)).await;
                        let slot = limiter.slot(Urgency::Going).await.unwrap();
                        let sent = Instant::now();
                        tokio::time::sleep(Duration::from_millis(takes)).await;
                        drop(slot);
                        sent
                    })
                });
                let tasks: Vec<_> = tasks.collect();
                let mut sends = Vec::new();
                for task in tasks {
                    sends.push(task.await.unwrap());
                }
                sends.sort();
                sends
            });
            let rate = rate as usize;
            for pair in sends.windows(rate + 1) {
                prop_assert!(pair[rate] - pair[0] >= window, "{rate}: {:?}", pair[rate] - pair[0]);
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn callers_get_their_turn_in_the_order_they_came() {
    let limiter = Limiter::new(1, Duration::from_millis(10));
    let first = limiter.slot(Urgency::Going).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..6 {
        let (limiter_of_task, order) = (Arc::clone(&limiter), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let _slot = limiter_of_task.slot(Urgency::Going).await.unwrap();
            order.lock().unwrap().push(number);
        }));
        while limiter.waiting() <= number {
            tokio::task::yield_now().await;
        }
    }
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_tenants_wait_for_goes_ahead_of_what_came_earlier() {
    let limiter = Limiter::new(1, Duration::from_millis(10));
    let first = limiter.slot(Urgency::Check).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    let classes = [
        Urgency::Check,
        Urgency::Check,
        Urgency::New,
        Urgency::Going,
        Urgency::Unstick,
    ];
    for (number, urgency) in classes.into_iter().enumerate() {
        let (limiter_of_task, order) = (Arc::clone(&limiter), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let _slot = limiter_of_task.slot(urgency).await.unwrap();
            order.lock().unwrap().push(urgency);
        }));
        while limiter.waiting() <= number {
            tokio::task::yield_now().await;
        }
    }
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!(
        order[..3],
        [Urgency::Unstick, Urgency::Going, Urgency::New],
        "{order:?}"
    );
}

#[tokio::test]
async fn a_slot_comes_back_a_window_after_its_answer_and_not_before() {
    let window = Duration::from_millis(50);
    let limiter = Limiter::new(2, window);
    let slow = limiter.slot(Urgency::Going).await.unwrap();
    tokio::time::sleep(window * 2).await;
    assert_eq!(limiter.used(), 1, "an unanswered request holds its slot");
    let answered = Instant::now();
    drop(slow);
    let second = limiter.slot(Urgency::Going).await.unwrap();
    let _third = limiter.slot(Urgency::Going).await.unwrap();
    assert!(answered.elapsed() >= window);
    drop(second);
}

#[tokio::test]
async fn a_caller_who_gives_up_takes_nothing() {
    let limiter = Limiter::new(1, Duration::from_millis(20));
    let slot = limiter.slot(Urgency::Going).await.unwrap();
    let gave_up = tokio::time::timeout(Duration::from_millis(5), limiter.slot(Urgency::Going)).await;
    assert!(gave_up.is_err());
    assert_eq!((limiter.used(), limiter.waiting()), (1, 0));
    drop(slot);
    let _next = limiter.slot(Urgency::Going).await.unwrap();
}

#[tokio::test]
async fn a_429_backs_everyone_off_for_as_long_as_the_server_says() {
    let limiter = Limiter::new(10, Duration::from_millis(10));
    let asked = Duration::from_millis(80);
    let refused_at = Instant::now();
    limiter.slot(Urgency::Going).await.unwrap().throttled(Some(asked));
    assert!(limiter.paused());
    let others = (0..4).map(|_| {
        let limiter = Arc::clone(&limiter);
        async move {
            let mut slot = limiter.slot(Urgency::Going).await.unwrap();
            slot.accepted();
            refused_at.elapsed()
        }
    });
    for waited in futures::future::join_all(others).await {
        assert!(waited >= asked, "{waited:?}");
    }
}

#[tokio::test]
async fn after_a_429_one_goes_ahead_alone() {
    let limiter = Limiter::new(10, Duration::from_millis(200));
    limiter
        .slot(Urgency::Going)
        .await
        .unwrap()
        .throttled(Some(Duration::ZERO));
    let mut probe = limiter.slot(Urgency::Going).await.unwrap();
    let second = tokio::time::timeout(Duration::from_millis(20), limiter.slot(Urgency::Going)).await;
    assert!(second.is_err(), "the probe has no answer yet");
    probe.accepted();
    drop(probe);
    let _both = (
        limiter.slot(Urgency::Going).await.unwrap(),
        limiter.slot(Urgency::Going).await.unwrap(),
    );
    assert_eq!(limiter.used(), 4, "slots from before the pause still count");
}

#[tokio::test]
async fn one_key_is_one_budget_and_the_lowest_rate_wins_while_it_is_asked_for() {
    let limiters = Limiters::new(Duration::from_secs(60));
    let key = SecretString::from("omni_osk_one");
    let many = limiters.limiter("https://acme.omniapp.co", &key, 3, None);
    let few = limiters.limiter("https://acme.omniapp.co/", &key, 1, None);
    let other_key = limiters.limiter("https://acme.omniapp.co", &SecretString::from("omni_osk_two"), 1, None);
    let _slot = many.slot(Urgency::Going).await.unwrap();
    assert_eq!((few.used(), other_key.used()), (1, 0));
    let blocked = tokio::time::timeout(Duration::from_millis(10), many.slot(Urgency::Going)).await;
    assert!(blocked.is_err(), "the lower rate is used up");
    drop(few);
    let _more = many.slot(Urgency::Going).await.unwrap();
}

#[tokio::test]
async fn a_budget_outlives_its_users_until_it_is_whole_again() {
    let limiters = Limiters::new(Duration::from_secs(60));
    let key = SecretString::from("omni_osk_one");
    let limiter = limiters.limiter("https://acme.omniapp.co", &key, 3, None);
    drop(limiter.slot(Urgency::Going).await.unwrap());
    drop(limiter);
    let again = limiters.limiter("https://acme.omniapp.co", &key, 3, None);
    assert_eq!(again.used(), 1);
}

#[test]
fn fingerprints_tell_lists_apart() {
    assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
}

/// A window in a database that a test plays.
#[derive(Default)]
struct Played {
    asked: Mutex<Vec<Ask>>,
    returned: Mutex<Vec<Return>>,
    /// What it answers; the last one again and again.
    answers: Mutex<Vec<Option<Place>>>,
    /// Whether it takes a place back.
    deaf: bool,
}

fn refused() -> MappingError {
    MappingError {
        action: "take a place in the request budget".to_owned(),
        kind: MappingErrorKind::Contended,
    }
}

#[async_trait::async_trait]
impl Budget for Played {
    async fn take_place(&self, ask: &Ask) -> Result<Place, MappingError> {
        self.asked.lock().unwrap().push(ask.clone());
        // No database answers at once: whoever else runs goes on meanwhile.
        tokio::task::yield_now().await;
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        };
        answer.ok_or_else(refused)
    }

    async fn give_back(&self, place: &Return) -> Result<(), MappingError> {
        self.returned.lock().unwrap().push(place.clone());
        if self.deaf { Err(refused()) } else { Ok(()) }
    }

    async fn standing(&self, _: &str, rate: u32) -> Result<Told, MappingError> {
        Ok(Told {
            rate,
            ..Told::default()
        })
    }
}

fn behind(played: &Arc<Played>, window: Duration) -> (Limiters, Arc<Limiter>) {
    let limiters = Limiters::new(window);
    let limiter = beside(&limiters, played);
    (limiters, limiter)
}

fn beside(limiters: &Limiters, played: &Arc<Played>) -> Arc<Limiter> {
    let shared = Shared {
        budget: Arc::clone(played) as _,
        request_timeout: Duration::from_millis(10),
    };
    limiters.limiter("https://acme.omniapp.co", &"key".into(), 3, Some(shared))
}

fn taken(id: i64) -> Option<Place> {
    let told = Told::default();
    Some(Place::Taken { id, told })
}

#[tokio::test]
async fn the_database_is_asked_once_for_the_time_that_it_names() {
    let after = Duration::from_millis(80);
    let told = Told::default();
    let played = Arc::new(Played {
        answers: Mutex::new(vec![Some(Place::Later { after, told }), taken(7)]),
        ..Played::default()
    });
    let (limiters, limiter) = behind(&played, Duration::from_secs(60));
    let start = Instant::now();
    let waiting = (0..3).map(|_| limiter.slot(Urgency::New));
    let slots: Vec<_> = futures::future::join_all(waiting)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(start.elapsed() >= after);
    assert_eq!(played.asked.lock().unwrap().len(), 4, "once in vain, and once a place");
    let blocked = tokio::time::timeout(Duration::from_millis(20), limiter.slot(Urgency::New)).await;
    assert!(blocked.is_err(), "this process sent three itself");
    assert_eq!(
        played.asked.lock().unwrap().len(),
        4,
        "which nobody need be asked about"
    );
    let measures = limiters.measures();
    assert_eq!(
        (measures.len(), measures[0].used, measures[0].paused),
        (1, 3, Duration::ZERO)
    );
    drop(slots);
}

#[tokio::test]
async fn how_a_request_ended_is_told_with_its_place() {
    let played = Arc::new(Played {
        answers: Mutex::new(vec![taken(7), taken(8), taken(9)]),
        ..Played::default()
    });
    let (_limiters, limiter) = behind(&played, Duration::from_millis(10));
    limiter.slot(Urgency::New).await.unwrap().accepted();
    limiter
        .slot(Urgency::New)
        .await
        .unwrap()
        .throttled(Some(Duration::ZERO));
    drop(limiter.slot(Urgency::New).await.unwrap());
    while played.returned.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    let mut returned = played.returned.lock().unwrap().clone();
    returned.sort_by_key(|it| it.id);
    let outcomes: Vec<_> = returned.iter().map(|it| it.outcome).collect();
    assert_eq!((outcomes[0], outcomes[2]), (Outcome::Accepted, Outcome::Unknown));
    assert!(matches!(outcomes[1], Outcome::Throttled(throttle) if throttle.retry_after == Some(Duration::ZERO)));
    let ask = &returned[0].ask;
    assert_eq!((ask.rate, ask.window), (3, Duration::from_millis(10)));
    assert!(
        ask.hold > ask.window + Duration::from_millis(10) && ask.key.len() == 64,
        "{ask:?}"
    );
}

#[tokio::test]
async fn without_a_place_there_is_no_request_and_others_ask_anew() {
    let played = Arc::new(Played {
        answers: Mutex::new(vec![None, taken(7)]),
        ..Played::default()
    });
    let (_limiters, limiter) = behind(&played, Duration::from_secs(60));
    let error = limiter.slot(Urgency::New).await.unwrap_err();
    assert!(matches!(error.kind, MappingErrorKind::Contended), "{error}");
    assert_eq!((limiter.used(), limiter.waiting()), (0, 0));
    limiter.slot(Urgency::New).await.unwrap();
}

#[tokio::test]
async fn a_place_that_the_database_did_not_take_back_is_held_for_as_long_as_there() {
    let played = Arc::new(Played {
        answers: Mutex::new(vec![taken(7)]),
        deaf: true,
        ..Played::default()
    });
    let window = Duration::from_millis(10);
    let (_limiters, limiter) = behind(&played, window);
    drop(limiter.slot(Urgency::New).await.unwrap());
    tokio::time::sleep(window * 10).await;
    assert_eq!(limiter.used(), 1);
}

#[tokio::test]
async fn two_instances_with_one_key_and_two_databases_share_the_window_of_their_process() {
    let database = || {
        Arc::new(Played {
            answers: Mutex::new(vec![taken(7)]),
            ..Played::default()
        })
    };
    let (one, other) = (database(), database());
    let (limiters, first) = behind(&one, Duration::from_secs(60));
    let second = beside(&limiters, &other);
    let waiting = (0..6).map(|at| {
        let limiter = Arc::clone(if at % 2 == 0 { &first } else { &second });
        tokio::time::timeout(
            Duration::from_millis(50),
            async move { limiter.slot(Urgency::New).await },
        )
    });
    let slots = futures::future::join_all(waiting).await;
    let taken = slots.iter().filter(|it| it.is_ok()).count();
    assert_eq!(taken, 3, "both databases have places, the key has three");
}

#[tokio::test]
async fn a_place_that_the_database_has_not_is_free_for_others_of_the_key() {
    let after = Duration::from_secs(60);
    let told = Told::default();
    let full = Arc::new(Played {
        answers: Mutex::new(vec![Some(Place::Later { after, told })]),
        ..Played::default()
    });
    let free = Arc::new(Played {
        answers: Mutex::new(vec![taken(7)]),
        ..Played::default()
    });
    let (limiters, waits) = behind(&full, Duration::from_secs(60));
    let goes = beside(&limiters, &free);
    let waiting = tokio::spawn(async move { waits.slot(Urgency::New).await });
    let slots = futures::future::join_all((0..3).map(|_| goes.slot(Urgency::New))).await;
    assert!(slots.iter().all(Result::is_ok));
    assert!(!waiting.is_finished());
    waiting.abort();
}
