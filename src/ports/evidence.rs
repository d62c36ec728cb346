//! What proves that a version is whole for whoever looks at it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

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
