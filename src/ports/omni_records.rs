//! What is read of one Omni organisation and sent to it, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Whose key it is and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whether the key is the organisation's or a person's.
    pub key_scope: KeyScope,
    /// The membership id of the key's owner, in whose name every call is made.
    pub membership_id: Option<String>,
}

/// The two kinds of API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyScope {
    /// May export and import.
    Organization,
    /// A person's key, or a kind that is not known here: Omni's word for it.
    Other(String),
}

/// The kinds of model; open, since Omni adds some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelKind {
    /// Generated from the database, one a connection.
    Schema,
    /// A governed model.
    Shared,
    /// An isolated line of changes to a shared model.
    Branch,
    /// The model of one document.
    Workbook,
    /// The model of one tab that has fields of its own.
    Query,
    /// Another kind, by Omni's word, or none.
    Other(String),
}

/// One model, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRecord {
    /// Its id.
    pub id: String,
    /// Its name; workbook and query models have none.
    pub name: Option<String>,
    /// Its kind.
    pub kind: ModelKind,
    /// The connection that it sits on.
    pub connection_id: Option<String>,
    /// The model below it.
    pub base_model_id: Option<String>,
    /// When it last changed, as Omni writes it; compared, never computed with.
    pub updated_at: String,
    /// It is in the trash.
    pub deleted: bool,
    /// Its open branches, where they were asked for.
    pub branches: Vec<Branch>,
}

/// One open branch of a shared model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The branch's own model id.
    pub id: String,
    /// Its name, unique in the shared model.
    pub name: String,
}

/// A model to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewModel {
    /// A shared model on a connection.
    Shared {
        /// The connection.
        connection_id: String,
        /// Its name.
        name: String,
    },
    /// A branch of a shared model.
    Branch {
        /// The connection of the shared model.
        connection_id: String,
        /// The shared model.
        base_model_id: String,
        /// The branch's name.
        name: String,
    },
}

/// The authored files of a model (`mode=extension`), by file name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// The files.
    pub files: BTreeMap<String, ModelFile>,
}

/// One authored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Its YAML text.
    pub yaml: String,
    /// Its checksum, where Omni gave one: what a later write names as the state that it replaces.
    pub checksum: Option<String>,
}

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Drafts that could not be published; more than none is a failure inside a success.
    pub failed_drafts: u64,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRecord {
    /// Its id.
    pub id: String,
    /// Its path from the root: `clinical/v2`.
    pub path: String,
}

/// What one user group or user may do in a folder, granted there or above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPermit {
    /// The user group, if it is a group's.
    pub user_group: Option<String>,
    /// The membership, if it is one person's.
    pub user: Option<String>,
    /// Omni's word for the role.
    pub role: String,
}

/// One document, as lists show it. Lists do not say on which model it sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRecord {
    /// What `/dashboards/<identifier>` takes.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// The path of its folder; `None` at the root or in a personal space.
    pub folder_path: Option<String>,
    /// When it last changed, as Omni writes it; compared, never computed with.
    pub updated_at: Option<String>,
    /// It is in the trash.
    pub deleted: bool,
    /// It has a dashboard, and is no workbook alone, of which Omni exports nothing.
    pub has_dashboard: bool,
    /// Its labels, where they were asked for.
    pub labels: BTreeSet<String>,
    /// What people read of it in lists.
    pub description: Option<String>,
    /// How many people keep it among their favourites, where that was asked for.
    pub favorites: u64,
}

/// One exported document: the whole body, and what every use of it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// What `/dashboards/<identifier>` takes.
    pub identifier: String,
    /// The document's UUID.
    pub document_id: String,
    /// The dashboard's UUID.
    pub dashboard_id: String,
    /// The document's name.
    pub name: String,
    /// The shared model that it sits on.
    pub shared_model_id: String,
    /// The path of its folder.
    pub folder_path: Option<String>,
    /// When it last changed, as Omni writes it, where it does; compared, never computed with.
    pub updated_at: Option<String>,
    /// The body as Omni sent it.
    pub body: Value,
}

/// A document to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRequest {
    /// The shared model to put it on.
    pub base_model_id: String,
    /// The identifier that it shall have.
    pub identifier: String,
    /// The path of the folder to put it in.
    pub folder_path: String,
    /// An export's body, changed as needed; the three fields above are added to it.
    pub body: Value,
}

/// What an import says of the new document. Anything may be missing: only the document itself proves what was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The identifier that it got.
    pub identifier: Option<String>,
    /// The document's UUID.
    pub document_id: Option<String>,
    /// The dashboard's UUID.
    pub dashboard_id: Option<String>,
    /// Old tile to new tile (`miniUuid`), where the answer holds it.
    pub tiles: BTreeMap<String, String>,
}

/// One published document, as the newer documents API reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedDocument {
    /// The shared model that it sits on.
    pub shared_model_id: String,
    /// Its own model, which is another one after every publish.
    pub workbook_model_id: String,
    /// The body as Omni sent it.
    pub body: Value,
}

/// What the newer documents API answers when a document is read.
#[derive(Debug, Clone, PartialEq)]
pub enum PublishedRead {
    /// The document.
    Document(Box<PublishedDocument>),
    /// It is one that this API does not read, such as one of the classic layout: Omni's words.
    Refused(String),
}

/// A document to create by the newer documents API.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRequest {
    /// The shared model to put it on.
    pub model_id: String,
    /// The identifier that it shall have.
    pub identifier: String,
    /// The id of the folder to put it in.
    pub folder_id: String,
    /// What was read of another document, changed as needed; the three fields above are added to it.
    pub body: Value,
}

/// A role that a user group has on a model or a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    /// Omni's word for the role.
    pub role: String,
    /// The model that it is granted on; for a grant on a whole connection `None`, or the connection's schema model.
    pub model_id: Option<String>,
    /// The connection that it is granted on, or the one of its model.
    pub connection_id: Option<String>,
    /// It is the group's own, and not that of a group around it.
    pub is_own: bool,
}

/// Whose a permit is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// A user group, by its id.
    Group(String),
    /// A user, by membership id.
    User(String),
}

/// What one user group or user may do with one document, by a permit of the document's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPermit {
    /// Whose it is.
    pub grantee: Grantee,
    /// The grantee's name, for people.
    pub name: String,
    /// Omni's word for the role.
    pub role: String,
    /// It lets the grantee see what the topics of the model do not hold.
    pub is_boosted: bool,
    /// It is the owner's.
    pub is_owner: bool,
}

/// Something that Omni sends out of a document at set times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The identifier of the document.
    pub identifier: String,
    /// It is sent on a condition alone.
    pub is_alert: bool,
}

/// What is needed of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The user attribute that picks the connection environment, if it has environments.
    pub environment_attribute: Option<String>,
    /// Omni's word for the role that everybody has on its models, where Omni says it.
    pub base_role: Option<String>,
}
