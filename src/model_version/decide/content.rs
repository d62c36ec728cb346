//! All dashboards: whether their identifiers are free, which one is next, and what comes of those that cannot be copied.

use std::collections::BTreeMap;

use super::dashboard::Dashboard;
use super::{Ending, IntentState, Step, View, halt, names};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::ports::{DocumentRecord, IntentStep};
use crate::resources::ContentMethod;
use crate::resources::conditions::Reason;

/// What the identifiers' look-up is settled with: these slugs' were in one list, or each is asked for.
pub(super) const LISTED: &str = "listed ";
const ASKED: &str = "asked";

/// How many pages of the organisation's documents are worth reading; more cost more than asking for each identifier.
pub(super) fn most_pages(view: View<'_>, cut: &Cut) -> usize {
    2 * view.wanted(cut).len().div_ceil(100) + 2
}

/// The identifiers were looked for before.
pub(super) fn identifiers_known(view: View<'_>) -> bool {
    matches!(view.intent(IntentStep::Identifiers, ""), IntentState::Settled(_))
}

/// Before anything is written: no document of the organisation, trash included, has an identifier that a copy needs.
pub(super) fn identifiers_free(view: View<'_>, cut: &Cut) -> Option<Step> {
    let Some(all) = &view.seen.all_documents else {
        return Some(Step::Look(Look::AllDocuments(most_pages(view, cut))));
    };
    let source = view.source(cut)?;
    let tag = view.tag(source.connection_id.as_deref()?);
    let needed: BTreeMap<String, String> = view
        .wanted(cut)
        .into_keys()
        .map(|slug| (tag.identifier(&slug, view.desired.version), slug))
        .collect();
    let taken = all
        .iter()
        .flatten()
        .find(|document| needed.contains_key(&document.identifier))?;
    let slug = &needed[&taken.identifier];
    Some(halt(
        Reason::IdentifierTaken,
        format!("{slug}: {}", taken_text(&taken.identifier, Some(taken))),
    ))
}

/// How many dashboards a message names.
const SHOWN: usize = 5;

/// Before anything is written: every dashboard is one that the method carries. Where the method is chosen for each by
/// itself none can be unfit.
pub(super) fn fit(view: View<'_>, cut: &Cut) -> Option<Step> {
    if cut.content.method != ContentMethod::DocumentsV2 {
        return None;
    }
    let wanted = view.wanted(cut);
    let unseen = wanted.iter().find(|(slug, _)| !view.seen.unfit.contains_key(*slug));
    if let Some((slug, identifier)) = unseen {
        let (slug, identifier) = (slug.clone(), identifier.clone());
        return Some(Step::Look(Look::Fit { slug, identifier }));
    }
    let unfit = view
        .seen
        .unfit
        .iter()
        .filter(|(slug, lacking)| wanted.contains_key(*slug) && !lacking.is_empty());
    let unfit: Vec<String> = unfit
        .map(|(slug, lacking)| format!("{slug}: {}", unfit_text(lacking)))
        .collect();
    (!unfit.is_empty()).then(|| {
        let named = unfit.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        let text = format!(
            "content.method DocumentsV2 does not carry {} of {} dashboards whole, and nothing was written: {named}. Set content.method to Auto or ExportImport, or exclude them",
            unfit.len(),
            wanted.len()
        );
        halt(Reason::MethodUnfit, text)
    })
}

/// What is not carried, for people.
pub(super) fn unfit_text(lacking: &[String]) -> String {
    let named = lacking
        .iter()
        .take(3)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match lacking.len().saturating_sub(3) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

pub(super) fn taken_text(identifier: &str, document: Option<&DocumentRecord>) -> String {
    let place = match document {
        Some(it) if it.deleted => format!(" ({:?}, in the trash)", it.name),
        Some(it) => format!(
            " ({:?} in {})",
            it.name,
            it.folder_path.as_deref().unwrap_or("no folder")
        ),
        None => String::new(),
    };
    format!(
        "the identifier {identifier:?} belongs to another document{place}; it is not touched. Give that document another identifier, or delete it for good"
    )
}

/// Everything wanted is whole, or the next step towards it.
pub(super) fn content(view: View<'_>, cut: &Cut) -> Option<Step> {
    if let Some(step) = identifiers(view, cut) {
        return Some(step);
    }
    let wanted = view.wanted(cut);
    let whole = |slug: &String| {
        view.seen
            .dashboards
            .get(slug)
            .is_some_and(|it| !names::outdated(view, cut, it))
    };
    let left = |slug: &String| {
        !whole(slug) && !view.seen.set_aside.contains_key(slug) && !view.seen.awaited.contains_key(slug)
    };
    let in_hand = view
        .seen
        .work
        .as_ref()
        .map(|work| &work.slug)
        .filter(|slug| wanted.contains_key(*slug) && left(slug));
    if let Some(slug) = in_hand.or_else(|| wanted.keys().find(|slug| left(slug))) {
        return Some(Dashboard::new(view, cut, slug, &wanted[slug])?.next());
    }
    if let Some((reason, _)) = view.seen.set_aside.values().next() {
        let all: Vec<&str> = view
            .seen
            .set_aside
            .values()
            .take(5)
            .map(|(_, message)| message.as_str())
            .collect();
        let text = format!(
            "{} of {} dashboards cannot be copied as they are: {}",
            view.seen.set_aside.len(),
            wanted.len(),
            all.join("; ")
        );
        return Some(halt(*reason, text));
    }
    view.seen.awaited.values().min().map(|until| {
        let slugs: Vec<&str> = view.seen.awaited.keys().take(5).map(String::as_str).collect();
        let message = format!("imports that got no answer may still appear: {}", slugs.join(", "));
        Step::End(Ending::Wait { until: *until, message })
    })
}

/// Whether the identifiers are free is asked once for all, by the list of the organisation's documents, before the first
/// import; where that list is too long, or the ledger lost its marks, each identifier is asked for before its import.
fn identifiers(view: View<'_>, cut: &Cut) -> Option<Step> {
    if identifiers_known(view)
        || view
            .wanted(cut)
            .keys()
            .all(|slug| view.seen.dashboards.contains_key(slug))
    {
        return None;
    }
    let Some(all) = &view.seen.all_documents else {
        return Some(Step::Look(Look::AllDocuments(most_pages(view, cut))));
    };
    let connection = view.record()?.connection_id.as_deref()?;
    let tag = view.tag(connection);
    let ours = |it: &DocumentRecord| {
        view.wanted(cut)
            .keys()
            .any(|slug| tag.identifier(slug, view.desired.version) == it.identifier)
    };
    let result = match all {
        // Slugs that are declared later were not looked for.
        Some(documents) if !documents.iter().any(ours) => {
            let slugs: Vec<String> = view.wanted(cut).into_keys().collect();
            format!("{LISTED}{}", slugs.join(" "))
        }
        _ => ASKED.to_owned(),
    };
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Identifiers,
        subject: String::new(),
        result,
    }))
}
