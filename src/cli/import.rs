//! `wavepin import`: manifests for what is there already.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Exit;
use super::question::{Asked, Question, unanswered, wrong};
use crate::ports::{Existing, Failure};
use crate::resources::TenantTable;
use crate::standalone::Unanswered;
use crate::standalone::import::{self, Manifests, Pattern, PinsAsked, VersionsAsked};

/// What to write manifests for.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a ModelVersion for each version that dashboard_model has rows of, which adopts it as it is
    ///
    /// It reads from Omni within the request budget: 3 calls to see which organisation it is, 1 for each dashboard, and 1 for
    /// each model. Where rows hold ids of dashboards, which Omni looks no document up by, the documents of --folder are
    /// read, or those of all folders.
    Versions(VersionsArgs),
    /// Write a TenantPin for each row of tenant_version, with the version that the row holds; asks Omni nothing
    Pins(PinsArgs),
}

#[derive(Debug, Args)]
struct VersionsArgs {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    target: Target,
    /// The path of the folder that a version's dashboards are in, with {version} for its number: 'clinical/v{version}'.
    #[arg(long, value_name = "PATTERN")]
    folder: Option<Pattern>,
    /// What models are called of versions that dashboard_model has no rows of yet: 'clinical v{version}'. Their slugs are made
    /// of what the dashboards in the folder are called.
    #[arg(long, value_name = "PATTERN", requires = "folder")]
    model: Option<Pattern>,
    /// What manifests are called. Without it 'INSTANCE-v{version}'.
    #[arg(long, value_name = "PATTERN")]
    name: Option<Pattern>,
}

#[derive(Debug, Args)]
struct PinsArgs {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    target: Target,
    /// Only rows of this environment.
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: Option<String>,
    /// Leave the version out, so that the pins follow the VersionRollout of their environment.
    #[arg(long)]
    follow: bool,
    /// Label the pins by this table: a name in spec.mapping.tenantTables of the OmniInstance.
    #[arg(long, value_name = "NAME")]
    labels_from: Option<String>,
    /// In how many folders an environment's pins are, of at most 1,000 each. Which one a pin is in depends on its tenant alone.
    #[arg(long, value_enum, default_value = "16")]
    folders: Folders,
}

/// In how many folders pins are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Folders {
    /// For up to 1,000 tenants.
    #[value(name = "1")]
    One,
    /// For some 13,000 tenants.
    #[value(name = "16")]
    Sixteen,
    /// For some 200,000 tenants.
    #[value(name = "256")]
    Many,
}

/// How many files that differ are named.
const NAMED: usize = 20;

/// Where manifests go.
#[derive(Debug, Args)]
struct Target {
    /// The folder to write to, which is made where it is not there; or - for one stream of documents on standard output.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Write over files that are there and say something else.
    #[arg(long)]
    force: bool,
}

/// Reads what is there, and writes manifests for it.
pub(super) async fn run(args: ImportArgs) -> Exit {
    let came = match args.what {
        What::Versions(args) => args.made().await.map(|(asked, made)| (asked, made, args.target)),
        What::Pins(args) => args.made().await.map(|(asked, made)| (asked, made, args.target)),
    };
    match came {
        Ok((asked, made, target)) => target.take(&asked, &made),
        Err(exit) => exit,
    }
}

impl VersionsArgs {
    async fn made(&self) -> Result<(Asked, Manifests), Exit> {
        let asked = self.question.put()?;
        let existing = existing(&asked, None).await?;
        let wanted = VersionsAsked {
            name: self.name.clone(),
            folder: self.folder.clone(),
            model: self.model.clone(),
        };
        let tell = |step: &str| eprintln!("{step}");
        let of = (&*asked.instance, &*asked.catalog);
        let made = import::versions(&asked.world, of, &existing, &wanted, &tell).await;
        let made = made.map_err(|why| unanswered(&why))?;
        Ok((asked, made))
    }
}

impl PinsArgs {
    async fn made(&self) -> Result<(Asked, Manifests), Exit> {
        let asked = self.question.put()?;
        let wanted = PinsAsked {
            environment: self.environment.clone(),
            follow: self.follow,
            labels_from: self.labels_from.clone(),
            digits: match self.folders {
                Folders::One => 0,
                Folders::Sixteen => 1,
                Folders::Many => 2,
            },
        };
        let table = wanted.table(&asked.instance).map_err(|why| wrong(&why))?;
        let existing = existing(&asked, table).await?;
        let made = import::pins(&existing, &asked.instance, &asked.catalog, &wanted);
        let made = made.map_err(|why| wrong(&why))?;
        Ok((asked, made))
    }
}

async fn existing(asked: &Asked, table: Option<&TenantTable>) -> Result<Existing, Exit> {
    let existing = asked.clients.existing(&asked.instance, table).await;
    existing.map_err(|error| unanswered(&Unanswered::Failed(Failure::from(&error))))
}

impl Target {
    /// Writes it, and tells what came of it.
    fn take(&self, asked: &Asked, made: &Manifests) -> Exit {
        for note in &made.notes {
            eprintln!("note     {note}");
        }
        let mut left = made.left.len();
        if self.out.as_os_str() == "-" {
            let mut stdout = std::io::stdout();
            let written = stdout.write_all(made.stream().as_bytes()).and_then(|()| stdout.flush());
            // Who reads may have gone, as `head` does. A disk that is full cuts a manifest off, perhaps in a number.
            if let Err(error) = written
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                eprintln!("wavepin: the manifests could not be written whole: {error}");
                return Exit::Failed;
            }
        } else {
            let written = match import::write(&self.out, made, self.force) {
                Ok(written) => written,
                Err(error) => {
                    eprintln!("wavepin: {error}");
                    return Exit::Failed;
                }
            };
            println!(
                "{} manifests: {} written, {} there already just so, {} left as they are",
                made.files.len(),
                written.written,
                written.same,
                written.differ.len()
            );
            for path in written.differ.iter().take(NAMED) {
                eprintln!(
                    "differs  {} says something else and is left as it is; --force writes over it",
                    path.display()
                );
            }
            if let Some(more @ 1..) = written.differ.len().checked_sub(NAMED) {
                eprintln!("differs  and {more} more");
            }
            left += written.differ.len();
        }
        for why in &made.left {
            eprintln!("left     {why}");
        }
        match () {
            () if asked.refused => Exit::Usage,
            () if left > 0 => Exit::Waiting,
            () => Exit::Done,
        }
    }
}
