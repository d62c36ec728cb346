//! Makes the tables, and takes the fence.

use std::cmp::Ordering;
use std::str::FromStr as _;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Executor as _, SqliteConnection};

use super::super::ledger::{Failure, newer_ledger, older_ledger};
use super::{Fence, SqliteMapping};
use crate::mapping::MappingOptions;
use crate::ports::{MappingError, MappingErrorKind, Shape};

/// The steps from an empty file to what this version of Wavepin uses, by number. Never changed, only added to.
const MIGRATIONS: [(i64, &str); 13] = [
    (1, include_str!("../../../migrations/sqlite/0001_mapping.sql")),
    (2, include_str!("../../../migrations/sqlite/0002_budget.sql")),
    (3, include_str!("../../../migrations/sqlite/0003_organization.sql")),
    (4, include_str!("../../../migrations/sqlite/0004_state.sql")),
    (5, include_str!("../../../migrations/sqlite/0005_evidence.sql")),
    (6, include_str!("../../../migrations/sqlite/0006_copies.sql")),
    (7, include_str!("../../../migrations/sqlite/0007_rollouts.sql")),
    (8, include_str!("../../../migrations/sqlite/0008_validation.sql")),
    (9, include_str!("../../../migrations/sqlite/0009_commands.sql")),
    (10, include_str!("../../../migrations/sqlite/0010_approvals.sql")),
    (11, include_str!("../../../migrations/sqlite/0011_checks.sql")),
    (12, include_str!("../../../migrations/sqlite/0012_current_version.sql")),
    (13, include_str!("../../../migrations/sqlite/0013_channels.sql")),
];

impl SqliteMapping {
    pub(super) async fn prepared(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, Failure> {
        let shape = Shape {
            dashboard_id_is_uuid: false,
        };
        if self.options.read_only {
            self.knows_the_ledger().await?;
            return Ok(shape);
        }
        let mut fence = self.fence.write().await;
        let held = match fence.as_ref() {
            Some(taken) if taken.owner == owner => self.is_held(taken, take_from).await?,
            _ => false,
        };
        if !held {
            *fence = Some(self.take_fence(owner, take_from).await?);
        }
        Ok(shape)
    }

    /// Whether the file is there, and a ledger in it.
    pub(in super::super) async fn has_ledger(
        url: &SecretString,
        options: &MappingOptions,
    ) -> Result<bool, MappingError> {
        let file = SqliteConnectOptions::from_str(url.expose_secret());
        // What is wrong with the URL is told when it is opened.
        if file.is_ok_and(|file| !file.get_filename().exists()) {
            return Ok(false);
        }
        let mapping = Self::connect(url, options.clone()).await?;
        let look = async {
            let mut connection = mapping.pool.acquire().await?;
            has_table(&mut connection, "wavepin_migration").await
        };
        mapping.run("prepare", || "look for the ledger".to_owned(), look).await
    }

    async fn knows_the_ledger(&self) -> Result<(), Failure> {
        let done: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM wavepin_migration")
            .fetch_one(&self.pool)
            .await?;
        let newest = MIGRATIONS[MIGRATIONS.len() - 1].0;
        match done.cmp(&newest) {
            Ordering::Less => Err(older_ledger(done, newest).into()),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(newer_ledger(done, newest).into()),
        }
    }

    /// Whether the fence still holds. False where its present owner is the one that it may be taken from: a mapping
    /// that another owner took over may be taken back by the same word.
    async fn is_held(&self, taken: &Fence, take_from: Option<&str>) -> Result<bool, Failure> {
        let row: Option<(String, i64)> = sqlx::query_as("SELECT owner, token FROM wavepin_fence")
            .fetch_optional(&self.pool)
            .await?;
        match row {
            Some((owner, token)) if owner == taken.owner && token == taken.token => Ok(true),
            Some((owner, _)) if owner != taken.owner && take_from == Some(&owner) => Ok(false),
            Some((owner, _)) if owner != taken.owner => Err(MappingErrorKind::Owned { owner }.into()),
            _ => Err(self.options.fence_raised().into()),
        }
    }

    /// Makes what is missing of the tables and raises the fence, at once.
    async fn take_fence(&self, owner: &str, take_from: Option<&str>) -> Result<Fence, Failure> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        migrate(&mut transaction).await?;
        let present: Option<String> = sqlx::query_scalar("SELECT owner FROM wavepin_fence")
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(present) = present
            && present != owner
            && take_from != Some(&present)
        {
            return Err(MappingErrorKind::Owned { owner: present }.into());
        }
        let token: i64 = sqlx::query_scalar(
            "INSERT INTO wavepin_fence (only, owner, token) VALUES (1, ?, 1) \
             ON CONFLICT (only) DO UPDATE SET owner = excluded.owner, token = token + 1 RETURNING token",
        )
        .bind(owner)
        .fetch_one(&mut *transaction)
        .await?;
        // Of keys that nobody uses any more.
        let long_ago = Timestamp::now().as_microsecond() - 86_400_000_000;
        sqlx::query("DELETE FROM wavepin_budget_slot WHERE free_at < ?")
            .bind(long_ago)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM wavepin_budget_key WHERE coalesce(paused_until, 0) < ? \
             AND key NOT IN (SELECT key FROM wavepin_budget_slot)",
        )
        .bind(long_ago)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Fence {
            owner: owner.to_owned(),
            token,
        })
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), Failure> {
    if !has_table(connection, "wavepin_migration").await? {
        no_foreign_tables(connection).await?;
        connection
            .execute("CREATE TABLE wavepin_migration (number INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT")
            .await?;
    }
    let done: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM wavepin_migration")
        .fetch_one(&mut *connection)
        .await?;
    let newest = MIGRATIONS[MIGRATIONS.len() - 1].0;
    if done > newest {
        return Err(newer_ledger(done, newest).into());
    }
    for (number, sql) in MIGRATIONS.into_iter().filter(|(number, _)| *number > done) {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
        sqlx::query("INSERT INTO wavepin_migration (number, at) VALUES (?, ?)")
            .bind(number)
            .bind(Timestamp::now().as_microsecond())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Neither of the application's tables is there.
pub(super) async fn no_foreign_tables(connection: &mut SqliteConnection) -> Result<(), Failure> {
    for table in ["dashboard_model", "tenant_version"] {
        if has_table(connection, table).await? {
            return Err(MappingErrorKind::Schema {
                what: format!(
                    "the SQLite database has a table {table} that Wavepin did not make, and is left as it is; \
                     give Wavepin a database file of its own, or use PostgreSQL with management: External"
                ),
            }
            .into());
        }
    }
    Ok(())
}

pub(super) async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, Failure> {
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = ? AND type <> 'index'")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(found > 0)
}
