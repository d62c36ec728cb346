//! What an operator takes that has nothing to do: a hundred objects, all as declared; and how soon it is of use at all.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use wavepin::simulator::{Simulator, SimulatorOptions};

use crate::example;
use crate::family::Family;
use crate::pins::{all_ready, api_server_with_definitions, declare_pins, memory_kib, objects};
use crate::postgres::Postgres;
use crate::table::{Goal, Table};

/// With the instance and the version a hundred objects.
const PINS: usize = 98;

/// How long it is watched doing nothing.
pub(crate) const WATCHED: Duration = Duration::from_secs(30);

/// The clock in which Linux counts a process's time: a hundred ticks a second on every machine that people use.
const TICKS: f64 = 100.0;

/// The longest that a new user waits for the first `Ready`.
const FIRST_READY: Duration = Duration::from_secs(2);

/// What it took.
#[derive(Debug)]
pub(crate) struct Idle {
    first_ready: Duration,
    kib: u64,
    cpu_seconds: f64,
}

impl Idle {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let seconds = self.first_ready.as_secs_f64();
        table.ratio(
            "from the operator's start to the first Ready of an instance",
            format!("{seconds:.2} s"),
            format!("may take: {} s", FIRST_READY.as_secs()),
            seconds / FIRST_READY.as_secs_f64(),
            Goal::AtMost(1.0),
        );
        let mib = self.kib as f64 / 1024.0;
        table.value("100 objects at rest, its memory", format!("{mib:.1} MiB"));
        let milli = self.cpu_seconds / WATCHED.as_secs_f64() * 1000.0;
        table.value("  its processor, in thousandths of a core", format!("{milli:.1}"));
    }
}

/// Starts the operator on objects that are there, and watches it once all are ready.
pub(crate) async fn measure() -> Idle {
    let api_server = api_server_with_definitions();
    let namespace = api_server.namespace("idle");
    let simulator = Simulator::start(SimulatorOptions::default());
    let simulator = simulator.await.expect("the loopback has a free port");
    for file in ["instance.yaml", "clinical-v1.yaml"] {
        let manifest = example(file, simulator.base_url());
        api_server
            .kubectl_stdin(&["apply", "-n", &namespace, "-f", "-"], &manifest)
            .success();
    }
    let pins = objects(api_server, &namespace);
    declare_pins(&pins, PINS).await;
    let database = Postgres::shared().database("idle");
    let family = Family::new("idle").expect("a shell is everywhere");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    command
        .args([
            "controller",
            "--namespace",
            &namespace,
            "--health-address",
            "127.0.0.1:0",
        ])
        .env("KUBECONFIG", api_server.kubeconfig())
        .env("POD_NAMESPACE", &namespace)
        .env("WAVEPIN_DATABASE_URL", &database.url);
    let start = Instant::now();
    let mut controller = family.spawn("controller", &mut command).expect("the binary starts");
    let wait = [
        "-n",
        &namespace,
        "wait",
        "--for=condition=Ready",
        "omni/clinical",
        "--timeout=60s",
    ];
    api_server.kubectl(&wait).success();
    let first_ready = start.elapsed();
    all_ready(&pins, PINS).await;
    // What comes behind the last status: events, and the passes that it asks for.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = cpu_seconds(controller.id());
    tokio::time::sleep(WATCHED).await;
    let cpu_seconds = cpu_seconds(controller.id()) - before;
    let kib = memory_kib(controller.id(), "VmRSS:");
    assert!(controller.terminate().success(), "{}", family.last_words("controller"));
    simulator.shutdown().await;
    Idle {
        first_ready,
        kib,
        cpu_seconds,
    }
}

/// What the process has had of processors so far, its own and the kernel's work for it.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let stat = Path::new("/proc").join(process.to_string()).join("stat");
    let stat = std::fs::read_to_string(stat).expect("the process runs on Linux");
    let (_, fields) = stat.rsplit_once(") ").expect("its name stands in brackets");
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number of ticks");
    (ticks(11) + ticks(12)) / TICKS
}
