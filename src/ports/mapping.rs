//! What the reconcilers need of the mapping: the application's two tables, and Wavepin's own ledger beside them.
//!
//! Every call that writes is one transaction and starts with the fence: a writer that is no longer the owner's newest
//! is refused with [`MappingErrorKind::Contended`] and has written nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use snafu::Snafu;

use super::{
    CheckResult, Command, Evidence, FoundLine, FoundReport, FoundSummary, History, HistoryAsk, Order, RolloutEvent,
    Rollouts, TenantLines, Unproved, WaveOfFlip,
};
use crate::resources::{PinDeletionPolicy, RenameKind, TenantTable};

/// What the tables look like, found when the mapping was prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// `dashboard_model.dashboard_id` is a UUID and takes no other text.
    pub dashboard_id_is_uuid: bool,
}

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
    /// opened.
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

/// Who may write a tenant's row in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The tenant.
    pub tenant: String,
    /// The pin, as `<namespace>/<name>`.
    pub holder: String,
    /// What becomes of the row when the pin is deleted; kept here since a deleted pin cannot be asked.
    pub deletion: PinDeletionPolicy,
}

/// What a recorded event of a row was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinEventKind {
    /// Wavepin wrote the row.
    Flip,
    /// Another hand had changed the row; Wavepin noticed.
    Outside,
    /// Wavepin deleted the row.
    Delete,
}

/// One recorded event of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinEvent {
    /// When it was recorded, by the database's clock.
    pub at: Timestamp,
    /// What it was.
    pub kind: PinEventKind,
    /// What the row held before; `None` for no row.
    pub from: Option<i32>,
    /// What the row held after; `None` for no row.
    pub to: Option<i32>,
    /// The pin's `spec.version` at that time.
    pub wanted_version: i32,
    /// Why; one for all tenants of a batch.
    pub cause: Arc<Cause>,
}

/// Why a row was moved, as the ledger has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// In one word: `spec.version`, `rollout`.
    pub reason: String,
    /// The wave that it was a batch of, where it moved forward in one.
    pub wave: Option<WaveOfFlip>,
}

/// One environment of the mapping, read in one snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnvironmentView {
    /// The claims, by tenant.
    pub claims: BTreeMap<String, Claim>,
    /// The rows of `tenant_version`, by tenant.
    pub rows: BTreeMap<String, i32>,
    /// The rows whose `model_version_id` can be no version, by tenant: `NULL`, or a number out of range.
    pub odd_rows: BTreeMap<String, Option<i64>>,
    /// The recorded events of this environment, by tenant, oldest first.
    pub events: BTreeMap<String, Vec<PinEvent>>,
    /// The recorded events of the other environments that were asked for, by environment and tenant, oldest first.
    pub evidence: BTreeMap<String, BTreeMap<String, Vec<PinEvent>>>,
    /// What the ledger knows of the rollouts here.
    pub rollouts: Rollouts,
    /// What people ordered to be taken back, and nobody has lifted since; oldest first.
    pub orders: Vec<Order>,
    /// What the application's table says of the tenants that have a row here.
    pub tenants: TenantLines,
    /// Now, by the database's clock: what ages of events are measured with.
    pub now: Timestamp,
}

/// One tenant's row in a flip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The tenant.
    pub tenant: String,
    /// What the row must hold for the move to happen; `None`: there must be no row.
    pub from: Option<i32>,
    /// The version that it gets.
    pub to: i32,
}

/// A batch of rows that change, whole or not at all: each to its own version, which must be complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// The environment.
    pub environment: String,
    /// The rows.
    pub moves: Vec<Move>,
    /// Why, for the ledger: `spec.version`, `restore-row`, `rollout`.
    pub reason: String,
    /// The wave that this is a batch of, where tenants move forward in one.
    pub wave: Option<WaveOfFlip>,
}

/// What came of a flip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlipOutcome {
    /// Every row changed.
    Done,
    /// Nothing changed: these tenants' rows are not what was presumed.
    Moved(Vec<String>),
    /// Nothing changed: a version is not complete, or retired.
    NotComplete,
}

/// A row to delete, if it still holds what Wavepin last wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRemoval {
    /// The tenant.
    pub tenant: String,
    /// What the row must hold.
    pub holds: i32,
}

/// What the organisation whose versions stand in the mapping is recognised by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// The ids of every connection that it was seen to have.
    pub connections: BTreeSet<String>,
    /// Its id, where an export showed one.
    pub id: Option<String>,
    /// How often a person confirmed that it is another than before.
    pub confirmed: u32,
}

/// Why the mapping could not do what was asked.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub), display("failed to {action}: {kind}"))]
pub struct MappingError {
    /// What was being done, as a verb and its object: `read the rows of version 2`.
    pub action: String,
    /// What went wrong.
    pub kind: MappingErrorKind,
}

/// What went wrong with the mapping. No text holds the database URL or a password.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub))]
pub enum MappingErrorKind {
    /// The database cannot be reached, or the connection broke: it may or may not have taken effect.
    #[snafu(display("the mapping database cannot be reached: {why}"))]
    Unreachable {
        /// The driver's words.
        why: String,
    },
    /// The database user may not do it.
    #[snafu(display("the database user lacks rights: {why}. Run: {grants}"))]
    Rights {
        /// The database's words.
        why: String,
        /// The statements that a person can run.
        grants: String,
    },
    /// A table or column is missing or has another type.
    #[snafu(display("{what}"))]
    Schema {
        /// Which, what is needed, and what to do.
        what: String,
    },
    /// Another owner has the mapping.
    #[snafu(display(
        "the mapping belongs to {owner:?}; to take it over, annotate the OmniInstance with wavepin.dev/take-mapping-from: {owner:?}"
    ))]
    Owned {
        /// Who.
        owner: String,
    },
    /// A newer writer raised the fence.
    #[snafu(display("another writer of the same owner raised the fence; this one has stopped writing"))]
    Contended,
    /// Likewise, and the newer writer is of this process: the database URL has changed, and the next look uses it.
    #[snafu(display("the mapping's database URL was changed meanwhile; the next look goes on with the new one"))]
    Superseded,
    /// The same version and slug stand in more than one row.
    #[snafu(display("{what}"))]
    Ambiguous {
        /// Version, slug and ids.
        what: String,
    },
    /// A row holds something else than what is to be written, and is not touched.
    #[snafu(display("{what}"))]
    Conflict {
        /// Version, slug and both ids.
        what: String,
    },
    /// Another transaction of the application holds a lock for too long; nothing was written.
    #[snafu(display("another transaction holds a lock for longer than is waited for: {why}; end it if it is stuck"))]
    Locked {
        /// The driver's words.
        why: String,
    },
    /// What the spec asks for does not go with this kind of database.
    #[snafu(display("{why}"))]
    Invalid {
        /// What, and what to do.
        why: String,
    },
    /// The database refused for another reason; nothing was written.
    #[snafu(display("the mapping database refused: {why}"))]
    Refused {
        /// The driver's words.
        why: String,
    },
}

/// The mapping of one instance.
#[async_trait]
pub trait Mapping: Send + Sync {
    /// Makes or checks the tables, takes the fence for `owner` (once in the life of this value), and says what the
    /// tables look like. `take_from` names another owner whose mapping may be taken over. Cheap when already prepared:
    /// then it only checks that the database answers and the fence still holds. Every other call requires it.
    async fn prepare(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError>;

    /// What the organisation is recognised by; `None` before it was first seen.
    async fn organization(&self) -> Result<Option<Organization>, MappingError>;
    /// Keeps what the organisation is recognised by, in place of what was kept.
    async fn record_organization(&self, organization: &Organization) -> Result<(), MappingError>;

    /// Every version that was ever recorded, by number.
    async fn versions(&self) -> Result<BTreeMap<i32, VersionRecord>, MappingError>;
    /// Records a version if its number is free, and returns what is recorded under the number then.
    async fn record_version(&self, version: i32, source: &str, holder: &str) -> Result<VersionRecord, MappingError>;
    /// Keeps one thing learned about a version.
    async fn change_version(&self, version: i32, change: &VersionChange) -> Result<(), MappingError>;
    /// What was found in a version when it was last validated, worst first.
    async fn found(&self, version: i32) -> Result<Vec<FoundLine>, MappingError>;
    /// Keeps what was found, in place of what was found before; the same again is no change.
    async fn record_found(&self, version: i32, report: &FoundReport) -> Result<(), MappingError>;
    /// The intents of a version.
    async fn intents(&self, version: i32) -> Result<Vec<Intent>, MappingError>;
    /// Opens an intent, or opens it again with a new time.
    async fn open_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), MappingError>;
    /// Settles an intent (recording it if it was never opened).
    async fn settle_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
        result: &str,
    ) -> Result<(), MappingError>;
    /// Takes an intent out: its call was refused and had no effect.
    async fn drop_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError>;
    /// The dashboards of a version that are there, whole, by slug.
    async fn dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError>;
    /// Marks one dashboard as whole; the same mark again is no change.
    async fn record_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), MappingError>;

    /// The rows of `dashboard_model` of a version, sorted by slug, duplicates included.
    async fn rows(&self, version: i32) -> Result<Vec<DashboardRow>, MappingError>;
    /// Writes missing rows and the complete mark in one transaction.
    async fn complete_version(&self, complete: &CompleteVersion) -> Result<(), MappingError>;
    /// How many rows of `tenant_version` hold each version.
    async fn tenants_by_version(&self) -> Result<BTreeMap<i32, u64>, MappingError>;

    /// The environments in which any tenant is claimed: those that may need a look though no pin is declared any more.
    async fn claimed_environments(&self) -> Result<BTreeSet<String>, MappingError>;
    /// One environment, the events of others that serve as evidence, and what the application's table says of its
    /// tenants, where one is asked for. A table that cannot be used is no error: it is told in the view.
    async fn environment(
        &self,
        environment: &str,
        evidence: &[String],
        tenants: Option<&TenantTable>,
    ) -> Result<EnvironmentView, MappingError>;
    /// What the ledger recorded of a tenant or a rollout, for people who ask.
    async fn history(&self, ask: &HistoryAsk) -> Result<History, MappingError>;
    /// Sets claims, each taking its tenant over from whoever had it.
    async fn set_claims(&self, environment: &str, claims: &[Claim]) -> Result<(), MappingError>;
    /// Gives claims up.
    async fn release_claims(&self, environment: &str, tenants: &[String]) -> Result<(), MappingError>;
    /// Records that another hand changed rows: for each tenant what the ledger held, what the row holds, and the
    /// pin's wanted version. Nothing is written to the rows.
    async fn record_outside(
        &self,
        environment: &str,
        changes: &[(String, Option<i32>, Option<i32>, i32)],
    ) -> Result<(), MappingError>;
    /// Puts on record what happens to a rollout. What is on record already is no change.
    async fn record_rollout(&self, environment: &str, events: &[RolloutEvent]) -> Result<(), MappingError>;
    /// Puts on record what checks of a rollout were answered. What is on record already, or older than that, is no change.
    async fn record_checks(&self, environment: &str, results: &[CheckResult]) -> Result<(), MappingError>;
    /// Moves rows to complete versions, whole or not at all.
    async fn flip(&self, flip: &Flip) -> Result<FlipOutcome, MappingError>;
    /// Deletes rows that still hold what they should, and their claims; records it. Others are left as they are.
    async fn remove_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), MappingError>;

    /// The number of the newest command that a person gave, 0 before the first: what tells that there is another.
    async fn newest_command(&self) -> Result<i64, MappingError>;
    /// Puts a person's command on record, and returns its number. The one call that writes without the fence: whoever
    /// leads carries it out, and need not be asked.
    async fn give_command(&self, command: &Command) -> Result<i64, MappingError>;
}
