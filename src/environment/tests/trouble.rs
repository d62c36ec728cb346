//! What is refused, fails or is not there.

use super::*;

#[tokio::test]
async fn a_refused_pin_is_told_and_the_rest_goes_on() {
    let house = House::new().await;
    house.stage.declared.pin(pin("bad", "globex", 0));
    house
        .stage
        .declared
        .pin(pin("itself", "initech", 1).requiring("production", 0));
    house.stage.declared.pin(pin("good", ACME, 1));
    let pass = house.pass().await;
    let [bad, good, itself] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    for (report, names) in [
        (bad, "TenantPin apps/bad: spec.version is 0"),
        (itself, "spec.requires.environment"),
    ] {
        assert_eq!(verdict(report, ACCEPTED), Some((Verdict::False, Reason::Invalid)));
        assert_eq!(verdict(report, STALLED), Some((Verdict::True, Reason::Invalid)));
        assert!(ready(report).contains(names), "{}", ready(report));
    }
    assert_eq!(verdict(good, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.rows().await.len(), 1);
}

#[tokio::test]
async fn an_effect_that_fails_is_told_on_its_pins_and_the_rest_goes_on() {
    let house = House::new().await;
    house
        .by_hand(
            "CREATE TRIGGER refuse BEFORE INSERT ON tenant_version WHEN new.model_version_id = 1 \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.pin(pin("globex", "globex", 2));
    let pass = house.pass().await;
    let [acme, globex] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert_eq!(
        verdict(acme, RECONCILING),
        Some((Verdict::True, Reason::MappingUnreachable))
    );
    assert!(ready(acme).contains("not this one"), "{}", ready(acme));
    assert_eq!(verdict(globex, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(pass.next, Next::Backoff { after: None });
}

#[tokio::test]
async fn a_suspended_instance_moves_nothing_and_blanks_nothing() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.instance(instance(spec(true)));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None);
    let report = &pass.pins[0];
    assert!(!report.row_seen);
    assert_eq!(verdict(report, READY), Some((Verdict::False, Reason::Suspended)));
    assert_eq!((verdict(report, STALLED), verdict(report, RECONCILING)), (None, None));
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_waited_for() {
    let house = House::new().await;
    let mut elsewhere = pin("acme", ACME, 1);
    elsewhere.spec.instance_ref.name = "later".to_owned();
    house.stage.declared.pin(elsewhere);
    let key = EnvironmentKey {
        namespace: "apps".to_owned(),
        instance: "later".to_owned(),
        environment: "production".to_owned(),
    };
    let pass = reconcile(&house.stage.world, &key).await.unwrap();
    let report = &pass.pins[0];
    assert_eq!(
        verdict(report, RECONCILING),
        Some((Verdict::True, Reason::InstanceNotReady))
    );
    assert_eq!(verdict(report, STALLED), None);
    assert!(
        ready(report).contains("OmniInstance apps/later is not there"),
        "{}",
        ready(report)
    );
}

#[rstest]
#[case::no_secret(
    || ConnectError::Missing { message: "Secret apps/db is not there".to_owned() },
    RECONCILING, Reason::SecretMissing, 0
)]
#[case::a_host_that_is_not_allowed(
    || ConnectError::Refused { reason: Reason::HostNotAllowed, message: "db.example is not in wavepin.dev/hosts".to_owned() },
    STALLED, Reason::HostNotAllowed, 1
)]
#[case::no_database(
    || ConnectError::Database { source: failing(MappingErrorKind::Unreachable { why: "connection refused".to_owned() }) },
    RECONCILING, Reason::MappingUnreachable, 1
)]
#[case::no_column(
    || ConnectError::Database { source: failing(MappingErrorKind::Schema { what: "tenant_version lacks tenant_id".to_owned() }) },
    STALLED, Reason::MappingSchema, 0
)]
#[tokio::test]
async fn a_mapping_that_cannot_be_used_is_told_on_every_pin(
    #[case] error: fn() -> ConnectError,
    #[case] condition: &str,
    #[case] reason: Reason,
    #[case] forgotten: usize,
) {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.pin(pin("bad", "globex", 0));
    *house.stage.wired.mapping.lock().unwrap() = Box::new(move || Err(error()));
    let pass = house.pass().await;
    let [acme, bad] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert!(!acme.row_seen, "an outage blanks no status");
    assert_eq!(verdict(acme, condition), Some((Verdict::True, reason)));
    assert_eq!(
        verdict(bad, STALLED),
        Some((Verdict::True, Reason::Invalid)),
        "known without a database"
    );
    let why = ready(acme);
    assert!(
        why.starts_with("tenant acme in production, to be on version 1: "),
        "{why}"
    );
    assert_eq!(*house.stage.wired.forgotten.lock().unwrap(), forgotten);
}

fn failing(kind: MappingErrorKind) -> MappingError {
    MappingError {
        action: "prepare the mapping".to_owned(),
        kind,
    }
}

#[rstest]
#[case::inserts(None)]
#[case::updates(Some(2))]
#[tokio::test]
async fn one_row_that_is_refused_keeps_no_other_from_moving(#[case] before: Option<i32>) {
    let house = House::new().await;
    let tenants = ["acme", "globex", "hooli", "initech", "umbrella"];
    if let Some(before) = before {
        for tenant in tenants {
            house.stage.declared.pin(pin(tenant, tenant, before));
        }
        house.pass().await;
    }
    house
        .by_hand(
            "CREATE TRIGGER unknown BEFORE INSERT ON tenant_version WHEN new.tenant_id = 'hooli' \
             BEGIN SELECT RAISE(ABORT, 'no such tenant'); END;
             CREATE TRIGGER still_unknown BEFORE UPDATE ON tenant_version WHEN new.tenant_id = 'hooli' \
             BEGIN SELECT RAISE(ABORT, 'no such tenant'); END",
        )
        .await;
    for tenant in tenants {
        house.stage.declared.pin(pin(tenant, tenant, 1));
    }
    let pass = house.pass().await;
    for report in &pass.pins {
        let (verdict, says) = (verdict(report, READY), ready(report).contains("no such tenant"));
        if report.name == "hooli" {
            assert_eq!(
                (verdict, says),
                (Some((Verdict::False, Reason::MappingUnreachable)), true)
            );
        } else {
            assert_eq!((verdict, says), (Some((Verdict::True, Reason::Converged)), false));
        }
    }
    let moved = house.rows().await.iter().filter(|(.., version)| *version == 1).count();
    assert_eq!(moved, 4);
    assert_eq!(
        *house.stage.wired.forgotten.lock().unwrap(),
        0,
        "no credential is at fault"
    );
    assert_eq!(pass.next, Next::Backoff { after: None });

    house.stage.declared.pin(pin("acme", ACME, 2).held(Some(1001)));
    assert_eq!(
        house.pass().await.next,
        Next::At(at(1001)),
        "what ends by itself is not put off"
    );
}

#[tokio::test]
async fn one_row_that_cannot_be_deleted_keeps_no_other_from_it() {
    let house = House::new().await;
    let tenants = ["acme", "globex", "hooli"];
    for tenant in tenants {
        let deleting = pin(tenant, tenant, 1).with(|pin| pin.spec.deletion_policy = PinDeletionPolicy::Delete);
        house.stage.declared.pin(deleting);
    }
    house.stage.declared.pin(pin("stays", "stays", 1));
    house.pass().await;
    house
        .by_hand(
            "CREATE TRIGGER referred BEFORE DELETE ON tenant_version WHEN old.tenant_id = 'globex' \
             BEGIN SELECT RAISE(ABORT, 'still referred to'); END",
        )
        .await;
    for tenant in tenants {
        house.stage.declared.delete(tenant);
    }
    house.stage.declared.pin(pin("stays", "stays", 2));
    let pass = house.pass().await;
    let left: Vec<_> = house
        .rows()
        .await
        .into_iter()
        .map(|(tenant, _, version)| (tenant, version))
        .collect();
    assert_eq!(left, [("globex".to_owned(), 1), ("stays".to_owned(), 2)]);
    assert_eq!(verdict(&pass.pins[0], READY), Some((Verdict::True, Reason::Converged)));
}

#[rstest]
#[case::tenant(pin("bad", "a\u{0}b", 1), "spec.tenant")]
#[case::environment_required(pin("bad", "globex", 1).requiring("sta\nging", 0), "spec.requires.environment")]
#[tokio::test]
async fn a_control_character_is_refused_before_the_database_meets_it(
    #[case] bad: crate::ports::Object<crate::resources::TenantPinSpec>,
    #[case] field: &str,
) {
    let house = House::new().await;
    house.stage.declared.pin(bad);
    house.stage.declared.pin(pin("good", ACME, 1));
    let pass = house.pass().await;
    let [bad, good] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert_eq!(verdict(bad, STALLED), Some((Verdict::True, Reason::Invalid)));
    assert!(
        ready(bad).contains(field) && ready(bad).contains("control characters"),
        "{}",
        ready(bad)
    );
    assert_eq!(verdict(good, READY), Some((Verdict::True, Reason::Converged)));
}
