//! What stands in the two tables, whoever wrote it.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::SqliteConnectOptions;

use super::super::ledger::Failure;
use super::schema::{has_table, no_foreign_tables};
use super::{SqliteMapping, tenants};
use crate::mapping::MappingOptions;
use crate::ports::{Existing, ExistingDashboard, ExistingTenant, MappingError};
use crate::resources::TenantTable;

/// What is being done, in errors.
const ACTION: &str = "read the rows of dashboard_model and tenant_version";

impl SqliteMapping {
    /// Everything in both tables, and what the table of tenants says of each environment. A file that is not there yet has
    /// no rows, as for everybody who only looks.
    pub(in super::super) async fn existing(
        url: &SecretString,
        options: MappingOptions,
        tenants: Option<&TenantTable>,
    ) -> Result<Existing, MappingError> {
        let file = SqliteConnectOptions::from_str(url.expose_secret());
        if options.schema.is_none() && file.is_ok_and(|file| !file.get_filename().exists()) {
            return Ok(Existing::default());
        }
        let mapping = Self::connect(url, options).await?;
        let read = mapping.read_existing(tenants);
        mapping.run("read", || ACTION.to_owned(), read).await
    }

    async fn read_existing(&self, table: Option<&TenantTable>) -> Result<Existing, Failure> {
        let mut snapshot = self.snapshot().await?;
        if !has_table(&mut snapshot, "wavepin_migration").await? {
            no_foreign_tables(&mut snapshot).await?;
            return Ok(Existing::default());
        }
        let dashboards: Vec<(Option<i64>, Option<String>, Option<String>)> =
            sqlx::query_as("SELECT model_version_id, dashboard_slug, dashboard_id FROM dashboard_model")
                .fetch_all(&mut *snapshot)
                .await?;
        let rows: Vec<(String, String, Option<i64>)> =
            sqlx::query_as("SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version")
                .fetch_all(&mut *snapshot)
                .await?;
        let mut existing = Existing {
            dashboards: dashboards.into_iter().map(ExistingDashboard::from).collect(),
            tenants: rows.into_iter().map(ExistingTenant::from).collect(),
            ..Existing::default()
        };
        if let Some(table) = table {
            let environments: BTreeSet<String> = existing.tenants.iter().map(|row| row.environment.clone()).collect();
            for environment in environments {
                let read = tenants::read(&mut snapshot, &environment, table).await?;
                existing.labels.insert(environment, read);
            }
        }
        Ok(existing)
    }
}
