//! Logs: what is written, where to, and in which shape.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text an entry, for people.
    Text,
    /// One JSON object an entry, for collectors.
    Json,
}

/// What to log and how; the same flags on every command.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What to log: a level (`info`) or a filter (`wavepin=debug,sqlx=warn`).
    #[arg(long, global = true, env = "WAVEPIN_LOG", default_value = "warn,wavepin=info")]
    pub log: String,
    /// The shape of log lines on standard error.
    #[arg(long, global = true, env = "WAVEPIN_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Starts logging to standard error for the whole process.
///
/// # Errors
/// The filter does not parse. Starting twice is not an error: the first one stays.
pub fn init(args: &LogArgs) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&args.log).map_err(|error| format!("--log {:?} is no log filter: {error}", args.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _already_started = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
