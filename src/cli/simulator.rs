//! `wavepin simulator`: an Omni organisation in memory, over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::simulator::{DEFAULT_API_KEY, Fault, Knobs, Seed, Simulator, SimulatorOptions};

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
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// The budget's window, such as `1500ms`; without it `60s`.
    #[arg(long, value_parser = parse_window)]
    budget_window: Option<Duration>,
    /// Turn a knob, such as `import_answer=workbook`; may be given many times. docs/simulator.md has them all.
    #[arg(long = "knob", value_name = "NAME=VALUE")]
    knobs: Vec<String>,
    /// Arm a fault, as JSON such as `{"match": {"path": "/import$"}, "fault": "lost_answer"}`; may be given many times.
    #[arg(long = "fault", value_name = "JSON")]
    faults: Vec<String>,
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
        let faults = self.faults.iter().map(|text| Fault::from_text(text));
        let faults = faults.collect::<Result<_, _>>()?;
        Ok(SimulatorOptions {
            listen: self.listen,
            api_key: self.api_key,
            seed: match self.seed {
                SeedName::Clinical => Seed::Clinical,
            },
            dashboards: usize::from(self.dashboards),
            requests_per_minute: self.requests_per_minute.or(knobs.requests_per_minute),
            budget_window: self
                .budget_window
                .unwrap_or(Duration::from_millis(knobs.budget_window_millis)),
            raw_query_columns: self.raw_query_columns,
            knobs,
            faults,
            ..SimulatorOptions::default()
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
            eprintln!("wavepin simulator: {why}; docs/simulator.md lists the knobs and the faults");
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

    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        args: SimulatorArgs,
    }

    fn options(flags: &[&str]) -> Result<SimulatorOptions, String> {
        let flags = ["simulator"].iter().chain(flags);
        let parsed = <Alone as clap::Parser>::try_parse_from(flags).map_err(|error| error.to_string())?;
        parsed.args.options()
    }

    #[test]
    fn knobs_and_faults_are_taken_and_nonsense_is_refused_with_the_field() {
        let taken = options(&[
            "--knob=requests_per_minute=7",
            "--knob=budget_window_millis=250",
            r#"--fault={"match": {"method": "POST", "path": "/import$"}, "fault": "lost_answer", "times": 2}"#,
            r#"--fault={"fault": {"kind": "huge", "bytes": 9}}"#,
        ])
        .unwrap();
        assert_eq!(
            (taken.requests_per_minute, taken.budget_window.as_millis()),
            (Some(7), 250)
        );
        assert_eq!((taken.faults.len(), taken.faults[0].times), (2, 2));
        for (flag, why) in [
            (
                "--fault={\"fault\": \"hang\", \"times\": 0}",
                "times: 0 is not a whole number from 1",
            ),
            ("--fault=hang", "no JSON"),
            (
                "--knob=checksum_mismatch=5",
                "checksum_mismatch: 5 is neither 400 nor 409",
            ),
            ("--requests-per-minute=0", "0 is not in 1.."),
        ] {
            let refused = options(&[flag]).unwrap_err();
            assert!(refused.contains(why), "{flag}: {refused}");
        }
    }

    #[test]
    fn windows_are_read_with_their_unit() {
        assert_eq!(parse_window("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_window("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(parse_window("0s").is_err());
        assert!(parse_window("a while").unwrap_err().contains("1500ms"));
    }
}
