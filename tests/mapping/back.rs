//! Rollouts that are stopped, rows that go back, and the orders of people.

use wavepin::mapping::{MappingOptions, open};
use wavepin::ports::{
    Command, Flip, FlipOutcome, MappingErrorKind, Move, Ordered, RolloutEvent, RolloutStep, Scope, StopKind, WaveOfFlip,
};

use super::bed::Bed;
use super::scenarios::{complete, flip, happens, kind};

pub(crate) async fn a_stopped_rollout_is_one_that_goes_on_from_nothing(bed: Bed) {
    let mapping = bed.writer().await;
    let step = |attempt, target, step| RolloutEvent {
        attempt,
        target,
        ..happens(step)
    };
    let stopped = |kind, wave: Option<&str>| RolloutStep::Stopped {
        kind,
        wave: wave.map(str::to_owned),
        why: "errors".to_owned(),
    };
    let look = async || mapping.environment("production", &[], None).await.unwrap().rollouts;
    let first = [
        step(1, 1, RolloutStep::Started),
        step(1, 1, RolloutStep::Completed),
        step(2, 2, RolloutStep::Started),
        step(2, 2, stopped(StopKind::Paused, None)),
        step(3, 2, RolloutStep::Started),
        step(3, 2, RolloutStep::Completed),
    ];
    mapping.record_rollout("production", &first).await.unwrap();
    let done = look().await;
    assert_eq!(
        (done.baseline(), done.completed.clone()),
        (Some(2), vec![(1, 1), (3, 2)])
    );
    assert_eq!(done.attempt.unwrap().first, 2, "a paused one is gone on from");

    let back = [
        step(3, 2, stopped(StopKind::Ordered, Some("canary"))),
        step(3, 2, stopped(StopKind::RolledBack, None)),
    ];
    for _ in 0..2 {
        mapping.record_rollout("production", &back).await.unwrap();
    }
    let taken = look().await;
    assert_eq!((taken.baseline(), taken.was_completed(2)), (Some(1), false));
    let attempt = taken.attempt.unwrap();
    let stops = attempt
        .stops
        .iter()
        .map(|stop| (stop.kind, stop.wave.as_deref(), stop.why.as_str()));
    assert_eq!(
        stops.collect::<Vec<_>>(),
        [
            (StopKind::Ordered, Some("canary"), "errors"),
            (StopKind::RolledBack, None, "errors")
        ]
    );
    assert!(attempt.completed_at.is_none());
    let wave = |attempt| WaveOfFlip {
        attempt,
        wave: "rest".to_owned(),
    };
    assert_eq!([1, 2, 3].map(|of| attempt.takes_back(&wave(of))), [false, true, true]);

    mapping
        .record_rollout("production", &[step(4, 2, RolloutStep::Started)])
        .await
        .unwrap();
    assert_eq!(look().await.attempt.unwrap().first, 4);
}

pub(crate) async fn rows_go_back_each_to_its_own_version_whole_or_not_at_all(bed: Bed) {
    let mapping = bed.writer().await;
    for version in 1..=3 {
        complete(&*mapping, version).await;
    }
    mapping.flip(&flip(1, &[("a", None)])).await.unwrap();
    mapping.flip(&flip(2, &[("b", None)])).await.unwrap();
    mapping
        .flip(&flip(3, &[("a", Some(1)), ("b", Some(2)), ("c", None)]))
        .await
        .unwrap();
    let to = |tenant: &str, from, to| Move {
        tenant: tenant.to_owned(),
        from: Some(from),
        to,
    };
    let back = |moves: Vec<Move>| Flip {
        environment: "production".to_owned(),
        moves,
        reason: "rolled-back".to_owned(),
        wave: None,
    };
    let not_complete = back(vec![to("a", 3, 1), to("b", 3, 9)]);
    assert_eq!(mapping.flip(&not_complete).await.unwrap(), FlipOutcome::NotComplete);
    let moved = back(vec![to("a", 3, 1), to("b", 2, 1)]);
    let outcome = mapping.flip(&moved).await.unwrap();
    assert_eq!(outcome, FlipOutcome::Moved(vec!["b".to_owned()]));
    let held = async || {
        let rows = mapping.environment("production", &[], None).await.unwrap().rows;
        rows.into_values().collect::<Vec<_>>()
    };
    assert_eq!(held().await, [3, 3, 3], "nothing of what was refused");

    let both = back(vec![to("a", 3, 1), to("b", 3, 2)]);
    assert_eq!(mapping.flip(&both).await.unwrap(), FlipOutcome::Done);
    assert_eq!(held().await, [1, 2, 3]);
    let events = mapping.environment("production", &[], None).await.unwrap().events;
    let last = |tenant: &str| {
        let last = events[tenant].last().unwrap();
        (last.from, last.to, last.cause.reason.clone())
    };
    assert_eq!(last("a"), (Some(3), Some(1), "rolled-back".to_owned()));
    assert_eq!(last("b"), (Some(3), Some(2), "rolled-back".to_owned()));
}

pub(crate) async fn orders_stand_until_they_are_lifted_and_need_no_fence(bed: Bed) {
    let mapping = bed.writer().await;
    assert_eq!(mapping.newest_command().await.unwrap(), 0);
    let options = MappingOptions {
        read_only: true,
        takes_commands: true,
        ..bed.options.clone()
    };
    let person = open(&bed.url, options).await.unwrap().mapping;
    person.prepare("anybody", None).await.unwrap();
    let command = |what| Command {
        environment: "production".to_owned(),
        what,
        by: "anna".to_owned(),
        reason: "numbers are off".to_owned(),
    };
    let scopes = [
        Scope::Rollout { attempt: 2 },
        Scope::Wave {
            attempt: 2,
            wave: "canary".to_owned(),
        },
        Scope::Tenant("acme".to_owned()),
    ];
    let mut numbers = Vec::new();
    for scope in scopes.clone() {
        numbers.push(person.give_command(&command(Ordered::RollBack(scope))).await.unwrap());
    }
    assert_eq!(mapping.newest_command().await.unwrap(), numbers[2]);
    let orders = async || mapping.environment("production", &[], None).await.unwrap().orders;
    let standing = orders().await;
    assert!(
        standing
            .iter()
            .all(|order| order.by == "anna" && order.reason == "numbers are off")
    );
    let seen = standing.into_iter().map(|order| (order.number, order.scope));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        numbers.iter().copied().zip(scopes).collect::<Vec<_>>()
    );
    assert!(
        mapping
            .environment("staging", &[], None)
            .await
            .unwrap()
            .orders
            .is_empty()
    );

    let tended = async || Vec::from_iter(mapping.tended_environments().await.unwrap());
    assert_eq!(
        tended().await,
        ["production"],
        "nobody is claimed there, but orders stand"
    );
    person.give_command(&command(Ordered::Lift(numbers[1]))).await.unwrap();
    let left: Vec<_> = orders().await.into_iter().map(|order| order.number).collect();
    assert_eq!(left, [numbers[0], numbers[2]]);
    for number in [numbers[0], numbers[2]] {
        assert_eq!(tended().await, ["production"]);
        person.give_command(&command(Ordered::Lift(number))).await.unwrap();
    }
    assert_eq!(tended().await, [""; 0], "nothing stands any more");
    // What an order is about was looked at before it is given: another attempt may have begun since.
    let begun = RolloutEvent {
        attempt: 3,
        ..happens(RolloutStep::Started)
    };
    mapping.record_rollout("production", &[begun]).await.unwrap();
    let order = |attempt| command(Ordered::RollBack(Scope::Rollout { attempt }));
    let late = person.give_command(&order(2)).await.unwrap_err();
    assert!(
        late.to_string()
            .contains("attempt 2 of the rollout is over, since attempt 3"),
        "{late}"
    );
    assert_eq!(tended().await, [""; 0]);
    let number = person.give_command(&order(3)).await.unwrap();
    // Nor does another attempt begin while one is ordered back: whoever decided it has not seen the order.
    let next = RolloutEvent {
        attempt: 4,
        ..happens(RolloutStep::Started)
    };
    let blind = mapping.record_rollout("production", std::slice::from_ref(&next)).await;
    let why = blind.unwrap_err().to_string();
    assert!(
        why.contains("attempt 4 does not begin, since anna has ordered"),
        "{why}"
    );
    person.give_command(&command(Ordered::Lift(number))).await.unwrap();
    let tenant = command(Ordered::RollBack(Scope::Tenant("t1".to_owned())));
    person.give_command(&tenant).await.unwrap();
    mapping
        .record_rollout("production", &[next])
        .await
        .expect("an order about one tenant stops no rollout");
    let lift_of_nothing = person.give_command(&command(Ordered::Lift(999))).await;
    assert!(matches!(kind(lift_of_nothing), MappingErrorKind::Refused { .. }));
    mapping
        .set_claims("production", &[])
        .await
        .expect("the fence is where it was");
    person
        .set_claims("production", &[])
        .await
        .expect_err("it writes nothing else");
}
