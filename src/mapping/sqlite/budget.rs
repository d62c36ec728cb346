//! The request budget. The machine's clock is the one that counts: the file is on it.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::super::budget::{CLOCKS_DIFFER, KeyLine, PlacesLine, learn, microseconds, moment, rate, tells};
use super::super::ledger::Failure;
use super::SqliteMapping;
use crate::ports::window::{Room, Standing};
use crate::ports::{Ask, Place, Return, Told};

impl SqliteMapping {
    pub(super) async fn take(&self, ask: &Ask) -> Result<Place, Failure> {
        let mut transaction = self.transaction_on_places().await?;
        let now = Timestamp::now().as_microsecond();
        let standing = standing(&mut transaction, &ask.key).await?;
        tidy(&mut transaction, ask, now).await?;
        let mut line = count(&mut transaction, ask, &standing, now).await?;
        if standing.room(&line.places(), ask.rate, moment(now)) == Room::Free {
            line.id = Some(put(&mut transaction, ask, now).await?);
        }
        transaction.commit().await?;
        Ok(line.place(ask, &standing))
    }

    pub(super) async fn read_standing(&self, key: &str, rate: u32) -> Result<Told, Failure> {
        let mut snapshot = self.snapshot().await?;
        let now = Timestamp::now().as_microsecond();
        let standing = known_standing(&mut snapshot, key).await?.unwrap_or_default();
        let (live, lowest): (i64, Option<i32>) =
            sqlx::query_as("SELECT count(*), min(rate) FROM wavepin_budget_slot WHERE key = ? AND free_at > ?")
                .bind(key)
                .bind(now)
                .fetch_one(&mut *snapshot)
                .await?;
        let line = PlacesLine {
            now,
            live,
            lowest,
            ..PlacesLine::default()
        };
        Ok(line.told(rate, &standing))
    }

    pub(super) async fn free(&self, place: &Return) -> Result<(), Failure> {
        let mut transaction = self.transaction_on_places().await?;
        let (key, now) = (&place.ask.key, Timestamp::now().as_microsecond());
        let taken_at: Option<i64> = sqlx::query_scalar(
            "UPDATE wavepin_budget_slot SET answered = 1, free_at = ?3 WHERE key = ?1 AND id = ?2 RETURNING taken_at",
        )
        .bind(key)
        .bind(place.id)
        .bind(now + microseconds(place.ask.window))
        .fetch_optional(&mut *transaction)
        .await?;
        // Without its row it was taken too long ago to tell anything.
        if let (true, Some(taken_at)) = (tells(place), taken_at) {
            let before = standing(&mut transaction, key).await?;
            let mut standing = before;
            learn(&mut standing, place, taken_at, now);
            if standing != before {
                keep(&mut transaction, key, &standing).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// How the key stands, if it has a row.
async fn known_standing(connection: &mut SqliteConnection, key: &str) -> Result<Option<Standing>, Failure> {
    let known: Option<KeyLine> =
        sqlx::query_as("SELECT paused_at, paused_until, strikes, at_once FROM wavepin_budget_key WHERE key = ?")
            .bind(key)
            .fetch_optional(connection)
            .await?;
    Ok(known.as_ref().map(KeyLine::standing))
}

/// Likewise; its row is made if there is none.
async fn standing(connection: &mut SqliteConnection, key: &str) -> Result<Standing, Failure> {
    if let Some(known) = known_standing(&mut *connection, key).await? {
        return Ok(known);
    }
    sqlx::query("INSERT INTO wavepin_budget_key (key) VALUES (?)")
        .bind(key)
        .execute(connection)
        .await?;
    Ok(Standing::default())
}

/// Forgets what is free, and mends what was written before the clock was set back.
async fn tidy(connection: &mut SqliteConnection, ask: &Ask, now: i64) -> Result<(), Failure> {
    sqlx::query("DELETE FROM wavepin_budget_slot WHERE key = ? AND free_at <= ?")
        .bind(&ask.key)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let hold = microseconds(ask.hold);
    sqlx::query("UPDATE wavepin_budget_slot SET free_at = ?2 WHERE key = ?1 AND free_at > ?3")
        .bind(&ask.key)
        .bind(now + hold)
        .bind(now + hold + microseconds(CLOCKS_DIFFER))
        .execute(connection)
        .await?;
    Ok(())
}

async fn count(
    connection: &mut SqliteConnection,
    ask: &Ask,
    standing: &Standing,
    now: i64,
) -> Result<PlacesLine, Failure> {
    let (live, lowest, unanswered): (i64, Option<i32>, i64) = sqlx::query_as(
        "SELECT count(*), min(rate), count(*) FILTER (WHERE answered = 0 AND taken_at > ?2) \
         FROM wavepin_budget_slot WHERE key = ?1",
    )
    .bind(&ask.key)
    .bind(standing.paused_at.map_or(i64::MIN, microseconds))
    .fetch_one(&mut *connection)
    .await?;
    let mut line = PlacesLine {
        now,
        live,
        lowest,
        unanswered,
        ..PlacesLine::default()
    };
    if let Some(besides) = live
        .checked_sub(i64::from(line.places().rate(ask.rate)))
        .filter(|it| *it >= 0)
    {
        line.frees_in = sqlx::query_scalar(
            "SELECT free_at - ?2 FROM wavepin_budget_slot WHERE key = ?1 ORDER BY free_at LIMIT 1 OFFSET ?3",
        )
        .bind(&ask.key)
        .bind(now)
        .bind(besides)
        .fetch_optional(connection)
        .await?;
    }
    Ok(line)
}

async fn put(connection: &mut SqliteConnection, ask: &Ask, now: i64) -> Result<i64, Failure> {
    let id = sqlx::query_scalar(
        "INSERT INTO wavepin_budget_slot (key, rate, taken_at, free_at) VALUES (?, ?, ?, ?) RETURNING id",
    )
    .bind(&ask.key)
    .bind(rate(ask))
    .bind(now)
    .bind(now + microseconds(ask.hold))
    .fetch_one(connection)
    .await?;
    Ok(id)
}

async fn keep(connection: &mut SqliteConnection, key: &str, standing: &Standing) -> Result<(), Failure> {
    let (paused_at, paused_until, strikes, at_once) = KeyLine::of(standing).columns();
    sqlx::query(
        "UPDATE wavepin_budget_key SET paused_at = ?2, paused_until = ?3, strikes = ?4, at_once = ?5 WHERE key = ?1",
    )
    .bind(key)
    .bind(paused_at)
    .bind(paused_until)
    .bind(strikes)
    .bind(at_once)
    .execute(connection)
    .await?;
    Ok(())
}
