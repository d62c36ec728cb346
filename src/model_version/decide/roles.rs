//! Who may use the model: the roles of user groups, given before any content; and whether anybody can see it at all.

use std::collections::BTreeMap;

use super::{IntentState, NO_ACCESS, Step, View, halt, not_yet};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::ports::{IntentStep, RoleGrant};
use crate::resources::AccessBy;
use crate::resources::conditions::Reason;

/// The roles that user groups shall have on the model, by group: those of the source's model, and those declared, which
/// win.
pub(super) fn wanted(view: View<'_>, cut: &Cut) -> BTreeMap<String, String> {
    let mark = match view.intent(IntentStep::Roles, "") {
        IntentState::Settled(mark) if cut.model.roles_from.is_some() => mark,
        _ => "",
    };
    let of_source = mark.lines().filter_map(|line| line.split_once(' '));
    let of_source = of_source.map(|(group, role)| (group.to_owned(), role.to_owned()));
    let declared = cut.model.roles.iter();
    let declared = declared.map(|it| (it.user_group.clone(), it.role.clone()));
    of_source.chain(declared).collect()
}

/// A new model starts with the connection's base role for everyone.
pub(super) fn roles(view: View<'_>, cut: &Cut, id: &str) -> Option<Step> {
    let read = cut.model.roles_from.and_then(|_| of_source(view, cut));
    read.or_else(|| {
        let wanted = wanted(view, cut);
        wanted
            .iter()
            .find_map(|(group, role)| granted(view, cut, id, group, role))
    })
}

/// The roles on the source's model are written down when they are first read: later the source is not needed for them,
/// and what the version's groups shall have stays what it was.
fn of_source(view: View<'_>, cut: &Cut) -> Option<Step> {
    if let IntentState::Settled(_) = view.intent(IntentStep::Roles, "") {
        return None;
    }
    let source = view.source(cut)?.model_id.as_deref()?;
    let Some(groups) = &view.seen.user_groups else {
        return Some(Step::Look(Look::UserGroups));
    };
    if let Some(unread) = groups.iter().find(|group| !view.seen.roles.contains_key(*group)) {
        return Some(Step::Look(Look::Roles(unread.clone())));
    }
    // What is listed and not there went a moment ago, or is not told as it is: without it a role could be lost.
    if let Some(gone) = groups.iter().find(|group| view.seen.roles.get(*group) == Some(&None)) {
        let why =
            format!("user group {gone} is listed and is not there when its roles are read; it is looked at again");
        return Some(not_yet(Reason::Progressing, why));
    }
    let lines = groups.iter().filter_map(|group| {
        let mut grants = view.seen.roles.get(group)?.iter().flatten();
        let own = grants.find(|it| it.is_own && it.model_id.as_deref() == Some(source))?;
        Some(format!("{group} {}\n", own.role))
    });
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Roles,
        subject: String::new(),
        result: lines.collect(),
    }))
}

/// Whether these are the roles of a group with this one on the model.
pub(super) fn has(grants: &[RoleGrant], model: &str, role: &str) -> bool {
    let mut on_model = grants.iter().filter(|it| it.model_id.as_deref() == Some(model));
    on_model.any(|it| it.role == role)
}

fn granted(view: View<'_>, cut: &Cut, id: &str, group: &str, role: &str) -> Option<Step> {
    let is_declared = || cut.model.roles.iter().any(|it| it.user_group == group);
    match view.seen.roles.get(group) {
        Some(Some(grants)) if has(grants, id, role) => None,
        // It went since the source's were read.
        Some(None) if !is_declared() => None,
        Some(None) => Some(halt(
            Reason::OmniRefused,
            format!("model.roles names user group {group:?}, which Omni does not have; name another one by its id"),
        )),
        None if !view.seen.model_is_new => Some(Step::Look(Look::Roles(group.to_owned()))),
        _ => Some(Step::Do(Effect::GrantRole {
            group: group.to_owned(),
            model: id.to_owned(),
            role: role.to_owned(),
        })),
    }
}

/// With a base role of NO_ACCESS somebody must have been let in: a version that opens for nobody is as good as none.
/// What the application sends with embed sessions is not seen here.
pub(super) fn nobody_can_see(view: View<'_>, cut: &Cut) -> Option<Step> {
    let is_gone = |group: &String| view.seen.roles.get(group) == Some(&None);
    let mut given = wanted(view, cut).into_iter().filter(|(group, _)| !is_gone(group));
    if cut.model.access_by == Some(AccessBy::ConnectionRoles) || given.any(|(_, role)| lets_in(&role)) {
        return None;
    }
    let record = view.record()?;
    let Some(base_role) = &view.seen.base_role else {
        return Some(Step::Look(Look::BaseRole(record.connection_id.clone()?)));
    };
    if base_role.as_deref().is_none_or(lets_in) {
        return None;
    }
    let Some(groups) = &view.seen.user_groups else {
        return Some(Step::Look(Look::UserGroups));
    };
    // A role on the whole connection is told as one on the schema model, which all models of the connection sit on.
    let source = view.source(cut)?.model_id.as_deref();
    let mut models = view.seen.models.iter().flatten();
    let schema = models.find(|it| Some(it.id.as_str()) == source);
    let schema = schema.and_then(|it| it.base_model_id.as_deref());
    let reaches = |grant: &RoleGrant| match grant.model_id.as_deref() {
        None => grant.connection_id == record.connection_id,
        model => model == record.model_id.as_deref() || model == schema,
    };
    let sees = |group: &String| {
        let mut grants = view.seen.roles.get(group).into_iter().flatten().flatten();
        grants.any(|it| reaches(it) && lets_in(&it.role))
    };
    if groups.iter().any(sees) {
        return None;
    }
    if let Some(unread) = groups.iter().find(|group| !view.seen.roles.contains_key(*group)) {
        return Some(Step::Look(Look::Roles(unread.clone())));
    }
    Some(halt(
        Reason::NobodyCanSee,
        format!(
            "nobody could see version {}: the base role of its connection is NO_ACCESS, and no user group has a role on model {:?} or on the connection; give one with model.roles, or those of the source with model.rolesFrom: Source; where the application sends connectionRoles or modelRoles with each embed session, say model.accessBy: ConnectionRoles",
            view.desired.version, cut.model.name
        ),
    ))
}

fn lets_in(role: &str) -> bool {
    !role.eq_ignore_ascii_case(NO_ACCESS)
}
