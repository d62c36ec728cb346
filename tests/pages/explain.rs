//! The page on what people ask: its commands, and the text that it shows.

use std::path::Path;

use regex::Regex;
use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::{Shell, commands, example_led_to};

const ROLLOUT: &str = "apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 2
  waves:
    - {name: canary, selector: {matchLabels: {tier: canary}}, soak: 72h}
    - {name: rest}
";

/// The example's production pins follow a rollout, globex first.
fn follow(folder: &Path) {
    let pins = std::fs::read_to_string(folder.join("pins.yaml")).unwrap();
    let parts = pins.split("\n---\n").map(|part| {
        if !part.contains("environment: production") {
            return part.to_owned();
        }
        let part = part.replace("  version: 1", "  deletionPolicy: Retain");
        part.replace(
            "name: globex-production",
            "name: globex-production\n  labels: {tier: canary}",
        )
    });
    std::fs::write(folder.join("pins.yaml"), parts.collect::<Vec<_>>().join("\n---\n")).unwrap();
    std::fs::write(folder.join("rollout.yaml"), ROLLOUT).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_ask_is_answered_as_the_page_shows() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let shell = Shell::new("explain", &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))]);
    let folder = example_led_to(&shell, simulator.base_url());
    let database = format!("sqlite:{}", shell.family.home().join("wavepin.sqlite").display());
    // What waits ends with 3, which is no failure here.
    let run = |command: &str| {
        let command = command.replace("examples/clinical", &folder.display().to_string());
        let command = format!("{} || test $? = 3", command.trim());
        tokio::task::block_in_place(|| shell.run(&command, &[("WAVEPIN_DATABASE_URL", &database)]))
    };
    run("wavepin apply -f examples/clinical");
    follow(&folder);
    run("wavepin apply -f examples/clinical");

    let [block] = commands("explain.md", "explain").try_into().expect("one block");
    let told: Vec<_> = block.lines().map(run).collect();
    let [tenant, json, rollout, status, moves, yaml, attempts] = told.try_into().unwrap();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explain.md")).unwrap();
    let shown = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let times = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let timeless = |text: &str| times.replace_all(text, "TIME").into_owned();
    assert_eq!(timeless(&tenant), timeless(shown));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["explanations"].as_array().unwrap().len(), 2);
    assert!(
        rollout.contains("1 of 3 tenants that follow it are there, by plan "),
        "{rollout}"
    );
    assert!(
        status.contains("canary   Soaking   1/1     0 ") && status.contains("1/3 moved"),
        "{status}"
    );
    assert!(
        moves.contains("VersionRollout default/production, wave canary of attempt 1"),
        "{moves}"
    );
    assert!(yaml.contains("wave: canary"), "{yaml}");
    assert!(attempts.contains("wave canary opened, with 1 tenants"), "{attempts}");

    std::fs::write(folder.join("rollout.yaml"), ROLLOUT.replace(", soak: 72h", "")).unwrap();
    run("wavepin apply -f examples/clinical");
    let [watch] = commands("explain.md", "explain watch").try_into().expect("one block");
    let watched = run(&watch);
    assert!(watched.contains("RolledOut: every wave has ended"), "{watched}");
    simulator.shutdown().await;
}
