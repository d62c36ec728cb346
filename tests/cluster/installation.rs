//! The chart, installed by Helm, and the binary run as its Deployment says: with its flags, variables and token.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api_server_with_definitions;
use super::rights::{grantable, used};
use crate::parts::helm::{Helm, chart};
use crate::parts::{ApiServer, Family, Member};

/// A namespace that the binary watches, from the same namespace or from another.
pub(crate) struct Installation {
    pub(crate) api_server: &'static ApiServer,
    /// Where the objects are.
    pub(crate) namespace: String,
    /// Where the chart is installed: the ServiceAccount and the Lease are there.
    pub(crate) home: String,
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
        Self::of(home, api_server.namespace(prefix))
    }

    fn of(home: String, namespace: String) -> Self {
        let installation = Self {
            api_server: api_server_with_definitions(),
            namespace,
            home,
            family: Family::new("controller").expect("a shell is everywhere"),
            secrets: Mutex::default(),
        };
        installation.helm(&[]);
        installation
    }

    /// Installs the chart, or brings what it made to where the chart has it.
    #[track_caller]
    pub(crate) fn helm(&self, args: &[&str]) {
        let namespaces = format!("watch.namespaces={{{}}}", self.namespace);
        let chart = chart("wavepin");
        let install = ["upgrade", "--install", "wavepin", &chart, "--namespace", &self.home];
        // The definitions are one release's, and these tests' API server has them.
        let sets = [
            "image.repository=registry.example.com/wavepin",
            "crds.enabled=false",
            "secrets.names={omni}",
            &namespaces,
        ];
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let args: Vec<&str> = install.into_iter().chain(sets).chain(args.iter().copied()).collect();
        Helm::Three.run_on(&self.api_server.kubeconfig(), &args).success();
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
        let list = self.kubectl(&["get", "omni,mv,tpin,vro,wapp", "--output=json"]);
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

    /// A token of the chart's ServiceAccount.
    pub(crate) fn token(&self) -> String {
        let deployment = self.deployment();
        let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str();
        let create_token = [
            "-n",
            &self.home,
            "create",
            "token",
            account.expect("the chart names it"),
        ];
        self.api_server.kubectl(&create_token).success().trim().to_owned()
    }

    /// The Deployment as the API server has it.
    pub(crate) fn deployment(&self) -> Value {
        let get = ["-n", &self.home, "get", "deployment", "wavepin", "--output=json"];
        let deployment = self.api_server.kubectl(&get).success();
        serde_json::from_str(&deployment).expect("kubectl prints JSON")
    }

    /// What the kubelet would start, but for what a test wants otherwise.
    fn controller_without_api_server(&self) -> Command {
        let deployment = self.deployment();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
        for arg in container["args"].as_array().expect("the chart has arguments") {
            command.arg(arg.as_str().expect("arguments are text"));
        }
        for variable in container["env"].as_array().expect("the chart has variables") {
            let name = variable["name"].as_str().expect("a variable has a name");
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.namespace") => &self.home,
                Some("metadata.name") => "wavepin-0",
                Some(path) => panic!("which value has {path}?"),
                None => variable["value"].as_str().expect("a variable has a value"),
            };
            command.env(name, value);
        }
        // Ports of one machine are one Pod's only in a cluster. Whatever may hold a secret is written, so that it would
        // be found.
        command
            .args(["--health-address", "127.0.0.1:0", "--budget-window", "1s"])
            .env("WAVEPIN_LOG", "trace")
            .env("WAVEPIN_LOG_FORMAT", "text");
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
        for what in ["omni,mv,tpin,vro,wapp", "events.events.k8s.io", "leases"] {
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

    /// What `/readyz` of a member that was started under this name answers, once it listens.
    pub(crate) fn readiness(&self, name: &str) -> Option<(u16, String)> {
        let log = self.log(name);
        let (_, rest) = log.split_once("probes answer on http://")?;
        let (address, _) = rest.split_once("/livez")?;
        // A whole client for one line of text over the loopback would need a runtime.
        let mut line = TcpStream::connect(address).ok()?;
        line.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        line.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
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
        let (used, _) = used(self);
        assert!(used.is_subset(grantable()), "more than the chart grants: {used:?}");
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
