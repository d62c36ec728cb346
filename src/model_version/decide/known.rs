//! What was made for a version and is not in the ledger any more: a database that was put back to an older state, or made
//! anew. It is known again by what only this version's cut can have made: documents with its identifiers, on a model of
//! its name, in a folder at its path. What such proof is missing for belongs to somebody else.

use super::folder::role_of;
use super::{Step, View, halt, model};
use crate::model_version::act::Effect;
use crate::model_version::definition;
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::ports::{FolderRecord, IntentStep, ModelRecord};
use crate::resources::FolderRole;
use crate::resources::conditions::Reason;

/// What is proved to be this version's.
pub(super) struct Known<'a> {
    pub(super) model: &'a ModelRecord,
    pub(super) folder: &'a FolderRecord,
    /// The copies that are not there, by slug.
    lacking: Vec<String>,
}

/// What is there of the version though the ledger does not say so; nothing where nothing proves it.
pub(super) fn known_again<'a>(view: View<'a>, cut: &Cut) -> Result<Option<Known<'a>>, Step> {
    let [model] = model::of_that_name(view, cut)[..] else {
        return Ok(None);
    };
    let path = cut.folder_path();
    let folder = match view.seen.folders.get(&path) {
        None => return Err(Step::Look(Look::Folder(path))),
        Some(None) => return Ok(None),
        Some(Some(folder)) => folder,
    };
    let Some(documents) = &view.seen.documents else {
        return Err(Step::Look(Look::Documents(folder.id.clone())));
    };
    let Some(connection) = view.source(cut).and_then(|it| it.connection_id.as_deref()) else {
        return Ok(None);
    };
    let tag = view.tag(connection);
    let identifier = |slug: &str| tag.identifier(slug, view.desired.version);
    let is_there = |slug: &String| documents.iter().any(|it| it.identifier == identifier(slug));
    let (there, lacking): (Vec<String>, Vec<String>) = view.wanted(cut).into_keys().partition(is_there);
    let Some(slug) = there.into_iter().next() else {
        return Ok(None);
    };
    let identifier = identifier(&slug);
    match view.seen.found.get(&slug) {
        None => Err(Step::Look(Look::Document { slug, identifier })),
        Some(Some(found)) if found.model_id == model.id && found.ids.identifier == identifier => {
            Ok(Some(Known { model, folder, lacking }))
        }
        Some(_) => Ok(None),
    }
}

/// Before the version is recorded anew: its model is what is declared, since documents are only ever put on one that
/// was. Nothing that somebody edited since is written over.
pub(super) fn as_declared(view: View<'_>, cut: &Cut, known: &Known<'_>) -> Option<Step> {
    let (id, path) = (&known.model.id, &known.folder.path);
    let Some(present) = view.seen.files.get(&(id.clone(), None)) else {
        return Some(Step::Look(Look::Files {
            model: id.clone(),
            branch: None,
        }));
    };
    let desired = match model::desired_files(view, cut) {
        Ok(desired) => desired,
        Err(step) => return Some(step),
    };
    let differing = definition::differing(&desired, present);
    if !differing.is_empty() {
        return Some(edited(view, id, &differing));
    }
    if !known.lacking.is_empty() && view.seen.tenants > 0 {
        return Some(halt(
            Reason::Missing,
            format!(
                "folder {path:?} lacks {} of version {}, which tenants are on: restore them from Omni's trash, or move them back",
                known.lacking.join(", "),
                view.desired.version
            ),
        ));
    }
    None
}

/// The model is ours and no longer what is declared.
pub(super) fn edited(view: View<'_>, id: &str, differing: &[String]) -> Step {
    let number = view.desired.version;
    halt(
        Reason::DefinitionDiffers,
        format!(
            "model {id} was made for version {number}, which the ledger has lost, and differs from what is declared in {}; put these files back as they were, or take the version as it is: declare it with source.adopt under another number",
            differing.join(", ")
        ),
    )
}

/// The folder is taken as it is: closing it would shut out tenants who look at it. What the closing of an unfinished
/// cut left shut is noted, to be opened with the rest.
pub(super) fn take_folder(view: View<'_>, cut: &Cut, known: &Known<'_>) -> Step {
    let (id, path) = (&known.folder.id, cut.folder_path());
    let settle = |step, result: String| {
        let subject = path.clone();
        Step::Do(Effect::SettleIntent { step, subject, result })
    };
    let is_closed = view.seen.intents.contains_key(&(IntentStep::Closure, path.clone()));
    if is_closed || !known.lacking.is_empty() {
        return settle(IntentStep::Folder, id.clone());
    }
    let Some(permits) = view.seen.permits.get(id) else {
        return Step::Look(Look::Permits(id.clone()));
    };
    let declared = &cut.content.folder.permissions;
    let was_opened = declared
        .iter()
        .all(|it| role_of(permits, &it.user_group) == Some(it.role.as_str()));
    let shut = permits.iter().filter(|it| it.role == FolderRole::NoAccess.as_str());
    let groups: Vec<&str> = shut.filter_map(|it| it.user_group.as_deref()).collect();
    settle(
        IntentStep::Closure,
        if was_opened { String::new() } else { groups.join("\n") },
    )
}
