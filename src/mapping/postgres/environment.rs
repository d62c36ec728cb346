//! One environment: its claims, rows and events.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::checks::records;
use super::super::compare::{changed_claims, group_outside};
use super::super::ledger::{ClaimLine, EventBatch, Failure, deletion_word, event_word, time};
use super::super::recorded;
use super::super::rollouts::{COLUMNS, RolloutLine, add_up, is_begun_so, is_not_ordered_back, words};
use super::PgMapping;
use super::channels::channel_records;
use super::checks::check_lines;
use super::commands::{orders, take_turn};
use super::session::{Session, lines, statement, value};
use crate::mapping::lines::read_by_name;
use crate::ports::{Claim, EnvironmentView, PinEventKind, RolloutEvent, RolloutStep, TenantLines, WaveOfFlip};
use crate::resources::TenantTable;

/// One event to append. The database gives it its time, when every row that it tells of is locked.
pub(super) struct NewEvent<'e> {
    pub(super) environment: &'e str,
    pub(super) kind: PinEventKind,
    pub(super) tenants: Vec<String>,
    pub(super) from: Vec<Option<i32>>,
    pub(super) to: Option<i32>,
    pub(super) wanted_version: i32,
    pub(super) reason: &'e str,
    pub(super) wave: Option<&'e WaveOfFlip>,
}

impl NewEvent<'_> {
    pub(super) async fn append(self, session: &mut Session) -> Result<(), Failure> {
        statement(
            "INSERT INTO wavepin.pin_event \
             (environment, kind, tenants, from_version, to_version, wanted_version, reason, attempt, wave) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.environment.to_owned())
        .bind(event_word(self.kind))
        .bind(self.tenants)
        .bind(self.from)
        .bind(self.to)
        .bind(self.wanted_version)
        .bind(self.reason.to_owned())
        .bind(self.wave.map(|it| it.attempt))
        .bind(self.wave.map(|it| it.wave.clone()))
        .execute(session.on())
        .await?;
        Ok(())
    }
}

struct EventLine {
    at: i64,
    environment: String,
    kind: String,
    tenants: Vec<String>,
    from_version: Vec<Option<i32>>,
    to_version: Option<i32>,
    wanted_version: i32,
    attempt: Option<i32>,
    wave: Option<String>,
    reason: String,
}

read_by_name!(EventLine { at, environment, kind, tenants, from_version, to_version, wanted_version, attempt, wave, reason } from sqlx::postgres::PgRow);

impl EventLine {
    fn batch(self) -> EventBatch {
        EventBatch {
            at: self.at,
            environment: self.environment,
            kind: self.kind,
            tenants: self.tenants,
            from: self.from_version,
            to: self.to_version,
            wanted_version: self.wanted_version,
            attempt: self.attempt,
            wave: self.wave,
            reason: self.reason,
        }
    }
}

impl PgMapping {
    pub(super) async fn read_tended_environments(&self) -> Result<BTreeSet<String>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let tended: Vec<String> = value(
            "SELECT environment FROM wavepin.claim UNION \
             SELECT environment FROM wavepin.command AS given WHERE given.lifts IS NULL \
             AND NOT EXISTS (SELECT 1 FROM wavepin.command AS lift WHERE lift.lifts = given.id)",
        )
        .fetch_all(snapshot.on())
        .await?;
        snapshot.rollback().await?;
        Ok(tended.into_iter().collect())
    }

    pub(super) async fn read_environment(
        &self,
        environment: &str,
        evidence: &[String],
        tenants: Option<&TenantTable>,
    ) -> Result<EnvironmentView, Failure> {
        let tables = self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let sql = format!(
            "SELECT tenant_id::text, model_version_id::int8 FROM {} WHERE tenant_environment = $1",
            tables.tenant_version
        );
        let rows: Vec<(String, Option<i64>)> = lines(AssertSqlSafe(sql))
            .bind(environment)
            .fetch_all(snapshot.on())
            .await?;
        let claims = claims(snapshot.on(), environment).await?;
        let events: Vec<EventLine> = lines(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, environment, kind, tenants, from_version, \
             to_version, wanted_version, attempt, wave, reason FROM wavepin.pin_event WHERE environment = $1 OR environment = ANY($2) ORDER BY id",
        )
        .bind(environment)
        .bind(evidence)
        .fetch_all(snapshot.on())
        .await?;
        let rollouts: Vec<RolloutLine> = lines(AssertSqlSafe(format!(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, {COLUMNS} FROM wavepin.rollout_event \
             WHERE environment = $1 AND (kind IN ('Started', 'Completed', 'Paused', 'RolledBack', 'Ordered') OR attempt = \
             (SELECT max(attempt) FROM wavepin.rollout_event WHERE environment = $1)) ORDER BY id"
        )))
        .bind(environment)
        .fetch_all(snapshot.on())
        .await?;
        let orders = orders(snapshot.on(), environment).await?;
        let checks = records(check_lines(snapshot.on(), environment, None).await?)?;
        let channels = channel_records(snapshot.on(), environment).await?;
        let now: i64 = value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            .fetch_one(snapshot.on())
            .await?;
        let tenants = match tenants {
            Some(table) => self.read_tenants(&mut snapshot, &tables, environment, table).await?,
            None => TenantLines::NotAsked,
        };
        snapshot.rollback().await?;
        let mut view = EnvironmentView {
            claims,
            orders,
            channels,
            tenants,
            now: time(now)?,
            ..EnvironmentView::default()
        };
        view.add_rows(rows);
        let events: Vec<EventBatch> = events.into_iter().map(EventLine::batch).collect();
        view.rollouts = add_up(rollouts, &events, environment)?;
        view.rollouts.were_asked(checks);
        view.add_events(environment, events)?;
        Ok(view)
    }

    pub(super) async fn write_claims(&self, environment: &str, wanted: &[Claim]) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let present = claims(session.on(), environment).await?;
        let changed = changed_claims(wanted, &present);
        if changed.is_empty() {
            return session.rollback().await;
        }
        let column = |of: fn(&Claim) -> String| -> Vec<String> { changed.iter().map(|claim| of(claim)).collect() };
        statement(
            "INSERT INTO wavepin.claim (environment, tenant, holder, deletion) \
             SELECT $1, new.* FROM unnest($2::text[], $3::text[], $4::text[]) AS new (tenant, holder, deletion) \
             ON CONFLICT (environment, tenant) DO UPDATE SET holder = excluded.holder, deletion = excluded.deletion",
        )
        .bind(environment)
        .bind(column(|claim| claim.tenant.clone()))
        .bind(column(|claim| claim.holder.clone()))
        .bind(column(|claim| deletion_word(claim.deletion).to_owned()))
        .execute(session.on())
        .await?;
        session.commit().await
    }

    pub(super) async fn delete_claims(&self, environment: &str, tenants: &[String]) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        delete_claims(&mut session, environment, tenants).await?;
        session.commit().await
    }

    pub(super) async fn write_outside(
        &self,
        environment: &str,
        changes: &[(String, Option<i32>, Option<i32>, i32)],
    ) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        for ((to, wanted_version), (tenants, from)) in group_outside(changes) {
            let event = NewEvent {
                environment,
                kind: PinEventKind::Outside,
                tenants,
                from,
                to,
                wanted_version,
                reason: "changed-outside",
                wave: None,
            };
            event.append(&mut session).await?;
        }
        session.commit().await
    }
}

impl PgMapping {
    /// One row each; those that are there are no change.
    pub(super) async fn write_rollout(&self, environment: &str, events: &[RolloutEvent]) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let mut new = Vec::new();
        for event in events {
            if event.step == RolloutStep::Started {
                take_turn(&mut session, environment).await?;
                is_not_ordered_back(event, &orders(session.on(), environment).await?)?;
            }
            let words = words(&event.step);
            let sql = format!(
                "INSERT INTO wavepin.rollout_event ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                 ON CONFLICT DO NOTHING"
            );
            let written = statement(AssertSqlSafe(sql))
                .bind(environment.to_owned())
                .bind(event.attempt)
                .bind(words.kind)
                .bind(words.wave.to_owned())
                .bind(words.members)
                .bind(event.target)
                .bind(event.plan.clone())
                .bind(event.holder.clone())
                .bind(words.why.map(str::to_owned))
                .bind(words.approval.map(|it| it.approver.clone()))
                .bind(words.approval.map(|it| it.verified))
                .bind(words.approval.map(|it| it.object.clone()))
                .execute(session.on())
                .await?;
            let is_new = written.rows_affected() > 0;
            if !is_new && event.step == RolloutStep::Started {
                let began: (String, i32, String) = lines(
                    "SELECT holder, target, plan FROM wavepin.rollout_event \
                     WHERE environment = $1 AND attempt = $2 AND kind = 'Started'",
                )
                .bind(environment.to_owned())
                .bind(event.attempt)
                .fetch_one(session.on())
                .await?;
                is_begun_so(event, &began)?;
            }
            new.extend(is_new.then_some(&event.step));
        }
        session.commit().await?;
        new.into_iter().for_each(|step| recorded(&self.options.line, step));
        Ok(())
    }
}

async fn claims(connection: &mut PgConnection, environment: &str) -> Result<BTreeMap<String, Claim>, Failure> {
    let read: Vec<ClaimLine> = lines("SELECT tenant, holder, deletion FROM wavepin.claim WHERE environment = $1")
        .bind(environment)
        .fetch_all(connection)
        .await?;
    let claims = read
        .into_iter()
        .map(|line| line.claim().map(|it| (it.tenant.clone(), it)));
    Ok(claims.collect::<Result<_, _>>()?)
}

/// Deletes the claims that are there; sends nothing that a trigger could see where none is.
pub(super) async fn delete_claims(session: &mut Session, environment: &str, tenants: &[String]) -> Result<(), Failure> {
    let there: bool = value("SELECT EXISTS (SELECT FROM wavepin.claim WHERE environment = $1 AND tenant = ANY($2))")
        .bind(environment)
        .bind(tenants)
        .fetch_one(session.on())
        .await?;
    if there {
        statement("DELETE FROM wavepin.claim WHERE environment = $1 AND tenant = ANY($2)")
            .bind(environment)
            .bind(tenants)
            .execute(session.on())
            .await?;
    }
    Ok(())
}
