//! Queries of tiles, planned as those who will ask them: what cannot be planned, and what reads another's data.

use rstest::rstest;
use serde_json::{Value, json};
use wavepin::model_version::reconcile;
use wavepin::simulator::UnsetSchemaAttribute;

use super::bench::{Bench, Until, as_it_is, ready, says, stalled};
use super::breaking::Fuse;
use super::evidence::requested;

/// The model leads each tenant to a schema of its own.
const DYNAMIC: &str = "dynamic_schemas:\n  tenant:\n    from_schema: CLINICAL\n    user_attribute: tenant_id\n";

/// The page's way of asking.
pub(super) fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/validation.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```yaml\nvalidation:\n  queries:\n").unwrap();
    let list = rest.split_once("```").unwrap().0;
    list.lines().map(|line| format!("{line}\n")).collect()
}

/// Version 2 with `queries`, given as the lines below it with four spaces before them.
pub(super) fn asking(queries: String, before: impl Fn(&str, String) -> String) -> impl Fn(&str, String) -> String {
    let indented: String = queries.lines().map(|line| format!("  {line}\n")).collect();
    move |file, text| match file {
        "clinical-v2.yaml" => format!("{}  validation:\n    queries:\n{indented}", before(file, text)),
        _ => before(file, text),
    }
}

/// Version 2 with one dashboard of one tile, which shows the tenant's own patients.
pub(super) fn own_patients(file: &str, text: String) -> String {
    let all = "patient-summary, readmission-risk, ward-capacity, medication-review, billing-overview";
    match file {
        "clinical-v2.yaml" => {
            format!("{text}    dashboards: {{exclude: [{all}], add: [{{slug: own, identifier: 0a7e4a47}}]}}\n")
        }
        _ => text,
    }
}

pub(super) fn user(tenant: &str, attribute: &str, value: &str) -> Value {
    json!({"action": "set_user", "external_id": tenant, "attributes": {attribute: value}})
}

fn without(tenant: &str, attribute: &str) -> Value {
    json!({"action": "remove_attribute", "external_id": tenant, "attribute": attribute})
}

/// An organisation whose tenants each have a schema, and a dashboard that reads it.
async fn tenants(queries: String) -> Bench {
    with_schemas(asking(queries, own_patients)).await
}

/// Likewise, as it is declared here.
pub(super) async fn with_schemas(declared: impl Fn(&str, String) -> String) -> Bench {
    let bench = Bench::new(declared).await;
    let model = json!({"action": "edit_model_file", "model": "clinical", "file_name": "model", "yaml": DYNAMIC});
    let document = json!({"action": "create_document", "model": "clinical", "name": "Own patients",
        "folder_path": "clinical/v1", "identifier": "0a7e4a47", "fields": ["tenant__patients.count"]});
    for hand in [
        &model,
        &document,
        &user("acme-corp", "tenant_id", "TENANT_ACME_CORP"),
        &user("globex", "tenant_id", "TENANT_GLOBEX"),
    ] {
        bench.simulator.play(hand).unwrap();
    }
    bench
}

pub(super) fn calls(bench: &Bench, end: &str) -> Vec<String> {
    let requests = bench.simulator.requests();
    let asked = requests.iter().filter(|it| it.path.ends_with(end));
    asked.map(|it| format!("{}?{}", it.path, it.query)).collect()
}

fn is_open(bench: &Bench) -> bool {
    let state = bench.simulator.state();
    let mut folders = state["folders"].as_array().unwrap().iter();
    folders.any(|it| it["path"] == "clinical/v2" && !it["permits"].to_string().contains("NO_ACCESS"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tile_is_planned_as_tenants_and_what_they_read_is_theirs() {
    let bench = tenants(page()).await;
    let (_, report) = bench.both().await;
    ready(&report);
    let plans = calls(&bench, "/query/run");
    assert_eq!(plans.len(), 2, "one tile, two tenants: {plans:?}");
    assert!(plans.iter().all(|it| it.contains("userId=")), "{plans:?}");
    assert_eq!(calls(&bench, "/embed/Users").len(), 2);
    // What it rests on is as it was: nobody is asked again.
    ready(&bench.again("clinical-v2").await);
    assert_eq!(calls(&bench, "/query/run").len(), 2);
}

#[rstest]
#[case::to_another(
    user("globex", "tenant_id", "TENANT_ACME_CORP"),
    "as tenant globex: it reads schema CLINICAL_PRODUCTION.TENANT_ACME_CORP, another tenant's"
)]
#[case::nowhere(
    without("globex", "tenant_id"),
    "as tenant globex: it reads CLINICAL_PRODUCTION.CLINICAL and not schema CLINICAL_PRODUCTION.TENANT_globex"
)]
#[case::to_another_environment(
    user("globex", "environment", "staging"),
    "as tenant globex: it reads CLINICAL_STAGING.TENANT_GLOBEX and not schema CLINICAL_PRODUCTION.TENANT_globex"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_led_elsewhere_is_caught_before_anybody_sees_it(#[case] hand: Value, #[case] told: &str) {
    let schema = "expectSchema: CLINICAL_PRODUCTION.TENANT_{tenant}";
    let bench = tenants(page().replace("expectSchema: TENANT_{tenant}", schema)).await;
    bench.simulator.play(&hand).unwrap();
    let (_, report) = bench.both().await;
    let text = stalled(&report);
    says(
        &text,
        &[
            "RoutingWrong",
            "1 of the tiles' queries",
            "own, tile \"Own patients\", ",
            told,
        ],
    );
    assert!(!report.sealed && !is_open(&bench));
    // Corrected in Omni, where no object changes for it.
    for (attribute, value) in [("tenant_id", "TENANT_GLOBEX"), ("environment", "production")] {
        bench.simulator.play(&user("globex", attribute, value)).unwrap();
    }
    ready(&bench.again("clinical-v2").await);
    assert!(is_open(&bench));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_the_attribute_gets_nothing_or_the_version_stops() {
    let bench = tenants(String::new()).await;
    bench.simulator.play(&without("initech", "tenant_id")).unwrap();
    let state = bench.simulator.state();
    let users = state["embedUsers"].as_array().unwrap();
    let initech = users.iter().find(|it| it["externalId"] == "initech").unwrap()["id"]
        .as_str()
        .unwrap();
    let queries = format!("{}    deniedTo: [{initech}]\n", page());
    bench.declare(asking(queries, own_patients));
    let (_, report) = bench.both().await;
    let told = format!(
        "as user {initech}: it is planned and reads CLINICAL_PRODUCTION.CLINICAL, though this user must get nothing"
    );
    says(&stalled(&report), &["RoutingWrong", &told]);

    bench
        .simulator
        .turn(|knobs| knobs.unset_schema_attribute = UnsetSchemaAttribute::Fails);
    ready(&bench.again("clinical-v2").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_plan_a_tile_is_named_with_it() {
    let nobody = "0a6b2a4e-0000-4000-8000-00000000dead";
    let bench = tenants(format!("    asUsers: [{nobody}]\n")).await;
    let (_, report) = bench.both().await;
    let told = format!("own, tile \"Own patients\", as user {nobody}: User with id {nobody} does not exist");
    says(&stalled(&report), &["QueriesInvalid", &told]);
    assert!(!is_open(&bench));

    let labels = "    tenants: {environment: production, matchLabels: {tier: none}}\n";
    bench.declare(asking(labels.to_owned(), own_patients));
    let report = bench.again("clinical-v2").await;
    let found = report.findings.iter().find(|it| it.condition == "Ready").unwrap();
    assert_eq!(found.reason.as_str(), "NoTenantToAsk", "{found:?}");
    assert!(!report.sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_times_out_is_waited_for() {
    let bench = tenants(format!("    mode: Run\n{}", page().replace("    mode: PlanOnly\n", ""))).await;
    bench.simulator.turn(|knobs| knobs.run_timeouts = 2);
    let (_, report) = bench.both().await;
    ready(&report);
    assert!(calls(&bench, "/query/wait").len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_ends_in_the_middle_asks_no_more_than_the_rest() {
    let whole = Bench::new(asking("    mode: PlanOnly\n".to_owned(), as_it_is)).await;
    ready(&whole.both().await.1);
    let tiles = calls(&whole, "/query/run").len();
    assert!(tiles > 5, "every tile, as the owner of the key: {tiles}");

    let bench = Bench::new(asking("    mode: PlanOnly\n".to_owned(), as_it_is)).await;
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v1").await);
    // The first dashboard is marked when the next one's tiles are read.
    let cut_short = Until(|| {
        let requests = bench.simulator.requests();
        let mut behind = requests.iter().skip_while(|it| !it.path.ends_with("/query/run"));
        behind.any(|it| it.path.ends_with("/export"))
    });
    reconcile(&world, "default", "clinical-v2", &cut_short).await.unwrap();
    let asked = calls(&bench, "/query/run").len();
    assert!((1..tiles).contains(&asked), "{asked} of {tiles}");
    ready(&bench.again("clinical-v2").await);
    assert_eq!(calls(&bench, "/query/run").len(), tiles, "none twice");
}

/// Attributes of users show in no list of Omni: only who asks learns what became of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_validation_that_is_asked_for_asks_every_query_again_and_what_it_finds_makes_the_evidence_void() {
    let bench = tenants(page()).await;
    ready(&bench.both().await.1);
    bench.simulator.play(&without("globex", "tenant_id")).unwrap();
    let before = calls(&bench, "/query/run").len();
    ready(&bench.again("clinical-v2").await);
    assert_eq!(calls(&bench, "/query/run").len(), before, "nobody asked");
    bench.declare(requested("noon", asking(page(), own_patients)));
    let told = stalled(&bench.again("clinical-v2").await);
    says(&told, &["RoutingWrong", "as tenant globex"]);
    assert_eq!(calls(&bench, "/query/run").len(), before + 2);
    // Put right, it is asked for again by another word.
    bench
        .simulator
        .play(&user("globex", "tenant_id", "TENANT_GLOBEX"))
        .unwrap();
    bench.declare(requested("later", asking(page(), own_patients)));
    ready(&bench.again("clinical-v2").await);
}
