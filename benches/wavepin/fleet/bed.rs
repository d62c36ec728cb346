//! What the fleet stands on: an API server with an instance, two versions, a rollout and many pins; and operators.

use std::process::Command;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use wavepin::resources::{OmniInstance, TenantPin, VersionRollout};
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::books::Books;
use super::statuses::AT_ONCE;
use crate::api_server::ApiServer;
use crate::example;
use crate::family::{Family, Member};
use crate::pins::{api_server_with_definitions, objects};
use crate::postgres::{Database, Postgres};

/// What all pins of the fleet follow: one wave without batches, so that a flip is of all.
const ROLLOUT: &str = "apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec:
  instanceRef: {name: clinical}
  environment: production
  version: 1
  waves: [{name: rest}]
";

/// Everything but the operator.
pub(super) struct Bed {
    pub(super) api_server: &'static ApiServer,
    pub(super) namespace: String,
    pub(super) pins: Api<DynamicObject>,
    pub(super) database: Database,
    simulator: Simulator,
    family: Family,
}

/// An operator that runs.
pub(super) struct Operator {
    pub(super) process: Member,
    /// When its process was started.
    pub(super) started: Timestamp,
    name: String,
}

impl Bed {
    /// With so many pins that nobody has looked at yet.
    pub(super) async fn new(how_many: usize) -> Self {
        let api_server = api_server_with_definitions();
        let namespace = api_server.namespace("fleet");
        let simulator = Simulator::start(SimulatorOptions::default());
        let bed = Self {
            pins: objects(api_server, &namespace),
            api_server,
            namespace,
            database: Postgres::shared().database("fleet"),
            simulator: simulator.await.expect("the loopback has a free port"),
            family: Family::new("fleet").expect("a shell is everywhere"),
        };
        for file in ["instance.yaml", "clinical-v1.yaml"] {
            bed.apply(&example(file, bed.simulator.base_url()));
        }
        bed.apply(ROLLOUT);
        bed.declare(0..how_many).await;
        bed
    }

    fn apply(&self, manifest: &str) {
        let apply = ["apply", "-n", &self.namespace, "-f", "-"];
        self.api_server.kubectl_stdin(&apply, manifest).success();
    }

    /// Pins that follow the rollout.
    pub(super) async fn declare(&self, which: std::ops::Range<usize>) {
        let how_many = which.len();
        let params = PostParams::default();
        let resource = ApiResource::erase::<TenantPin>(&());
        let manifests = which.map(|at| {
            let tenant = format!("tenant-{at:05}");
            let mut pin = DynamicObject::new(&tenant, &resource);
            pin.data =
                json!({"spec": {"instanceRef": {"name": "clinical"}, "tenant": tenant, "environment": "production"}});
            pin
        });
        let created = futures::stream::iter(manifests)
            .map(async |pin| self.pins.create(&params, &pin).await)
            .buffer_unordered(AT_ONCE);
        let created: Vec<DynamicObject> = created.try_collect().await.expect("the definition takes every pin");
        assert_eq!(created.len(), how_many);
    }

    /// Has version 2 cut, and waits until it is ready.
    pub(super) fn cut(&self) {
        self.apply(&example("clinical-v2.yaml", self.simulator.base_url()));
        let wait = ["-n", &self.namespace, "wait", "--for=condition=Ready", "--timeout=120s"];
        self.api_server
            .kubectl(&[&wait[..], &["mv/clinical-v2"]].concat())
            .success();
    }

    /// Sets the target of the rollout; when that was sent.
    pub(super) async fn roll_out(&self, version: i32) -> Timestamp {
        let sent = Timestamp::now();
        self.edit::<VersionRollout>("production", json!({"version": version}))
            .await;
        sent
    }

    /// Sets how often the operator looks again at what is as declared.
    pub(super) async fn look_every(&self, interval: &str) {
        self.edit::<OmniInstance>("clinical", json!({"interval": interval}))
            .await;
    }

    async fn edit<K: kube::Resource<DynamicType = ()>>(&self, name: &str, spec: Value) {
        let resource = ApiResource::erase::<K>(&());
        let objects: Api<DynamicObject> = Api::namespaced_with(self.api_server.client(), &self.namespace, &resource);
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = objects.patch(name, &PatchParams::default(), &patch).await;
        patched.expect("the API server takes the edit");
    }

    /// What the API server writes down from now on.
    pub(super) fn books(&self) -> Books {
        Books::open(&self.api_server.audit_log(), &self.namespace)
    }

    /// Starts an operator of this name.
    pub(super) fn start(&self, name: &str) -> Operator {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        command
            .args(["controller", "--namespace", &self.namespace])
            .args(["--health-address", "127.0.0.1:0"])
            .env("KUBECONFIG", self.api_server.kubeconfig())
            .env("POD_NAMESPACE", &self.namespace)
            .env("WAVEPIN_DATABASE_URL", &self.database.url);
        let started = Timestamp::now();
        let process = self.family.spawn(name, &mut command).expect("the binary starts");
        Operator {
            process,
            started,
            name: name.to_owned(),
        }
    }

    /// Whether an operator has said this yet.
    pub(super) fn has_said(&self, operator: &Operator, words: &str) -> bool {
        let log = std::fs::read_to_string(self.family.log(&operator.name)).unwrap_or_default();
        log.contains(words)
    }

    /// Ends an operator, which hands the lead over.
    pub(super) fn end(&self, mut operator: Operator) {
        let ended = operator.process.terminate();
        assert!(ended.success(), "{}", self.family.last_words(&operator.name));
    }

    /// How many rows were ever written, but for those of the budget and the fence.
    pub(super) async fn rows_written(&self) -> usize {
        // PostgreSQL's processes tell what they counted once a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        crate::rest::rows(&self.database)
    }

    /// How often passes have read the claims.
    pub(super) fn looks(&self) -> u64 {
        let count = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
            WHERE schemaname = 'wavepin' AND relname = 'claim'";
        self.database.psql(count).trim().parse().expect("a number")
    }

    /// How many tenants are on a version.
    pub(super) fn tenants_on(&self, version: i32) -> usize {
        let count = format!("SELECT count(*) FROM tenant_version WHERE model_version_id = {version}");
        self.database.psql(&count).trim().parse().expect("a number")
    }

    pub(super) async fn shut_down(self) {
        self.simulator.shutdown().await;
    }
}
