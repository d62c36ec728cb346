//! `wavepin apply`: makes Omni and the mapping match a folder of manifests, without a cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use clap::Args;
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::folder::{Folder, Output};
use crate::clients::{ClientOptions, ClientRegistry};
use crate::environment::orders::PACE;
use crate::ports::{Files, SystemClock, World};
use crate::resources::HumanDuration;
use crate::resources::conditions::{NOTIFICATIONS_FAILING, READY, RECONCILING, Reason, STALLED, Transition, WAITING};
use crate::standalone::{self, Catalog, Declared, Ended, Engine, Observer, Outcome, Subject};

/// What to apply, and where to keep what must be remembered.
#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    folder: Folder,
    /// Pins that are no longer in the files count as deleted. Without this, what vanished from the files changes nothing.
    #[arg(long)]
    prune: bool,
    /// Stay, look again at every interval, and follow changes of the files until interrupted.
    #[arg(long)]
    watch: bool,
    /// How long to work at most; with --watch there is no limit.
    #[arg(long, value_name = "TIME", default_value = "30m")]
    timeout: HumanDuration,
    /// How to print what came of it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    pace: Pace,
}

/// Times that only tests change.
#[derive(Debug, Clone, Args)]
pub(super) struct Pace {
    /// The window that requestsPerMinute is counted in.
    #[arg(long, value_name = "TIME", default_value = "60s", hide = true)]
    budget_window: HumanDuration,
    /// How long one request to Omni may take.
    #[arg(long, value_name = "TIME", default_value = "60s", hide = true)]
    request_timeout: HumanDuration,
}

/// What a pass may use: the folder's objects and Secrets, and adapters to the databases and organisations they name.
pub(super) fn world(declared: &Arc<Declared>, database_url: SecretString, pace: &Pace) -> World {
    let options = ClientOptions {
        default_database: Some(database_url),
        ..pace.options()
    };
    world_of(declared, options).0
}

/// The same with these options, and its clients.
pub(super) fn world_of(declared: &Arc<Declared>, options: ClientOptions) -> (World, Arc<ClientRegistry>) {
    let request_timeout = options.request_timeout;
    let clients = Arc::new(ClientRegistry::new(Arc::clone(declared) as _, options));
    let world = World {
        objects: Arc::clone(declared) as _,
        config_maps: Arc::clone(declared) as _,
        secrets: Arc::clone(declared) as _,
        approvers: Arc::new(Files),
        clients: Arc::clone(&clients) as _,
        clock: Arc::new(SystemClock),
        // Short enough that pins move and progress is told while a long cut goes on.
        slice: Duration::from_secs(10),
        request_timeout,
    };
    (world, clients)
}

impl Pace {
    /// Clients of this pace.
    pub(super) fn options(&self) -> ClientOptions {
        ClientOptions {
            budget_window: self.budget_window.into(),
            request_timeout: self.request_timeout.into(),
            ..ClientOptions::default()
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            budget_window: HumanDuration::from_secs(60),
            request_timeout: HumanDuration::from_secs(60),
        }
    }
}

/// Applies the files; the exit code says what came of it.
pub(super) async fn run(args: ApplyArgs) -> Exit {
    let mut seen = stamps(&args.folder.paths);
    let declared = match args.folder.load(&Catalog::default(), args.prune) {
        Ok(catalog) => Arc::new(Declared::new(catalog)),
        Err(error) => {
            eprintln!("wavepin: {error}");
            return Exit::Usage;
        }
    };
    let stop = CancellationToken::new();
    let observer = Arc::new(Lines::default());
    let world = world(&declared, args.folder.database.database_url.clone(), &args.pace);
    let engine = Engine::new(world, Arc::clone(&declared), observer.clone(), stop.clone(), args.watch);
    let deadline = Instant::now() + if args.watch { A_LONG_TIME } else { args.timeout.into() };
    let following = async {
        if !args.watch {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut commands = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = commands.tick() => engine.look_for_commands().await,
            }
            follow(&args, &declared, &engine, &mut seen);
            if observer.at_rest.swap(false, Ordering::Relaxed) {
                print(&args, &declared.catalog(), &engine);
            }
        }
    };
    let ended = tokio::select! {
        ended = engine.run(deadline) => ended,
        () = following => unreachable!("following the files never ends by itself"),
        () = stop_on_signal(&stop) => Ended::Stopped,
    };
    print(&args, &declared.catalog(), &engine);
    exit(
        &args,
        ended,
        standalone::outcome(&declared.catalog(), &engine.statuses()),
    )
}

/// Longer than any process lives; an `Instant` cannot say "never".
const A_LONG_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Size and time of change of every file: when these move, the files are read again.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

fn stamps(paths: &[PathBuf]) -> Stamps {
    let files = standalone::files(paths).unwrap_or_default();
    let stamp = |file: PathBuf| {
        let metadata = std::fs::metadata(&file).ok()?;
        Some((file, (metadata.len(), metadata.modified().ok())))
    };
    files.into_iter().filter_map(stamp).collect()
}

/// Reads the files again if they moved. While they cannot be read, what was read before stands.
fn follow(args: &ApplyArgs, declared: &Declared, engine: &Engine, seen: &mut Stamps) {
    let now = stamps(&args.folder.paths);
    if now == *seen {
        return;
    }
    match args.folder.load(&declared.catalog(), args.prune) {
        Ok(catalog) => {
            let secrets_changed = !catalog.has_the_secrets_of(&declared.catalog());
            declared.replace(catalog);
            engine.look_at_everything(secrets_changed);
            engine.sync();
            *seen = now;
        }
        Err(error) => eprintln!("wavepin: {error}; going on with what was read before"),
    }
}

/// How long the present step may go on after a signal: less than what is left before most senders of SIGTERM kill.
const LAST_STEP: Duration = Duration::from_secs(15);

/// Asks the engine to stop at the first SIGINT or SIGTERM: the running pass ends after its present effect. Returns where
/// that takes long, or at the next signal: what is under way is then abandoned, and the ledger knows of it.
async fn stop_on_signal(stop: &CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            eprintln!("wavepin: SIGTERM cannot be awaited, so it ends the program at once: {error}");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopping after the present step");
    stop.cancel();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = tokio::time::sleep(LAST_STEP) => {}
    }
    eprintln!("leaving the present step where it stands; the next run finds what came of it");
}

fn print(args: &ApplyArgs, catalog: &Catalog, engine: &Engine) {
    let statuses = engine.statuses();
    args.output.print(
        || standalone::table(catalog, &statuses),
        || standalone::to_json(catalog, &statuses),
    );
}

fn exit(args: &ApplyArgs, ended: Ended, outcome: Outcome) -> Exit {
    match (ended, outcome) {
        (_, Outcome::ContractDrift) => Exit::ContractDrift,
        (_, Outcome::Refused) => Exit::Usage,
        (Ended::Stopped, _) if args.watch => Exit::Done,
        (Ended::Stopped, _) => {
            eprintln!("wavepin: interrupted; the next run goes on from here");
            Exit::Failed
        }
        (Ended::TimedOut, _) => {
            eprintln!(
                "wavepin: not finished within {}; the next run goes on from here",
                args.timeout
            );
            Exit::Failed
        }
        (Ended::Settled, Outcome::Failed) => Exit::Failed,
        (Ended::Settled, Outcome::Waiting) => Exit::Waiting,
        (Ended::Settled, Outcome::Ready) => Exit::Done,
    }
}

/// Tells what happens on standard error, a line a transition.
#[derive(Debug, Default)]
struct Lines {
    /// Something was told since the last rest, and the engine rests now.
    at_rest: AtomicBool,
    told: AtomicBool,
}

impl Observer for Lines {
    fn transition(&self, subject: &Subject, transition: &Transition) {
        self.told.store(true, Ordering::Relaxed);
        if is_worth_a_line(transition) {
            let mark = if transition.condition == STALLED { "! " } else { "" };
            eprintln!("{mark}{subject}  {}: {}", transition.reason, transition.message);
        }
    }

    fn progress(&self, subject: &Subject, ready: u32, desired: u32) {
        eprintln!("{subject}  {ready} of {desired} dashboards");
    }

    fn resting(&self, pause: Option<Duration>) {
        if self.told.swap(false, Ordering::Relaxed) {
            self.at_rest.store(true, Ordering::Relaxed);
        }
        if let Some(pause) = pause {
            tracing::debug!(?pause, "resting");
        }
    }
}

/// Whether a transition says something that no other one says too: what keeps an object back, and each part that is
/// done. `Ready` repeats these.
fn is_worth_a_line(transition: &Transition) -> bool {
    const DONE: [Reason; 6] = [
        Reason::ModelPresent,
        Reason::ModelValid,
        Reason::ContentPresent,
        Reason::RowsWritten,
        Reason::RowWritten,
        Reason::RolledOut,
    ];
    match transition.condition.as_str() {
        STALLED | WAITING | NOTIFICATIONS_FAILING => true,
        RECONCILING => transition.reason != Reason::Progressing.as_str(),
        READY => false,
        _ => DONE.iter().any(|reason| transition.reason == reason.as_str()),
    }
}
