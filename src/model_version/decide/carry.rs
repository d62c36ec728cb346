//! What of a dashboard no export holds and lists show: labels are put on the copy, the rest is told.
//!
//! Lists show it beside what they are read for anyway. A copy begins without labels, so that nothing of it need be read.

use std::collections::BTreeSet;

use super::{IntentState, Step, View, origin};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::ports::{DocumentRecord, IntentStep};

/// The source as a list shows it; nothing where it was added from elsewhere and all documents are too many to list.
fn listed<'a>(view: View<'a>, from: &str) -> Option<&'a DocumentRecord> {
    let of_folder = view.seen.source_documents.iter().flatten();
    let of_all = view.seen.all_documents.iter().flatten().flatten();
    of_folder.chain(of_all).find(|it| it.identifier == from)
}

/// These copies have the labels of their sources.
pub(super) fn labels(view: View<'_>, cut: &Cut, of_these: impl Fn(&str) -> bool) -> Option<Step> {
    if view.seen.source_documents.is_none() && view.seen.all_documents.is_none() {
        return Some(origin::look_at_source_documents(view, cut));
    }
    let copies = view.seen.dashboards.values().filter(|it| of_these(&it.slug));
    copies.into_iter().find_map(|copy| {
        let wanted = &listed(view, &copy.source_identifier)?.labels;
        let result = named(wanted);
        let settled = view.intent(IntentStep::Labels, &copy.slug);
        let is_done = matches!(settled, IntentState::Settled(done) if done.trim_start_matches(REFUSED) == result);
        (!wanted.is_empty() && !is_done).then(|| {
            Step::Do(Effect::Label {
                slug: copy.slug.clone(),
                identifier: copy.ids.identifier.clone(),
                labels: wanted.clone(),
            })
        })
    })
}

/// What labels' mark begins with where Omni does not let the key set them: they are told, and stop nothing.
pub(in crate::model_version) const REFUSED: &str = "refused ";

/// The mark of these labels.
pub(in crate::model_version) fn named(labels: &BTreeSet<String>) -> String {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    labels.join(", ")
}

/// What no export has of a source, by its word in status.
pub(super) const DESCRIPTION: &str = "description";

/// What the source has and a copy cannot have.
pub(super) fn lost(view: View<'_>, from: &str) -> Vec<String> {
    let Some(source) = listed(view, from) else {
        return vec![
            "labels, description and favourites, which were not looked at outside of the source's folder".to_owned(),
        ];
    };
    let mut lost = Vec::new();
    if source.description.is_some() {
        lost.push(DESCRIPTION.to_owned());
    }
    match source.favorites {
        0 => {}
        1 => lost.push("1 favourite".to_owned()),
        many => lost.push(format!("{many} favourites")),
    }
    lost
}
