//! Day one: manifests for what is there already, made by people and by the application: versions to adopt, and tenants'
//! rows.
//!
//! What is written changes nothing when it is applied: a version is adopted as it is, and a pin says what its row holds.
//! What cannot be told from what is there is not guessed: it is left out, and said with what a person can do.

mod names;
mod pins;
mod tell;
mod versions;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use pins::{PinsAsked, pins};
pub use versions::{Pattern, VersionsAsked, versions};
pub use write::{WriteError, Written, write};

/// What was made of what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    /// The comment that every file begins with: what made it, and how to make it again. The same in every run.
    pub header: String,
    /// The manifests, sorted by place.
    pub files: Vec<ManifestFile>,
    /// What is not among them, and what a person can do.
    pub left: Vec<String>,
    /// What is worth knowing, and needs nobody.
    pub notes: Vec<String>,
}

/// One manifest, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestFile {
    /// Its place under the folder that is written to.
    pub place: PathBuf,
    /// The manifest as YAML, without the comment.
    pub text: String,
}

impl Manifests {
    /// All of them in one text, for a pipe.
    #[must_use]
    pub fn stream(&self) -> String {
        let documents: Vec<&str> = self.files.iter().map(|file| file.text.as_str()).collect();
        match documents.is_empty() {
            true => String::new(),
            false => format!("{}{}", self.header, documents.join("---\n")),
        }
    }
}

/// An object as a file holds it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: S,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
}

/// An OmniInstance, by its name.
#[derive(Debug, Serialize)]
struct Reference<'a> {
    name: &'a str,
}

/// The YAML of an object of ours.
fn yaml<S: Serialize>(kind: &'static str, metadata: Metadata<'_>, spec: S) -> String {
    let object = Document {
        api_version: "wavepin.dev/v1alpha1",
        kind,
        metadata,
        spec,
    };
    serde_saphyr::to_string(&object).expect("texts, numbers and lists can always be written as YAML")
}

/// A namespace that a manifest has to name: files without one are of `default`, as the instance's is.
fn namespace(of: &str) -> Option<&str> {
    (of != "default").then_some(of)
}
