//! Logs: what is written, where to, and in which shape; and how to change the first while the process runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::{Args, ValueEnum};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::Traces;

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text an entry, for people.
    Text,
    /// One JSON object an entry, for collectors.
    Json,
}

/// What is logged where nobody says.
const DEFAULT: &str = "warn,wavepin=info";

/// What to log and how; the same flags on every command.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What to log: a level (`info`) or a filter (`wavepin=debug,sqlx=warn`).
    #[arg(long, global = true, env = "WAVEPIN_LOG", default_value = DEFAULT)]
    pub log: String,
    /// The shape of log lines on standard error.
    #[arg(long, global = true, env = "WAVEPIN_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// Leaves out what this target logs, of which the command tells people itself; a filter that was given stays as it is.
    pub fn leave_out(&mut self, target: &str) {
        if self.log == DEFAULT {
            self.log = format!("{DEFAULT},{target}=off");
        }
    }
}

/// What is logged, to be read and changed while the process runs.
#[derive(Debug, Clone)]
pub struct LogLevel(Arc<Mutex<Set>>);

#[derive(Debug)]
struct Set {
    filter: String,
    /// Nothing where the logs of the process are not ours: in its tests.
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl Default for LogLevel {
    /// Of a process whose logs are not ours: it keeps what it is told.
    fn default() -> Self {
        Self::of("off".to_owned(), None)
    }
}

impl LogLevel {
    fn of(filter: String, handle: Option<reload::Handle<EnvFilter, Registry>>) -> Self {
        Self(Arc::new(Mutex::new(Set { filter, handle })))
    }

    /// The filter that is in force, as it was given.
    #[must_use]
    pub fn filter(&self) -> String {
        self.set().filter.clone()
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs by this filter from now on.
    ///
    /// # Errors
    /// It is no filter, and the one before stays in force.
    pub fn change(&self, filter: &str) -> Result<(), String> {
        let filter = filter.trim();
        let parsed = parse(filter)?;
        let mut set = self.set();
        if let Some(handle) = &set.handle {
            handle.reload(parsed).map_err(|error| error.to_string())?;
        }
        set.filter = filter.to_owned();
        Ok(())
    }
}

/// An empty text would be taken for `error`, which nobody means who sends nothing.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    if filter.is_empty() {
        return Err("a log filter is a level (info), or targets with levels (wavepin=debug,sqlx=warn)".to_owned());
    }
    EnvFilter::try_new(filter).map_err(|error| format!("{filter:?} is no log filter: {error}"))
}

/// Starts logging to standard error for the whole process, and sending spans where there is somebody to take them.
///
/// # Errors
/// The filter does not parse. Starting twice is not an error: the first one stays.
pub fn init(args: &LogArgs, traces: Option<&Traces>) -> Result<LogLevel, String> {
    let filter =
        EnvFilter::try_new(&args.log).map_err(|error| format!("--log {:?} is no log filter: {error}", args.log))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // The filter is of the lines alone: traces do not follow it.
    let lines = tracing_subscriber::registry().with(lines.with_filter(filter));
    let _already_started = lines.with(traces.map(Traces::layer)).try_init();
    Ok(LogLevel::of(args.log.clone(), Some(handle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_filter_changes_nothing_and_says_so() {
        let level = LogLevel::default();
        level.change(" wavepin=debug,sqlx=warn\n").unwrap();
        for wrong in ["", "  ", "wavepin=loud", "a=b=c"] {
            assert!(
                level.change(wrong).is_err_and(|why| why.contains("filter")),
                "{wrong:?}"
            );
        }
        assert_eq!(level.filter(), "wavepin=debug,sqlx=warn");
    }
}
