//! `wavepin validate`: what is found in a version as it is now.

use std::io::Write as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::Exit;
use super::apply::{Pace, world_of};
use super::folder::Folder;
use crate::clients::ClientOptions;
use crate::resources::conditions::Reason;
use crate::standalone::{self, Catalog, Declared, Unanswered};

/// Which version to validate.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// The version, by its number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    version: i32,
    #[command(flatten)]
    folder: Folder,
    /// The OmniInstance whose version it is, where the files declare more than one: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "text")]
    output: Shape,
    #[command(flatten)]
    pace: Pace,
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
    let wrong = |why: &dyn std::fmt::Display| {
        eprintln!("wavepin: {why}");
        Exit::Usage
    };
    let catalog = match args.folder.load(&Catalog::default(), false) {
        Ok(catalog) => catalog,
        Err(error) => return wrong(&error),
    };
    let instance = match standalone::instance(&catalog, args.instance.as_deref()) {
        Ok(instance) => instance,
        Err(why) => return wrong(&why),
    };
    let version = match standalone::version(&catalog, &instance, args.version) {
        Ok(version) => version,
        Err(why) => return wrong(&why),
    };
    let refused = !catalog.refusals().is_empty();
    let options = ClientOptions {
        default_database: Some(args.folder.database_url.clone()),
        read_only: true,
        takes_places: true,
        ..args.pace.options()
    };
    let (world, _) = world_of(&Arc::new(Declared::new(catalog)), options);
    let tell = |step: &str| eprintln!("{step}");
    let validated = match standalone::validate(&world, &instance, &version, &tell).await {
        Ok(validated) => validated,
        Err(Unanswered::NotThere(why)) => return wrong(&why),
        Err(Unanswered::Failed(failure)) => {
            eprintln!("wavepin: {}: {}", failure.reason.as_str(), failure.message);
            return match failure.reason {
                Reason::ContractDrift => Exit::ContractDrift,
                Reason::Suspended => Exit::Waiting,
                Reason::Invalid | Reason::EditRefused => Exit::Usage,
                _ => Exit::Failed,
            };
        }
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
        () if refused => Exit::Usage,
        () => Exit::Done,
    }
}
