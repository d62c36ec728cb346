//! `wavepin rollback`: with the database alone, whether or not anything leads.

use super::bench::Bench;
use super::rollout::following;
use super::watch::Watching;

/// The three tenants were rolled out to 1, and then to 2.
async fn rolled_out() -> Bench {
    let bench = following().await;
    bench.edit("rollout.yaml", ", soak: 24h", "");
    bench.apply(&[]).ended_with(0);
    bench.edit("rollout.yaml", "version: 1", "version: 2");
    bench.apply(&[]).ended_with(0);
    assert_eq!(held(&bench).await, ["2", "2", "2"]);
    bench
}

async fn held(bench: &Bench) -> Vec<String> {
    bench
        .ask("SELECT model_version_id FROM tenant_version WHERE tenant_environment = 'production' ORDER BY tenant_id")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_who_would_go_where_and_orders_nothing_without_a_word() {
    let bench = rolled_out().await;
    let contents = bench.contents().await;
    let told = bench.rollback(&[]).ended_with(3);
    assert_eq!(told.stdout, "2 -> 1  3 tenants: acme-corp, globex, initech\n");
    assert!(told.stderr.contains("--yes orders it"), "{}", told.stderr);
    let canary = bench.rollback(&["--wave", "canary", "-o", "json"]).ended_with(3);
    let canary: serde_json::Value = serde_json::from_str(&canary.stdout).unwrap();
    assert_eq!(
        canary,
        serde_json::json!({"order": null, "leftOut": [], "moves": [{"tenant": "globex", "from": 2, "to": 1}]})
    );
    assert_eq!(bench.contents().await, contents);
    for (args, why) in [
        (
            &["--wave", "late"][..],
            "no wave late has opened; these have: [\"canary\", \"rest\"]",
        ),
        (
            &["--tenant", "nobody"],
            "tenant nobody has no row in environment production",
        ),
        (
            &["--lift", "7", "--yes"],
            "no order 7 stands for environment production",
        ),
        (&["--tenant", "acme-corp", "--wave", "rest"], "cannot be used with"),
        (&["--wait", "soon"], "invalid value"),
    ] {
        let refused = bench.rollback(args);
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(why), "{args:?}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leads_carries_it_out_and_what_is_declared_counts_again_when_it_is_lifted() {
    let bench = rolled_out().await;
    let calls = tokio::task::block_in_place(|| {
        let watching = Watching::start(&bench, &[]);
        watching.says("VersionRollout/production  RolledOut");
        let calls = bench.simulator.requests().len();
        let done = bench.rollback(&["--yes"]).ended_with(0);
        assert!(done.stdout.starts_with("order 1\n2 -> 1  3 tenants"), "{}", done.stdout);
        watching.says("RolledBack");
        bench.rollback(&["--lift", "1", "--yes"]).ended_with(0);
        watching.says("wavepin.dev/retry-rollout");
        watching.end();
        bench.simulator.requests().len() - calls
    });
    assert_eq!(calls, 0, "Omni has no part in it");
    assert_eq!(held(&bench).await, ["1", "1", "1"]);
    // The target is latched until a person starts it again.
    let latched = bench.apply(&[]).ended_with(3);
    let word = latched.stdout.split("wavepin.dev/retry-rollout: ").nth(1).unwrap();
    let word = word.split_whitespace().next().unwrap();
    bench.edit(
        "rollout.yaml",
        "metadata: {name: production}",
        &format!("metadata: {{name: production, annotations: {{wavepin.dev/retry-rollout: {word}}}}}"),
    );
    bench.apply(&[]).ended_with(0);
    assert_eq!(held(&bench).await, ["2", "2", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_leads_it_waits_or_does_it_itself() {
    let bench = rolled_out().await;
    let nobody = bench
        .rollback(&["--tenant", "acme-corp", "--yes", "--wait", "1s"])
        .ended_with(1);
    assert!(
        nobody
            .stderr
            .contains("its pin is on hold, its row cannot be written, or no controller leads"),
        "{}",
        nobody.stderr
    );
    let all = bench
        .rollback(&["--wave", "rest", "--yes", "--wait", "1s"])
        .ended_with(1);
    assert!(
        all.stderr
            .contains("nobody carried order 2 out within 1s: no controller leads"),
        "{}",
        all.stderr
    );
    for order in ["1", "2"] {
        bench.rollback(&["--lift", order, "--yes"]).ended_with(0);
    }
    assert_eq!(held(&bench).await, ["2", "2", "2"]);
    let done = bench.rollback(&["--yes", "--wait", "1s", "--take-over"]).ended_with(0);
    assert!(done.stderr.contains("3 rows went back"), "{}", done.stderr);
    assert_eq!(held(&bench).await, ["1", "1", "1"]);
    // The next one that leads finds all of it, and the order outranks another target.
    bench.edit("rollout.yaml", "version: 2", "version: 1");
    bench.edit("rollout.yaml", "version: 1", "version: 2");
    let after = bench.apply(&[]).ended_with(3);
    assert!(after.stdout.contains("Waiting (RolledBack)"), "{}", after.stdout);
    assert!(after.stdout.contains("taken back by anna"), "{}", after.stdout);
    assert_eq!(held(&bench).await, ["1", "1", "1"]);
    let why = bench
        .ask("SELECT kind || ' ' || why FROM wavepin_rollout_event WHERE kind = 'Ordered'")
        .await;
    assert_eq!(why, ["Ordered anna: numbers are off"]);
}

pub(crate) async fn a_rollout_that_goes_takes_nothing_with_it() {
    let bench = rolled_out().await;
    let (rows, state) = (bench.rows().await, bench.simulator.state());
    let requests = bench.simulator.requests().len();
    // It is taken back, and goes; then it and all of its pins are no longer declared.
    bench.rollback(&["--yes", "--wait", "1s", "--take-over"]).ended_with(0);
    bench.rollback(&["--lift", "1", "--yes"]).ended_with(0);
    std::fs::remove_file(bench.file("rollout.yaml")).unwrap();
    bench.apply(&["--prune"]);
    assert_eq!(held(&bench).await, ["1", "1", "1"], "each stays where it is");
    std::fs::remove_file(bench.file("pins.yaml")).unwrap();
    bench.apply(&["--prune"]).ended_with(0);
    assert_eq!(bench.rows().await.len(), rows.len(), "no tenant sees nothing");
    for version in ["clinical-v1.yaml", "clinical-v2.yaml"] {
        std::fs::remove_file(bench.file(version)).unwrap();
    }
    bench.apply(&["--prune"]).ended_with(0);
    assert_eq!(bench.simulator.state(), state, "Omni is as it was");
    let deletes = bench.simulator.requests()[requests..]
        .iter()
        .filter(|it| it.method == "DELETE")
        .count();
    assert_eq!(deletes, 0);
    let retired = "SELECT count(*) FROM wavepin_model_version WHERE retired_at IS NOT NULL OR complete_at IS NULL";
    assert_eq!(bench.ask(retired).await, ["0"], "both versions can be gone back to");
}
