//! A folder of manifests, as the commands that need no cluster take and tell it.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::Value;

use super::database::DatabaseUrl;
use crate::standalone::{self, Catalog, CatalogOptions};

/// What is declared, and where to keep what must be remembered.
#[derive(Debug, Args)]
pub(super) struct Folder {
    /// A manifest, or a folder of them with all below it; may be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) database: DatabaseUrl,
}

impl Folder {
    /// Reads the files, and tells what of them is not taken.
    pub(super) fn load(&self, before: &Catalog, prune: bool) -> Result<Catalog, standalone::ReadError> {
        let options = CatalogOptions {
            prune,
            now: Timestamp::now(),
        };
        let catalog = Catalog::new(standalone::read(&self.paths)?, before, options);
        for skipped in catalog.skipped() {
            eprintln!("skipped  {skipped}");
        }
        for refusal in catalog.refusals() {
            eprintln!("refused  {refusal}");
        }
        Ok(catalog)
    }
}

/// The shape of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Columns, as kubectl prints them, or lines for people.
    Table,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Output {
    /// Prints one of the two.
    pub(super) fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        let text = match self {
            Self::Table => text(),
            Self::Json => format!("{:#}\n", json()),
            Self::Yaml => {
                let yaml = serde_saphyr::to_string(&json()).expect("JSON can always be written as YAML");
                format!("---\n{yaml}")
            }
        };
        // Who reads may have gone, as `head` does; the exit code still tells.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}
