//! What commands have in common that ask something of versions, and write nothing.

use std::fmt::Display;
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::apply::{Pace, world_of};
use super::folder::Folder;
use crate::clients::{ClientOptions, ClientRegistry};
use crate::ports::{Object, World};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::Reason;
use crate::standalone::{self, Catalog, Declared, Unanswered};

/// A question about versions of one instance.
#[derive(Debug, Args)]
pub(super) struct Question {
    #[command(flatten)]
    folder: Folder,
    /// The OmniInstance whose versions are meant, where the files declare more than one: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    #[command(flatten)]
    pace: Pace,
}

/// What a question is put to.
pub(super) struct Asked {
    pub(super) instance: Arc<Object<OmniInstanceSpec>>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) world: World,
    pub(super) clients: Arc<ClientRegistry>,
    /// Some of the files' documents are not taken.
    pub(super) refused: bool,
}

impl Question {
    /// Reads the files and finds the instance; reads from Omni take their places in its request budget.
    ///
    /// # Errors
    /// How to end: what is wrong was told.
    pub(super) fn put(&self) -> Result<Asked, Exit> {
        let catalog = self
            .folder
            .load(&Catalog::default(), false)
            .map_err(|error| wrong(&error))?;
        let instance = standalone::instance(&catalog, self.instance.as_deref()).map_err(|why| wrong(&why))?;
        let refused = !catalog.refusals().is_empty();
        let options = ClientOptions {
            default_database: Some(self.folder.database.database_url.clone()),
            read_only: true,
            takes_places: true,
            ..self.pace.options()
        };
        let declared = Arc::new(Declared::new(catalog));
        let (world, clients) = world_of(&declared, options);
        Ok(Asked {
            instance,
            catalog: declared.catalog(),
            world,
            clients,
            refused,
        })
    }
}

/// Tells what is wrong with what was asked for.
pub(super) fn wrong(why: &dyn Display) -> Exit {
    eprintln!("wavepin: {why}");
    Exit::Usage
}

/// Tells why a question has no answer.
pub(super) fn unanswered(why: &Unanswered) -> Exit {
    let failure = match why {
        Unanswered::NotThere(why) => return wrong(why),
        Unanswered::Failed(failure) => failure,
    };
    eprintln!("wavepin: {}: {}", failure.reason.as_str(), failure.message);
    match failure.reason {
        Reason::ContractDrift => Exit::ContractDrift,
        Reason::Suspended => Exit::Waiting,
        Reason::Invalid | Reason::EditRefused => Exit::Usage,
        _ => Exit::Failed,
    }
}
