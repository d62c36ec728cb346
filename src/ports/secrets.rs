//! Secrets, fetched by name and never listed.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use secrecy::SecretString;
use snafu::Snafu;

/// One Secret: its values and where they may go.
#[derive(Debug, Clone)]
pub struct SecretRecord {
    /// The values by key, decoded. A value that is no UTF-8 is left out.
    pub values: BTreeMap<String, SecretString>,
    /// The keys whose values were left out.
    pub binary: BTreeSet<String>,
    /// The hosts named in the annotation `wavepin.dev/hosts`; `None` where it is absent.
    pub hosts: Option<Vec<String>>,
}

/// Why a Secret could not be read.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub), display("failed to read Secret {namespace}/{name}: {why}"))]
pub struct SecretError {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What went wrong, without any value.
    pub why: String,
}

/// Reads Secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The Secret of this name; `None` where it is absent.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretRecord>, SecretError>;
}
