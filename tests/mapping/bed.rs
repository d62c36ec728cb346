//! A fresh database with a mapping, and a way to look into it that is not Wavepin's.

use std::sync::Arc;

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use wavepin::mapping::{Connected, MappingOptions, connect, open};
use wavepin::ports::Mapping;
use wavepin::resources::Management;

use crate::parts::Postgres;

/// Watches every table of ours and the application's for writing statements, those without a row included, and says
/// how many there were.
const WATCH: &str = "
CREATE TABLE IF NOT EXISTS public.seen (what text);
CREATE OR REPLACE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN INSERT INTO public.seen VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
DO $$ DECLARE it regclass; BEGIN
    FOR it IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname <> 'seen'
        AND relnamespace IN ('wavepin'::regnamespace, 'public'::regnamespace)
    LOOP EXECUTE format('CREATE OR REPLACE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s \
        FOR EACH STATEMENT EXECUTE FUNCTION public.see()', it); END LOOP;
END $$;
SELECT count(*), string_agg(what, ', ') FROM public.seen;";

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
    Postgres(crate::parts::Database),
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

    /// An empty database on the server of all tests.
    pub(crate) fn postgres() -> Self {
        let database = Postgres::shared().database("mapping");
        Self {
            url: SecretString::from(database.url.clone()),
            options: MappingOptions::default(),
            database: Database::Postgres(database),
        }
    }

    /// A database with the application's own tables, made by the statements.
    pub(crate) fn external(tables: &str) -> Self {
        let mut bed = Self::postgres();
        bed.options.management = Management::External;
        if let Database::Postgres(database) = &bed.database {
            database.psql(tables);
        }
        bed
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

    /// The same, with its budgets.
    pub(crate) async fn budgets(&self) -> Connected {
        let connected = open(&self.url, self.options.clone())
            .await
            .expect("the database lets us in");
        connected
            .mapping
            .prepare("acme", None)
            .await
            .expect("the mapping is free");
        connected
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
            Database::Postgres(database) => {
                let output = database.try_psql(sql);
                if output.status.success() {
                    Ok(output.success().lines().map(str::to_owned).collect())
                } else {
                    Err(output.failure())
                }
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
            Database::Postgres(_) => format!("wavepin.{table}"),
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
            Database::Postgres(database) => database.psql(WATCH),
        }
    }
}
