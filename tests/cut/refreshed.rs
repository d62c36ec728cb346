//! A refresh of the schema below a version, by anyone: it moves what every version shows, so that the evidence is void
//! until the version was validated again.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use wavepin::model_version::reconcile;
use wavepin::ports::World;
use wavepin::resources::conditions::Verdict;

use super::bench::{Bench, Until, as_it_is, ready, says, stalled};
use super::breaking::Fuse;
use super::evidence::{forward, validated, validations, waits};

/// The generated model whose view of encounters has this column and no other has it.
fn generated(bench: &Bench, column: &str) -> Value {
    let state = bench.simulator.state();
    let mut models = state["models"].as_array().unwrap().iter();
    let has_column = |model: &&Value| {
        let encounters = model["files"]["encounters.view"].as_str().unwrap_or_default();
        model["kind"] == "SCHEMA" && encounters.contains(column)
    };
    models.find(has_column).unwrap().clone()
}

/// What a refresh does to the view of wards that the key's owner sees, staging's: the same as before, or without the columns that are named.
fn refresh(bench: &Bench, without: &[&str]) {
    let model = generated(bench, "triage_score");
    let wards = model["files"]["wards.view"].as_str().unwrap();
    let mut view: Value = serde_saphyr::from_str(wards).unwrap();
    let columns = view["dimensions"].as_object_mut().unwrap();
    columns.retain(|name, _| !without.contains(&name.as_str()));
    let yaml = view.to_string();
    let hand = json!({"action": "edit_model_file", "model": model["id"], "file_name": "wards.view", "yaml": yaml});
    bench.simulator.play(&hand).unwrap();
    bench.clock_passes(std::time::Duration::from_secs(301));
}

/// What the ledger says of the evidence for version 2.
async fn evidence(bench: &Bench) -> String {
    let pool = sqlx::SqlitePool::connect(bench.database().expose_secret())
        .await
        .unwrap();
    let sql = "SELECT evidence FROM wavepin_model_version WHERE version = 2";
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

/// Version 2, complete, and the world of one process.
async fn complete() -> (Bench, World) {
    let bench = Bench::new(as_it_is).await;
    ready(&bench.both().await.1);
    let world = bench.world(&Fuse::never()).await;
    (bench, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_changes_nothing_keeps_pins_for_as_long_as_validating_takes() {
    let (bench, world) = complete().await;
    let (before, asked) = (evidence(&bench).await, validations(&bench));
    refresh(&bench, &[]);
    // The process ends after the first call of the new validation.
    let seen = bench.simulator.requests().len();
    let begun = Until(|| {
        let requests = bench.simulator.requests();
        requests[seen..].iter().any(|it| it.path.ends_with("/validate"))
    });
    reconcile(&world, "default", "clinical-v2", &begun).await.unwrap();
    let acme = forward(&bench, &world).await;
    assert_eq!(acme.version, None, "it never had a row");
    says(&waits(&acme).unwrap(), &["EvidenceVoid", "(SchemaRefreshed)"]);

    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(validated(&report).0, Verdict::True);
    assert_eq!(validations(&bench), asked + 1, "validated once more");
    // The last one that prepared the mapping is the one that writes.
    let world = bench.world(&Fuse::never()).await;
    assert_eq!(forward(&bench, &world).await.version, Some(2));
    let after = evidence(&bench).await;
    assert_ne!(after, before, "it is about the refreshed schema");
    ready(&bench.again("clinical-v2").await);
    assert_eq!(
        (evidence(&bench).await, validations(&bench)),
        (after, asked + 1),
        "at rest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_takes_away_what_the_version_needs_is_told_until_it_is_back() {
    let (bench, world) = complete().await;
    refresh(&bench, &["bed_count"]);
    let report = bench.drive(&world, "clinical-v2").await;
    assert!(report.sealed, "its tenants stay");
    says(
        &stalled(&report),
        &[
            "ModelInvalid",
            "since the schema was refreshed",
            "bed_count",
            "refresh the schema",
        ],
    );
    assert_eq!(validated(&report).0, Verdict::False);
    says(
        &waits(&forward(&bench, &world).await).unwrap(),
        &["EvidenceVoid", "(ModelInvalid: wards.view/beds_total: "],
    );
    let void = evidence(&bench).await;
    bench.clock_passes(std::time::Duration::from_secs(301));
    stalled(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(evidence(&bench).await, void, "nothing is written where nothing changed");

    // Back as it was: the refresh before it is forgotten with the next.
    let model = generated(&bench, "triage_score");
    let wards = model["files"]["wards.view"].as_str().unwrap();
    let mut view: Value = serde_saphyr::from_str(wards).unwrap();
    view["dimensions"]["bed_count"] = json!({"sql": "\"BED_COUNT\""});
    let yaml = view.to_string();
    let hand = json!({"action": "edit_model_file", "model": model["id"], "file_name": "wards.view", "yaml": yaml});
    bench.simulator.play(&hand).unwrap();
    bench.clock_passes(std::time::Duration::from_secs(301));
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(forward(&bench, &world).await.version, Some(2));
}

/// Before the version is complete too: what was found right on the schema of before says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_between_validation_and_the_mark_has_the_version_validated_again() {
    let bench = Bench::new(as_it_is).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    // The process ends after the first call that follows the evidence.
    let opening = Until(|| {
        let requests = bench.simulator.requests();
        let is_behind = requests
            .last()
            .is_some_and(|it| !it.path.ends_with("/content-validator"));
        validations(&bench) == 2 && is_behind
    });
    reconcile(&world, "default", "clinical-v2", &opening).await.unwrap();
    assert!(evidence(&bench).await.contains("schemas"));
    refresh(&bench, &[]);
    let asked = validations(&bench);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(validations(&bench), asked + 2, "the version's and its source's");
}

/// Evidence of a release that knew nothing of generated models: they count as they are found first.
#[tokio::test(flavor = "multi_thread")]
async fn older_evidence_is_taken_over_as_it_is_and_void_after_the_next_refresh() {
    let (bench, world) = complete().await;
    let pool = sqlx::SqlitePool::connect(bench.database().expose_secret())
        .await
        .unwrap();
    let older = "UPDATE wavepin_model_version SET evidence = json_remove(evidence, '$.schemas') WHERE version = 2";
    sqlx::query(older).execute(&pool).await.unwrap();
    let asked = validations(&bench);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(validations(&bench), asked, "nothing is validated for it");
    assert!(evidence(&bench).await.contains("schemas"));
    refresh(&bench, &[]);
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(validations(&bench), asked + 1);
}
