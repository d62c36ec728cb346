//! Evidence of an environment's own: the queries of its tenants. What is found for one keeps no other's tenants.

use super::{Unfit, recorded};
use crate::model_version::act::Effect;
use crate::model_version::decide::judgement::judged;
use crate::model_version::decide::schemas::Stamps;
use crate::model_version::decide::{Drift, Ending, Step, View, queries};
use crate::model_version::desired::Cut;
use crate::ports::{Evidence, Failure, VersionChange};
use crate::resources::conditions::Reason;

/// What is found for the tenants of one environment, or that nobody there can be asked as.
enum Lacking {
    Unfit(Unfit),
    Nobody(Failure),
}

/// What keeps the tenants of any environment from the version, after all were looked at; `None` where nothing does.
pub(super) fn unfit(view: View<'_>, cut: &Cut) -> Result<Option<Ending>, Step> {
    Ok(ending(looked_at(view, cut)?))
}

/// Likewise of a complete version, whose environments each have their own evidence void.
pub(super) fn renewed(view: View<'_>, cut: &Cut) -> Result<Option<Ending>, Step> {
    let lacking = looked_at(view, cut)?;
    for (environment, lacking) in &lacking {
        let (reason, found) = match lacking {
            Lacking::Unfit(unfit) => (unfit.reason, unfit.first.clone()),
            Lacking::Nobody(failure) => (failure.reason, None),
        };
        let void = Evidence {
            void: Some(reason.as_str().to_owned()),
            found,
            ..recorded(view).map(proof).unwrap_or_default()
        };
        if view.record().and_then(|it| it.environments.get(environment)) != Some(&void) {
            return Err(keep(environment, void));
        }
    }
    Ok(ending(lacking))
}

/// Every environment that is to be looked at has evidence that holds.
pub(super) fn all_proved(view: View<'_>, cut: &Cut) -> bool {
    let environments = queries::environments(view, cut);
    let proved = |it: &String| view.record().is_some_and(|record| record.unproved(it).is_none());
    environments.iter().all(proved)
}

/// What an environment's evidence is about: the version as its own evidence has it.
pub(super) fn proof(whole: &Evidence) -> Evidence {
    Evidence {
        basis: whole.basis.clone(),
        schemas: whole.schemas.clone(),
        ..Evidence::default()
    }
}

pub(super) fn keep(environment: &str, evidence: Evidence) -> Step {
    Step::Do(Effect::Change(VersionChange::EnvironmentEvidence {
        environment: environment.to_owned(),
        evidence: Box::new(evidence),
    }))
}

/// What is lacking, by environment, once everything that can be proved is on record. The version's own evidence holds.
fn looked_at(view: View<'_>, cut: &Cut) -> Result<Vec<(String, Lacking)>, Step> {
    let (Some(record), Some(whole)) = (view.record(), recorded(view)) else {
        return Ok(Vec::new());
    };
    let none = Stamps::new();
    let schemas = whole.schemas.as_ref().unwrap_or(&none);
    let mut lacking = Vec::new();
    let environments = queries::environments(view, cut);
    if environments.is_empty() && !view.is_complete() && whole.sampled.is_somewhere() {
        return Err(queries::nobody_to_ask(cut, None));
    }
    for environment in environments {
        if record.unproved(&environment).is_none() {
            continue;
        }
        let excused = judged(view, cut)?.excused;
        match queries::checked(view, cut, &excused, schemas, Some(&environment)) {
            Ok(faults) => match Unfit::of_queries(cut, &faults) {
                None => return Err(keep(&environment, proof(whole))),
                Some(unfit) => lacking.push((environment, Lacking::Unfit(unfit))),
            },
            // The others are looked at all the same.
            Err(Step::End(Ending::Halt(failure))) => lacking.push((environment, Lacking::Nobody(failure))),
            Err(step) => return Err(step),
        }
    }
    Ok(lacking)
}

/// What is found is worse than that nobody could be asked.
fn ending(lacking: Vec<(String, Lacking)>) -> Option<Ending> {
    let mut nobody = None;
    let mut unfit: Vec<(String, Unfit)> = Vec::new();
    for (environment, lacking) in lacking {
        match lacking {
            Lacking::Unfit(found) => unfit.push((environment, found)),
            Lacking::Nobody(failure) => nobody = nobody.or(Some(failure)),
        }
    }
    let Some((_, first)) = unfit.first() else {
        return nobody.map(Ending::Halt);
    };
    let wrong = unfit.iter().any(|(_, it)| it.reason == Reason::RoutingWrong);
    let reason = if wrong { Reason::RoutingWrong } else { first.reason };
    let told = unfit
        .iter()
        .map(|(environment, it)| format!("in {environment}, {}", it.message));
    Some(Ending::Drifted(Drift {
        reason,
        message: told.collect::<Vec<_>>().join(". "),
        model: false,
        content: true,
    }))
}
