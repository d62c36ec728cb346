//! What the organisation is recognised by.

use super::super::ledger::{Failure, organization, organization_text};
use super::PgMapping;
use super::session::{statement, value};
use crate::ports::Organization;

impl PgMapping {
    pub(super) async fn read_organization(&self) -> Result<Option<Organization>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let text: Option<String> = value("SELECT evidence FROM wavepin.organization")
            .fetch_optional(snapshot.on())
            .await?;
        snapshot.rollback().await?;
        Ok(text.as_deref().map(organization).transpose()?)
    }

    pub(super) async fn write_organization(&self, organization: &Organization) -> Result<(), Failure> {
        let mut session = self.transaction().await?;
        statement(
            "INSERT INTO wavepin.organization (evidence) VALUES ($1) \
             ON CONFLICT (single) DO UPDATE SET evidence = excluded.evidence",
        )
        .bind(organization_text(organization))
        .execute(session.on())
        .await?;
        session.commit().await
    }
}
