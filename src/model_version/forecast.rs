//! What is still to be done for a version, in steps with the calls to Omni that each costs. Pure.
//!
//! A forecast, not a promise: how many files a model has and which dashboards have tabs of their own is not known before
//! they are read. What is known counts as it is; what is not counts as below, so that a forecast is rather too high.

use std::collections::BTreeSet;

use super::act::MERGED;
use super::desired::{Cut, Desired, Origin};
use super::edits::names_views;
use super::observe::Observed;
use crate::ports::{IntentStep, VersionRecord};
use crate::resources::{ContentMethod, ContentValidation, ModelCopy, QueryMode, QueryValidation, TenantSample};

/// Files of a model whose definition was not read yet.
const UNREAD_FILES: usize = 20;
/// Calls a dashboard: exported, imported, exported again; and its share of those whose tabs must be repaired.
const CALLS_A_DASHBOARD: usize = 4;
/// The source's Git settings, the model's own, given and read, a sync or a migration, and the files read back.
const CALLS_FOR_GIT: usize = 6;
/// User groups of an organisation that were not listed yet.
const USER_GROUPS: usize = 20;
/// Calls for the permissions of a dashboard: its own and its copy's are read, given, and read again; its settings and its
/// copy's are read and set.
const PERMISSION_CALLS: usize = 7;
/// And where it may be created by the newer documents API: read there too.
const CALLS_TO_READ: usize = 1;
/// Calls a dashboard before anything is written, where it must be one that the newer documents API carries.
const CALLS_TO_JUDGE: usize = 2;
/// Tiles of a dashboard that was not read yet.
const TILES_A_DASHBOARD: usize = 8;
/// Dashboards a page of Omni's lists.
const PAGE: usize = 100;
/// How many names a step shows.
const SHOWN: usize = 5;

/// One step that is still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepAhead {
    /// What is done, with its object.
    pub what: String,
    /// About how many calls to Omni it costs.
    pub calls: usize,
}

fn step(what: impl Into<String>, calls: usize) -> StepAhead {
    StepAhead {
        what: what.into(),
        calls,
    }
}

/// The steps that are still to be done until the version is complete; none where it is. `source` is what the source
/// will have, for one that is not complete itself.
#[must_use]
pub fn forecast(desired: &Desired, seen: &Observed, source: &BTreeSet<String>) -> Vec<StepAhead> {
    let record = seen.versions.get(&desired.version);
    if record.is_some_and(|record| record.complete_at.is_some()) {
        return added(desired, seen);
    }
    match &desired.origin {
        Origin::Adopt(adopt) => {
            let left = adopt
                .dashboards
                .iter()
                .filter(|it| !seen.dashboards.contains_key(&it.slug));
            let left: Vec<&str> = left.map(|it| it.slug.as_str()).collect();
            vec![
                step(
                    format!("read model {} and folder {:?}", adopt.model_id, adopt.folder_path),
                    4 + pages(adopt.dashboards.len()),
                ),
                step(format!("read {}", dashboards(&left)), left.len()),
                step(
                    format!("write {} and the mark", rows(adopt.dashboards.len())),
                    1 + pages(adopt.dashboards.len()),
                ),
            ]
        }
        Origin::Cut(cut) => of_cut(desired, cut, seen, record, source),
    }
}

/// The calls of all steps together.
#[must_use]
pub fn calls(steps: &[StepAhead]) -> usize {
    steps.iter().map(|step| step.calls).sum()
}

fn of_cut(
    desired: &Desired,
    cut: &Cut,
    seen: &Observed,
    record: Option<&VersionRecord>,
    source: &BTreeSet<String>,
) -> Vec<StepAhead> {
    let wanted = if seen.source_dashboards.is_empty() {
        cut.content.dashboards.slugs(source.iter().cloned())
    } else {
        cut.content.dashboards.slugs(seen.source_dashboards.keys().cloned())
    };
    let left: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|slug| !seen.dashboards.contains_key(*slug))
        .collect();
    let settled = |wanted: IntentStep| {
        let mut intents = seen.intents.values();
        intents.any(|it| it.step == wanted && it.result.is_some())
    };
    let mut steps = vec![step(
        format!("see that version {} is complete and rests", cut.from),
        6 + pages(wanted.len()),
    )];
    steps.extend(judged(cut, record, &left));
    if record.is_none_or(|record| record.model_id.is_none()) {
        steps.push(model(cut));
    }
    if record.is_none_or(|record| record.definition.is_none()) {
        steps.push(definition(desired, cut, seen));
    }
    if !settled(IntentStep::Closure) {
        let permits = cut.content.folder.permissions.len();
        steps.push(step(
            format!(
                "create folder {:?}, closed until the version is whole",
                cut.folder_path()
            ),
            5 + 2 * permits,
        ));
    }
    if !left.is_empty() {
        steps.push(step(
            format!("copy {}", dashboards(&left)),
            calls_a_dashboard(cut) * left.len(),
        ));
    }
    if record.is_none_or(|record| record.evidence.is_none()) && cut.validation.content != ContentValidation::Skip {
        steps.push(step("validate the content of the version and of its source", 4));
    }
    if let Some(queries) = &cut.validation.queries {
        steps.push(query_plans(queries, &wanted, seen));
    }
    steps.extend(permissions(cut, seen, &wanted));
    steps.push(step(
        format!("open the folder, write {} and the mark", rows(wanted.len())),
        5 + 2 * pages(wanted.len()),
    ));
    steps
}

/// The model, and who may use it.
fn model(cut: &Cut) -> StepAhead {
    let roles = cut.model.roles.len();
    let (of_source, read) = match cut.model.roles_from {
        Some(_) => (" and those of its source", 1 + 2 * USER_GROUPS),
        None => ("", 0),
    };
    step(
        format!("create model {:?} with {roles} roles{of_source}", cut.model.name),
        2 + 2 * roles + read,
    )
}

/// The permissions of single dashboards, where they are asked for.
fn permissions(cut: &Cut, seen: &Observed, wanted: &BTreeSet<String>) -> Option<StepAhead> {
    cut.content.permissions_from?;
    let carried = |slug: &&String| seen.intents.contains_key(&(IntentStep::Access, (*slug).clone()));
    let left = wanted.iter().filter(|slug| !carried(slug)).count();
    let what = format!("carry the permissions and settings of {left} dashboards");
    (left > 0).then(|| step(what, PERMISSION_CALLS * left))
}

/// Before anything is written: every dashboard is one that the documents API carries, where all must be.
fn judged(cut: &Cut, record: Option<&VersionRecord>, left: &[&str]) -> Option<StepAhead> {
    let must = record.is_none() && cut.content.method == ContentMethod::DocumentsV2;
    must.then(|| {
        let what = format!("see that the documents API carries {}", dashboards(left));
        step(what, CALLS_TO_JUDGE * left.len())
    })
}

/// The definition: read, sent to a branch file by file, validated, merged and read back.
fn definition(desired: &Desired, cut: &Cut, seen: &Observed) -> StepAhead {
    let source = seen.versions.get(&cut.from).and_then(|it| it.model_id.clone());
    let read = source.and_then(|id| seen.files.get(&(id, None)));
    let files = read.map_or(UNREAD_FILES, |it| it.files.len());
    let branch = Cut::branch_name(desired.version);
    let merged = seen.intents.get(&(IntentStep::Branch, branch));
    let merged = merged
        .and_then(|it| it.result.as_deref())
        .is_some_and(|it| it.starts_with(MERGED));
    let edits = cut.model.edits.len();
    let names_views = usize::from(names_views(&cut.model.edits));
    // By way of the repository only the edits are sent; its settings, the sync and the comparison take as many calls.
    let sent = if cut.model.copy == ModelCopy::Yaml { files } else { 0 };
    let git = match (cut.model.copy, &cut.model.git) {
        (ModelCopy::Yaml, None) => 0,
        _ => CALLS_FOR_GIT,
    };
    let calls = if merged { 2 } else { sent + edits + names_views + 6 } + git;
    step(
        format!("copy the definition with {edits} edits, validate and merge it"),
        calls,
    )
}

/// One call for each tile and each user; how many tiles there are is not known before dashboards are read.
fn query_plans(queries: &QueryValidation, wanted: &BTreeSet<String>, seen: &Observed) -> StepAhead {
    let most = |sample: &TenantSample| usize::from(sample.max) * seen.samples.len().max(1);
    let tenants = queries.tenants.as_ref().map_or(0, most);
    let users = (queries.as_users.len() + tenants).max(1) + queries.denied_to.len();
    let tiles = wanted.len() * TILES_A_DASHBOARD;
    let verb = match queries.mode {
        QueryMode::PlanOnly => "plan",
        QueryMode::Run => "run",
    };
    step(
        format!("{verb} the queries of about {tiles} tiles, each as {users} users"),
        tenants + wanted.len() + tiles * users,
    )
}

/// Dashboards that were added to a complete version.
fn added(desired: &Desired, seen: &Observed) -> Vec<StepAhead> {
    let Origin::Cut(cut) = &desired.origin else {
        return Vec::new();
    };
    let added = cut.content.dashboards.add.iter().map(|it| it.slug.as_str());
    let left: Vec<&str> = added.filter(|slug| !seen.dashboards.contains_key(*slug)).collect();
    if left.is_empty() {
        return Vec::new();
    }
    vec![step(
        format!("copy {}, and write {}", dashboards(&left), rows(left.len())),
        8 + calls_a_dashboard(cut) * left.len(),
    )]
}

fn calls_a_dashboard(cut: &Cut) -> usize {
    match cut.content.method {
        ContentMethod::ExportImport => CALLS_A_DASHBOARD,
        ContentMethod::DocumentsV2 | ContentMethod::Auto => CALLS_A_DASHBOARD + CALLS_TO_READ,
    }
}

fn pages(dashboards: usize) -> usize {
    dashboards.div_ceil(PAGE).max(1)
}

fn rows(count: usize) -> String {
    match count {
        1 => "1 row".to_owned(),
        many => format!("{many} rows"),
    }
}

fn dashboards(slugs: &[&str]) -> String {
    let shown = slugs[..slugs.len().min(SHOWN)].join(", ");
    match slugs.len() {
        0 => "0 dashboards".to_owned(),
        1 => format!("1 dashboard: {shown}"),
        many if many > SHOWN => format!("{many} dashboards: {shown}, …"),
        many => format!("{many} dashboards: {shown}"),
    }
}
