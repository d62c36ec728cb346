//! What people ask of the ledger.

use sqlx::AssertSqlSafe;

use super::super::history::{self, BatchesLine, MoveLine};
use super::super::ledger::Failure;
use super::super::rollouts::{COLUMNS, RolloutLine};
use super::SqliteMapping;
use crate::ports::{History, HistoryAsk, HistoryOf};

impl SqliteMapping {
    pub(super) async fn read_history(&self, ask: &HistoryAsk) -> Result<History, Failure> {
        match &ask.of {
            HistoryOf::Tenant(tenant) => self.history_of_tenant(ask, tenant).await,
            HistoryOf::Rollout(rollout) => self.history_of_rollout(ask, rollout).await,
        }
    }

    async fn history_of_tenant(&self, ask: &HistoryAsk, tenant: &str) -> Result<History, Failure> {
        let mut snapshot = self.snapshot().await?;
        let read: Vec<MoveLine> = sqlx::query_as(
            "SELECT event.at, event.environment, event.kind, \
             json_extract(event.from_version, '$[' || named.key || ']') AS from_version, event.to_version, \
             event.wanted_version, event.reason, event.attempt, event.wave, \
             (SELECT started.holder FROM wavepin_rollout_event AS started \
             WHERE started.environment = event.environment AND started.attempt = event.attempt \
             AND started.kind = 'Started') AS rollout \
             FROM wavepin_pin_event AS event, json_each(event.tenants) AS named \
             WHERE named.value = ?1 AND (?2 IS NULL OR event.environment = ?2) AND (?3 IS NULL OR event.at >= ?3) \
             ORDER BY event.id DESC LIMIT ?4",
        )
        .bind(tenant)
        .bind(&ask.environment)
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(history::most(ask))
        .fetch_all(&mut *snapshot)
        .await?;
        Ok(history::of_tenant(ask, read)?)
    }

    async fn history_of_rollout(&self, ask: &HistoryAsk, rollout: &str) -> Result<History, Failure> {
        let mut snapshot = self.snapshot().await?;
        let read: Vec<RolloutLine> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT at, {COLUMNS} FROM wavepin_rollout_event WHERE holder = ?1 AND (?2 IS NULL OR environment = ?2) \
             AND (?3 IS NULL OR at >= ?3) ORDER BY id DESC LIMIT ?4"
        )))
        .bind(rollout)
        .bind(&ask.environment)
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(history::most(ask))
        .fetch_all(&mut *snapshot)
        .await?;
        let steps = history::steps(ask, read)?;
        let (environments, attempts) = history::attempts(&steps.0);
        let asked: Vec<_> = environments.iter().zip(&attempts).collect();
        let batches: Vec<BatchesLine> = sqlx::query_as(
            "SELECT environment, attempt, wave, reason, count(*) AS batches, \
             sum(json_array_length(tenants)) AS tenants, max(at) AS last_at \
             FROM wavepin_pin_event AS event WHERE wave IS NOT NULL AND (?2 IS NULL OR at >= ?2) \
             AND ((environment, attempt) IN \
             (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1)) \
             OR ?2 IS NOT NULL AND (?3 IS NULL OR environment = ?3) AND EXISTS \
             (SELECT 1 FROM wavepin_rollout_event AS started WHERE started.environment = event.environment \
             AND started.attempt = event.attempt AND started.kind = 'Started' AND started.holder = ?4)) \
             GROUP BY environment, attempt, wave, reason",
        )
        .bind(serde_json::json!(asked).to_string())
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(&ask.environment)
        .bind(rollout)
        .fetch_all(&mut *snapshot)
        .await?;
        Ok(history::of_rollout(steps, batches)?)
    }
}
