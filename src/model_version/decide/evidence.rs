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
use super::schemas::{self, Stamps};
use super::{Drift, Step, View, halt, model};
use crate::model_version::act::Effect;
use crate::model_version::content::findings::{self, Finding};
use crate::model_version::desired::{Cut, Desired};
use crate::model_version::observe::{Look, Observed};
use crate::ports::{DocumentFindings, Evidence, VersionChange};
use crate::resources::ContentValidation;
use crate::resources::conditions::Reason;

/// So many findings are named.
const NAMED: usize = 10;

/// Before a version is complete: nothing is found in its dashboards that keeps them from viewers.
pub(super) fn gathered(view: View<'_>, cut: &Cut) -> Option<Step> {
    let basis = basis(view, cut);
    match holds(view, cut, &basis) {
        Ok(true) => return None,
        Ok(false) => {}
        Err(step) => return Some(step),
    }
    Some(match verdict(view, cut) {
        Err(step) => step,
        Ok(Err((reason, told))) => halt(reason, told),
        Ok(Ok(fit)) => fit.kept(basis),
    })
}

/// Of a complete version: its evidence is void while other hands' changes harm it, and gathered again when what it rests
/// on is another thing than it was. The findings, where they are what makes it void now.
pub(super) fn renewed(view: View<'_>, cut: &Cut, drift: Option<&Drift>) -> Result<Option<Drift>, Step> {
    let basis = basis(view, cut);
    if let Some(drift) = drift.filter(|drift| drift.harms()) {
        void(view, drift.reason)?;
        return Ok(None);
    }
    if holds(view, cut, &basis)? {
        return Ok(None);
    }
    let (reason, message) = match verdict(view, cut)? {
        Ok(fit) => return Err(fit.kept(basis)),
        Err(unfit) => unfit,
    };
    void(view, reason)?;
    let model = reason == Reason::ModelInvalid;
    Ok(Some(Drift {
        reason,
        message,
        model,
        content: !model,
    }))
}

/// Marks the evidence void, unless it is for the same reason already.
fn void(view: View<'_>, reason: Reason) -> Result<(), Step> {
    let before = recorded(view);
    let word = reason.as_str();
    if before.is_some_and(|it| it.void.as_deref() == Some(word)) {
        return Ok(());
    }
    // The rest stays: it says what the evidence, when it held, was about.
    let before = before.cloned();
    Err(keep(Evidence {
        void: Some(word.to_owned()),
        ..before.unwrap_or_default()
    }))
}

/// The version is fit for viewers.
struct Fit {
    /// The names of what was let pass.
    known: Option<BTreeSet<String>>,
    /// The generated models under it.
    schemas: Stamps,
}

impl Fit {
    fn kept(self, basis: String) -> Step {
        keep(Evidence {
            basis,
            void: None,
            known: self.known,
            schemas: Some(self.schemas),
        })
    }
}

/// That it is fit; or why it is not.
type Verdict = Result<Fit, (Reason, String)>;

/// The generated models before what they may change; then content, which costs two calls, and queries, one for each tile
/// and user.
fn verdict(view: View<'_>, cut: &Cut) -> Result<Verdict, Step> {
    let schemas = schemas::now(view, cut)?;
    if let Some(unfit) = refreshed_model(view, cut)? {
        return Ok(Err(unfit));
    }
    let Judgement {
        unfit, known, excused, ..
    } = judged(view, cut)?;
    if !unfit.is_empty() {
        return Ok(Err((Reason::ContentInvalid, told(cut, &unfit))));
    }
    let faults = queries::checked(view, cut, &excused, &schemas)?;
    // That somebody reads another's data is worse than that somebody reads none.
    let worst = faults
        .iter()
        .find(|it| it.reason == Reason::RoutingWrong)
        .or(faults.first());
    Ok(match worst {
        None => Ok(Fit { known, schemas }),
        Some(worst) => Err((worst.reason, told_of_queries(worst.reason, &faults))),
    })
}

/// What Omni's model validation finds in the version's model after a refresh: there was nothing when it was merged.
fn refreshed_model(view: View<'_>, cut: &Cut) -> Result<Option<(Reason, String)>, Step> {
    let before = recorded(view).and_then(|it| it.schemas.as_ref());
    let refreshed = before.map_or(Ok(false), |before| schemas::moved(view, cut, before))?;
    let Some(id) = view.record().and_then(|it| it.model_id.as_ref()).filter(|_| refreshed) else {
        return Ok(None);
    };
    let issues = view.seen.model_issues.as_ref();
    let issues = issues.ok_or_else(|| Step::Look(Look::ModelIssues(id.clone())))?;
    Ok(model::errors(issues).map(|(count, shown)| {
        let why = format!(
            "since the schema was refreshed, Omni's model validation finds {count} errors: {shown}. Bring back in the database what the version needs and refresh the schema, or cut a version that fits it"
        );
        (Reason::ModelInvalid, why)
    }))
}

fn told_of_queries(reason: Reason, faults: &[Fault]) -> String {
    let of_it: Vec<String> = faults
        .iter()
        .filter(|it| it.reason == reason)
        .map(Fault::text)
        .collect();
    let more = match of_it.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let way_out = match reason {
        Reason::RoutingWrong => {
            "Correct dynamic_schemas, the connection's environments or the users' attributes, or validation.queries"
        }
        _ => "Correct model.edits, leave these dashboards out, or take validation.queries out",
    };
    let shown = of_it[..of_it.len().min(NAMED)].join("; ");
    format!(
        "{} of the tiles' queries are not as they must be: {shown}{more}. {way_out}",
        of_it.len()
    )
}

fn keep(evidence: Evidence) -> Step {
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
    let is_about = |cut: &Cut| unmoved(view, &basis(view, cut)).is_some();
    desired.validate_requested.is_some() && view.cut().is_some_and(is_about)
}

fn recorded<'a>(view: View<'a>) -> Option<&'a Evidence> {
    view.record().and_then(|record| record.evidence.as_ref())
}

/// The evidence that is not void and about what there is now, but for what lies below the version's model.
fn unmoved<'a>(view: View<'a>, basis: &str) -> Option<&'a Evidence> {
    recorded(view).filter(|it| it.void.is_none() && it.basis == basis)
}

/// Whether the evidence holds. That of a complete version is void from the moment that a refresh is seen, whatever comes
/// of validating it again: that may take long.
fn holds(view: View<'_>, cut: &Cut, basis: &str) -> Result<bool, Step> {
    let Some(evidence) = unmoved(view, basis) else {
        return Ok(false);
    };
    let Some(before) = &evidence.schemas else {
        // Gathered before anybody looked at the generated models: what they are now counts as what they were.
        let schemas = Some(schemas::now(view, cut)?);
        return Err(keep(Evidence {
            schemas,
            ..evidence.clone()
        }));
    };
    let moved = schemas::moved(view, cut, before)?;
    if moved && view.is_complete() {
        void(view, Reason::SchemaRefreshed)?;
    }
    Ok(!moved)
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

fn told(cut: &Cut, unfit: &[Finding]) -> String {
    let shown: Vec<String> = unfit
        .iter()
        .take(NAMED)
        .map(|it| format!("{}: {}", it.slug, it.text))
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
        "Omni's content validation has {findings}{than}: {}{more}. Correct model.edits, leave these dashboards out, or say what to let pass with validation.content",
        shown.join("; ")
    )
}
