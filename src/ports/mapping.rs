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
    ChannelNote, ChannelRecords, CheckResult, Command, CompleteVersion, DashboardRecord, DashboardRow, FoundLine,
    FoundReport, History, HistoryAsk, Intent, IntentStep, Order, RolloutEvent, Rollouts, TenantLines, VersionChange,
    VersionRecord, WaveOfFlip,
};
use crate::resources::{PinDeletionPolicy, TenantTable};

/// What the tables look like, found when the mapping was prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// `dashboard_model.dashboard_id` is a UUID and takes no other text.
    pub dashboard_id_is_uuid: bool,
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
    /// Who was told what of them.
    pub channels: ChannelRecords,
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

impl Flip {
    /// Which way a rollout moves tenants by it, in one word; `None` where it is none of a rollout.
    #[must_use]
    pub fn direction(&self) -> Option<&'static str> {
        match (&self.wave, self.reason.as_str()) {
            (Some(_), _) => Some("forward"),
            (None, "rollout-back" | "rolled-back" | "ordered-back") => Some("back"),
            (None, _) => None,
        }
    }
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

    /// The environments in which any tenant is claimed, or an order stands that nobody has lifted: those that may need a look
    /// though nothing is declared there any more.
    async fn tended_environments(&self) -> Result<BTreeSet<String>, MappingError>;
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
    /// Puts on record how far channels are that are told of a rollout, by their names.
    async fn record_channels(&self, environment: &str, notes: &[(String, ChannelNote)]) -> Result<(), MappingError>;
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
