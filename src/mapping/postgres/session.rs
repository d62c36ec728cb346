//! The way in: the URL, the pool, and a transaction with its time-outs.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, FromRow, PgConnection, PgPool, Postgres,
    SqlSafeStr,
};
use url::Url;

use super::super::MappingOptions;
use super::super::ledger::Failure;
use super::errors;
use crate::ports::MappingErrorKind;

/// A few: one instance's reconcilers seldom ask at the same time, and servers count connections.
const CONNECTIONS: u32 = 5;

/// What the driver reads of a URL's query. It would log the values of others.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Who we are there; quoted.
pub(super) struct Whom {
    pub(super) user: String,
    pub(super) database: String,
}

/// Connects once, to learn what is wrong if anything is: a pool tries again until its time is up, and then says only
/// that it is up.
pub(super) async fn connect(url: &SecretString, options: &MappingOptions) -> Result<(PgPool, Whom), MappingErrorKind> {
    let connect = parse(url)?;
    let place = format!("{}:{}", connect.get_host(), connect.get_port());
    let looked = tokio::time::timeout(options.connect_timeout, look(&connect)).await;
    let whom = match looked {
        Ok(Ok(whom)) => whom,
        Ok(Err(source)) => {
            let told = source.as_database_error().and_then(|told| told.code());
            let is_let_in = !told.is_some_and(|code| code.starts_with("28"));
            let user = connect.get_username();
            return Err(match errors::kind_of(source.into(), String::new) {
                MappingErrorKind::Refused { why } if !is_let_in => MappingErrorKind::Unreachable {
                    why: format!(
                        "{place}: the database refuses user {user:?} ({why}); correct the user or the password in the \
                         URL that the Secret holds"
                    ),
                },
                MappingErrorKind::Unreachable { why } => MappingErrorKind::Unreachable {
                    why: format!("{place}: {why}"),
                },
                other => other,
            });
        }
        Err(_) => {
            return Err(MappingErrorKind::Unreachable {
                why: format!(
                    "{place}: no answer within {} seconds",
                    options.connect_timeout.as_secs()
                ),
            });
        }
    };
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(options.connect_timeout)
        .connect_lazy_with(connect);
    Ok((pool, whom))
}

async fn look(connect: &PgConnectOptions) -> Result<Whom, sqlx::Error> {
    let mut connection = connect.connect().await?;
    let (user, database): (String, String) = lines("SELECT quote_ident(current_user), quote_ident(current_database())")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Whom { user, database })
}

fn parse(url: &SecretString) -> Result<PgConnectOptions, MappingErrorKind> {
    let refused = |why: String| MappingErrorKind::Refused { why };
    let url = Url::parse(url.expose_secret()).map_err(|source| refused(format!("its URL is none: {source}")))?;
    let mut known = url.clone();
    known.set_query(None);
    for (key, value) in url.query_pairs() {
        if PARAMETERS.contains(&key.as_ref()) || key.starts_with("options[") {
            known.query_pairs_mut().append_pair(&key, &value);
        } else {
            tracing::debug!(%key, "a parameter of the mapping database's URL is not known and not used");
        }
    }
    // The driver's words are left out: they may quote the URL.
    let connect = PgConnectOptions::from_str(known.as_str()).map_err(|_| {
        refused("a parameter of its URL (sslmode, port, hostaddr) has a value that is not understood".to_owned())
    })?;
    let connect = match connect.get_application_name() {
        Some(_) => connect,
        None => connect.application_name("wavepin"),
    };
    // No floating-point number is ever read, and poolers refuse settings that they do not know.
    Ok(connect.extra_float_digits(None).disable_statement_logging())
}

/// One transaction on a connection of the pool. When it is neither committed nor rolled back, as when its time is
/// up or its work failed, the connection is closed, and with it the transaction.
pub(super) struct Session(Option<PoolConnection<Postgres>>);

impl Session {
    /// Begins a transaction of the isolation that is given.
    pub(super) async fn begin(pool: &PgPool, isolation: &str, statement_timeout: Duration) -> Result<Self, Failure> {
        let mut session = Self(Some(pool.acquire().await?));
        // The server ends a transaction whose client is gone: it holds locks that others wait for.
        let begin = format!(
            "BEGIN {isolation}; SET LOCAL statement_timeout = {timeout}; \
             SET LOCAL idle_in_transaction_session_timeout = {timeout}",
            timeout = statement_timeout.as_millis()
        );
        session.on().execute(AssertSqlSafe(begin)).await?;
        Ok(session)
    }

    /// Waits for no lock longer than this, until the transaction ends.
    pub(super) async fn give_up_on_locks_after(&mut self, wait: Duration) -> Result<(), Failure> {
        let set = format!("SET LOCAL lock_timeout = {}", wait.as_millis().max(1));
        self.on().execute(AssertSqlSafe(set)).await?;
        Ok(())
    }

    pub(super) fn on(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is taken only when the session ends")
    }

    pub(super) async fn commit(self) -> Result<(), Failure> {
        self.end("COMMIT").await
    }

    pub(super) async fn rollback(self) -> Result<(), Failure> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), Failure> {
        self.on().execute(statement).await?;
        // Back to the pool.
        drop(self.0.take());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

/// A statement, not prepared by name.
pub(super) fn statement(sql: impl SqlSafeStr) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

/// A query for rows, not prepared by name.
pub(super) fn lines<T>(sql: impl SqlSafeStr) -> QueryAs<'static, Postgres, T, PgArguments>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(false)
}

/// A query for a value, not prepared by name.
pub(super) fn value<T>(sql: impl SqlSafeStr) -> QueryScalar<'static, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}
