//! `wavepin diff`: what differs between two versions.

use clap::Args;

use super::Exit;
use super::folder::Output;
use super::question::{Question, unanswered, wrong};
use crate::standalone::{self, Comparison};

/// Which versions to compare.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The version to look at first.
    #[arg(value_name = "ONE", value_parser = clap::value_parser!(i32).range(1..))]
    one: i32,
    /// The version to hold against it.
    #[arg(value_name = "OTHER", value_parser = clap::value_parser!(i32).range(1..))]
    other: i32,
    #[command(flatten)]
    question: Question,
    /// Compare the models alone, and read no dashboard.
    #[arg(long)]
    model_only: bool,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// Compares, and prints what differs.
pub(super) async fn run(args: DiffArgs) -> Exit {
    if args.one == args.other {
        return wrong(&format!("both are version {}; name two versions", args.one));
    }
    let asked = match args.question.put() {
        Ok(asked) => asked,
        Err(exit) => return exit,
    };
    let comparison = Comparison {
        one: args.one,
        other: args.other,
        model_only: args.model_only,
    };
    let tell = |step: &str| eprintln!("{step}");
    match standalone::diff(&asked.world, &asked.instance, comparison, &tell).await {
        Ok(compared) => {
            args.output.print(|| compared.table(), || compared.to_json());
            if asked.refused { Exit::Usage } else { Exit::Done }
        }
        Err(why) => unanswered(&why),
    }
}
