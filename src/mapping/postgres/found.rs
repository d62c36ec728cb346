//! What validation found in versions.

use super::super::ledger::{Failure, FindingLine, json_text, not_recorded};
use super::PgMapping;
use super::session::{lines, statement};
use super::versions::version_record;
use crate::ports::{FoundLine, FoundReport};

impl PgMapping {
    pub(super) async fn read_found(&self, version: i32) -> Result<Vec<FoundLine>, Failure> {
        self.tables().await?;
        let mut snapshot = self.snapshot().await?;
        let read: Vec<FindingLine> = lines(
            "SELECT looked_at, environment, slug, tile, asked_as, message, blocks, fingerprint \
             FROM wavepin.finding WHERE version = $1 ORDER BY place",
        )
        .bind(version)
        .fetch_all(snapshot.on())
        .await?;
        snapshot.rollback().await?;
        Ok(read.into_iter().map(FoundLine::from).collect())
    }

    pub(super) async fn write_found(&self, version: i32, report: &FoundReport) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        let record = version_record(session.on(), version, "FOR NO KEY UPDATE").await?;
        if record.ok_or_else(|| not_recorded(version))?.found.as_ref() == Some(&report.summary) {
            return session.rollback().await;
        }
        statement("DELETE FROM wavepin.finding WHERE version = $1")
            .bind(version)
            .execute(session.on())
            .await?;
        statement(
            "INSERT INTO wavepin.finding \
             (version, place, looked_at, environment, slug, tile, asked_as, message, blocks, fingerprint) \
             SELECT $1, line.place, found->>'looked_at', found->>'environment', found->>'slug', found->>'tile', \
             found->>'asked_as', found->>'message', (found->>'blocks')::boolean, found->>'fingerprint' \
             FROM json_array_elements($2::json) WITH ORDINALITY AS line (found, place)",
        )
        .bind(version)
        .bind(json_text(&report.lines))
        .execute(session.on())
        .await?;
        statement("UPDATE wavepin.model_version SET found = $2 WHERE version = $1")
            .bind(version)
            .bind(json_text(&report.summary))
            .execute(session.on())
            .await?;
        session.commit().await
    }
}
