//! All that is found in a version as it is now, for who asks: the same judgement as before a version is mapped, of all of
//! it and in full.

use std::time::Duration;

use jiff::Timestamp;

use super::judgement::{self, Judgement, judged};
use super::queries::Fault;
use super::schemas::Stamps;
use super::{Step, View, not_yet, queries};
use crate::model_version::content::findings::{self, fingerprint};
use crate::model_version::desired::{Cut, Desired, WITHHELD};
use crate::model_version::observe::{Look, Observed};
use crate::ports::ValidationIssue;
use crate::resources::ContentValidation;
use crate::resources::conditions::Reason;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The model, by Omni's model validation.
    Model,
    /// The dashboards, by Omni's content validation.
    Content,
    /// That the tiles' queries can be planned, or run.
    Queries,
    /// That they read what is theirs who ask.
    Routing,
}

impl Check {
    /// Its name, for programs too.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Content => "content",
            Self::Queries => "queries",
            Self::Routing => "routing",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was looked at.
    pub check: Check,
    /// The dashboard; none where it is the model's.
    pub slug: Option<String>,
    /// The tile, by its name.
    pub tile: Option<String>,
    /// The environment as whose tenant its query was asked.
    pub environment: Option<String>,
    /// As whom the tile's query was asked.
    pub asked_as: Option<String>,
    /// What.
    pub text: String,
    /// It keeps a version from tenants; otherwise it is let pass: a warning, or what tenants have already.
    pub blocks: bool,
    /// Its name: the same for the same finding in the same place.
    pub fingerprint: String,
}

/// What came of looking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validated {
    /// What was looked at: a check without findings was passed.
    pub checks: Vec<Check>,
    /// The version's dashboards.
    pub dashboards: Vec<String>,
    /// Everything that was found, by check.
    pub findings: Vec<Found>,
}

/// Everything that is found in the version as it is; or the look that is missing, a mark to set aside, or what is in the
/// way.
///
/// # Errors
/// The step to take before it can be said.
pub fn validation(
    desired: &Desired,
    seen: &Observed,
    now: Timestamp,
    request_timeout: Duration,
) -> Result<Validated, Step> {
    let view = View {
        desired,
        seen,
        now,
        request_timeout,
    };
    let cut = view.cut();
    let model = made(view, cut)?;
    let mut validated = Validated {
        checks: vec![Check::Model],
        dashboards: seen.dashboards.keys().cloned().collect(),
        findings: of_model(view, &model, cut.is_some())?,
    };
    match cut {
        Some(cut) => of_cut(view, cut, &mut validated)?,
        None => {
            validated.checks.push(Check::Content);
            let found = judgement::adopted(view, &model)?.into_iter();
            validated.findings.extend(found.map(|it| of_content(it, false)));
        }
    }
    if cut.is_some_and(Cut::keeps_secrets) {
        for found in &mut validated.findings {
            WITHHELD.clone_into(&mut found.text);
        }
    }
    Ok(validated)
}

/// The model of a version of which everything is there; whether it is complete does not matter.
fn made(view: View<'_>, cut: Option<&Cut>) -> Result<String, Step> {
    let number = view.desired.version;
    if let Some(step) = super::origin::number(view) {
        return Err(step);
    }
    let record = view.record();
    let left = cut.map_or(0, |cut| {
        let wanted = view.wanted(cut);
        wanted
            .keys()
            .filter(|slug| !view.seen.dashboards.contains_key(*slug))
            .count()
    });
    let is_whole = record.is_some_and(|it| cut.is_none() || it.definition.is_some());
    match record.and_then(|it| it.model_id.clone()) {
        Some(model) if is_whole && left == 0 && !view.seen.dashboards.is_empty() => Ok(model),
        _ => Err(not_yet(
            Reason::VersionNotComplete,
            format!(
                "version {number} is not made yet, so that there is nothing to validate; `wavepin get` says what is left, the conditions of its ModelVersion what is in the way"
            ),
        )),
    }
}

/// Errors block; but what is adopted is taken as it is.
fn of_model(view: View<'_>, model: &str, blocks: bool) -> Result<Vec<Found>, Step> {
    let Some(issues) = &view.seen.model_issues else {
        return Err(Step::Look(Look::ModelIssues(model.to_owned())));
    };
    Ok(of_issues(issues.iter(), blocks).collect())
}

/// What the model validation found; only errors block.
pub(super) fn of_issues<'a>(
    issues: impl Iterator<Item = &'a ValidationIssue>,
    blocks: bool,
) -> impl Iterator<Item = Found> {
    issues.map(move |issue| {
        let place = issue.place.as_deref().unwrap_or_default();
        let text = match place {
            "" => issue.message.clone(),
            place => format!("{place}: {}", issue.message),
        };
        Found {
            check: Check::Model,
            slug: None,
            tile: None,
            environment: None,
            asked_as: None,
            blocks: blocks && issue.is_error,
            fingerprint: fingerprint(&["model", place, &issue.message]),
            text,
        }
    })
}

fn of_cut(view: View<'_>, cut: &Cut, validated: &mut Validated) -> Result<(), Step> {
    let Judgement {
        unfit, passed, excused, ..
    } = judged(view, cut)?;
    if cut.validation.content != ContentValidation::Skip {
        validated.checks.push(Check::Content);
    }
    let blocking = unfit.into_iter().map(|it| of_content(it, true));
    let passed = passed.into_iter().map(|it| of_content(it, false));
    validated.findings.extend(blocking.chain(passed));
    let Some(asked) = &cut.validation.queries else {
        return Ok(());
    };
    validated.checks.push(Check::Queries);
    if asked.expect_schema.is_some() || !asked.denied_to.is_empty() {
        validated.checks.push(Check::Routing);
    }
    let schemas = Stamps::new();
    let faults = queries::checked(view, cut, &excused, &schemas, None)?;
    validated.findings.extend(of_faults(faults, None));
    let environments = queries::all_environments(view, cut);
    if environments.is_empty() && asked.tenants.is_some() {
        return Err(queries::nobody_to_ask(cut, None));
    }
    for environment in &environments {
        let faults = queries::checked(view, cut, &excused, &schemas, Some(environment))?;
        validated.findings.extend(of_faults(faults, Some(environment)));
    }
    validated.findings.sort_by_key(|it| it.check);
    Ok(())
}

/// What is wrong with queries that were asked as the tenants of this environment, or as those who are bound to none.
pub(super) fn of_faults(faults: Vec<Fault>, environment: Option<&str>) -> impl Iterator<Item = Found> {
    faults.into_iter().map(move |it| Found {
        check: match it.reason {
            Reason::RoutingWrong => Check::Routing,
            _ => Check::Queries,
        },
        blocks: true,
        fingerprint: fingerprint(&[it.reason.as_str(), &it.slug, &it.tile, &it.asked_as, &it.why]),
        slug: Some(it.slug),
        tile: Some(it.tile),
        environment: environment.map(str::to_owned),
        asked_as: Some(it.asked_as),
        text: it.why,
    })
}

pub(super) fn of_content(finding: findings::Finding, blocks: bool) -> Found {
    Found {
        check: Check::Content,
        slug: Some(finding.slug),
        tile: finding.tile,
        environment: None,
        asked_as: None,
        text: finding.text,
        blocks,
        fingerprint: finding.fingerprint,
    }
}
