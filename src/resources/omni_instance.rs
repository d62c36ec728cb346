//! `OmniInstance`: one Omni organisation, its API key and its mapping database.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::members::MOST_TENANT_TABLES;
use super::{GitAccess, HumanDuration, TenantTable};

/// One Omni organisation: where it answers, the key to it, and the database that maps tenants to versions.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "wavepin.dev",
    version = "v1alpha1",
    kind = "OmniInstance",
    plural = "omniinstances",
    shortname = "omni",
    category = "wavepin",
    namespaced,
    doc = "One Omni organisation: where it answers, the key to it, and the database that maps tenants to versions.",
    status = "OmniInstanceStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the organisation and the mapping can be used"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "The reason behind Ready"
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.baseUrl",
        description = "Where Omni answers"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
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
pub struct OmniInstanceSpec {
    /// Where the organisation answers, without `/api`: `https://acme.omniapp.co`. Plain `http` only to this machine's loopback.
    #[schemars(length(max = 253), regex(pattern = r"^https?://[^/?#@\s]+/?$"))]
    #[x_kube(validation = Rule::new(
        "self.startsWith('https://') || self.matches('^http://(localhost|127\\\\.[0-9.]+|\\\\[::1\\\\])(:[0-9]+)?/?$')"
    ).message("baseUrl must be https; http is taken for loopback addresses only"))]
    pub base_url: String,

    /// The Secret that holds the organisation API key. Export and import refuse personal keys.
    pub api_key_secret_ref: SecretKeyRef,

    /// Requests that may be sent with this key in any 60 seconds. Omni allows 60 unless raised; the default leaves room for other tools.
    #[serde(default = "default_requests_per_minute")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests_per_minute: u32,

    /// How often a converged instance and its versions are looked at again.
    #[serde(default = "default_interval")]
    pub interval: HumanDuration,

    /// How long a list of Omni may lag behind a write: so long is a lost answer looked for before anything is created again.
    #[serde(default = "default_list_lag")]
    pub list_lag: HumanDuration,

    /// True: nothing is sent to Omni and no row is changed for this instance until it is false again.
    #[serde(default)]
    pub suspend: bool,

    // No default in the schema: it would show on objects that were stored before there was this field.
    /// What opens the Git repositories that Omni keeps models in, for versions whose models are copied or kept there. Absent: none is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitAccess>,

    /// The database with the tables `dashboard_model` and `tenant_version`.
    #[serde(default)]
    pub mapping: MappingSpec,
}

const fn default_requests_per_minute() -> u32 {
    55
}

const fn default_interval() -> HumanDuration {
    HumanDuration::from_secs(300)
}

const fn default_list_lag() -> HumanDuration {
    HumanDuration::from_secs(60)
}

/// One key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key inside the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// The mapping: which database, who owns its tables, and what stands in them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappingSpec {
    /// The Secret that holds the database URL (`postgres://…` or `sqlite:…`). Absent: the database that Wavepin was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
    /// The PostgreSQL schema of `dashboard_model` and `tenant_version`. Absent: the connection's own search path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z_][a-z0-9_]*$"))]
    pub schema: Option<String>,
    /// Who may write this mapping, as the fence in the database names it. Absent: `<namespace>/<name>` of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub owner: Option<String>,
    /// Who owns the two tables. Managed: Wavepin makes and migrates them. External: the application's own (PostgreSQL only).
    #[serde(default)]
    pub management: Management,
    /// What `dashboard_model.dashboard_id` holds. Identifier: what `/dashboards/<…>` takes; needs a text column. DashboardUuid: the dashboard's own UUID. DocumentUuid: the UUID of its document. Absent: the identifier in a text column; in a UUID column what the adopted version's rows hold, else the dashboard's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard_id_holds: Option<DashboardIdHolds>,
    /// Tables of the application, by a name of your own, that label tenants without a TenantPin: `members.rows.labelsFrom` of a VersionRollout names one. Wavepin only reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MOST_TENANT_TABLES))]
    pub tenant_tables: BTreeMap<String, TenantTable>,
}

/// Who owns the two mapping tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// Wavepin makes the tables, with keys that make a dangling pin impossible, and migrates them.
    #[default]
    Managed,
    /// The application owns the tables; Wavepin checks the columns that it needs and uses them.
    External,
}

/// Which of a dashboard's ids stands in `dashboard_model.dashboard_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DashboardIdHolds {
    /// What `/dashboards/<…>` takes; needs a text column.
    Identifier,
    /// The dashboard's own UUID.
    DashboardUuid,
    /// The UUID of the document (its workbook).
    DocumentUuid,
}

/// What was seen of the organisation and its mapping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OmniInstanceStatus {
    /// The generation that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `wavepin.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Accepted, Reachable, MappingReady, Ready; Reconciling and Stalled while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
