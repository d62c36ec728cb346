//! The mapping in a SQLite file, or in memory.
//!
//! Transactions that write begin with `BEGIN IMMEDIATE`: SQLite has one writer at a time, and a second one waits
//! for its turn rather than failing half-way. The file is in WAL mode, so that the application reads meanwhile.

mod budget;
mod channels;
mod checks;
mod commands;
mod environment;
mod existing;
mod flip;
mod found;
mod history;
mod organization;
mod schema;
mod tenants;
mod versions;

use std::future::Future;
use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Sqlite, SqlitePool, Transaction};
use tokio::sync::RwLock;
use tokio::time::Instant;

use super::calls::calls_by_their_parts;
use super::ledger::{Failure, not_prepared};
use super::{CONNECT, MappingOptions, measured};
use crate::ports::{MappingError, MappingErrorKind};
use crate::resources::Management;

/// Readers beside the one writer.
const CONNECTIONS: u32 = 4;

/// A mapping in SQLite. Its tables are always [`Management::Managed`].
#[derive(Debug)]
pub struct SqliteMapping {
    pool: SqlitePool,
    options: MappingOptions,
    fence: RwLock<Option<Fence>>,
}

/// What this writer took.
#[derive(Debug, Clone)]
struct Fence {
    owner: String,
    token: i64,
}

impl SqliteMapping {
    /// Opens the file, or makes it where the URL does not say `mode=`.
    ///
    /// # Errors
    /// When the file cannot be opened, and when the options ask for what SQLite cannot do.
    pub async fn connect(url: &SecretString, options: MappingOptions) -> Result<Self, MappingError> {
        let connecting = |kind| MappingError {
            action: CONNECT.to_owned(),
            kind,
        };
        let refused = |why: &str| connecting(MappingErrorKind::Refused { why: why.to_owned() });
        let invalid = |why: &str| connecting(MappingErrorKind::Invalid { why: why.to_owned() });
        if options.management == Management::External {
            return Err(invalid(
                "tables of the application (management: External) need PostgreSQL; with SQLite leave it Managed",
            ));
        }
        if options.schema.is_some() {
            return Err(invalid("SQLite has no schemas; leave mapping.schema out"));
        }
        let url = url.expose_secret();
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        let mut connect = SqliteConnectOptions::from_str(url)
            .map_err(|_| refused("its URL is not of the form sqlite:path/to/file.db"))?
            .busy_timeout(options.statement_timeout)
            .foreign_keys(true)
            .disable_statement_logging();
        if options.read_only {
            connect = connect.read_only(!options.takes_places && !options.takes_commands);
        } else if !in_memory {
            connect = connect.journal_mode(SqliteJournalMode::Wal);
        }
        if !url.contains("mode=") && !options.read_only {
            connect = connect.create_if_missing(true);
        }
        // A database in memory lives as long as its only connection.
        let pool = SqlitePoolOptions::new()
            .max_connections(if in_memory { 1 } else { CONNECTIONS })
            .min_connections(u32::from(in_memory))
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(options.connect_timeout);
        let pool = opened(pool, connect, options.connect_timeout).await;
        let pool = pool.map_err(|source| connecting(kind_of(Failure::Sql(source))))?;
        Ok(Self {
            pool,
            options,
            fence: RwLock::new(None),
        })
    }

    /// Runs the work of a call, measures it, and names the call in its error.
    async fn run<T>(
        &self,
        class: &'static str,
        action: impl FnOnce() -> String + Send,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, MappingError> {
        let work = async { work.await.map_err(kind_of) };
        let worked = measured(&self.options.line, class, work).await;
        worked.map_err(|kind| MappingError { action: action(), kind })
    }

    /// A snapshot for reading.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        if !self.options.read_only && self.fence.read().await.is_none() {
            return Err(not_prepared().into());
        }
        Ok(self.pool.begin().await?)
    }

    /// A transaction for writing, behind the fence.
    async fn transaction(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        let fence = self.fence.read().await.clone().ok_or_else(not_prepared)?;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let held: Option<i64> = sqlx::query_scalar("SELECT token FROM wavepin_fence WHERE owner = ? AND token = ?")
            .bind(&fence.owner)
            .bind(fence.token)
            .fetch_optional(&mut *transaction)
            .await?;
        match held {
            Some(_) => Ok(transaction),
            None => Err(self.options.fence_raised().into()),
        }
    }

    /// A transaction for writing without the fence.
    async fn unfenced(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction for a place in the budget: behind the fence too, but for one who writes nothing else and has none.
    async fn transaction_on_places(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        if self.options.read_only && self.options.takes_places {
            return self.unfenced().await;
        }
        self.transaction().await
    }
}

/// Tells the driver's errors apart by SQLite's result codes.
/// How soon a file is tried again that another connection is just about to set up. Nothing tells when it has.
const SET_UP_PACE: Duration = Duration::from_millis(20);

/// Opens the file. Of several that come first at once one sets the journal up, and SQLite lets the others wait for a lock at that
/// point in vain: they try again.
async fn opened(
    pool: SqlitePoolOptions,
    connect: SqliteConnectOptions,
    patience: Duration,
) -> sqlx::Result<SqlitePool> {
    let deadline = Instant::now() + patience;
    loop {
        match pool.clone().connect_with(connect.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => tokio::time::sleep(SET_UP_PACE).await,
            came => return came,
        }
    }
}

/// Whether another connection has a lock.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.parse::<i32>().is_ok_and(|code| code & 0xff == 5))
}

fn kind_of(failure: Failure) -> MappingErrorKind {
    let source = match failure {
        Failure::Kind(kind) => return kind,
        Failure::Sql(source) => source,
    };
    let why = source.to_string();
    let Some(code) = source.as_database_error().and_then(|source| source.code()) else {
        return match source {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
                MappingErrorKind::Unreachable { why }
            }
            _ => MappingErrorKind::Refused { why },
        };
    };
    // The low byte is the primary code; the rest tells variants of it apart.
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        // Busy, locked, out of memory, interrupted, input/output, full, cannot open.
        5 | 6 | 7 | 9 | 10 | 13 | 14 => MappingErrorKind::Unreachable { why },
        // Corrupt, schema changed, not a database.
        11 | 17 | 26 => MappingErrorKind::Schema { what: why },
        1 if why.contains("no such table") || why.contains("no such column") => MappingErrorKind::Schema {
            what: format!("{why}; somebody changed tables that Wavepin made"),
        },
        _ => MappingErrorKind::Refused { why },
    }
}

calls_by_their_parts!(SqliteMapping);
