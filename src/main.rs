//! The `wavepin` binary: parses the command line and hands over to the library.

use clap::Parser;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    wavepin::cli::run(wavepin::cli::Cli::parse()).await
}
