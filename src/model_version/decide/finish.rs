//! The last look, the rows, the mark; and what a version needs that is complete already.

use std::collections::BTreeSet;

use super::{Step, View, access, carry, content, drift, evidence, halt, model, origin};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Again, Look};
use crate::ports::{DashboardIds, DashboardRecord, DashboardRow, DocumentRecord, IntentStep};
use crate::resources::conditions::Reason;
use crate::resources::{AddedDashboard, DashboardIdHolds};

/// Once all content is whole: the source has not moved since the first read, and every copy is in the folder.
pub(super) fn last_look(view: View<'_>, cut: &Cut) -> Option<Step> {
    let again = |what: Again| (!view.seen.looked_again.contains(&what)).then_some(Step::Look(Look::Again(what)));
    if let Some(step) = again(Again::Models)
        .or_else(|| again(Again::SourceDocuments))
        .or_else(|| again(Again::Documents))
    {
        return Some(step);
    }
    let (source, record) = (view.source(cut)?, view.record()?);
    let Some(models) = &view.seen.models else {
        return Some(Step::Look(Look::Models(source.connection_id.clone()?)));
    };
    if let Some(step) = model::no_twin(view, cut) {
        return Some(step);
    }
    let updated_at = models
        .iter()
        .find(|it| Some(&it.id) == source.model_id.as_ref())
        .map(|it| it.updated_at.as_str());
    let Some(now) = origin::source_stamp(view, cut, updated_at.unwrap_or_default()) else {
        return Some(origin::look_at_source_documents(view, cut));
    };
    if record
        .source_stamp
        .as_ref()
        .is_none_or(|first| origin::moved(first, &now))
    {
        return Some(origin::source_moved(view, cut));
    }
    origin::added_moved(view, cut)
        .or_else(|| drift::before_mapping(view, cut))
        .or_else(|| left_behind(view, cut))
}

/// A copy of a dashboard that is not wanted any more stands in the folder, perhaps not whole: viewers would see it.
fn left_behind(view: View<'_>, cut: &Cut) -> Option<Step> {
    let tag = view.tag(view.record()?.connection_id.as_deref()?);
    let wanted = view.wanted(cut);
    let imports = view.seen.intents.values().filter(|it| it.step == IntentStep::Import);
    let unwanted = imports.filter(|it| !wanted.contains_key(&it.subject));
    let (slug, copy) = unwanted.into_iter().find_map(|it| {
        let asked = tag.identifier(&it.subject, view.desired.version);
        let is_copy = |document: &&DocumentRecord| {
            document.identifier == asked || Some(&document.identifier) == it.result.as_ref()
        };
        let documents = view.seen.documents.iter().flatten();
        Some((&it.subject, documents.into_iter().find(is_copy)?))
    })?;
    Some(halt(
        Reason::Invalid,
        format!(
            "content.dashboards does not have {slug} any more, whose copy {:?} stands in the folder; delete it in Omni, or put {slug} back",
            copy.identifier
        ),
    ))
}

/// Before anyone is let in: nothing in the mapping is in the way of the version's rows.
pub(super) fn rows_fit(view: View<'_>) -> Option<Step> {
    let there = view.seen.rows.as_ref()?;
    match rows(view, there) {
        Ok(rows) => conflict(view, &rows, there),
        Err(step) => Some(step),
    }
}

/// A row that holds another dashboard than the version's, or the same slug twice: a tenant would open the wrong one.
/// Which of a dashboard's own ids a complete version's row holds was settled when it was written.
fn conflict(view: View<'_>, rows: &[DashboardRow], there: &[DashboardRow]) -> Option<Step> {
    let complete = view.record().is_some_and(|record| record.complete_at.is_some());
    rows.iter().find_map(|row| {
        let held: Vec<&str> = there.iter().filter(|it| it.slug == row.slug).map(|it| it.dashboard_id.as_str()).collect();
        let ids = view.seen.dashboards.get(&row.slug).map(|it| &it.ids);
        let own = ids.into_iter().flat_map(|it| [&it.identifier, &it.dashboard_id, &it.document_id]);
        let mut own = own.filter(|id| complete || **id == row.dashboard_id);
        let number = view.desired.version;
        match held.as_slice() {
            [] => None,
            [id] if own.any(|own| own.eq_ignore_ascii_case(id)) => None,
            [id] => Some(halt(
                Reason::MappingConflict,
                format!(
                    "the row of version {number} and {} in dashboard_model holds {id:?}, and the dashboard is {:?}; correct or delete that row",
                    row.slug, row.dashboard_id
                ),
            )),
            many => Some(halt(
                Reason::MappingAmbiguous,
                format!(
                    "version {number} and {} stand in {} rows of dashboard_model; delete all but the one with {:?}",
                    row.slug,
                    many.len(),
                    row.dashboard_id
                ),
            )),
        }
    })
}

/// All rows and the mark at once, then read back.
pub(super) fn map(view: View<'_>) -> Option<Step> {
    map_but(view, &BTreeSet::new())
}

fn map_but(view: View<'_>, left_out: &BTreeSet<&str>) -> Option<Step> {
    let Some(there) = &view.seen.rows else {
        return Some(Step::Look(Look::Rows));
    };
    let mut rows = match rows(view, there) {
        Ok(rows) => rows,
        Err(step) => return Some(step),
    };
    rows.retain(|row| !left_out.contains(row.slug.as_str()));
    if let Some(step) = conflict(view, &rows, there) {
        return Some(step);
    }
    let slugs: BTreeSet<&str> = there.iter().map(|row| row.slug.as_str()).collect();
    let missing = rows.iter().find(|row| !slugs.contains(row.slug.as_str()));
    match missing {
        Some(row) if view.seen.completed => Some(halt(
            Reason::MappingConflict,
            format!(
                "the row of {} was written and is not there when read back; look for what deletes rows of dashboard_model",
                row.slug
            ),
        )),
        None if view.record()?.complete_at.is_some() => None,
        _ => Some(Step::Do(Effect::Complete(rows))),
    }
}

/// The rows that the version shall have.
fn rows(view: View<'_>, there: &[DashboardRow]) -> Result<Vec<DashboardRow>, Step> {
    let holds = id_kind(view, there)?;
    let row = |it: &DashboardRecord| DashboardRow {
        slug: it.slug.clone(),
        dashboard_id: id_of(&it.ids, holds).to_owned(),
    };
    Ok(view.seen.dashboards.values().map(row).collect())
}

fn id_of(ids: &DashboardIds, holds: DashboardIdHolds) -> &str {
    match holds {
        DashboardIdHolds::Identifier => &ids.identifier,
        DashboardIdHolds::DashboardUuid => &ids.dashboard_id,
        DashboardIdHolds::DocumentUuid => &ids.document_id,
    }
}

/// What stands in `dashboard_id`: the identifier where the column is text; where it is a UUID, what the instance says,
/// else what the rows hold that people wrote for the version or its source, else the dashboard's UUID as the pattern's
/// first users stored it.
fn id_kind(view: View<'_>, there: &[DashboardRow]) -> Result<DashboardIdHolds, Step> {
    let said = view.desired.id_holds;
    if !view.seen.shape.dashboard_id_is_uuid {
        return Ok(said.unwrap_or(DashboardIdHolds::Identifier));
    }
    match said {
        Some(DashboardIdHolds::Identifier) => {
            let why = "mapping.dashboardIdHolds is Identifier, but dashboard_model.dashboard_id is a UUID column; change one of them";
            return Err(halt(Reason::DashboardIdUnknown, why));
        }
        Some(said) => return Ok(said),
        None => {}
    }
    let own = there
        .iter()
        .filter_map(|row| view.seen.dashboards.get(&row.slug).map(|it| (row, it)));
    let source = view
        .seen
        .source_rows
        .iter()
        .filter_map(|row| view.seen.source_dashboards.get(&row.slug).map(|it| (row, it)));
    let mut kinds = BTreeSet::new();
    for (row, dashboard) in own.chain(source) {
        let is = |id: &str| row.dashboard_id.eq_ignore_ascii_case(id);
        kinds.insert(match () {
            () if is(&dashboard.ids.dashboard_id) => "DashboardUuid",
            () if is(&dashboard.ids.document_id) => "DocumentUuid",
            () => "another id",
        });
    }
    match kinds.into_iter().collect::<Vec<_>>().as_slice() {
        [] | ["DashboardUuid"] => Ok(DashboardIdHolds::DashboardUuid),
        ["DocumentUuid"] => Ok(DashboardIdHolds::DocumentUuid),
        mixed => Err(halt(
            Reason::DashboardIdUnknown,
            format!(
                "the rows of dashboard_model hold {}; say with mapping.dashboardIdHolds which one is right, and correct the others",
                mixed.join(" and ")
            ),
        )),
    }
}

/// What a version needs that is complete: it is sealed, its rows are mended, dashboards may be added, the rest is only
/// looked at.
pub(super) fn complete(view: View<'_>) -> Option<Step> {
    let record = view.record()?;
    if record.plan.as_deref() != Some(view.desired.plan.as_str()) {
        return Some(sealed(view, "model, content and source"));
    }
    if let Some(cut) = view.cut()
        && let Some(step) = grow(view, cut)
    {
        return Some(step);
    }
    added_fit(view).or_else(|| map(view)).or_else(|| drift::complete(view))
}

/// Before an added dashboard gets its row it is judged as those before it were.
fn added_fit(view: View<'_>) -> Option<Step> {
    let rows = view.seen.rows.as_ref()?;
    let has_row = |slug: &String| rows.iter().any(|row| row.slug == *slug);
    let added = view.cut()?.content.dashboards.add.iter();
    let unmapped = |it: &AddedDashboard| view.seen.dashboards.contains_key(&it.slug) && !has_row(&it.slug);
    let new: BTreeSet<&str> = added.filter(|it| unmapped(it)).map(|it| it.slug.as_str()).collect();
    if new.is_empty() {
        return None;
    }
    let cut = view.cut()?;
    // The folder is open: who must not see it is shut out first.
    let is_new = |slug: &str| new.contains(slug);
    let carried = access::carried(view, cut, is_new).or_else(|| carry::labels(view, cut, is_new));
    let judged = carried.or_else(|| evidence::gathered(view, cut))?;
    // What is wrong with a new dashboard keeps no other's row from being mended.
    let others = matches!(judged, Step::End(_)).then(|| map_but(view, &new)).flatten();
    let mended = others.filter(|step| matches!(step, Step::Do(_)));
    Some(mended.unwrap_or(judged))
}

fn sealed(view: View<'_>, what: &str) -> Step {
    halt(
        Reason::Sealed,
        format!(
            "version {} is complete and sealed: {what} cannot be changed any more; put back what was declared, and cut a new version with the change",
            view.desired.version
        ),
    )
}

/// Dashboards may be added to a sealed version, each whole before its row.
fn grow(view: View<'_>, cut: &Cut) -> Option<Step> {
    let declared = |slug: &String| {
        view.seen.source_dashboards.contains_key(slug) || cut.content.dashboards.add.iter().any(|it| it.slug == *slug)
    };
    let recopied = |it: &AddedDashboard| {
        let made = view.seen.dashboards.get(&it.slug);
        made.is_some_and(|made| made.source_identifier != it.identifier)
    };
    if view.seen.dashboards.keys().any(|slug| !declared(slug)) || cut.content.dashboards.add.iter().any(recopied) {
        return Some(sealed(view, "content.dashboards.add may grow, but what was in it"));
    }
    let added = cut
        .content
        .dashboards
        .add
        .iter()
        .any(|it| !view.seen.dashboards.contains_key(&it.slug));
    if added { content::content(view, cut) } else { None }
}
