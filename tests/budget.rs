//! The request budget over random schedules: work of all classes, 429s, restarts and crashes, against the simulator's
//! own count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use wavepin::clients::{ClientOptions, ClientRegistry};
use wavepin::ports::{Clients, MappingErrorKind, Omni, OmniError, OmniErrorKind, Urgency};
use wavepin::simulator::{DEFAULT_API_KEY, Fault, FaultKind, Simulator, SimulatorOptions};

use crate::parts::dice::{number, say, seed};
use crate::parts::{OneSecret, Postgres, bare_instance};

const WINDOW: Duration = Duration::from_millis(400);
const RATE: u32 = 6;

/// One process: it ends without giving anything back.
struct Process {
    runtime: Runtime,
    clients: Vec<Arc<dyn Omni>>,
    calls: Vec<JoinHandle<Result<(), OmniError>>>,
}

impl Process {
    /// Starts, and takes the lead.
    fn start(base_url: &str, database: &str) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = ClientOptions {
            default_database: Some(database.into()),
            budget_window: WINDOW,
            request_timeout: Duration::from_secs(2),
            ..ClientOptions::default()
        };
        let registry = ClientRegistry::new(Arc::new(OneSecret(DEFAULT_API_KEY)), options);
        let instance = bare_instance("acme", base_url, RATE);
        let clients = runtime.block_on(async {
            let mapping = registry.mapping(&instance).await.unwrap();
            mapping.prepare("acme", None).await.unwrap();
            let mut clients = Vec::new();
            for urgency in Urgency::ALL {
                clients.push(registry.omni(&instance, urgency).await.unwrap());
            }
            clients
        });
        Self {
            runtime,
            clients,
            calls: Vec::new(),
        }
    }

    /// Calls until it is answered, as passes do: that they come back after a 429 by themselves is
    /// shown by [`crate::cut::reasons`].
    fn call(&mut self, urgency: usize) {
        let omni = Arc::clone(&self.clients[urgency]);
        self.calls.push(self.runtime.spawn(async move {
            loop {
                match omni.identity().await {
                    Err(error) if matches!(error.kind, OmniErrorKind::RateLimited { .. }) => {}
                    other => return other.map(drop),
                }
            }
        }));
    }

    fn crash(self) {
        self.runtime.shutdown_background();
    }
}

#[derive(Debug, Clone)]
enum Step {
    Call {
        urgency: usize,
        count: usize,
    },
    Pause(u64),
    Throttle(Option<u64>),
    Slow(u64),
    /// The process is killed, and another starts.
    Crash,
    /// Another process takes the lead while this one still works.
    TakeOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..4, 1_usize..9).prop_map(|(urgency, count)| Step::Call { urgency, count }),
        4 => (0_u64..250).prop_map(Step::Pause),
        1 => prop_oneof![Just(None), Just(Some(0)), Just(Some(1))].prop_map(Step::Throttle),
        1 => (1_u64..150).prop_map(Step::Slow),
        1 => Just(Step::Crash),
        1 => Just(Step::TakeOver),
    ]
}

/// Whether it was not sent because another process leads.
fn is_shut_out(error: &OmniError) -> bool {
    matches!(&error.kind, OmniErrorKind::NoPlace { source } if matches!(source.kind, MappingErrorKind::Contended))
}

/// Plays a schedule to its end, and holds the simulator's log to the budget.
fn play(steps: &[Step], database: &str) -> Result<(), TestCaseError> {
    let house = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let options = SimulatorOptions {
        requests_per_minute: Some(RATE),
        budget_window: WINDOW,
        ..SimulatorOptions::default()
    };
    let simulator = house.block_on(Simulator::start(options)).unwrap();
    let mut process = Process::start(simulator.base_url(), database);
    let mut overtaken = Vec::new();
    let fault = |kind| Fault::once("GET", "/whoami$", kind).unwrap();
    for step in steps {
        match step {
            Step::Call { urgency, count } => (0..*count).for_each(|_| process.call(*urgency)),
            Step::Pause(millis) => std::thread::sleep(Duration::from_millis(*millis)),
            Step::Throttle(retry_after) => simulator.arm(fault(FaultKind::Status429 {
                retry_after: *retry_after,
            })),
            Step::Slow(millis) => simulator.arm(fault(FaultKind::Slow { millis: *millis })),
            Step::Crash => {
                let next = Process::start(simulator.base_url(), database);
                std::mem::replace(&mut process, next).crash();
            }
            Step::TakeOver => {
                let next = Process::start(simulator.base_url(), database);
                overtaken.push(std::mem::replace(&mut process, next));
            }
        }
    }
    for older in &overtaken {
        let refused = older.runtime.block_on(older.clients[0].identity()).unwrap_err();
        prop_assert!(is_shut_out(&refused), "{refused}");
    }
    // No work is lost: whatever the last process was asked for is done in the end.
    let patience = Duration::from_secs(60);
    for call in std::mem::take(&mut process.calls) {
        let ended = process
            .runtime
            .block_on(async { tokio::time::timeout(patience, call).await });
        let ended = ended
            .map_err(|_| TestCaseError::fail("a call never got its turn"))?
            .unwrap();
        prop_assert!(ended.is_ok(), "{ended:?}");
    }
    process.crash();
    overtaken.into_iter().for_each(Process::crash);
    let verdict = within_budget(&simulator);
    house.shutdown_background();
    verdict
}

fn within_budget(simulator: &Simulator) -> Result<(), TestCaseError> {
    let requests = simulator.requests();
    let times: Vec<Timestamp> = requests.iter().map(|it| it.at.parse().unwrap()).collect();
    for window in times.windows(RATE as usize + 1) {
        let took = window[RATE as usize].duration_since(window[0]).unsigned_abs();
        // The log counts whole milliseconds.
        prop_assert!(
            took + Duration::from_millis(1) >= WINDOW,
            "{} in {took:?}: {requests:#?}",
            window.len()
        );
    }
    let over = &simulator.state()["requestsOverBudget"];
    prop_assert!(*over == 0, "{over} were answered 429 for the budget");
    Ok(())
}

/// Plays `cases` schedules, or `WAVEPIN_SCHEDULES` times as many; `WAVEPIN_SEED` repeats a run.
fn no_window_holds_more_than_the_budget<D>(cases: u32, database: impl Fn() -> (String, D)) {
    let times = number("WAVEPIN_SCHEDULES").map_or(1, |it| u32::try_from(it).expect("a schedule takes seconds"));
    let (cases, seed) = (cases * times, seed());
    say(&format!(
        "{cases} schedules of the budget; again with WAVEPIN_SEED={seed}"
    ));
    let config = Config {
        cases,
        max_shrink_iters: 0,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let started = Instant::now();
    let steps = proptest::collection::vec(step(), 5..25);
    TestRunner::new(config)
        .run(&steps, |steps| {
            let (url, _kept) = database();
            play(&steps, &url)
        })
        .unwrap();
    say(&format!("{cases} schedules in {:.0?}", started.elapsed()));
}

pub(crate) fn no_window_holds_more_than_the_budget_over_restarts_and_429s_with_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    no_window_holds_more_than_the_budget(6, || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (
            format!("sqlite:{}", folder.path().join(format!("{number}.db")).display()),
            (),
        )
    });
}

#[test]
fn no_window_holds_more_than_the_budget_over_restarts_and_429s_with_postgres() {
    no_window_holds_more_than_the_budget(3, || {
        let database = Postgres::shared().database("budget");
        (database.url.clone(), database)
    });
}

#[test]
fn two_processes_worth_of_clients_at_once_stay_within_one_budget() {
    let database = Postgres::shared().database("budget");
    let many = |urgency| Step::Call { urgency, count: 9 };
    let steps = [
        Step::Slow(100),
        many(0),
        many(3),
        Step::Pause(150),
        Step::TakeOver,
        many(1),
        many(2),
        Step::Pause(500),
        Step::Slow(100),
        Step::Crash,
        many(0),
        many(3),
    ];
    play(&steps, &database.url).unwrap();
}
