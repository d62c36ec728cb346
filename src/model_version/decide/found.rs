//! What was found, as it is kept for people: written down whenever a version was judged and something else was found than
//! the time before.

use std::cmp::Reverse;

use sha2::{Digest, Sha256};

use super::judgement::judged;
use super::schemas::{self, Stamps};
use super::validation::{Check, Found, of_content, of_faults, of_issues};
use super::{Step, View, queries};
use crate::model_version::act::Effect;
use crate::model_version::desired::{Cut, WITHHELD};
use crate::ports::{Evidence, FoundLine, FoundReport, FoundSummary, VersionChange};

/// So many lines are kept in the ledger: more than a large version has tiles, and few enough for one statement.
const KEPT: usize = 10_000;
/// So many are told in the status.
const TOLD: usize = 10;
/// So many letters of a message are kept, and of a line in the status told.
const LONGEST: usize = 1_000;
const LONGEST_TOLD: usize = 300;

/// Before a verdict is acted on: what was found is on record. Anything else goes on as it is.
pub(super) fn kept_first(view: View<'_>, cut: &Cut, proved: Option<&Evidence>, step: Step) -> Step {
    let is_verdict = matches!(
        step,
        Step::End(_)
            | Step::Do(Effect::Change(
                VersionChange::Evidence(_) | VersionChange::EnvironmentEvidence { .. }
            ))
    );
    let report = is_verdict.then(|| report(view, cut, proved)).flatten();
    report.map_or(step, |report| Step::Do(Effect::RecordFound(Box::new(report))))
}

/// What is to be written down now; `None` where not all was looked at in this pass, or it is on record.
fn report(view: View<'_>, cut: &Cut, proved: Option<&Evidence>) -> Option<FoundReport> {
    let mut found = found(view, cut, proved)?;
    if cut.keeps_secrets() {
        for it in &mut found {
            WITHHELD.clone_into(&mut it.text);
        }
    }
    found.sort_by(|one, other| weight(one).cmp(&weight(other)));
    let mut lines: Vec<FoundLine> = found.into_iter().map(line).collect();
    let count = |blocks: bool| {
        let count = lines.iter().filter(|it| it.blocks == blocks).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let summary = FoundSummary {
        digest: digest(&lines),
        blocking: count(true),
        passed: count(false),
        first: lines
            .iter()
            .take(TOLD)
            .map(|it| shortened(&it.told(), LONGEST_TOLD))
            .collect(),
    };
    lines.truncate(KEPT);
    let before = view.record().and_then(|it| it.found.as_ref());
    let is_news = before.map_or(!lines.is_empty(), |before| *before != summary);
    is_news.then_some(FoundReport { summary, lines })
}

/// All that was found in this pass, if all was looked at that the verdict rests on.
fn found(view: View<'_>, cut: &Cut, proved: Option<&Evidence>) -> Option<Vec<Found>> {
    let issues = view.seen.model_issues.iter().flatten();
    let of_model: Vec<Found> = of_issues(issues, true).filter(|it| it.blocks).collect();
    // The rest is not looked at then.
    if !of_model.is_empty() {
        return Some(of_model);
    }
    let judgement = judged(view, cut).ok()?;
    let is_unfit = !judgement.unfit.is_empty();
    let unfit = judgement.unfit.into_iter().map(|it| of_content(it, true));
    let passed = judgement.passed.into_iter().map(|it| of_content(it, false));
    let mut found: Vec<Found> = unfit.chain(passed).collect();
    if is_unfit {
        return Some(found);
    }
    let stamps: Stamps = match proved {
        Some(proved) => proved.schemas.clone()?,
        None => schemas::now(view, cut).ok()?,
    };
    let environments = queries::environments(view, cut).into_iter().map(Some);
    for environment in std::iter::once(None).chain(environments) {
        let record = view.record()?;
        if environment
            .as_ref()
            .is_some_and(|it| proved.is_some() && record.unproved(it).is_none())
        {
            continue;
        }
        match queries::checked(view, cut, &judgement.excused, &stamps, environment.as_deref()) {
            Ok(faults) => found.extend(of_faults(faults, environment.as_deref())),
            // Nobody there can be asked as.
            Err(Step::End(_)) => {}
            Err(_) => return None,
        }
    }
    Some(found)
}

/// What findings are sorted by: whether they block, what was looked at, and where.
type Weight<'a> = (bool, Reverse<Check>, [Option<&'a str>; 3], &'a str);

/// Whoever reads another's data comes first, and what was let pass last.
fn weight(it: &Found) -> Weight<'_> {
    let place = [&it.environment, &it.slug, &it.tile].map(Option::as_deref);
    (!it.blocks, Reverse(it.check), place, &it.fingerprint)
}

fn line(found: Found) -> FoundLine {
    FoundLine {
        looked_at: found.check.word().to_owned(),
        environment: found.environment,
        slug: found.slug,
        tile: found.tile,
        asked_as: found.asked_as,
        message: shortened(&found.text, LONGEST),
        blocks: found.blocks,
        fingerprint: found.fingerprint,
    }
}

fn shortened(text: &str, longest: usize) -> String {
    // A line is a line wherever it is read.
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn digest(lines: &[FoundLine]) -> String {
    let mut digest = Sha256::new();
    for line in lines {
        digest.update(format!("{line:?}\0"));
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
