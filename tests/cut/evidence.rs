//! Whether a version is fit for viewers: judged before any sees it, by name; and again once what that rests on has moved.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use wavepin::environment::{self, EnvironmentKey, PinReport};
use wavepin::model_version::VersionReport;
use wavepin::ports::World;
use wavepin::resources::conditions::{READY, STALLED, Verdict, WAITING};

use super::bench::{Bench, as_it_is, ready, says, stalled, verdict};
use super::breaking::Fuse;

/// Wards without the measure that one tile of one dashboard shows.
const NO_BEDS: &str = "label: Wards\ndimensions:\n  id: {primary_key: true, hidden: true}\n  title: {label: Ward}\n";
/// Wards as the seed has them.
const WARDS: &str = "label: Wards\ndimensions:\n  id: {primary_key: true, hidden: true}\n  title: {label: Ward}\nmeasures:\n  beds_total: {sql: '${wards.bed_count}', aggregate_type: sum}\n";

/// What is found once the measure is gone, and nothing else.
const FOUND: &str = "has 1 finding that its source does not have: ward-capacity: tile \"Days in bed by ward\": Field wards.beds_total does not exist. ";

/// Version 2 with an edit that takes the measure away.
fn without_beds(file: &str, text: String) -> String {
    let indented: String = NO_BEDS.lines().map(|line| format!("          {line}\n")).collect();
    let edit = format!("    edits:\n      - name: no-beds\n        fileName: wards.view\n        yaml: |\n{indented}");
    match file {
        "clinical-v2.yaml" => text.replacen("    edits:\n", &edit, 1),
        _ => text,
    }
}

/// Version 2 with this of `validation.content`.
fn validating(word: &'static str, before: impl Fn(&str, String) -> String) -> impl Fn(&str, String) -> String {
    move |file, text| match file {
        "clinical-v2.yaml" => format!("{}  validation: {{content: {word}}}\n", before(file, text)),
        _ => before(file, text),
    }
}

fn edit(model: &str, yaml: &str) -> Value {
    json!({"action": "edit_model_file", "model": model, "file_name": "wards.view", "yaml": yaml})
}

pub(super) fn validations(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    requests
        .iter()
        .filter(|it| it.path.ends_with("/content-validator"))
        .count()
}

pub(super) fn validated(report: &VersionReport) -> (Verdict, String) {
    let found = report.findings.iter().find(|it| it.condition == "Validated").unwrap();
    (found.verdict, format!("{}: {}", found.reason.as_str(), found.message))
}

/// What a viewer of an embedded dashboard sees of the folder of version 2.
fn seen_by_viewers(bench: &Bench) -> usize {
    let state = bench.simulator.state();
    let documents = state["documents"].as_array().unwrap();
    let copies = documents.iter().filter(|it| it["folderPath"] == "clinical/v2");
    let closed = state["folders"].as_array().unwrap().iter().any(|it| {
        let permits = it["permits"].to_string();
        it["path"] == "clinical/v2" && permits.contains("NO_ACCESS")
    });
    if closed { 0 } else { copies.count() }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_tiles_that_a_missing_field_breaks_are_named_and_no_viewer_sees_them() {
    let bench = Bench::new(without_beds).await;
    let (_, report) = bench.both().await;
    let told = stalled(&report);
    says(&told, &["ContentInvalid", FOUND, "Correct model.edits"]);
    assert!(!report.sealed && seen_by_viewers(&bench) == 0);
    assert_eq!(validated(&report), (Verdict::False, told));
    assert_eq!(verdict(&report.findings, READY), Some(Verdict::False));
    // Corrected, the same cut goes on, and is judged anew.
    bench.declare(as_it_is);
    let report = bench.again("clinical-v2").await;
    ready(&report);
    assert_eq!(validated(&report).0, Verdict::True);
    assert_eq!(seen_by_viewers(&bench), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_has_too_keeps_nobody_from_what_they_had_unless_it_is_asked_for() {
    let bench = Bench::new(as_it_is).await;
    bench.simulator.play(&edit("clinical", NO_BEDS)).unwrap();
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(validations(&bench), 2, "the version's and its source's, once");
    says(
        &validated(&report).1,
        &["EvidenceHolds", "nothing that the source does not have"],
    );
    // A complete version no longer needs its source: what was let pass is on record.
    let requests = bench.simulator.requests().len();
    bench.declare(validating("Skip", as_it_is));
    ready(&bench.again("clinical-v2").await);
    bench.declare(as_it_is);
    ready(&bench.again("clinical-v2").await);
    let since = bench.simulator.requests();
    let asked = since
        .iter()
        .skip(requests)
        .filter(|it| it.path.ends_with("/content-validator"));
    assert_eq!(asked.count(), 1, "of its own model alone");

    let strict = Bench::new(validating("Required", as_it_is)).await;
    strict.simulator.play(&edit("clinical", NO_BEDS)).unwrap();
    let (_, report) = strict.both().await;
    says(
        &stalled(&report),
        &[
            "ContentInvalid",
            "has 1 finding: ward-capacity: tile \"Days in bed by ward\"",
        ],
    );
    // Said to let it pass, it passes.
    strict.declare(validating("Skip", as_it_is));
    let report = strict.again("clinical-v2").await;
    ready(&report);
    says(
        &validated(&report).1,
        &["ModelValid", "its content validation is not asked"],
    );
}

/// Passes over the pins of production, with the pin of globex at this version.
async fn pass(bench: &Bench, world: &World, globex: i32) -> PinReport {
    bench.declare(move |file, text| match file {
        "pins.yaml" => {
            let parts = text.split("\n---\n").map(|pin| {
                let is_it = pin.contains("name: globex-production");
                if is_it {
                    pin.replace("version: 1", &format!("version: {globex}"))
                } else {
                    pin.to_owned()
                }
            });
            parts.collect::<Vec<_>>().join("\n---\n")
        }
        _ => text,
    });
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: "production".to_owned(),
    };
    let requests = bench.simulator.requests().len();
    let pass = environment::reconcile(world, &key).await.unwrap();
    assert_eq!(bench.simulator.requests().len(), requests, "rows need no call to Omni");
    pass.pins
        .into_iter()
        .find(|pin| pin.name == "globex-production")
        .unwrap()
}

pub(crate) async fn void_evidence_keeps_pins_from_moving_forward_and_from_nothing_else() {
    let bench = Bench::new(as_it_is).await;
    ready(&bench.both().await.1);
    let world = bench.world(&Fuse::never()).await;
    for version in [1, 2, 1] {
        assert_eq!(pass(&bench, &world, version).await.version, Some(version));
    }
    // Behind its back: a field that a tile shows is taken away, and a person takes that as it is.
    bench.simulator.play(&edit("clinical v2", NO_BEDS)).unwrap();
    bench.clock_passes(std::time::Duration::from_secs(301));
    let report = bench.drive(&world, "clinical-v2").await;
    says(&stalled(&report), &["EditedInOmni"]);
    says(
        &validated(&report).1,
        &["EvidenceVoid", "EditedInOmni", "those on it stay"],
    );
    // Globex had version 2 before and may go back to it; nobody who never had it moves there.
    assert_eq!(pass(&bench, &world, 2).await.version, Some(2));
    let acme = forward(&bench, &world).await;
    assert_eq!(
        (acme.version, verdict(&acme.findings, STALLED)),
        (Some(1), None),
        "{acme:#?}"
    );
    says(
        &waits(&acme).unwrap(),
        &[
            "EvidenceVoid",
            "version 2 was validated",
            "(EditedInOmni)",
            "ModelVersion",
        ],
    );
    assert_eq!(
        verdict(&acme.findings, READY),
        Some(Verdict::True),
        "it is as it may be now"
    );

    let told = stalled(&report);
    let (_, word) = told.rsplit_once("accept-drift: \"").unwrap();
    accept(&bench, word.split('"').next().unwrap());
    let report = bench.drive(&world, "clinical-v2").await;
    says(&stalled(&report), &["ContentInvalid", FOUND]);
    assert!(report.sealed, "its tenants stay");
    assert_eq!(forward(&bench, &world).await.version, Some(1));

    // Put back, it is judged again, and the pin moves.
    bench.simulator.play(&edit("clinical v2", WARDS)).unwrap();
    bench.clock_passes(std::time::Duration::from_secs(301));
    let report = bench.drive(&world, "clinical-v2").await;
    ready(&report);
    assert_eq!(validated(&report).0, Verdict::True);
    assert_eq!(forward(&bench, &world).await.version, Some(2));
}

/// What a pin waits for.
pub(super) fn waits(report: &PinReport) -> Option<String> {
    let waiting = report.findings.iter().find(|it| it.condition == WAITING);
    waiting.map(|it| format!("{}: {}", it.reason.as_str(), it.message))
}

fn accept(bench: &Bench, word: &str) {
    let annotated = format!("metadata:\n  annotations: {{wavepin.dev/accept-drift: {word:?}}}");
    bench.declare(move |file, text| match file {
        "clinical-v2.yaml" => text.replacen("metadata:", &annotated, 1),
        _ => text,
    });
}

/// A pass with the pin of acme-corp, which never had version 2, moved there.
pub(super) async fn forward(bench: &Bench, world: &World) -> PinReport {
    bench.declare(|file, text| match file {
        "pins.yaml" => text.replacen("  version: 1\n", "  version: 2\n", 1),
        _ => text,
    });
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: "production".to_owned(),
    };
    let pass = environment::reconcile(world, &key).await.unwrap();
    pass.pins
        .into_iter()
        .find(|pin| pin.name == "acme-corp-production")
        .unwrap()
}

/// Version 2 without the measure and, at first, without the dashboard that shows it.
fn without_its_dashboard(add: &'static str) -> impl Fn(&str, String) -> String {
    move |file, text| match file {
        "clinical-v2.yaml" => {
            let text = without_beds(file, text);
            format!("{text}    dashboards: {{exclude: [ward-capacity], add: [{add}]}}\n")
        }
        _ => text,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_added_dashboard_keeps_no_other_row_from_being_mended() {
    let bench = Bench::new(without_its_dashboard("")).await;
    ready(&bench.both().await.1);
    bench.declare(without_its_dashboard("{slug: beds, identifier: 8a41f9b3}"));
    let unfit = ["ContentInvalid", "beds: tile \"Days in bed by ward\""];
    says(&stalled(&bench.again("clinical-v2").await), &unfit);

    let url = bench.database();
    let pool = sqlx::SqlitePool::connect(url.expose_secret()).await.unwrap();
    let delete = "DELETE FROM dashboard_model WHERE model_version_id = 2 AND dashboard_slug = 'patient-summary'";
    let deleted = sqlx::query(delete).execute(&pool).await.unwrap();
    assert_eq!(deleted.rows_affected(), 1);
    says(&stalled(&bench.again("clinical-v2").await), &unfit);
    let slugs = "SELECT dashboard_slug FROM dashboard_model WHERE model_version_id = 2 ORDER BY dashboard_slug";
    let slugs: Vec<String> = sqlx::query_scalar(slugs).fetch_all(&pool).await.unwrap();
    assert_eq!(
        slugs,
        [
            "billing-overview",
            "medication-review",
            "patient-summary",
            "readmission-risk"
        ]
    );
}

/// Version 2, for which a person asked for a validation.
pub(super) fn requested(
    word: &'static str,
    before: impl Fn(&str, String) -> String,
) -> impl Fn(&str, String) -> String {
    move |file, text| match file {
        "clinical-v2.yaml" => {
            let text = before(file, text);
            let annotated =
                format!("  name: clinical-v2\n  annotations: {{wavepin.dev/validate-requested-at: {word}}}\n");
            assert!(text.contains("  name: clinical-v2\n"), "{text}");
            text.replacen("  name: clinical-v2\n", &annotated, 1)
        }
        _ => before(file, text),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_that_is_asked_for_is_made_once_for_each_value() {
    let bench = Bench::new(as_it_is).await;
    ready(&bench.both().await.1);
    let before = validations(&bench);
    ready(&bench.again("clinical-v2").await);
    assert_eq!(validations(&bench), before, "nobody asked");
    bench.declare(requested("noon", as_it_is));
    for _ in 0..2 {
        let report = bench.again("clinical-v2").await;
        ready(&report);
        says(&validated(&report).1, &["EvidenceHolds", "as asked for at \"noon\""]);
        assert_eq!(validations(&bench), before + 1, "once for each value");
    }
}
