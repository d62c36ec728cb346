//! Whole passes in which tenants move by waves.

use serde_json::json;

use super::*;
use crate::environment::RolloutReport;
use crate::environment::scene::{follower, rollout};
use crate::resources::conditions::COMPLETE;

pub(super) fn verdict_of(report: &RolloutReport, condition: &str) -> Option<(Verdict, Reason)> {
    let mut findings = report.findings.iter();
    let found = findings.find(|finding| finding.condition == condition)?;
    Some((found.verdict, found.reason))
}

#[tokio::test]
async fn a_rollout_is_looked_after_without_a_pin_and_pins_follow_it_wave_by_wave() {
    let house = House::new().await;
    let waves = json!([
        {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "200s"},
        {"name": "rest"},
    ]);
    house.stage.declared.rollout(rollout(1, json!([{"name": "all"}])));
    let empty = house.pass().await;
    let [report] = &empty.rollouts[..] else {
        panic!("{empty:?}")
    };
    assert_eq!(verdict_of(report, COMPLETE), Some((Verdict::True, Reason::RolledOut)));
    assert_eq!(verdict_of(report, READY), Some((Verdict::True, Reason::Converged)));
    for (tenant, tier) in [(ACME, "canary"), ("globex", "late"), ("initech", "late")] {
        house.stage.declared.pin(follower(tenant, tier));
    }
    house.pass().await;
    assert_eq!(house.rows().await.len(), 3, "{:?}", house.rows().await);

    house.stage.declared.rollout(rollout(2, waves.clone()));
    let soaking = house.pass().await;
    let report = &soaking.rollouts[0];
    assert_eq!(verdict_of(report, WAITING), Some((Verdict::True, Reason::Soaking)));
    assert_eq!(verdict_of(report, READY), Some((Verdict::True, Reason::Soaking)));
    assert_eq!(
        verdict_of(report, COMPLETE),
        Some((Verdict::False, Reason::Progressing))
    );
    let progress = report.progress.as_ref().unwrap();
    assert_eq!(progress.moved, (1, 3));
    assert!(
        matches!(soaking.next, Next::At(wake) if wake > at(1100)),
        "{:?}",
        soaking.next
    );
    assert_eq!(
        verdict(&soaking.pins[1], WAITING),
        Some((Verdict::True, Reason::Queued))
    );
    assert_eq!(house.row().await, Some(2));

    let mut witness = house.connection().await;
    let moved = "PRAGMA data_version";
    let before: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    let again = house.pass().await;
    assert_eq!((&again.pins, &again.rollouts), (&soaking.pins, &soaking.rollouts));
    let after: i64 = sqlx::query_scalar(moved).fetch_one(&mut witness).await.unwrap();
    assert_eq!(before, after, "a pass that waits wrote to the database");
    the_soak_ends(&house).await;

    house.stage.declared.rollout(rollout(1, waves));
    let back = house.pass().await;
    assert!(house.rows().await.iter().all(|(.., version)| *version == 1));
    assert_eq!(back.pins[0].previous_version, Some(2));
}

/// The canary has soaked, as the database has it: the others move.
async fn the_soak_ends(house: &House) {
    house
        .by_hand("UPDATE wavepin_pin_event SET at = at - 200000000 WHERE wave = 'canary'")
        .await;
    house
        .by_hand("UPDATE wavepin_rollout_event SET at = at - 200000000 WHERE kind = 'Opened'")
        .await;
    let done = house.pass().await;
    assert_eq!(
        verdict_of(&done.rollouts[0], COMPLETE),
        Some((Verdict::True, Reason::RolledOut))
    );
    assert!(house.rows().await.iter().all(|(.., version)| *version == 2));
}

#[tokio::test]
async fn what_cannot_be_put_on_record_moves_nobody_and_is_told_of_the_rollout() {
    let house = House::new().await;
    house.stage.declared.rollout(rollout(1, json!([{"name": "all"}])));
    house.stage.declared.pin(follower(ACME, "canary"));
    house.stage.declared.pin(pin("globex", "globex", 1));
    house
        .by_hand("CREATE TRIGGER no BEFORE INSERT ON wavepin_rollout_event BEGIN SELECT RAISE(ABORT, 'not today'); END")
        .await;
    let pass = house.pass().await;
    let rows = house.rows().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].0, "globex", "a pin with a version of its own has no part in it");
    let report = &pass.rollouts[0];
    let ready = report.findings.iter().find(|it| it.condition == READY).unwrap();
    assert!(ready.message.contains("not today"), "{}", ready.message);
    house.by_hand("DROP TRIGGER no").await;
    house.pass().await;
    assert_eq!(house.row().await, Some(1));
}

#[tokio::test]
async fn a_pin_without_a_version_waits_for_a_rollout_and_keeps_its_row() {
    let house = House::new().await;
    house.stage.declared.pin(pin("acme", ACME, 1));
    house.pass().await;
    house
        .stage
        .declared
        .pin(follower("acme", "x").with(|pin| pin.spec.tenant = ACME.to_owned()));
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass.pins[0], RECONCILING),
        Some((Verdict::True, Reason::NoRollout))
    );
    assert_eq!(verdict(&pass.pins[0], READY), Some((Verdict::False, Reason::NoRollout)));
    assert_eq!(house.row().await, Some(1));
    let other = rollout(2, json!([{"name": "only", "selector": {"matchLabels": {"tier": "y"}}}]));
    house.stage.declared.rollout(other);
    let pass = house.pass().await;
    assert_eq!(
        verdict(&pass.pins[0], WAITING),
        Some((Verdict::True, Reason::NotSelected))
    );
    let progress = pass.rollouts[0].progress.as_ref().unwrap();
    assert_eq!(progress.left_out, ["acme: NotSelected"]);
    assert_eq!(house.row().await, Some(1));
}

/// What the rollout waits for: the condition that says so, why, and the text.
async fn waits(house: &House) -> (&'static str, Reason, String) {
    let pass = house.pass().await;
    let mut findings = pass.rollouts[0].findings.clone().into_iter();
    let finding = findings.find(|it| [WAITING, RECONCILING, STALLED].contains(&it.condition));
    finding.map(|it| (it.condition, it.reason, it.message)).unwrap()
}

#[tokio::test]
async fn each_thing_that_a_rollout_waits_for_is_told_with_its_end() {
    let house = House::new().await;
    for tenant in [ACME, "globex"] {
        house.stage.declared.pin(follower(tenant, "x"));
    }
    let waits = async || waits(&house).await;
    let batches = json!([{"name": "all", "batch": {"size": 1, "every": "1h"}}]);
    house.stage.declared.rollout(rollout(1, batches));
    let (condition, reason, message) = waits().await;
    assert_eq!((condition, reason), (WAITING, Reason::BatchSpaced));
    assert!(message.contains("the next batch of wave all moves at 20"), "{message}");
    assert_eq!(house.rows().await.len(), 1);

    let all = json!([{"name": "all"}]);
    let with = |version, change: &dyn Fn(&mut crate::resources::VersionRolloutSpec)| {
        let mut rollout = rollout(version, all.clone());
        change(&mut rollout.spec);
        rollout.spec_hash = crate::resources::spec_hash(&rollout.spec);
        rollout
    };
    let cases: [(&str, &str, Reason, _); 4] = [
        (
            RECONCILING,
            "declare a ModelVersion with version 9",
            Reason::VersionNotComplete,
            with(9, &|_| {}),
        ),
        (
            RECONCILING,
            "version 3 is not complete yet",
            Reason::VersionNotComplete,
            with(3, &|_| {}),
        ),
        (
            WAITING,
            "suspended: nobody moves forward",
            Reason::Suspended,
            with(2, &|spec| spec.suspend = true),
        ),
        (
            WAITING,
            "until it is taken out of spec.freeze: year end",
            Reason::Frozen,
            with(2, &|spec| {
                spec.freeze = serde_json::from_value(json!([{"reason": "year end"}])).unwrap();
            }),
        ),
    ];
    for (condition, words, reason, rollout) in cases {
        house.stage.declared.rollout(rollout);
        let told = waits().await;
        assert_eq!((told.0, told.1), (condition, reason), "{}", told.2);
        assert!(told.2.contains(words), "{}", told.2);
    }
    for tenant in [ACME, "globex"] {
        house.stage.declared.pin(follower(tenant, "x").held(None));
    }
    house.stage.declared.rollout(with(2, &|_| {}));
    let (condition, reason, message) = waits().await;
    assert_eq!((condition, reason), (WAITING, Reason::HeldBack), "{message}");
    assert!(message.contains("Free one of them"), "{message}");
}

#[rstest]
#[case::of_the_same_mapping(Some("shared"), true)]
#[case::of_another_owner(None, false)]
#[tokio::test]
async fn of_two_instances_with_one_mapping_the_rollout_that_began_leads(
    #[case] owner: Option<&str>,
    #[case] shares: bool,
) {
    let house = House::new().await;
    for name in ["omni", "other"] {
        let mut instance = instance(spec(false));
        instance.name = name.to_owned();
        instance.spec.mapping.owner = Some("shared".to_owned()).filter(|_| name == "omni" || owner.is_some());
        instance
            .requests
            .insert("take-mapping-from".to_owned(), "apps/omni".to_owned());
        house.stage.declared.instance(instance);
    }
    let theirs = |instance: &str| {
        let mut theirs = rollout(1, json!([{"name": "all"}]));
        theirs.name = "theirs".to_owned();
        theirs.spec.instance_ref.name = instance.to_owned();
        theirs
    };
    // It began while it was of this instance.
    house.stage.declared.rollout(theirs("omni"));
    house.pass().await;
    house.stage.declared.rollout(theirs("other"));
    house.stage.declared.pin(follower(ACME, "canary"));
    house.stage.declared.rollout(rollout(2, json!([{"name": "all"}])));
    let pass = house.pass().await;
    let verdict = verdict_of(&pass.rollouts[0], STALLED);
    assert_eq!(verdict == Some((Verdict::True, Reason::Conflict)), shares, "{pass:?}");
    assert_eq!(house.row().await, Some(2).filter(|_| !shares), "its tenants stay");
    if shares {
        let told = format!("{:?}", pass.rollouts[0].findings);
        assert!(
            told.contains("VersionRollout apps/theirs is for production already"),
            "{told}"
        );
        house.stage.declared.delete("theirs");
        house.pass().await;
        assert_eq!(house.row().await, Some(2), "the way is free");
    }
}
