//! What validation found in a version, read as `docs/validation.md` says, for as long as the version is there.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::{Bed, FILES};
use crate::cluster::eventually;
use crate::parts::program;

const PATIENCE: Duration = Duration::from_secs(45);

const NAME: &str = "configmap/clinical-v2-validation";

/// What the page's command prints.
fn read_as_documented(bed: &Bed) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/validation.md");
    let text = std::fs::read_to_string(path).unwrap();
    let command = text.lines().find(|it| it.contains("gunzip")).unwrap();
    let command = command.replace("kubectl ", &format!("kubectl -n {} ", bed.cluster.namespace));
    let kubectl = program::find("kubectl").unwrap();
    let folder = kubectl.parent().unwrap().display().to_string();
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-euc", &command])
        .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", bed.cluster.api_server.kubeconfig())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn is_there(bed: &Bed) -> bool {
    let get = ["-n", &bed.cluster.namespace, "get", NAME];
    bed.cluster.api_server.kubectl(&get).status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_stands_beside_the_version_and_goes_with_it() {
    let bed = Bed::new("found").await;
    bed.old_issue();
    let controller = bed.controller("controller");
    // Somebody's own, which happens to have the name.
    bed.cluster
        .kubectl(&["create", "configmap", "clinical-v2-validation", "--from-literal=mine=1"]);
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    eventually("a stranger is told", PATIENCE, || {
        bed.cluster.log("controller").contains("is not this version's")
    });
    assert_eq!(bed.cluster.object(NAME)["data"], json!({"mine": "1"}));
    bed.cluster.kubectl(&["delete", NAME]);
    bed.ask_for_passes("again");
    eventually("what was found is written", PATIENCE, || is_there(&bed));

    let found = "let pass, content: ward-capacity: tile \"Days in bed by ward\": Field wards.beds_total does not exist";
    assert_eq!(read_as_documented(&bed), format!("{found}\n"));
    let version = bed.cluster.object("mv/clinical-v2");
    assert_eq!(
        version["status"]["validation"],
        json!({"blocking": 0, "passed": 1, "first": [found]})
    );
    let config_map = bed.cluster.object(NAME);
    let owner = &config_map["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&json!("ModelVersion"), &version["metadata"]["uid"])
    );
    let rows = bed
        .database
        .psql("SELECT version, looked_at, slug, blocks FROM wavepin.finding");
    assert_eq!(rows.trim(), "2|content|ward-capacity|f");

    // Nothing new, no write.
    bed.ask_for_passes("at-rest");
    let resource_version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(
        resource_version(&bed.cluster.object(NAME)),
        resource_version(&config_map)
    );

    bed.cluster.kubectl(&["delete", "mv/clinical-v2"]);
    eventually("it goes with its version", PATIENCE, || !is_there(&bed));
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
