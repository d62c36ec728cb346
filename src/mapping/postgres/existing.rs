//! What stands in the two tables, whoever wrote it.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;

use super::super::ledger::Failure;
use super::session::lines;
use super::{PgMapping, Tables};
use crate::ports::{Existing, ExistingDashboard, ExistingTenant, MappingError};
use crate::resources::TenantTable;

/// What is being done, in errors.
const ACTION: &str = "read the rows of dashboard_model and tenant_version";

impl PgMapping {
    /// Everything in both tables, and what the table of tenants says of each environment.
    pub(in super::super) async fn existing(&self, tenants: Option<&TenantTable>) -> Result<Existing, MappingError> {
        self.run("read", || ACTION.to_owned(), self.read_existing(tenants))
            .await
    }

    async fn read_existing(&self, tenants: Option<&TenantTable>) -> Result<Existing, Failure> {
        let mut snapshot = self.snapshot().await?;
        let Some(tables) = self.tables_as_they_are(&mut snapshot).await? else {
            snapshot.rollback().await?;
            return Ok(Existing::default());
        };
        let Tables {
            dashboard_model,
            tenant_version,
            ..
        } = &tables;
        let sql =
            format!("SELECT model_version_id::int8, dashboard_slug::text, dashboard_id::text FROM {dashboard_model}");
        let dashboards: Vec<(Option<i64>, Option<String>, Option<String>)> =
            lines(AssertSqlSafe(sql)).fetch_all(snapshot.on()).await?;
        let sql =
            format!("SELECT tenant_id::text, tenant_environment::text, model_version_id::int8 FROM {tenant_version}");
        let rows: Vec<(String, String, Option<i64>)> = lines(AssertSqlSafe(sql)).fetch_all(snapshot.on()).await?;
        let mut existing = Existing {
            dashboards: dashboards.into_iter().map(ExistingDashboard::from).collect(),
            tenants: rows.into_iter().map(ExistingTenant::from).collect(),
            ..Existing::default()
        };
        if let Some(table) = tenants {
            let environments: BTreeSet<String> = existing.tenants.iter().map(|row| row.environment.clone()).collect();
            for environment in environments {
                let read = self.read_tenants(&mut snapshot, &tables, &environment, table).await?;
                existing.labels.insert(environment, read);
            }
        }
        snapshot.rollback().await?;
        Ok(existing)
    }
}
