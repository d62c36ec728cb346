//! The mapping in PostgreSQL.
//!
//! No lock and no setting outlives its transaction, and no statement is prepared by name, so that a pooler that
//! lends server connections by transaction may stand in between.

mod budget;
mod channels;
mod checks;
mod columns;
mod commands;
mod environment;
mod errors;
mod existing;
mod flip;
mod found;
mod history;
mod organization;
mod schema;
mod session;
mod tenants;
mod versions;

use std::future::Future;
use std::sync::Arc;

use secrecy::SecretString;
use sqlx::PgPool;
use tokio::sync::RwLock;

use self::session::Session;
use super::calls::calls_by_their_parts;
use super::ledger::{Failure, not_prepared};
use super::{CONNECT, MappingOptions, measured};
use crate::ports::{MappingError, MappingErrorKind};

/// A mapping in PostgreSQL.
#[derive(Debug)]
pub struct PgMapping {
    pool: PgPool,
    options: MappingOptions,
    /// Who we are there, for the statements that would give us a missing right; quoted.
    user: String,
    database: String,
    state: RwLock<State>,
}

/// What was found and taken so far.
#[derive(Debug, Default)]
struct State {
    fence: Option<Fence>,
    /// Looked for again after the database said that they are not what they were.
    tables: Option<Arc<Tables>>,
}

/// What this writer took.
#[derive(Debug, Clone)]
struct Fence {
    owner: String,
    token: i64,
}

/// The application's two tables.
#[derive(Debug)]
struct Tables {
    /// Quoted, with their schema.
    dashboard_model: String,
    tenant_version: String,
    dashboard_id_is_uuid: bool,
    /// A unique key keeps a version's slugs apart; without one a lock on the table has to.
    dashboard_model_is_keyed: bool,
    /// Made by us: with a column for the document's id.
    managed: bool,
}

impl PgMapping {
    /// Connects with the time-outs of the options, once, so that what is wrong with the URL or the server is told now.
    ///
    /// # Errors
    /// When the URL is not understood, the server cannot be reached or does not let us in.
    pub async fn connect(url: &SecretString, options: MappingOptions) -> Result<Self, MappingError> {
        let (pool, whom) = session::connect(url, &options).await.map_err(|kind| MappingError {
            action: CONNECT.to_owned(),
            kind,
        })?;
        Ok(Self {
            pool,
            options,
            user: whom.user,
            database: whom.database,
            state: RwLock::default(),
        })
    }

    /// Runs the work of a call within its time, measures it, and names the call in its error.
    async fn run<T>(
        &self,
        class: &'static str,
        action: impl FnOnce() -> String + Send,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, MappingError> {
        // The server ends a statement in time itself; this is for a server that is no longer there to do so.
        let patience = self.options.connect_timeout + 2 * self.options.statement_timeout;
        let in_time = async {
            match tokio::time::timeout(patience, work).await {
                Ok(worked) => worked.map_err(|failure| errors::kind_of(failure, || self.grants())),
                Err(_) => Err(MappingErrorKind::Unreachable {
                    why: format!("no answer within {} seconds", patience.as_secs()),
                }),
            }
        };
        let kind = match measured(&self.options.line, class, in_time).await {
            Ok(done) => return Ok(done),
            Err(kind) => kind,
        };
        if matches!(kind, MappingErrorKind::Schema { .. }) {
            self.state.write().await.tables = None;
        }
        Err(MappingError { action: action(), kind })
    }

    /// The tables, as `prepare` found them.
    async fn tables(&self) -> Result<Arc<Tables>, Failure> {
        Ok(self.state.read().await.tables.clone().ok_or_else(not_prepared)?)
    }

    /// One state of the database for all statements, and no right to change it.
    async fn snapshot(&self) -> Result<Session, Failure> {
        let repeatable = "ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Session::begin(&self.pool, repeatable, self.options.statement_timeout).await
    }

    /// A transaction for writing, behind the fence.
    async fn transaction(&self) -> Result<Session, Failure> {
        let fence = self.state.read().await.fence.clone().ok_or_else(not_prepared)?;
        let mut session = self.unfenced().await?;
        let held: Option<i64> =
            session::value("SELECT token FROM wavepin.fence WHERE owner = $1 AND token = $2 FOR SHARE")
                .bind(&fence.owner)
                .bind(fence.token)
                .fetch_optional(session.on())
                .await?;
        match held {
            Some(_) => Ok(session),
            None => {
                session.rollback().await?;
                Err(self.options.fence_raised().into())
            }
        }
    }

    /// A transaction for writing to the application's rows. It gives up early on a lock, so that one row that the
    /// application keeps locked can be told from a server that is slow, and does not hold the others up for long.
    async fn transaction_on_rows(&self) -> Result<Session, Failure> {
        let mut session = self.transaction().await?;
        session
            .give_up_on_locks_after(self.options.statement_timeout / 6)
            .await?;
        Ok(session)
    }

    /// A transaction for a place in the budget: behind the fence too, but for one who writes nothing else and has none.
    async fn transaction_on_places(&self) -> Result<Session, Failure> {
        if self.options.read_only && self.options.takes_places {
            return self.unfenced().await;
        }
        self.transaction().await
    }

    /// A transaction for writing that is still to take the fence.
    async fn unfenced(&self) -> Result<Session, Failure> {
        let committed = "ISOLATION LEVEL READ COMMITTED READ WRITE";
        Session::begin(&self.pool, committed, self.options.statement_timeout).await
    }
}

calls_by_their_parts!(PgMapping);
