//! What the reconcilers need of one Omni organisation.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use snafu::Snafu;

use super::{
    Connection, Contract, DocumentFindings, DocumentPermit, DocumentRecord, DocumentRequest, Exported, FolderPermit,
    FolderRecord, GitLink, GitSettings, GitSync, Grantee, Identity, ImportRequest, Imported, MappingError, Merge,
    Migration, ModelFile, ModelFiles, ModelRecord, NewModel, PublishedRead, QueryAnswer, QueryAsk, RoleGrant,
    Scheduled, Standing, ValidationIssue,
};

/// Why a call did not do what it should.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub), display("{operation} ({object}): {kind}"))]
pub struct OmniError {
    /// The call, as method and path pattern: `POST /v1/models`.
    pub operation: &'static str,
    /// What it was about: a model's name, a document's identifier.
    pub object: String,
    /// What went wrong.
    pub kind: OmniErrorKind,
}

/// What went wrong with a call.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub))]
pub enum OmniErrorKind {
    /// It never reached Omni: nothing happened there.
    #[snafu(display("Omni cannot be reached: {why}"))]
    Unreachable {
        /// The transport's words, without secrets.
        why: String,
    },
    /// It was not sent: the mapping database gave it no place in the request budget. Without the database nobody knows
    /// what was sent in the last minute, and who leads.
    #[snafu(display("not sent: {source}"))]
    NoPlace {
        /// Why.
        source: MappingError,
    },
    /// It was sent, and no whole answer came, or a server error: it may or may not have taken effect.
    #[snafu(display("no answer that tells whether it took effect: {why}"))]
    AnswerLost {
        /// What came instead.
        why: String,
    },
    /// Too many requests with this key; nothing happened.
    #[snafu(display("Omni asks for fewer requests with this key (429)"))]
    RateLimited {
        /// How long to wait, where Omni says so.
        retry_after: Option<Duration>,
    },
    /// The key is refused.
    #[snafu(display("Omni refuses the API key ({status}): {detail}"))]
    KeyRefused {
        /// The HTTP status.
        status: u16,
        /// Omni's words.
        detail: String,
    },
    /// What the call is about does not exist.
    #[snafu(display("not found: {detail}"))]
    NotFound {
        /// Omni's words.
        detail: String,
    },
    /// The call is refused; nothing happened.
    #[snafu(display("refused ({status}): {detail}"))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Omni's words.
        detail: String,
    },
    /// The file or the identifier is not as the call presumed: someone else wrote in between.
    #[snafu(display("someone else changed it in between ({status}): {detail}"))]
    Conflict {
        /// The HTTP status.
        status: u16,
        /// Omni's words.
        detail: String,
    },
    /// The key's owner has no value for the attribute that picks the connection environment.
    #[snafu(display("{detail}"))]
    CallerAttributeMissing {
        /// Omni's words.
        detail: String,
    },
    /// The answer is not what Wavepin was built against.
    #[snafu(display("the answer lacks what is needed at {field}: {excerpt}"))]
    ContractDrift {
        /// The field that is missing or of another type.
        field: String,
        /// The start of the answer.
        excerpt: String,
    },
    /// Omni's own description of its API says that the call is no longer what the client relies on; it was not sent.
    #[snafu(display(
        "not sent, since Omni's description of its API differs from what Wavepin relies on: {difference}"
    ))]
    Untrusted {
        /// What is different.
        difference: String,
    },
    /// It is not known that the organisation is the one whose versions stand in the mapping; it was not sent.
    #[snafu(display("not sent: {why}"))]
    Unrecognized {
        /// Why it is not known.
        why: String,
    },
    /// The call is no longer served (410).
    #[snafu(display("the call is no longer served (410){}", successor.as_deref().map(|it| format!("; its successor is {it}")).unwrap_or_default()))]
    Gone {
        /// The successor that Omni names.
        successor: Option<String>,
    },
}

impl OmniErrorKind {
    /// Whether the call may have taken effect all the same.
    #[must_use]
    pub const fn effect_unknown(&self) -> bool {
        matches!(self, Self::AnswerLost { .. } | Self::ContractDrift { .. })
    }
}

/// A place in the key's request budget, kept for one call, so that the call goes out the moment that its mark is written
/// down and not a wait for the budget later.
pub struct Reservation(Box<dyn Any + Send + Sync>);

impl Reservation {
    /// Keeps whatever an adapter counts its places with.
    #[must_use]
    pub fn new(place: impl Any + Send + Sync) -> Self {
        Self(Box::new(place))
    }

    /// Gives it back to the adapter that made it; `None` where another did.
    #[must_use]
    pub fn place<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|place| *place)
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Reservation")
    }
}

/// One Omni organisation, seen with one key. Every call waits for its turn in the key's request budget.
#[async_trait]
pub trait Omni: Send + Sync {
    /// Waits for a place in the budget and keeps it for one call that is written down before it is sent. It sends nothing.
    ///
    /// # Errors
    /// The database gives no place: it cannot be reached, or the lead is lost.
    async fn reserve(&self) -> Result<Reservation, MappingError>;
    /// Whose key it is. `GET /v1/whoami`.
    async fn identity(&self) -> Result<Identity, OmniError>;
    /// Omni's own description of its API, held against what this client relies on. `None` where the instance serves
    /// none that can be read. `GET /openapi.json`, at the server's root.
    async fn contract(&self) -> Result<Option<Contract>, OmniError>;
    /// Which calls may be sent: what the passes of the instance found out, for every client of its URL and key.
    fn standing(&self) -> &Standing;
    /// The ids of the organisation's connections. `GET /v1/connections`.
    async fn connection_ids(&self) -> Result<BTreeSet<String>, OmniError>;
    /// The connection of this id. `GET /v1/connections`.
    async fn connection(&self, id: &str) -> Result<Option<Connection>, OmniError>;

    /// The shared model of this id, with its open branches. `GET /v1/models?modelId=`.
    async fn model(&self, id: &str) -> Result<Option<ModelRecord>, OmniError>;
    /// Every shared model of a connection, with open branches. `GET /v1/models?connectionId=&modelKind=SHARED`.
    async fn shared_models(&self, connection_id: &str) -> Result<Vec<ModelRecord>, OmniError>;
    /// The same, as it was at most so long ago: one list may serve the looks at many versions.
    async fn shared_models_lately(
        &self,
        connection_id: &str,
        _max_age: Duration,
    ) -> Result<Vec<ModelRecord>, OmniError> {
        self.shared_models(connection_id).await
    }
    /// The generated models of all connections, as they were at most so long ago: one list may serve the looks at many
    /// versions. `GET /v1/models?modelKind=SCHEMA`.
    async fn schema_models_lately(&self, max_age: Duration) -> Result<Vec<ModelRecord>, OmniError>;
    /// The connections that are environments of this one: whom the user attribute leads there sees the generated model
    /// of theirs. `GET /v1/connection-environments`.
    async fn environment_connections(&self, connection_id: &str) -> Result<BTreeSet<String>, OmniError>;
    /// Creates a model or a branch and returns its id. Never repeated by the client, not even after a 429, since the
    /// caller's mark tells when it was sent. `POST /v1/models`.
    async fn create_model(&self, model: &NewModel, place: Reservation) -> Result<String, OmniError>;
    /// The authored files of a model, or of a branch of it, with checksums. `GET /v1/models/{id}/yaml?mode=extension`.
    async fn model_files(&self, model_id: &str, branch_id: Option<&str>) -> Result<ModelFiles, OmniError>;
    /// The files of a model with the layers below them: what its views have, whoever made it.
    /// `GET /v1/models/{id}/yaml?mode=combined`.
    async fn combined_files(&self, model_id: &str) -> Result<ModelFiles, OmniError>;
    /// Creates or replaces one authored file. An empty text removes it. `POST /v1/models/{id}/yaml`.
    async fn put_model_file(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        file_name: &str,
        file: &ModelFile,
    ) -> Result<(), OmniError>;
    /// What Omni has of Git for a shared model; `None` where it has nothing. `GET /v1/models/{id}/git`.
    async fn git_settings(&self, model_id: &str) -> Result<Option<GitSettings>, OmniError>;
    /// Gives Git settings to a shared model that has none. False where it has some by now. `POST /v1/models/{id}/git`.
    async fn link_git(&self, model_id: &str, link: &GitLink) -> Result<bool, OmniError>;
    /// Brings a model and its repository to the same state, whichever of them Omni takes it from; doing it again does
    /// nothing more. `POST /v1/models/{id}/git/sync`.
    async fn sync_git(&self, model_id: &str, message: &str) -> Result<GitSync, OmniError>;
    /// Puts what a model's repository holds at a ref in the place of another model's definition; doing it again gives
    /// the same. `POST /v1/models/{id}/migrate`.
    async fn migrate_model(&self, source_id: &str, migration: &Migration, place: Reservation) -> Result<(), OmniError>;
    /// Omni's findings about a model, or a branch of it. `GET /v1/models/{id}/validate`.
    async fn validate_model(&self, model_id: &str, branch_id: Option<&str>) -> Result<Vec<ValidationIssue>, OmniError>;
    /// Omni's findings about every saved document on a shared model that has a query, queries planned too; trash left
    /// out. `GET /v1/models/{id}/content-validator?force_full_validation=true`.
    async fn validate_content(&self, model_id: &str) -> Result<Vec<DocumentFindings>, OmniError>;
    /// Plans a query, or runs it for one row and waits for its end. What Omni refuses to plan is an answer and no error.
    /// `POST /v1/query/run`, `GET /v1/query/wait`.
    async fn query(&self, ask: &QueryAsk) -> Result<QueryAnswer, OmniError>;
    /// The membership id of the embed user with this external id. `GET /scim/v2/embed/Users?filter=`.
    async fn embed_user(&self, external_id: &str) -> Result<Option<String>, OmniError>;
    /// Puts labels on a document, which keeps those that it has. `PATCH /v1/documents/{identifier}/labels`.
    async fn label_document(&self, identifier: &str, labels: &BTreeSet<String>) -> Result<(), OmniError>;
    /// Merges a branch into its shared model and deletes it. `POST /v1/models/{id}/branch/{name}/merge`.
    async fn merge_branch(&self, model_id: &str, branch_name: &str, message: &str) -> Result<Merge, OmniError>;

    /// The roles of a user group on models. `GET /v1/user-groups/{id}/model-roles`.
    async fn group_roles(&self, user_group: &str) -> Result<Vec<RoleGrant>, OmniError>;
    /// The ids of the organisation's user groups. `GET /scim/v2/Groups`, 100 a page.
    async fn user_groups(&self) -> Result<BTreeSet<String>, OmniError>;
    /// Gives a user group a role on a model; overwrites. `POST /v1/user-groups/{id}/model-roles`.
    async fn grant_role(&self, user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError>;

    /// The folder at this path. `GET /v1/folders?path=`; its 404 means absent.
    async fn folder(&self, path: &str) -> Result<Option<FolderRecord>, OmniError>;
    /// Creates a folder of the organisation. Never repeated by the client. `POST /v1/folders`.
    async fn create_folder(
        &self,
        name: &str,
        parent_id: Option<&str>,
        place: Reservation,
    ) -> Result<FolderRecord, OmniError>;
    /// What groups and users may do in a folder. `GET /v1/folders/{id}/permissions`.
    async fn folder_permits(&self, folder_id: &str) -> Result<Vec<FolderPermit>, OmniError>;
    /// Gives a user group that has no permit on a folder one. Never repeated by the client, since one that shuts a group
    /// out must not come late. `POST /v1/folders/{id}/permissions`.
    async fn grant_folder(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<(), OmniError>;
    /// Changes the permit that a user group has on a folder; false where it has none of its own after all, so that there
    /// is nothing to change. Never repeated by the client. `PATCH /v1/folders/{id}/permissions`.
    async fn change_folder_grant(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<bool, OmniError>;
    /// Takes a user group's own permit on a folder away, so that the parent's counts again; none is no error.
    /// `DELETE /v1/folders/{id}/permissions`.
    async fn revoke_folder(&self, folder_id: &str, user_group: &str) -> Result<(), OmniError>;

    /// Every document in a folder, trash left out. `GET /v1/documents?folderId=`, 100 a page.
    async fn documents(&self, folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError>;
    /// The first page of all documents of the organisation, trash included, with how many there are in all; the other
    /// pages too when that takes at most `most_pages` calls. `GET /v1/documents?include=includeDeleted`.
    async fn all_documents(&self, most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError>;
    /// One document whole; `None` where there is none. `GET /unstable/documents/{identifier}/export`.
    async fn export(&self, identifier: &str) -> Result<Option<Exported>, OmniError>;
    /// Imports a document. Never repeated by the client. `POST /unstable/documents/import`.
    async fn import(&self, request: &ImportRequest, place: Reservation) -> Result<Imported, OmniError>;
    /// What a document's own permits let groups and users do; those of its folder left out.
    /// `GET /v1/documents/{identifier}/access-list?accessSource=direct`, 100 a page.
    async fn document_permits(&self, identifier: &str) -> Result<Vec<DocumentPermit>, OmniError>;
    /// Gives these a permit on a document, without AccessBoost; who has one keeps it as it is.
    /// `POST /v1/documents/{identifier}/permissions`.
    async fn grant_document(&self, identifier: &str, grantees: &BTreeSet<Grantee>, role: &str)
    -> Result<(), OmniError>;
    /// Changes the role of these, who have a permit of the document's own; AccessBoost stays as it is.
    /// `PATCH /v1/documents/{identifier}/permissions`.
    async fn change_document_grant(
        &self,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError>;
    /// What a document lets those do who may open it, by Omni's words for it; `None` where Omni does not say.
    /// `GET /v1/documents/{identifier}/permissions?userId=`.
    async fn document_settings(
        &self,
        identifier: &str,
        membership_id: &str,
    ) -> Result<Option<BTreeMap<String, bool>>, OmniError>;
    /// Sets some of that. `PUT /v1/documents/{identifier}/permissions`.
    async fn set_document(&self, identifier: &str, settings: &BTreeMap<String, bool>) -> Result<(), OmniError>;
    /// Every schedule and alert of the organisation, if that takes at most so many calls. `GET /v1/schedules`.
    async fn schedules(&self, most_pages: usize) -> Result<Option<Vec<Scheduled>>, OmniError>;
    /// One document as it can be created anew; `None` where there is none. `GET /v2/documents/{identifier}`.
    async fn published(&self, identifier: &str) -> Result<Option<PublishedRead>, OmniError>;
    /// Creates a document and publishes it; the identifier that it got, where the answer tells. Never repeated by the
    /// client. `POST /v2/documents`.
    async fn create_document(&self, request: &DocumentRequest, place: Reservation)
    -> Result<Option<String>, OmniError>;
    /// Moves a document into a folder. `PUT /v1/documents/{identifier}/move`.
    async fn move_document(&self, identifier: &str, folder_path: &str) -> Result<(), OmniError>;
}
