//! Who was told what of rollouts.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::channels::{ChannelLine, StepLine, channels, count, micros, records, told_through};
use super::super::ledger::Failure;
use super::super::rollouts::COLUMNS;
use super::SqliteMapping;
use crate::ports::{ChannelNote, ChannelRecord, ChannelRecords};

impl SqliteMapping {
    pub(super) async fn write_channels(
        &self,
        environment: &str,
        notes: &[(String, ChannelNote)],
    ) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        for (name, note) in notes {
            match note {
                ChannelNote::Begin => begin(&mut transaction, environment, name).await?,
                ChannelNote::Set(record) => set(&mut transaction, environment, name, record).await?,
                ChannelNote::End => {
                    sqlx::query("DELETE FROM wavepin_rollout_channel WHERE environment = ? AND name = ?")
                        .bind(environment)
                        .bind(name)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn begin(connection: &mut SqliteConnection, environment: &str, name: &str) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO wavepin_rollout_channel (environment, name, told_through) \
         SELECT ?1, ?2, coalesce((SELECT max(id) FROM wavepin_rollout_event WHERE environment = ?1), 0) WHERE true \
         ON CONFLICT DO NOTHING",
    )
    .bind(environment)
    .bind(name)
    .execute(connection)
    .await?;
    Ok(())
}

async fn set(
    connection: &mut SqliteConnection,
    environment: &str,
    name: &str,
    record: &ChannelRecord,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE wavepin_rollout_channel SET told_through = ?3, waiting = ?4, tries = ?5, failing_since = ?6, \
         retry_at = ?7, why = ?8, declared = ?9, given_up = ?10, gave_up_at = ?11 WHERE environment = ?1 AND name = ?2",
    )
    .bind(environment)
    .bind(name)
    .bind(record.told_through)
    .bind(record.waiting.as_deref())
    .bind(count(record.tries))
    .bind(micros(record.failing_since))
    .bind(micros(record.retry_at))
    .bind(&record.why)
    .bind(&record.declared)
    .bind(count(record.given_up))
    .bind(micros(record.gave_up_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// The channels of an environment, and the steps that some of them was not told yet.
pub(super) async fn channel_records(
    connection: &mut SqliteConnection,
    environment: &str,
) -> Result<ChannelRecords, Failure> {
    let read: Vec<ChannelLine> = sqlx::query_as(
        "SELECT name, told_through, waiting, tries, failing_since, retry_at, why, declared, given_up, gave_up_at \
         FROM wavepin_rollout_channel WHERE environment = ?",
    )
    .bind(environment)
    .fetch_all(&mut *connection)
    .await?;
    let channels = channels(read)?;
    let mut steps: Vec<StepLine> = Vec::new();
    for told in told_through(&channels) {
        let untold: Vec<StepLine> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT id, at, {COLUMNS}, (SELECT opened.members FROM wavepin_rollout_event AS opened \
         WHERE opened.environment = step.environment AND opened.attempt = step.attempt AND opened.kind = 'Opened' \
         AND opened.wave = step.wave) AS opened_with \
         FROM wavepin_rollout_event AS step WHERE environment = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        )))
        .bind(environment)
        .bind(told)
        .bind(ChannelRecords::MOST)
        .fetch_all(&mut *connection)
        .await?;
        steps.extend(untold);
    }
    Ok(records(channels, steps)?)
}
