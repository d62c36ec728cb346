//! What other hands did to a version in Omni, told by name; and what of it is put back where that is asked for.
//!
//! Lists tell most of it: what is gone, moved, renamed, or has another `updatedAt` than when it was last right. Only what
//! lists leave open is read by itself, and what turns out to be right after all is remembered with its new `updatedAt`, so
//! that it is read once.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Ending, Step, View, mend};
use crate::model_version::act::Effect;
use crate::model_version::definition;
use crate::model_version::desired::{Cut, Origin};
use crate::model_version::observe::{Again, Found, Look};
use crate::ports::{
    DashboardRecord, DocumentRecord, DocumentState, IntentStep, ModelRecord, ModelState, VersionChange,
};
use crate::resources::conditions::Reason;
use crate::resources::{ANNOTATION_PREFIX, DriftPolicy, annotations};

/// Of what went wrong so many are read by themselves in one pass; the others are told by what lists say.
const READ: usize = 5;
/// So many of a kind are named.
const NAMED: usize = 5;

/// What other hands did to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The worst of it, as one word.
    pub reason: Reason,
    /// All of it, and what a person can do.
    pub message: String,
    /// The version is not what was made any more. Otherwise there is only something beside it.
    pub harms: bool,
    /// Its model is concerned.
    pub model: bool,
    /// Its dashboards or their folder are concerned.
    pub content: bool,
}

/// One thing that is told.
#[derive(Debug)]
struct Told {
    kind: Kind,
    /// It is about the model.
    model: bool,
    /// The object and what became of it.
    what: String,
    /// What a person accepts who takes it as it is now, and what is kept then.
    accepts: Option<(String, Box<Effect>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Gone,
    Moved,
    Edited,
    Unknown,
}

impl Kind {
    const fn reason(self) -> Reason {
        match self {
            Self::Gone => Reason::Missing,
            Self::Moved => Reason::MovedInOmni,
            Self::Edited => Reason::EditedInOmni,
            Self::Unknown => Reason::UnknownInOmni,
        }
    }

    const fn way_out(self) -> &'static str {
        match self {
            Self::Gone => "restore it from Omni's trash, or cut a new version",
            Self::Moved => "put it back as it was in Omni",
            Self::Edited => "put it back by its history in Omni, or cut a new version with the change",
            Self::Unknown => "it is left alone; move it elsewhere if it does not belong there",
        }
    }
}

impl Told {
    fn new(kind: Kind, what: String) -> Self {
        let (model, accepts) = (false, None);
        Self {
            kind,
            model,
            what,
            accepts,
        }
    }

    fn of_model(mut self) -> Self {
        self.model = true;
        self
    }

    fn accepting(mut self, what: String, keep: Effect) -> Self {
        self.accepts = Some((what, Box::new(keep)));
        self
    }
}

/// What is said of a complete version; the look that is missing before; or what is put back.
pub(super) fn complete(view: View<'_>) -> Option<Step> {
    let cut = view.cut();
    let told = match told(view, cut) {
        Ok(told) => told,
        Err(step) => return Some(step),
    };
    let mends = cut.filter(|cut| cut.content.drift == DriftPolicy::Mend);
    if let Some(step) = mends.and_then(|cut| mend::permissions(view, cut)) {
        return Some(step);
    }
    accepted(view, &told).or_else(|| summary(view, &told).map(|drift| Step::End(Ending::Drifted(drift))))
}

/// Before a version is mapped: nobody has changed its model or its copies since they were found whole. What stands
/// beside them is no reason to stop.
pub(super) fn before_mapping(view: View<'_>, cut: &Cut) -> Option<Step> {
    let mut told = match told(view, Some(cut)) {
        Ok(told) => told,
        Err(step) => return Some(step),
    };
    told.retain(|it| it.kind != Kind::Unknown);
    accepted(view, &told).or_else(|| summary(view, &told).map(|drift| super::halt(drift.reason, drift.message)))
}

fn told(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
    let mut told = model(view, cut)?;
    told.extend(documents(view, cut)?);
    Ok(told)
}

/// A person takes what there is now as it is: it is kept as right, one thing a step.
fn accepted(view: View<'_>, told: &[Told]) -> Option<Step> {
    let mut offered = told.iter().filter_map(|it| it.accepts.as_ref());
    if let Some((_, keep)) = offered.clone().find(|(what, _)| view.seen.accepted.contains(what)) {
        return Some(Step::Do((**keep).clone()));
    }
    let word = view.desired.accept_drift.as_ref()?;
    let is_new = offered.any(|(what, _)| !view.seen.accepted.contains(what));
    // The word is for all of them together.
    let all = || told.iter().filter_map(|it| Some(it.accepts.as_ref()?.0.clone()));
    (is_new && token(told)? == *word).then(|| Step::Look(Look::Accepted(all().collect())))
}

/// A word for exactly what there is to accept, so that an annotation left in git accepts nothing later.
fn token(told: &[Told]) -> Option<String> {
    let mut parts: Vec<&str> = told
        .iter()
        .filter_map(|it| it.accepts.as_ref())
        .map(|(what, _)| what.as_str())
        .collect();
    if parts.is_empty() {
        return None;
    }
    parts.sort_unstable();
    let digest = Sha256::digest(parts.join("\n"));
    Some(digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect())
}

fn summary(view: View<'_>, told: &[Told]) -> Option<Drift> {
    let worst = told.iter().map(|it| it.kind).min()?;
    let kinds: BTreeSet<Kind> = told.iter().map(|it| it.kind).collect();
    let mut texts: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let all: Vec<&str> = told
                .iter()
                .filter(|it| it.kind == kind)
                .map(|it| it.what.as_str())
                .collect();
            let shown = all.iter().take(NAMED).copied().collect::<Vec<_>>().join("; ");
            let more = match all.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            format!("{shown}{more}: {}", kind.way_out())
        })
        .collect();
    if let Some(token) = token(told) {
        texts.push(format!(
            "to take what was changed as it is now, annotate this object with {ANNOTATION_PREFIX}{}: {token:?}",
            annotations::ACCEPT_DRIFT
        ));
    }
    Some(Drift {
        reason: worst.reason(),
        message: format!("In Omni, of version {}: {}", view.desired.version, texts.join(". ")),
        harms: worst != Kind::Unknown,
        model: told.iter().any(|it| it.model && it.kind != Kind::Unknown),
        content: told.iter().any(|it| !it.model && it.kind != Kind::Unknown),
    })
}

/// The model: there, with the name and the files that it had, and the only one of its name.
fn model(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
    let Some((record, id)) = view.record().and_then(|it| Some((it, it.model_id.as_ref()?))) else {
        return Ok(Vec::new());
    };
    let Some(models) = &view.seen.models else {
        let connection = record.connection_id.clone().unwrap_or_default();
        return Err(Step::Look(if view.is_complete() && !view.seen.asked {
            Look::ModelsLately(connection, view.desired.list_age)
        } else {
            Look::Models(connection)
        }));
    };
    let Some(listed) = models.iter().find(|it| it.id == *id && !it.deleted) else {
        if view.seen.model_is_new {
            return Ok(Vec::new());
        }
        if let Some(until) = cut.and_then(|cut| view.unsettled(IntentStep::Model, &cut.model.name)) {
            let message = format!("model {id} does not show in Omni's list yet");
            return Err(Step::End(Ending::Wait { until, message }));
        }
        let what = format!("model {id} is not there any more");
        return Ok(vec![Told::new(Kind::Gone, what).of_model()]);
    };
    let mut told: Vec<Told> = model_as_it_was(view, cut, id, listed)?.into_iter().collect();
    let twin = models
        .iter()
        .find(|it| it.id != *id && !it.deleted && it.name.is_some() && it.name == listed.name);
    if let (Some(twin), Some(_)) = (twin, cut) {
        let name = twin.name.as_deref().unwrap_or_default();
        let what = format!("another model, {}, has the name {name:?} too", twin.id);
        told.push(Told::new(Kind::Unknown, what).of_model());
    }
    Ok(told)
}

/// The model is listed: whether it is what it was. Its files are read only where its `updatedAt` moved.
fn model_as_it_was(view: View<'_>, cut: Option<&Cut>, id: &str, listed: &ModelRecord) -> Result<Option<Told>, Step> {
    let state = view.record().and_then(|it| it.model_state.as_ref());
    let files = match state {
        Some(state) if state.updated_at == listed.updated_at => state.files.clone(),
        _ => fresh_files(view, id)?,
    };
    let now = ModelState {
        updated_at: listed.updated_at.clone(),
        name: listed.name.clone(),
        files,
    };
    let keep = || Effect::Change(VersionChange::ModelState(now.clone()));
    let name = match (state, cut) {
        (Some(state), _) => state.name.clone(),
        (None, Some(cut)) => Some(cut.model.name.clone()),
        (None, None) => now.name.clone(),
    };
    let shown = |name: &Option<String>| format!("{:?}", name.as_deref().unwrap_or_default());
    let token = format!("model {} {} {}", shown(&now.name), now.updated_at, now.files);
    if name != now.name {
        let what = format!("model {id} was renamed from {} to {}", shown(&name), shown(&now.name));
        return Ok(Some(Told::new(Kind::Moved, what).of_model().accepting(token, keep())));
    }
    match state {
        Some(state) if state.files != now.files => {
            let what = format!("model {id} ({}) was edited at {}", shown(&name), now.updated_at);
            Ok(Some(Told::new(Kind::Edited, what).of_model().accepting(token, keep())))
        }
        Some(state) if *state == now => Ok(None),
        _ => Err(Step::Do(keep())),
    }
}

/// A hash of the model's files, read anew in this pass: what was read before a merge or an edit says nothing.
fn fresh_files(view: View<'_>, id: &str) -> Result<String, Step> {
    if !view.seen.looked_again.contains(&Again::ModelFiles) {
        return Err(Step::Look(Look::Again(Again::ModelFiles)));
    }
    let main = (id.to_owned(), None);
    match view.seen.files.get(&main) {
        Some(files) => Ok(definition::files_hash(files)),
        None => Err(Step::Look(Look::Files {
            model: main.0,
            branch: None,
        })),
    }
}

/// The documents: in their folder, with the names and contents that they had, and no others.
fn documents(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
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
        here: listed.iter().map(|it| (it.identifier.as_str(), it)).collect(),
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
    let elsewhere = listed
        .iter()
        .find_map(|it| it.folder_path.as_deref().filter(|at| *at != path));
    if let Some(elsewhere) = elsewhere {
        told.push(Told::new(
            Kind::Moved,
            format!("folder {path:?} was moved or renamed to {elsewhere:?}"),
        ));
        documents.path = elsewhere;
    }
    for dashboard in view.seen.dashboards.values() {
        told.extend(documents.one(dashboard)?);
    }
    // Of an adopted version a person said which documents of the folder are part of it.
    if cut.is_some() {
        told.extend(documents.strangers());
    }
    Ok(told)
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
            // The list lags behind.
            Some(Some(found)) if found.folder_path.as_deref() == Some(self.path) => return Ok(None),
            Some(Some(found)) => {
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

impl<'a> View<'a> {
    /// How the version is cut, where it is.
    fn cut(self) -> Option<&'a Cut> {
        match &self.desired.origin {
            Origin::Adopt(_) => None,
            Origin::Cut(cut) => Some(cut),
        }
    }
}
