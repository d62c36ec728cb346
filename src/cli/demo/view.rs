//! What each tenant sees: asked of the mapping with the application's own query, and of the organisation.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use snafu::{OptionExt as _, ResultExt as _, Snafu};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _};

/// The query that an application runs at every page view, for one tenant and environment.
pub(super) const LOOK_UP: &str = "\
SELECT dm.dashboard_id
FROM tenant_version tv
JOIN dashboard_model dm
ON dm.model_version_id = tv.model_version_id
AND dm.dashboard_slug = 'patient-summary'
WHERE tv.tenant_id = 'acme-corp'
AND tv.tenant_environment = 'production';";

/// Why what a tenant sees could not be found out.
#[derive(Debug, Snafu)]
pub(super) enum ViewError {
    /// The mapping database could not be asked.
    #[snafu(display("failed to ask the mapping database: {source}"))]
    Database {
        /// Why.
        source: sqlx::Error,
    },
    /// The organisation has no such dashboard.
    #[snafu(display("the organisation has no dashboard {identifier}, or no model for it"))]
    Dashboard {
        /// Which.
        identifier: String,
    },
}

/// What one tenant sees in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) tenant: String,
    pub(super) environment: String,
    pub(super) version: i32,
    /// The identifier of the dashboard that the application opens.
    pub(super) dashboard: String,
    /// The name of the model that answers its queries.
    pub(super) model: String,
}

/// The application's side of the mapping: it reads, and knows nothing of Wavepin.
#[derive(Debug)]
pub(super) struct Application {
    pool: SqlitePool,
}

impl Application {
    /// Opens the mapping to read.
    pub(super) async fn open(file: &Path) -> Result<Self, ViewError> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .context(DatabaseSnafu)?;
        Ok(Self { pool })
    }

    /// What every tenant sees now, sorted by tenant and environment. `organisation` is the simulator's state.
    pub(super) async fn views(&self, organisation: &Value) -> Result<Vec<View>, ViewError> {
        let rows = "SELECT tenant_id, tenant_environment, model_version_id FROM tenant_version ORDER BY 1, 2 DESC";
        let rows = sqlx::query(rows).fetch_all(&self.pool).await.context(DatabaseSnafu)?;
        let mut views = Vec::new();
        for row in rows {
            let (tenant, environment): (String, String) = (row.get(0), row.get(1));
            let dashboard = self.look_up(&tenant, &environment).await?;
            let model = model_of(organisation, &dashboard).context(DashboardSnafu { identifier: &dashboard })?;
            let version = row.get(2);
            views.push(View {
                tenant,
                environment,
                version,
                dashboard,
                model,
            });
        }
        Ok(views)
    }

    /// Runs [`LOOK_UP`] with another tenant and environment in its place.
    async fn look_up(&self, tenant: &str, environment: &str) -> Result<String, ViewError> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let query = LOOK_UP
            .replace("'acme-corp'", &quoted(tenant))
            .replace("'production'", &quoted(environment));
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.pool)
            .await
            .context(DatabaseSnafu)
    }
}

/// The name of the model that a document's queries run on.
fn model_of(organisation: &Value, identifier: &str) -> Option<String> {
    let documents = organisation["documents"].as_array()?;
    let document = documents.iter().find(|document| document["identifier"] == identifier)?;
    let models = organisation["models"].as_array()?;
    let model = models.iter().find(|model| model["id"] == document["modelId"])?;
    Some(model["name"].as_str()?.to_owned())
}

/// The rows of the mapping that two looks have in different versions, by tenant and environment.
pub(super) fn moved(before: &[View], now: &[View]) -> Vec<(String, String)> {
    let key = |view: &View| (view.tenant.clone(), view.environment.clone());
    let held: BTreeMap<_, _> = before.iter().map(|view| (key(view), view.version)).collect();
    now.iter()
        .filter(|view| held.get(&key(view)) != Some(&view.version))
        .map(key)
        .collect()
}
