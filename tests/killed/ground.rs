//! What all lives stand on: one API server, one organisation, and a database in which two versions are complete.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use axum::Json;
use axum::routing::{Router, post};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use wavepin::simulator::{Simulator, SimulatorOptions};

use crate::cluster::{api_server_with_definitions, example};
use crate::parts::{ApiServer, Database, Family, Output, Postgres};

pub(super) const KEY: &str = "omni_osk_killed";

/// Who owns the mapping, in every life.
pub(super) const OWNER: &str = "killed";

pub(super) struct Ground {
    pub(super) api_server: &'static ApiServer,
    simulator: Simulator,
    /// Where checks are asked: all are fine but one of the last batch.
    pub(super) checks: String,
    /// Two versions, complete, and nobody on them.
    pub(super) versions: Database,
    pub(super) family: Family,
    _checking: JoinSet<()>,
}

impl Ground {
    pub(super) async fn new() -> Self {
        let options = SimulatorOptions {
            api_key: KEY.to_owned(),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(options).await.expect("the loopback has a free port");
        let versions = Postgres::shared().database("killed");
        let family = Family::new("killed").expect("a shell is everywhere");
        let manifests = family.home().join("manifests");
        std::fs::create_dir(&manifests).unwrap();
        for (file, text) in manifests_of(&simulator) {
            std::fs::write(manifests.join(file), text).unwrap();
        }
        let url = versions.url.clone();
        tokio::task::spawn_blocking(move || complete(&manifests, &url))
            .await
            .unwrap();
        let (checks, _checking) = check().await;
        Self {
            api_server: api_server_with_definitions(),
            simulator,
            checks,
            versions,
            family,
            _checking,
        }
    }

    /// The database of one life, in which the versions are those of its namespace.
    pub(super) fn database(&self, namespace: &str) -> Database {
        let database = Postgres::shared().database_like(Some(&self.versions), "killed");
        database.psql(&format!(
            "UPDATE wavepin.model_version SET holder = '{namespace}/' || split_part(holder, '/', 2)"
        ));
        database
    }

    /// Secret, instance and versions, each a manifest.
    pub(super) fn manifests(&self) -> Vec<Value> {
        let files = manifests_of(&self.simulator).into_values();
        let documents = files.flat_map(|text| text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>());
        documents
            .map(|text| serde_saphyr::from_str(&text).expect("the examples are YAML"))
            .collect()
    }
}

fn manifests_of(simulator: &Simulator) -> BTreeMap<&'static str, String> {
    let files = ["instance.yaml", "clinical-v1.yaml", "clinical-v2.yaml"];
    let text = |file| match example(file, simulator.base_url(), KEY) {
        text if file == "instance.yaml" => format!("{text}  mapping: {{owner: {OWNER}}}\n"),
        text => text,
    };
    files.map(|file| (file, text(file))).into()
}

/// Adopts one version and cuts the other.
fn complete(manifests: &Path, database: &str) {
    let mut apply = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    apply
        .args(["apply", "-f"])
        .arg(manifests)
        .env("WAVEPIN_DATABASE_URL", database);
    Output::of(&mut apply, "").expect("the binary starts").success();
}

/// Of the rest, one tenant of the second batch fails; of all others none.
async fn check() -> (String, JoinSet<()>) {
    let answer = async |Json(asked): Json<Value>| {
        let tenants = asked["tenants"].as_array().cloned().unwrap_or_default();
        let failing: Vec<Value> = match asked["wave"].as_str() {
            Some("rest") => tenants.into_iter().skip(2).take(1).collect(),
            _ => Vec::new(),
        };
        Json(json!({"passed": failing.is_empty(), "failing": failing, "message": "numbers are off"}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(post(answer));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, serving)
}
