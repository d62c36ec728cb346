//! What every measured cut stands on: the simulator, the example's objects, a database, and passes without Kubernetes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::model_version::{Progress, VersionPass, VersionReport, reconcile};
use wavepin::omni_instance;
use wavepin::ports::{Files, Next, SystemClock, World};
use wavepin::resources::conditions::{READY, STALLED, Verdict};
use wavepin::simulator::{Simulator, SimulatorOptions};
use wavepin::standalone::{Catalog, CatalogOptions, Declared, Reading};

use crate::example;
use crate::postgres::{Database, Postgres};

/// What an organisation takes, and what Wavepin is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) requests: u32,
    pub(crate) window: Duration,
}

/// How long a cut may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// An organisation with version 1 in it, and a database that nobody used yet.
pub(crate) struct Bed {
    pub(crate) simulator: Simulator,
    pub(crate) database: Database,
    declared: Arc<Declared>,
    budget: Budget,
}

impl Bed {
    /// With so many dashboards in version 1, and so many versions declared to be cut from it.
    pub(crate) async fn new(name: &str, dashboards: usize, cuts: usize, budget: Budget) -> Self {
        let options = SimulatorOptions {
            dashboards,
            requests_per_minute: Some(budget.requests),
            budget_window: budget.window,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(options).await.expect("the loopback has a free port");
        Self::of(simulator, name, cuts, budget)
    }

    /// Likewise on an organisation as it is.
    pub(crate) fn of(simulator: Simulator, name: &str, cuts: usize, budget: Budget) -> Self {
        Self {
            declared: Arc::new(Declared::new(catalog(
                &simulator,
                budget,
                cuts,
                &VERSIONS,
                |_, text| text,
                "",
            ))),
            database: Postgres::shared().database(name),
            simulator,
            budget,
        }
    }

    /// Declares the pins too, and changes the text of a file.
    pub(crate) fn declare(&self, change: impl Fn(&str, String) -> String) {
        let files = [&VERSIONS[..], &["pins.yaml"]].concat();
        self.declared
            .replace(catalog(&self.simulator, self.budget, 1, &files, change, ""));
    }

    /// Declares these manifests too, and the application's table of tenants.
    pub(crate) fn declare_also(&self, manifests: &str) {
        let labelled = |file: &str, text: String| {
            match file {
            "instance.yaml" => text.replacen(
                "  # No mapping.urlSecretRef",
                "  mapping:\n    tenantTables: {tenants: {table: tenants, tenantColumn: id, columns: [tier]}}\n  # No mapping",
                1,
            ),
            _ => text,
        }
        };
        self.declared
            .replace(catalog(&self.simulator, self.budget, 1, &VERSIONS, labelled, manifests));
    }

    /// A process that knows nothing of an earlier one, and that has seen whose organisation it is.
    pub(crate) async fn start(&self) -> World {
        let clients = ClientOptions {
            default_database: Some(self.database.url.clone().into()),
            budget_window: self.budget.window,
            ..ClientOptions::default()
        };
        let world = World {
            objects: Arc::clone(&self.declared) as _,
            config_maps: Arc::clone(&self.declared) as _,
            secrets: Arc::clone(&self.declared) as _,
            approvers: Arc::new(Files),
            request_timeout: clients.request_timeout,
            clients: Arc::new(ClientRegistry::new(Arc::clone(&self.declared) as _, clients)),
            clock: Arc::new(SystemClock),
            slice: Duration::from_secs(30),
        };
        let instance = omni_instance::reconcile(&world, "default", "clinical").await;
        let findings = instance.expect("it is declared").findings;
        assert!(
            findings
                .iter()
                .any(|it| it.condition == READY && it.verdict == Verdict::True),
            "{findings:#?}"
        );
        world
    }

    /// What a version that all are cut from, and its adoption, spent is not to slow what is measured: its window is over
    /// once nothing was sent for so long.
    pub(crate) async fn rested(&self) -> World {
        let world = self.start().await;
        drive(&world, "clinical-v1").await;
        tokio::time::sleep(self.budget.window).await;
        world
    }
}

/// The files of the example that declare the instance and its versions.
const VERSIONS: [&str; 3] = ["clinical-v1.yaml", "clinical-v2.yaml", "instance.yaml"];

/// These files of the example with every dashboard of the seed adopted, its cut so many times under names of its own, and
/// more manifests.
fn catalog(
    simulator: &Simulator,
    budget: Budget,
    cuts: usize,
    files: &[&str],
    change: impl Fn(&str, String) -> String,
    more: &str,
) -> Catalog {
    let mut reading = Reading::default();
    reading.add(Path::new("more.yaml"), more);
    for file in files.iter().copied() {
        let text = change(file, example(file, simulator.base_url()));
        let text = match file {
            "clinical-v1.yaml" => adopting(&text, &simulator.state()),
            "instance.yaml" => text.replace(
                "requestsPerMinute: 600",
                &format!("requestsPerMinute: {}", budget.requests),
            ),
            _ => text,
        };
        reading.add(Path::new(file), &text);
        for version in (3..cuts + 2).filter(|_| file == "clinical-v2.yaml") {
            let another = text.replace("version: 2", &format!("version: {version}"));
            let another = another.replace("v2", &format!("v{version}"));
            reading.add(Path::new(&format!("clinical-v{version}.yaml")), &another);
        }
    }
    let options = CatalogOptions {
        prune: false,
        now: Timestamp::now(),
    };
    let catalog = Catalog::new(reading, &Catalog::default(), options);
    assert_eq!(catalog.refusals(), [], "the example is well-formed");
    catalog
}

/// Version 1 with a list of all dashboards in place of its own.
fn adopting(text: &str, state: &Value) -> String {
    let (head, _) = text.split_once("dashboards:").expect("version 1 adopts dashboards");
    let documents = state["documents"].as_array().expect("the state lists documents");
    let adopted = documents
        .iter()
        .filter(|it| it["folderPath"] == "clinical/v1" && it["deleted"] == false);
    let lines = adopted.enumerate().map(|(at, it)| {
        format!(
            "        - {{slug: dashboard-{at:03}, identifier: {}}}\n",
            it["identifier"]
        )
    });
    format!("{head}dashboards:\n{}", lines.collect::<String>())
}

/// Passes over one version until it is ready, each when the last asked for it.
pub(crate) async fn drive(world: &World, name: &str) -> VersionReport {
    let start = Instant::now();
    loop {
        let pass = reconcile(world, "default", name, &Quiet).await;
        let VersionPass { report, next } = pass.expect("it is declared");
        if says(&report, READY) {
            return report;
        }
        let pause = match next {
            Next::Again => Duration::ZERO,
            Next::At(at) => at.duration_since(world.clock.now()).unsigned_abs(),
            Next::After(pause) => pause,
            Next::Backoff { after } => after.unwrap_or(Duration::from_secs(1)),
        };
        let hopeful = start.elapsed() + pause < PATIENCE && !says(&report, STALLED);
        assert!(hopeful, "{name} is not ready after {:?}: {report:#?}", start.elapsed());
        tokio::time::sleep(pause).await;
    }
}

fn says(report: &VersionReport, condition: &str) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.condition == condition && finding.verdict == Verdict::True)
}

/// Nobody watches.
struct Quiet;

impl Progress for Quiet {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        false
    }
}
