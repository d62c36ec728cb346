//! What must hold before tenants see a version, as its spec says it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must hold before tenants see a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validation {
    /// What Omni's content validation, in full, may find in the version's dashboards. NewIssuesOnly: what it finds in the source's too. Required: nothing. Skip: it is not asked.
    #[serde(default)]
    pub content: ContentValidation,
    // No default in the schema: it would show on objects that were stored before there was this field.
    /// Every tile's query is planned, or run, before the version is complete. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<QueryValidation>,
}

/// How the queries of a version's tiles are validated: a call for each tile and each user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.expectSchema) || has(self.tenants)").message("expectSchema goes with tenants"))]
pub struct QueryValidation {
    /// PlanOnly: Omni compiles each query and asks no warehouse. Run: it is run, for one row.
    #[serde(default)]
    pub mode: QueryMode,
    /// As whom, by their membership ids in Omni. With neither this nor `tenants`: as the owner of the instance's key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub as_users: Vec<String>,
    /// As a sample of the tenants that are pinned, each as the embed user whose external id is the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<TenantSample>,
    /// The schema that a tenant's queries must read: `TENANT_{tenant}`, or with its database: `PRODUCTION.TENANT_{tenant}`. Letters of either case, and `-` and `_`, are the same. A query that does not name it, or names another tenant's, stops the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub expect_schema: Option<String>,
    /// Schemas that hold nobody's data in particular, with their databases or without: a query that reads these alone need not name the tenant's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub shared_schemas: Vec<String>,
    /// Users who must get nothing, by their membership ids: those without the attribute that leads a tenant to its data. A query that can be planned for one of them, and reads more than `sharedSchemas`, stops the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub denied_to: Vec<String>,
}

/// Whether queries are planned or run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum QueryMode {
    /// Omni compiles them; no warehouse is asked.
    #[default]
    PlanOnly,
    /// They are run, for one row.
    Run,
}

/// Which tenants stand for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSample {
    /// The environment whose TenantPins are looked at. Absent: every environment that has some, each by itself: what is found for the tenants of one keeps only them from the version once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub environment: Option<String>,
    /// Labels that a pin must have; absent: any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// How many tenants of an environment at most, the first by name that have an embed user.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 50))]
    pub max: u8,
}

const fn three() -> u8 {
    3
}

/// What Omni's content validation may find in a version's dashboards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContentValidation {
    /// What it finds in the source's too.
    #[default]
    NewIssuesOnly,
    /// Nothing.
    Required,
    /// It is not asked. Not `Off`, which YAML takes for a boolean.
    Skip,
}
