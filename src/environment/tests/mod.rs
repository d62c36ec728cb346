//! Whole passes over a real SQLite file.

mod approvals;
mod back;
mod checked;
mod claims;
mod ended;
mod machine;
mod measured;
mod moves;
mod notified;
mod rollouts;
mod rows;
mod trouble;

use std::sync::Arc;

use rstest::rstest;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::scene::{ACME, With, at, pin};
use super::{EnvironmentKey, EnvironmentPass, PinReport, abandoned, reconcile};
use crate::mapping::{MappingOptions, connect};
use crate::ports::fakes::{Declared, Stage, Wired, instance};
use crate::ports::{Absence, CompleteVersion, ConnectError, LOOK_AGAIN, Mapping, MappingError, MappingErrorKind, Next};
use crate::resources::PinDeletionPolicy;
use crate::resources::conditions::{ACCEPTED, Finding, PINNED, READY, RECONCILING, Reason, STALLED, Verdict, WAITING};

/// An environment `production` of instance `apps/omni`, with versions 1 and 2 complete and 3 being cut.
struct House {
    stage: Stage,
    mapping: Arc<dyn Mapping>,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("mapping.db").display());
        let mapping = connect(&url.into(), MappingOptions::default()).await.unwrap();
        mapping.prepare("apps/omni", None).await.unwrap();
        for version in 1..=3 {
            let (source, holder) = (format!("adopt:{version}"), format!("apps/v{version}"));
            mapping.record_version(version, &source, &holder).await.unwrap();
        }
        let stage = Stage::new(Declared::default(), Wired::to(Arc::clone(&mapping)), at(1000));
        stage.declared.instance(instance(spec(false)));
        let house = Self { stage, mapping, folder };
        house.complete(1).await;
        house.complete(2).await;
        house
    }

    async fn complete(&self, version: i32) {
        let complete = CompleteVersion {
            version,
            plan: "plan".to_owned(),
            rows: Vec::new(),
        };
        self.mapping.complete_version(&complete).await.unwrap();
    }

    async fn pass(&self) -> EnvironmentPass {
        self.pass_of("production").await
    }

    async fn pass_of(&self, environment: &str) -> EnvironmentPass {
        let pass = self.look(environment).await;
        pass.expect("something is left to look after")
    }

    async fn look(&self, environment: &str) -> Option<EnvironmentPass> {
        let key = EnvironmentKey {
            namespace: "apps".to_owned(),
            instance: "omni".to_owned(),
            environment: environment.to_owned(),
        };
        reconcile(&self.stage.world, &key).await
    }

    fn file(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("mapping.db").display())
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.file()).await.unwrap()
    }

    async fn by_hand(&self, sql: &'static str) {
        sqlx::query(sql).execute(&mut self.connection().await).await.unwrap();
    }

    async fn rows(&self) -> Vec<(String, String, i32)> {
        let sql = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2";
        sqlx::query_as(sql)
            .fetch_all(&mut self.connection().await)
            .await
            .unwrap()
    }

    async fn row(&self) -> Option<i32> {
        let rows = self.rows().await;
        rows.iter()
            .find(|(tenant, ..)| tenant == ACME)
            .map(|(.., version)| *version)
    }
}

fn spec(suspend: bool) -> serde_json::Value {
    serde_json::json!({
        "baseUrl": "https://acme.omniapp.co",
        "apiKeySecretRef": {"name": "omni", "key": "apiKey"},
        "suspend": suspend,
    })
}

/// The finding of that type, if the report has one.
fn said<'r>(report: &'r PinReport, condition: &str) -> Option<&'r Finding> {
    report.findings.iter().find(|finding| finding.condition == condition)
}

/// Whether the condition is true, and why.
fn verdict(report: &PinReport, condition: &str) -> Option<(Verdict, Reason)> {
    said(report, condition).map(|finding| (finding.verdict, finding.reason))
}

fn ready(report: &PinReport) -> &str {
    &said(report, READY).unwrap().message
}
