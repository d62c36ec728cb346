//! The command line: one file a command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::{self, LogArgs, Traces};

mod apply;
mod controller;
pub mod crds;
mod database;
mod demo;
mod diff;
mod explain;
mod folder;
mod history;
mod import;
mod look;
mod plan;
mod question;
mod rollback;
mod rollout;
mod simulator;
mod validate;

/// Versions of Omni models and their dashboards, one pinned to each tenant.
#[derive(Debug, Parser)]
#[command(name = "wavepin", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator in a cluster
    Controller(controller::ControllerArgs),
    /// Make Omni and the mapping match a folder of manifests, without a cluster
    Apply(apply::ApplyArgs),
    /// Print every effect that would follow from a folder of manifests, with calls and minutes; changes nothing
    ///
    /// What is to be cut or adopted is rehearsed: the same passes as of `wavepin apply` read from Omni, with the key of the
    /// instance and within its request budget, and each call that they would make is kept in place of being sent. That
    /// costs about as many calls as there are dashboards to copy, and 15. With --ledger-only it costs none, and calls are
    /// counted by the mapping alone.
    ///
    /// It exits with 0 where everything can be done, 1 where something is in the way, 2 where a manifest is refused, 5 where
    /// Omni answers in an unknown way.
    Plan(plan::PlanArgs),
    /// Print what is there of a folder of manifests, what is left of the budget, and when cuts will be done
    Get(plan::GetArgs),
    /// Print why a tenant is on its version, or where a rollout stands: one chain of causes, with what ends it
    ///
    /// It is made from what the controller sees and decides, and changes nothing; Omni is not asked. In files (-f) or in the
    /// cluster that the kubeconfig names.
    ///
    /// It exits with 0 where all is as asked for, 3 where something is waited for, 1 where the mapping cannot be read, 2 where
    /// there is no such tenant or rollout.
    Explain(explain::ExplainArgs),
    /// Print who moved a tenant when, from where to where and why, or what the attempts of a rollout did
    ///
    /// It is read from the ledger, oldest first, and asks Omni nothing. A tenant's history takes a scan of what is recorded
    /// of its environments.
    History(history::HistoryArgs),
    /// Print how far a rollout is, or follow it
    Rollout(rollout::RolloutArgs),
    /// Print what differs between two complete versions, by view, field, topic, dashboard and tile; changes nothing
    ///
    /// It reads from Omni, with the key of the instance and within its request budget: 3 calls to see which organisation it
    /// is, 1 for each model, and 1 for each of the two documents of every dashboard that both versions have. With 40
    /// dashboards these are 85 calls, 2 minutes at 55 a minute; with --model-only they are 5.
    ///
    /// It exits with 0 whether or not it finds a difference; `differences` of -o json is empty where there is none. With 1
    /// where a version is not complete yet or cannot be read, 2 where it is not there, 3 where the instance is suspended, 5
    /// where Omni answers in an unknown way.
    Diff(diff::DiffArgs),
    /// Validate a version as it is now: its model, its dashboards, and its tiles' queries where its spec asks; cuts nothing
    ///
    /// It finds what is found before a version is mapped, but all of it, and writes nothing: to Omni, to the mapping, or as
    /// evidence. It reads within the request budget: 3 calls to see which organisation it is, 1 for the model, 1 for its
    /// content and 1 for its source's while it is not complete; and where queries are validated 1 for each dashboard, 1 for
    /// each tenant that is looked up, and 1 for each tile and user.
    ///
    /// It exits with 0 where nothing is found that keeps a version from tenants, 1 where something is, or where the version
    /// is not made yet or cannot be read, 2 where it is not declared, 3 where the instance is suspended, 5 where Omni answers
    /// in an unknown way.
    Validate(validate::ValidateArgs),
    /// Take a rollout, one wave of it, or one tenant back to what each had; needs the mapping database alone
    ///
    /// The order stands in the ledger and outranks what is declared until it is lifted: nobody whom it is about moves forward,
    /// whatever Git says. Whoever leads carries it out within seconds, Omni or not. Who goes back is who was moved forward and
    /// still holds that, each to the version that it had, in one transaction.
    ///
    /// It exits with 0 where all have gone back, 1 where nobody carried it out in time, 2 where there is nothing of that
    /// name, 3 without --yes, or where a hold keeps somebody.
    Rollback(rollback::RollbackArgs),
    /// Write manifests for what is there already: versions that people made, and the tenants' rows
    ///
    /// What is written changes nothing when it is applied. A file that is there and says something else is left as it is.
    ///
    /// It exits with 0 where everything is written, 3 where something is left to a person: what cannot be told from what is
    /// there, and files that differ. With 1 where the database or Omni cannot be read, 2 where what is asked for is not there,
    /// 5 where Omni answers in an unknown way.
    Import(import::ImportArgs),
    /// Print the custom resource definitions
    Crds(crds::CrdsArgs),
    /// Tell the story of two versions and three tenants; needs nothing
    Demo(demo::DemoArgs),
    /// Run an Omni organisation in memory, for demos, tests and CI
    Simulator(simulator::SimulatorArgs),
}

/// How a command ended; the same numbers for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something went wrong while doing it.
    Failed = 1,
    /// Wrong usage, or a manifest that is refused.
    Usage = 2,
    /// Waiting for a gate or for a person.
    Waiting = 3,
    /// Omni answers differently from what Wavepin was built against.
    ContractDrift = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs one command to its end.
pub async fn run(mut cli: Cli) -> ExitCode {
    if let Command::Rollout(_) = cli.command {
        // Of a watch that broke the command tells itself, once.
        cli.log.leave_out(crate::cluster::LOGS_OF_WATCHES);
    }
    let started = cli.command.traces().and_then(|traces| {
        let logs = telemetry::init(&cli.log, traces.as_ref())?;
        Ok((logs, traces))
    });
    let (logs, traces) = match started {
        Ok(started) => started,
        Err(message) => {
            eprintln!("wavepin: {message}");
            return Exit::Usage.into();
        }
    };
    let exit = match cli.command {
        Command::Controller(args) => controller::run(args, logs).await.into(),
        Command::Apply(args) => apply::run(args).await.into(),
        Command::Plan(args) => plan::plan(args).await.into(),
        Command::Get(args) => plan::get(args).await.into(),
        Command::Explain(args) => explain::run(args).await.into(),
        Command::History(args) => history::run(args).await.into(),
        Command::Rollout(args) => rollout::run(args).await.into(),
        Command::Diff(args) => diff::run(args).await.into(),
        Command::Validate(args) => validate::run(args).await.into(),
        Command::Rollback(args) => rollback::run(args).await.into(),
        Command::Import(args) => import::run(args).await.into(),
        Command::Crds(args) => crds::run(&args).into(),
        Command::Demo(args) => demo::run(args).await.into(),
        Command::Simulator(args) => simulator::run(args).await.into(),
    };
    if let Some(traces) = traces {
        traces.end().await;
    }
    exit
}

impl Command {
    /// Where traces go, if anywhere.
    fn traces(&self) -> Result<Option<Traces>, String> {
        match self {
            Self::Controller(args) => args.traces(),
            _ => Ok(None),
        }
    }
}
