//! Looking: one thing at a time, as decisions ask for it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Again, Found, Judged, Observed, Route, access};
use crate::model_version::content::documents_v2::{self, Fit};
use crate::model_version::content::links::LinkMap;
use crate::model_version::content::{state, tiles};
use crate::model_version::repositories::Repositories;
use crate::ports::{
    DashboardIds, DocumentRecord, Exported, Failure, Mapping, Omni, OmniError, OmniErrorKind, QueryAsk,
};
use crate::resources::conditions::Reason;

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
    /// The generated models of all connections, as they were at most so long ago.
    Schemas(Duration),
    /// The connections that are environments of a connection.
    Environments(String),
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
        Look::Schemas(age) => seen.schemas = Some(omni.schema_models_lately(age).await?),
        Look::Environments(connection) => {
            seen.environment_connections = Some(omni.environment_connections(&connection).await?);
        }
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
    let links = LinkMap(own.into_iter().map(|it| (it.clone(), it)).collect());
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
