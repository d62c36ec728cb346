//! The binary, with no more rights than it needs, from objects applied in the worst order to its end by a signal.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use wavepin::simulator::{Simulator, SimulatorOptions};

use super::api_server_with_definitions;
use crate::parts::{ApiServer, Family, Postgres};

const KEY: &str = "omni_osk_that-nobody-may-see";

/// What a namespaced installation is granted; the Secret by its name, and never a list of Secrets.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: wavepin}
rules:
  - {apiGroups: [wavepin.dev], resources: [omniinstances, modelversions, tenantpins], verbs: [get, list, watch]}
  - apiGroups: [wavepin.dev]
    resources: [omniinstances/status, modelversions/status, tenantpins/status]
    verbs: [patch]
  - {apiGroups: [''], resources: [secrets], resourceNames: [omni], verbs: [get]}
  - {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: wavepin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: wavepin}
subjects: [{kind: ServiceAccount, name: wavepin}]
";

struct Cluster {
    api_server: &'static ApiServer,
    namespace: String,
}

impl Cluster {
    fn kubectl(&self, args: &[&str]) -> String {
        self.api_server
            .kubectl(&[&["-n", &self.namespace], args].concat())
            .success()
    }

    fn apply(&self, manifest: &str) {
        let args = ["-n", &self.namespace, "apply", "-f", "-"];
        self.api_server.kubectl_stdin(&args, manifest).success();
    }

    /// Every object of ours.
    fn objects(&self) -> Vec<Value> {
        let list = self.kubectl(&["get", "omni,mv,tpin", "--output=json"]);
        let list: Value = serde_json::from_str(&list).expect("kubectl prints JSON");
        list["items"].as_array().cloned().expect("a list")
    }

    fn controller(&self, family: &Family, name: &str, database: &str) -> crate::parts::Member {
        let token = self.kubectl(&["create", "token", "wavepin"]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        command
            .args([
                "controller",
                "--namespace",
                &self.namespace,
                "--lease",
                "2s",
                "--health-address",
                "127.0.0.1:0",
            ])
            .args(["--budget-window", "1s", "--require-hosts"])
            .env("KUBECONFIG", self.api_server.kubeconfig_of(token.trim()))
            .env("POD_NAMESPACE", &self.namespace)
            .env("WAVEPIN_DATABASE_URL", database)
            .env("WAVEPIN_LOG", "trace");
        family.spawn(name, &mut command).expect("the binary starts")
    }
}

fn example(file: &str, base_url: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/clinical")
        .join(file);
    let manifest = std::fs::read_to_string(path).expect("the example is there");
    manifest
        .replace("http://127.0.0.1:4000", base_url)
        .replace("omni_osk_simulator", KEY)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut conditions = object["status"]["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == kind)
}

fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_order_converges_without_a_stall_and_the_next_process_writes_nothing() {
    let api_server = api_server_with_definitions();
    let cluster = Cluster {
        api_server,
        namespace: api_server.namespace("process"),
    };
    let database = Postgres::shared().database("process");
    let options = SimulatorOptions {
        api_key: KEY.to_owned(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.expect("the loopback has a free port");
    cluster.kubectl(&["create", "serviceaccount", "wavepin"]);
    cluster.apply(RIGHTS);
    let family = Family::new("process").expect("a shell is everywhere");
    let mut first = cluster.controller(&family, "first", &database.url);

    let documents = |file: &str| example(file, simulator.base_url());
    let (secret, instance) = {
        let both = documents("instance.yaml");
        let (secret, instance) = both.split_once("\n---\n").expect("two documents");
        (secret.to_owned(), instance.to_owned())
    };
    let mut stalled = Vec::new();
    let mut look = |cluster: &Cluster| {
        let objects = cluster.objects();
        stalled.extend(
            objects
                .iter()
                .filter_map(|object| condition(object, "Stalled"))
                .map(Value::to_string),
        );
        objects
    };
    // Without rows from before there is no evidence that production could ask for.
    let pins = documents("pins.yaml").replace("  requires: {environment: staging, soak: 0s}\n", "");
    let order = [
        pins,
        documents("clinical-v2.yaml"),
        documents("clinical-v1.yaml"),
        instance,
        secret,
    ];
    for manifest in order {
        cluster.apply(&manifest);
        eventually("all were looked at", Duration::from_secs(20), || {
            let is_seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
            look(&cluster).iter().all(is_seen)
        });
    }
    // No long pause is waited for: what becomes complete is passed on at once.
    eventually("all are ready", Duration::from_secs(25), || {
        look(&cluster)
            .iter()
            .all(|object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "True"))
    });
    assert!(stalled.is_empty(), "{stalled:?}");
    let rows = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2";
    let rows = database.psql(rows);
    assert_eq!(
        rows.lines().filter(|row| row.ends_with("staging|2")).count(),
        3,
        "{rows}"
    );
    assert_eq!(
        rows.lines().filter(|row| row.ends_with("production|1")).count(),
        3,
        "{rows}"
    );
    // Rows came after the versions were last looked at; asked for, a pass sees at once that they are in use.
    cluster.kubectl(&["annotate", "mv", "--all", "wavepin.dev/reconcile-requested-at=now"]);
    eventually("both versions are in use", Duration::from_secs(30), || {
        let objects = cluster.objects().into_iter();
        let mut versions = objects.filter(|object| object["kind"] == "ModelVersion");
        versions.all(|object| {
            object["status"]["lastHandledReconcileAt"] == "now"
                && condition(&object, "InUse").is_some_and(|used| used["status"] == "True")
        })
    });
    assert!(first.terminate().success(), "{}", family.last_words("first"));

    let events = cluster.kubectl(&["get", "events.events.k8s.io", "--output=json"]);
    assert!(events.contains("MakeVersion"), "{events}");
    let lease = cluster.kubectl(&[
        "get",
        "lease",
        "wavepin-controller",
        "--output=jsonpath={.spec.holderIdentity}",
    ]);
    assert_eq!(lease, "", "handed over");

    let (before, requests) = (cluster.objects(), simulator.requests().len());
    let mut second = cluster.controller(&family, "second", &database.url);
    eventually("the second looked at both folders", Duration::from_secs(60), || {
        let requests = &simulator.requests()[requests..];
        let lists = |request: &&wavepin::simulator::LoggedRequest| request.path.ends_with("/documents");
        requests.iter().filter(lists).count() >= 2
    });
    assert!(second.terminate().success(), "{}", family.last_words("second"));
    for (was, is) in before.iter().zip(cluster.objects()) {
        assert_eq!(was, &is, "a second look changed it");
    }
    let writes = &simulator.requests()[requests..];
    assert!(writes.iter().all(|request| request.method == "GET"), "{writes:?}");

    let password = url::Url::parse(&database.url)
        .expect("a URL")
        .password()
        .map(str::to_owned);
    let status = cluster.kubectl(&["get", "omni,mv,tpin", "--output=yaml"]);
    let logs = ["first", "second"].map(|name| std::fs::read_to_string(family.log(name)).expect("it wrote one"));
    assert!(logs[0].contains("TRACE"), "the log is at its most verbose");
    for text in logs.iter().chain([&events, &status]) {
        assert!(!text.contains(KEY), "the API key is seen");
        if let Some(password) = &password {
            assert!(!text.contains(password), "the password is seen");
        }
    }
    simulator.shutdown().await;
}
