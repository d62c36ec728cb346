//! What the organisation is recognised by.

use super::super::ledger::{Failure, organization, organization_text};
use super::SqliteMapping;
use crate::ports::Organization;

impl SqliteMapping {
    pub(super) async fn read_organization(&self) -> Result<Option<Organization>, Failure> {
        let mut snapshot = self.snapshot().await?;
        let text: Option<String> = sqlx::query_scalar("SELECT evidence FROM wavepin_organization")
            .fetch_optional(&mut *snapshot)
            .await?;
        Ok(text.as_deref().map(organization).transpose()?)
    }

    pub(super) async fn write_organization(&self, organization: &Organization) -> Result<(), Failure> {
        let mut transaction = self.transaction().await?;
        sqlx::query(
            "INSERT INTO wavepin_organization (only, evidence) VALUES (1, ?) \
             ON CONFLICT (only) DO UPDATE SET evidence = excluded.evidence",
        )
        .bind(organization_text(organization))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
