//! `TenantPin`: which version one tenant sees in one environment.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, InstanceRef};

/// The version that one tenant sees in one environment: one row that the application reads.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "wavepin.dev",
    version = "v1alpha1",
    kind = "TenantPin",
    plural = "tenantpins",
    shortname = "tpin",
    category = "wavepin",
    namespaced,
    doc = "The version that one tenant sees in one environment: one row that the application reads.",
    status = "TenantPinStatus",
    derive = "PartialEq",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.tenant",
    selectable = ".spec.environment",
    selectable = ".spec.version",
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant", description = "Who"),
    printcolumn(
        name = "Environment",
        type_ = "string",
        json_path = ".spec.environment",
        description = "Where"
    ),
    printcolumn(
        name = "Wanted",
        type_ = "integer",
        json_path = ".spec.version",
        description = "The version asked for; none: it follows the rollout"
    ),
    printcolumn(
        name = "Version",
        type_ = "integer",
        json_path = ".status.version",
        description = "The version that the row holds"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether what may be true now is true"
    ),
    printcolumn(
        name = "Waiting",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Waiting\")].reason",
        description = "Why the pin does not move"
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = ".status.since",
        description = "Since when the row holds its version"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What a person can do",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.requires) || self.requires.environment != self.environment")
    .message("requires.environment must be another environment than the pin's own"))]
pub struct TenantPinSpec {
    /// The OmniInstance whose mapping holds the row.
    pub instance_ref: InstanceRef,
    /// The tenant, as `tenant_version.tenant_id` names it. Cannot be changed.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("tenant cannot be changed; make another pin"))]
    pub tenant: String,
    /// The environment, as `tenant_version.tenant_environment` names it: `staging`, `production`. Cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("environment cannot be changed; make another pin"))]
    pub environment: String,
    /// The version that the tenant shall see here. Absent: the tenant follows the VersionRollout of this instance and environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i32>,
    /// What must have happened before the pin moves forward to its version. Going back needs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requires>,
    /// Keeps the row as it is while the hold lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What becomes of the row when this object is deleted. Retain: it stays. Delete: it goes, if Wavepin inserted it and it still holds what Wavepin last wrote.
    #[serde(default)]
    pub deletion_policy: PinDeletionPolicy,
}

/// Evidence from another environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requires {
    /// The environment in which this tenant must have run the version first.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub environment: String,
    /// For how long without a break; counted from the recorded flip.
    #[serde(default = "no_soak")]
    pub soak: HumanDuration,
}

const fn no_soak() -> HumanDuration {
    HumanDuration::from_secs(0)
}

/// A hold: the pin is never moved while it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// Why, for whoever asks: `quarter close`.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// When it ends by itself (RFC 3339). Absent: when the hold is taken out of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<jiff::Timestamp>,
}

/// What becomes of a row when its pin is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PinDeletionPolicy {
    /// The row stays: pruning a folder blanks no tenant.
    #[default]
    Retain,
    /// The row goes, if Wavepin inserted it and it still holds what Wavepin last wrote.
    Delete,
}

/// What was seen of the row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantPinStatus {
    /// The generation that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `wavepin.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The version that the row holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// The version that the row held before, as the ledger shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<i32>,
    /// Since when the row holds its version, as the ledger shows it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<jiff::Timestamp>,
    /// Accepted, Pinned, Ready; Waiting, Reconciling and Stalled while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
