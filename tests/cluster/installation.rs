//! The binary in a namespace, with no more rights than it needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api_server_with_definitions;
use crate::parts::{ApiServer, Family, Member};

/// A file of `examples/controller`, for a controller in the namespace `home`.
fn for_home(file: &str, home: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/controller");
    let manifest = std::fs::read_to_string(folder.join(file)).expect("the example is there");
    let here = "namespace: wavepin\n";
    assert!(manifest.contains(here), "{file} says where the controller runs");
    manifest.replace(here, &format!("namespace: {home}\n"))
}

/// A namespace that the binary watches, from the same namespace or from another.
pub(crate) struct Installation {
    pub(crate) api_server: &'static ApiServer,
    /// Where the objects are.
    pub(crate) namespace: String,
    /// Where the ServiceAccount and the Lease are.
    home: String,
    pub(crate) family: Family,
    /// What nobody may be told; see [`Installation::keeps`].
    secrets: Mutex<BTreeSet<String>>,
}

impl Installation {
    /// In one fresh namespace.
    #[track_caller]
    pub(crate) fn new(prefix: &str) -> Self {
        let namespace = api_server_with_definitions().namespace(prefix);
        Self::of(namespace.clone(), namespace)
    }

    /// Watching a fresh namespace from another, which outlives it.
    #[track_caller]
    pub(crate) fn apart(prefix: &str) -> Self {
        let api_server = api_server_with_definitions();
        let home = api_server.namespace(&format!("{prefix}-home"));
        let installation = Self::of(home, api_server.namespace(prefix));
        installation.grant(&installation.home);
        installation
    }

    fn of(home: String, namespace: String) -> Self {
        let installation = Self {
            api_server: api_server_with_definitions(),
            namespace,
            home,
            family: Family::new("controller").expect("a shell is everywhere"),
            secrets: Mutex::default(),
        };
        let account = ["-n", &installation.home, "create", "serviceaccount", "wavepin"];
        installation.api_server.kubectl(&account).success();
        installation.grant(&installation.namespace);
        installation
    }

    /// Grants in a namespace what the documentation grants, and no more.
    pub(crate) fn grant(&self, namespace: &str) {
        let rights = for_home("rbac.yaml", &self.home);
        let args = ["-n", namespace, "apply", "-f", "-"];
        self.api_server.kubectl_stdin(&args, &rights).success();
    }

    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        let args = [&["-n", &self.namespace], args].concat();
        self.api_server.kubectl(&args).success()
    }

    #[track_caller]
    pub(crate) fn apply(&self, manifest: &str) {
        let args = ["-n", &self.namespace, "apply", "-f", "-"];
        self.api_server.kubectl_stdin(&args, manifest).success();
    }

    /// Every object of ours.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let list = self.kubectl(&["get", "omni,mv,tpin", "--output=json"]);
        let list: Value = serde_json::from_str(&list).expect("kubectl prints JSON");
        list["items"].as_array().cloned().expect("a list")
    }

    /// One object, as `kind/name`.
    #[track_caller]
    pub(crate) fn object(&self, name: &str) -> Value {
        let object = self.kubectl(&["get", name, "--output=json"]);
        serde_json::from_str(&object).expect("kubectl prints JSON")
    }

    /// The binary, to be started as a member of the family; the caller adds what it wants otherwise.
    pub(crate) fn controller(&self) -> Command {
        let mut command = self.controller_without_api_server();
        command.env("KUBECONFIG", self.api_server.kubeconfig_of(&self.token()));
        command
    }

    /// Likewise, where the API server is reached by way of another port.
    pub(crate) fn controller_by(&self, port: u16) -> Command {
        let mut command = self.controller_without_api_server();
        command.env("KUBECONFIG", self.api_server.kubeconfig_by(port, &self.token()));
        command
    }

    fn token(&self) -> String {
        let create_token = ["-n", &self.home, "create", "token", "wavepin"];
        self.api_server.kubectl(&create_token).success().trim().to_owned()
    }

    fn controller_without_api_server(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        command
            .args(["controller", "--namespace", &self.namespace])
            .args([
                "--health-address",
                "127.0.0.1:0",
                "--budget-window",
                "1s",
                "--require-hosts",
            ])
            // Whatever may hold a secret is written, so that it would be found.
            .env("WAVEPIN_LOG", "trace")
            .env("POD_NAMESPACE", &self.home);
        command
    }

    /// Starts the binary under a name that its log has.
    pub(crate) fn start(&self, name: &str, controller: &mut Command) -> Member {
        self.family.spawn(name, controller).expect("the binary starts")
    }

    /// Ends it as Kubernetes would.
    #[track_caller]
    pub(crate) fn end(&self, name: &str, mut controller: Member) {
        let ended = controller.terminate();
        assert!(ended.success(), "{}", self.family.last_words(name));
    }

    /// Names what must appear nowhere, neither as it is nor as a Secret shows it: everything that was told is searched
    /// for it when the installation ends.
    pub(crate) fn keeps(&self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let mut secrets = self.secrets.lock().expect("no test panics while it holds it");
        secrets.extend([secret.to_owned(), STANDARD.encode(secret)]);
    }

    /// All that was told: every log line, object, event and Lease, and every body that the API server wrote down.
    fn told(&self) -> Vec<(String, String)> {
        let logs = std::fs::read_dir(self.family.home()).expect("the family has a folder");
        let logs = logs.map(|entry| entry.expect("a file").path());
        let logs = logs.filter(|path| path.extension().is_some_and(|it| it == "log"));
        let mut told: Vec<(String, String)> = logs
            .map(|path| {
                let text = std::fs::read(&path).expect("the log can be read");
                let text = String::from_utf8_lossy(&text).into_owned();
                (path.display().to_string(), text)
            })
            .collect();
        for what in ["omni,mv,tpin", "events.events.k8s.io", "leases"] {
            // The namespace may be gone by now; then the audit log has all that was in it.
            let get = [
                "-n",
                &self.namespace,
                "get",
                what,
                "--output=yaml",
                "--show-managed-fields",
            ];
            told.push((what.to_owned(), self.api_server.kubectl(&get).stdout));
        }
        let audit = std::fs::read_to_string(self.api_server.audit_log()).expect("the API server writes it");
        let ours = audit.lines().filter(|line| line.contains(&self.namespace));
        // What a person sends as a Secret is theirs to send; the log keeps no body of it.
        told.push(("the audit log".to_owned(), ours.collect::<Vec<_>>().join("\n")));
        told
    }

    /// All that it wrote.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.family.log(name)).expect("it wrote one")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let secrets = std::mem::take(self.secrets.get_mut().expect("no test panics while it holds it"));
        if std::thread::panicking() || secrets.is_empty() {
            return;
        }
        for (place, text) in self.told() {
            for secret in &secrets {
                let line = text.lines().find(|line| line.contains(secret.as_str()));
                assert!(line.is_none(), "{place} tells a secret: {line:?}");
            }
        }
    }
}

/// A file of the example, for a simulator and with another API key than the public one.
pub(crate) fn example(file: &str, base_url: &str, key: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clinical");
    let manifest = std::fs::read_to_string(folder.join(file)).expect("the example is there");
    manifest
        .replace("http://127.0.0.1:4000", base_url)
        .replace("omni_osk_simulator", key)
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut conditions = object["status"]["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == kind)
}

#[track_caller]
pub(crate) fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The rules of the first document.
fn rules(manifest: &str) -> Vec<Value> {
    let role = manifest.split("\n---\n").next().expect("one at least");
    let role: Value = serde_saphyr::from_str(role).expect("YAML");
    role["rules"].as_array().cloned().expect("a role has rules")
}

#[test]
fn rights_for_all_namespaces_are_those_for_one_but_for_the_lease() {
    let cluster = Installation::new("rights");
    let everywhere = for_home("rbac-all-namespaces.yaml", &cluster.home);
    let mut here = rules(&for_home("rbac.yaml", &cluster.home));
    here.retain(|rule| rule["resources"] != serde_json::json!(["leases"]));
    assert_eq!(rules(&everywhere), here);
    let may = |verb: &str, what: &[&str]| {
        let account = format!("--as=system:serviceaccount:{}:wavepin", cluster.home);
        let args = [&["auth", "can-i", "--namespace=kube-system", &account, verb], what].concat();
        cluster.api_server.kubectl(&args).stdout.trim() == "yes"
    };
    assert!(!may("list", &["tenantpins.wavepin.dev"]), "not yet");
    cluster
        .api_server
        .kubectl_stdin(&["apply", "-f", "-"], &everywhere)
        .success();
    assert!(may("list", &["tenantpins.wavepin.dev"]) && may("get", &["secret/omni"]));
    assert!(
        !may("list", &["secrets"]) && !may("get", &["secret/another"]) && !may("update", &["tenantpins.wavepin.dev"])
    );
}

#[test]
fn the_api_server_takes_the_deployment() {
    let cluster = Installation::new("deployment");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/controller/deployment.yaml");
    let taken = cluster.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", file]);
    assert!(taken.contains("deployment.apps/wavepin created"), "{taken}");
}
