//! One environment: its claims, rows and events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::checks::records;
use super::super::compare::{changed_claims, group_outside};
use super::super::ledger::{ClaimLine, EventBatch, Failure, deletion_word, event_word, time, unreadable};
use super::super::recorded;
use super::super::rollouts::{COLUMNS, RolloutLine, add_up, is_begun_so, is_not_ordered_back, words};
use super::channels::channel_records;
use super::checks::check_lines;
use super::commands::orders;
use super::{SqliteMapping, tenants};
use crate::mapping::lines::read_by_name;
use crate::ports::{
    Claim, EnvironmentView, MappingErrorKind, PinEventKind, RolloutEvent, RolloutStep, TenantLines, WaveOfFlip,
};
use crate::resources::TenantTable;

/// One event to append, its time being now.
pub(super) struct NewEvent<'e> {
    pub(super) environment: &'e str,
    pub(super) kind: PinEventKind,
    pub(super) tenants: &'e [String],
    pub(super) from: &'e [Option<i32>],
    pub(super) to: Option<i32>,
    pub(super) wanted_version: i32,
    pub(super) reason: &'e str,
    pub(super) wave: Option<&'e WaveOfFlip>,
}

impl NewEvent<'_> {
    pub(super) async fn append(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query(
            "INSERT INTO wavepin_pin_event \
             (at, environment, kind, tenants, from_version, to_version, wanted_version, reason, attempt, wave) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(Timestamp::now().as_microsecond())
        .bind(self.environment)
        .bind(event_word(self.kind))
        .bind(serde_json::json!(self.tenants).to_string())
        .bind(serde_json::json!(self.from).to_string())
        .bind(self.to)
        .bind(self.wanted_version)
        .bind(self.reason)
        .bind(self.wave.map(|it| it.attempt))
        .bind(self.wave.map(|it| it.wave.as_str()))
        .execute(connection)
        .await?;
        Ok(())
    }
}

struct EventLine {
    at: i64,
    environment: String,
    kind: String,
    tenants: String,
    from_version: String,
    to_version: Option<i32>,
    wanted_version: i32,
    attempt: Option<i32>,
    wave: Option<String>,
    reason: String,
}

read_by_name!(EventLine { at, environment, kind, tenants, from_version, to_version, wanted_version, attempt, wave, reason } from sqlx::sqlite::SqliteRow);

impl EventLine {
    fn batch(self) -> Result<EventBatch, MappingErrorKind> {
        Ok(EventBatch {
            at: self.at,
            environment: self.environment,
            kind: self.kind,
            tenants: list(&self.tenants)?,
            from: list(&self.from_version)?,
            to: self.to_version,
            wanted_version: self.wanted_version,
            attempt: self.attempt,
            wave: self.wave,
            reason: self.reason,
        })
    }
}

fn list<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, MappingErrorKind> {
    serde_json::from_str(text).map_err(|source| unreadable("an event", &source.to_string()))
}

impl SqliteMapping {
    pub(super) async fn read_tended_environments(&self) -> Result<BTreeSet<String>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let tended: Vec<String> = sqlx::query_scalar(
            "SELECT environment FROM wavepin_claim UNION \
             SELECT environment FROM wavepin_command AS given WHERE given.lifts IS NULL \
             AND NOT EXISTS (SELECT 1 FROM wavepin_command AS lift WHERE lift.lifts = given.id)",
        )
        .fetch_all(&mut *snapshot)
        .await?;
        Ok(tended.into_iter().collect())
    }

    pub(super) async fn read_environment(
        &self,
        environment: &str,
        evidence: &[String],
        tenants: Option<&TenantTable>,
    ) -> Result<EnvironmentView, Failure> {
        let mut snapshot = self.snapshot().await?;
        let rows: Vec<(String, Option<i64>)> =
            sqlx::query_as("SELECT tenant_id, model_version_id FROM tenant_version WHERE tenant_environment = ?")
                .bind(environment)
                .fetch_all(&mut *snapshot)
                .await?;
        let events: Vec<EventLine> = sqlx::query_as(
            "SELECT at, environment, kind, tenants, from_version, to_version, wanted_version, attempt, wave, reason \
             FROM wavepin_pin_event WHERE environment = ?1 OR environment IN (SELECT value FROM json_each(?2)) ORDER BY id",
        )
        .bind(environment)
        .bind(serde_json::json!(evidence).to_string())
        .fetch_all(&mut *snapshot)
        .await?;
        let rollouts: Vec<RolloutLine> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT at, {COLUMNS} FROM wavepin_rollout_event WHERE environment = ?1 AND (kind IN ('Started', 'Completed', 'Paused', 'RolledBack', 'Ordered') OR attempt = \
             (SELECT max(attempt) FROM wavepin_rollout_event WHERE environment = ?1)) ORDER BY id"
        )))
        .bind(environment)
        .fetch_all(&mut *snapshot)
        .await?;
        let tenants = match tenants {
            Some(table) => tenants::read(&mut snapshot, environment, table).await?,
            None => TenantLines::NotAsked,
        };
        let checks = records(check_lines(&mut snapshot, environment, None).await?)?;
        let mut view = EnvironmentView {
            tenants,
            channels: channel_records(&mut snapshot, environment).await?,
            claims: claims(&mut snapshot, environment).await?,
            orders: orders(&mut snapshot, environment).await?,
            // As exact as what is stored, so that the two can be compared.
            now: time(Timestamp::now().as_microsecond())?,
            ..EnvironmentView::default()
        };
        let events: Vec<EventBatch> = events.into_iter().map(EventLine::batch).collect::<Result<_, _>>()?;
        view.rollouts = add_up(rollouts, &events, environment)?;
        view.rollouts.were_asked(checks);
        view.add_rows(rows);
        view.add_events(environment, events)?;
        Ok(view)
    }

    pub(super) async fn write_claims(&self, environment: &str, wanted: &[Claim]) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        let present = claims(&mut transaction, environment).await?;
        let changed: Vec<(&str, &str, &str)> = changed_claims(wanted, &present)
            .into_iter()
            .map(|claim| {
                (
                    claim.tenant.as_str(),
                    claim.holder.as_str(),
                    deletion_word(claim.deletion),
                )
            })
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        // `WHERE true` tells SQLite's parser that `ON` does not belong to a join.
        sqlx::query(
            "INSERT INTO wavepin_claim (environment, tenant, holder, deletion) \
             SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') \
             FROM json_each(?2) WHERE true \
             ON CONFLICT (environment, tenant) DO UPDATE SET holder = excluded.holder, deletion = excluded.deletion",
        )
        .bind(environment)
        .bind(serde_json::json!(changed).to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn delete_claims(&self, environment: &str, tenants: &[String]) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        delete_claims(&mut transaction, environment, tenants).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn write_outside(
        &self,
        environment: &str,
        changes: &[(String, Option<i32>, Option<i32>, i32)],
    ) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        for ((to, wanted_version), (tenants, from)) in group_outside(changes) {
            let event = NewEvent {
                environment,
                kind: PinEventKind::Outside,
                tenants: &tenants,
                from: &from,
                to,
                wanted_version,
                reason: "changed-outside",
                wave: None,
            };
            event.append(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl SqliteMapping {
    /// One row each; those that are there are no change.
    pub(super) async fn write_rollout(&self, environment: &str, events: &[RolloutEvent]) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        let mut new = Vec::new();
        for event in events {
            if event.step == RolloutStep::Started {
                is_not_ordered_back(event, &orders(&mut transaction, environment).await?)?;
            }
            let words = words(&event.step);
            let written = sqlx::query(AssertSqlSafe(format!(
                "INSERT INTO wavepin_rollout_event (at, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT DO NOTHING"
            )))
            .bind(Timestamp::now().as_microsecond())
            .bind(environment)
            .bind(event.attempt)
            .bind(words.kind)
            .bind(words.wave)
            .bind(words.members)
            .bind(event.target)
            .bind(&event.plan)
            .bind(&event.holder)
            .bind(words.why)
            .bind(words.approval.map(|it| it.approver.as_str()))
            .bind(words.approval.map(|it| it.verified))
            .bind(words.approval.map(|it| it.object.as_str()))
            .execute(&mut *transaction)
            .await?;
            let is_new = written.rows_affected() > 0;
            if !is_new && event.step == RolloutStep::Started {
                let began: (String, i32, String) = sqlx::query_as(
                    "SELECT holder, target, plan FROM wavepin_rollout_event \
                     WHERE environment = ? AND attempt = ? AND kind = 'Started'",
                )
                .bind(environment)
                .bind(event.attempt)
                .fetch_one(&mut *transaction)
                .await?;
                is_begun_so(event, &began)?;
            }
            new.extend(is_new.then_some(&event.step));
        }
        transaction.commit().await?;
        new.into_iter().for_each(|step| recorded(&self.options.line, step));
        Ok(())
    }
}

async fn claims(connection: &mut SqliteConnection, environment: &str) -> Result<BTreeMap<String, Claim>, Failure> {
    let lines: Vec<ClaimLine> =
        sqlx::query_as("SELECT tenant, holder, deletion FROM wavepin_claim WHERE environment = ?")
            .bind(environment)
            .fetch_all(connection)
            .await?;
    let claims = lines
        .into_iter()
        .map(|line| line.claim().map(|it| (it.tenant.clone(), it)));
    Ok(claims.collect::<Result<_, _>>()?)
}

/// A statement that finds no row changes nothing: SQLite has no triggers for statements.
pub(super) async fn delete_claims(
    connection: &mut SqliteConnection,
    environment: &str,
    tenants: &[String],
) -> Result<(), Failure> {
    sqlx::query("DELETE FROM wavepin_claim WHERE environment = ?1 AND tenant IN (SELECT value FROM json_each(?2))")
        .bind(environment)
        .bind(serde_json::json!(tenants).to_string())
        .execute(connection)
        .await?;
    Ok(())
}
