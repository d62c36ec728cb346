//! What one pass has seen: the ledger at its start, and of Omni only what a decision asked for.
//!
//! Reads only. What is seen stays for the rest of the pass, with the effects of the pass put in, so that a cut costs few
//! calls; the next pass starts from nothing.

mod access;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::content::documents_v2::{self, Fit};
use super::content::tiles::TileQuery;
use super::content::{state, tiles};
use super::repositories::Repositories;
use crate::ports::{
    DashboardIds, DashboardRecord, DashboardRow, DocumentFindings, DocumentRecord, DocumentState, Exported, Failure,
    FolderPermit, FolderRecord, GitSettings, GitSync, Intent, IntentStep, Mapping, MappingError, ModelFiles,
    ModelRecord, Omni, OmniError, OmniErrorKind, PublishedRead, QueryAnswer, QueryAsk, RoleGrant, Scheduled, Shape,
    ValidationIssue, VersionRecord,
};
use crate::resources::conditions::Reason;
pub use access::OwnPermits;

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
    /// The model was created in this pass: what is granted and held there need not be asked.
    pub model_is_new: bool,
    /// Authored files, by model and branch.
    pub files: BTreeMap<(String, Option<String>), ModelFiles>,
    /// The files of the source's model with the layers below them, where the edits need them.
    pub combined: Option<ModelFiles>,
    /// The Git settings of models, by the model's id; `None` for one that has none.
    pub git: BTreeMap<String, Option<GitSettings>>,
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
    /// The pinned tenants of whom a sample stands for all, where queries are to be validated as tenants.
    pub tenants_pinned: BTreeSet<String>,
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

/// One thing to look at.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Whose key it is.
    KeyScope,
    /// The model to adopt.
    AdoptedModel(String),
    /// The shared models of a connection.
    Models(String),
    /// The shared models of a connection, as they were at most so long ago.
    ModelsLately(String, Duration),
    /// The authored files of a model or a branch.
    Files {
        /// The model.
        model: String,
        /// The branch.
        branch: Option<String>,
    },
    /// The files of a model with the layers below them.
    Combined(String),
    /// The Git settings of a model.
    Git(String),
    /// The repository of the source's model.
    Repository(Box<Route>),
    /// Omni's findings about a branch.
    Issues {
        /// The model.
        model: String,
        /// The branch.
        branch: String,
    },
    /// Omni's findings about the version's own model.
    ModelIssues(String),
    /// Omni's findings about the documents of a model.
    Findings(String),
    /// The user groups of the organisation.
    UserGroups,
    /// The roles of a user group.
    Roles(String),
    /// The role that everybody has on the models of a connection.
    BaseRole(String),
    /// The own permits of a document.
    DocumentPermits(String),
    /// The settings of a document.
    Settings {
        /// The identifier.
        identifier: String,
        /// The membership id of the key's owner, as whom they are read.
        owner: String,
    },
    /// The schedules and alerts of the organisation, if that takes at most so many calls.
    Schedules(usize),
    /// The folder at a path.
    Folder(String),
    /// The permits of a folder.
    Permits(String),
    /// The documents of the source's folder, by the folder's id.
    SourceDocuments(String),
    /// The documents of the version's folder, by the folder's id.
    Documents(String),
    /// Every document of the organisation, if that takes at most so many calls.
    AllDocuments(usize),
    /// A dashboard to adopt: slug and identifier.
    Adopted {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
        /// The model that it must sit on.
        model: String,
        /// The identifiers of the version's own dashboards.
        own: BTreeSet<String>,
    },
    /// The source of the dashboard that is being copied.
    Source {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// The source of the dashboard that is being copied, as the newer documents API reads it.
    Published {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// The same once more, and its export: somebody published it between the two reads.
    Reread {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// Whether the newer documents API would carry a dashboard.
    Fit {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// The copy of the dashboard that is being copied.
    Copy {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// A document of the version by itself.
    Document {
        /// The slug.
        slug: String,
        /// The identifier that it had.
        identifier: String,
    },
    /// A document that was added from elsewhere than the source's folder, once more.
    Added(String),
    /// The membership id of a tenant's embed user.
    EmbedUser(String),
    /// The queries of a dashboard's tiles.
    Tiles {
        /// The slug.
        slug: String,
        /// The identifier.
        identifier: String,
    },
    /// What comes of a tile's query.
    Query {
        /// The slug.
        slug: String,
        /// The tile.
        tile: String,
        /// The query, and as whom.
        ask: Box<QueryAsk>,
    },
    /// Nothing more: a person takes these changes as they are.
    Accepted(BTreeSet<String>),
    /// The version's rows, once more.
    Rows,
    /// Forget what was seen of this, so that it is looked at once more.
    Again(Again),
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

/// What can be looked at.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The organisation.
    pub omni: &'a dyn Omni,
    /// The ledger and the rows.
    pub mapping: &'a dyn Mapping,
    /// The repositories of the organisation's models.
    pub repositories: Repositories<'a>,
}

/// Looks at one thing and keeps what was seen.
///
/// # Errors
/// Those of Omni and the mapping, as conditions tell them.
pub async fn look(look: Look, version: i32, around: Around<'_>, seen: &mut Observed) -> Result<(), Failure> {
    let Around {
        omni,
        mapping,
        repositories,
    } = around;
    match look {
        Look::Repository(route) => {
            seen.repository = Some(repositories.look(&route).await?);
            Ok(())
        }
        Look::Rows => {
            seen.rows = Some(mapping.rows(version).await.map_err(|error| Failure::from(&error))?);
            Ok(())
        }
        Look::Accepted(changes) => {
            seen.accepted.extend(changes);
            Ok(())
        }
        Look::Again(what) => {
            seen.forget(what, version);
            Ok(())
        }
        look => {
            let of_access = matches!(look, Look::DocumentPermits(_) | Look::Settings { .. });
            let Err(error) = look_at_omni(look, omni, seen).await else {
                return Ok(());
            };
            let mut failure = with_attribute(Failure::from(&error), omni, seen).await;
            if of_access && failure.reason == Reason::OmniRefused {
                failure.message += ". Make the key's owner Manager of it, or leave content.permissionsFrom out";
            }
            Err(failure)
        }
    }
}

/// Names the user attribute that the key's owner lacks: Omni's own words do not. One call, in this case alone.
async fn with_attribute(mut failure: Failure, omni: &dyn Omni, seen: &Observed) -> Failure {
    let connection = seen
        .models
        .iter()
        .flatten()
        .find_map(|model| model.connection_id.as_deref());
    if let (Reason::CallerAttributeMissing, Some(id)) = (failure.reason, connection)
        && let Ok(Some(connection)) = omni.connection(id).await
        && let Some(attribute) = connection.environment_attribute
    {
        failure.message = format!(
            "{}. On connection {:?} it is {attribute:?}",
            failure.message, connection.name
        );
    }
    failure
}

async fn look_at_omni(look: Look, omni: &dyn Omni, seen: &mut Observed) -> Result<(), OmniError> {
    match look {
        Look::KeyScope => {
            let identity = omni.identity().await?;
            seen.key_owner = identity.membership_id;
            seen.key_scope = Some(match identity.key_scope {
                crate::ports::KeyScope::Organization => Ok(()),
                crate::ports::KeyScope::Other(word) => Err(word),
            });
        }
        Look::AdoptedModel(id) => seen.adopted_model = Some(omni.model(&id).await?),
        Look::Models(connection) => seen.models = Some(omni.shared_models(&connection).await?),
        Look::ModelsLately(connection, age) => seen.models = Some(omni.shared_models_lately(&connection, age).await?),
        Look::Files { model, branch } => {
            let files = omni.model_files(&model, branch.as_deref()).await?;
            seen.files.insert((model, branch), files);
        }
        Look::Git(model) => {
            let settings = omni.git_settings(&model).await?;
            seen.git.insert(model, settings);
        }
        Look::Combined(model) => seen.combined = Some(omni.combined_files(&model).await?),
        Look::Issues { model, branch } => seen.issues = Some(omni.validate_model(&model, Some(&branch)).await?),
        Look::ModelIssues(model) => seen.model_issues = Some(omni.validate_model(&model, None).await?),
        Look::Findings(model) => {
            let findings = omni.validate_content(&model).await?;
            seen.findings.insert(model, findings);
        }
        Look::Folder(path) => {
            let folder = omni.folder(&path).await?;
            seen.folders.insert(path, folder);
        }
        Look::Permits(folder) => drop(seen.permits.insert(folder.clone(), omni.folder_permits(&folder).await?)),
        Look::EmbedUser(tenant) => {
            let user = omni.embed_user(&tenant).await?;
            seen.embed_users.insert(tenant, user);
        }
        Look::Query { slug, tile, ask } => {
            let answer = omni.query(&ask).await?;
            seen.answers.insert((slug, tile, ask.user), answer);
        }
        Look::UserGroups
        | Look::Roles(_)
        | Look::BaseRole(_)
        | Look::DocumentPermits(_)
        | Look::Settings { .. }
        | Look::Schedules(_) => access::look(look, omni, seen).await?,
        documents => look_at_documents(documents, omni, seen).await?,
    }
    Ok(())
}

async fn look_at_documents(look: Look, omni: &dyn Omni, seen: &mut Observed) -> Result<(), OmniError> {
    match look {
        Look::SourceDocuments(folder) => seen.source_documents = Some(omni.documents(&folder).await?),
        Look::Documents(folder) => seen.documents = Some(documents_in(omni, &folder).await?),
        Look::AllDocuments(most) => seen.all_documents = Some(omni.all_documents(most).await?),
        Look::Adopted {
            slug,
            identifier,
            model,
            own,
        } => {
            let judged = judge_adopted(omni.export(&identifier).await?, &slug, &identifier, &model, own);
            seen.adopted.insert(slug, judged);
        }
        Look::Source { slug, identifier } => {
            let source = omni.export(&identifier).await?;
            seen.work(&slug).source = Some(source);
        }
        Look::Published { slug, identifier } => {
            let published = omni.published(&identifier).await?;
            seen.work(&slug).published = Some(published);
        }
        Look::Reread { slug, identifier } => {
            let published = omni.published(&identifier).await?;
            let source = omni.export(&identifier).await?;
            let work = seen.work(&slug);
            work.rereads += 1;
            (work.published, work.source) = (Some(published), Some(source));
        }
        Look::Fit { slug, identifier } => {
            let lacking = lacking(omni, &identifier).await?;
            seen.unfit.insert(slug, lacking);
        }
        Look::Copy { slug, identifier } => {
            let copy = omni.export(&identifier).await?;
            let work = seen.work(&slug);
            work.exports += u32::from(copy.is_some());
            work.copy = Some(copy);
        }
        Look::Document { slug, identifier } => {
            let found = omni.export(&identifier).await?.map(Found::from);
            seen.found.insert(slug, found);
        }
        Look::Tiles { slug, identifier } => {
            let export = omni.export(&identifier).await?;
            let queries = export.map_or_else(Vec::new, |it| tiles::queries(&it.body));
            seen.tiles.insert(slug, queries);
        }
        Look::Added(identifier) => {
            let found = omni.export(&identifier).await?.map(Found::from);
            seen.added.insert(identifier, found.map(|it| it.state.content));
        }
        _ => {}
    }
    Ok(())
}

/// What the newer documents API would not carry of a document; nothing where there is no such document, which is told
/// elsewhere. Of the two reads nothing else is kept.
async fn lacking(omni: &dyn Omni, identifier: &str) -> Result<Vec<String>, OmniError> {
    let published = omni.published(identifier).await?;
    let Some(export) = omni.export(identifier).await? else {
        return Ok(Vec::new());
    };
    Ok(match documents_v2::fit(published.as_ref(), &export) {
        Fit::Lacking(lacking) => lacking,
        // Read again when it is copied.
        Fit::Whole(_) | Fit::Moved => Vec::new(),
    })
}

/// The documents of a folder. One that is gone holds nothing.
async fn documents_in(omni: &dyn Omni, folder: &str) -> Result<Vec<DocumentRecord>, OmniError> {
    match omni.documents(folder).await {
        Err(error) if matches!(error.kind, OmniErrorKind::NotFound { .. }) => Ok(Vec::new()),
        documents => documents,
    }
}

/// Keeps of an adopted dashboard only what is needed: bodies of hundreds would fill the memory.
fn judge_adopted(export: Option<Exported>, slug: &str, identifier: &str, model: &str, own: BTreeSet<String>) -> Judged {
    let Some(export) = export else {
        let why = format!("{slug}: Omni has no dashboard {identifier:?}; correct source.adopt.dashboards");
        return Err((Reason::DashboardNotFound, why));
    };
    if export.shared_model_id != model {
        let why = format!(
            "{slug}: dashboard {identifier:?} sits on model {}, not on {model}",
            export.shared_model_id
        );
        return Err((Reason::DashboardOnOtherModel, why));
    }
    let links = super::content::links::LinkMap(own.into_iter().map(|it| (it.clone(), it)).collect());
    let foreign = links.foreign(&export.body).into_iter().collect();
    let state = state::of(&export);
    Ok((
        DashboardIds {
            identifier: export.identifier,
            document_id: export.document_id,
            dashboard_id: export.dashboard_id,
        },
        foreign,
        state,
    ))
}
