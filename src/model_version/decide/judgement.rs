//! What Omni's content validation finds in a version's dashboards, and what of it keeps them from viewers: held against
//! what it finds in the source, and against what was let pass before.

use std::collections::{BTreeMap, BTreeSet};

use super::{Step, View, halt};
use crate::model_version::content::findings::{self, Finding};
use crate::model_version::desired::{Cut, WITHHELD};
use crate::model_version::observe::Look;
use crate::ports::DocumentFindings;
use crate::resources::ContentValidation;
use crate::resources::conditions::Reason;

/// So many findings are named.
const NAMED: usize = 10;

/// What was found: what keeps the version from viewers, and the names of all.
pub(super) struct Judgement {
    pub(super) unfit: Vec<Finding>,
    /// What was let pass.
    pub(super) passed: Vec<Finding>,
    pub(super) known: Option<BTreeSet<String>>,
    /// Tiles of which something was let pass, by slug and name.
    pub(super) excused: BTreeSet<(String, String)>,
}

pub(super) fn judged(view: View<'_>, cut: &Cut) -> Result<Judgement, Step> {
    if cut.validation.content == ContentValidation::Skip {
        let before = view.record().and_then(|it| it.evidence.as_ref());
        return Ok(Judgement {
            unfit: Vec::new(),
            passed: Vec::new(),
            known: before.and_then(|it| it.known.clone()),
            excused: BTreeSet::new(),
        });
    }
    let of_model = |id: Option<&String>| -> Result<&[DocumentFindings], Step> {
        let id = id.map(String::as_str).unwrap_or_default();
        let seen = view.seen.findings.get(id);
        seen.map(Vec::as_slice)
            .ok_or_else(|| Step::Look(Look::Findings(id.to_owned())))
    };
    let copies = of_model(view.record().and_then(|it| it.model_id.as_ref()))?;
    let made = view.seen.dashboards.values();
    let (own, from): (Vec<_>, Vec<_>) = made
        .map(|it| {
            let slug = it.slug.as_str();
            (
                (it.ids.identifier.as_str(), slug),
                (it.source_identifier.as_str(), slug),
            )
        })
        .unzip();
    let names: BTreeMap<&str, &str> = from.iter().chain(&own).copied().collect();
    let found = findings::of(copies, &own.into_iter().collect(), &names);
    let known = Some(found.iter().map(|it| it.fingerprint.clone()).collect());
    let mut allowed = allowed_before(view).unwrap_or_default();
    if cut.validation.content == ContentValidation::NewIssuesOnly {
        // Dashboards whose rows are not written yet were never judged: they are held against what they were copied from.
        let unjudged: BTreeMap<&str, &str> = from.into_iter().filter(|(_, slug)| !is_judged(view, slug)).collect();
        if !unjudged.is_empty() {
            let sources = of_model(view.source(cut).and_then(|it| it.model_id.as_ref()))?;
            if let Some(step) = overlooked(copies, sources, view, &unjudged) {
                return Err(step);
            }
            let there = findings::of(sources, &unjudged, &names);
            allowed.extend(there.into_iter().map(|it| it.fingerprint));
        } else if allowed_before(view).is_none() {
            // Complete before anything was kept: its tenants have what is found now.
            return Ok(Judgement {
                unfit: Vec::new(),
                known,
                excused: tiles_of(&found, |_| true),
                passed: found.into_iter().collect(),
            });
        }
    } else {
        allowed.clear();
    }
    let excused = tiles_of(&found, |it| allowed.contains(&it.fingerprint));
    let (passed, unfit) = found.into_iter().partition(|it| allowed.contains(&it.fingerprint));
    Ok(Judgement {
        unfit,
        passed,
        known,
        excused,
    })
}

/// What Omni finds in an adopted version: its tenants have it already.
pub(super) fn adopted(view: View<'_>, model: &str) -> Result<BTreeSet<Finding>, Step> {
    let Some(documents) = view.seen.findings.get(model) else {
        return Err(Step::Look(Look::Findings(model.to_owned())));
    };
    let own = view.seen.dashboards.values();
    let slugs: BTreeMap<&str, &str> = own.map(|it| (it.ids.identifier.as_str(), it.slug.as_str())).collect();
    Ok(findings::of(documents, &slugs, &slugs))
}

/// The tiles of which something is let pass, by slug and name: of an adopted version, whatever is found.
pub(super) fn excused(view: View<'_>) -> Result<BTreeSet<(String, String)>, Step> {
    match (view.cut(), view.record().and_then(|it| it.model_id.as_ref())) {
        (Some(cut), _) => Ok(judged(view, cut)?.excused),
        (None, Some(model)) => Ok(tiles_of(&adopted(view, model)?, |_| true)),
        (None, None) => Ok(BTreeSet::new()),
    }
}

fn tiles_of(found: &BTreeSet<Finding>, is_it: impl Fn(&Finding) -> bool) -> BTreeSet<(String, String)> {
    let tiles = found.iter().filter(|it| is_it(it));
    tiles
        .filter_map(|it| Some((it.slug.clone(), it.tile.clone()?)))
        .collect()
}

/// The dashboard was there when the version became complete, or when it was added to it.
fn is_judged(view: View<'_>, slug: &str) -> bool {
    let rows = view.seen.rows.as_ref();
    view.is_complete() && rows.is_none_or(|rows| rows.iter().any(|row| row.slug == slug))
}

/// What was let pass when a complete version was judged.
fn allowed_before(view: View<'_>) -> Option<BTreeSet<String>> {
    let record = view.record().filter(|record| record.complete_at.is_some())?;
    record.evidence.as_ref()?.known.clone()
}

/// A copy that the validation says nothing of, though it speaks of what it was copied from: Omni leaves out documents
/// without queries, and what it left out was not looked at.
fn overlooked(
    copies: &[DocumentFindings],
    sources: &[DocumentFindings],
    view: View<'_>,
    unjudged: &BTreeMap<&str, &str>,
) -> Option<Step> {
    let speaks = |of: &[DocumentFindings], identifier: &str| of.iter().any(|it| it.identifier == identifier);
    let (_, slug) = unjudged.iter().find(|(from, slug)| {
        let copy = view.seen.dashboards.get(**slug);
        speaks(sources, from) && copy.is_some_and(|it| !speaks(copies, &it.ids.identifier))
    })?;
    Some(halt(
        Reason::ContentInvalid,
        format!(
            "Omni's content validation says nothing of {slug}, though it speaks of what it was copied from; open the copy in Omni, and see on which model it sits"
        ),
    ))
}

/// Behind places that stand without Omni's words.
pub(super) fn withheld(cut: &Cut) -> String {
    match cut.keeps_secrets() {
        true => format!("; {WITHHELD}"),
        false => String::new(),
    }
}

/// One finding, as it may be told of this version.
pub(super) fn shown(cut: &Cut, it: &Finding) -> String {
    match (cut.keeps_secrets(), &it.tile) {
        (false, _) => format!("{}: {}", it.slug, it.text),
        (true, Some(tile)) => format!("{}: tile {tile:?}", it.slug),
        (true, None) => it.slug.clone(),
    }
}

pub(super) fn told(cut: &Cut, unfit: &[Finding]) -> String {
    let shown: Vec<String> = unfit.iter().take(NAMED).map(|it| shown(cut, it)).collect();
    let more = match unfit.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let than = match cut.validation.content {
        ContentValidation::Required => "",
        _ => " that its source does not have",
    };
    let findings = match unfit.len() {
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    format!(
        "Omni's content validation has {findings}{than}: {}{more}{}. Correct {}, leave these dashboards out, or say what to let pass with validation.content",
        shown.join("; "),
        withheld(cut),
        cut.where_edits_are()
    )
}
