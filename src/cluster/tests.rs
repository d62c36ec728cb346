//! Passes and status writes, against an API server that answers as a test says.

mod peers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode, Uri};
use axum::{Json, Router};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::config_maps::ClusterConfigMaps;
use super::events::{Publisher, events};
use super::kind::{KindName, ObjectName};
use super::passes::Passes;
use super::secrets::ClusterSecrets;
use super::status::{Report, StatusWriter, WRITES_AT_ONCE};
use super::store::{Store, Stored};
use super::table::tests::guarded;
use super::work::{Queues, queues};
use crate::environment::{EnvironmentKey, EnvironmentPass, PinReport};
use crate::mapping::{MappingOptions, connect};
use crate::omni::{Limiter, OmniClient, OmniOptions};
use crate::omni_instance::InstancePass;
use crate::ports::fakes::Wired;
use crate::ports::{Clients, Files, Next, SystemClock, World};
use crate::resources::conditions::{Finding, RECONCILING, Reason};
use crate::resources::{ModelVersion, OmniInstance, TenantPin};
use crate::telemetry::Measures;

/// What the API server answers to a method and a path.
type Answer = Box<dyn Fn(&Method, &str) -> (StatusCode, Value) + Send + Sync>;

/// A client of an API server that answers so.
async fn client(answer: Answer) -> kube::Client {
    let answer = Arc::new(answer);
    let router = Router::new().fallback(async move |method: Method, uri: Uri| {
        let (status, body) = answer(&method, uri.path());
        (status, Json(body))
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    // Another test may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap()
}

/// The leader's parts, without its watches.
struct Bench {
    passes: Passes,
    store: Arc<Store>,
    writer: Arc<StatusWriter>,
    _queues: Queues,
    _publisher: Publisher,
    _folder: TempDir,
}

impl Bench {
    async fn new(answer: Answer) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("mapping.db").display());
        let mapping = connect(&url.into(), MappingOptions::default()).await.unwrap();
        let wired = Wired::to(mapping);
        // Nothing answers there; a pass that asks Omni fails.
        *wired.omni.lock().unwrap() = Box::new(|| {
            let limiter = Limiter::new(60, Duration::from_secs(60));
            let client = OmniClient::new("http://127.0.0.1:1", "key".into(), limiter, &OmniOptions::default());
            Ok(Arc::new(client.unwrap()))
        });
        let client = client(answer).await;
        let store = Arc::new(Store::default());
        let (teller, publisher) = events(client.clone(), "test");
        let (askers, queues) = queues();
        let measures = Arc::<Measures>::default();
        let writer = StatusWriter::new(
            client.clone(),
            Arc::clone(&store),
            Arc::clone(&askers),
            teller,
            Arc::clone(&measures),
        );
        let writer = Arc::new(writer);
        let passes = Passes {
            measures,
            world: World {
                objects: Arc::clone(&store) as _,
                config_maps: Arc::new(ClusterConfigMaps::new(client.clone())),
                secrets: Arc::new(ClusterSecrets::new(client.clone())),
                approvers: Arc::new(Files),
                clients: Arc::new(wired) as Arc<dyn Clients>,
                clock: Arc::new(SystemClock),
                slice: Duration::from_secs(5),
                request_timeout: Duration::from_secs(5),
            },
            client,
            store: Arc::clone(&store),
            writer: Arc::clone(&writer),
            askers,
            looks: Default::default(),
            running: Default::default(),
            stop: CancellationToken::new(),
        };
        Self {
            passes,
            store,
            writer,
            _queues: queues,
            _publisher: publisher,
            _folder: folder,
        }
    }

    fn declare<K: Stored>(&self, object: Value) {
        self.store.take_in::<K>(&None, Event::Apply(guarded(object)));
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    })
}

fn instance() -> Value {
    let spec = json!({"baseUrl": "https://acme.omniapp.co", "apiKeySecretRef": {"name": "omni", "key": "apiKey"}});
    object("OmniInstance", "acme", &spec)
}

fn version(name: &str, number: i32) -> Value {
    let dashboards = json!([{"slug": "s", "identifier": "12db1a0a"}]);
    let adopt = json!({"modelId": "3fb59130-54fc-4848-832f-d22f61933485", "folderPath": "f", "dashboards": dashboards});
    let spec = json!({"instanceRef": {"name": "acme"}, "version": number, "source": {"adopt": adopt}});
    object("ModelVersion", name, &spec)
}

fn refuse_all() -> Answer {
    Box::new(|_, _| {
        (
            StatusCode::FORBIDDEN,
            json!({"kind": "Status", "code": 403, "reason": "Forbidden"}),
        )
    })
}

#[tokio::test]
async fn a_version_whose_deletion_waits_for_somebody_else_is_left_alone() {
    let bench = Bench::new(refuse_all()).await;
    bench.declare::<OmniInstance>(instance());
    let mut leaving = version("v1", 1);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
    leaving["metadata"]["finalizers"] = json!(["example.com/wait"]);
    bench.declare::<ModelVersion>(leaving);
    let next = bench.passes.version(ObjectName::new("n", "v1")).await;
    assert!(
        matches!(next, Some(Next::After(pause)) if pause >= Duration::from_secs(60)),
        "a hot loop: {next:?}"
    );
}

/// What a pass says of an instance that waits for its Secret.
fn report(bench: &Bench, name: &str) -> Report {
    let record = bench.store.record::<OmniInstance>(&ObjectName::new("n", name)).unwrap();
    Report::Instance(Box::new(InstancePass {
        spec_hash: record.object.spec_hash.clone(),
        findings: vec![Finding::holds(
            RECONCILING,
            Reason::SecretMissing,
            "Secret omni is not there",
        )],
        next: Next::Again,
        opens: false,
    }))
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object["metadata"]["uid"] = json!(name);
    object
}

#[tokio::test]
async fn a_namespace_that_refuses_every_status_keeps_no_other_waiting() {
    let (wrote, mut written) = tokio::sync::mpsc::unbounded_channel();
    let bench = Bench::new(Box::new(move |method, path| {
        if !path.contains("/allowed") {
            return refuse_all()(method, path);
        }
        // Nobody listens any more once the test has seen the first.
        let _ = wrote.send(());
        let mut object = named(instance(), "allowed");
        object["metadata"]["resourceVersion"] = json!("2");
        (StatusCode::OK, object)
    }))
    .await;
    for number in 0..400 {
        let name = format!("refused-{number}");
        bench.declare::<OmniInstance>(named(instance(), &name));
        bench
            .writer
            .offer(ObjectName::new("n", &name), report(&bench, &name), None);
    }
    bench.declare::<OmniInstance>(named(instance(), "allowed"));
    let offered = report(&bench, "allowed");
    bench.writer.offer(ObjectName::new("n", "allowed"), offered, None);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WRITES_AT_ONCE {
        let writer = Arc::clone(&bench.writer);
        workers.spawn(async move { writer.work().await });
    }
    let waited = tokio::time::timeout(Duration::from_secs(3), written.recv()).await;
    assert!(waited.is_ok(), "the workers sleep");
}

#[tokio::test]
async fn a_report_is_not_dropped_while_an_older_one_is_about_to_be_written() {
    let bench = Bench::new(refuse_all()).await;
    bench.declare::<OmniInstance>(instance());
    let name = ObjectName::new("n", "acme");
    let older = Report::Instance(Box::new(InstancePass {
        spec_hash: bench
            .store
            .record::<OmniInstance>(&name)
            .unwrap()
            .object
            .spec_hash
            .clone(),
        findings: Vec::new(),
        next: Next::Again,
        opens: false,
    }));
    bench.writer.offer(name.clone(), older, None);
    let newer = report(&bench, "acme");
    // The status says already what the newer report says; the older one is under way and would undo it.
    let mut as_newer = instance();
    let now = "2026-01-01T00:00:00Z";
    as_newer["status"] = json!({"observedGeneration": 1, "conditions": [{"type": RECONCILING, "status": "True",
        "reason": "SecretMissing", "message": "Secret omni is not there", "observedGeneration": 1,
        "lastTransitionTime": now}]});
    as_newer["metadata"]["resourceVersion"] = json!("2");
    bench.declare::<OmniInstance>(as_newer.clone());
    let offering = bench.writer.while_an_older_one_ends(
        &(KindName::OmniInstance, name.clone()),
        |writer| {
            let (writer, name) = (Arc::clone(writer), name.clone());
            std::thread::spawn(move || writer.offer(name, newer, None))
        },
        || {
            let mut as_older = as_newer.clone();
            as_older["status"] = json!({"observedGeneration": 1});
            as_older["metadata"]["resourceVersion"] = json!("3");
            bench.declare::<OmniInstance>(as_older);
        },
    );
    offering.join().unwrap();
    let flushed = tokio::time::timeout(Duration::from_millis(50), bench.writer.flush()).await;
    assert!(flushed.is_err(), "the newer report waits to be written");
}

/// A version that is complete.
fn sealed(name: &str, number: i32, in_use: &str) -> Value {
    let mut version = version(name, number);
    version["status"] = json!({"sealed": true, "conditions": [{"type": "InUse", "status": in_use,
        "reason": "Unused", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    version
}

impl Bench {
    /// A pin whose status says that its row holds a version.
    fn pin(&self, name: &str, environment: &str, holds: i32) {
        let spec = json!({"instanceRef": {"name": "acme"}, "tenant": name, "environment": environment, "version": 2});
        let mut pin = object("TenantPin", name, &spec);
        pin["status"] = json!({"version": holds});
        self.declare::<TenantPin>(pin);
    }

    /// The versions whose use a pass over `staging` changed that found pins on these versions, rows without a pin on those,
    /// and moved some.
    fn changed(&self, rows: &[(&str, i32)], held: &[i32], moved: &[i32]) -> Vec<String> {
        let report = |&(name, version): &(&str, i32)| PinReport {
            name: name.to_owned(),
            spec_hash: String::new(),
            findings: Vec::new(),
            row_seen: true,
            version: Some(version),
            previous_version: None,
            since: None,
        };
        let pass = EnvironmentPass {
            rollouts: Vec::new(),
            approvals: Vec::new(),
            pins: rows.iter().map(report).collect(),
            held: held.iter().copied().collect(),
            moved: moved.iter().copied().collect(),
            sought: BTreeSet::new(),
            next: Next::Again,
        };
        let key = EnvironmentKey {
            namespace: "n".to_owned(),
            instance: "acme".to_owned(),
            environment: "staging".to_owned(),
        };
        let is_unsettled = |name: &ObjectName| self.passes.running.contains(name);
        let names = super::in_use::changed(&self.store, &key, &pass, is_unsettled);
        names.into_iter().map(|name| name.name).collect()
    }
}

#[tokio::test]
async fn a_version_is_looked_at_when_its_first_tenant_comes_or_its_last_one_goes() {
    let bench = Bench::new(refuse_all()).await;
    bench.declare::<ModelVersion>(sealed("v1", 1, "True"));
    bench.declare::<ModelVersion>(sealed("v2", 2, "False"));
    let changed = |rows: &[(&str, i32)]| bench.changed(rows, &[], &[]);
    bench.pin("one", "staging", 1);
    bench.pin("two", "staging", 1);
    assert!(changed(&[("one", 1), ("two", 1)]).is_empty(), "nothing moved");
    let of_rows = |held: &[i32]| bench.changed(&[("one", 1), ("two", 1)], held, &[1, 2]);
    assert_eq!(of_rows(&[2]), ["v2"], "a row without a pin began to use it");
    assert_eq!(changed(&[("one", 2), ("two", 1)]), ["v2"], "the other is still in use");
    assert_eq!(changed(&[("one", 2), ("two", 2)]), ["v1", "v2"]);
    assert_eq!(
        bench.changed(&[("one", 2), ("two", 2)], &[1], &[]),
        ["v2"],
        "a row without a pin still uses it"
    );
    bench.pin("elsewhere", "production", 1);
    assert_eq!(changed(&[("one", 2), ("two", 2)]), ["v2"], "in use elsewhere");
}

#[tokio::test]
async fn a_version_is_looked_at_again_where_rows_moved_while_its_pass_looked() {
    let bench = Bench::new(refuse_all()).await;
    for (name, number) in [("v1", 1), ("v2", 2)] {
        bench.declare::<ModelVersion>(sealed(name, number, "True"));
    }
    bench.pin("one", "staging", 2);
    bench.pin("two", "staging", 2);
    let changed = |rows: &[(&str, i32)]| bench.changed(rows, &[], &[]);
    // All come back to v1. Of that a pass over v1 saw nothing yet, and its status still says what was before all went.
    let back = [("one", 1), ("two", 1)];
    assert_eq!(changed(&back), ["v2"]);
    let running = bench.passes.running.begin(&ObjectName::new("n", "v1"));
    assert_eq!(changed(&back), ["v1", "v2"], "what it will say is stale");
    assert!(changed(&[("one", 2), ("two", 2)]).is_empty(), "no row moved");
    drop(running);
    assert_eq!(changed(&back), ["v2"]);

    // They went and came back before their statuses said so.
    bench.declare::<ModelVersion>(sealed("v1", 1, "False"));
    bench.pin("one", "staging", 1);
    bench.pin("two", "staging", 1);
    assert!(changed(&back).is_empty(), "by the statuses nobody moved");
    assert_eq!(bench.changed(&back, &[], &[1, 2]), ["v1", "v2"]);
    assert!(
        bench.changed(&[], &[], &[1]).is_empty(),
        "what was to move there and could not"
    );
}
