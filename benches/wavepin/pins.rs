//! Many pins, from a cold start to all of them Ready, next to loops that only write the same statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use wavepin::resources::TenantPin;
use wavepin::simulator::{Simulator, SimulatorOptions};

use crate::api_server::ApiServer;
use crate::example;
use crate::family::Family;
use crate::postgres::Postgres;
use crate::table::{Goal, Table};

/// How many pins; all in one environment, so that one pass decides about all of them.
pub(crate) const PINS: usize = 1000;

/// How many statuses the controller writes at once, and so the quicker of the loops.
const AT_ONCE: usize = 16;

/// How long the pins may take before they count as stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is measured, each time with a controller, namespaces and a database of its own: what else the machine
/// does weighs more on seconds than on minutes, and the median leaves it out.
pub(crate) const ROUNDS: usize = 3;

/// What the controller took in each round, and what the loops did.
#[derive(Debug)]
pub(crate) struct Pins(Vec<Round>);

#[derive(Debug)]
struct Round {
    controller: Duration,
    peak_kib: u64,
    patches: usize,
    one_by_one: Duration,
    at_once: Duration,
}

impl Pins {
    /// Adds its rows, each of medians.
    pub(crate) fn tell(&self, table: &mut Table) {
        let seconds = |of: fn(&Round) -> Duration| self.median(of).as_secs_f64();
        let took = seconds(|round| round.controller);
        let mut against = |what: &str, plain: &str, loop_took: f64| {
            let plain = format!("{plain}: {loop_took:.2} s");
            table.ratio(what, format!("{took:.2} s"), plain, took / loop_took, Goal::None);
        };
        let what = format!("{PINS} pins, from the start of the process to all Ready");
        against(&what, "plain loop, one by one", seconds(|round| round.one_by_one));
        let loops = format!("plain loop, {AT_ONCE} at once");
        against("  the same", &loops, seconds(|round| round.at_once));
        let patches = self.median(|round| round.patches);
        table.ratio(
            "  its status patches of pins",
            patches.to_string(),
            format!("plain loops: {PINS}"),
            patches as f64 / PINS as f64,
            Goal::None,
        );
        let peak_mib = self.median(|round| round.peak_kib) as f64 / 1024.0;
        table.value("  its peak memory", format!("{peak_mib:.1} MiB"));
    }

    fn median<T: Ord + Copy>(&self, of: impl Fn(&Round) -> T) -> T {
        let mut all: Vec<T> = self.0.iter().map(of).collect();
        all.sort();
        all[all.len() / 2]
    }
}

/// All rounds, one after the other.
pub(crate) async fn measure() -> Pins {
    let api_server = api_server_with_definitions();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(api_server).await);
    }
    Pins(rounds)
}

/// Declares it all, then starts the controller; then lets the loops write what it wrote, onto pins of their own.
async fn round(api_server: &ApiServer) -> Round {
    let [ours, one_by_one, at_once] = ["pins", "loop", "loops"].map(|prefix| api_server.namespace(prefix));
    for namespace in [&ours, &one_by_one, &at_once] {
        declare_pins(&objects(api_server, namespace), PINS).await;
    }
    let simulator = Simulator::start(SimulatorOptions::default());
    let simulator = simulator.await.expect("the loopback has a free port");
    for file in ["instance.yaml", "clinical-v1.yaml"] {
        let apply = ["apply", "-n", &ours, "-f", "-"];
        let manifest = example(file, simulator.base_url());
        api_server.kubectl_stdin(&apply, &manifest).success();
    }
    let database = Postgres::shared().database("pins");

    let family = Family::new("pins").expect("a shell is everywhere");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    command
        .args(["controller", "--namespace", &ours, "--health-address", "127.0.0.1:0"])
        .env("KUBECONFIG", api_server.kubeconfig())
        .env("POD_NAMESPACE", &ours)
        .env("WAVEPIN_DATABASE_URL", &database.url);
    let pins = objects(api_server, &ours);
    let start = Instant::now();
    let mut controller = family.spawn("controller", &mut command).expect("the binary starts");
    let ready = tokio::time::timeout(PATIENCE, all_ready(&pins, PINS)).await;
    let took = start.elapsed();
    assert!(
        ready.is_ok(),
        "not all pins are ready after {PATIENCE:?}:\n{}",
        family.last_words("controller")
    );
    let peak_kib = memory_kib(controller.id(), "VmHWM:");
    assert!(controller.terminate().success(), "{}", family.last_words("controller"));
    let rows = database.psql("SELECT count(*) FROM tenant_version WHERE model_version_id = 1");
    assert_eq!(rows.trim(), PINS.to_string());
    let patches = status_patches(api_server, &ours);

    let statuses = statuses(&pins).await;
    let by_itself = plain_loop(&objects(api_server, &one_by_one), &statuses, 1).await;
    let together = plain_loop(&objects(api_server, &at_once), &statuses, AT_ONCE).await;
    simulator.shutdown().await;
    Round {
        controller: took,
        peak_kib,
        patches,
        one_by_one: by_itself,
        at_once: together,
    }
}

pub(crate) fn api_server_with_definitions() -> &'static ApiServer {
    let api_server = ApiServer::shared();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    api_server.kubectl(&["apply", "--server-side", "-f", folder]).success();
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "-f", folder];
    api_server.kubectl(&established).success();
    api_server
}

pub(crate) fn objects(api_server: &ApiServer, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(api_server.client(), namespace, &ApiResource::erase::<TenantPin>(&()))
}

pub(crate) async fn declare_pins(pins: &Api<DynamicObject>, how_many: usize) {
    let params = PostParams::default();
    let resource = ApiResource::erase::<TenantPin>(&());
    let manifests = (0..how_many).map(|at| {
        let tenant = format!("tenant-{at:04}");
        let mut pin = DynamicObject::new(&tenant, &resource);
        pin.data = json!({"spec": {"instanceRef": {"name": "clinical"}, "tenant": tenant, "environment": "production",
            "version": 1}});
        pin
    });
    let created = futures::stream::iter(manifests)
        .map(async |pin| pins.create(&params, &pin).await)
        .buffer_unordered(AT_ONCE);
    let created: Vec<DynamicObject> = created.try_collect().await.expect("the definition takes every pin");
    assert_eq!(created.len(), how_many);
}

/// Waits until a watch has shown every pin as Ready.
pub(crate) async fn all_ready(pins: &Api<DynamicObject>, how_many: usize) {
    let mut events = std::pin::pin!(watcher(pins.clone(), watcher::Config::default()));
    let mut ready = BTreeSet::new();
    while ready.len() < how_many {
        let event = events.next().await.expect("a watch does not end");
        if let Event::InitApply(pin) | Event::Apply(pin) = event.expect("the API server is here")
            && is_ready(&pin)
        {
            ready.extend(pin.metadata.name);
        }
    }
}

fn is_ready(pin: &DynamicObject) -> bool {
    let conditions = pin.data["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Every pin's status, by the pin's name.
async fn statuses(pins: &Api<DynamicObject>) -> BTreeMap<String, Value> {
    let list = pins.list(&ListParams::default()).await.expect("the pins are there");
    let statuses = list
        .items
        .into_iter()
        .filter_map(|pin| Some((pin.metadata.name?, pin.data.get("status")?.clone())));
    statuses.collect()
}

/// What any controller must do at least: list the objects, and give each its status.
async fn plain_loop(pins: &Api<DynamicObject>, statuses: &BTreeMap<String, Value>, at_once: usize) -> Duration {
    let params = PatchParams::default();
    let start = Instant::now();
    let list = pins.list(&ListParams::default()).await.expect("the pins are there");
    let written = futures::stream::iter(list.items)
        .map(async |pin| {
            let name = pin.metadata.name.unwrap_or_default();
            let patch = Patch::Merge(json!({"status": statuses[&name]}));
            pins.patch_status(&name, &params, &patch).await
        })
        .buffer_unordered(at_once);
    let written: Vec<DynamicObject> = written.try_collect().await.expect("the API server takes every status");
    let took = start.elapsed();
    assert_eq!(written.iter().filter(|pin| is_ready(pin)).count(), PINS);
    took
}

/// What Linux tells of a process's memory under a name, in KiB: `VmHWM:` is the most that it had at once, `VmRSS:` what it has.
pub(crate) fn memory_kib(process: u32, name: &str) -> u64 {
    let status = Path::new("/proc").join(process.to_string()).join("status");
    let status = std::fs::read_to_string(status).expect("the process runs on Linux");
    let kib = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = kib.and_then(|kib| kib.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .expect("Linux tells it of every process")
}

/// How many statuses of pins were written in a namespace, by the API server's own books.
fn status_patches(api_server: &ApiServer, namespace: &str) -> usize {
    let log = std::fs::read_to_string(api_server.audit_log()).expect("the API server keeps one");
    let requests = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_write = |request: &Value| {
        let object = &request["objectRef"];
        request["verb"] == "patch"
            && object["namespace"] == namespace
            && object["resource"] == "tenantpins"
            && object["subresource"] == "status"
    };
    requests.filter(is_write).count()
}
