//! `wavepin rollout status`: how far a rollout is, once or until it ends.

mod follow;
mod shown;
mod watch;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Exit;
use super::explain::exit;
use super::folder::Output;
use super::look::{Looked, Sources};
use crate::environment::{Asked, Explanation};
use crate::resources::HumanDuration;
use crate::standalone::{self, Unanswered};

/// What to do with a rollout.
#[derive(Debug, Args)]
pub(super) struct RolloutArgs {
    #[command(subcommand)]
    command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
enum RolloutCommand {
    /// Print how far a VersionRollout is, a line a wave; with --watch follow it until it ends or a person is awaited
    ///
    /// With --watch in a cluster the object's status is shown as the controller writes it, by a watch; the mapping is not
    /// asked.
    ///
    /// It exits with 0 where every wave has ended, 3 where something is waited for (with --watch: where only a person can
    /// end that), 1 where the mapping cannot be read, 2 where no such rollout is declared.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// The VersionRollout: NAME or NAMESPACE/NAME.
    #[arg(value_name = "ROLLOUT")]
    rollout: String,
    /// Follow it until every wave has ended, or only a person can let it go on: with bars on a terminal, with a line a
    /// change elsewhere.
    #[arg(long, short = 'w')]
    watch: bool,
    /// How long to wait between two looks at what files declare: 5s where it is not given. In a cluster every change is shown
    /// at once.
    #[arg(long, value_name = "TIME", requires_all = ["watch", "paths"])]
    interval: Option<HumanDuration>,
    #[command(flatten)]
    sources: Sources,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table", conflicts_with = "watch")]
    output: Output,
}

/// Does it.
pub(super) async fn run(args: RolloutArgs) -> Exit {
    let RolloutCommand::Status(args) = args.command;
    if args.watch && args.sources.is_of_cluster() {
        return match args.sources.place_of(&args.rollout).await {
            Ok((client, namespace, name)) => watch::watch(client, (&namespace, &name), &args.sources.within()).await,
            Err(exit) => exit,
        };
    }
    let looked = match args.sources.look().await {
        Ok(looked) => looked,
        Err(exit) => return exit,
    };
    if args.watch {
        return follow::follow(&args, &looked).await;
    }
    match args.ask(&looked).await {
        Ok(explanation) => {
            let text = || standalone::status_table(&explanation);
            args.output.print(text, || {
                serde_json::to_value(&explanation).expect("texts, numbers and times are JSON")
            });
            exit(&[explanation], looked.refused())
        }
        Err(why) => looked.unanswered(&why),
    }
}

impl StatusArgs {
    fn pause(&self) -> Duration {
        self.interval.unwrap_or(HumanDuration::from_secs(5)).into()
    }

    async fn ask(&self, looked: &Looked) -> Result<Explanation, Unanswered> {
        let asked = Asked::Rollout(self.rollout.clone());
        let within = self.sources.within();
        let mut found = standalone::explain(&looked.world, &looked.catalog(), &asked, &within).await?;
        if let [_, _, ..] = found.as_slice() {
            let names: Vec<_> = found.iter().map(|it| it.about.clone()).collect();
            return Err(Unanswered::NotThere(format!(
                "more than one VersionRollout could be meant: {}; name it as NAMESPACE/NAME",
                names.join("; ")
            )));
        }
        Ok(found.remove(0))
    }
}
