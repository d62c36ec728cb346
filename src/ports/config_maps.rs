//! ConfigMaps, fetched by name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use snafu::Snafu;

/// One ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigMapRecord {
    /// The values by key.
    pub values: BTreeMap<String, String>,
    /// The keys whose values are no text: those of `binaryData`.
    pub binary: BTreeSet<String>,
}

/// Why a ConfigMap could not be read.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub), display("failed to read ConfigMap {namespace}/{name}: {why}"))]
pub struct ConfigMapError {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What went wrong.
    pub why: String,
}

/// Reads ConfigMaps.
#[async_trait]
pub trait ConfigMaps: Send + Sync {
    /// The ConfigMap of this name; `None` where it is absent.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMapRecord>, ConfigMapError>;
}
