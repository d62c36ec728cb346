//! Edits that ConfigMaps and Secrets of the folder hold.

use serde_json::Value;

use super::bench::{Bench, run};

/// What the Secret's edit says, which nobody is told.
const HIDDEN: &str = "salted_and_peppered";

/// The folder with two more edits of version 2, in a file of their own that holds what nobody's version names, too.
async fn with_objects() -> Bench {
    let bench = Bench::clinical().await;
    let from = "    editsFrom: [{configMapRef: {name: more}}, {secretRef: {name: private}}]\n    edits:\n";
    bench.edit("clinical-v2.yaml", "    edits:\n", from);
    bench.write(
        "more.yaml",
        &format!(
            "{}---\n{}---\n{}",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: [whatever]\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata:\n  edits.yaml: |\n    - {name: words, fileName: wards.view, patch: 'label: Hospital wards'}\n",
            format_args!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: private}}\nstringData:\n  edits.yaml: |\n    - name: token\n      view: patients\n      field: token\n      yaml: 'sql: {HIDDEN}(${{patients.mrn}})'\n"
            ),
        ),
    );
    bench
}

/// Everything that the program says with this command, with all of its log.
#[track_caller]
fn said(bench: &Bench, command: &str, more: &[&str], code: i32) -> String {
    let apply = bench.command(&[]);
    let mut asked = std::process::Command::new(apply.get_program());
    asked.arg(command).arg("-f").arg(bench.file("")).args(more);
    asked.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run(asked.env("WAVEPIN_LOG", "trace")).ended_with(code);
    ran.stdout + &ran.stderr
}

fn label(bench: &Bench) -> Value {
    let state = bench.simulator.state();
    let models = state["models"].as_array().unwrap();
    let model = models
        .iter()
        .find(|it| it["name"] == "clinical v2" && it["kind"] == "SHARED");
    let text = model.unwrap()["files"]["wards.view"].as_str().unwrap();
    serde_saphyr::from_str::<Value>(text).unwrap()["label"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_understands_them_and_tells_nothing_of_a_secret() {
    let bench = with_objects().await;
    let mut told = vec![
        said(&bench, "plan", &["-o", "json"], 0),
        said(&bench, "plan", &["--calls"], 0),
        said(&bench, "plan", &["--ledger-only"], 0),
    ];
    assert!(told[2].contains("copy the definition with 4 edits"), "{}", told[2]);
    assert!(
        told[1].contains("ConfigMap/other of v1 is not Wavepin's"),
        "{}",
        told[1]
    );
    assert!(!told[1].contains("ConfigMap/more"), "{}", told[1]);
    told.push(said(&bench, "apply", &["--budget-window", "1s"], 0));
    assert_eq!(label(&bench), "Hospital wards");
    assert!(
        bench.simulator.state().to_string().contains(HIDDEN),
        "it is in the model"
    );
    told.push(said(&bench, "validate", &["--version", "2"], 0));
    told.push(said(&bench, "get", &[], 0));
    told.push(said(&bench, "apply", &["--budget-window", "1s", "-o", "json"], 0));
    for text in &told {
        let line = text.lines().find(|line| line.contains(HIDDEN));
        assert_eq!(line, None, "it is told");
    }
    // What differs between two models is read from Omni, by who has its key.
    let mut diff = std::process::Command::new(env!("CARGO_BIN_EXE_wavepin"));
    let database = bench.command(&[]);
    diff.args(["diff", "1", "2", "-f"]).arg(bench.file(""));
    diff.envs(database.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let differs = run(&mut diff).ended_with(0).stdout;
    assert!(
        differs.contains("Hospital wards") && differs.contains("patients.token"),
        "{differs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_is_named_without_waiting_and_what_is_wrong_is_refused() {
    let bench = with_objects().await;
    let objects = std::fs::read_to_string(bench.file("more.yaml")).unwrap();
    std::fs::remove_file(bench.file("more.yaml")).unwrap();
    let missing = bench.apply(&["--timeout", "20s"]).ended_with(1);
    assert!(
        missing
            .stdout
            .contains("ModelVersion/clinical-v2: Reconciling (EditsMissing): ConfigMap default/more is not there"),
        "{}",
        missing.stdout
    );
    assert!(!missing.stderr.contains("not finished"), "{}", missing.stderr);
    assert!(said(&bench, "plan", &["--ledger-only"], 1).contains("EditsMissing: ConfigMap default/more is not there"));

    bench.write("more.yaml", &objects.replace("view: patients", "view: patience"));
    let refused = bench.apply(&[]).ended_with(2);
    assert!(
        refused
            .stdout
            .contains("edit 1 of Secret default/private, key \"edits.yaml\": the source has no such view"),
        "{}",
        refused.stdout
    );
    assert!(!refused.stdout.contains("patience"), "{}", refused.stdout);
    assert_eq!(bench.writes(), 0);

    bench.write("more.yaml", &objects);
    bench.apply(&[]).ended_with(0);
    let (state, contents) = (bench.simulator.state(), bench.contents().await);
    bench.write("more.yaml", &objects.replace("Hospital wards", "Other wards"));
    let sealed = bench.apply(&["-o", "json"]).ended_with(0);
    assert!(
        sealed
            .stdout
            .contains("ConfigMap default/more has changed since version 2"),
        "{}",
        sealed.stdout
    );
    assert_eq!((bench.simulator.state(), bench.contents().await), (state, contents));
}
