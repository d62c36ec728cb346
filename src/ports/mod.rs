//! What the reconcilers need of the world: traits, and the plain data that goes through them.
//!
//! The adapters (`omni`, `mapping`, `clients`) and the fronts (`cluster`, `standalone`) implement these; the
//! reconciling folders know nothing else of the outside. Reading and writing are told apart by name: what is called
//! like a noun reads, what is called like a verb writes.

mod access;
mod approvers;
mod budget;
mod checks;
mod clients;
mod clock;
mod command;
mod config_maps;
mod contract;
mod evidence;
mod existing;
mod failure;
#[cfg(test)]
pub(crate) mod fakes;
mod findings;
mod git_settings;
mod history;
mod mapping;
mod notify;
mod objects;
mod omni;
mod omni_records;
mod rehearsal;
mod repository;
mod rollout;
mod secrets;
mod standing;
mod tenants;
mod version_record;
pub mod window;

pub use approvers::{Approvers, Files, Voucher};
pub use budget::{Ask, Budget, Outcome, Place, Return, Told, Urgency};
pub use checks::{Answer, CheckNote, CheckOutcome, CheckRecord, CheckRecords, CheckResult, Question};
pub use clients::{Clients, ConnectError};
pub use clock::{Clock, SystemClock};
pub use command::{Command, Order, Ordered, Scope};
pub use config_maps::{ConfigMapError, ConfigMapRecord, ConfigMaps};
pub use contract::{Contract, Difference};
pub use evidence::{Evidence, Sampled, TenantEvidence, TenantFound, Unproved};
pub use existing::{Existing, ExistingDashboard, ExistingTenant};
pub use failure::{CREDENTIAL_PACE, Failure, LOOK_AGAIN, SECRET_PACE, newer_release};
pub use findings::{
    ContentIssue, DocumentFindings, FoundLine, FoundReport, FoundSummary, QueryAnswer, QueryAsk, ValidationIssue,
};
pub use git_settings::{GitLink, GitSettings, GitSync, Migration};
pub use history::{History, HistoryAsk, HistoryOf, RecordedBatches, RecordedMove, RecordedStep};
pub use mapping::{
    Cause, Claim, EnvironmentView, Flip, FlipOutcome, Mapping, MappingError, MappingErrorKind, Move, Organization,
    PinEvent, PinEventKind, RowRemoval, Shape,
};
pub use notify::{ChannelNote, ChannelRecord, ChannelRecords, Delivery, News, Notice, NumberedStep};
pub use objects::{Absence, Lookup, Object, Objects};
pub use omni::{Omni, OmniError, OmniErrorKind, Reservation};
pub use omni_records::{
    Branch, Connection, DocumentPermit, DocumentRecord, DocumentRequest, Exported, FolderPermit, FolderRecord, Grantee,
    Identity, ImportRequest, Imported, KeyScope, Merge, ModelFile, ModelFiles, ModelKind, ModelRecord, NewModel,
    PublishedDocument, PublishedRead, RoleGrant, Scheduled,
};
pub use rehearsal::{Met, Rehearsal, Request, Stages};
pub use repository::{
    Author, Copied, CopyRequest, Directory, ModelRepository, RepositoryError, RepositoryErrorKind, Revision,
    Whereabouts,
};
pub use rollout::{
    Approval, ApprovalRecord, Attempt, AttemptEnd, PastAttempt, RolloutEvent, RolloutStep, Rollouts, Stop, StopKind,
    WaveOfFlip, WaveRecord,
};
pub use secrets::{SecretError, SecretRecord, Secrets};
pub use standing::Standing;
pub use tenants::{TenantLine, TenantLines};
pub use version_record::{
    AskedRename, CompleteVersion, DashboardIds, DashboardRecord, DashboardRow, DocumentState, Intent, IntentStep,
    ModelState, SourceStamp, VersionChange, VersionRecord,
};

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Everything outside that a pass may use.
#[derive(Clone)]
pub struct World {
    /// The objects that people declared.
    pub objects: Arc<dyn Objects>,
    /// The ConfigMaps beside the objects.
    pub config_maps: Arc<dyn ConfigMaps>,
    /// The Secrets beside them.
    pub secrets: Arc<dyn Secrets>,
    /// Who knows by whom approvals were made.
    pub approvers: Arc<dyn Approvers>,
    /// The way to an instance's Omni and mapping.
    pub clients: Arc<dyn Clients>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long one pass may work before it reports and lets others go on.
    pub slice: Duration,
    /// The time-out of one request to Omni: a lost answer may still take effect so long after it was sent.
    pub request_timeout: Duration,
}

/// When an object wants to be looked at again, besides whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The slice is used up; go on at once.
    Again,
    /// At this time: a hold, a soak or a wait ends.
    At(Timestamp),
    /// After this long: everything is as it should be, or only a person can mend it.
    After(Duration),
    /// Something may pass by itself: with growing pauses, but not before `after`, if it is given.
    Backoff {
        /// The least pause, as the other side asked for.
        after: Option<Duration>,
    },
}
