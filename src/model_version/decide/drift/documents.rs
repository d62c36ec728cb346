//! The documents of a version: whether they are where and what they were.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Ending, Step, View, mend};
use super::told::{Kind, Told};
use crate::model_version::act::Effect;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Found, Look};
use crate::ports::{DashboardRecord, DocumentRecord, DocumentState, IntentStep};
use crate::resources::DriftPolicy;

/// Of what went wrong so many are read by themselves in one pass; the others are told by what lists say.
const READ: usize = 5;

/// The documents: in their folder, with the names and contents that they had, and no others.
pub(super) fn documents(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
    let Some((record, id)) = view.record().and_then(|it| Some((it, it.folder_id.as_ref()?))) else {
        return Ok(Vec::new());
    };
    let Some(listed) = &view.seen.documents else {
        return Err(Step::Look(Look::Documents(id.clone())));
    };
    let path = record.folder_path.as_deref().unwrap_or_default();
    not_listed_yet(view, listed)?;
    let mut documents = Documents {
        view,
        cut,
        path,
        here: BTreeMap::new(),
        read: 0,
    };
    if listed.is_empty() && !view.seen.dashboards.is_empty() {
        match view.seen.folders.get(path) {
            None => return Err(Step::Look(Look::Folder(path.to_owned()))),
            Some(Some(found)) if found.id == *id => {}
            Some(_) => {
                let many = view.seen.dashboards.len();
                let what = format!("folder {path:?} is gone, and with it the {many} dashboards that were in it");
                return Ok(vec![Told::new(Kind::Gone, what)]);
            }
        }
    }
    let mut told = Vec::new();
    if let Some(elsewhere) = moved_to(listed, path) {
        told.push(Told::new(
            Kind::Moved,
            format!("folder {path:?} was moved or renamed to {elsewhere:?}"),
        ));
        documents.path = elsewhere;
    }
    // One that its own line puts elsewhere is looked for as if it were not listed.
    let is_here = |it: &&DocumentRecord| it.folder_path.as_deref().is_none_or(|at| at == documents.path);
    documents.here = listed
        .iter()
        .filter(is_here)
        .map(|it| (it.identifier.as_str(), it))
        .collect();
    for dashboard in view.seen.dashboards.values() {
        told.extend(documents.one(dashboard)?);
    }
    // Of an adopted version a person said which documents of the folder are part of it.
    if cut.is_some() {
        told.extend(documents.strangers());
    }
    Ok(told)
}

/// Where the folder is by now: only what every line of its list says is true of the folder, and not of a document.
fn moved_to<'a>(listed: &'a [DocumentRecord], path: &str) -> Option<&'a str> {
    let elsewhere = listed.first()?.folder_path.as_deref().filter(|at| *at != path)?;
    let agrees = |it: &DocumentRecord| it.folder_path.as_deref() == Some(elsewhere);
    listed.iter().all(agrees).then_some(elsewhere)
}

/// What was imported a moment ago may not be listed yet.
fn not_listed_yet(view: View<'_>, listed: &[DocumentRecord]) -> Result<(), Step> {
    let here = |it: &&DashboardRecord| listed.iter().any(|document| document.identifier == it.ids.identifier);
    let coming: Vec<(&str, jiff::Timestamp)> = view
        .seen
        .dashboards
        .values()
        .filter(|it| !here(it))
        .filter_map(|it| {
            Some((
                it.ids.identifier.as_str(),
                view.unsettled(IntentStep::Import, &it.slug)?,
            ))
        })
        .collect();
    match coming.iter().map(|(_, until)| *until).max() {
        None => Ok(()),
        Some(until) => {
            let names: Vec<&str> = coming.iter().map(|(name, _)| *name).collect();
            let message = format!("Omni does not list {} yet", names.join(", "));
            Err(Step::End(Ending::Wait { until, message }))
        }
    }
}

struct Documents<'a> {
    view: View<'a>,
    cut: Option<&'a Cut>,
    /// The path that the folder has now.
    path: &'a str,
    here: BTreeMap<&'a str, &'a DocumentRecord>,
    /// How many were read by themselves that are not as they were.
    read: usize,
}

impl Documents<'_> {
    fn one(&mut self, dashboard: &DashboardRecord) -> Result<Option<Told>, Step> {
        match self.here.get(dashboard.ids.identifier.as_str()).copied() {
            Some(document) => self.in_place(dashboard, document),
            None => self.absent(dashboard),
        }
    }

    /// The document by itself, or the look at it; nothing where enough was read in this pass.
    fn by_itself(&self, dashboard: &DashboardRecord) -> Result<Option<&Option<Found>>, Step> {
        if let Some(found) = self.view.seen.found.get(&dashboard.slug) {
            return Ok(Some(found));
        }
        let mends = self.cut.is_some_and(|cut| cut.content.drift == DriftPolicy::Mend);
        if self.read >= READ && !mends {
            return Ok(None);
        }
        Err(Step::Look(Look::Document {
            slug: dashboard.slug.clone(),
            identifier: dashboard.ids.identifier.clone(),
        }))
    }

    fn in_place(&mut self, dashboard: &DashboardRecord, document: &DocumentRecord) -> Result<Option<Told>, Step> {
        let state = dashboard.state.as_ref();
        if let Some(state) = state
            && state.name == document.name
            && (document.updated_at.is_none() || state.updated_at == document.updated_at)
        {
            return Ok(None);
        }
        let named = format!("{} ({})", dashboard.slug, dashboard.ids.identifier);
        let at = document
            .updated_at
            .as_deref()
            .unwrap_or("a time that Omni does not tell");
        let found = match self.by_itself(dashboard)? {
            Some(Some(found)) if found.ids.document_id == dashboard.ids.document_id => found,
            Some(Some(_)) => {
                self.read += 1;
                let what = format!("{named} is another document now than the one that was made");
                return Ok(Some(Told::new(Kind::Gone, what)));
            }
            // Listed, and gone by now: the next look says which.
            Some(None) => return Ok(None),
            None => {
                let what = format!("{named} was changed at {at} and was not read yet");
                return Ok(Some(Told::new(Kind::Edited, what)));
            }
        };
        if let Some(told) = self.on_another_model(&named, found) {
            self.read += 1;
            return Ok(Some(told));
        }
        let now = DocumentState {
            updated_at: document.updated_at.clone(),
            name: document.name.clone(),
            content: found.state.content.clone(),
        };
        let keep = Effect::RecordDashboard(Box::new(DashboardRecord {
            state: Some(now.clone()),
            ..dashboard.clone()
        }));
        let Some(state) = state else {
            return Err(Step::Do(keep));
        };
        let token = format!("{} {:?} {at} {}", dashboard.slug, now.name, now.content);
        let told = if state.name != now.name {
            let what = format!("{named} was renamed from {:?} to {:?}", state.name, now.name);
            Told::new(Kind::Moved, what)
        } else if state.content != now.content {
            Told::new(Kind::Edited, format!("{named} was edited at {at}"))
        } else {
            return Err(Step::Do(keep));
        };
        self.read += 1;
        Ok(Some(told.accepting(token, keep)))
    }

    /// Not in the folder's list: deleted, moved out, or under another identifier, by which Omni leads there too.
    fn absent(&mut self, dashboard: &DashboardRecord) -> Result<Option<Told>, Step> {
        let named = format!("{} ({})", dashboard.slug, dashboard.ids.identifier);
        let told = match self.by_itself(dashboard)? {
            None => Told::new(Kind::Gone, format!("{named} is not in its folder any more")),
            Some(None) => Told::new(Kind::Gone, format!("{named} was deleted")),
            Some(Some(found)) if found.ids.document_id != dashboard.ids.document_id => Told::new(
                Kind::Gone,
                format!("{named} was deleted, and another document has its identifier"),
            ),
            Some(Some(found)) if found.ids.identifier != dashboard.ids.identifier => Told::new(
                Kind::Moved,
                format!("{named} has the identifier {:?} now", found.ids.identifier),
            ),
            Some(Some(found)) => {
                if let Some(told) = self.on_another_model(&named, found) {
                    self.read += 1;
                    return Ok(Some(told));
                }
                // The list lags behind.
                if found.folder_path.as_deref() == Some(self.path) {
                    return Ok(None);
                }
                if let Some(step) = self.cut.and_then(|cut| mend::place(self.view, cut, dashboard, found)) {
                    return Err(step);
                }
                let folder = match &found.folder_path {
                    Some(folder) => format!("folder {folder:?}"),
                    None => "no folder".to_owned(),
                };
                Told::new(Kind::Moved, format!("{named} is in {folder} now"))
            }
        };
        self.read += 1;
        Ok(Some(told))
    }

    /// A document that sits on another model than the version's: its tenants would see what another version defines. It
    /// cannot be accepted, since a version is what is on its model.
    fn on_another_model(&self, named: &str, found: &Found) -> Option<Told> {
        let own = self.view.record()?.model_id.as_ref()?;
        let what = format!(
            "{named} sits on model {} now, and the version's is {own}",
            found.model_id
        );
        (found.model_id != *own).then(|| Told::new(Kind::Edited, what))
    }

    /// Documents in the folder that are none of the version's.
    fn strangers(&self) -> Vec<Told> {
        let recorded = self.view.seen.dashboards.values().map(|it| it.ids.identifier.as_str());
        let renamed = self
            .view
            .seen
            .found
            .values()
            .flatten()
            .map(|it| it.ids.identifier.as_str());
        let ours: BTreeSet<&str> = recorded.chain(renamed).collect();
        let strange = self.here.values().filter(|it| !ours.contains(it.identifier.as_str()));
        let told = |it: &&DocumentRecord| {
            let what = format!(
                "document {:?} ({}) in the folder is not of this version",
                it.name, it.identifier
            );
            Told::new(Kind::Unknown, what)
        };
        strange.map(told).collect()
    }
}
