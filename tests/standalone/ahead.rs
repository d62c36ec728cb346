//! `wavepin plan` and `wavepin get`: what they say comes true, and they change nothing.

use serde_json::Value;

use super::bench::Bench;

fn json(bench: &Bench, command: &str) -> Value {
    let more: &[&str] = match command {
        "plan" => &["-o", "json", "--ledger-only"],
        _ => &["-o", "json"],
    };
    let told = bench.look(command, more).ended_with(0).stdout;
    serde_json::from_str(&told).expect("it is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_comes_true_and_planning_changes_nothing() {
    let bench = Bench::clinical().await;
    let before = json(&bench, "plan");
    assert_eq!(bench.simulator.requests().len(), 0, "no call is made");
    assert!(!bench.has_database(), "no file is made");
    let planned = |plan: &Value| {
        let versions = plan["versions"].as_array().expect("a list").iter();
        versions
            .map(|it| it["callsLeft"].as_u64().expect("a number"))
            .sum::<u64>()
    };
    let calls = planned(&before);
    bench.apply(&[]).ended_with(0);
    let made = bench.simulator.requests().len() as u64;
    assert!(
        made <= calls && calls <= made * 2,
        "{calls} calls were planned, and {made} made"
    );
    let (contents, requests) = (bench.contents().await, bench.simulator.requests().len());
    let after = json(&bench, "plan");
    assert_eq!(planned(&after), 0);
    let text = bench.look("plan", &[]).ended_with(0).stdout;
    for line in [
        "ModelVersion/clinical-v2: nothing to do",
        "environment production: nothing to do now",
        "requests a minute left",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    let used = after["budgets"][0]["used"].as_u64().expect("a number");
    assert!(used <= made, "{after}");

    // A promotion that is declared and not applied yet: one row, no call.
    bench.edit_pin("globex-production", "version: 1", "version: 2");
    let text = bench.look("plan", &[]).ended_with(0).stdout;
    let line = "environment production: globex from version 1 to version 2, no call";
    assert!(text.contains(line), "{text}");
    let table = bench.look("get", &[]).ended_with(0).stdout;
    for word in ["BUDGET", "CALLS LEFT", "clinical-v2", "globex-production", "DONE IN"] {
        assert!(table.contains(word), "{word:?} in\n{table}");
    }
    assert_eq!(bench.contents().await, contents, "looking writes nothing");
    assert_eq!(bench.simulator.requests().len(), requests, "and asks Omni nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_each_step_with_its_calls() {
    let bench = Bench::clinical().await;
    let text = bench.look("plan", &["--ledger-only"]).ended_with(0).stdout;
    for part in [
        "ModelVersion/clinical-v1: about",
        "read model 3fb59130-54fc-4848-832f-d22f61933485 and folder \"clinical/v1\"",
        "create model \"clinical v2\"",
        "create folder \"clinical/v2\", closed until the version is whole",
        "copy 5 dashboards: ",
        "open the folder, write 5 rows and the mark",
        " calls to Omni, done in ",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    bench.write(
        "broken.yaml",
        "apiVersion: wavepin.dev/v1alpha1\nkind: ModelVersion\nmetadata: {name: x}\nspec: {}\n",
    );
    bench.look("plan", &[]).ended_with(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_saw_nothing_fails_and_one_of_what_is_suspended_names_no_call() {
    let bench = Bench::clinical().await;
    bench.edit("clinical-v2.yaml", "spec:\n", "spec:\n  suspend: true\n");
    let text = bench.look("plan", &[]).ended_with(0).stdout;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("clinical-v2")).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("ModelVersion/clinical-v2: Suspended: "),
        "{text}"
    );
    bench.edit("instance.yaml", "name: omni\n", "name: another\n");
    let text = bench.look("plan", &[]).ended_with(1).stdout;
    assert!(text.contains("its budget is not known: "), "{text}");
}
