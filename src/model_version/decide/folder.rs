//! The folder: made once, closed before the first document, opened when all are whole.
//!
//! An import is published at once. So that nobody sees half a version, every group that could see into the folder, by
//! its parent's permits or by those declared, is shut out before the first import, and let in as declared after the last
//! look, right before the version is mapped.

use std::collections::BTreeSet;

use super::{Ending, IntentState, SENT_WITHIN, Step, View, halt, known, not_yet};
use crate::model_version::act::{Effect, MISPLACED, OPENED};
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Again, Look};
use crate::ports::{FolderPermit, IntentStep, VersionChange};
use crate::resources::conditions::Reason;
use crate::resources::{FolderPermission, FolderRole};

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
        format!("folder {path:?} exists and this version did not make it; choose another content.folder.name"),
    )
}

/// The folder, or what must happen for it to be there, closed.
pub(super) fn folder(view: View<'_>, cut: &Cut) -> Option<Step> {
    let path = cut.folder_path();
    match &view.record()?.folder_id {
        None => Some(make(view, cut, &path, true)),
        Some(id) => close(view, cut, id, &path),
    }
}

/// Makes the folder at a path, its missing parents first. Only the last one must be ours.
fn make(view: View<'_>, cut: &Cut, path: &str, last: bool) -> Step {
    let (step, intent) = (IntentStep::Folder, view.intent(IntentStep::Folder, path));
    if let IntentState::Settled(result) = intent {
        if let Some(elsewhere) = result.strip_prefix(MISPLACED) {
            if let Some(step) = misplaced(view, path, elsewhere) {
                return step;
            }
        } else if last {
            return Step::Do(Effect::Change(VersionChange::Folder {
                id: result.to_owned(),
                path: path.to_owned(),
            }));
        }
    }
    match view.seen.folders.get(path) {
        None => return Step::Look(Look::Folder(path.to_owned())),
        Some(Some(found)) if last => {
            return match intent {
                IntentState::Open(_) => match &view.seen.documents {
                    None => Step::Look(Look::Documents(found.id.clone())),
                    // A creating call makes it empty: while no process worked, a person made this one and filled it.
                    Some(documents) if !documents.is_empty() => taken(path),
                    Some(_) => Step::Do(Effect::SettleIntent {
                        step,
                        subject: path.to_owned(),
                        result: found.id.clone(),
                    }),
                },
                _ => match known::known_again(view, cut) {
                    Err(step) => step,
                    Ok(Some(known)) => known::take_folder(view, cut, &known),
                    Ok(None) => taken(path),
                },
            };
        }
        Some(_) => {}
    }
    let parent = match path.rsplit_once('/') {
        None => None,
        Some((parent, _)) => match folder_id(view, parent) {
            Some(id) => Some(id),
            None => return make(view, cut, parent, false),
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

/// Omni made the folder under another path, since something has this one that no look-up shows. While it is there,
/// another attempt would only make another one.
fn misplaced(view: View<'_>, path: &str, elsewhere: &str) -> Option<Step> {
    match view.seen.folders.get(elsewhere) {
        None => Some(Step::Look(Look::Folder(elsewhere.to_owned()))),
        Some(None) => view.unsettled(IntentStep::Folder, path).map(|until| {
            let message = format!("folder {elsewhere:?} does not show in Omni's list yet");
            Step::End(Ending::Wait { until, message })
        }),
        Some(Some(_)) => Some(halt(
            Reason::FolderTaken,
            format!(
                "Omni made the folder at {elsewhere:?} instead of {path:?}, which something has that does not show, perhaps in the trash; choose another content.folder.name, or free the path and delete {elsewhere:?}, which is empty"
            ),
        )),
    }
}

/// The folder at a path that was looked at; one that was just made may not show yet.
fn folder_id(view: View<'_>, path: &str) -> Option<String> {
    if let Some(found) = view.seen.folders.get(path)? {
        return Some(found.id.clone());
    }
    view.unsettled(IntentStep::Folder, path)?;
    match view.intent(IntentStep::Folder, path) {
        IntentState::Settled(id) if !id.starts_with(MISPLACED) => Some(id.to_owned()),
        _ => None,
    }
}

/// Shuts out every group, before the first document, and again before one that is imported after the folder was opened.
fn close(view: View<'_>, cut: &Cut, id: &str, path: &str) -> Option<Step> {
    let closed = match view.intent(IntentStep::Closure, path) {
        IntentState::Settled(closed) => Some(closed),
        _ => None,
    };
    let whole = || {
        view.wanted(cut)
            .keys()
            .all(|slug| view.seen.dashboards.contains_key(slug))
    };
    if closed.is_some_and(|it| !it.starts_with(OPENED) || whole()) {
        return None;
    }
    let Some(own) = view.seen.permits.get(id) else {
        return Some(Step::Look(Look::Permits(id.to_owned())));
    };
    // Whoever may see the folders above may see this one; not every Omni lists that among its own permits.
    let mut groups: BTreeSet<&String> = cut.content.folder.permissions.iter().map(|it| &it.user_group).collect();
    groups.extend(groups_of(own));
    for (end, _) in path.match_indices('/') {
        match above(view, &path[..end]) {
            Ok(permits) => groups.extend(groups_of(permits)),
            Err(step) => return Some(step),
        }
    }
    let shut = FolderRole::NoAccess.as_str();
    let asked_again = view.seen.looked_again.contains(&Again::Closure);
    if let Some(group) = groups.iter().find(|group| role_of(own, group) != Some(shut)) {
        if asked_again {
            return Some(not_as_granted(path, group, shut, role_of(own, group)));
        }
        if closed.is_none()
            && let Some(step) = nobody_else_closes(view, path)
        {
            return Some(step);
        }
        return Some(Step::Do(Effect::GrantFolder {
            folder: id.to_owned(),
            group: (*group).clone(),
            role: shut.to_owned(),
            change: role_of(own, group).is_some(),
            closes: closed.is_none().then(|| path.to_owned()),
        }));
    }
    if view.seen.permits_changed && !asked_again {
        return Some(Step::Look(Look::Again(Again::Closure)));
    }
    let before = closed
        .and_then(|it| it.strip_prefix(OPENED))
        .into_iter()
        .flat_map(str::lines);
    let groups: BTreeSet<&str> = groups.into_iter().map(String::as_str).chain(before).collect();
    Some(keep_closure(path, groups.into_iter().collect::<Vec<_>>().join("\n")))
}

/// A permit that shuts a group out and that a former pass sent may be as late as its request may take. It must not
/// arrive after the folder was opened: so before each is sent it is written down that the folder is being closed, and a
/// pass that finds this written down waits.
fn nobody_else_closes(view: View<'_>, path: &str) -> Option<Step> {
    let sent = match view.intent(IntentStep::Closure, path) {
        IntentState::Unsent if !view.stale(IntentStep::Closure, path) => return None,
        IntentState::Open(at) => Some(at),
        _ => None,
    };
    let latest = sent.and_then(|at| at.checked_add(SENT_WITHIN.saturating_add(view.request_timeout)).ok());
    Some(match latest {
        Some(until) if view.now < until => Step::End(Ending::Wait {
            until,
            message: format!("a call that closes folder {path:?} got no answer and may still take effect"),
        }),
        _ => Step::Do(Effect::OpenIntent {
            step: IntentStep::Closure,
            subject: path.to_owned(),
        }),
    })
}

fn keep_closure(path: &str, result: String) -> Step {
    Step::Do(Effect::SettleIntent {
        step: IntentStep::Closure,
        subject: path.to_owned(),
        result,
    })
}

/// The permits of a folder above, or the look that is missing.
fn above<'a>(view: View<'a>, path: &str) -> Result<&'a [FolderPermit], Step> {
    if !view.seen.folders.contains_key(path) {
        return Err(Step::Look(Look::Folder(path.to_owned())));
    }
    let Some(id) = folder_id(view, path) else {
        // One that was made for this version and does not show yet: nobody was let in.
        return match view.intent(IntentStep::Folder, path) {
            IntentState::Missing => Err(halt(
                Reason::OmniRefused,
                format!(
                    "folder {path:?} does not show, so who may see into the folders below it is not known; make the key's owner Manager of it"
                ),
            )),
            _ => Ok(&[]),
        };
    };
    match view.seen.permits.get(&id) {
        Some(permits) => Ok(permits),
        None => Err(Step::Look(Look::Permits(id))),
    }
}

fn groups_of(permits: &[FolderPermit]) -> impl Iterator<Item = &String> {
    permits.iter().filter_map(|it| it.user_group.as_ref())
}

pub(super) fn role_of<'a>(permits: &'a [FolderPermit], group: &str) -> Option<&'a str> {
    let permit = permits.iter().find(|it| it.user_group.as_deref() == Some(group))?;
    Some(&permit.role)
}

/// Lets everyone in as declared; groups that only a folder above lets in, by its permits again. What Omni then shows is
/// read once more before the version is mapped: a tenant that moves must not meet a closed door.
pub(super) fn open(view: View<'_>, cut: &Cut) -> Option<Step> {
    let (record, path) = (view.record()?, cut.folder_path());
    let Some(id) = &record.folder_id else {
        return Some(not_yet(
            Reason::Progressing,
            format!("folder {path:?} is not on record yet"),
        ));
    };
    let Some(permits) = view.seen.permits.get(id) else {
        return Some(Step::Look(Look::Permits(id.clone())));
    };
    let closed = match view.intent(IntentStep::Closure, &path) {
        IntentState::Settled(closed) => closed,
        _ => "",
    };
    let asked_again = view.seen.looked_again.contains(&Again::Permits);
    match next_opening(cut, id, permits, closed, asked_again) {
        // From the first one let in, what is imported later needs the folder closed again.
        Some(_) if !closed.starts_with(OPENED) => Some(keep_closure(&path, format!("{OPENED}{closed}"))),
        Some(_) if asked_again && view.seen.opening => Some(not_shown_yet(view, &path)),
        Some(Effect::GrantFolder { group, role, .. }) if asked_again => {
            Some(not_as_granted(&path, &group, &role, role_of(permits, &group)))
        }
        Some(effect) => Some(Step::Do(effect)),
        None if view.seen.permits_changed && !asked_again => Some(Step::Look(Look::Again(Again::Permits))),
        None => None,
    }
}

/// Lists may lag behind what was granted a moment ago.
pub(super) fn not_shown_yet(view: View<'_>, path: &str) -> Step {
    Step::End(Ending::Wait {
        until: view.settled_by(view.now),
        message: format!("Omni took the permissions of folder {path:?} and does not show them yet"),
    })
}

pub(super) fn not_as_granted(path: &str, group: &str, role: &str, shown: Option<&str>) -> Step {
    halt(
        Reason::OmniRefused,
        format!(
            "Omni took {role} for user group {group} in folder {path:?} and shows {}; look at the folder's permissions in Omni",
            shown.unwrap_or("none")
        ),
    )
}

/// The declared permissions that a folder with these permits lacks.
pub(super) fn missing_grants<'a>(
    cut: &'a Cut,
    permits: &'a [FolderPermit],
) -> impl Iterator<Item = &'a FolderPermission> {
    let declared = cut.content.folder.permissions.iter();
    declared.filter(|it| role_of(permits, &it.user_group) != Some(it.role.as_str()))
}

/// Lets a group in as declared.
pub(super) fn grant(id: &str, permits: &[FolderPermit], wanted: &FolderPermission) -> Effect {
    Effect::GrantFolder {
        folder: id.to_owned(),
        group: wanted.user_group.clone(),
        role: wanted.role.as_str().to_owned(),
        change: role_of(permits, &wanted.user_group).is_some(),
        closes: None,
    }
}

fn next_opening(cut: &Cut, id: &str, permits: &[FolderPermit], closed: &str, asked_again: bool) -> Option<Effect> {
    if let Some(wanted) = missing_grants(cut, permits).next() {
        return Some(grant(id, permits, wanted));
    }
    let declared = &cut.content.folder.permissions;
    // Shown as shut after its own permit is gone, a group is shut out by a folder above.
    let shut = |group: &&str| !asked_again && role_of(permits, group) == Some(FolderRole::NoAccess.as_str());
    let only_above = |group: &&str| declared.iter().all(|it| it.user_group != **group);
    let group = closed
        .lines()
        .filter(|it| *it != OPENED.trim_end())
        .filter(only_above)
        .find(shut)?;
    Some(Effect::RevokeFolder {
        folder: id.to_owned(),
        group: group.to_owned(),
    })
}
