//! What proves that a version is whole for whoever looks at it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{DashboardRecord, VersionRecord};

/// What evidence lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproved {
    /// It does not hold any more.
    Void {
        /// Why, as one word.
        why: String,
        /// The first of what was found, where that is known.
        found: Option<String>,
        /// It is the environment's own, and not the version's.
        in_environment: bool,
    },
    /// Nobody has looked yet, as tenants of this environment, at the version as it is now.
    Missing,
}

impl Unproved {
    pub(super) fn void(evidence: &Evidence, in_environment: bool) -> Option<Self> {
        let why = evidence.void.clone()?;
        Some(Self::Void {
            why,
            found: evidence.found.clone(),
            in_environment,
        })
    }
}

/// What proved that a version is whole for whoever looks at it. It gates forward moves of tenants' rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A hash of everything that it rests on: the model's files, the documents' content, what was asked for.
    pub basis: String,
    /// Why it does not hold any more, as one word; `None` while it holds.
    pub void: Option<String>,
    /// The names of the findings that were let pass, since the source had them too; `None` where nobody looked.
    pub known: Option<BTreeSet<String>>,
    /// The generated models under the version's own, each with Omni's `updatedAt`: a refresh of one moves what the version
    /// shows. `None` in what was recorded before anybody looked at them.
    #[serde(default)]
    pub schemas: Option<BTreeMap<String, String>>,
    /// The first of what was found, where it is void for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The environments that need evidence of their own besides.
    #[serde(default)]
    pub sampled: Sampled,
}

/// The environments as whose tenants queries are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampled {
    /// None: what is proved is proved for all.
    #[default]
    Nowhere,
    /// One.
    In(String),
    /// All that have pins.
    Everywhere,
}

impl Sampled {
    /// Whether tenants of this environment are asked as.
    #[must_use]
    pub fn is_in(&self, environment: &str) -> bool {
        match self {
            Self::Nowhere => false,
            Self::In(named) => named == environment,
            Self::Everywhere => true,
        }
    }

    /// Whether any are.
    #[must_use]
    pub fn is_somewhere(&self) -> bool {
        *self != Self::Nowhere
    }
}

/// What came of asking the queries of a version's tiles as one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantEvidence {
    /// The version that it is about, as it was: see [`basis_of`](Self::basis_of).
    pub basis: String,
    /// When it was asked for, as the intent had it when Omni was asked.
    pub asked_at: Timestamp,
    /// What was found.
    pub found: TenantFound,
}

/// What was found in the queries of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TenantFound {
    /// All of them are as they must be.
    Right,
    /// Some are not; how many, and the first.
    Wrong(String),
    /// The tenant has no embed user, so that nobody can ask as it.
    NoUser,
}

impl TenantEvidence {
    /// A hash of what such evidence rests on: what the version's own evidence does, or where it has none, as an adopted
    /// one, its model and its dashboards.
    #[must_use]
    pub fn basis_of(record: &VersionRecord, dashboards: &BTreeMap<String, DashboardRecord>) -> String {
        let evidence = record.evidence.as_ref().map(|it| (&it.basis, &it.schemas));
        let files = record.model_state.as_ref().map(|it| &it.files);
        let content = dashboards.values().map(|it| {
            let content = it.state.as_ref().map(|it| &it.content);
            (&it.slug, &it.ids.identifier, content)
        });
        let digest = Sha256::digest(json!([1, evidence, files, content.collect::<Vec<_>>()]).to_string());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// As the ledger has it.
    #[must_use]
    pub fn text(&self) -> String {
        json!(self).to_string()
    }

    /// From what the ledger has; `None` for what another release wrote otherwise, which is as good as nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
