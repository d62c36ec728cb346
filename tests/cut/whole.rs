//! A cut is whole: what Omni holds afterwards is what was declared.

use serde_json::Value;

use super::bench::{Bench, ready};
use super::breaking::Fuse;

/// The version's folder, as the example declares it.
const FOLDER: &str = "clinical/v2";

#[tokio::test(flavor = "multi_thread")]
async fn version_two_is_cut_from_version_one() {
    let bench = Bench::new(|_, text| text).await;
    let before = bench.simulator.state();
    let (first, second) = bench.both().await;
    ready(&first);
    ready(&second);
    assert_eq!(second.folder.as_deref(), Some(FOLDER));
    assert_eq!(second.dashboards.as_ref().unwrap().progress, "5/5");
    println!("{:#?}", bench.simulator.requests().iter().map(|it| format!("{} {} {:?}", it.method, it.path, it.status)).collect::<Vec<_>>());
    let after = bench.simulator.state();
    let old = |state: &Value| of_version_one(state);
    assert_eq!(old(&before), old(&after), "version 1 is untouched");
}

/// Everything of the organisation that is there before version 2.
fn of_version_one(state: &Value) -> Value {
    let keep = |list: &str, kept: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        state[list].as_array().unwrap().iter().filter(|it| kept(it)).cloned().collect()
    };
    let documents = keep("documents", &|it| it["folderPath"] != FOLDER);
    let models = keep("models", &|it| it["kind"] == "SHARED" && it["name"] == "clinical" || it["kind"] == "SCHEMA");
    serde_json::json!({"documents": documents, "models": models})
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_over_a_complete_version_write_nothing() {
    let bench = Bench::new(|_, text| text).await;
    bench.both().await;
    let (state, requests) = (bench.simulator.state(), bench.simulator.requests().len());
    for _ in 0..2 {
        let world = bench.world(&Fuse::never()).await;
        ready(&bench.drive(&world, "clinical-v1").await);
        ready(&bench.drive(&world, "clinical-v2").await);
    }
    assert_eq!(bench.simulator.state(), state);
    let written: Vec<_> = bench.simulator.requests().into_iter().skip(requests).filter(|it| it.method != "GET").collect();
    assert!(written.is_empty(), "{written:?}");
}
