//! The controller: what it writes, when it writes nothing, who leads, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wavepin::cluster::{ControllerOptions, LeaseOptions, RunError, run};
use wavepin::mapping::{MappingOptions, connect};
use wavepin::ports::{
    Answer, Claim, Clients, ConnectError, Delivery, Mapping, ModelRepository, Notice, Object, Omni, Question, Urgency,
};
use wavepin::resources::{ModelVersion, OmniInstance, OmniInstanceSpec, PinDeletionPolicy, TenantPin};

use super::api_server_with_definitions;
use crate::parts::ApiServer;

/// Neither Omni nor database: what the front does with reports needs none.
struct NoSecrets;

fn missing<T>() -> Result<T, ConnectError> {
    let message = "Secret omni is not there yet; make it".to_owned();
    Err(ConnectError::Missing { message })
}

#[async_trait]
impl Clients for NoSecrets {
    async fn omni(&self, _: &Object<OmniInstanceSpec>, _: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        missing()
    }
    async fn mapping(&self, _: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        missing()
    }
    async fn repository(
        &self,
        _: &Object<OmniInstanceSpec>,
        _: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        missing()
    }
    async fn repository_token(&self, _: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        missing()
    }
    async fn ask_check(&self, _: &Question) -> Answer {
        Answer::unknown("nobody is asked here".to_owned())
    }
    async fn notify(&self, _: &Notice) -> Delivery {
        panic!("nobody is told here")
    }
    fn forget_credentials(&self, _: &Object<OmniInstanceSpec>) {}
}

/// A mapping, and no Omni.
struct MappingOnly(Arc<dyn Mapping>);

#[async_trait]
impl Clients for MappingOnly {
    async fn omni(&self, _: &Object<OmniInstanceSpec>, _: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        missing()
    }
    async fn mapping(&self, _: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        Ok(Arc::clone(&self.0))
    }
    async fn repository(
        &self,
        _: &Object<OmniInstanceSpec>,
        _: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        missing()
    }
    async fn repository_token(&self, _: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        missing()
    }
    async fn ask_check(&self, _: &Question) -> Answer {
        Answer::unknown("nobody is asked here".to_owned())
    }
    async fn notify(&self, _: &Notice) -> Delivery {
        panic!("nobody is told here")
    }
    fn forget_credentials(&self, _: &Object<OmniInstanceSpec>) {}
}

/// A controller over one namespace, in this process.
struct Controller {
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
    probes: SocketAddr,
}

impl Controller {
    fn start(client: kube::Client, namespace: &str, identity: &str) -> Self {
        Self::with(Arc::new(NoSecrets), client, namespace, identity)
    }

    fn with(clients: Arc<dyn Clients>, client: kube::Client, namespace: &str, identity: &str) -> Self {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let probes = free.local_addr().expect("it is bound");
        drop(free);
        let stop = CancellationToken::new();
        let options = ControllerOptions {
            approval_policy: None,
            namespaces: vec![namespace.to_owned()],
            health_address: probes,
            measures: Arc::default(),
            logs: Default::default(),
            lease: LeaseOptions {
                namespace: namespace.to_owned(),
                name: "wavepin".to_owned(),
                duration: Duration::from_secs(2),
                identity: identity.to_owned(),
            },
            slice: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
        };
        let token = stop.clone();
        let running = tokio::spawn(async move { run(client, clients, options, token).await });
        Self { stop, running, probes }
    }

    async fn readiness(&self) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://{}/readyz", self.probes)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn is_ready_and(&self, word: &str) {
        eventually(
            word,
            async || matches!(self.readiness().await, Some((200, text)) if text.contains(word)),
        )
        .await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("it was told to end");
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The objects of a namespace, as anybody sees them.
struct Seen<'a> {
    api_server: &'a ApiServer,
    namespace: String,
}

impl Seen<'_> {
    fn objects<K: kube::Resource<DynamicType = ()>>(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<K>(&());
        Api::namespaced_with(self.api_server.client(), &self.namespace, &resource)
    }

    async fn apply<K: kube::Resource<DynamicType = ()>>(&self, name: &str, spec: Value) {
        let resource = ApiResource::erase::<K>(&());
        let manifest = json!({"apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"name": name}, "spec": spec});
        let params = PatchParams::apply("test").force();
        let applied = self.objects::<K>().patch(name, &params, &Patch::Apply(&manifest)).await;
        applied.expect("the definition takes it");
    }

    async fn get<K: kube::Resource<DynamicType = ()>>(&self, name: &str) -> DynamicObject {
        self.objects::<K>().get(name).await.expect("it is there")
    }

    /// Waits until the status speaks of the present generation; gives the object.
    async fn looked_at<K: kube::Resource<DynamicType = ()>>(&self, name: &str) -> DynamicObject {
        let seen = async || {
            let object = self.get::<K>(name).await;
            object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
        };
        eventually(&format!("{name} is looked at"), seen).await;
        self.get::<K>(name).await
    }

    async fn apply_some(&self) {
        let instance = json!({"baseUrl": "https://acme.omniapp.co", "apiKeySecretRef": {"name": "omni", "key": "key"}});
        self.apply::<OmniInstance>("acme", instance).await;
        let adopt = json!({"modelId": "m", "folderPath": "f", "dashboards": [{"slug": "s", "identifier": "12db1a0a"}]});
        let version = json!({"instanceRef": {"name": "acme"}, "version": 1, "source": {"adopt": adopt}});
        self.apply::<ModelVersion>("v1", version).await;
        self.apply::<TenantPin>("one", pin("one")).await;
    }

    async fn versions(&self) -> Vec<Option<String>> {
        vec![
            self.get::<OmniInstance>("acme").await.metadata.resource_version,
            self.get::<ModelVersion>("v1").await.metadata.resource_version,
            self.get::<TenantPin>("one").await.metadata.resource_version,
        ]
    }
}

fn pin(tenant: &str) -> Value {
    json!({"instanceRef": {"name": "acme"}, "tenant": tenant, "environment": "staging", "version": 1})
}

fn condition(object: &DynamicObject, kind: &str) -> Value {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut conditions = conditions.into_iter();
    conditions
        .find(|condition| condition["type"] == kind)
        .unwrap_or_default()
}

fn fresh() -> Seen<'static> {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("controller");
    Seen { api_server, namespace }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_that_does_not_parse_is_told_so_and_stops_no_other() {
    let seen = fresh();
    // The pattern of the definition lets it pass, the type does not.
    let mut bad = pin("bad");
    bad["requires"] = json!({"environment": "production", "soak": "87601h"});
    seen.apply::<TenantPin>("bad", bad).await;
    seen.apply_some().await;
    let controller = Controller::start(seen.api_server.client(), &seen.namespace, "one");
    for object in [
        seen.looked_at::<OmniInstance>("acme").await,
        seen.looked_at::<TenantPin>("one").await,
    ] {
        assert_ne!(condition(&object, "Ready")["reason"], "Pending");
    }
    let told = seen.looked_at::<TenantPin>("bad").await;
    let stalled = condition(&told, "Stalled");
    assert_eq!(
        (&stalled["status"], &stalled["reason"]),
        (&json!("True"), &json!("Invalid"))
    );
    let message = stalled["message"].as_str().expect("a message");
    assert!(
        message.contains("is longer than ten years") && message.contains("kubectl explain"),
        "{message}"
    );

    seen.apply::<TenantPin>("bad", pin("bad")).await;
    eventually("the mended pin is no longer invalid", async || {
        let mended = seen.get::<TenantPin>("bad").await;
        condition(&mended, "Stalled") == Value::Null
    })
    .await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_is_not_written_again_not_even_by_the_next_controller() {
    let seen = fresh();
    seen.apply_some().await;
    let first = Controller::start(seen.api_server.client(), &seen.namespace, "one");
    seen.looked_at::<OmniInstance>("acme").await;
    seen.looked_at::<ModelVersion>("v1").await;
    seen.looked_at::<TenantPin>("one").await;
    // Its end is the end of all that it had to write.
    first.end().await;
    let versions = seen.versions().await;

    let second = Controller::start(seen.api_server.client(), &seen.namespace, "two");
    second.is_ready_and("leading").await;
    let metrics = format!("http://{}/metrics", second.probes);
    let metrics = reqwest::get(metrics).await.expect("it answers beside the probes");
    let metrics = metrics.text().await.expect("it is text");
    assert!(metrics.contains("wavepin_cut_left_seconds 0.0"), "{metrics}");
    // A new object shows that passes ran.
    seen.apply::<TenantPin>("late", pin("late")).await;
    seen.looked_at::<TenantPin>("late").await;
    second.end().await;
    assert_eq!(seen.versions().await, versions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_was_asked_for_is_acknowledged() {
    let seen = fresh();
    seen.apply_some().await;
    let controller = Controller::start(seen.api_server.client(), &seen.namespace, "one");
    seen.looked_at::<OmniInstance>("acme").await;
    seen.looked_at::<TenantPin>("one").await;
    let ask = json!({"metadata": {"annotations": {"wavepin.dev/reconcile-requested-at": "now"}}});
    let (ask, params) = (Patch::Merge(&ask), PatchParams::default());
    seen.objects::<OmniInstance>()
        .patch("acme", &params, &ask)
        .await
        .expect("it is there");
    seen.objects::<TenantPin>()
        .patch("one", &params, &ask)
        .await
        .expect("it is there");
    eventually("both are acknowledged", async || {
        let instance = seen.get::<OmniInstance>("acme").await;
        let pin = seen.get::<TenantPin>("one").await;
        [instance, pin]
            .iter()
            .all(|object| object.data["status"]["lastHandledReconcileAt"] == "now")
    })
    .await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_the_other_is_ready_to_and_takes_over() {
    let seen = fresh();
    let first = Controller::start(seen.api_server.client(), &seen.namespace, "first");
    first.is_ready_and("leading").await;
    let second = Controller::start(seen.api_server.client(), &seen.namespace, "second");
    second.is_ready_and("standby").await;
    seen.apply::<TenantPin>("one", pin("one")).await;
    seen.looked_at::<TenantPin>("one").await;

    first.end().await;
    second.is_ready_and("leading").await;
    seen.apply::<TenantPin>("two", pin("two")).await;
    seen.looked_at::<TenantPin>("two").await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_lost_ends_the_controller() {
    let seen = fresh();
    let controller = Controller::start(seen.api_server.client(), &seen.namespace, "first");
    controller.is_ready_and("leading").await;
    let leases: Api<Lease> = Api::namespaced(seen.api_server.client(), &seen.namespace);
    let taken = json!({"spec": {"holderIdentity": "somebody else"}});
    leases
        .patch("wavepin", &PatchParams::default(), &Patch::Merge(&taken))
        .await
        .expect("the Lease is there");
    let ended = controller.running.await.expect("no panic");
    assert!(matches!(ended, Err(RunError::LeadLost { .. })), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_shut_is_named_with_the_way_to_open_it() {
    let seen = fresh();
    let kubectl = |args: &[&str]| {
        seen.api_server
            .kubectl(&[&["-n", &seen.namespace], args].concat())
            .success()
    };
    kubectl(&["create", "serviceaccount", "wavepin"]);
    kubectl(&[
        "create",
        "role",
        "leases",
        "--verb=get,create,update",
        "--resource=leases.coordination.k8s.io",
    ]);
    let subject = format!("--serviceaccount={}:wavepin", seen.namespace);
    kubectl(&["create", "rolebinding", "leases", "--role=leases", &subject]);
    let token = kubectl(&["create", "token", "wavepin"]);
    let controller = Controller::start(seen.api_server.client_of(token.trim()), &seen.namespace, "one");
    eventually("the gate is named", async || {
        let Some((503, text)) = controller.readiness().await else {
            return false;
        };
        let gate = format!("shut: initial list of tenantpins in namespace {}", seen.namespace);
        text.contains(&gate)
            && text.contains("grant Wavepin's ServiceAccount get, list and watch")
            && text.contains("take the namespace out of --namespace if it is gone")
    })
    .await;
    let verbs = "--verb=get,list,watch";
    let kinds = "--resource=omniinstances.wavepin.dev,modelversions.wavepin.dev,tenantpins.wavepin.dev,versionrollouts.wavepin.dev,waveapprovals.wavepin.dev";
    kubectl(&["create", "role", "kinds", verbs, kinds]);
    kubectl(&["create", "rolebinding", "kinds", "--role=kinds", &subject]);
    controller.is_ready_and("leading").await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_an_environment_that_no_pin_speaks_of_are_looked_at() {
    let seen = fresh();
    let mapping = connect(&"sqlite::memory:".into(), MappingOptions::default())
        .await
        .unwrap();
    let owner = format!("{}/omni", seen.namespace);
    mapping.prepare(&owner, None).await.unwrap();
    let claim = Claim {
        tenant: "acme".to_owned(),
        holder: "where-nobody-looks/acme".to_owned(),
        deletion: PinDeletionPolicy::Retain,
    };
    mapping.set_claims("production", &[claim]).await.unwrap();
    let clients = Arc::new(MappingOnly(Arc::clone(&mapping)));
    let controller = Controller::with(clients, seen.api_server.client(), &seen.namespace, "one");
    let manifest = json!({"apiVersion": "wavepin.dev/v1alpha1", "kind": "OmniInstance",
        "metadata": {"name": "omni", "annotations": {"wavepin.dev/take-mapping-from": "where-nobody-looks/omni"}},
        "spec": {"baseUrl": "https://acme.example", "apiKeySecretRef": {"name": "omni", "key": "apiKey"}}});
    let instances = seen.objects::<OmniInstance>();
    let params = PatchParams::apply("test").force();
    instances
        .patch("omni", &params, &Patch::Apply(&manifest))
        .await
        .unwrap();
    eventually("the claim is given up", async || {
        mapping.tended_environments().await.unwrap().is_empty()
    })
    .await;
    controller.end().await;
}
