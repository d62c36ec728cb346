//! Edits that a ConfigMap and a Secret hold: applied in any order, corrected, gone again; and nothing of the Secret told.

use std::time::Duration;

use super::bed::{Bed, FILES, documents, shared_model};
use super::rights::take;
use crate::cluster::{condition, eventually};

const HIDDEN: &str = "salted_and_peppered";

const CONFIG_MAP: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: more}
data:
  words.yaml: |
    - {name: words, fileName: wards.view, patch: 'label: Hospital wards'}
";

/// A field whose SQL nobody is told, with this view.
fn secret(view: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: private}}
stringData:
  token.yaml: |
    - name: token
      view: {view}
      field: token
      yaml: 'sql: {HIDDEN}(${{patients.mrn}})'
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_a_config_map_and_a_secret_come_in_any_order_and_count_until_the_version_is_complete() {
    let bed = Bed::new("edits").await;
    bed.cluster.keeps(HIDDEN);
    bed.cluster.keeps("patience");
    bed.cluster.helm(&[
        "--set",
        "secrets.names={omni,private}",
        "--set",
        "configMaps.names={more},configMaps.reports=false",
    ]);
    take(&bed.cluster, "get", "configmaps");
    let controller = bed.controller("controller");
    let from = "    editsFrom: [{configMapRef: {name: more}}, {secretRef: {name: private}}]\n    edits:\n";
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file).replace("    edits:\n", from));
    }
    let told = bed.told_of("mv/clinical-v2", "Reconciling", "EditsMissing", "the verb `get` on it");
    assert!(told.contains("ConfigMap") && told.contains("/more"), "{told}");
    bed.cluster.helm(&[
        "--set",
        "secrets.names={omni,private}",
        "--set",
        "configMaps.names={more},configMaps.reports=false",
    ]);
    // The API server may not know of the right at once.
    let mut asked = 0;
    eventually("the right is there", Duration::from_secs(30), || {
        asked += 1;
        bed.look_again(&format!("right-{asked}"));
        let version = bed.cluster.object("mv/clinical-v2");
        let reconciling = condition(&version, "Reconciling");
        reconciling.is_some_and(|it| {
            it["message"]
                .as_str()
                .is_some_and(|it| it.contains("/more is not there"))
        })
    });
    bed.cluster.apply(&CONFIG_MAP.replace("fileName", "file"));
    bed.told_of("mv/clinical-v2", "Stalled", "EditRefused", "edits[0].file is no field");
    // Corrected, it is read again within 30 seconds, or at once where somebody asks.
    bed.cluster.apply(CONFIG_MAP);
    bed.look_again("corrected");
    bed.told_of("mv/clinical-v2", "Reconciling", "EditsMissing", "/private is not there");
    bed.cluster.apply(&secret("patience"));
    let told = bed.told_of(
        "mv/clinical-v2",
        "Stalled",
        "EditRefused",
        "the source has no such view",
    );
    assert!(
        told.contains("edit 1 of Secret") && told.contains("key \"token.yaml\""),
        "{told}"
    );
    assert_eq!(documents(&bed.simulator.state(), "clinical/v2").len(), 0);
    bed.cluster.apply(&secret("patients"));
    bed.look_again("corrected-too");
    bed.all_ready("60s");
    let state = bed.simulator.state();
    let model = shared_model(&state, "clinical v2");
    assert!(model["files"]["patients.view"].to_string().contains(HIDDEN), "{model}");
    assert!(
        model["files"]["wards.view"].to_string().contains("Hospital wards"),
        "{model}"
    );

    let ready = |what: &str| {
        let version = bed.cluster.object("mv/clinical-v2");
        let ready = condition(&version, "Ready").expect("it is told");
        let says_so = ready["message"].as_str().is_some_and(|message| message.contains(what));
        ready["status"] == "True" && says_so
    };
    let patience = Duration::from_secs(30);
    bed.cluster.apply(&CONFIG_MAP.replace("Hospital wards", "Wards"));
    bed.ask_for_passes("changed");
    eventually("a change that is not applied is told", patience, || {
        ready("/more has changed since version 2")
    });
    bed.cluster.kubectl(&["delete", "configmap/more", "secret/private"]);
    bed.ask_for_passes("gone");
    eventually("it needs none of them", patience, || {
        ready("/private is not there any more, which changes nothing")
    });
    bed.cluster.apply(CONFIG_MAP);
    bed.cluster.apply(&secret("patients"));
    bed.ask_for_passes("back");
    eventually("nothing is left to tell", patience, || {
        !ready("/more") && !ready("/private")
    });
    bed.all_ready("20s");
    assert_eq!(bed.simulator.state(), state);
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
