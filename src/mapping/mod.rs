//! The SQL adapter of [`Mapping`]: PostgreSQL and SQLite.
//!
//! The application's two tables, `dashboard_model` and `tenant_version`, are either made by Wavepin
//! ([`Management::Managed`]) or the application's own ([`Management::External`], PostgreSQL only). The ledger stands
//! beside them in tables that only Wavepin uses: in the schema `wavepin` of a PostgreSQL database, with the prefix
//! `wavepin_` in SQLite.
//!
//! Every call is one transaction. Those that write start with the fence: a row that names the owner of the mapping
//! and the number of its newest writer. A writer whose number is older writes nothing. A call that would change
//! nothing sends no writing statement, so that triggers of the application see changes only.

mod budget;
mod calls;
mod channels;
mod checks;
mod commands;
mod compare;
mod history;
mod ledger;
mod lines;
mod postgres;
mod rollouts;
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

pub use self::postgres::PgMapping;
pub use self::sqlite::SqliteMapping;
use crate::ports::{Budget, Existing, Flip, Mapping, MappingError, MappingErrorKind, RolloutStep};
use crate::resources::{Management, TenantTable};
use crate::telemetry::DatabaseLine;

/// How a mapping is used.
#[derive(Debug, Clone)]
pub struct MappingOptions {
    /// The PostgreSQL schema of the two tables; `None`: where the connection's search path finds them.
    pub schema: Option<String>,
    /// Who makes the two tables.
    pub management: Management,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long one statement may take, waiting for locks included.
    pub statement_timeout: Duration,
    /// Set by whoever made this mapping when it makes another in its place, from a new URL say: then a fence that was
    /// raised is no contest of two programs, and passes with the next look.
    pub replaced: Arc<AtomicBool>,
    /// Nothing is made, written or fenced: for looking at a mapping that another process may be working on. Where there
    /// is no ledger yet, an empty one is shown.
    pub read_only: bool,
    /// Of what is read only, the request budgets are kept all the same, and without the fence: for who reads from Omni and
    /// writes nowhere. Its calls count, and it shuts nobody out.
    pub takes_places: bool,
    /// Of what is read only, commands may be given all the same: whoever leads carries them out.
    pub takes_commands: bool,
    /// Where every call to the database is told.
    pub line: Arc<DatabaseLine>,
}

impl MappingOptions {
    /// What a raised fence means.
    fn fence_raised(&self) -> MappingErrorKind {
        if self.replaced.load(Ordering::SeqCst) {
            MappingErrorKind::Superseded
        } else {
            MappingErrorKind::Contended
        }
    }
}

impl Default for MappingOptions {
    fn default() -> Self {
        Self {
            schema: None,
            management: Management::default(),
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            replaced: Arc::default(),
            read_only: false,
            takes_places: false,
            takes_commands: false,
            line: Arc::default(),
        }
    }
}

/// One database, as the reconcilers see it and as the clients of Omni do.
#[derive(Clone)]
pub struct Connected {
    /// The tables and the ledger.
    pub mapping: Arc<dyn Mapping>,
    /// The request budgets; they want the mapping prepared.
    pub budget: Arc<dyn Budget>,
}

impl Connected {
    fn to(adapter: impl Mapping + Budget + 'static) -> Self {
        let adapter = Arc::new(adapter);
        Self {
            mapping: Arc::clone(&adapter) as _,
            budget: adapter,
        }
    }
}

/// Connects to the database that the URL names, for its mapping alone; see [`open`].
///
/// # Errors
/// Those of [`open`].
pub async fn connect(url: &SecretString, options: MappingOptions) -> Result<Arc<dyn Mapping>, MappingError> {
    Ok(open(url, options).await?.mapping)
}

/// Connects to the database that the URL names: `postgres://…`, `postgresql://…` or `sqlite:…`.
///
/// # Errors
/// When the URL is none of these, when the database does not let us in, and when the options do not fit it.
/// No error holds the URL or its password.
pub async fn open(url: &SecretString, options: MappingOptions) -> Result<Connected, MappingError> {
    let (line, started) = (Arc::clone(&options.line), Instant::now());
    let connected = connect_by_scheme(url, options).await;
    let outcome = connected.as_ref().map_or_else(|error| word(&error.kind), |_| DONE);
    line.called("connect", outcome, started.elapsed());
    connected
}

/// What stands in the application's two tables, and in its table of tenants where one is asked for: read in one snapshot,
/// whether or not there is a ledger. Nothing is made, written or fenced. Tables that are Wavepin's to make, and are not made
/// yet, have no rows.
///
/// # Errors
/// Those of [`open`], and what keeps the tables from being the mapping of an instance, as it would be told when they are
/// prepared.
pub async fn existing(
    url: &SecretString,
    options: MappingOptions,
    tenants: Option<&TenantTable>,
) -> Result<Existing, MappingError> {
    let options = MappingOptions {
        read_only: true,
        takes_places: false,
        takes_commands: false,
        ..options
    };
    match scheme(url) {
        Some("postgres" | "postgresql") => PgMapping::connect(url, options).await?.existing(tenants).await,
        Some("sqlite") => SqliteMapping::existing(url, options, tenants).await,
        _ => Err(unknown_scheme()),
    }
}

fn scheme(url: &SecretString) -> Option<&str> {
    url.expose_secret().split_once(':').map(|(scheme, _)| scheme)
}

fn unknown_scheme() -> MappingError {
    MappingError {
        action: CONNECT.to_owned(),
        kind: MappingErrorKind::Refused {
            why: "its URL starts with none of postgres://, postgresql:// and sqlite:".to_owned(),
        },
    }
}

async fn connect_by_scheme(url: &SecretString, options: MappingOptions) -> Result<Connected, MappingError> {
    match scheme(url) {
        Some("postgres" | "postgresql") => {
            let read_only = options.read_only;
            let mapping = PgMapping::connect(url, options).await?;
            if read_only && !mapping.has_ledger().await? {
                return nothing_yet().await;
            }
            Ok(Connected::to(mapping))
        }
        Some("sqlite") if options.read_only && !SqliteMapping::has_ledger(url, &options).await? => nothing_yet().await,
        Some("sqlite") => Ok(Connected::to(SqliteMapping::connect(url, options).await?)),
        _ => Err(unknown_scheme()),
    }
}

/// An empty ledger, to look at where there is none yet.
async fn nothing_yet() -> Result<Connected, MappingError> {
    let url = SecretString::from("sqlite::memory:");
    let empty = SqliteMapping::connect(&url, MappingOptions::default()).await?;
    Ok(Connected::to(empty))
}

/// What connecting is called in errors.
const CONNECT: &str = "connect to the mapping database";

/// A call that did what it was asked, in measures.
const DONE: &str = "done";

/// How a call failed, in measures.
const fn word(kind: &MappingErrorKind) -> &'static str {
    match kind {
        MappingErrorKind::Unreachable { .. } => "unreachable",
        MappingErrorKind::Locked { .. } => "locked",
        MappingErrorKind::Owned { .. } | MappingErrorKind::Contended | MappingErrorKind::Superseded => "fenced",
        MappingErrorKind::Rights { .. } => "forbidden",
        MappingErrorKind::Schema { .. } => "schema",
        MappingErrorKind::Ambiguous { .. }
        | MappingErrorKind::Conflict { .. }
        | MappingErrorKind::Invalid { .. }
        | MappingErrorKind::Refused { .. } => "refused",
    }
}

/// Tells the line how a call of this class went.
async fn measured<T>(
    line: &DatabaseLine,
    class: &'static str,
    work: impl Future<Output = Result<T, MappingErrorKind>>,
) -> Result<T, MappingErrorKind> {
    let started = Instant::now();
    let worked = work.await;
    line.called(class, worked.as_ref().map_or_else(word, |_| DONE), started.elapsed());
    worked
}

/// Measures that a flip was committed, where it was one of a rollout.
fn flipped(line: &DatabaseLine, flip: &Flip, took: Duration) {
    if let Some(direction) = flip.direction() {
        line.flipped(direction, flip.moves.len(), took);
    }
}

/// Measures that a step was put on record, where it stops a rollout.
fn recorded(line: &DatabaseLine, step: &RolloutStep) {
    if let RolloutStep::Stopped { .. } = step {
        line.stopped(rollouts::words(step).kind);
    }
}
