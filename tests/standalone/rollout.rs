//! Tenants that move by waves, with a folder in place of a cluster.

use super::bench::Bench;

const ROLLOUT: &str = "apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 1
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}, soak: 24h}
    - {name: rest}
";

/// The example, with its production pins following a rollout: globex is the canary.
pub(super) async fn following() -> Bench {
    let bench = Bench::clinical().await;
    bench.write("rollout.yaml", ROLLOUT);
    for tenant in ["acme-corp", "globex", "initech"] {
        bench.edit_pin(
            &format!("{tenant}-production"),
            "  version: 1",
            "  deletionPolicy: Retain",
        );
    }
    bench.edit_pin("globex-production", "spec:", "  labels: {tier: canary}\nspec:");
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_moves_and_soaks_and_an_edit_takes_it_back_without_a_call() {
    let bench = following().await;
    let first = bench.apply(&[]).ended_with(3);
    // The first rollout has nobody to go back to: the canary goes first, and the others have no row yet.
    assert_eq!(bench.look_up("globex", "production").await, "12db1a0a");
    assert!(
        first.stdout.contains("VersionRollout/production: Waiting (Soaking)"),
        "{}",
        first.stdout
    );
    assert!(first.stdout.contains("1/3"), "{}", first.stdout);
    let rows = bench.rows().await;
    assert!(
        !rows.iter().any(|row| row.starts_with("acme-corp|production")),
        "{rows:?}"
    );

    bench.edit("rollout.yaml", ", soak: 24h", "");
    let all = bench.apply(&[]).ended_with(0);
    assert!(all.stdout.contains("3/3"), "{}", all.stdout);
    bench.edit(
        "rollout.yaml",
        "selector: {matchLabels: {tier: canary}}",
        "selector: {matchLabels: {tier: canary}}, soak: 24h",
    );
    bench.edit("rollout.yaml", "version: 1", "version: 2");
    let planned = bench.look("plan", &["--ledger-only"]).ended_with(0);
    assert!(
        planned.stdout.contains("globex from version 1 to version 2"),
        "{}",
        planned.stdout
    );
    assert!(
        !planned.stdout.contains("acme-corp from version 1 to version 2"),
        "{}",
        planned.stdout
    );

    let writes = bench.writes();
    bench.apply(&[]).ended_with(3);
    let on = async |tenant: &str| {
        let rows = bench.rows().await;
        let prefix = format!("{tenant}|production|");
        rows.iter().find_map(|row| row.strip_prefix(&prefix).map(str::to_owned))
    };
    assert_eq!(
        (on("globex").await.as_deref(), on("acme-corp").await.as_deref()),
        (Some("2"), Some("1"))
    );
    let contents = bench.contents().await;
    bench.apply(&[]).ended_with(3);
    assert_eq!(bench.contents().await, contents, "a second run writes nothing");

    bench.edit("rollout.yaml", "version: 2", "version: 1");
    bench.apply(&[]).ended_with(0);
    assert_eq!(on("globex").await.as_deref(), Some("1"));
    assert_eq!(bench.writes(), writes, "neither way made a call that writes to Omni");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rollout_can_be_is_refused_and_no_pin_that_follows_moves() {
    let bench = following().await;
    bench.apply(&[]).ended_with(3);
    let rows = bench.rows().await;
    let selector = "selector: {matchLabels: {tier: canary}}, ";
    bench.edit("rollout.yaml", selector, "");
    bench.edit("rollout.yaml", "version: 1", "version: 2");
    let refused = bench.apply(&[]).ended_with(2);
    let told = "VersionRollout/production: Stalled (Invalid)";
    assert!(refused.stdout.contains(told), "{}", refused.stdout);
    assert!(
        refused.stdout.contains("spec.waves[0] (canary) has no selector"),
        "{}",
        refused.stdout
    );
    assert!(refused.stdout.contains("Reconciling (NoRollout)"), "{}", refused.stdout);
    assert_eq!(bench.rows().await, rows);
    bench.edit("rollout.yaml", "name: canary, ", &format!("name: canary, {selector}"));
    bench.edit("rollout.yaml", "soak: 24h", "batch: {size: 0%, every: 1m}");
    let refused = bench.apply(&[]).ended_with(2);
    assert!(
        refused.stderr.contains("spec.waves[0].batch.size") || refused.stdout.contains("spec.waves[0].batch.size"),
        "{refused:?}"
    );
    assert_eq!(bench.rows().await, rows);
}
