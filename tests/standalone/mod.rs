//! `wavepin apply` and `wavepin demo`, as a user runs them: no cluster, SQLite, an organisation in memory.

mod ahead;
mod approvals;
mod bench;
mod checked;
mod diff;
mod edits;
mod explain;
mod full;
mod git;
mod import;
mod notified;
mod refusals;
mod rehearsal;
pub(crate) mod rollback;
mod rollout;
mod rows;
mod validate;
mod watch;

use bench::{Bench, run};
use serde_json::Value;
use wavepin::simulator::{Fault, FaultKind};

/// A document of the organisation by identifier.
fn document<'state>(state: &'state Value, identifier: &str) -> &'state Value {
    let mut documents = state["documents"].as_array().expect("a list").iter();
    documents
        .find(|document| document["identifier"] == identifier)
        .unwrap_or_else(|| panic!("no document {identifier}"))
}

/// The model that a document sits on.
fn model<'state>(state: &'state Value, document: &Value) -> &'state Value {
    let mut models = state["models"].as_array().expect("a list").iter();
    models
        .find(|model| model["id"] == document["modelId"])
        .expect("every document has a model")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_applied_whole_and_a_promotion_changes_one_row() {
    let bench = Bench::clinical().await;
    let hand_made = bench.simulator.state();
    let first = bench.apply(&[]).ended_with(0);

    assert_eq!(bench.look_up("acme-corp", "production").await, "12db1a0a");
    let copy = bench.look_up("acme-corp", "staging").await;
    let state = bench.simulator.state();
    let copied = document(&state, &copy);
    assert_eq!(copied["folderPath"], "clinical/v2");
    assert_eq!(model(&state, copied)["name"], "clinical v2");
    assert_eq!(copied["name"], "Patient Summary");
    assert_eq!(
        document(&state, "12db1a0a"),
        document(&hand_made, "12db1a0a"),
        "version 1 is untouched"
    );
    assert_eq!(
        bench
            .ask("SELECT model_version_id, count(*) FROM dashboard_model GROUP BY 1 ORDER BY 1")
            .await,
        ["1|5", "2|5"]
    );
    for told in [
        "clinical-v2    2         True",
        "5/5",
        "acme-corp-production   acme-corp   production    1        1         True",
    ] {
        assert!(first.stdout.contains(told), "{told} in\n{}", first.stdout);
    }

    let (writes, contents) = (bench.writes(), bench.contents().await);
    let second = bench.apply(&[]).ended_with(0);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(bench.writes(), writes, "a second run writes nothing to Omni");
    assert_eq!(bench.contents().await, contents, "nor to the mapping");

    bench.edit_pin(
        "acme-corp-production",
        "  version: 1",
        "  version: 2\n  requires: {environment: staging}",
    );
    bench.apply(&[]).ended_with(0);
    assert_eq!(bench.writes(), writes, "a promotion writes nothing to Omni");
    assert_eq!(bench.look_up("acme-corp", "production").await, copy);
    let others = [
        "globex|production|1",
        "globex|staging|2",
        "initech|production|1",
        "initech|staging|2",
    ];
    assert_eq!(bench.rows().await[2..], others);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanished_from_the_files_changes_nothing_without_prune() {
    let bench = Bench::clinical().await;
    bench.edit_pin(
        "globex-production",
        "  version: 1",
        "  version: 1\n  deletionPolicy: Delete",
    );
    bench.apply(&[]).ended_with(0);
    let (rows, writes) = (bench.rows().await, bench.writes());

    let pins = std::fs::read_to_string(bench.file("pins.yaml")).unwrap();
    let stay = |part: &&str| !part.contains("name: globex-") && !part.contains("name: initech-production");
    let fewer: Vec<&str> = pins.split("\n---\n").filter(stay).collect();
    bench.write("pins.yaml", &fewer.join("\n---\n"));
    std::fs::remove_file(bench.file("clinical-v2.yaml")).unwrap();
    bench.apply(&[]).ended_with(0);
    assert_eq!(bench.rows().await, rows);
    assert_eq!(bench.ask("SELECT count(*) FROM wavepin_claim").await, ["6"]);

    bench.write("broken.yaml", "a: [b");
    bench.apply(&["--prune"]).ended_with(2);
    assert_eq!(bench.rows().await, rows, "the broken file may hold what is missed");

    std::fs::remove_file(bench.file("broken.yaml")).unwrap();
    bench.apply(&["--prune"]).ended_with(0);
    let left: Vec<String> = rows
        .into_iter()
        .filter(|row| !row.starts_with("globex|production"))
        .collect();
    assert_eq!(bench.rows().await, left, "only the row whose pin said Delete is gone");
    assert_eq!(bench.ask("SELECT count(*) FROM wavepin_claim").await, ["3"]);

    std::fs::remove_file(bench.file("pins.yaml")).unwrap();
    bench.apply(&["--prune"]).ended_with(0);
    assert_eq!(
        bench.ask("SELECT count(*) FROM wavepin_claim").await,
        ["0"],
        "of no environment a pin is left"
    );
    assert_eq!(bench.rows().await, left);
    assert_eq!(bench.writes(), writes, "and Omni is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_kept_back_is_waiting_and_says_for_what() {
    let bench = Bench::clinical().await;
    bench.apply(&[]).ended_with(0);
    bench.edit_pin(
        "globex-production",
        "  version: 1",
        "  version: 2\n  hold: {reason: quarter close}",
    );
    let held = bench.apply(&[]).ended_with(3);
    assert!(
        held.stdout.contains("TenantPin/globex-production: Waiting (Held)"),
        "{}",
        held.stdout
    );
    assert!(held.stdout.contains("quarter close"), "{}", held.stdout);
    assert_eq!(bench.look_up("globex", "production").await, "12db1a0a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_shape_ends_with_its_own_code() {
    let bench = Bench::clinical().await;
    let drift = Fault::once("GET", "/v1/models$", FaultKind::WrongJson).unwrap();
    bench.simulator.arm(Fault { times: 100, ..drift });
    let drifted = bench.apply(&[]).ended_with(5);
    assert!(drifted.stdout.contains("ContractDrift"), "{}", drifted.stdout);
    assert_eq!(bench.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_that_is_out_of_reach_is_tried_until_the_time_is_over() {
    let bench = Bench::clinical().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    bench.edit("instance.yaml", bench.simulator.base_url(), &format!("http://{closed}"));
    let late = bench.apply(&["--timeout", "2s"]).ended_with(1);
    assert!(late.stderr.contains("not finished within 2s"), "{}", late.stderr);
    assert!(late.stdout.contains("OmniUnreachable"), "{}", late.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_yaml_hold_what_the_table_shows() {
    let bench = Bench::clinical().await;
    bench.write(
        "other.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n",
    );
    let json: Value = serde_json::from_str(&bench.apply(&["-o", "json"]).ended_with(0).stdout).unwrap();
    let yaml: Value = serde_saphyr::from_str(&bench.apply(&["--output", "yaml"]).ended_with(0).stdout).unwrap();
    for shown in [&json, &yaml] {
        let items = shown["items"].as_array().unwrap();
        assert_eq!(items.len(), 9);
        let version = items
            .iter()
            .find(|item| item["metadata"]["name"] == "clinical-v2")
            .unwrap();
        assert_eq!(version["status"]["sealed"], true);
        assert_eq!(version["status"]["dashboards"]["progress"], "5/5");
        assert_eq!(shown["refused"], serde_json::json!([]));
        assert!(shown["skipped"][0].as_str().unwrap().contains("ConfigMap/other"));
    }
    assert!(!json.to_string().contains("omni_osk"), "no output holds a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_five_chapters_and_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_wavepin"));
    let told = run(demo.arg("demo").env("TMPDIR", scratch.path())).ended_with(0);
    let chapters: Vec<&str> = told
        .stdout
        .split("\n\n")
        .filter(|part| part.starts_with(['1', '2', '3', '4', '5']))
        .collect();
    assert_eq!(chapters.len(), 5, "{}", told.stdout);
    assert!(
        told.stdout.contains(bench::LOOK_UP.replace('\n', "\n    ").as_str()),
        "{}",
        told.stdout
    );
    for line in [
        "    acme-corp   production    1         /dashboards/12db1a0a    clinical\n",
        "  > globex      staging       2         /dashboards/patient-summary-v2-",
        "  > acme-corp   production    2         /dashboards/patient-summary-v2-",
        "    globex      production    1         /dashboards/12db1a0a                    clinical\n",
        "Changed in the mapping: 1 row of tenant_version.\nCalls to Omni: none.\n",
        "The rollout waits: wave rest opens once somebody who may approves plan 1-",
        "  > initech     production    2         /dashboards/patient-summary-v2-",
        "Changed in the mapping: 2 rows of tenant_version.\nCalls to Omni: none.\nacme-corp's pin has a version of its own",
    ] {
        assert!(told.stdout.contains(line), "{line} in\n{}", told.stdout);
    }
    assert!(!told.stdout.contains('\u{1b}'), "colour is for terminals");
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    for line in shown.lines() {
        assert!(
            told.stdout.contains(line),
            "README.md shows {line:?}, but the demo says\n{}",
            told.stdout
        );
    }
    assert_eq!(told.stderr, "");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}
