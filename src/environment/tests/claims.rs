//! Whose word counts, and what becomes of it.

use super::*;

#[tokio::test]
async fn two_pins_for_one_tenant_are_told_apart_and_the_claim_passes_on() {
    let house = House::new().await;
    house.stage.declared.pin(pin("first", ACME, 1));
    house.pass().await;
    house
        .stage
        .declared
        .pin(pin("a-second", ACME, 2).with(|pin| pin.first_seen = at(-5)));
    let both = house.pass().await;
    let [second, first] = &both.pins[..] else {
        panic!("{both:?}")
    };
    assert_eq!(verdict(first, READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(verdict(second, STALLED), Some((Verdict::True, Reason::Conflict)));
    assert_eq!(verdict(second, ACCEPTED), Some((Verdict::False, Reason::Conflict)));
    assert!(ready(second).contains("apps/first"), "{}", ready(second));

    house.stage.declared.broken.lock().unwrap().push("first".to_owned());
    house.stage.declared.delete("first");
    let broken = house.pass().await;
    assert_eq!(
        verdict(&broken.pins[0], STALLED),
        Some((Verdict::True, Reason::Conflict))
    );

    house.stage.declared.broken.lock().unwrap().clear();
    let alone = house.pass().await;
    assert_eq!(verdict(&alone.pins[0], READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.row().await, Some(2));
}

#[rstest]
#[case::retain(PinDeletionPolicy::Retain, false, Some(1), 0)]
#[case::delete(PinDeletionPolicy::Delete, false, None, 0)]
#[case::a_folder_without_pruning(PinDeletionPolicy::Delete, true, Some(1), 1)]
#[tokio::test]
async fn a_deleted_pin_does_to_its_row_what_its_policy_says(
    #[case] policy: PinDeletionPolicy,
    #[case] keeps: bool,
    #[case] row: Option<i32>,
    #[case] claims: i64,
) {
    let house = House::new().await;
    if keeps {
        house.stage.declared.keep();
    }
    house
        .stage
        .declared
        .pin(pin("acme", ACME, 1).with(|pin| pin.spec.deletion_policy = policy));
    house.pass().await;
    house.stage.declared.delete("acme");
    assert_eq!(house.look("production").await.is_some(), keeps);
    assert_eq!(house.row().await, row);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM wavepin_claim")
        .fetch_one(&mut house.connection().await)
        .await
        .unwrap();
    assert_eq!(left, claims);

    house.stage.declared.pin(pin("acme", ACME, 1));
    let back = house.pass().await;
    assert_eq!(verdict(&back.pins[0], READY), Some((Verdict::True, Reason::Converged)));
    assert_eq!(house.row().await, Some(1));
}

#[tokio::test]
async fn an_environment_without_pins_is_passed_over_for_its_claims_only() {
    let house = House::new().await;
    let world = &house.stage.world;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    assert_eq!(abandoned(world, "apps", "omni").await, []);
    house.stage.declared.delete("acme");
    let claimed = abandoned(world, "apps", "omni").await;
    let [key] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!(key.environment, "production");
    assert_eq!(reconcile(world, key).await, None, "its claim was given up");
    assert_eq!(abandoned(world, "apps", "omni").await, []);

    house.stage.declared.keep();
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house.stage.declared.delete("acme");
    let kept = reconcile(world, key).await;
    assert!(
        kept.is_some_and(|pass| pass.pins.is_empty()),
        "a claim that is kept is looked at"
    );
    house.stage.declared.instance(instance(spec(true)));
    assert_eq!(reconcile(world, key).await, None, "nothing is to be said of a pin");
}

#[tokio::test]
async fn rows_of_pins_that_nobody_saw_go_stay_until_the_grace_is_over() {
    let house = House::new().await;
    let deleting = |name: &str| pin(name, name, 1).with(|pin| pin.spec.deletion_policy = PinDeletionPolicy::Delete);
    for name in ["acme", "globex", "initech"] {
        house.stage.declared.pin(deleting(name));
    }
    house.pass().await;
    let rows = house.rows().await;
    assert_eq!(rows.len(), 3);

    // A new cluster on the same database: of three pins the first is back, and the lists are complete since 200.
    for name in ["globex", "initech"] {
        house.stage.declared.delete(name);
    }
    house.stage.declared.pin(pin("rival", "globex", 2));
    *house.stage.declared.absence.lock().unwrap() = Some(Absence::Since(at(200)));
    let pass = house.pass().await;
    assert_eq!(house.rows().await, rows, "no row goes, and no claim passes on");
    assert_eq!(pass.next, Next::At(at(1100)));
    let [acme, rival] = &pass.pins[..] else {
        panic!("{pass:?}")
    };
    assert_eq!(verdict(acme, READY), Some((Verdict::True, Reason::Converged)));
    assert!(ready(rival).contains("counts as deleted from"), "{}", ready(rival));

    *house.stage.declared.absence.lock().unwrap() = Some(Absence::Since(at(100)));
    house.pass().await;
    let row = |tenant: &str, version| (tenant.to_owned(), "production".to_owned(), version);
    assert_eq!(
        house.rows().await,
        [row("acme", 1), row("globex", 2)],
        "at the end of the grace"
    );
}

#[tokio::test]
async fn no_row_moves_when_its_claim_cannot_be_written() {
    let house = House::new().await;
    house
        .by_hand("CREATE TRIGGER refuse BEFORE INSERT ON wavepin_claim BEGIN SELECT RAISE(ABORT, 'no claims'); END")
        .await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    let pass = house.pass().await;
    assert_eq!(house.row().await, None);
    assert!(ready(&pass.pins[0]).contains("no claims"), "{}", ready(&pass.pins[0]));
    assert_eq!(
        verdict(&pass.pins[0], RECONCILING),
        Some((Verdict::True, Reason::MappingUnreachable))
    );
}

#[rstest]
#[case::another_mapping(None, None, Some(2))]
#[case::another_owner(Some("shared"), None, Some(2))]
#[case::the_same_mapping(Some("shared"), Some("shared"), Some(1))]
#[tokio::test]
async fn a_pin_that_went_to_another_instance_gives_its_claim_up_unless_that_has_the_same_mapping(
    #[case] theirs: Option<&str>,
    #[case] ours: Option<&str>,
    #[case] row: Option<i32>,
) {
    let house = House::new().await;
    let declare = |name: &str, owner: Option<&str>, from: &str| {
        let mut instance = instance(spec(false));
        instance.name = name.to_owned();
        instance.spec.mapping.owner = owner.map(str::to_owned);
        instance
            .requests
            .insert("take-mapping-from".to_owned(), from.to_owned());
        house.stage.declared.instance(instance);
    };
    declare("other", theirs, "");
    declare("omni", ours, "apps/omni");
    let first = pin("first", ACME, 1);
    house.stage.declared.pin(first.clone());
    house.pass().await;
    house
        .stage
        .declared
        .pin(first.with(|pin| pin.spec.instance_ref.name = "other".to_owned()));
    house.stage.declared.pin(pin("second", ACME, 2));
    house.pass().await;
    assert_eq!(house.row().await, row);
}

#[rstest]
#[case::taken_over(Some("old/omni"), Some(2), None)]
#[case::not_taken_over(None, Some(1), Some("without pruning"))]
#[tokio::test]
async fn claims_from_where_nobody_looks_pass_on_with_the_mapping(
    #[case] take_from: Option<&str>,
    #[case] row: Option<i32>,
    #[case] told: Option<&str>,
) {
    let house = House::new().await;
    house.stage.declared.pin(pin("first", ACME, 1));
    house.pass().await;
    house.by_hand("UPDATE wavepin_claim SET holder = 'old/first'").await;
    house.stage.declared.delete("first");
    house.stage.declared.keep();
    let mut instance = instance(spec(false));
    let word = take_from.map(|from| ("take-mapping-from".to_owned(), from.to_owned()));
    instance.requests.extend(word);
    house.stage.declared.instance(instance);
    house.stage.declared.pin(pin("second", ACME, 2));
    let pass = house.pass().await;
    assert_eq!(house.row().await, row);
    let why = ready(&pass.pins[0]);
    assert!(told.is_none_or(|part| why.contains(part)), "{why}");
}

#[tokio::test]
async fn a_second_owner_moves_nothing_until_it_may() {
    let house = House::new().await;
    let other = instance(spec(false));
    let taken = |mut other: crate::ports::Object<_>, from: Option<&str>| {
        let spec: &mut crate::resources::OmniInstanceSpec = &mut other.spec;
        spec.mapping.owner = Some("someone-else".to_owned());
        let word = from.map(|from| ("take-mapping-from".to_owned(), from.to_owned()));
        other.requests.extend(word);
        other
    };
    let url = house.file().into();
    let second = connect(&url, MappingOptions::default()).await.unwrap();
    *house.stage.wired.mapping.lock().unwrap() = Box::new(move || Ok(Arc::clone(&second)));
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.stage.declared.instance(taken(other.clone(), None));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass.pins[0], STALLED),
        Some((Verdict::True, Reason::MappingOwned))
    );
    assert!(
        ready(&pass.pins[0]).contains("wavepin.dev/take-mapping-from"),
        "{}",
        ready(&pass.pins[0])
    );
    assert_eq!(pass.next, Next::After(LOOK_AGAIN));
    assert_eq!(house.row().await, None);

    house.stage.declared.instance(taken(other, Some("apps/omni")));
    house.pass().await;
    assert_eq!(house.row().await, Some(1));
}
