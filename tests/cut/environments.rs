//! Evidence for each environment: what is found for the tenants of one keeps no other's, and one that gets its first pins
//! later is validated for before they move.

use secrecy::ExposeSecret as _;
use wavepin::environment::{self, EnvironmentKey, PinReport};
use wavepin::ports::World;
use wavepin::resources::conditions::{READY, RECONCILING, Verdict, WAITING};

use super::bench::{Bench, ready, says, stalled, verdict};
use super::breaking::Fuse;
use super::evidence::{requested, validated, waits};
use super::queries::{asking, calls, own_patients, page, user, with_schemas};

/// The page's way of asking, as the tenants of every environment.
fn everywhere() -> String {
    let page = page().replace("      environment: production\n", "");
    assert!(!page.contains("environment") && page.contains("max: 2"), "{page}");
    page
}

/// Version 2 asked as the tenants of every environment. Staging's are others than production's, and their pins name this
/// version; where it is `None` there are no pins in staging. Production's name this one.
fn declared(staging: Option<i32>, production: i32, suffix: &'static str) -> impl Fn(&str, String) -> String {
    let before = asking(everywhere(), own_patients);
    move |file, text| {
        if file != "pins.yaml" {
            return before(file, text);
        }
        let pins = text.split("\n---\n").filter_map(|pin| {
            if !pin.contains("environment: staging") {
                return Some(pin.replace("version: 1", &format!("version: {production}")));
            }
            let tenant = pin.lines().find(|it| it.starts_with("  tenant: "))?;
            let pin = pin.replace(tenant, &format!("{tenant}{suffix}"));
            Some(pin.replace("version: 2", &format!("version: {}", staging?)))
        });
        pins.collect::<Vec<_>>().join("\n---\n")
    }
}

/// The embed users of staging's tenants, as the seed names them.
const SEEDED: &str = "-staging";

async fn bench(staging: Option<i32>, suffix: &'static str) -> Bench {
    let bench = with_schemas(declared(staging, 1, suffix)).await;
    for (tenant, schema) in [
        ("acme-corp-staging", "TENANT_ACME_CORP_STAGING"),
        ("globex-staging", "TENANT_GLOBEX_STAGING"),
    ] {
        bench.simulator.play(&user(tenant, "tenant_id", schema)).unwrap();
    }
    bench
}

/// The first pin of an environment, after a pass that asked nothing of Omni.
async fn first_pin(bench: &Bench, world: &World, environment: &str) -> PinReport {
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: environment.to_owned(),
    };
    let asked = bench.simulator.requests().len();
    let pass = environment::reconcile(world, &key).await.unwrap();
    assert_eq!(bench.simulator.requests().len(), asked, "rows need no call to Omni");
    pass.pins.into_iter().next().unwrap()
}

fn plans(bench: &Bench) -> usize {
    calls(bench, "/query/run").len()
}

pub(crate) async fn what_is_found_for_one_environment_after_completion_keeps_no_other() {
    let bench = bench(Some(2), SEEDED).await;
    let (_, report) = bench.both().await;
    ready(&report);
    assert_eq!(plans(&bench), 4, "one tile, two tenants of each environment");
    says(
        &validated(&report).1,
        &["EvidenceHolds", "as tenants of production, staging"],
    );

    // Led astray in Omni, where nothing shows it; a person asks.
    bench
        .simulator
        .play(&user("globex", "tenant_id", "TENANT_ACME_CORP"))
        .unwrap();
    bench.declare(requested("noon", declared(Some(2), 2, SEEDED)));
    let world = bench.world(&Fuse::never()).await;
    let report = bench.drive(&world, "clinical-v2").await;
    let found = "own, tile \"Own patients\", as tenant globex in production: it reads schema";
    says(
        &stalled(&report),
        &["RoutingWrong", "in production, 1 of the tiles' queries", found],
    );
    says(
        &validated(&report).1,
        &[
            "EvidenceVoid",
            "for the tenants of production (RoutingWrong)",
            "those on it stay",
        ],
    );
    assert_eq!(plans(&bench), 8);
    let summary = report.found.as_ref().unwrap();
    assert_eq!((summary.blocking, summary.passed), (1, 0));
    says(
        &summary.first[0],
        &["blocks, routing: own, tile \"Own patients\", as tenant globex in production: it reads"],
    );
    let production = first_pin(&bench, &world, "production").await;
    assert_eq!(production.version, None);
    says(
        &waits(&production).unwrap(),
        &["EvidenceVoid", "for this environment (RoutingWrong: own", "globex"],
    );
    assert_eq!(first_pin(&bench, &world, "staging").await.version, Some(2));
    // Looked at again, production's is asked once more and nothing is written.
    let ledger = environments(&bench).await;
    bench.clock_passes(std::time::Duration::from_secs(301));
    stalled(&bench.drive(&world, "clinical-v2").await);
    assert_eq!((plans(&bench), environments(&bench).await), (10, ledger));

    bench
        .simulator
        .play(&user("globex", "tenant_id", "TENANT_GLOBEX"))
        .unwrap();
    bench.clock_passes(std::time::Duration::from_secs(301));
    let report = bench.drive(&world, "clinical-v2").await;
    ready(&report);
    let found = report.found.as_ref().map(|it| it.blocking);
    assert_eq!(found, Some(0), "there is nothing any more");
    says(
        &validated(&report).1,
        &["as tenants of production, staging", "as asked for at \"noon\""],
    );
    assert_eq!(first_pin(&bench, &world, "production").await.version, Some(2));
}

/// What the ledger says of the environments of version 2.
async fn environments(bench: &Bench) -> Option<String> {
    let pool = sqlx::SqlitePool::connect(bench.database().expose_secret())
        .await
        .unwrap();
    let sql = "SELECT environments FROM wavepin_model_version WHERE version = 2";
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_with_its_first_pins_is_validated_for_before_they_move() {
    let bench = bench(None, SEEDED).await;
    ready(&bench.both().await.1);
    assert_eq!(plans(&bench), 2, "production's");
    let world = bench.world(&Fuse::never()).await;
    // Pins to another version are none that wait for this one.
    bench.declare(declared(Some(1), 2, SEEDED));
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(first_pin(&bench, &world, "staging").await.version, Some(1));
    assert_eq!(plans(&bench), 2);

    bench.declare(declared(Some(2), 2, SEEDED));
    let staging = first_pin(&bench, &world, "staging").await;
    assert_eq!(
        (staging.version, verdict(&staging.findings, WAITING)),
        (Some(1), Some(Verdict::True))
    );
    says(
        &waits(&staging).unwrap(),
        &["EvidenceMissing:", "as the tenants of this environment"],
    );
    assert_eq!(first_pin(&bench, &world, "production").await.version, Some(2));
    for _ in 0..2 {
        ready(&bench.drive(&world, "clinical-v2").await);
        assert_eq!(plans(&bench), 4, "and no more at rest");
    }
    assert_eq!(first_pin(&bench, &world, "staging").await.version, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_without_anybody_to_ask_waits_and_no_other_does() {
    let bench = bench(None, "-nobody").await;
    ready(&bench.both().await.1);
    bench.declare(declared(Some(2), 2, "-nobody"));
    let world = bench.world(&Fuse::never()).await;
    let report = bench.drive(&world, "clinical-v2").await;
    ready(&report);
    let waiting = report.findings.iter().find(|it| it.condition == RECONCILING).unwrap();
    assert_eq!(waiting.reason.as_str(), "NoTenantToAsk");
    says(&waiting.message, &["pinned in staging", "embed user"]);
    assert_eq!(first_pin(&bench, &world, "production").await.version, Some(2));
    let staging = first_pin(&bench, &world, "staging").await;
    says(&waits(&staging).unwrap(), &["EvidenceVoid", "(NoTenantToAsk)"]);
    assert_eq!(
        verdict(&staging.findings, READY),
        Some(Verdict::True),
        "it is as it may be now"
    );

    // Before it is complete, everything that is asked for must be there.
    let bench = self::bench(Some(2), "-nobody").await;
    let (_, report) = bench.both().await;
    let found = report.findings.iter().find(|it| it.condition == READY).unwrap();
    assert_eq!(found.reason.as_str(), "NoTenantToAsk", "{found:?}");
    says(&found.message, &["pinned in staging"]);
    assert!(!report.sealed);
}

/// Evidence of a release that kept one piece for a version was about the one environment that had to be named.
#[tokio::test(flavor = "multi_thread")]
async fn older_evidence_holds_for_the_environment_that_it_was_gathered_in() {
    let named = asking(page(), own_patients);
    let bench = with_schemas(&named).await;
    ready(&bench.both().await.1);
    let pool = sqlx::SqlitePool::connect(bench.database().expose_secret())
        .await
        .unwrap();
    let older = "UPDATE wavepin_model_version SET evidence = json_remove(evidence, '$.schemas', '$.sampled'), \
                 environments = NULL WHERE version = 2";
    sqlx::query(older).execute(&pool).await.unwrap();
    bench.declare(|file, text| match file {
        "pins.yaml" => text.replace("version: 1", "version: 2"),
        _ => named(file, text),
    });
    let world = bench.world(&Fuse::never()).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(plans(&bench), 2, "nobody is asked again");
    let taken = environments(&bench).await.unwrap();
    assert!(taken.contains("production") && !taken.contains("staging"), "{taken}");
    for environment in ["production", "staging"] {
        assert_eq!(first_pin(&bench, &world, environment).await.version, Some(2));
    }
}
