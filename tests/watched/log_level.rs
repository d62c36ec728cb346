//! What is logged, changed while the controller runs.

use std::time::Duration;

use regex::Regex;
use reqwest::{Client, StatusCode};

use crate::cluster::{Installation, eventually};

/// An instance of this name, whose Secret is not there.
fn instance(name: &str) -> String {
    format!(
        "apiVersion: wavepin.dev/v1alpha1\nkind: OmniInstance\nmetadata: {{name: {name}}}\nspec:\n  baseUrl: \
         https://acme.example\n  apiKeySecretRef: {{name: omni, key: apiKey}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_changed_without_a_restart_and_a_wrong_one_is_refused() {
    let cluster = Installation::new("log-level");
    let mut controller = cluster.controller();
    controller.args(["--log", "wavepin=info", "--log-format", "json"]);
    let controller = cluster.start("controller", &mut controller);
    let says = Regex::new(r"http://(127\.0\.0\.1:\d+)/readyz").unwrap();
    let probes = || says.captures(&cluster.log("controller")).map(|it| it[1].to_owned());
    eventually("it says where it answers", Duration::from_secs(20), || {
        probes().is_some()
    });
    let (client, url) = (Client::new(), format!("http://{}/log-level", probes().unwrap()));
    let get = async || client.get(&url).send().await.unwrap().text().await.unwrap();
    let put = async |filter: &'static str| client.put(&url).body(filter).send().await.unwrap();
    assert_eq!(get().await, "wavepin=info\n");
    cluster.apply(&instance("before"));
    eventually("it is looked at", Duration::from_secs(20), || {
        cluster.object("omni/before")["status"]["observedGeneration"].is_i64()
    });
    assert!(!cluster.log("controller").contains("\"level\":\"DEBUG\""));

    let refused = put("wavepin=loud").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.unwrap().contains("is no log filter"));
    assert_eq!(get().await, "wavepin=info\n");

    assert_eq!(put("wavepin=debug").await.status(), StatusCode::OK);
    assert_eq!(get().await, "wavepin=debug\n");
    cluster.apply(&instance("after"));
    let written = Regex::new(r#""level":"DEBUG".*"status written".*"name":"[^"]*/after""#).unwrap();
    eventually("its status write is told", Duration::from_secs(20), || {
        cluster.log("controller").lines().any(|line| written.is_match(line))
    });
    // That it was changed is told at a level that hardly any filter leaves out.
    assert!(cluster.log("controller").contains("\"before\":\"wavepin=info\""));
    cluster.end("controller", controller);
}
