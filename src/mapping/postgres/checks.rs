//! What checks of rollouts were answered.

use sqlx::PgConnection;

use super::super::checks::{CheckLine, newest};
use super::super::ledger::Failure;
use super::PgMapping;
use super::session::{Session, lines, statement};
use crate::ports::{CheckNote, CheckRecord, CheckResult};

impl PgMapping {
    pub(super) async fn write_checks(&self, environment: &str, results: &[CheckResult]) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let mut written = false;
        for result in results {
            let read = check_lines(session.on(), environment, Some(result.attempt)).await?;
            let mut newest = newest(read)?;
            let newest = newest.remove(&(result.wave.clone(), result.check.clone()));
            match (result.beside(newest.as_ref().map(|(_, record)| record)), newest) {
                (CheckNote::New(record), _) => insert(&mut session, environment, result, &record).await?,
                (CheckNote::Again(at), Some((id, _))) => {
                    statement(
                        "UPDATE wavepin.rollout_check \
                         SET asked_at = timestamptz 'epoch' + $2 * interval '1 microsecond' WHERE id = $1",
                    )
                    .bind(id)
                    .bind(at.as_microsecond())
                    .execute(session.on())
                    .await?;
                }
                (CheckNote::Again(_) | CheckNote::Nothing, _) => continue,
            }
            written = true;
        }
        if written {
            session.commit().await
        } else {
            session.rollback().await
        }
    }
}

async fn insert(
    session: &mut Session,
    environment: &str,
    result: &CheckResult,
    record: &CheckRecord,
) -> Result<(), Failure> {
    let failing: Vec<String> = record.answer.failing.iter().cloned().collect();
    statement(
        "INSERT INTO wavepin.rollout_check \
         (at, asked_at, environment, attempt, wave, name, outcome, failures, failing, message) \
         SELECT asked.at, asked.at, $2, $3, $4, $5, $6, $7, $8, $9 \
         FROM (SELECT timestamptz 'epoch' + $1 * interval '1 microsecond' AS at) AS asked",
    )
    .bind(record.asked_at.as_microsecond())
    .bind(environment.to_owned())
    .bind(result.attempt)
    .bind(result.wave.clone())
    .bind(result.check.clone())
    .bind(record.answer.outcome.word())
    .bind(i32::try_from(record.failures).unwrap_or(i32::MAX))
    .bind(failing)
    .bind(record.answer.message.clone())
    .execute(session.on())
    .await?;
    Ok(())
}

/// The newest row a check and wave of an attempt; of the newest attempt, where none is named.
pub(super) async fn check_lines(
    connection: &mut PgConnection,
    environment: &str,
    attempt: Option<i32>,
) -> Result<Vec<CheckLine>, Failure> {
    let read = lines(
        "SELECT DISTINCT ON (wave, name) id, (extract(epoch FROM at) * 1000000)::bigint AS at, \
         (extract(epoch FROM asked_at) * 1000000)::bigint AS asked_at, wave, name, outcome, failures, \
         to_json(failing)::text AS failing, message \
         FROM wavepin.rollout_check WHERE environment = $1 AND attempt = \
         coalesce($2, (SELECT max(attempt) FROM wavepin.rollout_event WHERE environment = $1)) \
         ORDER BY wave, name, id DESC",
    )
    .bind(environment.to_owned())
    .bind(attempt)
    .fetch_all(connection)
    .await?;
    Ok(read)
}
