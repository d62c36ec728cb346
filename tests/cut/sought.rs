//! A check of a wave that asks the version's queries as tenants of the wave: the pass over the environment names them, the
//! version's own pass asks, and neither waits for the other.

use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, SqliteConnection};
use wavepin::environment::{self, EnvironmentKey, EnvironmentPass};
use wavepin::ports::World;
use wavepin::resources::conditions::{COMPLETE, Finding, WAITING};

use super::bench::{Bench, ready, says};
use super::breaking::Fuse;
use super::queries::{asking, calls, own_patients, page, user, with_schemas};

/// Production's tenants follow a rollout to this version, acme-corp first; the check asks so many tenants of each wave.
fn rolled_out(to: i32, max: usize) -> impl Fn(&str, String) -> String {
    let before = asking(page(), own_patients);
    let rollout = format!(
        "apiVersion: wavepin.dev/v1alpha1\nkind: VersionRollout\nmetadata: {{name: production}}\nspec:\n  \
         instanceRef: {{name: clinical}}\n  environment: production\n  version: {to}\n  waves:\n    \
         - {{name: canary, selector: {{matchLabels: {{tier: canary}}}}}}\n    - {{name: rest}}\n  checks:\n    \
         - {{name: queries, validation: {{max: {max}}}}}\n"
    );
    move |file, text| {
        if file != "pins.yaml" {
            return before(file, text);
        }
        let pins = text
            .split("\n---\n")
            .filter(|pin| !pin.contains("environment: staging"));
        let pins = pins.map(|pin| {
            let pin = pin.replace("  version: 1", "  deletionPolicy: Retain");
            match pin.contains("tenant: acme-corp") {
                true => pin.replace("metadata:\n", "metadata:\n  labels: {tier: canary}\n"),
                false => pin,
            }
        });
        pins.chain([rollout.clone()]).collect::<Vec<_>>().join("\n---\n")
    }
}

/// Version 2 is complete, and the rollout to this version is declared.
async fn bench(to: i32) -> (Bench, World) {
    let bench = with_schemas(rolled_out(to, 2)).await;
    bench
        .simulator
        .play(&user("initech", "tenant_id", "TENANT_INITECH"))
        .unwrap();
    let (_, report) = bench.both().await;
    ready(&report);
    let world = bench.world(&Fuse::never()).await;
    (bench, world)
}

/// A pass over production, which asks nothing of Omni; who is on which version after it.
async fn pass(bench: &Bench, world: &World) -> (EnvironmentPass, Vec<String>) {
    let key = EnvironmentKey {
        namespace: "default".to_owned(),
        instance: "clinical".to_owned(),
        environment: "production".to_owned(),
    };
    let asked = bench.simulator.requests().len();
    let pass = environment::reconcile(world, &key).await.unwrap();
    assert_eq!(bench.simulator.requests().len(), asked, "rows need no call to Omni");
    let on = pass.pins.iter().filter_map(|pin| Some((pin, pin.version?)));
    let on = on.map(|(pin, version)| format!("{} {version}", pin.name)).collect();
    (pass, on)
}

fn told<'p>(pass: &'p EnvironmentPass, condition: &str) -> Option<&'p Finding> {
    let mut findings = pass.rollouts[0].findings.iter();
    findings.find(|it| it.condition == condition)
}

/// What the rollout waits for, with its reason in front.
fn waits(pass: &EnvironmentPass) -> String {
    let waiting = told(pass, WAITING).unwrap_or_else(|| panic!("{:#?}", pass.rollouts[0]));
    format!("{}: {}", waiting.reason.as_str(), waiting.message)
}

/// The check's interval passes, by the clock of the database.
async fn later(bench: &Bench) {
    let mut hand = SqliteConnection::connect(bench.database().expose_secret())
        .await
        .unwrap();
    for sql in [
        "UPDATE wavepin_rollout_check SET at = at - 60000000, asked_at = asked_at - 60000000",
        "UPDATE wavepin_pin_event SET at = at - 60000000",
        "UPDATE wavepin_rollout_event SET at = at - 60000000",
    ] {
        sqlx::query(sql).execute(&mut hand).await.unwrap();
    }
}

fn plans(bench: &Bench) -> usize {
    calls(bench, "/query/run").len()
}

/// From here the wave `rest` waits for what its own tenants' queries come to.
async fn rest_ends(bench: &Bench, world: &World, version: i32) {
    let all = [
        format!("acme-corp-production {version}"),
        format!("globex-production {version}"),
        format!("initech-production {version}"),
    ];
    let (moved, on) = pass(bench, world).await;
    assert_eq!(on, all, "{moved:#?}");
    says(&waits(&moved), &["CheckUnknown", "has yet to ask as globex, initech"]);
    bench.drive(world, &format!("clinical-v{version}")).await;
    later(bench).await;
    let (done, _) = pass(bench, world).await;
    assert_eq!(
        told(&done, COMPLETE).map(|it| it.reason.as_str()),
        Some("RolledOut"),
        "{done:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_goes_on_once_the_queries_of_its_tenants_are_right_and_each_attempt_asks_anew() {
    let (bench, world) = bench(2).await;
    let before = plans(&bench);
    let (first, on) = pass(&bench, &world).await;
    assert_eq!(on, ["acme-corp-production 2"]);
    says(
        &waits(&first),
        &["CheckUnknown", "check queries", "has yet to ask as acme-corp"],
    );
    assert_eq!(first.sought, [2].into());
    // Who asks is the version's pass alone: until it has, nothing moves, however long that is, and it is not called again.
    later(&bench).await;
    let (second, on) = pass(&bench, &world).await;
    assert_eq!((second.sought.len(), on.len()), (0, 1), "{second:#?}");
    says(&waits(&second), &["CheckUnknown", "has yet to ask as acme-corp"]);

    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(plans(&bench), before + 1, "one tile, one tenant");
    ready(&bench.drive(&world, "clinical-v2").await);
    assert_eq!(plans(&bench), before + 1, "it is on record");
    // What was found for one attempt opens nothing in the next: it is asked anew.
    bench.declare(rolled_out(2, 3));
    let (edited, on) = pass(&bench, &world).await;
    assert_eq!((on.len(), edited.sought.len()), (1, 1));
    says(&waits(&edited), &["CheckUnknown", "has yet to ask as acme-corp"]);
    bench.drive(&world, "clinical-v2").await;
    assert_eq!(plans(&bench), before + 2);
    later(&bench).await;
    rest_ends(&bench, &world, 2).await;
    assert_eq!(plans(&bench), before + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_led_to_anothers_data_fails_by_name_until_that_is_mended() {
    let (bench, world) = bench(2).await;
    // After the version was validated, where its own evidence sees nothing of it.
    bench
        .simulator
        .play(&user("acme-corp", "tenant_id", "TENANT_GLOBEX"))
        .unwrap();
    pass(&bench, &world).await;
    ready(&bench.drive(&world, "clinical-v2").await);
    for (times, next) in [
        ("1 times in a row", "TENANT_GLOBEX"),
        ("2 times in a row", "TENANT_ACME_CORP"),
    ] {
        later(&bench).await;
        let (failed, on) = pass(&bench, &world).await;
        says(
            &waits(&failed),
            &[
                "CheckFailed",
                times,
                "1 of the tiles' queries",
                "as tenant acme-corp: it reads schema TENANT_GLOBEX, another tenant's",
            ],
        );
        assert_eq!(on, ["acme-corp-production 2"]);
        let failing = &failed.rollouts[0].progress.as_ref().unwrap().waves[0].failing_tenants;
        assert_eq!(*failing, ["acme-corp"]);
        assert_eq!(failed.sought, [2].into(), "for the next answer it is asked anew");
        bench.simulator.play(&user("acme-corp", "tenant_id", next)).unwrap();
        bench.drive(&world, "clinical-v2").await;
    }
    later(&bench).await;
    rest_ends(&bench, &world, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_version_is_asked_too_and_a_tenant_without_an_embed_user_is_no_answer() {
    let (bench, world) = bench(1).await;
    bench
        .simulator
        .play(&serde_json::json!({"action": "remove_user", "external_id": "acme-corp"}))
        .unwrap();
    pass(&bench, &world).await;
    bench.drive(&world, "clinical-v1").await;
    later(&bench).await;
    let (nobody, on) = pass(&bench, &world).await;
    assert_eq!(on, ["acme-corp-production 1"]);
    says(
        &waits(&nobody),
        &[
            "CheckUnknown",
            "of the first 1 tenants of the wave none has an embed user",
        ],
    );
    for (attribute, value) in [("tenant_id", "TENANT_ACME_CORP"), ("environment", "production")] {
        bench.simulator.play(&user("acme-corp", attribute, value)).unwrap();
    }
    ready(&bench.drive(&world, "clinical-v1").await);
    later(&bench).await;
    rest_ends(&bench, &world, 1).await;
}
