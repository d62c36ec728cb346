//! The page on plans.

use std::path::Path;

use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::{Shell, commands, example_led_to};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_planned_as_the_page_says() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let shell = Shell::new("plan", &[("wavepin", Path::new(env!("CARGO_BIN_EXE_wavepin")))]);
    let folder = example_led_to(&shell, simulator.base_url());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let database = format!("sqlite:{}", shell.family.home().join("wavepin.sqlite").display());
    let run = |command: &str| {
        let command = command.replace("examples/clinical", &folder.display().to_string());
        tokio::task::block_in_place(|| shell.run(&command, &[("WAVEPIN_DATABASE_URL", &database)]))
    };
    let [block] = commands("plan.md", "plan").try_into().expect("one block");
    let [kinds, each, json, ledger] = block.lines().map(run).collect::<Vec<_>>().try_into().unwrap();
    let page = std::fs::read_to_string(root.join("docs/plan.md")).unwrap();
    for word in ["{model clinical v2}", "{folder clinical/v2}"] {
        assert!(page.contains(&format!("`{word}`")) && each.contains(word), "{word}");
    }
    assert!(kinds.lines().count() < each.lines().count(), "{kinds}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let version = &json["versions"][1];
    let calls = version["calls"].as_array().unwrap();
    assert_eq!(version["callsLeft"], calls.len());
    for name in ["method", "path", "query", "about"] {
        assert!(calls[0][name].is_string(), "{}", calls[0]);
    }
    assert!(
        kinds.contains(&format!("ModelVersion/clinical-v2: {} calls to Omni", calls.len())),
        "{kinds}"
    );
    assert!(ledger.contains("ModelVersion/clinical-v2: about "), "{ledger}");
    let writes = simulator.requests().into_iter().filter(|it| it.method != "GET");
    assert_eq!(writes.count(), 0, "a plan writes nothing");
    simulator.shutdown().await;
}
