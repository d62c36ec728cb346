//! Versions, their intents, their dashboards and their rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::super::compare::{environments_with, is_known, missing_rows};
use super::super::ledger::{
    DashboardLine, Failure, IntentLine, VersionLine, json_text, not_recorded, retired, step_word,
};
use super::SqliteMapping;
use crate::ports::{CompleteVersion, DashboardRecord, DashboardRow, Intent, IntentStep, VersionChange, VersionRecord};

const VERSION_COLUMNS: &str = "version, source, holder, connection_id, model_id, definition, folder_id, folder_path, \
                               source_stamp, plan, complete_at, retired_at, model_state, evidence, environments, found";

impl SqliteMapping {
    pub(super) async fn read_versions(&self) -> Result<BTreeMap<i32, VersionRecord>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let sql = format!("SELECT {VERSION_COLUMNS} FROM wavepin_model_version");
        let lines: Vec<VersionLine> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *snapshot).await?;
        let records = lines.into_iter().map(|line| line.record().map(|it| (it.version, it)));
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(super) async fn insert_version(
        &self,
        version: i32,
        source: &str,
        holder: &str,
    ) -> Result<VersionRecord, Failure> {
        let mut transaction = self.transaction().await?;
        if let Some(record) = version_record(&mut transaction, version).await? {
            return Ok(record);
        }
        sqlx::query("INSERT INTO wavepin_model_version (version, source, holder, recorded_at) VALUES (?, ?, ?, ?)")
            .bind(version)
            .bind(source)
            .bind(holder)
            .bind(Timestamp::now().as_microsecond())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(VersionRecord {
            version,
            source: source.to_owned(),
            holder: holder.to_owned(),
            ..VersionRecord::default()
        })
    }

    pub(super) async fn update_version(&self, version: i32, change: &VersionChange) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        let record = version_record(&mut transaction, version)
            .await?
            .ok_or_else(|| not_recorded(version))?;
        if is_known(&record, change) {
            return Ok(());
        }
        let set = |sql, value: &str| sqlx::query(sql).bind(version).bind(value.to_owned());
        let update = match change {
            VersionChange::Holder(it) => set("UPDATE wavepin_model_version SET holder = ?2 WHERE version = ?1", it),
            VersionChange::Connection(it) => set(
                "UPDATE wavepin_model_version SET connection_id = ?2 WHERE version = ?1",
                it,
            ),
            VersionChange::Model(it) => set("UPDATE wavepin_model_version SET model_id = ?2 WHERE version = ?1", it),
            VersionChange::Definition(it) => set(
                "UPDATE wavepin_model_version SET definition = ?2 WHERE version = ?1",
                it,
            ),
            VersionChange::SourceStamp(it) => set(
                "UPDATE wavepin_model_version SET source_stamp = ?2 WHERE version = ?1",
                &json_text(it),
            ),
            VersionChange::ModelState(it) => set(
                "UPDATE wavepin_model_version SET model_state = ?2 WHERE version = ?1",
                &json_text(it),
            ),
            VersionChange::Evidence(it) => set(
                "UPDATE wavepin_model_version SET evidence = ?2 WHERE version = ?1",
                &json_text(it),
            ),
            VersionChange::EnvironmentEvidence { .. } => set(
                "UPDATE wavepin_model_version SET environments = ?2 WHERE version = ?1",
                &json_text(&environments_with(record, change)),
            ),
            VersionChange::Folder { id, path } => set(
                "UPDATE wavepin_model_version SET folder_id = ?2, folder_path = ?3 WHERE version = ?1",
                id,
            )
            .bind(path.clone()),
        };
        update.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn read_intents(&self, version: i32) -> Result<Vec<Intent>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let lines: Vec<IntentLine> = sqlx::query_as(
            "SELECT step, subject, opened_at, result FROM wavepin_intent WHERE version = ? ORDER BY step, subject",
        )
        .bind(version)
        .fetch_all(&mut *snapshot)
        .await?;
        Ok(lines.into_iter().map(IntentLine::intent).collect::<Result<_, _>>()?)
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
        let mut transaction = self.transaction().await?;
        if version_record(&mut transaction, version).await?.is_none() {
            return Err(not_recorded(version).into());
        }
        let present: Option<(i64, Option<String>)> = sqlx::query_as(
            "SELECT opened_at, result FROM wavepin_intent WHERE version = ? AND step = ? AND subject = ?",
        )
        .bind(version)
        .bind(step_word(step))
        .bind(subject)
        .fetch_optional(&mut *transaction)
        .await?;
        let opened_at = match (&present, result) {
            (Some((opened_at, _)), Some(_)) => *opened_at,
            _ => at.as_microsecond(),
        };
        if present.is_some_and(|it| it == (opened_at, result.map(str::to_owned))) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO wavepin_intent (version, step, subject, opened_at, result) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (version, step, subject) DO UPDATE SET opened_at = excluded.opened_at, result = excluded.result",
        )
        .bind(version)
        .bind(step_word(step))
        .bind(subject)
        .bind(opened_at)
        .bind(result)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn delete_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        sqlx::query("DELETE FROM wavepin_intent WHERE version = ? AND step = ? AND subject = ?")
            .bind(version)
            .bind(step_word(step))
            .bind(subject)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn read_dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let lines = dashboard_lines(&mut snapshot, version, None).await?;
        let records = lines
            .into_iter()
            .map(|line| line.record().map(|it| (it.slug.clone(), it)));
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(super) async fn write_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        if version_record(&mut transaction, version).await?.is_none() {
            return Err(not_recorded(version).into());
        }
        let known = dashboard_lines(&mut transaction, version, Some(&dashboard.slug))
            .await?
            .pop();
        if known.map(DashboardLine::record).transpose()?.as_ref() == Some(dashboard) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO wavepin_dashboard \
             (version, slug, identifier, document_id, dashboard_id, source_identifier, foreign_links, state, renames, not_carried) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
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
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn read_rows(&self, version: i32) -> Result<Vec<DashboardRow>, Failure> {
        let mut snapshot = self.snapshot().await?;
        rows(&mut snapshot, version).await
    }

    pub(super) async fn write_complete(&self, complete: &CompleteVersion) -> Result<(), Failure> {
        let version = complete.version;
        let mut transaction = self.transaction().await?;
        let record = version_record(&mut transaction, version)
            .await?
            .ok_or_else(|| not_recorded(version))?;
        if record.retired_at.is_some() {
            return Err(retired(version).into());
        }
        let present = rows(&mut transaction, version).await?;
        let missing = missing_rows(complete, &present)?;
        if missing.is_empty() && record.complete_at.is_some() {
            return Ok(());
        }
        if !missing.is_empty() {
            let pairs: Vec<(&str, &str)> = missing
                .iter()
                .map(|row| (row.slug.as_str(), row.dashboard_id.as_str()))
                .collect();
            sqlx::query(
                "INSERT INTO dashboard_model (model_version_id, dashboard_slug, dashboard_id, document_id) \
                 SELECT ?1, json_extract(new.value, '$[0]'), json_extract(new.value, '$[1]'), dashboard.document_id \
                 FROM json_each(?2) AS new LEFT JOIN wavepin_dashboard AS dashboard \
                 ON dashboard.version = ?1 AND dashboard.slug = json_extract(new.value, '$[0]')",
            )
            .bind(version)
            .bind(serde_json::json!(pairs).to_string())
            .execute(&mut *transaction)
            .await?;
        }
        if record.complete_at.is_none() {
            sqlx::query("UPDATE wavepin_model_version SET plan = ?2, complete_at = ?3 WHERE version = ?1")
                .bind(version)
                .bind(&complete.plan)
                .bind(Timestamp::now().as_microsecond())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn count_tenants(&self) -> Result<BTreeMap<i32, u64>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let counts: Vec<(i32, i64)> = sqlx::query_as(
            "SELECT model_version_id, count(*) FROM tenant_version \
             WHERE model_version_id BETWEEN -2147483648 AND 2147483647 GROUP BY model_version_id",
        )
        .fetch_all(&mut *snapshot)
        .await?;
        let counts = counts.into_iter();
        Ok(counts.map(|(version, count)| (version, count.unsigned_abs())).collect())
    }
}

pub(super) async fn version_record(
    connection: &mut SqliteConnection,
    version: i32,
) -> Result<Option<VersionRecord>, Failure> {
    let sql = format!("SELECT {VERSION_COLUMNS} FROM wavepin_model_version WHERE version = ?");
    let line: Option<VersionLine> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(version)
        .fetch_optional(connection)
        .await?;
    Ok(line.map(VersionLine::record).transpose()?)
}

/// Of all dashboards of a version, or of one.
pub(super) async fn dashboard_lines(
    connection: &mut SqliteConnection,
    version: i32,
    slug: Option<&str>,
) -> Result<Vec<DashboardLine>, Failure> {
    Ok(sqlx::query_as(
        "SELECT slug, identifier, document_id, dashboard_id, source_identifier, foreign_links, state, renames, not_carried \
         FROM wavepin_dashboard WHERE version = ? AND slug = coalesce(?, slug)",
    )
    .bind(version)
    .bind(slug)
    .fetch_all(connection)
    .await?)
}

pub(super) async fn rows(connection: &mut SqliteConnection, version: i32) -> Result<Vec<DashboardRow>, Failure> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT dashboard_slug, dashboard_id FROM dashboard_model WHERE model_version_id = ? \
         ORDER BY dashboard_slug, dashboard_id",
    )
    .bind(version)
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(slug, dashboard_id)| DashboardRow { slug, dashboard_id })
        .collect())
}
