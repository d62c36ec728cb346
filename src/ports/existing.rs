//! What stands in the application's two tables, whoever wrote it, and whether or not there is a ledger beside them.

use std::collections::BTreeMap;

use super::TenantLines;

/// The rows of both tables, and the labels of the tenants where they were asked for; from one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existing {
    /// The rows of `dashboard_model`, in no order.
    pub dashboards: Vec<ExistingDashboard>,
    /// The rows of `tenant_version`, in no order.
    pub tenants: Vec<ExistingTenant>,
    /// What the application's table of tenants says, by environment; empty where it was not asked for.
    pub labels: BTreeMap<String, TenantLines>,
}

/// A row of `dashboard_model`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExistingDashboard {
    /// `model_version_id`, which may be no version: `NULL`, or a number out of range.
    pub version: Option<i64>,
    /// `dashboard_slug`; `None` for `NULL`.
    pub slug: Option<String>,
    /// `dashboard_id`, as text; `None` for `NULL`.
    pub dashboard_id: Option<String>,
}

/// A row of `tenant_version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExistingTenant {
    /// `tenant_id`.
    pub tenant: String,
    /// `tenant_environment`.
    pub environment: String,
    /// `model_version_id`, which may be no version.
    pub version: Option<i64>,
}

impl From<(Option<i64>, Option<String>, Option<String>)> for ExistingDashboard {
    fn from((version, slug, dashboard_id): (Option<i64>, Option<String>, Option<String>)) -> Self {
        Self {
            version,
            slug,
            dashboard_id,
        }
    }
}

impl From<(String, String, Option<i64>)> for ExistingTenant {
    fn from((tenant, environment, version): (String, String, Option<i64>)) -> Self {
        Self {
            tenant,
            environment,
            version,
        }
    }
}
