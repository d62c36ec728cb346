//! Reads the application's table of tenants, in the snapshot of an environment.

use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Executor as _};

use super::super::ledger::Failure;
use super::errors::{kind_of, quote};
use super::session::{Session, lines};
use super::{PgMapping, Tables};
use crate::ports::{MappingErrorKind, TenantLine, TenantLines};
use crate::resources::TenantTable;

impl PgMapping {
    /// What the table says of the environment's tenants. What is wrong with it spoils nothing that the snapshot has shown
    /// before; it is to be read last, for the settings that it makes.
    pub(super) async fn read_tenants(
        &self,
        snapshot: &mut Session,
        tables: &Tables,
        environment: &str,
        table: &TenantTable,
    ) -> Result<TenantLines, Failure> {
        let patience = self.options.statement_timeout / 6;
        snapshot.on().execute("SAVEPOINT tenants").await?;
        // The application may be changing its table; pins with a version of their own do not wait for that.
        snapshot.give_up_on_locks_after(patience).await?;
        // Rows that a policy hides would be tenants without labels; this makes them an error.
        snapshot.on().execute("SET LOCAL row_security = off").await?;
        let failure = match self.tenant_lines(snapshot, tables, environment, table).await {
            Ok(lines) => return Ok(TenantLines::Read(lines)),
            Err(failure) => failure,
        };
        let why = self.what_is_wrong(failure, table)?;
        snapshot.on().execute("ROLLBACK TO SAVEPOINT tenants").await?;
        Ok(TenantLines::Unusable(why))
    }

    async fn tenant_lines(
        &self,
        snapshot: &mut Session,
        tables: &Tables,
        environment: &str,
        table: &TenantTable,
    ) -> Result<Vec<TenantLine>, Failure> {
        let column = |name: &str| format!("t.{}::text", quote(name));
        let columns: Vec<String> = table.columns.iter().map(|name| column(name)).collect();
        let here = table.environment_column.as_deref().map(column);
        let here = here.map_or_else(String::new, |here| format!("{here} = $1 AND "));
        let sql = format!(
            "SELECT {tenant}, ARRAY[{columns}] FROM {from} AS t WHERE {here}EXISTS (SELECT FROM {rows} AS v \
             WHERE v.tenant_environment = $1 AND v.tenant_id::text = {tenant})",
            tenant = column(&table.tenant_column),
            columns = columns.join(", "),
            from = self.place_of(table),
            rows = tables.tenant_version,
        );
        let read: Vec<(String, Vec<Option<String>>)> = lines(AssertSqlSafe(sql))
            .bind(environment)
            .fetch_all(snapshot.on())
            .await?;
        let line = |(tenant, values)| TenantLine { tenant, values };
        Ok(read.into_iter().map(line).collect())
    }

    /// The table's name, quoted, with its schema where one is known.
    fn place_of(&self, table: &TenantTable) -> String {
        let (schema, name) = match table.table.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (self.options.schema.as_deref(), table.table.as_str()),
        };
        let schema = schema.map_or_else(String::new, |schema| format!("{}.", quote(schema)));
        format!("{schema}{}", quote(name))
    }

    /// What a person can do about a table that could not be read; a failure that is not the table's comes back.
    fn what_is_wrong(&self, failure: Failure, table: &TenantTable) -> Result<String, Failure> {
        let Failure::Sql(source) = failure else {
            return Err(failure);
        };
        let told = source
            .as_database_error()
            .and_then(|told| told.try_downcast_ref::<PgDatabaseError>());
        let Some((code, why)) = told.map(|told| (told.code(), told.message().to_owned())) else {
            return Err(source.into());
        };
        let as_stored = "names are taken as the database stores them, case included";
        Ok(match code {
            "42P01" | "3F000" => format!("{why}; {as_stored}. Create it, or correct table"),
            "42703" => {
                format!("{why}; {as_stored}. Add the column, or correct tenantColumn, environmentColumn or columns")
            }
            "42501" if why.contains("row-level security") => format!(
                "{why}, so that tenants would be missed. Name a view whose owner sees every row, or run: ALTER ROLE {} \
                 BYPASSRLS",
                self.user
            ),
            "42501" => format!("{why}. Run: {}", self.grants_to_read(table)),
            "55P03" => format!("{why}: another transaction has locked it; end that one if it is stuck"),
            "57014" => format!("{why}: reading it takes too long; name a table or view that answers in seconds"),
            _ => match kind_of(source.into(), String::new) {
                kind @ MappingErrorKind::Unreachable { .. } => return Err(kind.into()),
                _ => why,
            },
        })
    }

    fn grants_to_read(&self, table: &TenantTable) -> String {
        let (user, place) = (&self.user, self.place_of(table));
        let schema = place.rsplit_once('.').map(|(schema, _)| schema);
        let usage = schema.map_or_else(String::new, |schema| {
            format!("GRANT USAGE ON SCHEMA {schema} TO {user}; ")
        });
        format!("{usage}GRANT SELECT ON {place} TO {user}")
    }
}
