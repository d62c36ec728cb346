//! Finds the application's two tables and checks that they are what we need.

use std::collections::BTreeMap;

use sqlx::postgres::types::Oid;

use super::super::ledger::Failure;
use super::errors::quote;
use super::session::{Session, lines, value};
use super::{PgMapping, Tables};
use crate::mapping::lines::read_by_name;
use crate::ports::MappingErrorKind;
use crate::resources::Management;

const TEXTS: &[&str] = &["text", "varchar"];
const IDS: &[&str] = &["uuid", "text", "varchar"];
const NUMBERS: &[&str] = &["int4", "int8"];
const TIMES: &[&str] = &["timestamptz", "timestamp", "date"];

/// The columns that we read and write, and the types that they may have.
const DASHBOARD_MODEL: &[(&str, &[&str])] = &[
    ("dashboard_id", IDS),
    ("model_version_id", NUMBERS),
    ("dashboard_slug", TEXTS),
];
const TENANT_VERSION: &[(&str, &[&str])] = &[
    ("tenant_id", TEXTS),
    ("tenant_environment", TEXTS),
    ("model_version_id", NUMBERS),
    ("updated_at", TIMES),
];

/// A table that was found.
struct Found {
    oid: Oid,
    schema: String,
    /// `r` for a table, `p` for a partitioned one.
    kind: String,
    permitted: bool,
}

read_by_name!(Found { oid, schema, kind, permitted } from sqlx::postgres::PgRow);

struct Column {
    name: String,
    /// The type's own name, that of a domain being the one it is based on.
    base: String,
    /// The type as people write it.
    written: String,
    /// An insert that leaves it out fails.
    demanded: bool,
}

read_by_name!(Column { name, base, written, demanded } from sqlx::postgres::PgRow);

impl PgMapping {
    /// Finds both tables in the schema, or by the search path.
    pub(super) async fn find_tables(&self, session: &mut Session, schema: Option<&str>) -> Result<Tables, Failure> {
        let dashboard_model = self.find(session, schema, "dashboard_model").await?;
        let tenant_version = self.find(session, schema, "tenant_version").await?;
        for found in [&dashboard_model, &tenant_version] {
            if !found.permitted {
                return Err(MappingErrorKind::Rights {
                    why: format!(
                        "it needs SELECT, INSERT, UPDATE and DELETE on dashboard_model and tenant_version in schema {:?}",
                        found.schema
                    ),
                    grants: self.grants_on_tables(Some(&found.schema)),
                }
                .into());
            }
        }
        let columns = columns(session, dashboard_model.oid).await?;
        let mut wrong = differences("dashboard_model", DASHBOARD_MODEL, &columns);
        let is_uuid = columns.get("dashboard_id").is_some_and(|column| column.base == "uuid");
        let columns = self::columns(session, tenant_version.oid).await?;
        wrong.extend(differences("tenant_version", TENANT_VERSION, &columns));
        let keyed = has_key(session, dashboard_model.oid, &["dashboard_slug", "model_version_id"]).await?;
        if wrong.is_empty() && !has_key(session, tenant_version.oid, &["tenant_environment", "tenant_id"]).await? {
            wrong.push(
                "tenant_version has no primary key or unique index on exactly (tenant_id, tenant_environment), so \
                 that a tenant could have two versions; add one"
                    .to_owned(),
            );
        }
        if !wrong.is_empty() {
            return Err(MappingErrorKind::Schema { what: wrong.join("; ") }.into());
        }
        Ok(Tables {
            dashboard_model: format!("{}.dashboard_model", quote(&dashboard_model.schema)),
            tenant_version: format!("{}.tenant_version", quote(&tenant_version.schema)),
            dashboard_id_is_uuid: is_uuid,
            dashboard_model_is_keyed: keyed,
            managed: self.options.management == Management::Managed,
        })
    }

    async fn find(&self, session: &mut Session, schema: Option<&str>, table: &str) -> Result<Found, Failure> {
        let found: Option<Found> = lines(
            "SELECT c.oid, n.nspname::text AS schema, c.relkind::text AS kind, \
             (SELECT bool_and(has_table_privilege(c.oid, it)) \
              FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS it) AS permitted \
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.oid = to_regclass(concat(quote_ident($1) || '.', quote_ident($2)))",
        )
        .bind(schema)
        .bind(table)
        .fetch_optional(session.on())
        .await
        .map_err(|source| self.lacking(source, |us| us.grants_on_tables(schema)))?;
        match found {
            Some(found) if matches!(found.kind.as_str(), "r" | "p") => Ok(found),
            Some(found) => Err(MappingErrorKind::Schema {
                what: format!(
                    "{table} in schema {:?} is not a table; Wavepin needs the table itself",
                    found.schema
                ),
            }
            .into()),
            None => Err(self.missing(session, schema, table).await?.into()),
        }
    }

    async fn missing(
        &self,
        session: &mut Session,
        schema: Option<&str>,
        table: &str,
    ) -> Result<MappingErrorKind, Failure> {
        let place = match schema {
            Some(schema) => format!("in schema {schema:?}"),
            None => {
                let path: String = value("SELECT current_setting('search_path')")
                    .fetch_one(session.on())
                    .await?;
                format!("in the search path ({path}) as far as this user may look into it")
            }
        };
        let way_out = match self.options.management {
            Management::External => {
                "create it, name the right mapping.schema, or say mapping.management: Managed to have it made"
            }
            Management::Managed => {
                "Wavepin made it once: restore it, or delete the schema's row from wavepin.managed_tables and what is \
                 left of the two tables to have both made anew"
            }
        };
        Ok(MappingErrorKind::Schema {
            what: format!("there is no table {table} {place}; {way_out}"),
        })
    }
}

/// What is wrong with the columns of a table.
fn differences(table: &str, needed: &[(&str, &[&str])], columns: &BTreeMap<String, Column>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, types) in needed {
        match columns.get(*name) {
            None => wrong.push(format!("{table} has no column {name} ({}); add it", types.join(" or "))),
            Some(column) if !types.contains(&column.base.as_str()) => wrong.push(format!(
                "{table}.{name} is {}, and has to be {}; change its type",
                column.written,
                types.join(" or ")
            )),
            Some(_) => {}
        }
    }
    let needed: Vec<&str> = needed.iter().map(|(name, _)| *name).collect();
    let unknown = columns
        .values()
        .filter(|it| it.demanded && !needed.contains(&it.name.as_str()));
    wrong.extend(unknown.map(|it| {
        format!(
            "{table}.{} is NOT NULL without a default, and Wavepin knows no value for it; give it a default",
            it.name
        )
    }));
    wrong
}

async fn columns(session: &mut Session, table: Oid) -> Result<BTreeMap<String, Column>, Failure> {
    let columns: Vec<Column> = lines(
        "SELECT a.attname::text AS name, coalesce(base.typname, t.typname)::text AS base, \
         format_type(a.atttypid, a.atttypmod) AS written, \
         a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS demanded \
         FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid \
         LEFT JOIN pg_type AS base ON t.typtype = 'd' AND base.oid = t.typbasetype \
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .bind(table)
    .fetch_all(session.on())
    .await?;
    Ok(columns.into_iter().map(|it| (it.name.clone(), it)).collect())
}

/// Whether a unique index, checked at once and for every row, stands on exactly these columns (sorted).
async fn has_key(session: &mut Session, table: Oid, columns: &[&str]) -> Result<bool, Failure> {
    let keyed = value(
        "SELECT EXISTS (SELECT FROM pg_index AS i \
         WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indpred IS NULL AND i.indexprs IS NULL AND $2::text[] = ( \
             SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") \
             FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE k.place <= i.indnkeyatts))",
    )
    .bind(table)
    .bind(columns.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
    .fetch_one(session.on())
    .await?;
    Ok(keyed)
}
