//! A fresh database with a mapping, and a way to look into it that is not Wavepin's.

use std::sync::Arc;

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use wavepin::mapping::{MappingOptions, connect};
use wavepin::ports::Mapping;

/// One test's database.
pub(crate) struct Bed {
    pub(crate) url: SecretString,
    pub(crate) options: MappingOptions,
    database: Database,
}

enum Database {
    Sqlite {
        hand: Mutex<SqliteConnection>,
        _folder: TempDir,
    },
}

impl Bed {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let url = format!("sqlite:{}", folder.path().join("mapping.db").display());
        let hand = SqliteConnection::connect(&format!("{url}?mode=rwc"))
            .await
            .expect("the file can be made");
        Self {
            url: SecretString::from(url),
            options: MappingOptions::default(),
            database: Database::Sqlite {
                hand: Mutex::new(hand),
                _folder: folder,
            },
        }
    }

    /// Another connection to it, as another process has one; not prepared.
    pub(crate) async fn connect(&self) -> Arc<dyn Mapping> {
        connect(&self.url, self.options.clone())
            .await
            .expect("the database lets us in")
    }

    /// A writer that is prepared for the owner `acme`.
    pub(crate) async fn writer(&self) -> Arc<dyn Mapping> {
        let mapping = self.connect().await;
        mapping.prepare("acme", None).await.expect("the mapping is free");
        mapping
    }

    /// Does by hand what the statement says, and returns the first column of its rows.
    pub(crate) async fn try_by_hand(&self, sql: &str) -> Result<Vec<String>, String> {
        match &self.database {
            Database::Sqlite { hand, .. } => {
                let mut hand = hand.lock().await;
                let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *hand).await;
                let rows = rows.map_err(|source| source.to_string())?;
                Ok(rows.iter().map(|row| row.get::<String, _>(0)).collect())
            }
        }
    }

    pub(crate) async fn by_hand(&self, sql: &str) -> Vec<String> {
        match self.try_by_hand(sql).await {
            Ok(rows) => rows,
            Err(why) => panic!("{sql}: {why}"),
        }
    }

    /// The name of one of the ledger's tables.
    pub(crate) fn ledger(&self, table: &str) -> String {
        match &self.database {
            Database::Sqlite { .. } => format!("wavepin_{table}"),
        }
    }

    /// What stays the same as long as nobody sends a writing statement. To be called once before as well.
    pub(crate) async fn writes(&self) -> String {
        match &self.database {
            Database::Sqlite { hand, .. } => {
                let mut hand = hand.lock().await;
                let version: i64 = sqlx::query_scalar("PRAGMA data_version")
                    .fetch_one(&mut *hand)
                    .await
                    .expect("every database has one");
                version.to_string()
            }
        }
    }
}
