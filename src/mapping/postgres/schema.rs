//! Makes the ledger and, if they are ours to make, the two tables; finds them; takes the fence.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor as _};

use super::super::ledger::{Failure, newer_ledger, older_ledger};
use super::errors::{kind_of, quote};
use super::session::{Session, lines, statement, value};
use super::{Fence, PgMapping, Tables};
use crate::ports::{MappingError, MappingErrorKind, Shape};
use crate::resources::Management;

/// The steps from no ledger to what this version of Wavepin uses, by number. Never changed, only added to.
const MIGRATIONS: [(i64, &str); 13] = [
    (1, include_str!("../../../migrations/postgres/0001_ledger.sql")),
    (2, include_str!("../../../migrations/postgres/0002_budget.sql")),
    (3, include_str!("../../../migrations/postgres/0003_organization.sql")),
    (4, include_str!("../../../migrations/postgres/0004_state.sql")),
    (5, include_str!("../../../migrations/postgres/0005_evidence.sql")),
    (6, include_str!("../../../migrations/postgres/0006_copies.sql")),
    (7, include_str!("../../../migrations/postgres/0007_rollouts.sql")),
    (8, include_str!("../../../migrations/postgres/0008_validation.sql")),
    (9, include_str!("../../../migrations/postgres/0009_commands.sql")),
    (10, include_str!("../../../migrations/postgres/0010_approvals.sql")),
    (11, include_str!("../../../migrations/postgres/0011_checks.sql")),
    (
        12,
        include_str!("../../../migrations/postgres/0012_current_version.sql"),
    ),
    (13, include_str!("../../../migrations/postgres/0013_channels.sql")),
];

/// The application's two tables.
const MANAGED: &str = include_str!("../../../migrations/postgres/managed.sql");

/// The key of the lock that lets one first start after the other make the tables. Any number; never to change.
const LOCK: i64 = 0x7761_7665_7069_6e01;

const FORGET_KEYS: &str = "
DELETE FROM wavepin.budget_slot WHERE free_at < now() - interval '1 day';
DELETE FROM wavepin.budget_key AS key WHERE coalesce(paused_until, '-infinity') < now() - interval '1 day'
AND NOT EXISTS (SELECT FROM wavepin.budget_slot AS slot WHERE slot.key = key.key)";

impl PgMapping {
    pub(super) async fn prepared(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, Failure> {
        if self.options.read_only {
            return self.looked_at().await;
        }
        let mut state = self.state.write().await;
        let fence = state.fence.clone().filter(|taken| taken.owner == owner);
        // A mapping that another owner took over may be taken back by the same word.
        let fence = match fence {
            Some(fence) => self.still_held(fence, take_from).await?,
            None => None,
        };
        let (fence, tables) = match (fence, state.tables.clone()) {
            (Some(fence), Some(tables)) => (fence, tables),
            (Some(fence), None) => {
                let mut session = self.unfenced().await?;
                let tables = self.find_or_make_tables(&mut session).await?;
                session.commit().await?;
                (fence, Arc::new(tables))
            }
            (None, _) => {
                let mut session = self.unfenced().await?;
                self.migrate(&mut session).await?;
                let fence = take_fence(&mut session, owner, take_from).await?;
                let tables = self.find_or_make_tables(&mut session).await?;
                session.commit().await?;
                (fence, Arc::new(tables))
            }
        };
        let shape = Shape {
            dashboard_id_is_uuid: tables.dashboard_id_is_uuid,
        };
        state.fence = Some(fence);
        state.tables = Some(tables);
        Ok(shape)
    }

    /// Whether there is a ledger.
    pub(in super::super) async fn has_ledger(&self) -> Result<bool, MappingError> {
        let look = async {
            let mut session = self.snapshot().await?;
            let there: bool = value("SELECT to_regclass('wavepin.migration') IS NOT NULL")
                .fetch_one(session.on())
                .await?;
            session.rollback().await?;
            Ok(there)
        };
        self.run("prepare", || "look for the ledger".to_owned(), look).await
    }

    /// Finds the tables, for reading alone.
    async fn looked_at(&self) -> Result<Shape, Failure> {
        let mut state = self.state.write().await;
        let tables = match state.tables.clone() {
            Some(tables) => tables,
            None => {
                let mut session = self.snapshot().await?;
                let done: i64 = value("SELECT coalesce(max(number), 0) FROM wavepin.migration")
                    .fetch_one(session.on())
                    .await
                    .map_err(|source| self.lacking(source, |us| us.grants_on_ledger()))?;
                let newest = MIGRATIONS[MIGRATIONS.len() - 1].0;
                if done != newest {
                    let told = if done > newest { newer_ledger } else { older_ledger };
                    return Err(told(done, newest).into());
                }
                let schema = match self.options.management {
                    Management::External => self.options.schema.clone(),
                    Management::Managed => Some(self.managed_schema(&mut session).await?),
                };
                let tables = self.find_tables(&mut session, schema.as_deref()).await?;
                session.rollback().await?;
                Arc::new(tables)
            }
        };
        let shape = Shape {
            dashboard_id_is_uuid: tables.dashboard_id_is_uuid,
        };
        state.tables = Some(tables);
        Ok(shape)
    }

    /// The fence, if it still holds; `None` where its present owner is the one that it may be taken from.
    async fn still_held(&self, taken: Fence, take_from: Option<&str>) -> Result<Option<Fence>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let row: Option<(String, i64)> = lines("SELECT owner, token FROM wavepin.fence")
            .fetch_optional(snapshot.on())
            .await?;
        snapshot.rollback().await?;
        match row {
            Some((owner, token)) if owner == taken.owner && token == taken.token => Ok(Some(taken)),
            Some((owner, _)) if owner != taken.owner && take_from == Some(&owner) => Ok(None),
            Some((owner, _)) if owner != taken.owner => Err(MappingErrorKind::Owned { owner }.into()),
            _ => Err(self.options.fence_raised().into()),
        }
    }

    /// Makes what is missing of the ledger, and nothing where nothing is missing: it needs no right to make tables
    /// then.
    async fn migrate(&self, session: &mut Session) -> Result<(), Failure> {
        statement("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(session.on())
            .await?;
        let there: bool = value("SELECT to_regnamespace('wavepin') IS NOT NULL")
            .fetch_one(session.on())
            .await?;
        if !there {
            session
                .on()
                .execute("CREATE SCHEMA wavepin")
                .await
                .map_err(|source| self.lacking(source, |us| us.grant_to_make_a_schema()))?;
        }
        self.migrate_in_schema(session).await.map_err(|failure| match failure {
            Failure::Sql(source) => self.lacking(source, |us| us.grants_to_migrate()),
            told => told,
        })
    }

    async fn migrate_in_schema(&self, session: &mut Session) -> Result<(), Failure> {
        let there: bool = value("SELECT to_regclass('wavepin.migration') IS NOT NULL")
            .fetch_one(session.on())
            .await?;
        if !there {
            session
                .on()
                .execute(
                    "CREATE TABLE wavepin.migration \
                     (number bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())",
                )
                .await?;
        }
        let done: i64 = value("SELECT coalesce(max(number), 0) FROM wavepin.migration")
            .fetch_one(session.on())
            .await?;
        let newest = MIGRATIONS[MIGRATIONS.len() - 1].0;
        if done > newest {
            return Err(newer_ledger(done, newest).into());
        }
        for (number, sql) in MIGRATIONS.into_iter().filter(|(number, _)| *number > done) {
            session.on().execute(sqlx::raw_sql(sql)).await?;
            statement("INSERT INTO wavepin.migration (number) VALUES ($1)")
                .bind(number)
                .execute(session.on())
                .await?;
        }
        Ok(())
    }

    async fn find_or_make_tables(&self, session: &mut Session) -> Result<Tables, Failure> {
        match self.options.management {
            Management::External => self.find_tables(session, self.options.schema.as_deref()).await,
            Management::Managed => {
                let schema = self.managed_schema(session).await?;
                self.make_tables(session, &schema).await?;
                self.find_tables(session, Some(&schema)).await
            }
        }
    }

    /// The schema that the managed tables are, or come, in.
    async fn managed_schema(&self, session: &mut Session) -> Result<String, Failure> {
        if let Some(schema) = &self.options.schema {
            return Ok(schema.clone());
        }
        let schema: Option<String> = value("SELECT current_schema()::text").fetch_one(session.on()).await?;
        schema.ok_or_else(|| {
            let what = "the search path of the database user names no schema that exists; set mapping.schema";
            MappingErrorKind::Schema { what: what.to_owned() }.into()
        })
    }

    /// Makes both tables where neither is. Tables that are there and not ours are left as they are.
    async fn make_tables(&self, session: &mut Session, schema: &str) -> Result<(), Failure> {
        if self.made_by_us(session, schema).await? {
            return Ok(());
        }
        self.no_foreign_tables(session, schema).await?;
        self.make_tables_in(session, schema)
            .await
            .map_err(|failure| match failure {
                Failure::Sql(source) => self.lacking(source, |us| us.grant_to_make_tables(schema)),
                told => told,
            })
    }

    /// Neither table is there.
    async fn no_foreign_tables(&self, session: &mut Session, schema: &str) -> Result<(), Failure> {
        let foreign: Option<String> = value(
            "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) \
             AND relname IN ('dashboard_model', 'tenant_version') ORDER BY 1 LIMIT 1",
        )
        .bind(schema)
        .fetch_optional(session.on())
        .await?;
        let Some(table) = foreign else { return Ok(()) };
        Err(MappingErrorKind::Schema {
            what: format!(
                "schema {schema:?} has a table {table} that Wavepin did not make, and is left as it is; \
                 say mapping.management: External to use it, or name another mapping.schema"
            ),
        }
        .into())
    }

    /// The tables as they are, also without a ledger; `None` where they are Wavepin's to make, and not made yet.
    pub(super) async fn tables_as_they_are(&self, session: &mut Session) -> Result<Option<Tables>, Failure> {
        let schema = match self.options.management {
            Management::External => self.options.schema.clone(),
            Management::Managed => {
                let schema = self.managed_schema(session).await?;
                let known: bool = value("SELECT to_regclass('wavepin.managed_tables') IS NOT NULL")
                    .fetch_one(session.on())
                    .await?;
                if !known || !self.made_by_us(session, &schema).await? {
                    self.no_foreign_tables(session, &schema).await?;
                    return Ok(None);
                }
                Some(schema)
            }
        };
        self.find_tables(session, schema.as_deref()).await.map(Some)
    }

    async fn made_by_us(&self, session: &mut Session, schema: &str) -> Result<bool, Failure> {
        value("SELECT EXISTS (SELECT FROM wavepin.managed_tables WHERE schema_name = $1)")
            .bind(schema.to_owned())
            .fetch_one(session.on())
            .await
            .map_err(|source| self.lacking(source, |us| us.grants_on_ledger()))
    }

    async fn make_tables_in(&self, session: &mut Session, schema: &str) -> Result<(), Failure> {
        let quoted = quote(schema);
        let there: bool = value("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL")
            .bind(schema)
            .fetch_one(session.on())
            .await?;
        if !there {
            let create = format!("CREATE SCHEMA {quoted}");
            session
                .on()
                .execute(AssertSqlSafe(create))
                .await
                .map_err(|source| self.lacking(source, |us| us.grant_to_make_a_schema()))?;
        }
        let path = format!("SET LOCAL search_path TO {quoted}");
        session.on().execute(AssertSqlSafe(path)).await?;
        session.on().execute(sqlx::raw_sql(MANAGED)).await?;
        statement("INSERT INTO wavepin.managed_tables (schema_name) VALUES ($1)")
            .bind(schema)
            .execute(session.on())
            .await?;
        Ok(())
    }

    /// A failure with the statements that would have prevented it, if it was for want of a right.
    pub(super) fn lacking(&self, source: sqlx::Error, grants: impl FnOnce(&Self) -> String) -> Failure {
        kind_of(source.into(), || grants(self)).into()
    }
}

/// Raises the fence. It waits for the transactions of older writers to end, and they find it raised afterwards.
async fn take_fence(session: &mut Session, owner: &str, take_from: Option<&str>) -> Result<Fence, Failure> {
    let present: Option<String> = value("SELECT owner FROM wavepin.fence FOR UPDATE")
        .fetch_optional(session.on())
        .await?;
    if let Some(present) = present
        && present != owner
        && take_from != Some(&present)
    {
        return Err(MappingErrorKind::Owned { owner: present }.into());
    }
    let token: i64 = value(
        "INSERT INTO wavepin.fence AS fence (owner, token) VALUES ($1, 1) \
         ON CONFLICT (single) DO UPDATE SET owner = excluded.owner, token = fence.token + 1 RETURNING token",
    )
    .bind(owner)
    .fetch_one(session.on())
    .await?;
    // Of keys that nobody uses any more. No older writer is in the middle of a transaction now.
    session.on().execute(FORGET_KEYS).await?;
    Ok(Fence {
        owner: owner.to_owned(),
        token,
    })
}
