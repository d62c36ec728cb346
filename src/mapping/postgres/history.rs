//! What people ask of the ledger.
//!
//! A tenant's moves are found by a scan of its environment's batches: no index has the tenants of a batch. One (GIN on
//! `tenants`) would be written with every flip, and is read by people only.

use sqlx::AssertSqlSafe;

use super::super::history::{self, BatchesLine, MoveLine};
use super::super::ledger::Failure;
use super::super::rollouts::{COLUMNS, RolloutLine};
use super::PgMapping;
use super::session::lines;
use crate::ports::{History, HistoryAsk, HistoryOf};

impl PgMapping {
    pub(super) async fn read_history(&self, ask: &HistoryAsk) -> Result<History, Failure> {
        match &ask.of {
            HistoryOf::Tenant(tenant) => self.history_of_tenant(ask, tenant).await,
            HistoryOf::Rollout(rollout) => self.history_of_rollout(ask, rollout).await,
        }
    }

    async fn history_of_tenant(&self, ask: &HistoryAsk, tenant: &str) -> Result<History, Failure> {
        let mut snapshot = self.snapshot().await?;
        let read: Vec<MoveLine> = lines(
            "SELECT (extract(epoch FROM event.at) * 1000000)::bigint AS at, event.environment, event.kind, \
             event.from_version[array_position(event.tenants, $1)] AS from_version, event.to_version, \
             event.wanted_version, event.reason, event.attempt, event.wave, \
             (SELECT started.holder FROM wavepin.rollout_event AS started \
             WHERE started.environment = event.environment AND started.attempt = event.attempt \
             AND started.kind = 'Started') AS rollout \
             FROM wavepin.pin_event AS event \
             WHERE ($2::text IS NULL OR event.environment = $2) AND event.tenants @> ARRAY[$1] \
             AND ($3::bigint IS NULL OR event.at >= to_timestamp($3 / 1000000.0)) \
             ORDER BY event.id DESC LIMIT $4",
        )
        .bind(tenant)
        .bind(&ask.environment)
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(history::most(ask))
        .fetch_all(snapshot.on())
        .await?;
        snapshot.rollback().await?;
        Ok(history::of_tenant(ask, read)?)
    }

    async fn history_of_rollout(&self, ask: &HistoryAsk, rollout: &str) -> Result<History, Failure> {
        let mut snapshot = self.snapshot().await?;
        let read: Vec<RolloutLine> = lines(AssertSqlSafe(format!(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, {COLUMNS} FROM wavepin.rollout_event \
             WHERE holder = $1 AND ($2::text IS NULL OR environment = $2) \
             AND ($3::bigint IS NULL OR at >= to_timestamp($3 / 1000000.0)) ORDER BY id DESC LIMIT $4"
        )))
        .bind(rollout)
        .bind(&ask.environment)
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(history::most(ask))
        .fetch_all(snapshot.on())
        .await?;
        let steps = history::steps(ask, read)?;
        let (environments, attempts) = history::attempts(&steps.0);
        let batches: Vec<BatchesLine> = lines(
            "SELECT environment, attempt, wave, reason, count(*) AS batches, \
             sum(cardinality(tenants))::bigint AS tenants, (extract(epoch FROM max(at)) * 1000000)::bigint AS last_at \
             FROM wavepin.pin_event AS event WHERE wave IS NOT NULL \
             AND ($3::bigint IS NULL OR at >= to_timestamp($3 / 1000000.0)) \
             AND ((environment, attempt) IN (SELECT * FROM unnest($1::text[], $2::integer[])) \
             OR $3::bigint IS NOT NULL AND ($4::text IS NULL OR environment = $4) AND EXISTS \
             (SELECT FROM wavepin.rollout_event AS started WHERE started.environment = event.environment \
             AND started.attempt = event.attempt AND started.kind = 'Started' AND started.holder = $5)) \
             GROUP BY environment, attempt, wave, reason",
        )
        .bind(environments)
        .bind(attempts)
        .bind(ask.since.map(|since| since.as_microsecond()))
        .bind(&ask.environment)
        .bind(rollout)
        .fetch_all(snapshot.on())
        .await?;
        snapshot.rollback().await?;
        Ok(history::of_rollout(steps, batches)?)
    }
}
