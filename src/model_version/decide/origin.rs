//! Whose the number is, and whether the source can be cut from.

use std::collections::{BTreeMap, BTreeSet};

use super::{IntentState, Step, View, access, content, folder, git, halt, known, model, not_yet};
use crate::model_version::act::{Effect, MISPLACED};
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Again, Look};
use crate::model_version::{definition, edits};
use crate::ports::{DocumentRecord, IntentStep, SourceStamp, VersionChange};
use crate::resources::conditions::Reason;

/// What stands in a stamp for a document that is in no list of the source's folder: a hash of its content follows.
const CONTENT: &str = "content ";

/// The number belongs for ever to the source first recorded for it.
pub(super) fn number(view: View<'_>) -> Option<Step> {
    let record = view.record()?;
    let (version, source) = (view.desired.version, view.desired.source());
    if record.source != source {
        return Some(halt(
            Reason::VersionTaken,
            format!(
                "version {version} belongs to {} and this object says {source}; give it a number of its own",
                record.source
            ),
        ));
    }
    if record.retired_at.is_some() {
        return Some(halt(
            Reason::VersionTaken,
            format!("version {version} is retired for good; give this object a number of its own"),
        ));
    }
    if record.holder != view.desired.holder {
        // Whether the other object is still there was asked before: two live holders never come this far.
        return Some(Step::Do(Effect::Change(VersionChange::Holder(
            view.desired.holder.clone(),
        ))));
    }
    None
}

/// Everything that can be known before the first write: the source is complete and at rest, the edits fit.
pub(super) fn preflight(view: View<'_>, cut: &Cut) -> Option<Step> {
    let Some(source) = view.source(cut).filter(|source| source.complete_at.is_some()) else {
        return Some(not_yet(
            Reason::SourceNotReady,
            format!(
                "version {} is not complete yet; this one is cut from it as soon as it is",
                cut.from
            ),
        ));
    };
    if source.retired_at.is_some() {
        return Some(halt(
            Reason::ModelNotFound,
            format!("version {} is retired; cut from another one", cut.from),
        ));
    }
    let (Some(connection), Some(model)) = (&source.connection_id, &source.model_id) else {
        return Some(not_yet(
            Reason::SourceNotReady,
            format!("version {} has no model on record", cut.from),
        ));
    };
    match &view.seen.key_scope {
        None => return Some(Step::Look(Look::KeyScope)),
        Some(Err(word)) => {
            return Some(halt(
                Reason::NotOrganizationKey,
                format!("the API key is of kind {word:?}; export and import need an organisation key"),
            ));
        }
        Some(Ok(())) => {}
    }
    let Some(models) = &view.seen.models else {
        return Some(Step::Look(Look::Models(connection.clone())));
    };
    let Some(source_model) = models.iter().find(|it| it.id == *model && !it.deleted) else {
        return Some(halt(
            Reason::ModelNotFound,
            format!("model {model} of version {} is not in Omni any more", cut.from),
        ));
    };
    wanted_dashboards(view, cut)
        .or_else(|| stamp(view, cut, &source_model.updated_at))
        .or_else(|| source_files(view, cut, model))
}

fn wanted_dashboards(view: View<'_>, cut: &Cut) -> Option<Step> {
    let (source, dashboards) = (&view.seen.source_dashboards, &cut.content.dashboards);
    if let Some(unknown) = dashboards.exclude.iter().find(|slug| !source.contains_key(*slug)) {
        let why = format!(
            "content.dashboards.exclude names {unknown:?}, which version {} does not have",
            cut.from
        );
        return Some(halt(Reason::Invalid, why));
    }
    let kept = |slug: &String| source.contains_key(slug) && !dashboards.exclude.contains(slug);
    if let Some(twice) = dashboards.add.iter().find(|added| kept(&added.slug)) {
        let why = format!(
            "content.dashboards.add names {:?}, which version {} has already; exclude that one or choose another slug",
            twice.slug, cut.from
        );
        return Some(halt(Reason::Invalid, why));
    }
    if view.wanted(cut).is_empty() {
        let why = "content.dashboards excludes every dashboard of the source and adds none; a version needs one";
        return Some(halt(Reason::Invalid, why));
    }
    None
}

/// What is made already must be what is declared: a change before completion would leave a mix of both.
pub(super) fn as_begun(view: View<'_>, cut: &Cut) -> Option<Step> {
    let changed = |field: &str, made: &str| {
        let number = view.desired.version;
        let why = format!(
            "{field} was changed while version {number} is being made, and {made}; put it back, or declare the change under a new number"
        );
        Some(halt(Reason::Invalid, why))
    };
    let path = cut.folder_path();
    let begun = view.seen.intents.values();
    for intent in begun.filter(|it| !it.result.as_deref().is_some_and(|it| it.starts_with(MISPLACED))) {
        let subject = &intent.subject;
        let above = || {
            path.strip_prefix(subject.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
        };
        match intent.step {
            IntentStep::Model if *subject != cut.model.name => {
                return changed("model.name", &format!("its model was made as {subject:?}"));
            }
            IntentStep::Folder if *subject != path && !above() => {
                return changed("content.folder", &format!("its folder was made as {subject:?}"));
            }
            _ => {}
        }
    }
    let given = view.intent(IntentStep::Roles, "");
    if matches!(given, IntentState::Settled(roles) if !roles.is_empty()) && cut.model.roles_from.is_none() {
        let made = "user groups got the roles that they have on its source's model, which Omni does not take back";
        return changed("model.rolesFrom", made);
    }
    if let (Some(slug), None) = (access::carried_already(view), cut.content.permissions_from) {
        return changed(
            "content.permissionsFrom",
            &format!("the permissions of {slug} were carried"),
        );
    }
    let wanted = view.wanted(cut);
    let first = view.record().and_then(|record| record.source_stamp.as_ref());
    let dropped = view.seen.source_dashboards.values().find(|it| {
        let was_wanted = first.is_some_and(|stamp| stamp.documents.contains_key(&it.ids.identifier));
        was_wanted && !wanted.contains_key(&it.slug)
    });
    if let (Some(dropped), false) = (dropped, view.seen.dashboards.is_empty()) {
        let made = format!("copies that may lead to {} are whole already", dropped.slug);
        return changed("content.dashboards", &made);
    }
    for copy in view.seen.dashboards.values() {
        let made = format!("{} was copied from {:?} already", copy.slug, copy.source_identifier);
        if wanted.get(&copy.slug) != Some(&copy.source_identifier) {
            return changed("content.dashboards", &made);
        }
    }
    None
}

/// The source must stay as it was when the cut first read it.
fn stamp(view: View<'_>, cut: &Cut, model_updated_at: &str) -> Option<Step> {
    let Some(seen) = source_stamp(view, cut, model_updated_at) else {
        return Some(look_at_source_documents(view, cut));
    };
    let wanted = view.wanted(cut);
    if let Some((slug, identifier)) = view
        .seen
        .source_dashboards
        .values()
        .map(|it| (&it.slug, &it.ids.identifier))
        .filter(|(slug, _)| wanted.contains_key(*slug) && !view.seen.dashboards.contains_key(*slug))
        .find(|(_, identifier)| !seen.documents.contains_key(*identifier))
    {
        let why = format!(
            "dashboard {identifier:?} ({slug}) of version {} is not in its folder any more; put it back, or {}",
            cut.from,
            if view.seen.dashboards.is_empty() {
                "exclude it"
            } else {
                "cut again without it under a new number"
            }
        );
        return Some(halt(Reason::DashboardNotFound, why));
    }
    let record = view.record()?;
    let keep = |stamp| Some(Step::Do(Effect::Change(VersionChange::SourceStamp(stamp))));
    match &record.source_stamp {
        Some(first) if *first == seen => None,
        Some(first) if record.model_id.is_some() => {
            if moved(first, &seen) {
                return Some(source_moved(view, cut));
            }
            // A dashboard that is wanted only now is first read now. One that is not wanted any more does not matter as
            // long as no copy is whole that could lead to it.
            let mut stamp = first.clone();
            if view.seen.dashboards.is_empty() {
                stamp.documents.retain(|_, at| at.starts_with(CONTENT));
            }
            stamp.documents.extend(seen.documents);
            if stamp == *first { None } else { keep(stamp) }
        }
        // Nothing was copied yet: what is read now is the first read.
        _ => keep(seen),
    }
}

/// The source's model changed, or one of the dashboards that were read before.
pub(super) fn moved(first: &SourceStamp, now: &SourceStamp) -> bool {
    let differs = |(identifier, at): (&String, &String)| now.documents.get(identifier).is_some_and(|it| it != at);
    first.model != now.model || first.documents.iter().any(differs)
}

/// A document that was added from elsewhere than the source's folder is stamped by its content when it is first read,
/// and must have it whenever it is read again.
pub(super) fn added_stamp(view: View<'_>, cut: &Cut, identifier: &str, content: &str) -> Option<Step> {
    let first = view.record()?.source_stamp.as_ref()?;
    let now = format!("{CONTENT}{content}");
    match first.documents.get(identifier) {
        _ if view.is_complete() => None,
        Some(at) if !at.starts_with(CONTENT) || *at == now => None,
        Some(_) => Some(source_moved(view, cut)),
        None => {
            let mut stamp = first.clone();
            stamp.documents.insert(identifier.to_owned(), now);
            Some(Step::Do(Effect::Change(VersionChange::SourceStamp(stamp))))
        }
    }
}

/// Before the version is mapped every document that was added from elsewhere is read once more.
pub(super) fn added_moved(view: View<'_>, cut: &Cut) -> Option<Step> {
    let first = view.record()?.source_stamp.as_ref()?;
    let wanted: BTreeSet<String> = view.wanted(cut).into_values().collect();
    let added = first
        .documents
        .iter()
        .filter(|(identifier, at)| at.starts_with(CONTENT) && wanted.contains(*identifier));
    added
        .into_iter()
        .find_map(|(identifier, at)| match view.seen.added.get(identifier) {
            None => Some(Step::Look(Look::Added(identifier.clone()))),
            Some(Some(content)) if *at == format!("{CONTENT}{content}") => None,
            Some(_) => Some(source_moved(view, cut)),
        })
}

pub(super) fn source_moved(view: View<'_>, cut: &Cut) -> Step {
    halt(
        Reason::SourceMoved,
        format!(
            "version {} was changed while version {} was cut from it, so the copy would be a mix; cut again under a new number",
            cut.from, view.desired.version
        ),
    )
}

/// What the source looks like now, once its documents were looked at.
pub(super) fn source_stamp(view: View<'_>, cut: &Cut, model_updated_at: &str) -> Option<SourceStamp> {
    let documents = source_documents(view, cut)?;
    let wanted = view.wanted(cut);
    let documents: BTreeMap<String, String> = documents
        .into_iter()
        .filter(|document| wanted.values().any(|identifier| *identifier == document.identifier))
        .map(|document| {
            (
                document.identifier.clone(),
                document.updated_at.clone().unwrap_or_default(),
            )
        })
        .collect();
    Some(SourceStamp {
        model: model_updated_at.to_owned(),
        documents,
    })
}

/// The documents of the source's folder: from the list of the whole organisation at first, where there is one.
fn source_documents<'a>(view: View<'a>, cut: &Cut) -> Option<Vec<&'a DocumentRecord>> {
    if let Some(documents) = &view.seen.source_documents {
        return Some(documents.iter().collect());
    }
    if view.seen.looked_again.contains(&Again::SourceDocuments) {
        return None;
    }
    let all = view.seen.all_documents.as_ref()?.as_ref()?;
    let folder = view.source(cut)?.folder_path.as_ref()?;
    Some(
        all.iter()
            .filter(|it| !it.deleted && it.folder_path.as_ref() == Some(folder))
            .collect(),
    )
}

pub(super) fn look_at_source_documents(view: View<'_>, cut: &Cut) -> Step {
    if view.seen.all_documents.is_none() && !content::identifiers_known(view) {
        return Step::Look(Look::AllDocuments(content::most_pages(view, cut)));
    }
    match view.source(cut).and_then(|source| source.folder_id.clone()) {
        Some(folder) => Step::Look(Look::SourceDocuments(folder)),
        None => not_yet(
            Reason::SourceNotReady,
            format!("version {} has no folder on record", cut.from),
        ),
    }
}

/// The source's files: a probe that the caller may read the model, and what the definition is made from.
fn source_files(view: View<'_>, cut: &Cut, model: &str) -> Option<Step> {
    let record = view.record();
    let done = record.is_some_and(|it| it.definition.as_deref() == Some(definition_key(view, cut).as_str()));
    if !done && !view.seen.files.contains_key(&(model.to_owned(), None)) {
        return Some(Step::Look(Look::Files {
            model: model.to_owned(),
            branch: None,
        }));
    }
    if !done && view.seen.combined.is_none() && edits::names_views(&cut.model.edits) {
        return Some(Step::Look(Look::Combined(model.to_owned())));
    }
    if !done && let Err(step) = model::desired_files(view, cut) {
        return Some(step);
    }
    match record {
        Some(_) => None,
        // Whatever would be refused later is refused before anything is written.
        None => match known::known_again(view, cut) {
            Err(step) => Some(step),
            Ok(Some(known)) => known::as_declared(view, cut, &known),
            Ok(None) => model::name_free(view, cut)
                .or_else(|| folder::path_free(view, cut))
                .or_else(|| git::fit(view, cut))
                .or_else(|| content::identifiers_free(view, cut))
                .or_else(|| content::fit(view, cut)),
        }
        .or(Some(Step::Do(Effect::RecordVersion))),
    }
}

/// The name of the definition that this version shall have.
pub(super) fn definition_key(view: View<'_>, cut: &Cut) -> String {
    let model = view
        .source(cut)
        .and_then(|source| source.model_id.as_deref())
        .unwrap_or_default();
    let stamp = view.record().and_then(|record| record.source_stamp.as_ref());
    let updated_at = stamp.map(|stamp| stamp.model.as_str()).unwrap_or_default();
    definition::key(model, updated_at, &cut.model.edits, &view.links(cut))
}
