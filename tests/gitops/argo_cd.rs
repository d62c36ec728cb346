//! Argo CD on the API server of the tests: its controller, its repository server and its own API, with the Redis and
//! the git server that they need.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::repository::Repository;
use crate::cluster::{api_server_with_definitions, eventually};
use crate::parts::{ApiServer, Family, Member, Output, free_port, gitops_tool};

/// How long all its parts may take to listen. They take six seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The project that every Application of the tests is in: it may take from anywhere and go anywhere.
const PROJECT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec:
  sourceRepos: ['*']
  destinations: [{server: '*', namespace: '*'}]
  clusterResourceWhitelist: [{group: '*', kind: '*'}]
";

/// Argo CD, started once for all tests.
#[derive(Debug)]
pub(super) struct ArgoCd {
    pub(super) api_server: &'static ApiServer,
    /// Where it runs, and its Applications are.
    pub(super) namespace: String,
    ports: Ports,
    // Before the family, so that the processes are reaped before their watchdog is waited for.
    processes: Vec<(&'static str, Member)>,
    family: Family,
}

/// Where its parts listen on the loopback.
#[derive(Debug)]
struct Ports {
    git: u16,
    redis: u16,
    repositories: u16,
    controller: u16,
    api: u16,
    /// Where the repository server and the API tell their measures.
    measures: [u16; 2],
}

impl Ports {
    fn free() -> Result<Self, String> {
        Ok(Self {
            git: free_port()?,
            redis: free_port()?,
            repositories: free_port()?,
            controller: free_port()?,
            api: free_port()?,
            measures: [free_port()?, free_port()?],
        })
    }
}

impl ArgoCd {
    /// The one of all tests of this binary, started by the first that asks.
    #[track_caller]
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<ArgoCd, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(argo_cd) => argo_cd,
            Err(why) => panic!("the tests have no Argo CD: {why}"),
        }
    }

    fn start() -> Result<Self, String> {
        let mut tries = 3;
        loop {
            tries -= 1;
            match Self::try_start() {
                // Somebody took a port between our look and its use.
                Err(why) if tries > 0 && why.to_lowercase().contains("address already in use") => {}
                end => return end,
            }
        }
    }

    fn try_start() -> Result<Self, String> {
        let api_server = api_server_with_definitions();
        let mut argo_cd = Self {
            api_server,
            namespace: api_server.namespace("argocd"),
            ports: Ports::free()?,
            processes: Vec::new(),
            family: Family::new("argocd")?,
        };
        argo_cd.settings()?;
        argo_cd.start_parts()?;
        argo_cd.wait_until_ready()?;
        Ok(argo_cd)
    }

    /// The definitions and settings of its own manifests, a project, the cluster, and our health checks and actions.
    fn settings(&self) -> Result<(), String> {
        let manifests = gitops_tool("argocd-manifests")?;
        let folder = |name: &str| manifests.join(name).display().to_string();
        let definitions = folder("crds");
        let kubectl = |args: &[&str], input: &str| {
            let args = [&["-n", &self.namespace], args].concat();
            self.api_server.kubectl_stdin(&args, input).success()
        };
        kubectl(&["apply", "--server-side", "-f", &definitions], "");
        // A definition that nothing was said of yet fails kubectl's wait at once.
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            &definitions,
        ];
        eventually("Argo CD's definitions are served", PATIENCE, || {
            self.api_server.kubectl(&established).status.success()
        });
        kubectl(&["apply", "-f", &folder("config")], "");
        kubectl(&["apply", "-f", "-"], PROJECT);
        let key = json!({"stringData": {"server.secretkey": Uuid::new_v4().to_string()}}).to_string();
        kubectl(
            &["patch", "secret", "argocd-secret", "--type=merge", "--patch", &key],
            "",
        );
        kubectl(&["create", "serviceaccount", "argocd"], "");
        let account = format!("--serviceaccount={}:argocd", self.namespace);
        let admin = [
            "create",
            "clusterrolebinding",
            &self.namespace,
            "--clusterrole=cluster-admin",
            &account,
        ];
        kubectl(&admin, "");
        let token = kubectl(&["create", "token", "argocd"], "");
        kubectl(&["apply", "-f", "-"], &self.cluster(token.trim()));
        self.install_ours()
    }

    /// The Secret by which it knows the cluster that it syncs to.
    fn cluster(&self, token: &str) -> String {
        let authority = STANDARD.encode(self.api_server.certificate());
        let config = json!({"bearerToken": token, "tlsClientConfig": {"caData": authority}});
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tests", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "stringData": {"name": "tests", "server": self.api_server.url(), "config": config.to_string()},
        })
        .to_string()
    }

    /// Puts our health checks and actions where Argo CD reads them, by the commands of the documentation.
    fn install_ours(&self) -> Result<(), String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = root.join("docs/gitops.md");
        let page = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
        let begin = "<!-- run: argo cd -->\n```sh\n";
        let (_, commands) = page.split_once(begin).ok_or("docs/gitops.md has no commands")?;
        let (commands, _) = commands.split_once("```").ok_or("the commands have no end")?;
        let commands = commands.replace("-n argocd", &format!("-n {}", self.namespace));
        let tools = root.join("tools/bin").display().to_string();
        let path = format!("{tools}:{}", std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", &commands])
            .current_dir(root)
            .env("PATH", path)
            .env("HOME", self.family.home())
            .env("KUBECONFIG", self.api_server.kubeconfig());
        let done = Output::of(&mut shell, "")?;
        done.status.success().then_some(()).ok_or_else(|| done.to_string())
    }

    fn start_parts(&mut self) -> Result<(), String> {
        let commands = [
            ("git", self.git_server()?),
            ("redis", self.redis()?),
            ("repositories", self.repository_server()?),
            ("controller", self.controller()?),
            ("api", self.api()?),
        ];
        for (name, mut command) in commands {
            self.processes.push((name, self.family.spawn(name, &mut command)?));
        }
        Ok(())
    }

    /// A command at home in the family's folder.
    fn at_home(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.family.home();
        command.current_dir(home).env("HOME", home).env("TMPDIR", home);
        command
    }

    fn git_server(&self) -> Result<Command, String> {
        let folder = self.repositories();
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut command = self.at_home("git");
        command
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={}", self.ports.git))
            .arg(format!("--base-path={}", folder.display()));
        Ok(command)
    }

    fn redis(&self) -> Result<Command, String> {
        let mut command = self.at_home(gitops_tool("redis-server")?);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.ports.redis.to_string()]);
        Ok(command)
    }

    /// The one binary in one of its parts.
    fn part(&self, name: &str) -> Result<Command, String> {
        let mut command = self.at_home(gitops_tool("argocd")?);
        let home = self.family.home();
        command
            .env("ARGOCD_BINARY_NAME", name)
            // Elsewhere they are places of its image.
            .env("ARGOCD_TLS_DATA_PATH", home.join("tls"))
            .env("ARGOCD_SSH_DATA_PATH", home.join("ssh"))
            .env("ARGOCD_PLUGINSOCKFILEPATH", home.join("plugins"))
            .args(["--redis", &format!("127.0.0.1:{}", self.ports.redis)]);
        Ok(command)
    }

    fn repository_server(&self) -> Result<Command, String> {
        let mut command = self.part("argocd-repo-server")?;
        command.env("ARGOCD_GPG_ENABLED", "false").args([
            "--disable-tls",
            "--address=127.0.0.1",
            "--metrics-address=127.0.0.1",
            // A commit is seen at the next look, not minutes later.
            "--revision-cache-expiration=1s",
        ]);
        command.args([
            format!("--port={}", self.ports.repositories),
            format!("--metrics-port={}", self.ports.measures[0]),
        ]);
        Ok(command)
    }

    /// Adds what both parts that read the API server want.
    fn reading(&self, mut command: Command) -> Command {
        command
            .arg(format!("--kubeconfig={}", self.api_server.kubeconfig().display()))
            .arg(format!("--namespace={}", self.namespace))
            .arg(format!("--repo-server=127.0.0.1:{}", self.ports.repositories))
            .arg("--repo-server-plaintext")
            // Its defaults spare a cluster that others use too.
            .env("ARGOCD_K8S_CLIENT_QPS", "500")
            .env("ARGOCD_K8S_CLIENT_BURST", "1000");
        command
    }

    fn controller(&self) -> Result<Command, String> {
        let mut command = self.reading(self.part("argocd-application-controller")?);
        command.args([
            "--app-resync=5",
            "--app-resync-jitter=0",
            // An Application then says what it takes each of its objects for.
            "--persist-resource-health",
            &format!("--metrics-port={}", self.ports.controller),
        ]);
        Ok(command)
    }

    fn api(&self) -> Result<Command, String> {
        let mut command = self.reading(self.part("argocd-server")?);
        command.args([
            "--insecure",
            "--disable-auth",
            "--address=127.0.0.1",
            "--metrics-address=127.0.0.1",
            &format!("--port={}", self.ports.api),
            &format!("--metrics-port={}", self.ports.measures[1]),
        ]);
        Ok(command)
    }

    /// Each part must answer as itself: whoever else took its port answers otherwise, and then it ends.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let asked = [
            (self.ports.git, "", ""),
            (self.ports.redis, "PING\r\n", "+PONG"),
            (self.ports.measures[0], "GET /metrics HTTP/1.0\r\n\r\n", "go_info"),
            (self.ports.controller, "GET /metrics HTTP/1.0\r\n\r\n", "go_info"),
            (self.ports.api, "GET /api/version HTTP/1.0\r\n\r\n", "Version"),
        ];
        let deadline = Instant::now() + PATIENCE;
        for (port, question, answer) in asked {
            while !answers(port, question, answer) {
                self.all_run()?;
                if Instant::now() > deadline {
                    return Err(format!(
                        "no {answer:?} from port {port} after {PATIENCE:?}:\n{}",
                        self.last_words()
                    ));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.all_run()
    }

    /// Or how the first ended that does not.
    fn all_run(&mut self) -> Result<(), String> {
        for (name, process) in &mut self.processes {
            if let Some(status) = process.ended() {
                return Err(format!("{name} ended with {status}:\n{}", self.family.last_words(name)));
            }
        }
        Ok(())
    }

    fn repositories(&self) -> PathBuf {
        self.family.home().join("repositories")
    }

    /// A fresh repository that it can read.
    #[track_caller]
    pub(super) fn repository(&self, name: &str) -> Repository {
        let url = format!("git://127.0.0.1:{}/{name}.git", self.ports.git);
        Repository::new(&self.repositories(), name, url).expect("the folder takes repositories")
    }

    /// Its own API.
    pub(super) fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.ports.api)
    }

    /// The command line, which judges objects as the controller does.
    pub(super) fn command_line(&self) -> Command {
        let mut command = self.at_home(gitops_tool("argocd").expect("it runs"));
        command
            .env("ARGOCD_BINARY_NAME", "argocd")
            .env("KUBECONFIG", self.api_server.kubeconfig());
        command
    }

    /// How the controller's log ends, for messages.
    pub(super) fn last_words(&self) -> String {
        self.family.last_words("controller")
    }
}

/// Whether somebody on this port of the loopback takes a connection, and says this where it is asked.
fn answers(port: u16, question: &str, answer: &str) -> bool {
    let patience = Some(Duration::from_secs(2));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    if stream.set_read_timeout(patience).is_err() || stream.write_all(question.as_bytes()).is_err() {
        return false;
    }
    let mut told = String::new();
    let mut piece = [0; 4096];
    while !told.contains(answer) {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => told.push_str(&String::from_utf8_lossy(&piece[..length])),
            _ => return false,
        }
    }
    true
}
