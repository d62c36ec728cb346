//! Approvals of waves as manifests in a folder.

use super::bench::Bench;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/approval");

/// The example, with its production pins following the rollout of `examples/approval`, on version 1; globex is the canary,
/// and has soaked.
async fn at_the_gate() -> Bench {
    let bench = Bench::clinical().await;
    let rollout = std::fs::read_to_string(format!("{EXAMPLE}/rollout.yaml")).unwrap();
    bench.write("rollout.yaml", &rollout.replace("soak: 24h", "soak: 0s"));
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

/// The plan that a run tells.
fn plan_of(told: &str) -> String {
    let (_, rest) = told.split_once("approves plan ").expect("it names the plan");
    rest.split([',', ' ']).next().unwrap().to_owned()
}

async fn moved(bench: &Bench) -> Vec<String> {
    let rows = bench.rows().await.into_iter();
    rows.filter_map(|row| Some(row.strip_suffix("|production|2")?.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_in_the_folder_approves_a_wave_and_the_ledger_calls_it_unverified() {
    let bench = at_the_gate().await;
    let waits = bench.apply(&[]).ended_with(3);
    let told = "VersionRollout/production: Waiting (ApprovalMissing)";
    assert!(waits.stdout.contains(told), "{}", waits.stdout);
    assert_eq!(moved(&bench).await, ["globex"]);

    // The example's plan is none of now.
    let example = std::fs::read_to_string(format!("{EXAMPLE}/approval.yaml")).unwrap();
    bench.write("approval.yaml", &example);
    let other = bench.apply(&[]).ended_with(3);
    assert!(other.stdout.contains("ApprovalSuperseded"), "{}", other.stdout);
    let plan = plan_of(&waits.stdout);
    bench.edit("approval.yaml", "1-0123456789abcdef-1", &plan);
    bench.edit("approval.yaml", "name: production}", "name: prodution}");
    let nowhere = bench.apply(&[]).ended_with(1);
    let told = "WaveApproval/production-rest-1: Reconciling (RolloutNotReady)";
    assert!(nowhere.stdout.contains(told), "{}", nowhere.stdout);
    assert_eq!(moved(&bench).await, ["globex"]);

    bench.edit("approval.yaml", "name: prodution}", "name: production}");
    let planned = bench.look("plan", &["--ledger-only"]).ended_with(0);
    assert!(planned.stdout.contains("acme-corp from"), "{}", planned.stdout);
    let all = bench.apply(&[]).ended_with(0);
    assert!(all.stdout.contains("ApprovalUsed"), "{}", all.stdout);
    assert_eq!(moved(&bench).await, ["acme-corp", "globex", "initech"]);
    let ledger = "SELECT wave, approver, verified, approval FROM wavepin_rollout_event WHERE kind = 'Approved'";
    assert_eq!(
        bench.ask(ledger).await,
        ["rest|jane@example.com|0|default/production-rest-1"]
    );
    let contents = bench.contents().await;
    bench.apply(&[]).ended_with(0);
    assert_eq!(bench.contents().await, contents, "a second run writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_asks_for_a_verified_approval_does_not_open_by_a_file() {
    let bench = at_the_gate().await;
    bench.edit("rollout.yaml", "approval: Required", "approval: Verified");
    let waits = bench.apply(&[]).ended_with(3);
    let example = std::fs::read_to_string(format!("{EXAMPLE}/approval.yaml")).unwrap();
    let plan = plan_of(&waits.stdout.replace("by a verified approval of plan", "approves plan"));
    bench.write("approval.yaml", &example.replace("1-0123456789abcdef-1", &plan));
    let refused = bench.apply(&[]).ended_with(2);
    for told in [
        "VersionRollout/production: Waiting (ApprovalUnverified)",
        "WaveApproval/production-rest-1: Stalled (ApprovalUnverified)",
        "no approval is verified without Kubernetes",
    ] {
        assert!(refused.stdout.contains(told), "{told} in\n{}", refused.stdout);
    }
    assert_eq!(moved(&bench).await, ["globex"]);
}
