//! What the ledger keeps of versions: their records, the marks of creating calls, the dashboards that are there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Evidence, FoundSummary, Unproved};
use crate::resources::RenameKind;

/// What the ledger knows of one version. A record is made before the first write to Omni and never goes away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionRecord {
    /// The number.
    pub version: i32,
    /// Where it comes from: `adopt:<model id>` or `cut:<version>`. The number belongs to it for ever.
    pub source: String,
    /// The object that declares it, as `<namespace>/<name>`.
    pub holder: String,
    /// The connection of its model.
    pub connection_id: Option<String>,
    /// Its model.
    pub model_id: Option<String>,
    /// A hash of the model files that were merged and read back.
    pub definition: Option<String>,
    /// The id of its folder.
    pub folder_id: Option<String>,
    /// The path of its folder.
    pub folder_path: Option<String>,
    /// The source as it was when the cut first read it.
    pub source_stamp: Option<SourceStamp>,
    /// The hash of what it was made from, set when it became complete.
    pub plan: Option<String>,
    /// Since when it is complete.
    pub complete_at: Option<Timestamp>,
    /// Since when it is retired; final.
    pub retired_at: Option<Timestamp>,
    /// Its model as it was when it was last known to be right; `None` where that was never looked at.
    pub model_state: Option<ModelState>,
    /// What proved that it is whole; `None` where it is adopted, not validated yet, or was complete before there was
    /// evidence.
    pub evidence: Option<Evidence>,
    /// What proved that the queries of an environment's tenants are right, by environment: where tenants are asked as.
    pub environments: BTreeMap<String, Evidence>,
    /// How much was found when it was last validated; `None` where nothing ever was.
    pub found: Option<FoundSummary>,
}

impl VersionRecord {
    /// What keeps tenants of an environment from moving forward to the version, as far as evidence is concerned; `None`
    /// where it holds, or where the version never had any to lose.
    #[must_use]
    pub fn unproved(&self, environment: &str) -> Option<Unproved> {
        let evidence = self.evidence.as_ref()?;
        if let Some(void) = Unproved::void(evidence, false) {
            return Some(void);
        }
        if !evidence.sampled.is_in(environment) {
            return None;
        }
        let own = self.environments.get(environment);
        // What was found on another state of the version than its evidence is about says nothing.
        match own.filter(|own| (&own.basis, &own.schemas) == (&evidence.basis, &evidence.schemas)) {
            Some(own) => Unproved::void(own, true),
            None => Some(Unproved::Missing),
        }
    }
}

/// A model as it was when it was last known to be right: what a later list is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelState {
    /// Omni's `updatedAt`; compared, never computed with.
    pub updated_at: String,
    /// Its name.
    pub name: Option<String>,
    /// A hash of its authored files.
    pub files: String,
}

/// A document as it was when it was last known to be right: what a later list is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentState {
    /// Omni's `updatedAt`, where it told one; compared, never computed with.
    pub updated_at: Option<String>,
    /// Its name.
    pub name: String,
    /// A hash of what it consists of.
    pub content: String,
}

/// What tells whether a source moved while it was copied: Omni's `updatedAt` of the model and of each document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStamp {
    /// Of the source's model.
    pub model: String,
    /// Of each source document, by identifier.
    pub documents: BTreeMap<String, String>,
}

/// One thing learned about a version, to be kept.
#[derive(Debug, Clone, PartialEq)]
pub enum VersionChange {
    /// Another object declares it now.
    Holder(String),
    /// Its model's connection.
    Connection(String),
    /// Its model.
    Model(String),
    /// The hash of its merged definition.
    Definition(String),
    /// Its folder.
    Folder {
        /// The id.
        id: String,
        /// The path.
        path: String,
    },
    /// The source as first read.
    SourceStamp(SourceStamp),
    /// Its model, found to be right.
    ModelState(ModelState),
    /// It was validated, or its evidence holds no longer.
    Evidence(Box<Evidence>),
    /// The queries of an environment's tenants were validated, or that holds no longer.
    EnvironmentEvidence {
        /// The environment.
        environment: String,
        /// What was proved.
        evidence: Box<Evidence>,
    },
}

/// What a creating call was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntentStep {
    /// The version's model; the subject is its name.
    Model,
    /// The branch that its definition is built on; the subject is the branch's name.
    Branch,
    /// How its definition comes through Git, or is kept there; the subject is the model's name. Settled without being
    /// opened. With `migration to` before it: the call by which the definition migrates was sent; dropped once it was answered.
    Git,
    /// A folder; the subject is its path.
    Folder,
    /// The folder is closed to everyone who shall not see half a version; the subject is its path.
    Closure,
    /// The identifiers of the copies were looked for in the whole organisation; the subject is empty.
    Identifiers,
    /// A dashboard's import; the subject is its slug.
    Import,
    /// A copy got its source's labels; the subject is its slug. Settled without being opened.
    Labels,
    /// The queries of a dashboard's tiles were found right; the subject is its slug. Settled without being opened.
    Queries,
    /// The roles of the source's user groups, as they are given on the version's model; the subject is empty. With a user
    /// group as its subject: its role was given again in vain. Settled without being opened.
    Roles,
    /// A copy got the permissions of its source, and what it could not get was told; the subject is its slug. Settled
    /// without being opened.
    Access,
    /// How a dashboard is copied, where that is chosen or not the default; the subject is its slug, the result the method.
    /// Settled without being opened.
    Method,
    /// The queries of all tiles, asked as a tenant of whom a check of a rollout wants to know it; the subject is the tenant,
    /// the result a [`TenantEvidence`](super::TenantEvidence). Opened by the pass over the rollout's environment.
    Tenant,
}

/// A mark made before a creating call is sent, and settled when its effect was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What the call was about.
    pub step: IntentStep,
    /// Which one; see [`IntentStep`].
    pub subject: String,
    /// When it was last sent, by the clock of the caller.
    pub opened_at: Timestamp,
    /// What came of it (an id, a word); `None` while that is not known.
    pub result: Option<String>,
}

/// The three ids of one dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashboardIds {
    /// What `/dashboards/<identifier>` takes.
    pub identifier: String,
    /// The document's UUID.
    pub document_id: String,
    /// The dashboard's UUID.
    pub dashboard_id: String,
}

/// The ledger's mark that one dashboard of a version is there, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardRecord {
    /// Its slug.
    pub slug: String,
    /// Its ids.
    pub ids: DashboardIds,
    /// The identifier of the document that it was copied from; its own for an adopted one.
    pub source_identifier: String,
    /// Links in it that lead out of the version.
    pub foreign_links: Vec<String>,
    /// The document as it was when it was last known to be right; `None` where that was never looked at.
    pub state: Option<DocumentState>,
    /// What the source has and the copy does not, since no export holds it.
    pub not_carried: Vec<String>,
    /// The renames that it was copied with; none where it was not copied, or none were asked for.
    pub renames: Vec<AskedRename>,
}

/// A rename that a copy was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRename {
    /// What is named.
    pub kind: RenameKind,
    /// The source's name.
    pub find: String,
    /// The version's name.
    pub replace: String,
    /// The dashboard named it.
    pub matched: bool,
}

/// One row of `dashboard_model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardRow {
    /// `dashboard_slug`.
    pub slug: String,
    /// `dashboard_id`, as text.
    pub dashboard_id: String,
}

/// The last step of a cut: all rows and the mark, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteVersion {
    /// The version.
    pub version: i32,
    /// The hash of what it was made from. Kept as it is where the version is complete already.
    pub plan: String,
    /// Every row that the version shall have. Those that are there stay untouched; missing ones are inserted.
    pub rows: Vec<DashboardRow>,
}
