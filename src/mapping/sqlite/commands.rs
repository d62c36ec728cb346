//! What people order past the declared objects.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::commands::{COLUMNS, CommandLine, standing, still_newest, words};
use super::super::ledger::Failure;
use super::SqliteMapping;
use crate::ports::{Command, Order};

impl SqliteMapping {
    pub(super) async fn read_newest_command(&self) -> Result<i64, Failure> {
        let mut snapshot = self.snapshot().await?;
        let newest = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM wavepin_command")
            .fetch_one(&mut *snapshot)
            .await?;
        Ok(newest)
    }

    pub(super) async fn write_command(&self, command: &Command) -> Result<i64, Failure> {
        let mut transaction = self.unfenced().await?;
        let words = words(command);
        if words.attempt.is_some() {
            let newest: Option<i32> =
                sqlx::query_scalar("SELECT max(attempt) FROM wavepin_rollout_event WHERE environment = ?")
                    .bind(&command.environment)
                    .fetch_one(&mut *transaction)
                    .await?;
            still_newest(words.attempt, newest)?;
        }
        let number = sqlx::query_scalar(
            "INSERT INTO wavepin_command (at, environment, kind, attempt, wave, tenant, lifts, ordered_by, reason) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(Timestamp::now().as_microsecond())
        .bind(&command.environment)
        .bind(words.kind)
        .bind(words.attempt)
        .bind(words.wave)
        .bind(words.tenant)
        .bind(words.lifts)
        .bind(&command.by)
        .bind(&command.reason)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(number)
    }
}

/// The orders of an environment that nobody has lifted, oldest first.
pub(super) async fn orders(connection: &mut SqliteConnection, environment: &str) -> Result<Vec<Order>, Failure> {
    let read: Vec<CommandLine> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT at, {COLUMNS} FROM wavepin_command WHERE environment = ?1 ORDER BY id"
    )))
    .bind(environment)
    .fetch_all(connection)
    .await?;
    Ok(standing(read)?)
}
