//! What other hands did to a version in Omni, told by name; and what of it is put back where that is asked for.
//!
//! Lists tell most of it: what is gone, moved, renamed, or has another `updatedAt` than when it was last right. Only what
//! lists leave open is read by itself, and what turns out to be right after all is remembered with its new `updatedAt`, so
//! that it is read once.

mod documents;
mod model;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeSet;

use super::{Ending, Step, View, evidence, mend, sought};
use crate::model_version::desired::Cut;
use crate::model_version::observe::Look;
use crate::resources::conditions::Reason;
use crate::resources::{ANNOTATION_PREFIX, DriftPolicy, annotations};
use told::{Kind, Told, token};

/// So many of a kind are named.
const NAMED: usize = 5;

/// What other hands did to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The worst of it, as one word.
    pub reason: Reason,
    /// All of it, and what a person can do.
    pub message: String,
    /// Its model is concerned.
    pub model: bool,
    /// Its dashboards or their folder are concerned.
    pub content: bool,
}

impl Drift {
    /// The version is not what was made any more. Otherwise there is only something beside it.
    #[must_use]
    pub const fn harms(&self) -> bool {
        self.model || self.content
    }
}

/// What is said of a complete version; the look that is missing before; or what is put back.
pub(super) fn complete(view: View<'_>) -> Option<Step> {
    let cut = view.cut();
    let told = match told(view, cut) {
        Ok(told) => told,
        Err(step) => return Some(step),
    };
    let mends = cut.filter(|cut| cut.content.drift == DriftPolicy::Mend);
    let mended = mends.and_then(|cut| {
        let steps = [mend::permissions(view, cut), mend::group_roles(view, cut)];
        let mut steps = steps.into_iter().flatten();
        // What one of them cannot do keeps the other from nothing.
        let first = steps.next()?;
        let other = steps.next().filter(|_| matches!(first, Step::End(_)));
        Some(other.unwrap_or(first))
    });
    // What cannot be mended keeps nobody from taking the rest as it is.
    let (in_vain, mended): (Option<Step>, _) = match mended {
        Some(Step::End(_)) => (mended, None),
        _ => (None, mended),
    };
    let drift = summary(view, &told);
    let unfit = match cut.map_or(Ok(None), |cut| evidence::renewed(view, cut, drift.as_ref())) {
        // Whatever else there is to do, rows must not move on evidence that does not hold.
        Err(step) => return Some(step),
        Ok(unfit) => unfit,
    };
    mended
        .or_else(|| accepted(view, &told))
        .or_else(|| sought::asked(view).filter(|_| !drift.as_ref().is_some_and(Drift::harms)))
        .or(in_vain)
        .or_else(|| unfit.or(drift.map(Ending::Drifted)).map(Step::End))
}

/// Before a version is mapped: nobody has changed its model or its copies since they were found whole. What stands
/// beside them is no reason to stop.
pub(super) fn before_mapping(view: View<'_>, cut: &Cut) -> Option<Step> {
    let mut told = match told(view, Some(cut)) {
        Ok(told) => told,
        Err(step) => return Some(step),
    };
    told.retain(|it| it.kind != Kind::Unknown);
    accepted(view, &told).or_else(|| summary(view, &told).map(|drift| super::halt(drift.reason, drift.message)))
}

fn told(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
    let mut told = model::model(view, cut)?;
    told.extend(documents::documents(view, cut)?);
    Ok(told)
}

/// A person takes what there is now as it is: it is kept as right, one thing a step.
fn accepted(view: View<'_>, told: &[Told]) -> Option<Step> {
    let mut offered = told.iter().filter_map(|it| it.accepts.as_ref());
    if let Some((_, keep)) = offered.clone().find(|(what, _)| view.seen.accepted.contains(what)) {
        return Some(Step::Do((**keep).clone()));
    }
    let word = view.desired.accept_drift.as_ref()?;
    let is_new = offered.any(|(what, _)| !view.seen.accepted.contains(what));
    // The word is for all of them together.
    let all = || told.iter().filter_map(|it| Some(it.accepts.as_ref()?.0.clone()));
    (is_new && token(told)? == *word).then(|| Step::Look(Look::Accepted(all().collect())))
}

fn summary(view: View<'_>, told: &[Told]) -> Option<Drift> {
    let worst = told.iter().map(|it| it.kind).min()?;
    let kinds: BTreeSet<Kind> = told.iter().map(|it| it.kind).collect();
    let mut texts: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let all: Vec<&str> = told
                .iter()
                .filter(|it| it.kind == kind)
                .map(|it| it.what.as_str())
                .collect();
            let shown = all.iter().take(NAMED).copied().collect::<Vec<_>>().join("; ");
            let more = match all.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            format!("{shown}{more}: {}", kind.way_out())
        })
        .collect();
    if let Some(token) = token(told) {
        texts.push(format!(
            "to take what was changed as it is now, annotate this object with {ANNOTATION_PREFIX}{}: {token:?}",
            annotations::ACCEPT_DRIFT
        ));
    }
    Some(Drift {
        reason: worst.reason(),
        message: format!("In Omni, of version {}: {}", view.desired.version, texts.join(". ")),
        model: told.iter().any(|it| it.model && it.kind != Kind::Unknown),
        content: told.iter().any(|it| !it.model && it.kind != Kind::Unknown),
    })
}
