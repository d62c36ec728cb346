//! `wavepin plan` and `wavepin get`: what is ahead, and what is there.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use secrecy::SecretString;

use super::Exit;
use crate::clients::{ClientOptions, ClientRegistry};
use crate::ports::{SystemClock, World};
use crate::standalone::{self, Ahead, Catalog, CatalogOptions, Declared};

/// What to look at.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// A manifest, or a folder of them with all below it; may be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The mapping database of instances that name none: postgres://… or sqlite:FILE.
    #[arg(
        long,
        value_name = "URL",
        env = "WAVEPIN_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:wavepin.sqlite",
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(SecretString::from(text))
    )]
    database_url: SecretString,
    /// How to print it.
    #[arg(long, short = 'o', value_enum, default_value = "table")]
    output: Output,
}

/// The shape of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Text for people.
    Table,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
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
    let catalog = match standalone::read(&args.paths) {
        Ok(reading) => {
            let options = CatalogOptions {
                prune: false,
                now: Timestamp::now(),
            };
            Catalog::new(reading, &Catalog::default(), options)
        }
        Err(error) => {
            eprintln!("wavepin: {error}");
            return Exit::Usage;
        }
    };
    for refusal in catalog.refusals() {
        eprintln!("refused  {refusal}");
    }
    let refused = !catalog.refusals().is_empty();
    let ahead = look(args, catalog).await;
    let text = match args.output {
        Output::Table => text(&ahead),
        Output::Json => format!("{:#}\n", ahead.to_json()),
        Output::Yaml => {
            let yaml = serde_saphyr::to_string(&ahead.to_json()).expect("JSON can always be written as YAML");
            format!("---\n{yaml}")
        }
    };
    // Who reads may have gone, as `head` does; the exit code still tells.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match () {
        () if refused => Exit::Usage,
        () if ahead.is_stalled() => Exit::Failed,
        () => Exit::Done,
    }
}

async fn look(args: &PlanArgs, catalog: Catalog) -> Ahead {
    let declared = Arc::new(Declared::new(catalog));
    let options = ClientOptions {
        default_database: Some(args.database_url.clone()),
        read_only: true,
        ..ClientOptions::default()
    };
    let request_timeout = options.request_timeout;
    let clients = Arc::new(ClientRegistry::new(Arc::clone(&declared) as _, options));
    let world = World {
        objects: Arc::clone(&declared) as _,
        clients: Arc::clone(&clients) as _,
        clock: Arc::new(SystemClock),
        slice: Duration::from_secs(10),
        request_timeout,
    };
    let catalog = declared.catalog();
    let mut ahead = standalone::ahead(&world, &catalog).await;
    for instance in catalog.instances() {
        let id = (instance.namespace.clone(), instance.name.clone());
        let budget = clients.budget(instance).await.map_err(|error| error.to_string());
        ahead.budgets.push((id, budget));
    }
    ahead
}
