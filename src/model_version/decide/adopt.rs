//! A hand-made model and its dashboards: looked at, recorded, mapped. Nothing is written to Omni.

use std::collections::BTreeSet;

use super::{Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::observe::Look;
use crate::ports::{DashboardRecord, ModelKind, VersionChange};
use crate::resources::Adopt;
use crate::resources::conditions::Reason;

/// The next step of an adoption. Everything is looked at before the number is recorded: it would belong to a mistyped
/// model for ever.
pub(super) fn adopt(view: View<'_>, adopt: &Adopt) -> Option<Step> {
    let Some(model) = &view.seen.adopted_model else {
        return Some(Step::Look(Look::AdoptedModel(adopt.model_id.clone())));
    };
    let model = match model {
        Some(model) if !model.deleted && model.kind == ModelKind::Shared => model,
        Some(model) => {
            let why = format!(
                "model {} is {}; adopt a shared model",
                adopt.model_id,
                if model.deleted {
                    "in the trash"
                } else {
                    "no shared model"
                }
            );
            return Some(halt(Reason::ModelNotFound, why));
        }
        None => {
            return Some(halt(
                Reason::ModelNotFound,
                format!("Omni has no model {}; correct source.adopt.modelId", adopt.model_id),
            ));
        }
    };
    let folder = match view.seen.folders.get(&adopt.folder_path) {
        None => return Some(Step::Look(Look::Folder(adopt.folder_path.clone()))),
        Some(None) => {
            let why = format!(
                "Omni has no folder {:?}; correct source.adopt.folderPath",
                adopt.folder_path
            );
            return Some(halt(Reason::DashboardNotFound, why));
        }
        Some(Some(folder)) => folder,
    };
    let Some(documents) = &view.seen.documents else {
        return Some(Step::Look(Look::Documents(folder.id.clone())));
    };
    let own: BTreeSet<String> = adopt.dashboards.iter().map(|it| it.identifier.clone()).collect();
    if let Some(next) = adopt
        .dashboards
        .iter()
        .find(|it| !view.seen.dashboards.contains_key(&it.slug) && !view.seen.adopted.contains_key(&it.slug))
    {
        return Some(Step::Look(Look::Adopted {
            slug: next.slug.clone(),
            identifier: next.identifier.clone(),
            model: adopt.model_id.clone(),
            own,
        }));
    }
    let refused: Vec<&(Reason, String)> = view.seen.adopted.values().filter_map(|it| it.as_ref().err()).collect();
    if let Some((reason, _)) = refused.first() {
        let all: Vec<&str> = refused.iter().take(5).map(|(_, why)| why.as_str()).collect();
        return Some(halt(*reason, all.join("; ")));
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
        return Some(halt(Reason::DashboardNotFound, why));
    }
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
    if let Some((it, Some(Ok((ids, foreign))))) = next.map(|it| (it, view.seen.adopted.get(&it.slug))) {
        return Some(Step::Do(Effect::RecordDashboard(Box::new(DashboardRecord {
            slug: it.slug.clone(),
            ids: ids.clone(),
            source_identifier: it.identifier.clone(),
            foreign_links: foreign.clone(),
        }))));
    }
    super::finish::map(view)
}
