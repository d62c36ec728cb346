//! What checks of rollouts were answered.

use sqlx::SqliteConnection;

use super::super::checks::{CheckLine, newest};
use super::super::ledger::{Failure, json_text};
use super::SqliteMapping;
use crate::ports::{CheckNote, CheckRecord, CheckResult};

impl SqliteMapping {
    pub(super) async fn write_checks(&self, environment: &str, results: &[CheckResult]) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        for result in results {
            let read = check_lines(&mut transaction, environment, Some(result.attempt)).await?;
            let mut newest = newest(read)?;
            let newest = newest.remove(&(result.wave.clone(), result.check.clone()));
            match (result.beside(newest.as_ref().map(|(_, record)| record)), newest) {
                (CheckNote::New(record), _) => insert(&mut transaction, environment, result, &record).await?,
                (CheckNote::Again(at), Some((id, _))) => {
                    sqlx::query("UPDATE wavepin_rollout_check SET asked_at = ?2 WHERE id = ?1")
                        .bind(id)
                        .bind(at.as_microsecond())
                        .execute(&mut *transaction)
                        .await?;
                }
                (CheckNote::Again(_) | CheckNote::Nothing, _) => {}
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    environment: &str,
    result: &CheckResult,
    record: &CheckRecord,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO wavepin_rollout_check \
         (at, asked_at, environment, attempt, wave, name, outcome, failures, failing, message) \
         VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(record.asked_at.as_microsecond())
    .bind(environment)
    .bind(result.attempt)
    .bind(&result.wave)
    .bind(&result.check)
    .bind(record.answer.outcome.word())
    .bind(record.failures)
    .bind(json_text(&record.answer.failing))
    .bind(&record.answer.message)
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest row a check and wave of an attempt; of the newest attempt, where none is named.
pub(super) async fn check_lines(
    connection: &mut SqliteConnection,
    environment: &str,
    attempt: Option<i32>,
) -> Result<Vec<CheckLine>, Failure> {
    let read = sqlx::query_as(
        "SELECT id, at, asked_at, wave, name, outcome, failures, failing, message FROM wavepin_rollout_check \
         WHERE id IN (SELECT max(id) FROM wavepin_rollout_check WHERE environment = ?1 AND attempt = \
         coalesce(?2, (SELECT max(attempt) FROM wavepin_rollout_event WHERE environment = ?1)) GROUP BY wave, name)",
    )
    .bind(environment)
    .bind(attempt)
    .fetch_all(connection)
    .await?;
    Ok(read)
}
