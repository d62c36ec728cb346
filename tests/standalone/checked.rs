//! Tenants that move by waves, and checks that are asked over HTTP how they fare: a webhook, and what Prometheus answers.

use serde_json::{Value, json};

use super::bench::Bench;
use super::rollout::following;
use crate::parts::Site;

/// The canary's rollout, done for version 1, without soaks.
async fn at_rest() -> Bench {
    let bench = following().await;
    bench.edit("rollout.yaml", ", soak: 24h", "");
    bench.apply(&[]).ended_with(0);
    bench
}

/// Sets the target to 2, with these lines of checks.
fn roll_out(bench: &Bench, checks: &str) {
    bench.edit("rollout.yaml", "  version: 1", &format!("  version: 2\n{checks}"));
}

/// Applies until all is done: what was asked less than an interval ago is not asked again yet.
fn applied(bench: &Bench) {
    let done = (0..30).any(|_| bench.apply(&[]).code == Some(0));
    assert!(done, "it is not done after 30 runs");
}

async fn on(bench: &Bench, tenant: &str) -> Option<String> {
    let prefix = format!("{tenant}|production|");
    let rows = bench.rows().await;
    rows.iter().find_map(|row| row.strip_prefix(&prefix).map(str::to_owned))
}

async fn both(bench: &Bench) -> (String, String) {
    let of = async |tenant| on(bench, tenant).await.unwrap_or_default();
    (of("globex").await, of("acme-corp").await)
}

fn pair(canary: &str, other: &str) -> (String, String) {
    (canary.to_owned(), other.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn others_follow_the_canary_when_its_checks_have_passed_and_not_before() {
    let bench = at_rest().await;
    let metrics = Site::saying(json!({"status": "success", "data": {"resultType": "vector", "result": []}})).await;
    let smoke = Site::saying(json!({"passed": true})).await;
    let (of_metrics, of_smoke) = (&metrics.url, &smoke.url);
    roll_out(
        &bench,
        &format!(
            "  checks:\n    - {{name: errors, interval: 1s, timeout: 1s, prometheus: {{url: \"{of_metrics}\", query: \"errors\", max: 0}}}}\n    \
             - {{name: smoke, interval: 1s, timeout: 1s, webhook: {{url: \"{of_smoke}\"}}}}\n"
        ),
    );
    let held = bench.apply(&[]).ended_with(3);
    assert!(
        held.stdout
            .contains("VersionRollout/production: Waiting (CheckUnknown)")
            && held.stdout.contains("no sample for a tenant of the wave"),
        "{}",
        held.stdout
    );
    assert_eq!(both(&bench).await, pair("2", "1"));
    let planned = bench.look("plan", &["--ledger-only"]).ended_with(0);
    assert!(planned.stdout.contains("Check"), "{}", planned.stdout);

    let asked = smoke.asked();
    let body: Value = serde_json::from_str(&asked[0].1).unwrap();
    assert_eq!(
        (&body["wave"], &body["tenants"], &body["version"]),
        (&json!("canary"), &json!(["globex"]), &json!(2))
    );
    assert!(metrics.asked()[0].0.starts_with("/api/v1/query?query=errors"));

    // Everybody follows when it is known that the canary fares well: another run, of another process, goes on from there.
    metrics.says(json!({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "0"]}}));
    applied(&bench);
    assert_eq!(both(&bench).await, pair("2", "2"));
    let waves = bench
        .ask(
            "SELECT wave || ' ' || name || ' ' || outcome FROM wavepin_rollout_check WHERE name = 'errors' ORDER BY id",
        )
        .await;
    assert_eq!(
        waves,
        ["canary errors Unknown", "canary errors Passed", "rest errors Passed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn others_follow_when_the_queries_of_the_canary_were_asked_and_are_right() {
    let bench = at_rest().await;
    roll_out(
        &bench,
        "  checks:\n    - {name: queries, interval: 1s, validation: {max: 1}}\n",
    );
    let plans = || {
        let requests = bench.simulator.requests();
        requests.iter().filter(|it| it.path.ends_with("/query/run")).count()
    };
    let held = bench.apply(&[]).ended_with(3);
    assert!(
        held.stdout
            .contains("VersionRollout/production: Waiting (CheckUnknown)")
            && held.stdout.contains("has yet to ask as globex"),
        "{}",
        held.stdout
    );
    assert_eq!(both(&bench).await, pair("2", "1"));
    // The environment's pass has woken the version's, in the same run.
    let asked = plans();
    assert!(asked > 0, "{}", held.stdout);
    applied(&bench);
    assert_eq!(both(&bench).await, pair("2", "2"));
    assert_eq!(plans(), 2 * asked, "as one tenant of each wave");
    let answers = "SELECT wave || ' ' || outcome FROM wavepin_rollout_check ORDER BY id";
    assert_eq!(
        bench.ask(answers).await,
        ["canary Unknown", "canary Passed", "rest Unknown", "rest Passed"]
    );
}

/// A webhook that must not fail twice in a row.
fn smoke_at(url: &str) -> String {
    format!(
        "  checks:\n    - {{name: smoke, interval: 1s, timeout: 1s, failureLimit: 2, webhook: {{url: \"{url}\"}}}}\n"
    )
}

/// Applies until this is told of the rollout.
fn applied_until(bench: &Bench, told: &str) -> String {
    let runs = (0..30).map(|_| bench.apply(&[]).stdout);
    let mut found = runs.filter(|stdout| stdout.contains(told));
    found.next().unwrap_or_else(|| panic!("{told} is not told in 30 runs"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_over_budget_pauses_over_restarts_and_an_edit_begins_anew() {
    let bench = at_rest().await;
    let smoke = Site::saying(json!({"passed": false, "failing": ["globex"], "message": "no tiles"})).await;
    roll_out(&bench, &smoke_at(&smoke.url));
    let first = bench.apply(&[]).ended_with(3);
    assert!(
        first
            .stdout
            .contains("VersionRollout/production: Waiting (CheckFailed)")
            && first.stdout.contains("no tiles"),
        "{}",
        first.stdout
    );
    // Each run is a process of its own: how often it failed stands in the ledger.
    let paused = applied_until(&bench, "VersionRollout/production: Stalled (RolloutFailed)");
    assert!(paused.contains("globex") && paused.contains("it is paused"), "{paused}");
    assert_eq!(both(&bench).await, pair("2", "1"));
    let asked = smoke.asked().len();
    smoke.says(json!({"passed": true}));
    bench.apply(&[]);
    assert_eq!(
        (smoke.asked().len(), both(&bench).await),
        (asked, pair("2", "1")),
        "it stays so until a person acts"
    );
    bench.edit("rollout.yaml", "failureLimit: 2", "failureLimit: 3");
    applied(&bench);
    assert_eq!(both(&bench).await, pair("2", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_over_budget_takes_everybody_back_where_that_is_asked_for() {
    let bench = at_rest().await;
    let smoke = Site::saying(json!({"passed": false})).await;
    let back = format!(
        "{}  failureBudget: {{wave: 0, total: 50%}}\n  onFailure: RollBack\n",
        smoke_at(&smoke.url)
    );
    roll_out(&bench, &back);
    bench.apply(&[]).ended_with(3);
    assert_eq!(both(&bench).await, pair("2", "1"));
    let told = applied_until(&bench, "VersionRollout/production: Stalled (RolloutFailed)");
    assert!(told.contains("it is rolled back"), "{told}");
    assert_eq!(both(&bench).await, pair("1", "1"));
    let contents = bench.contents().await;
    bench.apply(&[]);
    assert_eq!(bench.contents().await, contents, "a further run writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_check_can_be_is_refused_before_anything_moves() {
    let bench = at_rest().await;
    let rows = bench.rows().await;
    for (checks, told) in [
        (
            "  failureBudget: {wave: 1}\n",
            "spec.failureBudget goes with spec.checks",
        ),
        (
            "  checks: [{name: a, webhook: {url: \"http://checks.example\"}}]\n",
            "spec.checks[0].webhook.url is plain http",
        ),
        (
            "  checks: [{name: a, webhook: {url: \"https://checks.example\"}}]\n  failureBudget: {wave: 101%}\n",
            "spec.failureBudget.wave",
        ),
        ("  checks: [{name: a}]\n", "spec.checks[0] asks nothing"),
    ] {
        roll_out(&bench, checks);
        let refused = bench.apply(&[]).ended_with(2);
        assert!(
            refused.stdout.contains(told) || refused.stderr.contains(told),
            "{told}: {refused:?}"
        );
        assert_eq!(bench.rows().await, rows);
        bench.edit("rollout.yaml", &format!("  version: 2\n{checks}"), "  version: 1");
    }
}
