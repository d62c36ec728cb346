//! `wavepin plan` and `wavepin get`: what is ahead, and what is there.

use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::apply::world_of;
use super::folder::{Folder, Output};
use crate::clients::ClientOptions;
use crate::standalone::{self, Ahead, Catalog, Declared};

/// What to look at.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    folder: Folder,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// Prints every effect that would follow, with calls and minutes.
pub(super) async fn plan(args: PlanArgs) -> Exit {
    print(&args, Ahead::steps).await
}

/// Prints what is there, and when the rest will be.
pub(super) async fn get(args: PlanArgs) -> Exit {
    print(&args, Ahead::table).await
}

async fn print(args: &PlanArgs, text: impl FnOnce(&Ahead) -> String) -> Exit {
    let catalog = match args.folder.load(&Catalog::default(), false) {
        Ok(catalog) => catalog,
        Err(error) => {
            eprintln!("wavepin: {error}");
            return Exit::Usage;
        }
    };
    let refused = !catalog.refusals().is_empty();
    let ahead = look(args, catalog).await;
    args.output.print(|| text(&ahead), || ahead.to_json());
    match () {
        () if refused => Exit::Usage,
        () if ahead.is_incomplete() => Exit::Failed,
        () => Exit::Done,
    }
}

async fn look(args: &PlanArgs, catalog: Catalog) -> Ahead {
    let declared = Arc::new(Declared::new(catalog));
    let options = ClientOptions {
        default_database: Some(args.folder.database_url.clone()),
        read_only: true,
        ..ClientOptions::default()
    };
    let (world, clients) = world_of(&declared, options);
    let catalog = declared.catalog();
    let mut ahead = standalone::ahead(&world, &catalog).await;
    for instance in catalog.instances() {
        let id = (instance.namespace.clone(), instance.name.clone());
        let budget = clients.budget(instance).await.map_err(|error| error.to_string());
        ahead.budgets.push((id, budget));
    }
    ahead
}
