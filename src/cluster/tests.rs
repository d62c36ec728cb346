//! Passes and status writes, against an API server that answers as a test says.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode, Uri};
use axum::{Json, Router};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::events::{Publisher, events};
use super::kind::ObjectName;
use super::passes::Passes;
use super::status::StatusWriter;
use super::store::{Store, Stored};
use super::table::tests::guarded;
use super::work::{Queues, queues};
use crate::mapping::{MappingOptions, connect};
use crate::omni::{Limiter, OmniClient, OmniOptions};
use crate::ports::fakes::Wired;
use crate::ports::{Clients, Next, SystemClock, World};
use crate::resources::{ModelVersion, OmniInstance};

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
        let writer = StatusWriter::new(client.clone(), Arc::clone(&store), Arc::clone(&askers), teller);
        let writer = Arc::new(writer);
        let passes = Passes {
            world: World {
                objects: Arc::clone(&store) as _,
                clients: Arc::new(wired) as Arc<dyn Clients>,
                clock: Arc::new(SystemClock),
                slice: Duration::from_secs(5),
                request_timeout: Duration::from_secs(5),
            },
            client,
            store: Arc::clone(&store),
            writer,
            askers,
            stop: CancellationToken::new(),
        };
        Self {
            passes,
            store,
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
