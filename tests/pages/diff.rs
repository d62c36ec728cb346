//! The section of the page about edits that asks what came of them.

use std::path::Path;

use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::{Shell, commands, example_led_to};

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_between_the_examples_versions_is_what_the_page_shows() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let shell = Shell::new("diff", &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))]);
    let folder = example_led_to(&shell, simulator.base_url());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let database = format!("sqlite:{}", shell.family.home().join("wavepin.sqlite").display());
    let run = |commands: &str| {
        let commands = commands.replace("examples/clinical", &folder.display().to_string());
        tokio::task::block_in_place(|| shell.run(&commands, &[("WAVEPIN_DATABASE_URL", &database)]))
    };
    run("wavepin apply -f examples/clinical");
    let [block] = commands("edits.md", "diff").try_into().expect("one block");
    let told = run(&block);
    let page = std::fs::read_to_string(root.join("docs/edits.md")).unwrap();
    let shown = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let (table, json) = told.split_at(shown.len());
    assert_eq!(table, shown);
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["modelOnly"], true);
    assert_eq!(json["differences"].as_array().unwrap().len(), 3);
    simulator.shutdown().await;
}
