//! The mapping of a rehearsal: what is there, and what would be written beside it, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::ports::{
    ChannelNote, CheckResult, Claim, Clock, Command, CompleteVersion, DashboardRecord, DashboardRow, EnvironmentView,
    Flip, FlipOutcome, FoundLine, FoundReport, History, HistoryAsk, Intent, IntentStep, Mapping, MappingError,
    MappingErrorKind, Organization, RolloutEvent, RowRemoval, Shape, VersionChange, VersionRecord,
};
use crate::resources::TenantTable;

/// A mapping that is read and not written.
pub(super) struct Ledger {
    real: Arc<dyn Mapping>,
    clock: Arc<dyn Clock>,
    tried: Mutex<Tried>,
}

/// What would be written; of a version all or nothing of a kind.
#[derive(Default)]
struct Tried {
    organization: Option<Organization>,
    versions: BTreeMap<i32, VersionRecord>,
    intents: BTreeMap<i32, BTreeMap<(IntentStep, String), Intent>>,
    dashboards: BTreeMap<i32, BTreeMap<String, DashboardRecord>>,
    rows: BTreeMap<i32, Vec<DashboardRow>>,
}

impl Ledger {
    /// Before this mapping, by this clock.
    pub(super) fn new(real: Arc<dyn Mapping>, clock: Arc<dyn Clock>) -> Self {
        Self {
            real,
            clock,
            tried: Mutex::default(),
        }
    }

    /// The record of a version as it would be; `None` where the number was never recorded.
    async fn record(&self, tried: &Tried, version: i32) -> Result<Option<VersionRecord>, MappingError> {
        match tried.versions.get(&version) {
            Some(record) => Ok(Some(record.clone())),
            None => Ok(self.real.versions().await?.remove(&version)),
        }
    }

    /// The intents of a version, to be changed.
    async fn change_intents(
        &self,
        version: i32,
        change: impl FnOnce(&mut BTreeMap<(IntentStep, String), Intent>),
    ) -> Result<(), MappingError> {
        let mut tried = self.tried.lock().await;
        let mut intents = match tried.intents.remove(&version) {
            Some(intents) => intents,
            None => {
                let real = self.real.intents(version).await?;
                real.into_iter().map(|it| ((it.step, it.subject.clone()), it)).collect()
            }
        };
        change(&mut intents);
        tried.intents.insert(version, intents);
        Ok(())
    }

    async fn keep_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        opened_at: Timestamp,
        result: Option<&str>,
    ) -> Result<(), MappingError> {
        let intent = Intent {
            step,
            subject: subject.to_owned(),
            opened_at,
            result: result.map(ToOwned::to_owned),
        };
        let key = (step, subject.to_owned());
        self.change_intents(version, |intents| drop(intents.insert(key, intent)))
            .await
    }
}

/// What no rehearsal does, since it is planned by itself.
fn not_tried(action: &str) -> MappingError {
    MappingError {
        action: action.to_owned(),
        kind: MappingErrorKind::Invalid {
            why: "a rehearsal moves no tenant".to_owned(),
        },
    }
}

#[async_trait]
impl Mapping for Ledger {
    async fn prepare(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError> {
        self.real.prepare(owner, take_from).await
    }

    async fn organization(&self) -> Result<Option<Organization>, MappingError> {
        match &self.tried.lock().await.organization {
            Some(organization) => Ok(Some(organization.clone())),
            None => self.real.organization().await,
        }
    }

    async fn record_organization(&self, organization: &Organization) -> Result<(), MappingError> {
        self.tried.lock().await.organization = Some(organization.clone());
        Ok(())
    }

    async fn versions(&self) -> Result<BTreeMap<i32, VersionRecord>, MappingError> {
        let mut versions = self.real.versions().await?;
        versions.extend(self.tried.lock().await.versions.clone());
        Ok(versions)
    }

    async fn record_version(&self, version: i32, source: &str, holder: &str) -> Result<VersionRecord, MappingError> {
        let mut tried = self.tried.lock().await;
        let record = self.record(&tried, version).await?.unwrap_or_else(|| VersionRecord {
            version,
            source: source.to_owned(),
            holder: holder.to_owned(),
            ..VersionRecord::default()
        });
        tried.versions.insert(version, record.clone());
        Ok(record)
    }

    async fn change_version(&self, version: i32, change: &VersionChange) -> Result<(), MappingError> {
        let mut tried = self.tried.lock().await;
        if let Some(mut record) = self.record(&tried, version).await? {
            change.apply_to(&mut record);
            tried.versions.insert(version, record);
        }
        Ok(())
    }

    async fn found(&self, version: i32) -> Result<Vec<FoundLine>, MappingError> {
        self.real.found(version).await
    }

    async fn record_found(&self, version: i32, report: &FoundReport) -> Result<(), MappingError> {
        let mut tried = self.tried.lock().await;
        if let Some(mut record) = self.record(&tried, version).await? {
            record.found = Some(report.summary.clone());
            tried.versions.insert(version, record);
        }
        Ok(())
    }

    async fn intents(&self, version: i32) -> Result<Vec<Intent>, MappingError> {
        match self.tried.lock().await.intents.get(&version) {
            Some(intents) => Ok(intents.values().cloned().collect()),
            None => self.real.intents(version).await,
        }
    }

    async fn open_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), MappingError> {
        self.keep_intent(version, step, subject, at, None).await
    }

    async fn settle_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
        result: &str,
    ) -> Result<(), MappingError> {
        self.keep_intent(version, step, subject, at, Some(result)).await
    }

    async fn drop_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError> {
        let key = (step, subject.to_owned());
        self.change_intents(version, |intents| drop(intents.remove(&key))).await
    }

    async fn dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError> {
        match self.tried.lock().await.dashboards.get(&version) {
            Some(dashboards) => Ok(dashboards.clone()),
            None => self.real.dashboards(version).await,
        }
    }

    async fn record_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), MappingError> {
        let mut tried = self.tried.lock().await;
        let mut dashboards = match tried.dashboards.remove(&version) {
            Some(dashboards) => dashboards,
            None => self.real.dashboards(version).await?,
        };
        dashboards.insert(dashboard.slug.clone(), dashboard.clone());
        tried.dashboards.insert(version, dashboards);
        Ok(())
    }

    async fn rows(&self, version: i32) -> Result<Vec<DashboardRow>, MappingError> {
        match self.tried.lock().await.rows.get(&version) {
            Some(rows) => Ok(rows.clone()),
            None => self.real.rows(version).await,
        }
    }

    async fn complete_version(&self, complete: &CompleteVersion) -> Result<(), MappingError> {
        let version = complete.version;
        let mut tried = self.tried.lock().await;
        let mut rows = match tried.rows.remove(&version) {
            Some(rows) => rows,
            None => self.real.rows(version).await?,
        };
        for row in &complete.rows {
            if rows.iter().all(|there| there.slug != row.slug) {
                rows.push(row.clone());
            }
        }
        rows.sort_by(|one, other| one.slug.cmp(&other.slug));
        tried.rows.insert(version, rows);
        if let Some(mut record) = self.record(&tried, version).await? {
            record.complete_at.get_or_insert(self.clock.now());
            record.plan.get_or_insert_with(|| complete.plan.clone());
            tried.versions.insert(version, record);
        }
        Ok(())
    }

    async fn tenants_by_version(&self) -> Result<BTreeMap<i32, u64>, MappingError> {
        self.real.tenants_by_version().await
    }

    async fn tended_environments(&self) -> Result<BTreeSet<String>, MappingError> {
        self.real.tended_environments().await
    }

    async fn environment(
        &self,
        environment: &str,
        evidence: &[String],
        tenants: Option<&TenantTable>,
    ) -> Result<EnvironmentView, MappingError> {
        self.real.environment(environment, evidence, tenants).await
    }

    async fn history(&self, ask: &HistoryAsk) -> Result<History, MappingError> {
        self.real.history(ask).await
    }

    async fn set_claims(&self, _: &str, _: &[Claim]) -> Result<(), MappingError> {
        Err(not_tried("set claims"))
    }

    async fn release_claims(&self, _: &str, _: &[String]) -> Result<(), MappingError> {
        Err(not_tried("release claims"))
    }

    async fn record_outside(&self, _: &str, _: &[(String, Option<i32>, Option<i32>, i32)]) -> Result<(), MappingError> {
        Err(not_tried("record changes by another hand"))
    }

    async fn record_rollout(&self, _: &str, _: &[RolloutEvent]) -> Result<(), MappingError> {
        Err(not_tried("record a rollout"))
    }

    async fn record_checks(&self, _: &str, _: &[CheckResult]) -> Result<(), MappingError> {
        Err(not_tried("record checks"))
    }

    async fn record_channels(&self, _: &str, _: &[(String, ChannelNote)]) -> Result<(), MappingError> {
        Err(not_tried("record who was told"))
    }

    async fn flip(&self, _: &Flip) -> Result<FlipOutcome, MappingError> {
        Err(not_tried("move tenants"))
    }

    async fn remove_rows(&self, _: &str, _: &[RowRemoval]) -> Result<(), MappingError> {
        Err(not_tried("delete rows"))
    }

    async fn newest_command(&self) -> Result<i64, MappingError> {
        self.real.newest_command().await
    }

    async fn give_command(&self, _: &Command) -> Result<i64, MappingError> {
        Err(not_tried("give a command"))
    }
}
