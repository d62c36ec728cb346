//! Versions, their intents, their dashboards and their rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use super::super::compare::{check_ids, environments_with, is_known, missing_rows};
use super::super::ledger::{
    DashboardLine, Failure, IntentLine, VersionLine, json_text, not_recorded, retired, step_word,
};
use super::session::{Session, lines, statement, value};
use super::{PgMapping, Tables};
use crate::ports::{CompleteVersion, DashboardRecord, DashboardRow, Intent, IntentStep, VersionChange, VersionRecord};

const VERSIONS: &str = "SELECT version, source, holder, connection_id, model_id, definition, folder_id, folder_path, \
                        source_stamp, plan, \
                        (extract(epoch FROM complete_at) * 1000000)::bigint AS complete_at, \
                        (extract(epoch FROM retired_at) * 1000000)::bigint AS retired_at, model_state, evidence, environments, found \
                        FROM wavepin.model_version";

impl PgMapping {
    pub(super) async fn read_versions(&self) -> Result<BTreeMap<i32, VersionRecord>, Failure> {
        self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let read: Vec<VersionLine> = lines(VERSIONS).fetch_all(snapshot.on()).await?;
        snapshot.rollback().await?;
        let records = read.into_iter().map(|line| line.record().map(|it| (it.version, it)));
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(super) async fn insert_version(
        &self,
        version: i32,
        source: &str,
        holder: &str,
    ) -> Result<VersionRecord, Failure> {
        let mut session = self.transaction().await?;
        if let Some(record) = version_record(session.on(), version, "").await? {
            session.rollback().await?;
            return Ok(record);
        }
        statement(
            "INSERT INTO wavepin.model_version (version, source, holder) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(version)
        .bind(source)
        .bind(holder)
        .execute(session.on())
        .await?;
        let record = version_record(session.on(), version, "").await?;
        session.commit().await?;
        Ok(record.ok_or_else(|| not_recorded(version))?)
    }

    pub(super) async fn update_version(&self, version: i32, change: &VersionChange) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let record = version_record(session.on(), version, "FOR NO KEY UPDATE").await?;
        let record = record.ok_or_else(|| not_recorded(version))?;
        if is_known(&record, change) {
            return session.rollback().await;
        }
        let set = |sql, value: &str| statement(sql).bind(version).bind(value.to_owned());
        let update = match change {
            VersionChange::Holder(it) => set("UPDATE wavepin.model_version SET holder = $2 WHERE version = $1", it),
            VersionChange::Connection(it) => set(
                "UPDATE wavepin.model_version SET connection_id = $2 WHERE version = $1",
                it,
            ),
            VersionChange::Model(it) => set("UPDATE wavepin.model_version SET model_id = $2 WHERE version = $1", it),
            VersionChange::Definition(it) => set(
                "UPDATE wavepin.model_version SET definition = $2 WHERE version = $1",
                it,
            ),
            VersionChange::SourceStamp(it) => set(
                "UPDATE wavepin.model_version SET source_stamp = $2 WHERE version = $1",
                &json_text(it),
            ),
            VersionChange::ModelState(it) => set(
                "UPDATE wavepin.model_version SET model_state = $2 WHERE version = $1",
                &json_text(it),
            ),
            VersionChange::Evidence(it) => set(
                "UPDATE wavepin.model_version SET evidence = $2 WHERE version = $1",
                &json_text(it),
            ),
            VersionChange::EnvironmentEvidence { .. } => set(
                "UPDATE wavepin.model_version SET environments = $2 WHERE version = $1",
                &json_text(&environments_with(record, change)),
            ),
            VersionChange::Folder { id, path } => set(
                "UPDATE wavepin.model_version SET folder_id = $2, folder_path = $3 WHERE version = $1",
                id,
            )
            .bind(path.clone()),
        };
        update.execute(session.on()).await?;
        session.commit().await
    }

    pub(super) async fn read_intents(&self, version: i32) -> Result<Vec<Intent>, Failure> {
        self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let read: Vec<IntentLine> = lines(
            "SELECT step, subject, (extract(epoch FROM opened_at) * 1000000)::bigint AS opened_at, result \
             FROM wavepin.intent WHERE version = $1 ORDER BY step COLLATE \"C\", subject COLLATE \"C\"",
        )
        .bind(version)
        .fetch_all(snapshot.on())
        .await?;
        snapshot.rollback().await?;
        Ok(read.into_iter().map(IntentLine::intent).collect::<Result<_, _>>()?)
    }

    /// Opens an intent (no result), or settles it. Opened again, it has the new time and no result; settled, it
    /// keeps the time when it was opened.
    pub(super) async fn write_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
        result: Option<&str>,
    ) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        if version_record(session.on(), version, "FOR KEY SHARE").await?.is_none() {
            return Err(not_recorded(version).into());
        }
        let present: Option<(i64, Option<String>)> = lines(
            "SELECT (extract(epoch FROM opened_at) * 1000000)::bigint, result \
             FROM wavepin.intent WHERE version = $1 AND step = $2 AND subject = $3",
        )
        .bind(version)
        .bind(step_word(step))
        .bind(subject)
        .fetch_optional(session.on())
        .await?;
        let opened_at = match (&present, result) {
            (Some((opened_at, _)), Some(_)) => *opened_at,
            _ => at.as_microsecond(),
        };
        if present.is_some_and(|it| it == (opened_at, result.map(str::to_owned))) {
            return session.rollback().await;
        }
        // Whole seconds and the rest apart, since a float cannot hold both.
        statement(
            "INSERT INTO wavepin.intent (version, step, subject, opened_at, result) VALUES ($1, $2, $3, \
             to_timestamp($4::bigint / 1000000) + ($4::bigint % 1000000) * interval '1 microsecond', $5) \
             ON CONFLICT (version, step, subject) DO UPDATE SET opened_at = excluded.opened_at, result = excluded.result",
        )
        .bind(version)
        .bind(step_word(step))
        .bind(subject)
        .bind(opened_at)
        .bind(result)
        .execute(session.on())
        .await?;
        session.commit().await
    }

    pub(super) async fn delete_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let there: bool =
            value("SELECT EXISTS (SELECT FROM wavepin.intent WHERE version = $1 AND step = $2 AND subject = $3)")
                .bind(version)
                .bind(step_word(step))
                .bind(subject)
                .fetch_one(session.on())
                .await?;
        if !there {
            return session.rollback().await;
        }
        statement("DELETE FROM wavepin.intent WHERE version = $1 AND step = $2 AND subject = $3")
            .bind(version)
            .bind(step_word(step))
            .bind(subject)
            .execute(session.on())
            .await?;
        session.commit().await
    }

    pub(super) async fn read_dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, Failure> {
        self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let read = dashboard_lines(snapshot.on(), version, None).await?;
        snapshot.rollback().await?;
        let records = read
            .into_iter()
            .map(|line| line.record().map(|it| (it.slug.clone(), it)));
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(super) async fn write_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        if version_record(session.on(), version, "FOR KEY SHARE").await?.is_none() {
            return Err(not_recorded(version).into());
        }
        let known = dashboard_lines(session.on(), version, Some(&dashboard.slug))
            .await?
            .pop();
        if known.map(DashboardLine::record).transpose()?.as_ref() == Some(dashboard) {
            return session.rollback().await;
        }
        statement(
            "INSERT INTO wavepin.dashboard \
             (version, slug, identifier, document_id, dashboard_id, source_identifier, foreign_links, state, renames, not_carried) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (version, slug) DO UPDATE SET \
             identifier = excluded.identifier, document_id = excluded.document_id, \
             dashboard_id = excluded.dashboard_id, source_identifier = excluded.source_identifier, \
             foreign_links = excluded.foreign_links, state = excluded.state, renames = excluded.renames, not_carried = excluded.not_carried",
        )
        .bind(version)
        .bind(&dashboard.slug)
        .bind(&dashboard.ids.identifier)
        .bind(&dashboard.ids.document_id)
        .bind(&dashboard.ids.dashboard_id)
        .bind(&dashboard.source_identifier)
        .bind(json_text(&dashboard.foreign_links))
        .bind(dashboard.state.as_ref().map(json_text))
        .bind((!dashboard.renames.is_empty()).then(|| json_text(&dashboard.renames)))
        .bind((!dashboard.not_carried.is_empty()).then(|| json_text(&dashboard.not_carried)))
        .execute(session.on())
        .await?;
        session.commit().await
    }

    pub(super) async fn read_rows(&self, version: i32) -> Result<Vec<DashboardRow>, Failure> {
        let tables = self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let rows = rows(snapshot.on(), &tables, version).await?;
        snapshot.rollback().await?;
        Ok(rows)
    }

    pub(super) async fn write_complete(&self, complete: &CompleteVersion) -> Result<(), Failure> {
        let version = complete.version;
        let tables = self.tables().await?;
        if tables.dashboard_id_is_uuid {
            check_ids(complete)?;
        }
        let mut session = self.transaction().await?;
        let record = version_record(session.on(), version, "FOR UPDATE").await?;
        let record = record.ok_or_else(|| not_recorded(version))?;
        if record.retired_at.is_some() {
            return Err(retired(version).into());
        }
        let mut missing = missing_rows(complete, &rows(session.on(), &tables, version).await?)?;
        if missing.is_empty() && record.complete_at.is_some() {
            return session.rollback().await;
        }
        if !missing.is_empty() && !tables.dashboard_model_is_keyed {
            // Nothing but this lock keeps another hand from inserting the same slug. Readers do not wait for it.
            let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.dashboard_model);
            session.on().execute(AssertSqlSafe(lock)).await?;
            missing = missing_rows(complete, &rows(session.on(), &tables, version).await?)?;
        }
        if !missing.is_empty() {
            insert_rows(&mut session, &tables, version, missing).await?;
        }
        if record.complete_at.is_none() {
            statement("UPDATE wavepin.model_version SET plan = $2, complete_at = clock_timestamp() WHERE version = $1")
                .bind(version)
                .bind(&complete.plan)
                .execute(session.on())
                .await?;
        }
        session.commit().await
    }

    pub(super) async fn count_tenants(&self) -> Result<BTreeMap<i32, u64>, Failure> {
        let tables = self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let sql = format!(
            "SELECT model_version_id::int4, count(*) FROM {} \
             WHERE model_version_id BETWEEN -2147483648 AND 2147483647 GROUP BY 1",
            tables.tenant_version
        );
        let counts: Vec<(i32, i64)> = lines(AssertSqlSafe(sql)).fetch_all(snapshot.on()).await?;
        snapshot.rollback().await?;
        let counts = counts.into_iter();
        Ok(counts.map(|(version, count)| (version, count.unsigned_abs())).collect())
    }
}

/// The record of a version, locked as the clause says.
pub(super) async fn version_record(
    connection: &mut PgConnection,
    version: i32,
    lock: &'static str,
) -> Result<Option<VersionRecord>, Failure> {
    let sql = format!("{VERSIONS} WHERE version = $1 {lock}");
    let line: Option<VersionLine> = lines(AssertSqlSafe(sql))
        .bind(version)
        .fetch_optional(connection)
        .await?;
    Ok(line.map(VersionLine::record).transpose()?)
}

/// Of all dashboards of a version, or of one.
async fn dashboard_lines(
    connection: &mut PgConnection,
    version: i32,
    slug: Option<&str>,
) -> Result<Vec<DashboardLine>, Failure> {
    Ok(lines(
        "SELECT slug, identifier, document_id, dashboard_id, source_identifier, foreign_links, state, renames, not_carried \
         FROM wavepin.dashboard WHERE version = $1 AND slug = coalesce($2, slug)",
    )
    .bind(version)
    .bind(slug.map(str::to_owned))
    .fetch_all(connection)
    .await?)
}

/// The rows of a version, sorted as Rust sorts.
pub(super) async fn rows(
    connection: &mut PgConnection,
    tables: &Tables,
    version: i32,
) -> Result<Vec<DashboardRow>, Failure> {
    let sql = format!(
        "SELECT dashboard_slug::text, dashboard_id::text FROM {} WHERE model_version_id = $1 \
         ORDER BY dashboard_slug::text COLLATE \"C\", dashboard_id::text COLLATE \"C\"",
        tables.dashboard_model
    );
    let rows: Vec<(String, String)> = lines(AssertSqlSafe(sql)).bind(version).fetch_all(connection).await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(slug, dashboard_id)| DashboardRow { slug, dashboard_id })
        .collect())
}

async fn insert_rows(
    session: &mut Session,
    tables: &Tables,
    version: i32,
    rows: Vec<DashboardRow>,
) -> Result<(), Failure> {
    let id = if tables.dashboard_id_is_uuid {
        "new.id::uuid"
    } else {
        "new.id"
    };
    let sql = if tables.managed {
        format!(
            "INSERT INTO {} (model_version_id, dashboard_slug, dashboard_id, document_id) \
             SELECT $1, new.slug, {id}, dashboard.document_id FROM unnest($2::text[], $3::text[]) AS new (slug, id) \
             LEFT JOIN wavepin.dashboard ON dashboard.version = $1 AND dashboard.slug = new.slug",
            tables.dashboard_model
        )
    } else {
        format!(
            "INSERT INTO {} (model_version_id, dashboard_slug, dashboard_id) \
             SELECT $1, new.slug, {id} FROM unnest($2::text[], $3::text[]) AS new (slug, id)",
            tables.dashboard_model
        )
    };
    let (slugs, ids): (Vec<String>, Vec<String>) = rows.into_iter().map(|row| (row.slug, row.dashboard_id)).unzip();
    statement(AssertSqlSafe(sql))
        .bind(version)
        .bind(slugs)
        .bind(ids)
        .execute(session.on())
        .await?;
    Ok(())
}
