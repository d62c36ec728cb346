//! What of a complete version is put back where `content.drift` is `Mend`: places, permissions and roles, never content.

use super::{IntentState, Step, View, folder, halt, roles};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Again, Found, Look};
use crate::ports::{DashboardRecord, FolderPermit, IntentStep};
use crate::resources::conditions::Reason;
use crate::resources::{DriftPolicy, FolderPermission};

/// Whether the version is one that is mended, and its folder is where it was made.
fn mends(view: View<'_>, cut: &Cut) -> bool {
    cut.content.drift == DriftPolicy::Mend && view.is_complete()
}

/// The folder's id, once it is known to be at its path; the look that is missing; nothing where it is elsewhere.
fn own_folder<'a>(view: View<'a>) -> Option<Result<&'a str, Step>> {
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
    match own_folder(view)? {
        Err(step) => Some(step),
        Ok(_) => Some(Step::Do(Effect::Move {
            slug: dashboard.slug.clone(),
            identifier: dashboard.ids.identifier.clone(),
            folder: record.folder_path.clone()?,
        })),
    }
}

/// Declared permissions that the folder does not have any more are granted again, and read again after that. Those that
/// others added stay. What Omni took and does not show is written down, and told from then on: another try at every look
/// would write for ever.
pub(super) fn permissions(view: View<'_>, cut: &Cut) -> Option<Step> {
    if !mends(view, cut) {
        return None;
    }
    let id = match own_folder(view)? {
        Err(step) => return Some(step),
        Ok(id) => id,
    };
    let Some(permits) = view.seen.permits.get(id) else {
        return Some(Step::Look(Look::Permits(id.to_owned())));
    };
    let path = view.record()?.folder_path.as_deref()?;
    let in_vain = |it: &FolderPermission| Mark::of(path, it).is(view, &shown(permits, it));
    let missing = || folder::missing_grants(cut, permits);
    if let Some(wanted) = missing().find(|it| !in_vain(it)) {
        return Some(Step::Do(if view.seen.looked_again.contains(&Again::Permits) {
            Mark::of(path, wanted).keep(shown(permits, wanted))
        } else {
            folder::grant(id, permits, wanted)
        }));
    }
    if view.seen.permits_changed && !view.seen.looked_again.contains(&Again::Permits) {
        return Some(Step::Look(Look::Again(Again::Permits)));
    }
    if let Some(wanted) = missing().next() {
        if view.seen.looked_again.contains(&Again::Permits) {
            return Some(folder::not_shown_yet(view, path));
        }
        let (group, role) = (&wanted.user_group, wanted.role.as_str());
        return Some(folder::not_as_granted(
            path,
            group,
            role,
            folder::role_of(permits, group),
        ));
    }
    // What is as declared by now may be taken away once more.
    let mut marks = cut.content.folder.permissions.iter().map(|it| Mark::of(path, it));
    let past = marks.find(|mark| matches!(mark.state(view), IntentState::Settled(shown) if !shown.is_empty()))?;
    Some(Step::Do(past.keep(String::new())))
}

/// What Omni shows for a permission: the role that was wanted, and the one that is there.
fn shown(permits: &[FolderPermit], wanted: &FolderPermission) -> String {
    let there = folder::role_of(permits, &wanted.user_group).unwrap_or("none");
    format!("{} and shows {there}", wanted.role.as_str())
}

/// That a permission was granted again in vain: beside the folder's closure in the ledger, settled with what Omni showed.
struct Mark(String);

impl Mark {
    fn of(path: &str, wanted: &FolderPermission) -> Self {
        Self(format!("{path} for {}", wanted.user_group))
    }

    fn state<'a>(&self, view: View<'a>) -> IntentState<'a> {
        view.intent(IntentStep::Closure, &self.0)
    }

    fn is(&self, view: View<'_>, shown: &str) -> bool {
        self.state(view) == IntentState::Settled(shown)
    }

    fn keep(self, result: String) -> Effect {
        let (step, subject) = (IntentStep::Closure, self.0);
        Effect::SettleIntent { step, subject, result }
    }
}

/// Roles on the model that user groups do not have any more are given again, and read again after that. A group that is
/// gone needs none. What Omni took and does not show is written down, as with permissions.
pub(super) fn group_roles(view: View<'_>, cut: &Cut) -> Option<Step> {
    if !mends(view, cut) {
        return None;
    }
    let (wanted, model) = (roles::wanted(view, cut), view.record()?.model_id.as_deref()?);
    if let Some(unread) = wanted.keys().find(|group| !view.seen.roles.contains_key(*group)) {
        return Some(Step::Look(Look::Roles(unread.clone())));
    }
    let lacks = |(group, role): &(&String, &String)| match view.seen.roles.get(*group) {
        Some(Some(grants)) => !roles::has(grants, model, role),
        _ => false,
    };
    let again = view.seen.looked_again.contains(&Again::Roles);
    let is_marked = |group: &str, role: &str| {
        let mark = view.intent(IntentStep::Roles, group);
        matches!(mark, IntentState::Settled(vain) if vain == role)
    };
    let mut missing = wanted.iter().filter(lacks);
    if let Some((group, role)) = missing.clone().find(|(group, role)| !is_marked(group, role)) {
        return Some(Step::Do(if again {
            in_vain(group, role)
        } else {
            Effect::GrantRole {
                group: group.clone(),
                model: model.to_owned(),
                role: role.clone(),
            }
        }));
    }
    if view.seen.roles_changed && !again {
        return Some(Step::Look(Look::Again(Again::Roles)));
    }
    if let Some((group, role)) = missing.next() {
        return Some(halt(
            Reason::OmniRefused,
            format!(
                "Omni took {role} for user group {group} on model {model} and does not show it; look at the group's roles in Omni"
            ),
        ));
    }
    // What is there by now may be taken away once more.
    let marked =
        |group: &&String| matches!(view.intent(IntentStep::Roles, group), IntentState::Settled(it) if !it.is_empty());
    let past = wanted.keys().find(marked)?;
    Some(Step::Do(in_vain(past, "")))
}

/// That a role was given again in vain: beside what the roles shall be in the ledger, settled with the role.
fn in_vain(group: &str, role: &str) -> Effect {
    Effect::SettleIntent {
        step: IntentStep::Roles,
        subject: group.to_owned(),
        result: role.to_owned(),
    }
}
