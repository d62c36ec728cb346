//! What one pass has seen: the ledger at its start, and of Omni only what a decision asked for.
//!
//! Reads only. What is seen stays for the rest of the pass, with the effects of the pass put in, so that a cut costs few
//! calls; the next pass starts from nothing.

mod access;
mod look;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::content::state;
use super::content::tiles::TileQuery;
use super::samples::Sample;
use crate::ports::{
    DashboardIds, DashboardRecord, DashboardRow, DocumentFindings, DocumentRecord, DocumentState, Exported,
    FolderPermit, FolderRecord, GitSettings, GitSync, Intent, IntentStep, Mapping, MappingError, ModelFiles,
    ModelRecord, PublishedRead, QueryAnswer, RoleGrant, Scheduled, Shape, ValidationIssue, VersionRecord,
};
use crate::resources::conditions::Reason;
pub use access::OwnPermits;
pub use look::{Around, Look, look};

/// Everything seen so far in one pass.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What the mapping tables look like.
    pub shape: Shape,
    /// Every recorded version.
    pub versions: BTreeMap<i32, VersionRecord>,
    /// This version's intents.
    pub intents: BTreeMap<(IntentStep, String), Intent>,
    /// Intents that this pass opened and whose call was not sent yet.
    pub unsent: BTreeSet<(IntentStep, String)>,
    /// The dashboards of this version that are whole.
    pub dashboards: BTreeMap<String, DashboardRecord>,
    /// The dashboards of the version that this one is cut from.
    pub source_dashboards: BTreeMap<String, DashboardRecord>,
    /// This version's rows; `None` after they were written and before they are read back.
    pub rows: Option<Vec<DashboardRow>>,
    /// Rows and mark were written in this pass.
    pub completed: bool,
    /// The rows of the version that this one is cut from.
    pub source_rows: Vec<DashboardRow>,
    /// How many tenants' rows hold this version.
    pub tenants: u64,
    /// Something declared or recorded has changed since this process last looked at the version: somebody waits for what
    /// there is now.
    pub asked: bool,
    /// The key is the organisation's; the word for it if it is another.
    pub key_scope: Option<Result<(), String>>,
    /// The membership id of the key's owner, where Omni told it.
    pub key_owner: Option<String>,
    /// The model to adopt.
    pub adopted_model: Option<Option<ModelRecord>>,
    /// The shared models of the connection.
    pub models: Option<Vec<ModelRecord>>,
    /// The generated models of all connections.
    pub schemas: Option<Vec<ModelRecord>>,
    /// The connections that are environments of the version's.
    pub environment_connections: Option<BTreeSet<String>>,
    /// The model was created in this pass: what is granted and held there need not be asked.
    pub model_is_new: bool,
    /// Authored files, by model and branch.
    pub files: BTreeMap<(String, Option<String>), ModelFiles>,
    /// The files of the source's model with the layers below them, where the edits need them.
    pub combined: Option<ModelFiles>,
    /// The Git settings of models, by the model's id; `None` for one that has none.
    pub git: BTreeMap<String, Option<GitSettings>>,
    /// The models that had Git settings already when this pass gave them some.
    pub linked_before: BTreeSet<String>,
    /// The repository of the source's model.
    pub repository: Option<RepositorySeen>,
    /// The branch on which this pass found the copied directory proposed, and not merged.
    pub proposed: Option<String>,
    /// What came of bringing the model and its directory to the same state in this pass.
    pub synced: Option<GitSync>,
    /// The findings about the branch.
    pub issues: Option<Vec<ValidationIssue>>,
    /// The findings about the version's own model, where they were asked for by themselves.
    pub model_issues: Option<Vec<ValidationIssue>>,
    /// Omni's findings about the documents of a model, by the model's id.
    pub findings: BTreeMap<String, Vec<DocumentFindings>>,
    /// The branch that this pass made, which the list of models does not show yet.
    pub branch_made: Option<String>,
    /// The user groups of the organisation.
    pub user_groups: Option<BTreeSet<String>>,
    /// The roles of user groups; `None` inside for one that Omni does not have.
    pub roles: BTreeMap<String, Option<Vec<RoleGrant>>>,
    /// This pass gave roles on a complete version's model that were not read again since.
    pub roles_changed: bool,
    /// The role that everybody has on the models of the connection; `None` inside where Omni does not say.
    pub base_role: Option<Option<String>>,
    /// Folders by path.
    pub folders: BTreeMap<String, Option<FolderRecord>>,
    /// The permits of folders, by the folder's id.
    pub permits: BTreeMap<String, Vec<FolderPermit>>,
    /// This pass changed permits that were not read again since.
    pub permits_changed: bool,
    /// This pass began to open the folder.
    pub opening: bool,
    /// The documents of the source's folder.
    pub source_documents: Option<Vec<DocumentRecord>>,
    /// The documents of the version's folder.
    pub documents: Option<Vec<DocumentRecord>>,
    /// The own permits of documents, and what was done about them in this pass, by identifier.
    pub document_permits: BTreeMap<String, OwnPermits>,
    /// The settings of documents, by identifier; `None` inside where Omni does not show them.
    pub settings: BTreeMap<String, Option<BTreeMap<String, bool>>>,
    /// Documents whose settings Omni did not let the key set.
    pub settings_refused: BTreeSet<String>,
    /// The schedules and alerts of the organisation; `None` inside where they could not be listed.
    pub schedules: Option<Option<Vec<Scheduled>>>,
    /// Every document of the organisation; `None` inside where there are too many to list.
    pub all_documents: Option<Option<Vec<DocumentRecord>>>,
    /// Dashboards to adopt that were looked at.
    pub adopted: BTreeMap<String, Judged>,
    /// The dashboard that is being copied.
    pub work: Option<Work>,
    /// Dashboards that cannot be copied as they are.
    pub set_aside: BTreeMap<String, (Reason, String)>,
    /// Dashboards whose creation by the newer documents API Omni refused, with its words.
    pub refused: BTreeMap<String, String>,
    /// What the newer documents API would not carry of the dashboards that were judged before anything is written, by slug.
    pub unfit: BTreeMap<String, Vec<String>>,
    /// Dashboards whose import got no answer and that may still appear.
    pub awaited: BTreeMap<String, Timestamp>,
    /// What was looked at once more after all content was whole.
    pub looked_again: BTreeSet<Again>,
    /// Documents of the version that were read by themselves, by slug; `None` where Omni has none of the identifier.
    pub found: BTreeMap<String, Option<Found>>,
    /// The content of documents that were added from elsewhere than the source's folder, read once more, by identifier.
    pub added: BTreeMap<String, Option<String>>,
    /// The pinned tenants of whom a sample stands for all, by environment, where queries are to be validated as tenants.
    pub samples: BTreeMap<String, Sample>,
    /// The membership ids of tenants' embed users; `None` for one whom Omni does not know.
    pub embed_users: BTreeMap<String, Option<String>>,
    /// The queries of the version's tiles, by slug, where they are to be validated.
    pub tiles: BTreeMap<String, Vec<TileQuery>>,
    /// What came of them, by slug, tile and user.
    pub answers: BTreeMap<(String, String, Option<String>), QueryAnswer>,
    /// Changes by other hands that a person takes as they are.
    pub accepted: BTreeSet<String>,
}

/// A dashboard to adopt: its ids, the links that lead out of the version, and how it is; or why it cannot be adopted.
pub type Judged = Result<(DashboardIds, Vec<String>, DocumentState), (Reason, String)>;

/// A document of the version, read by itself after lists told that it is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its ids as they are now.
    pub ids: DashboardIds,
    /// The shared model that it sits on.
    pub model_id: String,
    /// The path of its folder.
    pub folder_path: Option<String>,
    /// How it is.
    pub state: DocumentState,
}

impl From<Exported> for Found {
    fn from(export: Exported) -> Self {
        Self {
            state: state::of(&export),
            ids: DashboardIds {
                identifier: export.identifier,
                document_id: export.document_id,
                dashboard_id: export.dashboard_id,
            },
            model_id: export.shared_model_id,
            folder_path: export.folder_path,
        }
    }
}

/// From the directory of the source's model to that of the version's own, in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The repository's address, as Omni has it.
    pub address: String,
    /// The branch that the source's model is kept on.
    pub base: String,
    /// The source's directory, from the root.
    pub from: String,
    /// The branch of the version's directory.
    pub branch: String,
    /// The version's directory; none where it is not kept in the repository.
    pub to: Option<String>,
}

/// A repository, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySeen {
    /// The newest commit of the branch that is copied from.
    pub commit: String,
    /// The tree of the source's directory there; `None` where it is absent.
    pub source: Option<String>,
    /// The tree that the version's directory has on its branch, likewise.
    pub present: Option<String>,
}

/// What is looked at once more before a version is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Again {
    /// The shared models of the connection.
    Models,
    /// The documents of the source's folder.
    SourceDocuments,
    /// The documents of the version's own folder.
    Documents,
    /// The files of the version's own model.
    ModelFiles,
    /// The permits of the version's folder, after it was closed.
    Closure,
    /// The permits of the version's folder, after it was opened.
    Permits,
    /// The roles of user groups, after some were given again.
    Roles,
}

/// One dashboard on its way.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Its slug.
    pub slug: String,
    /// The source, exported; `None` inside where Omni has no such document.
    pub source: Option<Option<Exported>>,
    /// The source as the newer documents API reads it; `None` inside where that knows none.
    pub published: Option<Option<PublishedRead>>,
    /// How often the source was read anew, since it was published between two reads.
    pub rereads: u32,
    /// The copy, exported; `None` inside where there is none yet.
    pub copy: Option<Option<Exported>>,
    /// Old tiles and new ones, as the import of this pass answered.
    pub tiles: BTreeMap<String, String>,
    /// How often the copy was exported in this pass; a second time after its local models were mended.
    pub exports: u32,
}

/// As which tenants a check of a rollout wants the version's queries asked, and nobody has since.
pub(super) fn sought(seen: &Observed) -> impl Iterator<Item = &Intent> {
    let open = |it: &&Intent| it.step == IntentStep::Tenant && it.result.is_none();
    seen.intents.values().filter(open)
}

impl Observed {
    /// Reads the ledger.
    ///
    /// # Errors
    /// Those of the mapping.
    pub async fn ledger(
        mapping: &dyn Mapping,
        shape: Shape,
        version: i32,
        from: Option<i32>,
    ) -> Result<Self, MappingError> {
        let versions = mapping.versions().await?;
        let (intents, dashboards) = if versions.contains_key(&version) {
            (mapping.intents(version).await?, mapping.dashboards(version).await?)
        } else {
            (Vec::new(), BTreeMap::new())
        };
        let (source_dashboards, source_rows) = match from {
            Some(from) if versions.contains_key(&from) => (mapping.dashboards(from).await?, mapping.rows(from).await?),
            _ => (BTreeMap::new(), Vec::new()),
        };
        Ok(Self {
            shape,
            versions,
            intents: intents
                .into_iter()
                .map(|it| ((it.step, it.subject.clone()), it))
                .collect(),
            dashboards,
            source_dashboards,
            rows: Some(mapping.rows(version).await?),
            source_rows,
            tenants: mapping.tenants_by_version().await?.get(&version).copied().unwrap_or(0),
            ..Self::default()
        })
    }

    /// Forgets what was seen of this, which is looked at once more.
    pub(super) fn forget(&mut self, what: Again, version: i32) {
        let own = self.versions.get(&version);
        match what {
            Again::Models => self.models = None,
            Again::SourceDocuments => self.source_documents = None,
            Again::Documents => {
                self.documents = None;
                // One that was read by itself may have been changed since, by this pass too.
                self.found.clear();
                self.tiles.clear();
            }
            Again::ModelFiles => {
                let own = own.and_then(|it| it.model_id.as_ref());
                let is_own = |model: &String, branch: &Option<String>| Some(model) == own && branch.is_none();
                self.files.retain(|(model, branch), _| !is_own(model, branch));
            }
            Again::Closure | Again::Permits => {
                let own = own.and_then(|it| it.folder_id.as_ref());
                self.permits.retain(|folder, _| Some(folder) != own);
                self.permits_changed = false;
            }
            Again::Roles => {
                self.roles.clear();
                self.roles_changed = false;
            }
        }
        self.looked_again.insert(what);
    }

    /// The work on this slug, begun where another was in hand.
    pub fn work(&mut self, slug: &str) -> &mut Work {
        if self.work.as_ref().is_none_or(|work| work.slug != slug) {
            self.work = Some(Work {
                slug: slug.to_owned(),
                ..Work::default()
            });
        }
        self.work.get_or_insert_with(Work::default)
    }
}
