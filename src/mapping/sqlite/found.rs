//! What validation found in versions.

use super::super::ledger::{Failure, FindingLine, json_text, not_recorded};
use super::SqliteMapping;
use super::versions::version_record;
use crate::ports::{FoundLine, FoundReport};

impl SqliteMapping {
    pub(super) async fn read_found(&self, version: i32) -> Result<Vec<FoundLine>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let read: Vec<FindingLine> = sqlx::query_as(
            "SELECT looked_at, environment, slug, tile, asked_as, message, blocks, fingerprint \
             FROM wavepin_finding WHERE version = ? ORDER BY place",
        )
        .bind(version)
        .fetch_all(&mut *snapshot)
        .await?;
        Ok(read.into_iter().map(FoundLine::from).collect())
    }

    pub(super) async fn write_found(&self, version: i32, report: &FoundReport) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        let record = version_record(&mut transaction, version).await?;
        if record.ok_or_else(|| not_recorded(version))?.found.as_ref() == Some(&report.summary) {
            return Ok(());
        }
        sqlx::query("DELETE FROM wavepin_finding WHERE version = ?")
            .bind(version)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO wavepin_finding \
             (version, place, looked_at, environment, slug, tile, asked_as, message, blocks, fingerprint) \
             SELECT ?1, line.key + 1, line.value->>'looked_at', line.value->>'environment', line.value->>'slug', \
             line.value->>'tile', line.value->>'asked_as', line.value->>'message', line.value->>'blocks', \
             line.value->>'fingerprint' FROM json_each(?2) AS line",
        )
        .bind(version)
        .bind(json_text(&report.lines))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE wavepin_model_version SET found = ?2 WHERE version = ?1")
            .bind(version)
            .bind(json_text(&report.summary))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
