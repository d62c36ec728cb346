//! `wavepin plan` and `wavepin get`: what is ahead, and what is there.

use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::apply::{Pace, world_of};
use super::folder::{Folder, Output};
use crate::clients::{ClientOptions, ClientRegistry, RehearsedClients};
use crate::ports::World;
use crate::resources::conditions::Reason;
use crate::standalone::{self, Ahead, Catalog, Declared, Rehearsals};

/// What to look at.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    folder: Folder,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// What to plan, and how closely.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    folder: Folder,
    /// Print every call by itself. Without this, calls of a kind share a line; -o json has all of them.
    #[arg(long)]
    calls: bool,
    /// Ask Omni nothing: count about how many calls there will be, from what the mapping knows.
    #[arg(long, conflicts_with = "calls")]
    ledger_only: bool,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    pace: Pace,
}

/// Prints every effect that would follow, with calls and minutes.
pub(super) async fn plan(args: PlanArgs) -> Exit {
    let (catalog, refused) = match load(&args.folder) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let declared = Arc::new(Declared::new(catalog));
    let catalog = declared.catalog();
    let options = ClientOptions {
        default_database: Some(args.folder.database.database_url.clone()),
        read_only: true,
        takes_places: !args.ledger_only,
        ..args.pace.options()
    };
    let window = options.budget_window;
    let (world, clients) = world_of(&declared, options);
    let mut ahead = if args.ledger_only {
        standalone::ahead(&world, &catalog).await
    } else {
        let stages = Arc::new(Rehearsals::new(&catalog, window));
        let tried = World {
            clients: Arc::new(RehearsedClients::new(Arc::clone(&clients), Arc::clone(&stages) as _)),
            ..world.clone()
        };
        let tell = |step: &str| eprintln!("{step}");
        standalone::rehearsed((&world, &tried), &stages, &catalog, &tell).await
    };
    budgets(&mut ahead, &catalog, &clients).await;
    args.output.print(|| ahead.steps(args.calls), || ahead.to_json());
    exit(&ahead, refused)
}

/// Prints what is there, and when the rest will be.
pub(super) async fn get(args: GetArgs) -> Exit {
    let (catalog, refused) = match load(&args.folder) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let declared = Arc::new(Declared::new(catalog));
    let options = ClientOptions {
        default_database: Some(args.folder.database.database_url.clone()),
        read_only: true,
        ..ClientOptions::default()
    };
    let (world, clients) = world_of(&declared, options);
    let catalog = declared.catalog();
    let mut ahead = standalone::ahead(&world, &catalog).await;
    budgets(&mut ahead, &catalog, &clients).await;
    args.output.print(|| ahead.table(), || ahead.to_json());
    exit(&ahead, refused)
}

/// The catalog, and whether anything of the files is refused.
fn load(folder: &Folder) -> Result<(Catalog, bool), Exit> {
    let catalog = folder.load(&Catalog::default(), false).map_err(|error| {
        eprintln!("wavepin: {error}");
        Exit::Usage
    })?;
    let refused = !catalog.refusals().is_empty();
    Ok((catalog, refused))
}

async fn budgets(ahead: &mut Ahead, catalog: &Catalog, clients: &ClientRegistry) {
    for instance in catalog.instances() {
        let id = (instance.namespace.clone(), instance.name.clone());
        let budget = clients.budget(instance).await.map_err(|error| error.to_string());
        ahead.budgets.push((id, budget));
    }
}

fn exit(ahead: &Ahead, refused: bool) -> Exit {
    let drifted = ahead.stops().any(|it| it.reason == Reason::ContractDrift);
    match () {
        () if drifted => Exit::ContractDrift,
        () if refused => Exit::Usage,
        () if ahead.is_incomplete() => Exit::Failed,
        () => Exit::Done,
    }
}
