//! A Kubernetes API server with its etcd and the controllers that delete, on the loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use uuid::Uuid;

use super::family::{Family, Member};
use super::program::{self, Output};

/// How long the API server may take to be ready. It takes two seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Of every request who asked for what, of those for Wavepin's own kinds also what they carried.
/// Secrets stay out of the log, whatever the test.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, nonResourceURLs: ['/healthz*', '/livez*', '/readyz*', '/openapi*', '/api*', '/version']}
  - {level: Request, resources: [{group: wavepin.dev}]}
  - {level: Metadata}
";

/// A real kube-apiserver: RBAC decides, ServiceAccounts get tokens, namespaces and dependents are deleted.
#[derive(Debug)]
pub(crate) struct ApiServer {
    url: String,
    /// The token of the administrator.
    token: String,
    kubectl: PathBuf,
    // Before the family, so that the processes are reaped before their watchdog is waited for.
    processes: Vec<Member>,
    family: Family,
}

impl ApiServer {
    /// The API server of all tests of this binary, started by the first that asks.
    #[track_caller]
    pub(crate) fn shared() -> &'static ApiServer {
        static SHARED: OnceLock<Result<ApiServer, String>> = OnceLock::new();
        match SHARED.get_or_init(ApiServer::start) {
            Ok(api_server) => api_server,
            Err(why) => panic!("the tests have no API server: {why}"),
        }
    }

    /// One for a test alone that needs definitions which others must not see, or none at all.
    #[track_caller]
    pub(crate) fn own() -> ApiServer {
        ApiServer::start().unwrap_or_else(|why| panic!("the test has no API server: {why}"))
    }

    /// Starts one and waits until it is ready.
    fn start() -> Result<ApiServer, String> {
        let mut tries = 3;
        loop {
            tries -= 1;
            match ApiServer::try_start() {
                // Somebody took a port between our look and the server's use of it.
                Err(why) if tries > 0 && why.contains("address already in use") => {}
                end => return end,
            }
        }
    }

    fn try_start() -> Result<ApiServer, String> {
        let kubectl = program::find("kubectl")?;
        let family = Family::new("api-server")?;
        let [etcd_port, port] = [program::free_port()?, program::free_port()?];
        let [token, controllers_token] = [Uuid::new_v4().simple(), Uuid::new_v4().simple()].map(|id| id.to_string());
        let url = format!("https://127.0.0.1:{port}");
        // The user name of the controllers tells their requests from the tests' in the audit log.
        let tokens =
            format!("{token},admin,admin,system:masters\n{controllers_token},controllers,controllers,system:masters\n");
        for (file, content) in [
            ("tokens.csv", &tokens),
            ("audit-policy.yaml", &AUDIT_POLICY.to_owned()),
            ("admin.kubeconfig", &kubeconfig(&url, &token)),
            ("controllers.kubeconfig", &kubeconfig(&url, &controllers_token)),
        ] {
            let path = family.home().join(file);
            std::fs::write(&path, content).map_err(|source| format!("{}: {source}", path.display()))?;
        }
        // What is missing shows before anything runs.
        let [etcd, apiserver, controllers] = ["etcd", "kube-apiserver", "kube-controller-manager"].map(program::find);
        let [mut etcd, mut apiserver, mut controllers] = [
            etcd_command(&etcd?, family.home(), etcd_port),
            apiserver_command(&apiserver?, family.home(), port, etcd_port),
            controllers_command(&controllers?, family.home()),
        ];
        let processes = vec![
            family.spawn("etcd", &mut etcd)?,
            family.spawn("kube-apiserver", &mut apiserver)?,
        ];
        let mut api_server = ApiServer {
            url,
            token,
            kubectl,
            processes,
            family,
        };
        api_server.wait_until_ready()?;
        // Not earlier: they read the certificate that the API server makes.
        api_server
            .processes
            .push(api_server.family.spawn("kube-controller-manager", &mut controllers)?);
        Ok(api_server)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (name, process) in ["etcd", "kube-apiserver"].into_iter().zip(&mut self.processes) {
                if let Some(status) = process.ended() {
                    return Err(format!("{name} ended with {status}:\n{}", self.family.last_words(name)));
                }
            }
            let answer = Output::of(&mut self.command(&["get", "--raw=/readyz"]), "")?;
            if answer.status.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = self.family.last_words("kube-apiserver");
                return Err(format!(
                    "it is not ready after {PATIENCE:?}: {}\nIts log ends with:\n{log}",
                    answer.stderr
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A kubeconfig of the administrator, whom nothing is refused.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.family.home().join("admin.kubeconfig")
    }

    /// A kubeconfig of whoever has the token, such as one of `kubectl create token`.
    pub(crate) fn kubeconfig_of(&self, token: &str) -> PathBuf {
        let path = self
            .family
            .home()
            .join(format!("{}.kubeconfig", Uuid::new_v4().simple()));
        std::fs::write(&path, kubeconfig(&self.url, token)).expect("the folder of the API server takes files");
        path
    }

    /// Likewise, by way of another port of the loopback.
    pub(crate) fn kubeconfig_by(&self, port: u16, token: &str) -> PathBuf {
        let path = self.kubeconfig_of(token);
        let text = std::fs::read_to_string(&path).expect("it was written now");
        let by = text.replace(&self.url, &format!("https://127.0.0.1:{port}"));
        assert_ne!(text, by, "it names the API server");
        std::fs::write(&path, by).expect("the folder of the API server takes files");
        path
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that it made for itself, as PEM.
    pub(crate) fn certificate(&self) -> String {
        let path = self.family.home().join("certificates/apiserver.crt");
        std::fs::read_to_string(path).expect("the API server wrote it before it was ready")
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        let url = url::Url::parse(&self.url).expect("the URL was written by us");
        url.port().expect("it names its port")
    }

    /// A client with the administrator's rights. It belongs to the runtime that it is made in, so it is
    /// made anew for each test.
    pub(crate) fn client(&self) -> kube::Client {
        self.client_of(&self.token)
    }

    /// Likewise with the rights of whoever has the token.
    pub(crate) fn client_of(&self, token: &str) -> kube::Client {
        // A second installation is refused, and changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let url = self.url.parse().expect("the URL was written by us");
        let mut config = kube::Config::new(url);
        let authorities = CertificateDer::pem_file_iter(self.family.home().join("certificates/apiserver.crt"))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .expect("the API server wrote its certificate before it was ready");
        config.root_cert = Some(authorities.iter().map(|certificate| certificate.to_vec()).collect());
        config.auth_info.token = Some(token.to_owned().into());
        kube::Client::try_from(config).expect("the configuration is whole")
    }

    /// Runs kubectl as the administrator; `--kubeconfig` among the arguments makes it somebody else.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_stdin(args, "")
    }

    /// Likewise, with what `-f -` reads.
    pub(crate) fn kubectl_stdin(&self, args: &[&str], input: &str) -> Output {
        Output::of(&mut self.command(args), input).expect("kubectl started when the API server did")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        // Its caches and preferences are keyed by host and port only, which another run may have had.
        command
            .env("HOME", self.family.home())
            .env("KUBECACHEDIR", self.family.home().join("kubectl-cache"));
        command.env("KUBECONFIG", self.kubeconfig()).args(args);
        command
    }

    /// A fresh namespace, its name starting with the prefix.
    #[track_caller]
    pub(crate) fn namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{}", &Uuid::new_v4().simple().to_string()[..8]);
        self.kubectl(&["create", "namespace", &name]).success();
        name
    }

    /// The audit log: one `audit.k8s.io/v1` event a line, for every request once it is answered.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.family.home().join("audit.log")
    }
}

fn kubeconfig(url: &str, token: &str) -> String {
    // The certificate that the API server makes for itself, in the same folder.
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: tests, cluster: {{server: '{url}', certificate-authority: certificates/apiserver.crt}}}}]
users: [{{name: tests, user: {{token: '{token}'}}}}]
contexts: [{{name: tests, context: {{cluster: tests, user: tests}}}}]
current-context: tests
"
    )
}

fn etcd_command(program: &Path, home: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).args([
        "--data-dir=etcd",
        "--log-level=warn",
        "--listen-peer-urls=http://127.0.0.1:0",
    ]);
    // Nothing needs to outlive the machine.
    command.arg("--unsafe-no-fsync");
    let url = format!("http://127.0.0.1:{port}");
    command.args([
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
    ]);
    command
}

fn apiserver_command(program: &Path, home: &Path, port: u16, etcd_port: u16) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).env("GOMEMLIMIT", "2GiB").args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--token-auth-file=tokens.csv",
        // It makes its own certificate here, and its key signs the tokens of ServiceAccounts too: no other
        // program is needed to make one.
        "--cert-dir=certificates",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=certificates/apiserver.key",
        "--service-account-signing-key-file=certificates/apiserver.key",
        // It would wait for controllers that give every namespace a ServiceAccount's token.
        "--disable-admission-plugins=ServiceAccount",
        "--audit-policy-file=audit-policy.yaml",
        "--audit-log-path=audit.log",
    ]);
    command.args([
        format!("--secure-port={port}"),
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
    ]);
    command
}

/// Namespaces go, dependents go with their owners, namespaces get their default ServiceAccount.
fn controllers_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).args([
        "--kubeconfig=controllers.kubeconfig",
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
        "--leader-elect=false",
        "--secure-port=0",
        "--cert-dir=controllers",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]);
    command
}
