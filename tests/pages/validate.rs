//! The section of the page on validation that asks for one.

use std::path::Path;

use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::{Shell, commands, example_led_to};

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_second_version_is_validated_in_every_shape() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let shell = Shell::new("validate", &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))]);
    let folder = example_led_to(&shell, simulator.base_url());
    let database = format!("sqlite:{}", shell.family.home().join("wavepin.sqlite").display());
    let run = |command: &str| {
        let command = command.replace("examples/clinical", &folder.display().to_string());
        tokio::task::block_in_place(|| shell.run(&command, &[("WAVEPIN_DATABASE_URL", &database)]))
    };
    run("wavepin apply -f examples/clinical");
    let [block] = commands("validation.md", "validate").try_into().expect("one block");
    let [text, json, junit, sarif] = block.lines().map(run).collect::<Vec<_>>().try_into().unwrap();
    assert!(
        text.starts_with("version 2 of clinical: 5 dashboards, checked: model, content\n"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["blocking"], 0);
    assert!(
        junit.contains("<testsuite name=\"content\" tests=\"5\" failures=\"0\">"),
        "{junit}"
    );
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"], Value::Array(Vec::new()));
    simulator.shutdown().await;
}
