//! `wavepin diff`: what differs between two versions.

use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::apply::{Pace, world_of};
use super::folder::{Folder, Output};
use crate::clients::ClientOptions;
use crate::resources::conditions::Reason;
use crate::standalone::{self, Catalog, Comparison, Declared, Unanswered};

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
    folder: Folder,
    /// The OmniInstance whose versions they are, where the files declare more than one: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Compare the models alone, and read no dashboard.
    #[arg(long)]
    model_only: bool,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    pace: Pace,
}

/// Compares, and prints what differs.
pub(super) async fn run(args: DiffArgs) -> Exit {
    if args.one == args.other {
        eprintln!("wavepin: both are version {}; name two versions", args.one);
        return Exit::Usage;
    }
    let catalog = match args.folder.load(&Catalog::default(), false) {
        Ok(catalog) => catalog,
        Err(error) => {
            eprintln!("wavepin: {error}");
            return Exit::Usage;
        }
    };
    let instance = match standalone::instance(&catalog, args.instance.as_deref()) {
        Ok(instance) => instance,
        Err(why) => {
            eprintln!("wavepin: {why}");
            return Exit::Usage;
        }
    };
    let refused = !catalog.refusals().is_empty();
    let options = ClientOptions {
        default_database: Some(args.folder.database_url.clone()),
        read_only: true,
        takes_places: true,
        ..args.pace.options()
    };
    let (world, _) = world_of(&Arc::new(Declared::new(catalog)), options);
    let comparison = Comparison {
        one: args.one,
        other: args.other,
        model_only: args.model_only,
    };
    let compared = standalone::diff(&world, &instance, comparison, &|step| eprintln!("{step}")).await;
    match compared {
        Ok(compared) => {
            args.output.print(|| compared.table(), || compared.to_json());
            if refused { Exit::Usage } else { Exit::Done }
        }
        Err(Unanswered::NotThere(why)) => {
            eprintln!("wavepin: {why}");
            Exit::Usage
        }
        Err(Unanswered::Failed(failure)) => {
            eprintln!("wavepin: {}: {}", failure.reason.as_str(), failure.message);
            match failure.reason {
                Reason::ContractDrift => Exit::ContractDrift,
                Reason::Suspended => Exit::Waiting,
                _ => Exit::Failed,
            }
        }
    }
}
