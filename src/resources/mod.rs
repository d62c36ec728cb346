//! The custom resources of group `wavepin.dev`, version `v1alpha1`: types, schema and CEL rules; no client and no IO.
//!
//! | kind | short | what it declares |
//! |---|---|---|
//! | [`OmniInstance`] | `omni` | one Omni organisation, its key and its mapping database |
//! | [`ModelVersion`] | `mv` | one numbered version: a model, its dashboards, its folder |
//! | [`TenantPin`] | `tpin` | which version one tenant sees in one environment |
//! | [`VersionRollout`] | `vro` | which version the tenants of an environment move to, wave by wave |
//! | [`WaveApproval`] | `wapp` | that a person lets a wave of a rollout open |

mod amount;
mod base_url;
mod check_url;
pub mod conditions;
mod content;
pub mod definitions;
mod duration;
mod edits_from;
mod freeze;
mod git;
mod members;
mod model_version;
mod notify;
mod omni_instance;
pub mod reasons;
mod rollout_checks;
pub mod schema;
mod spec_hash;
mod tenant_pin;
mod validation;
mod version_rollout;
mod wave_approval;

pub use amount::{Allowance, Amount, Tenants};
pub use base_url::BaseUrl;
pub use check_url::CheckUrl;
pub use content::{
    AddedDashboard, Content, ContentMethod, Dashboards, DriftPolicy, Folder, FolderPermission, FolderRole,
    PermissionsFrom, Rename, RenameKind,
};
pub use duration::HumanDuration;
pub use edits_from::{EditsFrom, EditsRef};
pub use freeze::{Freeze, LastingFreeze};
pub use git::{GitAccess, GitAuthor, GitFallback, Migrate, ModelGit, SecretRef};
pub use members::{Members, RowMembers, TenantTable, is_label_value};
pub use model_version::{
    AccessBy, Adopt, AdoptedDashboard, CopiedBy, DashboardsStatus, DeletionPolicy, Edit, InstanceRef, Model, ModelCopy,
    ModelRole, ModelVersion, ModelVersionSpec, ModelVersionStatus, RolesFrom, Source, ValidationStatus,
};
pub use notify::{ChannelStatus, CloudEventsChannel, NotifyChannel, NotifyOn, SlackChannel};
pub use omni_instance::{
    DashboardIdHolds, Management, MappingSpec, OmniInstance, OmniInstanceSpec, OmniInstanceStatus, SecretKeyRef,
};
pub use rollout_checks::{FailureBudget, OnFailure, PrometheusCheck, RolloutCheck, ValidationCheck, WebhookCheck};
pub use spec_hash::spec_hash;
pub use tenant_pin::{Hold, PinDeletionPolicy, Requires, TenantPin, TenantPinSpec, TenantPinStatus};
pub use validation::{ContentValidation, QueryMode, QueryValidation, TenantSample, Validation};
pub use version_rollout::{
    Batch, PastRollout, RolloutOutcome, RowsStatus, VersionRollout, VersionRolloutSpec, VersionRolloutStatus, Wave,
    WavePhase, WaveSelector, WaveStatus, rollout_plan, rollout_refusal,
};
pub use wave_approval::{
    ApprovalPolicy, RolloutRef, WaveApproval, WaveApprovalSpec, WaveApprovalStatus, approval_refusal,
};

/// The API group of every kind.
pub const GROUP: &str = "wavepin.dev";

/// The prefix of every annotation that Wavepin reads.
pub const ANNOTATION_PREFIX: &str = "wavepin.dev/";

/// The annotations that Wavepin reads; each stands behind [`ANNOTATION_PREFIX`].
pub mod annotations {
    /// Any kind: asks for a pass now; its value is acknowledged in `status.lastHandledReconcileAt`.
    pub const RECONCILE_REQUESTED_AT: &str = "reconcile-requested-at";
    /// Secret: the hosts that its credentials may be sent to, separated by commas.
    pub const HOSTS: &str = "hosts";
    /// ModelVersion: the id of a model of the wanted name that this version may take as its own.
    pub const ADOPT_MODEL: &str = "adopt-model";
    /// ModelVersion: the word, told by a condition, for changes by other hands that are taken as they are.
    pub const ACCEPT_DRIFT: &str = "accept-drift";
    /// ModelVersion: asks for a validation of a cut version now; its value is acknowledged in the condition `Validated`.
    pub const VALIDATE_REQUESTED_AT: &str = "validate-requested-at";
    /// TenantPin: `<version now>-><version to restore>` confirms that a row changed by hand may be put back.
    pub const RESTORE_ROW: &str = "restore-row";
    /// VersionRollout: the word in `status.plan` of a rollout that was stopped, which is to be tried again.
    pub const RETRY_ROLLOUT: &str = "retry-rollout";
    /// OmniInstance: the name of the owner whose mapping this one takes over.
    pub const TAKE_MAPPING_FROM: &str = "take-mapping-from";
    /// OmniInstance: the identity, as its condition names it, of another organisation that a person takes for the right one.
    pub const CONFIRM_IDENTITY: &str = "confirm-identity";
}

/// The message of `Ready` before an object was first looked at.
pub(crate) const PENDING_MESSAGE: &str = "Not looked at yet";
