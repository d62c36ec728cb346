//! Moves rows to a version, and deletes them. One statement each, however many rows.

use std::collections::BTreeSet;
use std::time::Instant;

use sqlx::AssertSqlSafe;

use super::super::compare::{FlipPlan, FlipPlans, FoundRows, check_whole, found_rows, group_removed, plan_flip};
use super::super::flipped;
use super::super::ledger::Failure;
use super::environment::{NewEvent, delete_claims};
use super::errors::is_broken_off;
use super::session::{Session, lines, statement, value};
use super::{PgMapping, Tables, versions};
use crate::ports::{Flip, FlipOutcome, PinEventKind, RowRemoval};

/// How often a flip is tried that the database breaks off because the application locks rows in another order.
const TRIES: u32 = 3;

impl PgMapping {
    pub(super) async fn write_flip(&self, flip: &Flip) -> Result<FlipOutcome, Failure> {
        let mut tries = 1;
        loop {
            match self.try_flip(flip).await {
                Err(failure) if tries < TRIES && is_broken_off(&failure) => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_flip(&self, flip: &Flip) -> Result<FlipOutcome, Failure> {
        let began = Instant::now();
        let tables = self.tables().await?;
        let mut session = self.transaction_on_rows().await?;
        let targets: BTreeSet<i32> = flip.moves.iter().map(|it| it.to).collect();
        for target in targets {
            if !is_open(&mut session, &tables, target).await? {
                session.rollback().await?;
                return Ok(FlipOutcome::NotComplete);
            }
        }
        let tenants = flip.moves.iter().map(|it| it.tenant.clone()).collect();
        let found = lock_rows(&mut session, &tables, &flip.environment, tenants).await?;
        let plans = match plan_flip(flip, &found) {
            Ok(plans) => plans,
            Err(moved) => {
                session.rollback().await?;
                return Ok(FlipOutcome::Moved(moved));
            }
        };
        if plans.is_empty() {
            session.rollback().await?;
            return Ok(FlipOutcome::Done);
        }
        let moved = write(&mut session, &tables, flip, plans).await?;
        if !moved.is_empty() {
            session.rollback().await?;
            return Ok(FlipOutcome::Moved(moved));
        }
        session.commit().await?;
        flipped(&self.options.line, flip, began.elapsed());
        Ok(FlipOutcome::Done)
    }

    pub(super) async fn delete_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), Failure> {
        let tables = self.tables().await?;
        let mut session = self.transaction_on_rows().await?;
        let tenants = rows.iter().map(|it| it.tenant.clone()).collect();
        let found = lock_rows(&mut session, &tables, environment, tenants).await?;
        for (held, tenants) in group_removed(rows, &found) {
            let sql = format!(
                "DELETE FROM {} WHERE tenant_environment = $1 AND tenant_id = ANY($2)",
                tables.tenant_version
            );
            statement(AssertSqlSafe(sql))
                .bind(environment)
                .bind(&tenants)
                .execute(session.on())
                .await?;
            delete_claims(&mut session, environment, &tenants).await?;
            let event = NewEvent {
                environment,
                kind: PinEventKind::Delete,
                from: vec![Some(held); tenants.len()],
                tenants,
                to: None,
                wanted_version: held,
                reason: "pin-deleted",
                wave: None,
            };
            event.append(&mut session).await?;
        }
        session.commit().await
    }
}

/// Whether tenants may be moved to a version: it is complete, not retired, and stays so until we are done.
async fn is_open(session: &mut Session, tables: &Tables, version: i32) -> Result<bool, Failure> {
    let open: Option<bool> = value(
        "SELECT complete_at IS NOT NULL AND retired_at IS NULL FROM wavepin.model_version \
         WHERE version = $1 FOR SHARE",
    )
    .bind(version)
    .fetch_optional(session.on())
    .await?;
    if open != Some(true) {
        return Ok(false);
    }
    let slugs: Vec<String> = value("SELECT slug FROM wavepin.dashboard WHERE version = $1")
        .bind(version)
        .fetch_all(session.on())
        .await?;
    let slugs: BTreeSet<String> = slugs.into_iter().collect();
    check_whole(version, &slugs, &versions::rows(session.on(), tables, version).await?)?;
    Ok(true)
}

/// Locks the rows of tenants, in the order of their key: two batches never wait for each other in a circle.
async fn lock_rows(
    session: &mut Session,
    tables: &Tables,
    environment: &str,
    tenants: Vec<String>,
) -> Result<FoundRows, Failure> {
    let sql = format!(
        "SELECT tenant_id::text, model_version_id::int8 FROM {} \
         WHERE tenant_environment = $1 AND tenant_id = ANY($2) ORDER BY tenant_id FOR UPDATE",
        tables.tenant_version
    );
    let rows: Vec<(String, Option<i64>)> = lines(AssertSqlSafe(sql))
        .bind(environment)
        .bind(tenants)
        .fetch_all(session.on())
        .await?;
    Ok(found_rows(rows))
}

/// Writes the rows and the event. The answer is the tenants that got a row from another hand since we looked: a row
/// that was not there could not be locked.
async fn write(session: &mut Session, tables: &Tables, flip: &Flip, plans: FlipPlans) -> Result<Vec<String>, Failure> {
    for (version, plan) in plans {
        let moved = write_one(session, tables, flip, version, plan).await?;
        if !moved.is_empty() {
            return Ok(moved);
        }
    }
    Ok(Vec::new())
}

/// The same for the rows that get one version.
async fn write_one(
    session: &mut Session,
    tables: &Tables,
    flip: &Flip,
    version: i32,
    plan: FlipPlan,
) -> Result<Vec<String>, Failure> {
    if !plan.updates.is_empty() {
        let sql = format!(
            "UPDATE {} SET model_version_id = $1, updated_at = now() \
             WHERE tenant_environment = $2 AND tenant_id = ANY($3)",
            tables.tenant_version
        );
        statement(AssertSqlSafe(sql))
            .bind(version)
            .bind(&flip.environment)
            .bind(plan.updates)
            .execute(session.on())
            .await?;
    }
    if !plan.inserts.is_empty() {
        let sql = format!(
            "INSERT INTO {} (tenant_id, tenant_environment, model_version_id, updated_at) \
             SELECT new.tenant, $2, $1, now() FROM unnest($3::text[]) AS new (tenant) \
             ON CONFLICT (tenant_id, tenant_environment) DO NOTHING RETURNING tenant_id::text",
            tables.tenant_version
        );
        let inserted: Vec<String> = value(AssertSqlSafe(sql))
            .bind(version)
            .bind(&flip.environment)
            .bind(&plan.inserts)
            .fetch_all(session.on())
            .await?;
        if inserted.len() < plan.inserts.len() {
            let inserted: BTreeSet<String> = inserted.into_iter().collect();
            return Ok(plan.inserts.into_iter().filter(|it| !inserted.contains(it)).collect());
        }
    }
    let event = NewEvent {
        environment: &flip.environment,
        kind: PinEventKind::Flip,
        tenants: plan.tenants,
        from: plan.from,
        to: Some(version),
        wanted_version: version,
        reason: &flip.reason,
        wave: flip.wave.as_ref(),
    };
    event.append(session).await?;
    Ok(Vec::new())
}
