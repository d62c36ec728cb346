//! The folder: made once, closed before the first document, opened when all are whole.
//!
//! An import is published at once. So that nobody sees half a version, every group that could see into the folder, by
//! its parent's permits or by those declared, is shut out before the first import, and let in as declared after the last
//! look, right before the version is mapped.

use super::{IntentState, Step, View, halt, not_yet};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::ports::{IntentStep, VersionChange};
use crate::resources::FolderRole;
use crate::resources::conditions::Reason;

/// Before anything is written: no folder at that path.
pub(super) fn path_free(view: View<'_>, cut: &Cut) -> Option<Step> {
    let path = cut.folder_path();
    match view.seen.folders.get(&path) {
        None => Some(Step::Look(Look::Folder(path))),
        Some(Some(_)) => Some(taken(&path)),
        Some(None) => None,
    }
}

fn taken(path: &str) -> Step {
    halt(
        Reason::FolderTaken,
        format!(
            "folder {path:?} exists and this version did not make it; choose another content.folder.name or parentPath"
        ),
    )
}

/// The folder, or what must happen for it to be there, closed.
pub(super) fn folder(view: View<'_>, cut: &Cut) -> Option<Step> {
    let path = cut.folder_path();
    match &view.record()?.folder_id {
        None => Some(make(view, &path, true)),
        Some(id) => close(view, cut, id, &path),
    }
}

/// Makes the folder at a path, its missing parents first. Only the last one must be ours.
fn make(view: View<'_>, path: &str, last: bool) -> Step {
    let (step, intent) = (IntentStep::Folder, view.intent(IntentStep::Folder, path));
    let keep = |id: &str| {
        Step::Do(Effect::Change(VersionChange::Folder {
            id: id.to_owned(),
            path: path.to_owned(),
        }))
    };
    if let (IntentState::Settled(id), true) = (intent, last) {
        return keep(id);
    }
    match view.seen.folders.get(path) {
        None => return Step::Look(Look::Folder(path.to_owned())),
        Some(Some(found)) if last => {
            return match intent {
                IntentState::Open(_) => Step::Do(Effect::SettleIntent {
                    step,
                    subject: path.to_owned(),
                    result: found.id.clone(),
                }),
                _ => taken(path),
            };
        }
        Some(_) => {}
    }
    let parent = match path.rsplit_once('/') {
        None => None,
        Some((parent, _)) => match view.seen.folders.get(parent) {
            Some(Some(found)) => Some(found.id.clone()),
            _ => return make(view, parent, false),
        },
    };
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    view.create(
        step,
        path,
        &format!("folder {path:?}"),
        Effect::CreateFolder {
            path: path.to_owned(),
            name,
            parent,
        },
    )
}

/// Shuts out every group, once, before the first document.
fn close(view: View<'_>, cut: &Cut, id: &str, path: &str) -> Option<Step> {
    if let IntentState::Settled(_) = view.intent(IntentStep::Closure, path) {
        return None;
    }
    let Some(permits) = &view.seen.permits else {
        return Some(Step::Look(Look::Permits(id.to_owned())));
    };
    let shut = FolderRole::NoAccess.as_str();
    let inherited = permits
        .iter()
        .filter(|it| it.role != shut)
        .filter_map(|it| it.user_group.as_ref());
    let declared = cut.content.folder.permissions.iter().map(|it| &it.user_group);
    let is_shut = |group: &String| {
        permits
            .iter()
            .any(|it| it.user_group.as_ref() == Some(group) && it.role == shut)
    };
    if let Some(group) = inherited.chain(declared).find(|group| !is_shut(group)) {
        return Some(Step::Do(Effect::GrantFolder {
            folder: id.to_owned(),
            group: group.clone(),
            role: shut.to_owned(),
        }));
    }
    let groups: Vec<&str> = permits
        .iter()
        .filter(|it| it.role == shut)
        .filter_map(|it| it.user_group.as_deref())
        .collect();
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Closure,
        subject: path.to_owned(),
        result: groups.join("\n"),
    }))
}

/// Lets everyone in as declared; groups that only the parent lets in, by the parent's permits again.
pub(super) fn open(view: View<'_>, cut: &Cut) -> Option<Step> {
    let (record, path) = (view.record()?, cut.folder_path());
    let Some(id) = &record.folder_id else {
        return Some(not_yet(
            Reason::Progressing,
            format!("folder {path:?} is not on record yet"),
        ));
    };
    let Some(permits) = &view.seen.permits else {
        return Some(Step::Look(Look::Permits(id.clone())));
    };
    let role_of = |group: &str| {
        permits
            .iter()
            .find(|it| it.user_group.as_deref() == Some(group))
            .map(|it| it.role.as_str())
    };
    let declared = &cut.content.folder.permissions;
    if let Some(wanted) = declared
        .iter()
        .find(|it| role_of(&it.user_group) != Some(it.role.as_str()))
    {
        return Some(Step::Do(Effect::GrantFolder {
            folder: id.clone(),
            group: wanted.user_group.clone(),
            role: wanted.role.as_str().to_owned(),
        }));
    }
    let IntentState::Settled(closed) = view.intent(IntentStep::Closure, &path) else {
        return None;
    };
    let only_inherited = closed
        .lines()
        .filter(|group| declared.iter().all(|it| it.user_group != **group));
    only_inherited
        .into_iter()
        .find(|group| role_of(group) == Some(FolderRole::NoAccess.as_str()))
        .map(|group| {
            Step::Do(Effect::RevokeFolder {
                folder: id.clone(),
                group: group.to_owned(),
            })
        })
}
