//! Reads the application's table of tenants, in the snapshot of an environment.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::ledger::{Failure, unreadable};
use crate::ports::{TenantLine, TenantLines};
use crate::resources::TenantTable;

/// What the table says of the environment's tenants. A statement that fails spoils nothing else of the snapshot.
pub(super) async fn read(
    snapshot: &mut SqliteConnection,
    environment: &str,
    table: &TenantTable,
) -> Result<TenantLines, Failure> {
    // A name in quotes that is no column would be a text, were it not a column of `t`.
    let column = |name: &str| format!("CAST(t.{} AS TEXT)", quote(name));
    let columns: Vec<String> = table.columns.iter().map(|name| column(name)).collect();
    let here = table.environment_column.as_deref().map(column);
    let here = here.map_or_else(String::new, |here| format!("{here} = ?1 AND "));
    let parts: Vec<String> = table.table.split('.').map(quote).collect();
    let sql = format!(
        "SELECT {tenant}, json_array({columns}) FROM {from} AS t WHERE {here}{tenant} IN \
         (SELECT tenant_id FROM tenant_version WHERE tenant_environment = ?1)",
        tenant = column(&table.tenant_column),
        columns = columns.join(", "),
        from = parts.join("."),
    );
    let read: Result<Vec<(String, String)>, _> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(environment)
        .fetch_all(snapshot)
        .await;
    match read {
        Ok(read) => {
            let lines = read.into_iter().map(|(tenant, values)| {
                let values = serde_json::from_str(&values);
                let values =
                    values.map_err(|source| unreadable("a row of the table of tenants", &source.to_string()))?;
                Ok(TenantLine { tenant, values })
            });
            Ok(TenantLines::Read(lines.collect::<Result<_, Failure>>()?))
        }
        Err(source) => what_is_wrong(source).map(TenantLines::Unusable),
    }
}

/// What a person can do about a table that could not be read; a failure that is not the table's comes back.
fn what_is_wrong(source: sqlx::Error) -> Result<String, Failure> {
    let told = source
        .as_database_error()
        .filter(|told| told.code().as_deref() == Some("1"));
    let Some(why) = told.map(|told| told.message().to_owned()) else {
        return Err(source.into());
    };
    Ok(if why.contains("no such table") {
        format!("{why}; create it in the mapping's database, or correct table")
    } else if why.contains("no such column") {
        format!("{why}; add the column, or correct tenantColumn, environmentColumn or columns")
    } else {
        why
    })
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
