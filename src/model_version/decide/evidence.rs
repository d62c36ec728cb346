//! Evidence that a version is whole for whoever looks at it: gathered before anyone may, and void once something that it
//! rests on has moved.
//!
//! A version is held against its source: what Omni finds there too keeps nobody from what they had before. What was let
//! pass is kept with the evidence, since a complete version no longer needs its source.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::queries::{self, Fault};
use super::{Drift, Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::content::findings::{self, Finding};
use crate::model_version::desired::{Cut, Desired, WITHHELD};
use crate::model_version::observe::{Look, Observed};
use crate::ports::{DocumentFindings, Evidence, VersionChange};
use crate::resources::ContentValidation;
use crate::resources::conditions::Reason;

/// So many findings are named.
const NAMED: usize = 10;

/// Before a version is complete: nothing is found in its dashboards that keeps them from viewers.
pub(super) fn gathered(view: View<'_>, cut: &Cut) -> Option<Step> {
    let basis = basis(view, cut);
    if holds(view, &basis) {
        return None;
    }
    Some(match verdict(view, cut) {
        Err(step) => step,
        Ok(Err((reason, told))) => halt(reason, told),
        Ok(Ok(known)) => keep(basis, None, known),
    })
}

/// Of a complete version: its evidence is void while other hands' changes harm it, and gathered again when what it rests
/// on is another thing than it was. The findings, where they are what makes it void now.
pub(super) fn renewed(view: View<'_>, cut: &Cut, drift: Option<&Drift>) -> Result<Option<Drift>, Step> {
    let basis = basis(view, cut);
    let before = view.record().and_then(|record| record.evidence.as_ref());
    let void = |reason: Reason| {
        let word = reason.as_str();
        if before.is_some_and(|it| it.void.as_deref() == Some(word)) {
            return Ok(());
        }
        // The basis stays: it says what the evidence, when it held, was about.
        let basis = before.map_or_else(String::new, |it| it.basis.clone());
        let known = before.and_then(|it| it.known.clone());
        Err(keep(basis, Some(word.to_owned()), known))
    };
    if let Some(drift) = drift.filter(|drift| drift.harms()) {
        void(drift.reason)?;
        return Ok(None);
    }
    if holds(view, &basis) {
        return Ok(None);
    }
    let (reason, message) = match verdict(view, cut)? {
        Ok(known) => return Err(keep(basis, None, known)),
        Err(unfit) => unfit,
    };
    void(reason)?;
    Ok(Some(Drift {
        reason,
        message,
        model: false,
        content: true,
    }))
}

/// The names of what was let pass; or why the version is not fit.
type Verdict = Result<Option<BTreeSet<String>>, (Reason, String)>;

/// Content first: it costs two calls, and queries one for each tile and user.
fn verdict(view: View<'_>, cut: &Cut) -> Result<Verdict, Step> {
    let Judgement {
        unfit, known, excused, ..
    } = judged(view, cut)?;
    if !unfit.is_empty() {
        return Ok(Err((Reason::ContentInvalid, told(cut, &unfit))));
    }
    let faults = queries::checked(view, cut, &excused)?;
    // That somebody reads another's data is worse than that somebody reads none.
    let worst = faults
        .iter()
        .find(|it| it.reason == Reason::RoutingWrong)
        .or(faults.first());
    Ok(match worst {
        None => Ok(known),
        Some(worst) => Err((worst.reason, told_of_queries(cut, worst.reason, &faults))),
    })
}

fn told_of_queries(cut: &Cut, reason: Reason, faults: &[Fault]) -> String {
    let of_it = faults.iter().filter(|it| it.reason == reason);
    let of_it: Vec<String> = of_it
        .map(|it| match cut.keeps_secrets() {
            true => it.place(),
            false => it.text(),
        })
        .collect();
    let more = match of_it.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let way_out = match reason {
        Reason::RoutingWrong => {
            "Correct dynamic_schemas, the connection's environments or the users' attributes, or validation.queries"
                .to_owned()
        }
        _ => {
            let edits = cut.where_edits_are();
            format!("Correct {edits}, leave these dashboards out, or take validation.queries out")
        }
    };
    let shown = of_it[..of_it.len().min(NAMED)].join("; ");
    format!(
        "{} of the tiles' queries are not as they must be: {shown}{more}{}. {way_out}",
        of_it.len(),
        withheld(cut)
    )
}

fn keep(basis: String, void: Option<String>, known: Option<BTreeSet<String>>) -> Step {
    let evidence = Evidence { basis, void, known };
    Step::Do(Effect::Change(VersionChange::Evidence(evidence)))
}

/// The validation that a person asked for was made, and found nothing that blocks.
#[must_use]
pub fn requested_validation_holds(desired: &Desired, seen: &Observed) -> bool {
    let view = View {
        desired,
        seen,
        now: Timestamp::UNIX_EPOCH,
        request_timeout: Duration::ZERO,
    };
    desired.validate_requested.is_some() && view.cut().is_some_and(|cut| holds(view, &basis(view, cut)))
}

fn holds(view: View<'_>, basis: &str) -> bool {
    let evidence = view.record().and_then(|record| record.evidence.as_ref());
    evidence.is_some_and(|it| it.void.is_none() && it.basis == basis)
}

/// A hash of everything that evidence rests on.
pub(super) fn basis(view: View<'_>, cut: &Cut) -> String {
    let record = view.record();
    let model = record.and_then(|it| it.model_id.as_ref());
    let files = record.and_then(|it| Some(&it.model_state.as_ref()?.files));
    let mut digest = Sha256::new();
    let asked = json!(cut.validation);
    digest.update(format!("1\0{asked}\0{model:?}\0{files:?}\0"));
    for (slug, dashboard) in &view.seen.dashboards {
        let content = dashboard.state.as_ref().map(|it| &it.content);
        digest.update(format!("{slug}\0{}\0{content:?}\0", dashboard.ids.identifier));
    }
    // Evidence from before a person asked is not what they asked for. Without such a wish it is what it always was.
    if let Some(requested) = &view.desired.validate_requested {
        digest.update(format!("requested\0{requested}\0"));
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What was found: what keeps the version from viewers, and the names of all.
pub(super) struct Judgement {
    pub(super) unfit: Vec<Finding>,
    /// What was let pass.
    pub(super) passed: Vec<Finding>,
    known: Option<BTreeSet<String>>,
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
fn withheld(cut: &Cut) -> String {
    match cut.keeps_secrets() {
        true => format!("; {WITHHELD}"),
        false => String::new(),
    }
}

fn told(cut: &Cut, unfit: &[Finding]) -> String {
    let shown: Vec<String> = unfit
        .iter()
        .take(NAMED)
        .map(|it| match (cut.keeps_secrets(), &it.tile) {
            (false, _) => format!("{}: {}", it.slug, it.text),
            (true, Some(tile)) => format!("{}: tile {tile:?}", it.slug),
            (true, None) => it.slug.clone(),
        })
        .collect();
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
