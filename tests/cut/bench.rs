//! A simulator, a mapping, the example's objects, and passes over them that can be broken off anywhere.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use wavepin::mapping::{Connected, MappingOptions, open};
use wavepin::model_repository::GitRepository;
use wavepin::model_version::{Progress, VersionPass, VersionReport, reconcile};
use wavepin::omni::{Limiter, Limiters, OmniClient, OmniOptions, Shared};
use wavepin::ports::{
    Answer, Clients, Clock, ConnectError, Delivery, Files, Mapping, ModelRepository, Next, Notice, Object, Omni,
    Question, Urgency, World,
};
use wavepin::resources::OmniInstanceSpec;
use wavepin::resources::conditions::{Finding, READY, STALLED, Verdict};
use wavepin::simulator::{DEFAULT_API_KEY, SimulatorOptions};
use wavepin::standalone::{Catalog, CatalogOptions, Declared, Reading};

use super::breaking::{Broken, Fuse};
use crate::contract::check::Held;
use crate::parts::git::{GitServer, Repository};
use crate::repository::{key, options, token};

/// How long lists lag and requests take here; passed by a clock that jumps.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A clock that goes by itself and jumps when told to.
pub struct Jumping(Mutex<SignedDuration>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

impl Jumping {
    fn jump(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

/// One organisation with one mapping.
pub struct Bench {
    /// Every exchange with it is held to Omni's contract.
    pub simulator: Held,
    pub folder: TempDir,
    file: Mutex<&'static str>,
    pub declared: Arc<Declared>,
    pub clock: Arc<Jumping>,
    pub limiter: Arc<Limiter>,
    /// The repository of version 1's model, where it has one.
    pub repository: OnceLock<Repository>,
}

impl Bench {
    /// The example on a fresh organisation; `change` may change the text of its files, named as in the folder.
    pub async fn new(change: impl Fn(&str, String) -> String) -> Self {
        Self::with(SimulatorOptions::default(), change).await
    }

    pub async fn with(options: SimulatorOptions, change: impl Fn(&str, String) -> String) -> Self {
        let simulator = Held::start(options).await.unwrap();
        let bench = Self {
            simulator,
            folder: in_memory(),
            file: Mutex::new("mapping.sqlite"),
            declared: Arc::default(),
            clock: Arc::new(Jumping(Mutex::default())),
            limiter: Limiter::new(100_000, Duration::from_secs(1)),
            repository: OnceLock::new(),
        };
        bench.declare(change);
        bench
    }

    /// Declares the example anew, changed.
    pub fn declare(&self, change: impl Fn(&str, String) -> String) {
        let mut reading = Reading::default();
        for file in ["clinical-v1.yaml", "clinical-v2.yaml", "instance.yaml", "pins.yaml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("examples/clinical")
                .join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace("http://127.0.0.1:4000", self.simulator.base_url());
            reading.add(&path, &change(file, text));
        }
        let before = self.declared.catalog();
        let catalog = Catalog::new(
            reading,
            &before,
            CatalogOptions {
                prune: false,
                now: self.clock.now(),
            },
        );
        assert_eq!(catalog.refusals(), [], "the manifests of this test are well-formed");
        self.declared.replace(catalog);
    }

    /// Declares it as one who never saw any of it.
    pub fn forget(&self, change: impl Fn(&str, String) -> String) {
        self.declared.replace(Catalog::default());
        self.declare(change);
    }

    pub fn database(&self) -> SecretString {
        let file = self.folder.path().join(*self.file.lock().unwrap());
        format!("sqlite:{}", file.display()).into()
    }

    /// From now on the mapping is in another file of the folder.
    pub fn use_database(&self, file: &'static str) {
        *self.file.lock().unwrap() = file;
    }

    /// The adapters as a freshly started process has them; the fuse breaks them.
    pub async fn world(&self, fuse: &Arc<Fuse>) -> World {
        self.process(fuse, false).await
    }

    /// Likewise, and every request takes its place in the database first, behind the fence, as those of a leader do.
    pub async fn leader(&self, fuse: &Arc<Fuse>) -> World {
        self.process(fuse, true).await
    }

    async fn process(&self, fuse: &Arc<Fuse>, leads: bool) -> World {
        let options = OmniOptions {
            request_timeout: REQUEST_TIMEOUT,
            ..OmniOptions::default()
        };
        let Connected { mapping, budget } = open(&self.database(), MappingOptions::default()).await.unwrap();
        let client = |limiter: &Arc<Limiter>| -> Arc<dyn Omni> {
            let key: SecretString = DEFAULT_API_KEY.into();
            Arc::new(OmniClient::new(self.simulator.base_url(), key, Arc::clone(limiter), &options).unwrap())
        };
        let sent = client(&self.limiter);
        let omni = if leads {
            let shared = Shared {
                budget: Arc::new(Broken::new(Arc::clone(&budget), budget, Arc::clone(fuse))),
                request_timeout: REQUEST_TIMEOUT,
            };
            let limiters = Limiters::new(Duration::from_secs(1));
            client(&limiters.limiter(
                self.simulator.base_url(),
                &DEFAULT_API_KEY.into(),
                100_000,
                Some(shared),
            ))
        } else {
            Arc::clone(&sent)
        };
        World {
            objects: Arc::clone(&self.declared) as _,
            config_maps: Arc::clone(&self.declared) as _,
            secrets: Arc::clone(&self.declared) as _,
            approvers: Arc::new(Files),
            clients: Arc::new(Adapters {
                omni: Arc::new(Broken::new(omni, sent, Arc::clone(fuse))),
                mapping: Arc::new(Broken::new(Arc::clone(&mapping), mapping, Arc::clone(fuse))),
                fuse: Arc::clone(fuse),
            }),
            clock: Arc::clone(&self.clock) as _,
            slice: Duration::from_secs(3600),
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// Passes over one version until it is ready, or stalled, or what it waits for cannot come by time alone.
    pub async fn drive(&self, world: &World, name: &str) -> VersionReport {
        for _ in 0..20 {
            let VersionPass { report, next } = reconcile(world, "default", name, &Quiet).await.expect("it is declared");
            if verdict(&report.findings, READY) == Some(Verdict::True)
                || verdict(&report.findings, STALLED) == Some(Verdict::True)
            {
                return report;
            }
            match next {
                Next::At(at) => self.clock_passes(at.duration_since(self.clock.now()).unsigned_abs()),
                Next::After(_) => return report,
                Next::Again | Next::Backoff { .. } => self.clock_passes(Duration::from_secs(1)),
            }
        }
        panic!("{name} does not settle");
    }

    /// Lets time pass, here and in Omni.
    pub fn clock_passes(&self, by: Duration) {
        let whole = Duration::from_secs(by.as_secs() + 1);
        self.clock.jump(SignedDuration::try_from(whole).unwrap());
        self.simulator.advance(whole);
    }

    /// The clock here moves, also back; Omni's only forward.
    pub fn clock_moves(&self, seconds: i64) {
        self.clock.jump(SignedDuration::from_secs(seconds));
        self.simulator
            .advance(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }

    /// Adopts version 1 and cuts version 2, undisturbed.
    pub async fn both(&self) -> (VersionReport, VersionReport) {
        let world = self.world(&Fuse::never()).await;
        let first = self.drive(&world, "clinical-v1").await;
        ready(&first);
        (first, self.drive(&world, "clinical-v2").await)
    }

    /// A version, driven by a freshly started process that nothing disturbs.
    pub async fn again(&self, name: &str) -> VersionReport {
        let world = self.world(&Fuse::never()).await;
        self.drive(&world, name).await
    }

    /// A call that a person's script would make.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) {
        let url = format!("{}{path}", self.simulator.base_url());
        let sent = reqwest::Client::new().request(method.parse().unwrap(), url);
        let sent = sent.bearer_auth(DEFAULT_API_KEY);
        let sent = match body {
            Some(body) => sent.json(&body),
            None => sent,
        };
        let answer = sent.send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
    }

    /// What matters of the organisation: everything but times and the ids that Omni chooses.
    pub fn outcome(&self) -> Value {
        outcome(&self.simulator.state())
    }
}

/// The example as it is in its folder.
pub fn as_it_is(_: &str, text: String) -> String {
    text
}

/// Version 2 with two dashboards, which are enough to meet every kind of call: one has fields of its workbook, one a tab
/// of its own.
pub fn two_dashboards(file: &str, text: String) -> String {
    match file {
        "clinical-v2.yaml" => {
            format!("{text}    dashboards: {{exclude: [ward-capacity, medication-review, billing-overview]}}\n")
        }
        _ => text,
    }
}

/// Asserts that a text speaks of each of these.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

/// A folder that no disk has to be waited for, where the machine has one.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// The state without what differs from run to run.
pub fn outcome(state: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| state[name].as_array().cloned().unwrap_or_default();
    let models: Vec<Value> = list("models")
        .iter()
        .filter(|model| model["kind"] == "SHARED")
        .map(|model| serde_json::json!({"name": model["name"], "files": model["files"], "branches": model["branches"].as_array().map_or(0, Vec::len)}))
        .collect();
    let name_of = |id: &Value| {
        list("models")
            .iter()
            .find(|model| model["id"] == *id)
            .map(|model| text(&model["name"]))
    };
    let mut documents: Vec<Value> = list("documents")
        .iter()
        .map(|document| {
            serde_json::json!({"identifier": document["identifier"], "name": document["name"], "folder": document["folderPath"],
                "deleted": document["deleted"], "model": name_of(&document["modelId"])})
        })
        .collect();
    documents.sort_by_key(Value::to_string);
    let mut folders: Vec<Value> = list("folders")
        .iter()
        .map(|folder| serde_json::json!({"path": folder["path"], "permits": folder["permits"]}))
        .collect();
    folders.sort_by_key(Value::to_string);
    let mut models = models;
    models.sort_by_key(Value::to_string);
    serde_json::json!({"models": models, "documents": documents, "folders": folders})
}

pub fn verdict(findings: &[Finding], condition: &str) -> Option<Verdict> {
    findings
        .iter()
        .find(|finding| finding.condition == condition)
        .map(|finding| finding.verdict)
}

/// Asserts that a version is ready, and shows why it is not.
#[track_caller]
pub fn ready(report: &VersionReport) {
    assert_eq!(verdict(&report.findings, READY), Some(Verdict::True), "{report:#?}");
    assert!(report.sealed);
}

/// The message of a stalled version, as a user reads it, with its reason in front.
#[track_caller]
pub fn stalled(report: &VersionReport) -> String {
    let found = report.findings.iter().find(|finding| finding.condition == STALLED);
    let found = found.unwrap_or_else(|| panic!("not stalled: {report:#?}"));
    format!("{}: {}", found.reason.as_str(), found.message)
}

/// Ends a pass after the effect with which this comes true, as the end of a process would.
pub struct Until<F>(pub F);

impl<F: Fn() -> bool + Send + Sync> Progress for Until<F> {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        self.0()
    }
}

pub struct Quiet;

impl Progress for Quiet {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        false
    }
}

struct Adapters {
    omni: Arc<dyn Omni>,
    mapping: Arc<dyn Mapping>,
    fuse: Arc<Fuse>,
}

#[async_trait]
impl Clients for Adapters {
    async fn omni(&self, _: &Object<OmniInstanceSpec>, _: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        Ok(Arc::clone(&self.omni))
    }

    async fn mapping(&self, _: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        Ok(Arc::clone(&self.mapping))
    }

    async fn repository(
        &self,
        _: &Object<OmniInstanceSpec>,
        address: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        let credential = if address.starts_with("https://") {
            token()
        } else {
            key()
        };
        let repository = GitRepository::new(address, &credential, options());
        let repository: Arc<dyn ModelRepository> =
            Arc::new(repository.map_err(|source| ConnectError::Repository { source })?);
        Ok(Arc::new(Broken::new(
            Arc::clone(&repository),
            repository,
            Arc::clone(&self.fuse),
        )))
    }

    async fn repository_token(&self, _: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        Ok(GitServer::shared().token().into())
    }

    async fn ask_check(&self, _: &Question) -> Answer {
        panic!("no rollout is here that asks")
    }

    async fn notify(&self, _: &Notice) -> Delivery {
        panic!("no rollout is here that tells")
    }

    fn forget_credentials(&self, _: &Object<OmniInstanceSpec>) {}
}
