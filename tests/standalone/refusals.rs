//! Folders with something wrong in them.

use super::bench::{Bench, run};

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_manifests_are_named_and_the_rest_goes_on() {
    let bench = Bench::clinical().await;
    bench.write("values.yaml", "replicaCount: 3\n");
    bench.write(
        "broken.yaml",
        "apiVersion: v1\nkind: Secret\nstringData: {apiKey: omni_osk_hidden\n",
    );
    let refused = bench.apply(&[]).ended_with(2);
    for told in [
        "values.yaml, document 1: is no manifest: apiVersion and kind are missing",
        "broken.yaml, document 1: is no YAML",
    ] {
        assert!(refused.stderr.contains(told), "{told} in\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("hidden"), "{}", refused.stderr);
    assert_eq!(bench.rows().await.len(), 6, "the rest went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_object_writes_nothing_and_says_what_to_do() {
    let bench = Bench::clinical().await;
    bench.edit_pin("acme-corp-staging", "  version: 2", "  version: 0");
    bench.edit_pin(
        "globex-staging",
        "  environment: staging",
        "  environment: staging\n  colour: blue",
    );
    let twin = std::fs::read_to_string(bench.file("clinical-v2.yaml")).unwrap();
    bench.write("twin.yaml", &twin);
    let refused = bench.apply(&[]).ended_with(2);
    for told in [
        "TenantPin/acme-corp-staging: spec.version is 0, but must be at least 1",
        "TenantPin/globex-staging: spec.colour is no field",
        "ModelVersion/clinical-v2: is declared twice, also in",
    ] {
        assert!(refused.stderr.contains(told), "{told} in\n{}", refused.stderr);
    }
    assert_eq!(bench.writes(), 0, "neither of the twins is cut");
    assert_eq!(
        bench.rows().await,
        ["acme-corp|production|1", "globex|production|1", "initech|production|1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_reconcilers_refuse_ends_as_a_refused_file_does() {
    let bench = Bench::clinical().await;
    let requires_itself = "  version: 1\n  requires: {environment: production}";
    bench.edit_pin("acme-corp-production", "  version: 1", requires_itself);
    let refused = bench.apply(&[]).ended_with(2);
    assert!(
        refused
            .stdout
            .contains("TenantPin/acme-corp-production: Stalled (Invalid)"),
        "{}",
        refused.stdout
    );
    assert_eq!(bench.rows().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_secret_is_named_without_waiting_for_it() {
    let bench = Bench::clinical().await;
    bench.edit("instance.yaml", "  name: omni\n", "  name: other\n");
    let missing = bench.apply(&["--timeout", "20s"]).ended_with(1);
    assert!(missing.stdout.contains("SecretMissing"), "{}", missing.stdout);
    assert!(!missing.stderr.contains("not finished"), "{}", missing.stderr);
    assert!(bench.simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_there_is_wrong_usage() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wavepin"));
    let refused = run(command.args(["apply", "-f", "/nowhere/at/all"])).ended_with(2);
    assert!(refused.stderr.contains("/nowhere/at/all"), "{}", refused.stderr);
}
