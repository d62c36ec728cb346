//! The organisation: everything that Omni would hold, in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::embed_users::EmbedUser;
use super::git_settings::GitSettings;
use super::http::Answer;
use super::ids::Ids;
use super::knobs::Knobs;
use super::labels::Label;
use super::metadata::Metadata;
use super::repository::Repository;
use super::run::Job;
use super::schedules::Schedule;

/// The whole organisation.
#[derive(Debug)]
pub(super) struct Organisation {
    pub(super) id: String,
    /// The key owner's membership.
    pub(super) owner: Member,
    pub(super) knobs: Knobs,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    pub(super) connections: Vec<Connection>,
    pub(super) environments: Vec<ConnectionEnvironment>,
    pub(super) attributes: Vec<Value>,
    pub(super) groups: Vec<UserGroup>,
    pub(super) roles: Vec<RoleGrant>,
    pub(super) models: BTreeMap<String, Model>,
    pub(super) folders: BTreeMap<String, Folder>,
    /// By document id.
    pub(super) documents: BTreeMap<String, Document>,
    /// Identifiers that documents had before, and whose they were.
    pub(super) redirects: BTreeMap<String, String>,
    /// In the order in which they came.
    pub(super) embed_users: Vec<EmbedUser>,
    pub(super) labels: Vec<Label>,
    /// In the order in which they came.
    pub(super) schedules: Vec<Schedule>,
    /// By the id of the shared model.
    pub(super) git: BTreeMap<String, GitSettings>,
    /// Repositories on this machine, by the address that settings have.
    pub(super) repositories: BTreeMap<String, Repository>,
    /// Runs that timed out and were not waited for yet.
    pub(super) jobs: Vec<Job>,
}

/// The user in whose name the key acts.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) membership_id: String,
    pub(super) user_id: String,
    pub(super) name: String,
}

/// A group of users; embed users are members of `embed-viewers`.
#[derive(Debug, Clone)]
pub(super) struct UserGroup {
    pub(super) mini_uuid: String,
    pub(super) name: String,
}

/// A role for a user or a group on a model or a connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RoleGrant {
    pub(super) principal: Principal,
    pub(super) role: String,
    pub(super) connection_id: String,
    /// None: on every model of the connection.
    pub(super) model_id: Option<String>,
}

/// Who holds a role or a permit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Principal {
    /// A membership id.
    User(String),
    /// A miniUuid.
    Group(String),
}

/// A database connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) database: String,
    pub(super) default_schema: String,
    pub(super) base_role: String,
    /// The user attribute that chooses the environment.
    pub(super) environment_attribute: Option<String>,
}

/// A physical connection that takes the base connection's place for some values of the attribute.
#[derive(Debug, Clone)]
pub(super) struct ConnectionEnvironment {
    pub(super) id: String,
    pub(super) base_connection_id: String,
    pub(super) connection_id: String,
    pub(super) values: Vec<String>,
}

/// The kinds of model, one above the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    Schema,
    Shared,
    SharedExtension,
    Branch,
    Workbook,
    Query,
}

impl ModelKind {
    pub(super) const ALL: [Self; 6] = [
        Self::Schema,
        Self::Shared,
        Self::SharedExtension,
        Self::Branch,
        Self::Workbook,
        Self::Query,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Schema => "SCHEMA",
            Self::Shared => "SHARED",
            Self::SharedExtension => "SHARED_EXTENSION",
            Self::Branch => "BRANCH",
            Self::Workbook => "WORKBOOK",
            Self::Query => "QUERY",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// One authored file: the text as written, and what it parses to.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) text: String,
    pub(super) parsed: Arc<Value>,
    /// Whether a person made the view in the workbook, rather than a program through the YAML API.
    pub(super) made_in_workbook: bool,
}

impl File {
    /// Parses the text.
    ///
    /// # Errors
    /// The text is no YAML; says where.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let parsed: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            parsed: Arc::new(parsed),
            made_in_workbook: false,
        })
    }
}

/// The files of a model, by name.
pub(super) type Files = BTreeMap<String, File>;

/// One model of any kind.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) id: String,
    pub(super) kind: ModelKind,
    pub(super) name: Option<String>,
    pub(super) connection_id: String,
    pub(super) base_model_id: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) deleted_at: Option<Timestamp>,
    /// What was authored here; of a branch, the whole of the base with the branch's changes.
    pub(super) files: Files,
    /// Of a branch: the base as it was when the branch was made.
    pub(super) forked_from: Files,
    /// Raised with every change of the files.
    pub(super) version: u64,
}

/// A folder of the organisation.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) name: String,
    /// All segments from the root, with slashes.
    pub(super) path: String,
    pub(super) parent_id: Option<String>,
    pub(super) scope: String,
    pub(super) created_at: Timestamp,
    pub(super) permits: BTreeMap<Principal, Permit>,
}

/// What a principal may do in a folder and below, unless a nearer folder says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Permit {
    pub(super) role: String,
    pub(super) access_boost: bool,
}

/// A published document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// The canonical UUID, which is the workbook's.
    pub(super) id: String,
    pub(super) identifier: String,
    pub(super) name: String,
    pub(super) dashboard_id: String,
    pub(super) dashboard_mini_uuid: String,
    pub(super) folder_id: Option<String>,
    pub(super) scope: String,
    pub(super) shared_model_id: String,
    pub(super) workbook_model_id: String,
    /// In the order in which the tabs came.
    pub(super) query_model_ids: Vec<String>,
    /// The `dashboard` of an export.
    pub(super) dashboard: Value,
    /// The `fileUploads` of an export.
    pub(super) file_uploads: Value,
    /// What no export has of it.
    pub(super) metadata: Metadata,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) published_at: Timestamp,
    pub(super) deleted_at: Option<Timestamp>,
    /// What it was before its changes, oldest first, for lists that lag.
    pub(super) past: Vec<Past>,
}

/// What lists told of a document until it changed.
#[derive(Debug, Clone)]
pub(super) struct Past {
    until: Timestamp,
    identifier: String,
    name: String,
    folder_id: Option<String>,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
}

/// The organisation's time: real time, moved by hand, and never the same twice.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead_seconds: i64,
    last_millis: i64,
}

impl Clock {
    /// What the clock shows.
    pub(super) fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        let moved = real.checked_add(self.ahead_seconds.seconds()).unwrap_or(real);
        Timestamp::from_millisecond(moved.as_millisecond()).unwrap_or(moved)
    }

    /// A time later than every one given before, so that two writes never look like one.
    pub(super) fn stamp(&mut self) -> Timestamp {
        let millis = self.now().as_millisecond().max(self.last_millis + 1);
        self.last_millis = millis;
        Timestamp::from_millisecond(millis).unwrap_or_else(|_| self.now())
    }

    pub(super) fn advance(&mut self, seconds: i64) {
        self.ahead_seconds = self.ahead_seconds.saturating_add(seconds);
    }
}

/// A checksum as the YAML API and `jsonHash` show them.
pub(super) fn checksum(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(bytes))
}

impl Organisation {
    pub(super) fn connection(&self, id: &str) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    /// A model that is not in the trash.
    pub(super) fn model(&self, id: &str) -> Result<&Model, Answer> {
        self.models
            .get(id)
            .filter(|model| model.deleted_at.is_none())
            .ok_or_else(|| Answer::not_found(format!("Model with id {id} does not exist")))
    }

    /// The branches of a shared model that were neither merged away nor deleted.
    pub(super) fn branches(&self, model_id: &str) -> impl Iterator<Item = &Model> {
        self.models.values().filter(move |model| {
            model.kind == ModelKind::Branch
                && model.deleted_at.is_none()
                && model.base_model_id.as_deref() == Some(model_id)
        })
    }

    pub(super) fn folder_at(&self, path: &str) -> Option<&Folder> {
        self.folders.values().find(|folder| folder.path == path)
    }

    /// A document by identifier, former identifier or UUID, in the trash or not.
    pub(super) fn document_or_trash(&self, identifier: &str) -> Option<&Document> {
        self.documents
            .values()
            .find(|document| document.identifier == identifier)
            .or_else(|| self.documents.get(identifier))
            .or_else(|| self.redirects.get(identifier).and_then(|id| self.documents.get(id)))
    }

    /// A document that is not in the trash.
    pub(super) fn document(&self, identifier: &str) -> Result<&Document, Answer> {
        self.document_or_trash(identifier)
            .filter(|document| document.deleted_at.is_none())
            .ok_or_else(|| Answer::not_found(format!("Document with identifier \"{identifier}\" not found")))
    }

    pub(super) fn group_named(&self, name: &str) -> Option<&UserGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Keeps what a document is, right before it changes.
    pub(super) fn remember(&mut self, document_id: &str, now: Timestamp) {
        if let Some(document) = self.documents.get_mut(document_id) {
            document.past.push(Past {
                until: now,
                identifier: document.identifier.clone(),
                name: document.name.clone(),
                folder_id: document.folder_id.clone(),
                updated_at: document.updated_at,
                deleted_at: document.deleted_at,
            });
        }
    }

    /// Up to when lists know of changes; none where they know of all.
    fn lists_know_until(&self) -> Option<Timestamp> {
        let lag = i64::try_from(self.knobs.list_lag_millis).ok().filter(|lag| *lag > 0)?;
        let known = self.clock.now().checked_sub(lag.milliseconds()).ok();
        known.filter(|_| self.knobs.list_lag_changes)
    }

    /// A document as lists show it now.
    pub(super) fn as_listed<'a>(&self, document: &'a Document) -> Cow<'a, Document> {
        let known = self.lists_know_until();
        let past = known.and_then(|known| document.past.iter().find(|past| past.until > known));
        let Some(past) = past else {
            return Cow::Borrowed(document);
        };
        Cow::Owned(Document {
            identifier: past.identifier.clone(),
            name: past.name.clone(),
            folder_id: past.folder_id.clone(),
            updated_at: past.updated_at,
            deleted_at: past.deleted_at,
            ..document.clone()
        })
    }

    /// When a model went, as far as lists know.
    pub(super) fn listed_deletion(&self, model: &Model) -> Option<Timestamp> {
        let known = self.lists_know_until();
        model.deleted_at.filter(|at| known.is_none_or(|known| *at <= known))
    }

    /// The branches of a shared model as lists show them now.
    pub(super) fn listed_branches(&self, model_id: &str) -> impl Iterator<Item = &Model> {
        let known = self.lists_know_until();
        self.models.values().filter(move |model| {
            model.kind == ModelKind::Branch
                && model.base_model_id.as_deref() == Some(model_id)
                && known.is_none_or(|known| model.created_at <= known)
                && self.listed_deletion(model).is_none()
        })
    }

    /// Whether lists show yet what was created then.
    pub(super) fn listed(&self, created_at: Timestamp) -> bool {
        let lag = i64::try_from(self.knobs.list_lag_millis).unwrap_or(i64::MAX);
        lag == 0 || self.clock.now().as_millisecond() - created_at.as_millisecond() >= lag
    }
}
