//! The request budget. Who looks for a place locks its key's row first, so that two that look at once do not take the
//! same one; who gives one back touches its own row only, unless the key is coming back after a pause.

use sqlx::AssertSqlSafe;

use super::super::budget::{CLOCKS_DIFFER, KeyLine, PlacesLine, learn, microseconds, rate, tells};
use super::super::ledger::Failure;
use super::PgMapping;
use super::session::{Session, lines, statement};
use crate::ports::window::{FURTHEST_PAUSE, Standing};
use crate::ports::{Ask, Place, Return, Told};

/// Forgets what is free, counts the rest, and takes a place if there is room, by the rules of [`Standing::room`].
///
/// Every part sees the rows as they were before. Its clock is the time at which the statement came, when the key's row
/// was locked already.
const TAKE: &str = "
WITH clock AS (
    SELECT statement_timestamp() AS now
), gone AS (
    DELETE FROM wavepin.budget_slot WHERE key = $1 AND free_at <= statement_timestamp()
), ahead AS (
    UPDATE wavepin.budget_slot SET free_at = statement_timestamp() + $3 * interval '1 microsecond'
    WHERE key = $1 AND free_at > statement_timestamp() + ($3 + $6) * interval '1 microsecond'
), live AS (
    SELECT rate, free_at, NOT answered AND ($5::bigint IS NULL
        OR taken_at > timestamptz 'epoch' + $5::bigint * interval '1 microsecond') AS unanswered
    FROM wavepin.budget_slot WHERE key = $1 AND free_at > statement_timestamp()
), told AS (
    SELECT count(*) AS live, min(rate) AS lowest, count(*) FILTER (WHERE unanswered) AS unanswered FROM live
), put AS (
    INSERT INTO wavepin.budget_slot (key, rate, taken_at, free_at)
    SELECT $1, $2, now, now + $3 * interval '1 microsecond' FROM told, clock
    WHERE live < least(lowest, $2) AND unanswered < $4 AND ($7::bigint IS NULL
        OR extract(epoch FROM now) * 1000000 - $7::bigint NOT BETWEEN -$8::bigint AND -1)
    RETURNING id
)
SELECT
    (extract(epoch FROM now) * 1000000)::bigint AS now,
    live,
    lowest,
    unanswered,
    (SELECT id FROM put) AS id,
    (
        SELECT (extract(epoch FROM free_at - now) * 1000000)::bigint FROM live
        ORDER BY free_at OFFSET greatest(told.live - least(told.lowest, $2), 0) LIMIT 1
    ) AS frees_in
FROM told, clock";

/// The same for one who takes none.
const COUNT: &str = "
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now, count(*) AS live, min(rate) AS lowest,
    0::bigint AS unanswered, NULL::bigint AS id, NULL::bigint AS frees_in
FROM wavepin.budget_slot WHERE key = $1 AND free_at > statement_timestamp()";

const KEY: &str = "
SELECT (extract(epoch FROM paused_at) * 1000000)::bigint AS paused_at,
    (extract(epoch FROM paused_until) * 1000000)::bigint AS paused_until, strikes, at_once
FROM wavepin.budget_key WHERE key = $1";

const GIVE_BACK: &str = "
UPDATE wavepin.budget_slot
SET answered = true, free_at = statement_timestamp() + $3 * interval '1 microsecond'
WHERE key = $1 AND id = $2
RETURNING (extract(epoch FROM taken_at) * 1000000)::bigint, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint";

impl PgMapping {
    pub(super) async fn take(&self, ask: &Ask) -> Result<Place, Failure> {
        let mut session = self.transaction_on_places().await?;
        let standing = lock_key(&mut session, &ask.key).await?;
        let line: PlacesLine = lines(TAKE)
            .bind(ask.key.clone())
            .bind(rate(ask))
            .bind(microseconds(ask.hold))
            .bind(standing.at_once.map_or(i64::MAX, i64::from))
            .bind(standing.paused_at.map(microseconds))
            .bind(microseconds(CLOCKS_DIFFER))
            .bind(standing.paused_until.map(microseconds))
            .bind(microseconds(FURTHEST_PAUSE))
            .fetch_one(session.on())
            .await?;
        session.commit().await?;
        Ok(line.place(ask, &standing))
    }

    pub(super) async fn read_standing(&self, key: &str, rate: u32) -> Result<Told, Failure> {
        let mut session = self.snapshot().await?;
        let known: Option<KeyLine> = lines(KEY).bind(key.to_owned()).fetch_optional(session.on()).await?;
        let line: PlacesLine = lines(COUNT).bind(key.to_owned()).fetch_one(session.on()).await?;
        session.rollback().await?;
        Ok(line.told(rate, &known.as_ref().map(KeyLine::standing).unwrap_or_default()))
    }

    pub(super) async fn free(&self, place: &Return) -> Result<(), Failure> {
        let mut session = self.transaction_on_places().await?;
        let key = &place.ask.key;
        let told = if tells(place) {
            Some(lock_key(&mut session, key).await?)
        } else {
            None
        };
        let times: Option<(i64, i64)> = lines(GIVE_BACK)
            .bind(key.clone())
            .bind(place.id)
            .bind(microseconds(place.ask.window))
            .fetch_optional(session.on())
            .await?;
        // Without its row it was taken too long ago to tell anything.
        if let (Some(before), Some((taken_at, now))) = (told, times) {
            let mut standing = before;
            learn(&mut standing, place, taken_at, now);
            if standing != before {
                keep(&mut session, key, &standing).await?;
            }
        }
        session.commit().await
    }
}

/// How the key stands; its row is made if there is none, and locked until the end of the transaction.
async fn lock_key(session: &mut Session, key: &str) -> Result<Standing, Failure> {
    let lock = || AssertSqlSafe(format!("{KEY} FOR UPDATE"));
    let mut known: Option<KeyLine> = lines(lock()).bind(key.to_owned()).fetch_optional(session.on()).await?;
    if known.is_none() {
        statement("INSERT INTO wavepin.budget_key (key) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(key.to_owned())
            .execute(session.on())
            .await?;
        known = lines(lock()).bind(key.to_owned()).fetch_optional(session.on()).await?;
    }
    Ok(known.as_ref().map(KeyLine::standing).unwrap_or_default())
}

async fn keep(session: &mut Session, key: &str, standing: &Standing) -> Result<(), Failure> {
    let (paused_at, paused_until, strikes, at_once) = KeyLine::of(standing).columns();
    statement(
        "UPDATE wavepin.budget_key SET \
         paused_at = timestamptz 'epoch' + $2 * interval '1 microsecond', \
         paused_until = timestamptz 'epoch' + $3 * interval '1 microsecond', strikes = $4, at_once = $5 WHERE key = $1",
    )
    .bind(key.to_owned())
    .bind(paused_at)
    .bind(paused_until)
    .bind(strikes)
    .bind(at_once)
    .execute(session.on())
    .await?;
    Ok(())
}
