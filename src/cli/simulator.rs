//! `wavepin simulator`: an Omni organisation in memory, over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::simulator::{DEFAULT_API_KEY, Knobs, Seed, Simulator, SimulatorOptions};

/// Where the simulator listens and what it holds.
#[derive(Debug, Args)]
pub(super) struct SimulatorArgs {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "WAVEPIN_SIMULATOR_LISTEN", default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// The organization key that it accepts.
    #[arg(long, env = "WAVEPIN_SIMULATOR_KEY", default_value = DEFAULT_API_KEY, hide_env_values = true)]
    api_key: String,
    /// What the organisation holds at first.
    #[arg(long, value_enum, default_value = "clinical")]
    seed: SeedName,
    /// How many dashboards the seed has; above five, variants are added.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=500))]
    dashboards: u16,
    /// Requests a key may make in a budget window; without it there is no budget.
    #[arg(long)]
    requests_per_minute: Option<u32>,
    /// The budget's window, such as `60s` or `1500ms`.
    #[arg(long, default_value = "60s", value_parser = parse_window)]
    budget_window: Duration,
    /// Turn a knob, such as `import_answer=workbook`; may be given many times. docs/simulator.md has them all.
    #[arg(long = "knob", value_name = "NAME=VALUE")]
    knobs: Vec<String>,
    /// Let the seed's tab use raw columns of its query view, which a copy made from YAML does not have.
    #[arg(long)]
    raw_query_columns: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeedName {
    Clinical,
}

/// Reads a window: a whole number with `ms` or `s`.
fn parse_window(text: &str) -> Result<Duration, String> {
    let (number, unit): (&str, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis),
        None => (text.strip_suffix('s').unwrap_or(text), Duration::from_secs),
    };
    match number.parse() {
        Ok(0) => Err("a window must be longer than nothing".to_owned()),
        Ok(number) => Ok(unit(number)),
        Err(_) => Err(format!("{text:?} is no length of time; write 60s or 1500ms")),
    }
}

impl SimulatorArgs {
    fn options(self) -> Result<SimulatorOptions, String> {
        let mut knobs = Knobs::default();
        for setting in &self.knobs {
            knobs.turn_text(setting)?;
        }
        Ok(SimulatorOptions {
            listen: self.listen,
            api_key: self.api_key,
            seed: match self.seed {
                SeedName::Clinical => Seed::Clinical,
            },
            dashboards: usize::from(self.dashboards),
            requests_per_minute: self.requests_per_minute,
            budget_window: self.budget_window,
            raw_query_columns: self.raw_query_columns,
            knobs,
        })
    }
}

/// Runs until SIGINT or SIGTERM.
pub(super) async fn run(args: SimulatorArgs) -> Exit {
    let listen = args.listen;
    let (mut interrupted, mut ended) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupted), Ok(ended)) => (interrupted, ended),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("wavepin simulator: cannot listen for signals: {error}");
            return Exit::Failed;
        }
    };
    let options = match args.options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("wavepin simulator: {why}; docs/simulator.md lists the knobs");
            return Exit::Usage;
        }
    };
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(error) => {
            eprintln!("wavepin simulator: cannot listen on {listen}: {error}; choose another address with --listen");
            return Exit::Failed;
        }
    };
    println!("simulator ready: {}", simulator.base_url());
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = ended.recv() => {}
    }
    simulator.shutdown().await;
    Exit::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_with_their_unit() {
        assert_eq!(parse_window("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_window("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(parse_window("0s").is_err());
        assert!(parse_window("a while").unwrap_err().contains("1500ms"));
    }
}
