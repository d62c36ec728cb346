//! `wavepin validate`: what is found in a version as it is now.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::Exit;
use super::question::{Asked, Question, unanswered, wrong};
use crate::standalone;

/// Which version to validate.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// The version, by its number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    version: i32,
    #[command(flatten)]
    question: Question,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "text")]
    output: Shape,
}

/// The shape of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
    /// The results of tests, as CI systems show them.
    Junit,
    /// The results of an analysis, as code hosts show them.
    Sarif,
}

/// Validates, and prints what was found.
pub(super) async fn run(args: ValidateArgs) -> Exit {
    let asked = match args.question.put() {
        Ok(asked) => asked,
        Err(exit) => return exit,
    };
    let Asked { instance, world, .. } = &asked;
    let version = match standalone::version(&asked.catalog, instance, args.version) {
        Ok(version) => version,
        Err(why) => return wrong(&why),
    };
    let tell = |step: &str| eprintln!("{step}");
    let validated = match standalone::validate(world, instance, &version, &tell).await {
        Ok(validated) => validated,
        Err(why) => return unanswered(&why),
    };
    let text = match args.output {
        Shape::Text => validated.text(),
        Shape::Json => format!("{:#}\n", validated.to_json()),
        Shape::Junit => validated.junit(),
        Shape::Sarif => format!("{:#}\n", validated.sarif()),
    };
    // Who reads may have gone, as `head` does; the exit code still tells.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match () {
        () if validated.blocking().count() > 0 => Exit::Failed,
        () if asked.refused => Exit::Usage,
        () => Exit::Done,
    }
}
