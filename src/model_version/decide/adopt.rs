//! A hand-made model and its dashboards: looked at, recorded, mapped. Nothing is written to Omni.

use std::collections::BTreeSet;

use super::{Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::observe::Look;
use crate::ports::{DashboardRecord, FolderRecord, ModelKind, ModelRecord, VersionChange};
use crate::resources::Adopt;
use crate::resources::conditions::Reason;

/// The next step of an adoption. Everything is looked at before the number is recorded: it would belong to a mistyped
/// model for ever.
pub(super) fn adopt(view: View<'_>, adopt: &Adopt) -> Option<Step> {
    match checked(view, adopt) {
        Ok((model, folder)) => record(view, adopt, model, folder).or_else(|| super::finish::map(view)),
        Err(step) => Some(step),
    }
}

/// The model and the folder, once everything named was looked at and fits; else the look that is missing, or the
/// refusal.
fn checked<'a>(view: View<'a>, adopt: &Adopt) -> Result<(&'a ModelRecord, &'a FolderRecord), Step> {
    let model = shared_model(view, adopt)?;
    let folder = match view.seen.folders.get(&adopt.folder_path) {
        None => return Err(Step::Look(Look::Folder(adopt.folder_path.clone()))),
        Some(None) => {
            let why = format!(
                "Omni has no folder {:?}; correct source.adopt.folderPath",
                adopt.folder_path
            );
            return Err(halt(Reason::DashboardNotFound, why));
        }
        Some(Some(folder)) => folder,
    };
    let Some(documents) = &view.seen.documents else {
        return Err(Step::Look(Look::Documents(folder.id.clone())));
    };
    let own: BTreeSet<String> = adopt.dashboards.iter().map(|it| it.identifier.clone()).collect();
    if let Some(next) = adopt
        .dashboards
        .iter()
        .find(|it| !view.seen.dashboards.contains_key(&it.slug) && !view.seen.adopted.contains_key(&it.slug))
    {
        return Err(Step::Look(Look::Adopted {
            slug: next.slug.clone(),
            identifier: next.identifier.clone(),
            model: adopt.model_id.clone(),
            own,
        }));
    }
    let refused: Vec<&(Reason, String)> = view.seen.adopted.values().filter_map(|it| it.as_ref().err()).collect();
    if let Some((reason, _)) = refused.first() {
        let all: Vec<&str> = refused.iter().take(5).map(|(_, why)| why.as_str()).collect();
        return Err(halt(*reason, all.join("; ")));
    }
    let here: BTreeSet<&str> = documents.iter().map(|it| it.identifier.as_str()).collect();
    if let Some(elsewhere) = adopt
        .dashboards
        .iter()
        .find(|it| !here.contains(it.identifier.as_str()))
    {
        let why = format!(
            "dashboard {:?} ({}) is not in folder {:?}; move it there or correct source.adopt",
            elsewhere.identifier, elsewhere.slug, adopt.folder_path
        );
        return Err(halt(Reason::DashboardNotFound, why));
    }
    Ok((model, folder))
}

/// The model to adopt: there, and a shared one.
fn shared_model<'a>(view: View<'a>, adopt: &Adopt) -> Result<&'a ModelRecord, Step> {
    let why = match &view.seen.adopted_model {
        None => return Err(Step::Look(Look::AdoptedModel(adopt.model_id.clone()))),
        Some(None) => format!("Omni has no model {}; correct source.adopt.modelId", adopt.model_id),
        Some(Some(model)) if model.deleted => {
            format!("model {} is in the trash; adopt a shared model", adopt.model_id)
        }
        Some(Some(model)) if model.kind != ModelKind::Shared => {
            format!("model {} is no shared model; adopt a shared model", adopt.model_id)
        }
        Some(Some(model)) => return Ok(model),
    };
    Err(halt(Reason::ModelNotFound, why))
}

/// Writes down what was looked at, one thing a step; nothing once all stands in the ledger.
fn record(view: View<'_>, adopt: &Adopt, model: &ModelRecord, folder: &FolderRecord) -> Option<Step> {
    let Some(record) = view.record() else {
        return Some(Step::Do(Effect::RecordVersion));
    };
    if record.connection_id.is_none() {
        return Some(Step::Do(Effect::Change(VersionChange::Connection(
            model.connection_id.clone().unwrap_or_default(),
        ))));
    }
    if record.model_id.is_none() {
        return Some(Step::Do(Effect::Change(VersionChange::Model(model.id.clone()))));
    }
    if record.folder_id.is_none() {
        return Some(Step::Do(Effect::Change(VersionChange::Folder {
            id: folder.id.clone(),
            path: folder.path.clone(),
        })));
    }
    let next = adopt
        .dashboards
        .iter()
        .find(|it| !view.seen.dashboards.contains_key(&it.slug));
    if let Some((it, Some(Ok((ids, foreign, state))))) = next.map(|it| (it, view.seen.adopted.get(&it.slug))) {
        return Some(Step::Do(Effect::RecordDashboard(Box::new(DashboardRecord {
            slug: it.slug.clone(),
            ids: ids.clone(),
            source_identifier: it.identifier.clone(),
            foreign_links: foreign.clone(),
            state: Some(state.clone()),
            not_carried: Vec::new(),
            renames: Vec::new(),
        }))));
    }
    None
}
