//! What is said of a version: conditions and progress, from what was really seen.

use std::collections::BTreeSet;

use super::VersionReport;
use super::decide::dashboard::method;
use super::decide::{Drift, Ending, access, carry, git, requested_validation_holds};
use super::desired::{Desired, Origin};
use super::forecast::{calls, forecast};
use super::observe::Observed;
use crate::ports::{Failure, IntentStep, Unproved, VersionRecord};
use crate::resources::conditions::{
    ACCEPTED, CONTENT_READY, DRIFTED, Finding, IN_USE, MAPPED, MODEL_READY, READY, RECONCILING, Reason, STALLED,
    VALIDATED, Verdict,
};
use crate::resources::{ContentMethod, ContentValidation, CopiedBy, DashboardsStatus};

/// How many names a list in status holds at most.
const MOST_NAMES: usize = 20;
/// How many dashboards a message names at most.
const MOST_SLUGS: usize = 5;

/// So many letters of what a person called a wish are told again.
const LONGEST_WORD: usize = 64;

/// Where a pass stands.
#[derive(Debug, Clone, Copy)]
pub enum Stage<'a> {
    /// In the middle of it.
    Working,
    /// At its end.
    Ended(&'a Ending),
}

/// The report of a pass that never got to see the ledger, because of a failure or a suspension; `accepted` unless the
/// failure is the object's own.
#[must_use]
pub fn unseen(spec_hash: &str, failure: &Failure, accepted: bool) -> VersionReport {
    let accepted = if accepted {
        Finding::holds(ACCEPTED, Reason::Valid, "The spec is well-formed")
    } else {
        Finding::fails(ACCEPTED, failure.reason, failure.message.clone())
    };
    let mut findings = vec![accepted, failure.against(READY)];
    // Nothing goes on and nobody must change anything: it is as somebody wanted it.
    if failure.reason != Reason::Suspended {
        findings.push(failure.abnormal());
    }
    VersionReport {
        spec_hash: spec_hash.to_owned(),
        findings,
        ..VersionReport::default()
    }
}

/// The report of a version whose ledger was read.
#[must_use]
pub fn report(spec_hash: &str, desired: &Desired, seen: &Observed, stage: Stage<'_>) -> VersionReport {
    let record = seen
        .versions
        .get(&desired.version)
        .filter(|record| record.source == desired.source());
    let complete = record.is_some_and(|record| record.complete_at.is_some());
    let total = wanted(desired, seen, complete);
    let ready = seen.dashboards.len().min(total);
    let failure = match stage {
        Stage::Ended(Ending::Halt(failure)) => Some(failure.clone()),
        Stage::Ended(Ending::Wait { message, .. }) => Some(Failure::passing(Reason::AnswerAwaited, message)),
        Stage::Ended(Ending::Complete | Ending::Drifted(_)) => None,
        Stage::Working => Some(Failure::passing(
            Reason::Progressing,
            format!("{ready} of {total} dashboards are whole"),
        )),
    };
    let drift = match stage {
        Stage::Ended(Ending::Drifted(drift)) => Some(drift),
        _ => None,
    };
    let content = format!("{ready} of {total} dashboards are whole");
    let mut findings = parts(desired, seen, record, failure.as_ref(), (ready, total));
    let not_carried = not_carried(seen);
    // With the transition it is told once, and stands where people look.
    let content = format!("{content}{}{}", counted(&not_carried), left(desired));
    match drift {
        Some(drift) => tell_drift(&mut findings, desired.version, &content, drift),
        None => findings.extend(verdicts(desired.version, &content, complete, failure.as_ref())),
    }
    VersionReport {
        spec_hash: spec_hash.to_owned(),
        findings,
        model_id: record.and_then(|it| it.model_id.clone()),
        folder: record.and_then(|it| it.folder_path.clone()),
        git_commit: git::commit(seen),
        sealed: complete,
        plan: Some(desired.plan.clone()),
        dashboards: (total > 0).then(|| dashboards(seen, total, ready)),
        foreign_links: foreign_links(seen),
        not_carried: told(not_carried),
        found: record.and_then(|it| it.found.clone()).map(Box::new),
        calls_left: calls_left(desired, seen, complete),
    }
}

/// Whether there is progress to tell of. A look at what is complete, however long it takes, is none: what it finds is said
/// at its end, and what the last one found stands until then.
#[must_use]
pub fn goes_on(desired: &Desired, seen: &Observed) -> bool {
    let record = seen.versions.get(&desired.version);
    let complete = record.is_some_and(|record| record.complete_at.is_some());
    !complete || seen.dashboards.len() < wanted(desired, seen, complete)
}

/// How many calls a cut in progress may still cost.
fn calls_left(desired: &Desired, seen: &Observed, complete: bool) -> Option<u32> {
    let is_cut = matches!(desired.origin, Origin::Cut(_));
    let left = (is_cut && !complete).then(|| calls(&forecast(desired, seen, &BTreeSet::new())))?;
    u32::try_from(left).ok()
}

/// What is there of the version, part by part; of the dashboards so many are ready of so many.
fn parts(
    desired: &Desired,
    seen: &Observed,
    record: Option<&VersionRecord>,
    failure: Option<&Failure>,
    (ready, total): (usize, usize),
) -> Vec<Finding> {
    let gone = failure.is_some_and(|it| it.reason == Reason::Missing);
    let listed = |id: &String| {
        seen.models
            .as_ref()
            .is_none_or(|all| all.iter().any(|it| it.id == *id && !it.deleted))
    };
    let has_model = record.is_some_and(|it| match desired.origin {
        Origin::Adopt(_) => it.model_id.is_some(),
        Origin::Cut(_) => it.definition.is_some(),
    });
    let has_model = has_model && !(gone && record.and_then(|it| it.model_id.as_ref()).is_some_and(|id| !listed(id)));
    let complete = record.is_some_and(|record| record.complete_at.is_some());
    let model = "The model has the declared definition";
    let content = format!("{ready} of {total} dashboards are whole");
    let rows = "Every row of the version is written";
    vec![
        accepted(failure),
        part(MODEL_READY, has_model, Reason::ModelPresent, model, failure),
        validated(desired, seen, record, failure),
        part(
            CONTENT_READY,
            total > 0 && ready >= total && !gone,
            Reason::ContentPresent,
            &content,
            failure,
        ),
        part(MAPPED, complete, Reason::RowsWritten, rows, failure),
        in_use(seen.tenants),
    ]
}

/// `Ready`, and what goes on or stands still beside it.
fn verdicts(version: i32, content: &str, complete: bool, failure: Option<&Failure>) -> Vec<Finding> {
    let ready = || {
        Finding::holds(
            READY,
            Reason::Converged,
            format!("Version {version} is complete: {content}"),
        )
    };
    match failure {
        None => vec![ready()],
        // What a complete version waits for, and progress on an added dashboard, take nothing from its tenants.
        Some(failure) if complete && !failure.stalled && !failure.unseen => {
            let going_on = Finding::holds(RECONCILING, failure.reason, failure.message.clone());
            vec![ready(), going_on]
        }
        Some(failure) => vec![failure.against(READY), failure.abnormal()],
    }
}

/// What other hands did to a complete version. It stays complete, and its tenants stay where they are; what is not as it
/// was made is not ready, and only a person can say which of the two shall be.
fn tell_drift(findings: &mut Vec<Finding>, version: i32, content: &str, drift: &Drift) {
    let (reason, message) = (drift.reason, &drift.message);
    for (condition, concerned) in [(MODEL_READY, drift.model), (CONTENT_READY, drift.content)] {
        if let (true, Some(part)) = (concerned, findings.iter_mut().find(|it| it.condition == condition)) {
            *part = Finding::fails(condition, reason, message.clone());
        }
    }
    findings.push(Finding::holds(DRIFTED, reason, message.clone()));
    if drift.harms() {
        findings.push(Finding::fails(READY, reason, message.clone()));
        findings.push(Finding::holds(STALLED, reason, message.clone()));
    } else {
        findings.extend(verdicts(version, content, true, None));
    }
}

fn accepted(failure: Option<&Failure>) -> Finding {
    match failure {
        Some(it)
            if matches!(
                it.reason,
                Reason::Invalid | Reason::EditRefused | Reason::VersionTaken | Reason::Sealed
            ) =>
        {
            Finding::fails(ACCEPTED, it.reason, it.message.clone())
        }
        _ => Finding::holds(ACCEPTED, Reason::Valid, "The spec is well-formed"),
    }
}

fn part(condition: &'static str, there: bool, reason: Reason, text: &str, failure: Option<&Failure>) -> Finding {
    if there {
        return Finding::holds(condition, reason, text);
    }
    let verdict = if failure.is_some_and(|it| it.unseen) {
        Verdict::Unknown
    } else {
        Verdict::False
    };
    let reason = failure.map_or(Reason::Progressing, |it| it.reason);
    Finding {
        condition,
        verdict,
        reason,
        message: format!("Not yet: {text}"),
    }
}

/// What stands behind the words on evidence that a person asked for by an annotation.
fn as_requested(desired: &Desired, seen: &Observed) -> String {
    let holds = requested_validation_holds(desired, seen);
    let requested = desired.validate_requested.as_ref().filter(|_| holds);
    let shown = |it: &String| it.chars().take(LONGEST_WORD).collect::<String>();
    requested.map_or_else(String::new, |it| format!("; validated as asked for at {:?}", shown(it)))
}

fn validated(desired: &Desired, seen: &Observed, record: Option<&VersionRecord>, failure: Option<&Failure>) -> Finding {
    let faults = [
        Reason::ModelInvalid,
        Reason::ContentInvalid,
        Reason::QueriesInvalid,
        Reason::RoutingWrong,
    ];
    if let Some(it) = failure.filter(|it| faults.contains(&it.reason)) {
        return Finding::fails(VALIDATED, it.reason, it.message.clone());
    }
    let Origin::Cut(cut) = &desired.origin else {
        let adopted = record.is_some_and(|it| it.model_id.is_some());
        return part(VALIDATED, adopted, Reason::ModelValid, "Adopted as it is", failure);
    };
    let (reason, text) = match cut.validation.content {
        ContentValidation::Skip => {
            let text = "Omni's model validation found no error before the merge; its content validation is not asked";
            (Reason::ModelValid, text)
        }
        ContentValidation::NewIssuesOnly => {
            let text = "Omni's model validation found no error, and its content validation nothing that the source does not have";
            (Reason::EvidenceHolds, text)
        }
        ContentValidation::Required => {
            let text = "Omni's model validation found no error, and its content validation nothing";
            (Reason::EvidenceHolds, text)
        }
    };
    let complete = record.is_some_and(|it| it.complete_at.is_some());
    match record.and_then(|it| it.evidence.as_ref()) {
        Some(evidence) => match &evidence.void {
            None => match record.and_then(void_in_an_environment) {
                Some(why) => Finding::fails(VALIDATED, Reason::EvidenceVoid, why),
                None => {
                    let environments = record.map_or_else(String::new, proved_for);
                    let requested = as_requested(desired, seen);
                    Finding::holds(VALIDATED, reason, format!("{text}{environments}{requested}"))
                }
            },
            Some(word) => {
                let why = format!(
                    "The evidence does not hold any more ({word}): no tenant moves to the version, those on it stay"
                );
                Finding::fails(VALIDATED, Reason::EvidenceVoid, why)
            }
        },
        // Complete before there was evidence, and not looked at since.
        None if complete => {
            let text = "Omni's model validation found no error before the merge";
            Finding::holds(VALIDATED, Reason::ModelValid, text)
        }
        None => part(VALIDATED, false, reason, text, failure),
    }
}

/// What is found for the tenants of single environments, where the rest holds.
fn void_in_an_environment(record: &VersionRecord) -> Option<String> {
    let void = record.environments.keys().filter_map(|environment| {
        let Some(Unproved::Void { why, .. }) = record.unproved(environment) else {
            return None;
        };
        Some(format!("{environment} ({why})"))
    });
    let void: Vec<String> = void.collect();
    (!void.is_empty()).then(|| {
        format!(
            "The evidence does not hold for the tenants of {}: none there moves to the version, those on it stay",
            few(&void)
        )
    })
}

/// The environments as whose tenants queries were asked.
fn proved_for(record: &VersionRecord) -> String {
    let proved = record.environments.keys();
    let proved: Vec<String> = proved.filter(|it| record.unproved(it).is_none()).cloned().collect();
    match proved.as_slice() {
        [] => String::new(),
        proved => format!("; queries are right as tenants of {}", few(proved)),
    }
}

/// The first of these names, and how many more there are.
fn few(names: &[String]) -> String {
    let shown = names[..names.len().min(MOST_SLUGS)].join(", ");
    match names.len().saturating_sub(MOST_SLUGS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn in_use(tenants: u64) -> Finding {
    // No number here: it would move the status with every pin.
    if tenants > 0 {
        Finding::holds(IN_USE, Reason::TenantsPinned, "Rows of tenants point at this version")
    } else {
        Finding::fails(IN_USE, Reason::Unused, "No row of a tenant points at this version")
    }
}

fn wanted(desired: &Desired, seen: &Observed, complete: bool) -> usize {
    match &desired.origin {
        Origin::Adopt(adopt) => adopt.dashboards.len(),
        Origin::Cut(cut) => {
            let dashboards = &cut.content.dashboards;
            // The source may have grown since.
            let from = if complete {
                &seen.dashboards
            } else {
                &seen.source_dashboards
            };
            dashboards.slugs(from.keys().cloned()).len()
        }
    }
}

fn dashboards(seen: &Observed, total: usize, ready: usize) -> DashboardsStatus {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    DashboardsStatus {
        desired: count(total),
        ready: count(ready),
        progress: format!("{ready}/{total}"),
        failing: seen
            .set_aside
            .values()
            .take(MOST_NAMES)
            .map(|(_, message)| message.clone())
            .collect(),
        methods: methods(seen),
    }
}

/// Which dashboards go which way, as far as that was written down.
fn methods(seen: &Observed) -> Vec<CopiedBy> {
    let ways = [
        (ContentMethod::DocumentsV2, method::CREATED),
        (ContentMethod::ExportImport, method::IMPORTED),
    ];
    let marks = seen.intents.values().filter(|it| it.step == IntentStep::Method);
    let marks: Vec<_> = marks.collect();
    let by = |(method, mark): (ContentMethod, &str)| {
        let slugs = marks.iter().filter(|it| it.result.as_deref() == Some(mark));
        let slugs: Vec<String> = slugs.map(|it| it.subject.clone()).collect();
        let count = u32::try_from(slugs.len()).unwrap_or(u32::MAX);
        let slugs = slugs.into_iter().take(MOST_NAMES).collect();
        CopiedBy { method, count, slugs }
    };
    ways.into_iter().map(by).filter(|it| it.count > 0).collect()
}

fn foreign_links(seen: &Observed) -> Vec<String> {
    let links = seen
        .dashboards
        .values()
        .flat_map(|it| it.foreign_links.iter().map(move |link| format!("{}: {link}", it.slug)));
    links.take(MOST_NAMES).collect()
}

/// What of the sources no copy has, by slug; labels too, where Omni did not let the key put them.
fn not_carried(seen: &Observed) -> Vec<(&str, String)> {
    let mark = |step: IntentStep, slug: &str| seen.intents.get(&(step, slug.to_owned()))?.result.as_deref();
    let lost = seen.dashboards.values().flat_map(|it| {
        let refused = mark(IntentStep::Labels, &it.slug).and_then(|labels| labels.strip_prefix(carry::REFUSED));
        let labels = refused.map(|labels| format!("labels {labels}, which the key may not put"));
        let access = mark(IntentStep::Access, &it.slug).into_iter().flat_map(access::lost);
        let lost = it.not_carried.iter().cloned().chain(labels);
        lost.chain(access.map(str::to_owned))
            .map(|what| (it.slug.as_str(), what))
    });
    lost.collect()
}

fn told(not_carried: Vec<(&str, String)>) -> Vec<String> {
    let told = not_carried.into_iter().map(|(slug, what)| format!("{slug}: {what}"));
    told.take(MOST_NAMES).collect()
}

/// What became of the objects that a complete version's edits came from.
fn left(desired: &Desired) -> String {
    desired.left.iter().map(|it| format!("; {it}")).collect()
}

/// How much was not carried, and of which dashboards.
fn counted(not_carried: &[(&str, String)]) -> String {
    let slugs: BTreeSet<&str> = not_carried.iter().map(|(slug, _)| *slug).collect();
    if slugs.is_empty() {
        return String::new();
    }
    let named: Vec<String> = slugs.into_iter().map(str::to_owned).collect();
    let things = match not_carried.len() {
        1 => "1 thing was".to_owned(),
        many => format!("{many} things were"),
    };
    format!("; {things} not carried, of {}", few(&named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_objects_own_fault_refuses_it() {
        let failure = Failure::stalled(Reason::Invalid, "spec.baseUrl of the instance is plain http");
        let accepted = |own: bool| unseen("hash", &failure, own).findings[0].verdict;
        assert_eq!((accepted(true), accepted(false)), (Verdict::True, Verdict::False));
    }
}
