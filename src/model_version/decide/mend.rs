//! What of a complete version is put back where `content.drift` is `Mend`: places and permissions, never content.

use super::{Step, View};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Found, Look};
use crate::ports::DashboardRecord;
use crate::resources::DriftPolicy;

/// Whether the version is one that is mended, and its folder is where it was made.
fn mends(view: View<'_>, cut: &Cut) -> bool {
    cut.content.drift == DriftPolicy::Mend && view.is_complete()
}

/// The folder's id, once it is known to be at its path; the look that is missing; nothing where it is elsewhere.
fn folder<'a>(view: View<'a>) -> Option<Result<&'a str, Step>> {
    let record = view.record()?;
    let (id, path) = (record.folder_id.as_deref()?, record.folder_path.as_ref()?);
    match view.seen.folders.get(path) {
        None => Some(Err(Step::Look(Look::Folder(path.clone())))),
        Some(Some(found)) if found.id == id => Some(Ok(id)),
        Some(_) => None,
    }
}

/// A copy that somebody moved out of the folder goes back. It is known to be ours: Omni has it by our identifier, with
/// the UUID that it had when it was made, on the version's model.
pub(super) fn place(view: View<'_>, cut: &Cut, dashboard: &DashboardRecord, found: &Found) -> Option<Step> {
    let record = view.record()?;
    if !mends(view, cut) || Some(&found.model_id) != record.model_id.as_ref() {
        return None;
    }
    match folder(view)? {
        Err(step) => Some(step),
        Ok(_) => Some(Step::Do(Effect::Move {
            slug: dashboard.slug.clone(),
            identifier: dashboard.ids.identifier.clone(),
            folder: record.folder_path.clone()?,
        })),
    }
}

/// Declared permissions that the folder does not have any more are granted again. Those that others added stay.
pub(super) fn permissions(view: View<'_>, cut: &Cut) -> Option<Step> {
    if !mends(view, cut) {
        return None;
    }
    let id = match folder(view)? {
        Err(step) => return Some(step),
        Ok(id) => id,
    };
    let Some(permits) = view.seen.permits.get(id) else {
        return Some(Step::Look(Look::Permits(id.to_owned())));
    };
    let role = |group: &str| permits.iter().find(|it| it.user_group.as_deref() == Some(group));
    let wanted = cut.content.folder.permissions.iter().find(|it| {
        let held = role(&it.user_group);
        held.is_none_or(|held| held.role != it.role.as_str())
    })?;
    Some(Step::Do(Effect::GrantFolder {
        folder: id.to_owned(),
        group: wanted.user_group.clone(),
        role: wanted.role.as_str().to_owned(),
        change: role(&wanted.user_group).is_some(),
    }))
}
