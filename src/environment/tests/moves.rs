//! When rows move, and what keeps them.

use super::*;

#[tokio::test]
async fn a_pin_writes_its_row_says_so_and_then_writes_no_more() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    let first = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    let [report] = &first.pins[..] else { panic!("{first:?}") };
    assert_eq!(verdict(report, ACCEPTED), Some((Verdict::True, Reason::Valid)));
    assert_eq!(verdict(report, PINNED), Some((Verdict::True, Reason::RowWritten)));
    assert_eq!(verdict(report, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(ready(report), "tenant acme in production is on version 1");
    assert_eq!((report.version, report.previous_version), (Some(1), None));
    assert!(report.since.is_some() && report.row_seen);
    assert_eq!(first.next, Next::After(std::time::Duration::from_secs(300)));

    let mut witness = house.connection().await;
    let moved = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(Vec::from_iter(first.moved.clone()), [1]);
    let again = house.pass().await;
    assert!(again.moved.is_empty(), "{:?}", again.moved);
    let moved_before = first.moved.clone();
    assert_eq!(
        EnvironmentPass {
            moved: moved_before,
            ..again
        },
        first
    );
    let after: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(before, after, "the second pass wrote to the database");

    house.stage.declared.pin(pin("acme", ACME, 2));
    let moved = house.pass().await;
    assert_eq!(
        (moved.pins[0].version, moved.pins[0].previous_version),
        (Some(2), Some(1))
    );
    assert_eq!(Vec::from_iter(moved.moved), [1, 2]);
    assert_eq!(house.row().await, Some(2));
}

#[tokio::test]
async fn a_version_that_is_not_complete_is_awaited_and_never_pinned() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 3));
    house.stage.declared.pin(pin("globex", "globex", 9));
    let pass = house.pass().await;
    assert_eq!(house.rows().await, []);
    for report in &pass.pins {
        assert_eq!(
            verdict(report, RECONCILING),
            Some((Verdict::True, Reason::VersionNotComplete))
        );
        assert_eq!(
            verdict(report, READY),
            Some((Verdict::False, Reason::VersionNotComplete))
        );
        assert_eq!(verdict(report, STALLED), None);
    }
    assert!(
        ready(&pass.pins[0]).contains("version 3 is not complete yet"),
        "{}",
        ready(&pass.pins[0])
    );
    assert!(
        ready(&pass.pins[1]).contains("declare a ModelVersion with version 9"),
        "{}",
        ready(&pass.pins[1])
    );
    assert_eq!(pass.next, Next::After(std::time::Duration::from_secs(30)));
    house.complete(3).await;
    house.pass().await;
    assert_eq!(house.row().await, Some(3));
}

#[tokio::test]
async fn production_follows_what_ran_in_staging() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2).requiring("staging", 0));
    let waits = house.pass().await;
    assert_eq!(
        verdict(&waits.pins[0], WAITING),
        Some((Verdict::True, Reason::RequirementNotMet))
    );
    assert_eq!(
        verdict(&waits.pins[0], READY),
        Some((Verdict::True, Reason::RequirementNotMet))
    );
    assert_eq!(
        verdict(&waits.pins[0], PINNED),
        Some((Verdict::False, Reason::RequirementNotMet))
    );
    assert!(
        ready(&waits.pins[0]).contains("must first run version 2 in staging"),
        "{}",
        ready(&waits.pins[0])
    );

    let staging = pin("acme-staging", ACME, 2).with(|pin| pin.spec.environment = "staging".to_owned());
    house.stage.declared.pin(staging);
    house.pass_of("staging").await;
    let soaks = pin("acme", ACME, 2).requiring("staging", 200);
    house.stage.declared.pin(soaks);
    let soaking = house.pass().await;
    let Next::At(wake) = soaking.next else {
        panic!("{:?}", soaking.next)
    };
    assert!(wake <= at(1200) && wake > at(1100), "{wake}");
    assert!(
        ready(&soaking.pins[0]).contains("it does since"),
        "{}",
        ready(&soaking.pins[0])
    );

    house.stage.declared.pin(pin("acme", ACME, 2).requiring("staging", 0));
    assert_eq!(house.pass().await.pins[0].version, Some(2));
}

#[tokio::test]
async fn a_hold_keeps_the_row_and_an_expired_one_is_ignored_and_said() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2).held(Some(1001)));
    let held = house.pass().await;
    assert_eq!(house.row().await, Some(1));
    assert_eq!(held.next, Next::At(at(1001)));
    assert_eq!(verdict(&held.pins[0], WAITING), Some((Verdict::True, Reason::Held)));
    assert!(
        ready(&held.pins[0]).contains("quarter close"),
        "{}",
        ready(&held.pins[0])
    );

    house.stage.declared.pin(pin("acme", ACME, 2).held(Some(999)));
    let moved = house.pass().await;
    assert_eq!(house.row().await, Some(2));
    assert!(
        ready(&moved.pins[0]).contains("is ignored"),
        "{}",
        ready(&moved.pins[0])
    );
    assert_eq!(verdict(&moved.pins[0], WAITING), None);
}

#[tokio::test]
async fn another_hand_is_not_fought_over_until_a_person_says_so() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 2));
    house.pass().await;
    house.by_hand("UPDATE tenant_version SET model_version_id = 1").await;
    let waits = house.pass().await;
    assert_eq!(
        verdict(&waits.pins[0], WAITING),
        Some((Verdict::True, Reason::ChangedOutside))
    );
    let message = ready(&waits.pins[0]);
    for part in [
        "is on version 1",
        "by the ledger is on version 2",
        "wavepin.dev/restore-row: \"1->2\"",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        (waits.pins[0].version, waits.pins[0].previous_version),
        (Some(1), Some(2))
    );
    assert_eq!(house.pass().await, waits, "and it is put on record once");
    assert_eq!(house.row().await, Some(1));

    house.stage.declared.pin(pin("acme", ACME, 2).restoring("1->2"));
    assert_eq!(
        verdict(&house.pass().await.pins[0], READY),
        Some((Verdict::True, Reason::Converged))
    );
    assert_eq!(house.row().await, Some(2));
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM wavepin_pin_event WHERE kind = 'flip' ORDER BY id")
            .fetch_all(&mut house.connection().await)
            .await
            .unwrap();
    assert_eq!(reasons, ["spec.version", "restore-row"]);
}

#[tokio::test]
async fn a_hand_between_the_look_and_the_write_wins() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.pin(pin("acme", ACME, 2));
    let file = house.file();
    // The time is asked for after the look.
    *house.stage.clock.then.lock().unwrap() = Some(Box::new(move || {
        let hand = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = SqliteConnection::connect(&file).await.unwrap();
                sqlx::query("DELETE FROM tenant_version")
                    .execute(&mut connection)
                    .await
                    .unwrap();
            });
        });
        hand.join().unwrap();
    }));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None, "a row that was not as presumed is not written");
    assert_eq!(
        verdict(&pass.pins[0], WAITING),
        Some((Verdict::True, Reason::ChangedOutside))
    );
    assert!(ready(&pass.pins[0]).contains("\"none->2\""), "{}", ready(&pass.pins[0]));
}
