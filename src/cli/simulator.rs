//! `wavepin simulator`: an Omni organisation in memory, over HTTP.

use clap::Args;

use super::Exit;

/// Where the simulator listens and what it holds.
#[derive(Debug, Args)]
pub struct SimulatorArgs {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: std::net::SocketAddr,
}

/// Runs until interrupted.
pub async fn run(_args: SimulatorArgs) -> Exit {
    Exit::Done
}
