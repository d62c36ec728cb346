//! Who was told what of rollouts.

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::channels::{ChannelLine, StepLine, channels, count, micros, records, told_through};
use super::super::ledger::Failure;
use super::super::rollouts::COLUMNS;
use super::PgMapping;
use super::session::{Session, lines, statement};
use crate::ports::{ChannelNote, ChannelRecord, ChannelRecords};

impl PgMapping {
    pub(super) async fn write_channels(
        &self,
        environment: &str,
        notes: &[(String, ChannelNote)],
    ) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        for (name, note) in notes {
            match note {
                ChannelNote::Begin => begin(&mut session, environment, name).await?,
                ChannelNote::Set(record) => set(&mut session, environment, name, record).await?,
                ChannelNote::End => {
                    statement("DELETE FROM wavepin.rollout_channel WHERE environment = $1 AND name = $2")
                        .bind(environment.to_owned())
                        .bind(name.clone())
                        .execute(session.on())
                        .await?;
                }
            }
        }
        session.commit().await
    }
}

async fn begin(session: &mut Session, environment: &str, name: &str) -> Result<(), Failure> {
    statement(
        "INSERT INTO wavepin.rollout_channel (environment, name, told_through) \
         SELECT $1, $2, coalesce(max(id), 0) FROM wavepin.rollout_event WHERE environment = $1 ON CONFLICT DO NOTHING",
    )
    .bind(environment.to_owned())
    .bind(name.to_owned())
    .execute(session.on())
    .await?;
    Ok(())
}

async fn set(session: &mut Session, environment: &str, name: &str, record: &ChannelRecord) -> Result<(), Failure> {
    statement(
        "UPDATE wavepin.rollout_channel SET told_through = $3, waiting = $4, tries = $5, \
         failing_since = timestamptz 'epoch' + $6 * interval '1 microsecond', \
         retry_at = timestamptz 'epoch' + $7 * interval '1 microsecond', why = $8, declared = $9, given_up = $10, \
         gave_up_at = timestamptz 'epoch' + $11 * interval '1 microsecond' WHERE environment = $1 AND name = $2",
    )
    .bind(environment.to_owned())
    .bind(name.to_owned())
    .bind(record.told_through)
    .bind(record.waiting.clone())
    .bind(count(record.tries))
    .bind(micros(record.failing_since))
    .bind(micros(record.retry_at))
    .bind(record.why.clone())
    .bind(record.declared.clone())
    .bind(count(record.given_up))
    .bind(micros(record.gave_up_at))
    .execute(session.on())
    .await?;
    Ok(())
}

/// The channels of an environment, and the steps that some of them was not told yet.
pub(super) async fn channel_records(
    connection: &mut PgConnection,
    environment: &str,
) -> Result<ChannelRecords, Failure> {
    let read: Vec<ChannelLine> = lines(
        "SELECT name, told_through, waiting, tries, (extract(epoch FROM failing_since) * 1000000)::bigint AS failing_since, \
         (extract(epoch FROM retry_at) * 1000000)::bigint AS retry_at, why, declared, given_up, \
         (extract(epoch FROM gave_up_at) * 1000000)::bigint AS gave_up_at \
         FROM wavepin.rollout_channel WHERE environment = $1",
    )
    .bind(environment.to_owned())
    .fetch_all(&mut *connection)
    .await?;
    let channels = channels(read)?;
    let mut steps: Vec<StepLine> = Vec::new();
    for told in told_through(&channels) {
        let untold: Vec<StepLine> = lines(AssertSqlSafe(format!(
            "SELECT id, (extract(epoch FROM at) * 1000000)::bigint AS at, {COLUMNS}, \
         (SELECT opened.members FROM wavepin.rollout_event AS opened \
         WHERE opened.environment = step.environment AND opened.attempt = step.attempt AND opened.kind = 'Opened' \
         AND opened.wave = step.wave) AS opened_with \
         FROM wavepin.rollout_event AS step WHERE environment = $1 AND id > $2 ORDER BY id LIMIT $3"
        )))
        .bind(environment.to_owned())
        .bind(told)
        .bind(i64::from(ChannelRecords::MOST))
        .fetch_all(&mut *connection)
        .await?;
        steps.extend(untold);
    }
    Ok(records(channels, steps)?)
}
