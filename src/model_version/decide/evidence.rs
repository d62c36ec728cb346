//! Evidence that a version is whole for whoever looks at it: gathered before anyone may, and void once something that it
//! rests on has moved.
//!
//! A version is held against its source: what Omni finds there too keeps nobody from what they had before. What was let
//! pass is kept with the evidence, since a complete version no longer needs its source.
//!
//! What is bound to no environment is the evidence of all; the queries of an environment's tenants are that environment's
//! own (`tenants`).

mod tenants;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::judgement::{self, Judgement, judged};
use super::queries::{self, Fault};
use super::schemas::{self, Stamps};
use super::{Drift, Ending, Step, View, found, halt, model};
use crate::model_version::act::Effect;
use crate::model_version::desired::{Cut, Desired, WITHHELD};
use crate::model_version::observe::{Look, Observed};
use crate::ports::{Evidence, Sampled, VersionChange};
use crate::resources::conditions::Reason;

/// So many findings are named.
const NAMED: usize = 10;
/// So many letters of the first finding are kept with the evidence.
const LONGEST: usize = 300;

/// Before a version is complete: nothing is found in its dashboards that keeps them from viewers, whoever they are.
pub(super) fn gathered(view: View<'_>, cut: &Cut) -> Option<Step> {
    let basis = basis(view, cut);
    let looked = match holds(view, cut, &basis) {
        Ok(true) => tenants::unfit(view, cut),
        Ok(false) => verdict(view, cut).and_then(|verdict| match verdict {
            Ok(fit) => Err(fit.kept(cut, basis)),
            Err(unfit) => Ok(Some(unfit.ending())),
        }),
        Err(step) => Err(step),
    };
    let step = match looked {
        Ok(unfit) => unfit.map(|ending| match ending {
            Ending::Drifted(drift) => halt(drift.reason, drift.message),
            other => Step::End(other),
        })?,
        Err(step) => step,
    };
    Some(found::kept_first(view, cut, proved(view, cut), step))
}

/// Of a complete version: its evidence is void while other hands' changes harm it, and gathered again when what it rests
/// on is another thing than it was. The findings, where they are what makes it void now.
pub(super) fn renewed(view: View<'_>, cut: &Cut, drift: Option<&Drift>) -> Result<Option<Ending>, Step> {
    let kept_first = |step| found::kept_first(view, cut, proved(view, cut), step);
    let unfit = renewal(view, cut, drift).map_err(kept_first)?;
    let Some(ending) = unfit else { return Ok(None) };
    match kept_first(Step::End(ending)) {
        Step::End(ending) => Ok(Some(ending)),
        step => Err(step),
    }
}

fn renewal(view: View<'_>, cut: &Cut, drift: Option<&Drift>) -> Result<Option<Ending>, Step> {
    let basis = basis(view, cut);
    if let Some(drift) = drift.filter(|drift| drift.harms()) {
        void(view, drift.reason, None)?;
        return Ok(None);
    }
    if holds(view, cut, &basis)? {
        return tenants::renewed(view, cut);
    }
    let unfit = match verdict(view, cut)? {
        Ok(fit) => return Err(fit.kept(cut, basis)),
        Err(unfit) => unfit,
    };
    void(view, unfit.reason, unfit.first.clone())?;
    Ok(Some(unfit.ending()))
}

/// Marks the evidence void, unless it is so for the same already.
fn void(view: View<'_>, reason: Reason, found: Option<String>) -> Result<(), Step> {
    let before = recorded(view).cloned().unwrap_or_default();
    // The rest stays: it says what the evidence, when it held, was about.
    let after = Evidence {
        void: Some(reason.as_str().to_owned()),
        found,
        ..before.clone()
    };
    if after == before { Ok(()) } else { Err(keep(after)) }
}

/// Why a version is not fit for viewers.
struct Unfit {
    reason: Reason,
    message: String,
    /// The first of what was found.
    first: Option<String>,
}

impl Unfit {
    /// What is said of a complete version for it.
    fn ending(self) -> Ending {
        let model = self.reason == Reason::ModelInvalid;
        Ending::Drifted(Drift {
            reason: self.reason,
            message: self.message,
            model,
            content: !model,
        })
    }

    /// For what is wrong with these queries: that somebody reads another's data is worse than that somebody reads none.
    fn of_queries(cut: &Cut, faults: &[Fault]) -> Option<Self> {
        let mut wrong = faults.iter().filter(|it| it.reason == Reason::RoutingWrong);
        let worst = wrong.next().or(faults.first())?;
        Some(Self {
            reason: worst.reason,
            message: told_of_queries(cut, worst.reason, faults),
            first: Some(first(worst.told(cut))),
        })
    }
}

/// Short enough for the condition of every pin that waits for it.
fn first(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The version is fit for viewers, as far as they are bound to no environment.
struct Fit {
    /// The names of what was let pass.
    known: Option<BTreeSet<String>>,
    /// The generated models under it.
    schemas: Stamps,
}

impl Fit {
    fn kept(self, cut: &Cut, basis: String) -> Step {
        keep(Evidence {
            basis,
            void: None,
            found: None,
            known: self.known,
            schemas: Some(self.schemas),
            sampled: sampled(cut),
        })
    }
}

/// Where tenants are asked as, so that evidence of their own is needed.
fn sampled(cut: &Cut) -> Sampled {
    let queries = cut.validation.queries.as_ref();
    match queries.and_then(|it| it.tenants.as_ref()) {
        None => Sampled::Nowhere,
        Some(sample) => sample.environment.clone().map_or(Sampled::Everywhere, Sampled::In),
    }
}

/// That it is fit; or why it is not.
type Verdict = Result<Fit, Unfit>;

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
    if let Some(worst) = unfit.first() {
        return Ok(Err(Unfit {
            reason: Reason::ContentInvalid,
            message: judgement::told(cut, &unfit),
            first: Some(first(judgement::shown(cut, worst))),
        }));
    }
    let faults = queries::checked(view, cut, &excused, &schemas, None)?;
    Ok(match Unfit::of_queries(cut, &faults) {
        None => Ok(Fit { known, schemas }),
        Some(unfit) => Err(unfit),
    })
}

/// What Omni's model validation finds in the version's model after a refresh: there was nothing when it was merged.
fn refreshed_model(view: View<'_>, cut: &Cut) -> Result<Option<Unfit>, Step> {
    let before = recorded(view).and_then(|it| it.schemas.as_ref());
    let refreshed = before.map_or(Ok(false), |before| schemas::moved(view, cut, before))?;
    let Some(id) = view.record().and_then(|it| it.model_id.as_ref()).filter(|_| refreshed) else {
        return Ok(None);
    };
    let issues = view.seen.model_issues.as_ref();
    let issues = issues.ok_or_else(|| Step::Look(Look::ModelIssues(id.clone())))?;
    Ok(model::errors(issues).map(|(count, shown)| {
        let shown = match cut.keeps_secrets() {
            true => WITHHELD.to_owned(),
            false => shown,
        };
        let why = format!(
            "since the schema was refreshed, Omni's model validation finds {count} errors: {shown}. Bring back in the database what the version needs and refresh the schema, or cut a version that fits it"
        );
        Unfit {
            reason: Reason::ModelInvalid,
            message: why,
            first: Some(first(shown)),
        }
    }))
}

fn told_of_queries(cut: &Cut, reason: Reason, faults: &[Fault]) -> String {
    let of_it = faults.iter().filter(|it| it.reason == reason);
    let of_it: Vec<String> = of_it.map(|it| it.told(cut)).collect();
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
        judgement::withheld(cut)
    )
}

fn keep(evidence: Evidence) -> Step {
    Step::Do(Effect::Change(VersionChange::Evidence(Box::new(evidence))))
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
    let holds = |cut: &Cut| {
        let basis = basis(view, cut);
        unmoved(view, &basis).is_some() && tenants::all_proved(view, cut)
    };
    desired.validate_requested.is_some() && view.cut().is_some_and(holds)
}

fn recorded<'a>(view: View<'a>) -> Option<&'a Evidence> {
    view.record().and_then(|record| record.evidence.as_ref())
}

/// The evidence that is not void and about what there is now, but for what lies below the version's model.
fn unmoved<'a>(view: View<'a>, basis: &str) -> Option<&'a Evidence> {
    recorded(view).filter(|it| it.void.is_none() && it.basis == basis)
}

/// The version's own evidence, where that holds.
fn proved<'a>(view: View<'a>, cut: &Cut) -> Option<&'a Evidence> {
    let basis = basis(view, cut);
    let evidence = unmoved(view, &basis)?;
    let holds = |before: &Stamps| !schemas::moved(view, cut, before).unwrap_or(true);
    evidence.schemas.as_ref().is_some_and(holds).then_some(evidence)
}

/// Whether the evidence holds. That of a complete version is void from the moment that a refresh is seen, whatever comes
/// of validating it again: that may take long.
fn holds(view: View<'_>, cut: &Cut, basis: &str) -> Result<bool, Step> {
    let Some(evidence) = unmoved(view, basis) else {
        return Ok(false);
    };
    let Some(before) = &evidence.schemas else {
        return Err(taken_over(view, cut, evidence)?);
    };
    let moved = schemas::moved(view, cut, before)?;
    if moved && view.is_complete() {
        void(view, Reason::SchemaRefreshed, None)?;
    }
    Ok(!moved)
}

/// Evidence that was gathered before anybody looked at the generated models, and kept apart what is about one
/// environment's tenants: what those models are now counts as what they were, and it is about the one environment that
/// the spec had to name then.
fn taken_over(view: View<'_>, cut: &Cut, evidence: &Evidence) -> Result<Step, Step> {
    let (schemas, sampled) = (Some(schemas::now(view, cut)?), sampled(cut));
    let whole = Evidence {
        schemas,
        sampled,
        ..evidence.clone()
    };
    if let Sampled::In(environment) = &whole.sampled {
        let own = tenants::proof(&whole);
        if view.record().and_then(|it| it.environments.get(environment)) != Some(&own) {
            return Ok(tenants::keep(environment, own));
        }
    }
    Ok(keep(whole))
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
