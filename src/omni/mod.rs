//! The adapter to Omni's REST API: one file a resource, under one transport and one request budget a key.
//!
//! Omni's API has no version to pin, so the adapter is wide in what it takes (unknown words, fields and answer shapes
//! that can be understood) and narrow in what it sends (documented fields only). Where an answer lacks what is needed
//! the call fails with [`OmniErrorKind::ContractDrift`](crate::ports::OmniErrorKind::ContractDrift); nothing is guessed.
//! There is no idempotency key anywhere in Omni, so nothing that writes is ever sent again but after a 429.

mod answer;
mod connections;
mod content_validator;
mod contract;
mod document_access;
mod documents;
mod documents_v2;
mod folders;
mod git;
mod identity;
mod lately;
mod limiter;
mod migration;
mod models;
mod paging;
mod queries;
mod redact;
mod refusal;
mod roles;
mod schedules;
mod transport;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::ports::{
    Connection, Contract, DocumentFindings, DocumentPermit, DocumentRecord, DocumentRequest, Exported, FolderPermit,
    FolderRecord, GitLink, GitSettings, GitSync, Grantee, Identity, ImportRequest, Imported, MappingError, Merge,
    Migration, ModelFile, ModelFiles, ModelRecord, NewModel, Omni, OmniError, PublishedRead, QueryAnswer, QueryAsk,
    Rehearsal, Reservation, RoleGrant, Scheduled, Standing, Urgency, ValidationIssue,
};
use crate::telemetry::Measures;
pub use limiter::{Limiter, Limiters, Shared, Slot};
pub(crate) use limiter::{budget_name, fingerprint};
pub(crate) use redact::redact;
pub(crate) use refusal::retry_after;

/// How a client talks.
#[derive(Debug, Clone)]
pub struct OmniOptions {
    /// How long one request may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// The longest answer that is taken, in bytes: exports hold uploaded files. Calls whose answers are never long take
    /// an eighth of it.
    pub answer_limit: usize,
    /// Where requests are counted.
    pub measures: Arc<Measures>,
}

impl Default for OmniOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            answer_limit: 64 * 1024 * 1024,
            measures: Arc::default(),
        }
    }
}

/// Why there can be no client for a key.
#[derive(Debug, snafu::Snafu)]
pub enum ClientError {
    /// The key holds a character that cannot stand in a header.
    #[snafu(display("the API key holds characters that no header can carry; it must be the key's text alone"))]
    Key,
    /// The HTTP client cannot be made on this machine.
    #[snafu(display("no HTTP client can be made: {source}"))]
    Http {
        /// Why.
        source: reqwest::Error,
    },
}

/// One Omni organisation, seen with one key.
#[derive(Clone)]
pub struct OmniClient {
    http: reqwest::Client,
    /// Without `/api` and without a slash at the end.
    base_url: String,
    api_key: SecretString,
    limiter: Arc<Limiter>,
    urgency: Urgency,
    answer_limit: usize,
    measures: Arc<Measures>,
    standing: Arc<Standing>,
    rehearsal: Option<Arc<dyn Rehearsal>>,
    lately: Arc<lately::Lately>,
    /// Of generated models, which no call of this client changes: one list, under no connection.
    schemas_lately: Arc<lately::Lately>,
}

impl OmniClient {
    /// A client for the organisation at `base_url` (without `/api`). It sends nothing before the first call. Where a key
    /// may be sent to, and that the organisation is the right one, is for the caller to vouch for (see
    /// [`behind`](Self::behind)); this client follows no redirect.
    pub fn new(
        base_url: &str,
        api_key: SecretString,
        limiter: Arc<Limiter>,
        options: &OmniOptions,
    ) -> Result<Self, ClientError> {
        let bearer = SecretString::from(format!("Bearer {}", api_key.expose_secret()));
        let mut authorization = HeaderValue::from_str(bearer.expose_secret()).map_err(|_| ClientError::Key)?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .user_agent(concat!("wavepin/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(options.request_timeout)
            .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
            // Shorter than servers keep an idle connection: a write on one that just closed would lose its answer.
            .pool_idle_timeout(Duration::from_secs(20));
        // Plain HTTP is for this machine alone, where a proxy has no place.
        let http = if base_url.starts_with("http://") {
            // Nor do certificates, and reading the machine's is the slowest part of making a client.
            http.no_proxy().tls_certs_only([])
        } else {
            http
        };
        Ok(Self {
            http: http.build().map_err(|source| ClientError::Http { source })?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            limiter,
            urgency: Urgency::Check,
            answer_limit: options.answer_limit,
            measures: Arc::clone(&options.measures),
            standing: Arc::new(Standing::vouched_for()),
            rehearsal: None,
            lately: Arc::default(),
            schemas_lately: Arc::default(),
        })
    }

    /// The same client, whose calls wait for their turn in this class. A new one waits among the checks.
    #[must_use]
    pub fn at(&self, urgency: Urgency) -> Self {
        Self {
            urgency,
            ..self.clone()
        }
    }

    /// A client of the same organisation that only rehearses: it sends nothing but reads, and asks `rehearsal` how every
    /// request is met. Both remember the same lists: only one of them is to be used.
    #[must_use]
    pub fn rehearsing(&self, rehearsal: Arc<dyn Rehearsal>) -> Self {
        Self {
            rehearsal: Some(rehearsal),
            ..self.clone()
        }
    }

    /// The same client, which sends only what this standing admits.
    #[must_use]
    pub fn behind(&self, standing: Arc<Standing>) -> Self {
        Self {
            standing,
            ..self.clone()
        }
    }
}

impl std::fmt::Debug for OmniClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OmniClient")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Omni for OmniClient {
    async fn reserve(&self) -> Result<Reservation, MappingError> {
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.reserve();
            return Ok(Reservation::new(transport::Rehearsed));
        }
        self.limiter.slot(self.urgency).await.map(Reservation::new)
    }

    async fn identity(&self) -> Result<Identity, OmniError> {
        self.who_am_i().await
    }

    async fn contract(&self) -> Result<Option<Contract>, OmniError> {
        self.get_contract().await
    }

    fn standing(&self) -> &Standing {
        &self.standing
    }

    async fn connection_ids(&self) -> Result<BTreeSet<String>, OmniError> {
        self.list_connection_ids().await
    }

    async fn connection(&self, id: &str) -> Result<Option<Connection>, OmniError> {
        self.find_connection(id).await
    }

    async fn model(&self, id: &str) -> Result<Option<ModelRecord>, OmniError> {
        self.find_model(id).await
    }

    async fn shared_models(&self, connection_id: &str) -> Result<Vec<ModelRecord>, OmniError> {
        self.list_shared_models(connection_id).await
    }

    async fn shared_models_lately(
        &self,
        connection_id: &str,
        max_age: Duration,
    ) -> Result<Vec<ModelRecord>, OmniError> {
        let read = self.list_shared_models(connection_id);
        self.lately.models(connection_id, max_age, read).await
    }

    async fn schema_models_lately(&self, max_age: Duration) -> Result<Vec<ModelRecord>, OmniError> {
        self.schemas_lately.models("", max_age, self.list_schema_models()).await
    }

    async fn environment_connections(&self, connection_id: &str) -> Result<BTreeSet<String>, OmniError> {
        self.list_environment_connections(connection_id).await
    }

    async fn create_model(&self, model: &NewModel, place: Reservation) -> Result<String, OmniError> {
        let made = self.post_model(model, place).await;
        self.lately.forget();
        made
    }

    async fn model_files(&self, model_id: &str, branch_id: Option<&str>) -> Result<ModelFiles, OmniError> {
        self.get_yaml(model_id, branch_id, "extension").await
    }

    async fn combined_files(&self, model_id: &str) -> Result<ModelFiles, OmniError> {
        self.get_yaml(model_id, None, "combined").await
    }

    async fn put_model_file(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        file_name: &str,
        file: &ModelFile,
    ) -> Result<(), OmniError> {
        self.post_yaml(model_id, branch_id, file_name, file).await
    }

    async fn validate_model(&self, model_id: &str, branch_id: Option<&str>) -> Result<Vec<ValidationIssue>, OmniError> {
        self.get_validation(model_id, branch_id).await
    }

    async fn merge_branch(&self, model_id: &str, branch_name: &str, message: &str) -> Result<Merge, OmniError> {
        let merged = self.post_merge(model_id, branch_name, message).await;
        self.lately.forget();
        merged
    }

    async fn validate_content(&self, model_id: &str) -> Result<Vec<DocumentFindings>, OmniError> {
        self.get_content_validation(model_id).await
    }

    async fn query(&self, ask: &QueryAsk) -> Result<QueryAnswer, OmniError> {
        self.post_query(ask).await
    }

    async fn embed_user(&self, external_id: &str) -> Result<Option<String>, OmniError> {
        self.get_embed_user(external_id).await
    }

    async fn label_document(&self, identifier: &str, labels: &BTreeSet<String>) -> Result<(), OmniError> {
        self.patch_labels(identifier, labels).await
    }

    async fn git_settings(&self, model_id: &str) -> Result<Option<GitSettings>, OmniError> {
        self.get_git(model_id).await
    }

    async fn link_git(&self, model_id: &str, link: &GitLink) -> Result<bool, OmniError> {
        self.post_git(model_id, link).await
    }

    async fn sync_git(&self, model_id: &str, message: &str) -> Result<GitSync, OmniError> {
        let synced = self.post_git_sync(model_id, message).await;
        self.lately.forget();
        synced
    }

    async fn migrate_model(&self, source_id: &str, migration: &Migration, place: Reservation) -> Result<(), OmniError> {
        let migrated = self.post_migration(source_id, migration, place).await;
        self.lately.forget();
        migrated
    }

    async fn group_roles(&self, user_group: &str) -> Result<Vec<RoleGrant>, OmniError> {
        self.get_group_roles(user_group).await
    }

    async fn user_groups(&self) -> Result<BTreeSet<String>, OmniError> {
        self.list_user_groups().await
    }

    async fn grant_role(&self, user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError> {
        self.post_group_role(user_group, model_id, role).await
    }

    async fn folder(&self, path: &str) -> Result<Option<FolderRecord>, OmniError> {
        self.find_folder(path).await
    }

    async fn create_folder(
        &self,
        name: &str,
        parent_id: Option<&str>,
        place: Reservation,
    ) -> Result<FolderRecord, OmniError> {
        self.post_folder(name, parent_id, place).await
    }

    async fn folder_permits(&self, folder_id: &str) -> Result<Vec<FolderPermit>, OmniError> {
        self.get_folder_permits(folder_id).await
    }

    async fn grant_folder(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<(), OmniError> {
        self.post_folder_permit(folder_id, user_group, role, place).await
    }

    async fn change_folder_grant(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<bool, OmniError> {
        self.patch_folder_permit(folder_id, user_group, role, place).await
    }

    async fn revoke_folder(&self, folder_id: &str, user_group: &str) -> Result<(), OmniError> {
        self.delete_folder_permit(folder_id, user_group).await
    }

    async fn documents(&self, folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError> {
        self.list_documents(folder_id).await
    }

    async fn all_documents(&self, most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError> {
        self.list_all_documents(most_pages).await
    }

    async fn export(&self, identifier: &str) -> Result<Option<Exported>, OmniError> {
        self.get_export(identifier).await
    }

    async fn import(&self, request: &ImportRequest, place: Reservation) -> Result<Imported, OmniError> {
        self.post_import(request, place).await
    }

    async fn document_permits(&self, identifier: &str) -> Result<Vec<DocumentPermit>, OmniError> {
        self.list_document_permits(identifier).await
    }

    async fn grant_document(
        &self,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError> {
        self.post_document_permits(identifier, grantees, role).await
    }

    async fn change_document_grant(
        &self,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError> {
        self.patch_document_permits(identifier, grantees, role).await
    }

    async fn document_settings(
        &self,
        identifier: &str,
        membership_id: &str,
    ) -> Result<Option<BTreeMap<String, bool>>, OmniError> {
        self.get_document_settings(identifier, membership_id).await
    }

    async fn set_document(&self, identifier: &str, settings: &BTreeMap<String, bool>) -> Result<(), OmniError> {
        self.put_document_settings(identifier, settings).await
    }

    async fn schedules(&self, most_pages: usize) -> Result<Option<Vec<Scheduled>>, OmniError> {
        self.list_schedules(most_pages).await
    }

    async fn published(&self, identifier: &str) -> Result<Option<PublishedRead>, OmniError> {
        self.get_published(identifier).await
    }

    async fn create_document(
        &self,
        request: &DocumentRequest,
        place: Reservation,
    ) -> Result<Option<String>, OmniError> {
        self.post_published(request, place).await
    }

    async fn move_document(&self, identifier: &str, folder_path: &str) -> Result<(), OmniError> {
        self.put_move(identifier, folder_path).await
    }
}

#[cfg(test)]
mod tests;
