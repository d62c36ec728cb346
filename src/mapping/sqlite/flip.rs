//! Moves rows to a version, and deletes them.

use std::collections::BTreeSet;
use std::time::Instant;

use sqlx::SqliteConnection;

use super::super::compare::{FlipPlan, FoundRows, check_whole, found_rows, group_removed, plan_flip};
use super::super::flipped;
use super::super::ledger::Failure;
use super::environment::{NewEvent, delete_claims};
use super::{SqliteMapping, versions};
use crate::ports::{Flip, FlipOutcome, PinEventKind, RowRemoval};

impl SqliteMapping {
    pub(super) async fn write_flip(&self, flip: &Flip) -> Result<FlipOutcome, Failure> {
        let began = Instant::now();
        let mut transaction = self.transaction().await?;
        let targets: BTreeSet<i32> = flip.moves.iter().map(|it| it.to).collect();
        for target in targets {
            if !is_open(&mut transaction, target).await? {
                return Ok(FlipOutcome::NotComplete);
            }
        }
        let tenants = flip.moves.iter().map(|it| it.tenant.as_str());
        let found = rows_of(&mut transaction, &flip.environment, tenants).await?;
        let plans = match plan_flip(flip, &found) {
            Ok(plans) => plans,
            Err(moved) => return Ok(FlipOutcome::Moved(moved)),
        };
        for (version, plan) in plans {
            write_one(&mut transaction, flip, version, &plan).await?;
        }
        transaction.commit().await?;
        flipped(&self.options.line, flip, began.elapsed());
        Ok(FlipOutcome::Done)
    }

    pub(super) async fn delete_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        let tenants = rows.iter().map(|it| it.tenant.as_str());
        let found = rows_of(&mut transaction, environment, tenants).await?;
        for (held, tenants) in group_removed(rows, &found) {
            sqlx::query(
                "DELETE FROM tenant_version \
                 WHERE tenant_environment = ?1 AND tenant_id IN (SELECT value FROM json_each(?2))",
            )
            .bind(environment)
            .bind(serde_json::json!(tenants).to_string())
            .execute(&mut *transaction)
            .await?;
            delete_claims(&mut transaction, environment, &tenants).await?;
            let event = NewEvent {
                environment,
                kind: PinEventKind::Delete,
                tenants: &tenants,
                from: &vec![Some(held); tenants.len()],
                to: None,
                wanted_version: held,
                reason: "pin-deleted",
                wave: None,
            };
            event.append(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether tenants may be moved to a version: it is complete and not retired.
async fn is_open(connection: &mut SqliteConnection, version: i32) -> Result<bool, Failure> {
    let target = versions::version_record(connection, version).await?;
    if !target.is_some_and(|it| it.complete_at.is_some() && it.retired_at.is_none()) {
        return Ok(false);
    }
    let slugs: Vec<String> = sqlx::query_scalar("SELECT slug FROM wavepin_dashboard WHERE version = ?")
        .bind(version)
        .fetch_all(&mut *connection)
        .await?;
    let slugs: BTreeSet<String> = slugs.into_iter().collect();
    check_whole(version, &slugs, &versions::rows(connection, version).await?)?;
    Ok(true)
}

/// Writes the rows that get one version, and the event.
async fn write_one(
    connection: &mut SqliteConnection,
    flip: &Flip,
    version: i32,
    plan: &FlipPlan,
) -> Result<(), Failure> {
    if !plan.updates.is_empty() {
        sqlx::query(
            "UPDATE tenant_version SET model_version_id = ?1, updated_at = CURRENT_TIMESTAMP \
             WHERE tenant_environment = ?2 AND tenant_id IN (SELECT value FROM json_each(?3))",
        )
        .bind(version)
        .bind(&flip.environment)
        .bind(serde_json::json!(plan.updates).to_string())
        .execute(&mut *connection)
        .await?;
    }
    if !plan.inserts.is_empty() {
        sqlx::query(
            "INSERT INTO tenant_version (tenant_id, tenant_environment, model_version_id, updated_at) \
             SELECT value, ?2, ?1, CURRENT_TIMESTAMP FROM json_each(?3)",
        )
        .bind(version)
        .bind(&flip.environment)
        .bind(serde_json::json!(plan.inserts).to_string())
        .execute(&mut *connection)
        .await?;
    }
    let event = NewEvent {
        environment: &flip.environment,
        kind: PinEventKind::Flip,
        tenants: &plan.tenants,
        from: &plan.from,
        to: Some(version),
        wanted_version: version,
        reason: &flip.reason,
        wave: flip.wave.as_ref(),
    };
    event.append(connection).await
}

async fn rows_of<'t>(
    connection: &mut SqliteConnection,
    environment: &str,
    tenants: impl Iterator<Item = &'t str>,
) -> Result<FoundRows, Failure> {
    let tenants: Vec<&str> = tenants.collect();
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT tenant_id, model_version_id FROM tenant_version \
         WHERE tenant_environment = ?1 AND tenant_id IN (SELECT value FROM json_each(?2))",
    )
    .bind(environment)
    .bind(serde_json::json!(tenants).to_string())
    .fetch_all(connection)
    .await?;
    Ok(found_rows(rows))
}
