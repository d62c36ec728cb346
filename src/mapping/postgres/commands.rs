//! What people order past the declared objects.

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::commands::{COLUMNS, CommandLine, standing, still_newest, words};
use super::super::ledger::Failure;
use super::PgMapping;
use super::session::{Session, lines, statement, value};
use crate::ports::{Command, Order};

impl PgMapping {
    pub(super) async fn read_newest_command(&self) -> Result<i64, Failure> {
        let mut snapshot = self.snapshot().await?;
        let newest: i64 = value("SELECT coalesce(max(id), 0) FROM wavepin.command")
            .fetch_one(snapshot.on())
            .await?;
        snapshot.rollback().await?;
        Ok(newest)
    }

    pub(super) async fn write_command(&self, command: &Command) -> Result<i64, Failure> {
        let mut session = self.unfenced().await?;
        let words = words(command);
        if words.attempt.is_some() {
            take_turn(&mut session, &command.environment).await?;
            let newest: Option<i32> = value("SELECT max(attempt) FROM wavepin.rollout_event WHERE environment = $1")
                .bind(command.environment.clone())
                .fetch_one(session.on())
                .await?;
            still_newest(words.attempt, newest)?;
        }
        let number: i64 = value(
            "INSERT INTO wavepin.command (environment, kind, attempt, wave, tenant, lifts, ordered_by, reason) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        )
        .bind(command.environment.clone())
        .bind(words.kind)
        .bind(words.attempt)
        .bind(words.wave.map(str::to_owned))
        .bind(words.tenant.map(str::to_owned))
        .bind(words.lifts)
        .bind(command.by.clone())
        .bind(command.reason.clone())
        .fetch_one(session.on())
        .await?;
        session.commit().await?;
        Ok(number)
    }
}

/// Whoever begins an attempt and whoever orders one back do so one after the other, until each has committed: else neither saw
/// what the other did.
pub(super) async fn take_turn(session: &mut Session, environment: &str) -> Result<(), Failure> {
    statement("SELECT pg_advisory_xact_lock(hashtextextended('wavepin attempts of ' || $1, 0))")
        .bind(environment.to_owned())
        .execute(session.on())
        .await?;
    Ok(())
}

/// The orders of an environment that nobody has lifted, oldest first.
pub(super) async fn orders(connection: &mut PgConnection, environment: &str) -> Result<Vec<Order>, Failure> {
    let read: Vec<CommandLine> = lines(AssertSqlSafe(format!(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, {COLUMNS} FROM wavepin.command \
         WHERE environment = $1 ORDER BY id"
    )))
    .bind(environment.to_owned())
    .fetch_all(connection)
    .await?;
    Ok(standing(read)?)
}
