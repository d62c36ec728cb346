//! Whether the organisation is the one on record.

use super::*;

#[tokio::test]
async fn before_the_first_look_nothing_is_written_and_after_it_everything_may_be() {
    let house = House::new(DEFAULT_API_KEY).await;
    let standing = house.standing();
    assert!(standing.admits("POST /v1/models").is_err());
    let pass = house.pass().await;
    assert!(pass.opens, "a version was turned away");
    assert!(standing.admits("POST /v1/models").is_ok());
    house.forget_standing();
    assert!(!house.pass().await.opens, "nobody waits");
}

#[tokio::test]
async fn who_only_reads_is_let_through_and_leaves_the_record_as_it_is() {
    let house = House::new(DEFAULT_API_KEY).await;
    let (mapping, _) = house.stage.world.mapping(&declared()).await.unwrap();
    recognized(&house.stage.world, &declared()).await.unwrap();
    assert!(house.standing().admits("GET /v1/models/{id}/yaml").is_ok());
    assert_eq!(mapping.organization().await.unwrap(), None, "nothing is recorded");
    house.pass().await;
    house.simulator.turn(|knobs| knobs.another_organisation = true);
    house.forget_standing();
    let failure = recognized(&house.stage.world, &declared()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::AnotherOrganization);
    assert!(house.standing().admits("GET /v1/models/{id}/yaml").is_err());
    let mut suspended = declared();
    suspended.spec.suspend = true;
    let calls = house.calls().len();
    let failure = recognized(&house.stage.world, &suspended).await.unwrap_err();
    assert_eq!((failure.reason, house.calls().len()), (Reason::Suspended, calls));
}

#[rstest]
#[case::of_a_running_process(false)]
#[case::right_after_a_restart(true)]
#[tokio::test]
async fn another_organisation_stalls_the_instance_until_a_person_confirms_it(#[case] restarted: bool) {
    let house = House::new(DEFAULT_API_KEY).await;
    house.pass().await;
    let turn = |another| house.simulator.turn(|knobs| knobs.another_organisation = another);
    turn(true);
    if restarted {
        house.forget_standing();
    }
    let pass = house.pass().await;
    let another = Some((Verdict::True, Reason::AnotherOrganization));
    assert_eq!(verdict(&pass, STALLED), another);
    assert_eq!(
        verdict(&pass, SAME_ORGANIZATION),
        Some((Verdict::False, Reason::AnotherOrganization))
    );
    assert_eq!(verdict(&pass, REACHABLE), Some((Verdict::True, Reason::OmniReachable)));
    assert!(house.standing().admits("POST /v1/models").is_err());
    let told = ready(&pass).to_owned();
    for part in [
        "c0f12353-4817-4398-bcc0-d501e6dd2f64",
        "7d1e4a66-90c3",
        "wavepin.dev/confirm-identity: \"",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(
        house.pass().await.findings,
        pass.findings,
        "the same again: no status is written"
    );

    house.confirm("0123456789");
    assert_eq!(verdict(&house.pass().await, STALLED), another);
    let name = told.rsplit('"').nth(1).unwrap();
    house.confirm(name);
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, READY), Some((Verdict::True, Reason::Converged)));
    assert!(pass.opens && house.standing().admits("POST /v1/models").is_ok());
    // Back to the first one, the annotation still in git.
    turn(false);
    let pass = house.pass().await;
    assert_eq!(verdict(&pass, STALLED), another, "{}", ready(&pass));
    assert!(!ready(&pass).contains(name));
}

#[tokio::test]
async fn the_first_look_holds_the_organisation_against_the_versions_that_are_there() {
    let house = House::new(DEFAULT_API_KEY).await;
    let instance = declared();
    let (mapping, _) = house.stage.world.mapping(&instance).await.unwrap();
    mapping.record_version(1, "adopt:m", "apps/v1").await.unwrap();
    let elsewhere = VersionChange::Connection("11111111-0000-4000-8000-000000000000".to_owned());
    mapping.change_version(1, &elsewhere).await.unwrap();
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, STALLED),
        Some((Verdict::True, Reason::AnotherOrganization))
    );
    assert_eq!(mapping.organization().await.unwrap(), None, "nothing is recorded");
    // A model that is on record tells it, where every connection is another.
    let model = VersionChange::Model("3fb59130-54fc-4848-832f-d22f61933485".to_owned());
    mapping.change_version(1, &model).await.unwrap();
    assert_eq!(
        verdict(&house.pass().await, READY),
        Some((Verdict::True, Reason::Converged))
    );
    let known = mapping.organization().await.unwrap().unwrap();
    assert!(
        known.connections.contains("c0f12353-4817-4398-bcc0-d501e6dd2f64"),
        "{known:?}"
    );
}

/// Version 1 with one dashboard, on an organisation whose id is on record; a version is turned away.
async fn with_a_dashboard(id: &str) -> (House, Arc<dyn Mapping>) {
    let house = House::new(DEFAULT_API_KEY).await;
    house.pass().await;
    let (mapping, _) = house.stage.world.mapping(&declared()).await.unwrap();
    mapping.record_version(1, "adopt:m", "apps/v1").await.unwrap();
    let dashboard = DashboardRecord {
        slug: "patient-summary".to_owned(),
        ids: DashboardIds {
            identifier: "12db1a0a".to_owned(),
            document_id: "document".to_owned(),
            dashboard_id: "dashboard".to_owned(),
        },
        source_identifier: "12db1a0a".to_owned(),
        not_carried: Vec::new(),
        renames: Vec::new(),
        foreign_links: Vec::new(),
        state: None,
    };
    mapping.record_dashboard(1, &dashboard).await.unwrap();
    let known = mapping.organization().await.unwrap().unwrap();
    let id = Some(id.to_owned());
    mapping
        .record_organization(&Organization { id, ..known })
        .await
        .unwrap();
    house.pass().await;
    (house, mapping)
}

/// The connections are those on record: only what an export showed speaks of another organisation.
#[tokio::test]
async fn an_answer_that_went_astray_stops_all_sending_until_the_next_look() {
    let own = exported_id().await;
    let (house, _mapping) = with_a_dashboard(&own).await;
    let standing = house.standing();
    assert!(standing.shows("somebody-elses").is_err());
    assert!(standing.admits("POST /v1/models").is_err());
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass, READY),
        Some((Verdict::True, Reason::Converged)),
        "{}",
        ready(&pass)
    );
    assert!(pass.opens && standing.admits("POST /v1/models").is_ok());
    let exports = |house: &House| house.calls().iter().filter(|it| it.ends_with("/export")).count();
    assert_eq!(exports(&house), 1, "it is asked once more");
    house.pass().await;
    assert_eq!(exports(&house), 1, "and no more than that");
}

#[tokio::test]
async fn an_organisation_that_keeps_showing_another_id_stays_stalled() {
    let (house, _mapping) = with_a_dashboard("the-one-on-record").await;
    let own = exported_id().await;
    assert!(house.standing().shows(&own).is_err());
    for _ in 0..2 {
        let pass = house.pass().await;
        let another = Some((Verdict::True, Reason::AnotherOrganization));
        assert_eq!(verdict(&pass, STALLED), another, "{}", ready(&pass));
        assert!(house.standing().admits("POST /v1/models").is_err());
    }
}

/// The id that exports of the simulator show.
async fn exported_id() -> String {
    let house = House::new(DEFAULT_API_KEY).await;
    house.pass().await;
    let omni = house.stage.world.omni(&declared(), Urgency::Check).await.unwrap();
    omni.export("12db1a0a").await.unwrap().unwrap();
    house.standing().shown().unwrap()
}
