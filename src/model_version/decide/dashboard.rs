//! One dashboard: exported, imported under its own identifier, placed, mended, compared, marked.

pub(in crate::model_version) mod method;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::content::{LISTED, most_pages, taken_text};
use super::{IntentState, Step, View, origin};
use crate::model_version::act::{Effect, UNREAD};
use crate::model_version::content::compare::compare;
use crate::model_version::content::documents_v2;
use crate::model_version::content::pairing::pair;
use crate::model_version::content::query_views::Aliases;
use crate::model_version::content::renames::{self, Renamed};
use crate::model_version::content::state;
use crate::model_version::content::transform::{Rebinding, import_body, rebind};
use crate::model_version::definition;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Look, Work};
use crate::ports::{
    DashboardIds, DashboardRecord, DocumentRequest, Exported, ImportRequest, IntentStep, ModelFile, ModelFiles,
};
use crate::resources::conditions::Reason;

/// One dashboard and everything that decides what happens to it next.
pub(super) struct Dashboard<'a> {
    view: View<'a>,
    cut: &'a Cut,
    slug: &'a str,
    /// The identifier to copy from.
    from: &'a str,
    /// The identifier to copy to.
    to: String,
    /// The version's model.
    model: &'a str,
    /// The source's model.
    source_model: &'a str,
    work: Option<&'a Work>,
}

impl<'a> Dashboard<'a> {
    pub(super) fn new(view: View<'a>, cut: &'a Cut, slug: &'a str, from: &'a str) -> Option<Self> {
        let record = view.record()?;
        let tag = view.tag(record.connection_id.as_deref()?);
        Some(Self {
            view,
            cut,
            slug,
            from,
            to: tag.identifier(slug, view.desired.version),
            model: record.model_id.as_deref()?,
            source_model: view.source(cut)?.model_id.as_deref()?,
            work: view.seen.work.as_ref().filter(|work| work.slug == slug),
        })
    }

    pub(super) fn next(&self) -> Step {
        let intent = self.intent();
        match self.work.and_then(|work| work.copy.as_ref()) {
            None => match intent {
                IntentState::Open(_) | IntentState::Settled(_) => self.look_at_copy(),
                IntentState::Missing if self.must_ask() => self.look_at_copy(),
                IntentState::Missing => self.unless_listed(intent),
                IntentState::Unsent => self.import(intent),
            },
            Some(None) => self.absent(intent),
            Some(Some(copy)) => self.present(copy),
        }
    }

    fn intent(&self) -> IntentState<'a> {
        self.view.intent(IntentStep::Import, self.slug)
    }

    /// The identifier under which the copy is: the one that Omni answered with, else the one that it was asked for.
    fn stored_as(&self) -> &str {
        match self.intent() {
            IntentState::Settled(given) if given != UNREAD => given,
            _ => &self.to,
        }
    }

    /// The list of the organisation's documents spoke of the dashboards of the cut, not of those added later.
    fn must_ask(&self) -> bool {
        match self.view.intent(IntentStep::Identifiers, "") {
            IntentState::Settled(listed) => listed.strip_prefix(LISTED).is_none_or(|slugs| {
                let mut slugs = slugs.split_whitespace();
                slugs.all(|slug| slug != self.slug)
            }),
            _ => true,
        }
    }

    /// The identifier was free when all were looked for, perhaps by a process of long ago: the ledger may have been put
    /// back to a time before the copy was made. One list of the folder a pass tells, and an import could write over it.
    fn unless_listed(&self, intent: IntentState<'_>) -> Step {
        let folder = self.view.record().and_then(|it| it.folder_id.clone());
        match (&self.view.seen.documents, folder) {
            (None, Some(folder)) => Step::Look(Look::Documents(folder)),
            (Some(listed), _) if listed.iter().any(|it| it.identifier == self.to) => self.look_at_copy(),
            _ => self.import(intent),
        }
    }

    fn look_at_copy(&self) -> Step {
        Step::Look(Look::Copy {
            slug: self.slug.to_owned(),
            identifier: self.stored_as().to_owned(),
        })
    }

    fn set_aside(&self, reason: Reason, message: impl std::fmt::Display) -> Step {
        Step::SetAside {
            slug: self.slug.to_owned(),
            reason,
            message: format!("{}: {message}", self.slug),
        }
    }

    /// No document has the identifier.
    fn absent(&self, intent: IntentState<'_>) -> Step {
        if intent == IntentState::Unsent {
            return self.import(intent);
        }
        if let Some(until) = self.view.unsettled(IntentStep::Import, self.slug) {
            return Step::Await {
                slug: self.slug.to_owned(),
                until,
            };
        }
        match intent {
            IntentState::Settled(UNREAD) => self.set_aside(
                Reason::ContractDrift,
                format!(
                    "Omni took the import, answered in a way that is not known, and has no document {:?}; look for the copy by its name, delete it, and cut again under a new number with a Wavepin that knows the answer",
                    self.to
                ),
            ),
            // Nothing came of it, or somebody deleted what did.
            IntentState::Open(_) | IntentState::Settled(_) => self
                .elsewhere()
                .or_else(|| self.in_trash())
                .unwrap_or_else(|| self.import(intent)),
            intent => self.import(intent),
        }
    }

    /// After a lost answer and the time in which the copy should have shown: it may be in the folder under another
    /// identifier, and an import that is sent again would make one more each time.
    fn elsewhere(&self) -> Option<Step> {
        let record = self.view.record()?;
        let Some(documents) = &self.view.seen.documents else {
            return Some(Step::Look(Look::Documents(record.folder_id.clone()?)));
        };
        let tag = self.view.tag(record.connection_id.as_deref()?);
        let wanted = self.view.wanted(self.cut);
        let own: BTreeSet<String> = wanted
            .keys()
            .map(|slug| tag.identifier(slug, self.view.desired.version))
            .collect();
        let stranger = documents.iter().find(|it| !own.contains(&it.identifier))?;
        Some(self.set_aside(
            Reason::IdentifierTaken,
            format!(
                "no document has the identifier {:?} that its import asked for, and the folder holds {:?} ({:?}), which may be the copy; delete it or move it out of the folder",
                self.to, stranger.identifier, stranger.name
            ),
        ))
    }

    /// A copy that somebody deleted keeps its identifier while it lies in the trash, where only the list of all documents
    /// shows it. An import would be refused at every look, or do what nobody knows.
    fn in_trash(&self) -> Option<Step> {
        let Some(all) = &self.view.seen.all_documents else {
            return Some(Step::Look(Look::AllDocuments(most_pages(self.view, self.cut))));
        };
        let holder = all.iter().flatten().find(|it| it.identifier == self.to)?;
        Some(self.set_aside(Reason::IdentifierTaken, taken_text(&self.to, Some(holder))))
    }

    fn source(&self) -> Result<&'a Exported, Step> {
        match self.work.and_then(|work| work.source.as_ref()) {
            None => Err(Step::Look(Look::Source {
                slug: self.slug.to_owned(),
                identifier: self.from.to_owned(),
            })),
            Some(None) => Err(self.set_aside(
                Reason::DashboardNotFound,
                format!("Omni has no dashboard {:?} to copy", self.from),
            )),
            Some(Some(source)) if source.shared_model_id != self.source_model => Err(self.set_aside(
                Reason::DashboardOnOtherModel,
                format!(
                    "dashboard {:?} sits on model {}, not on {} of version {}",
                    self.from, source.shared_model_id, self.source_model, self.cut.from
                ),
            )),
            // Documents are found by other words too; links and the look at what moved go by this one.
            Some(Some(source)) if source.identifier != self.from && !self.view.is_complete() => Err(self.set_aside(
                Reason::DashboardNotFound,
                format!(
                    "Omni finds {:?}, but calls it {:?}; name it so",
                    self.from, source.identifier
                ),
            )),
            Some(Some(source)) => Ok(source),
        }
    }

    /// What no list of the source's folder tells to have moved is held against its content.
    fn stamped(&self, source: &Exported) -> Option<Step> {
        let added = &self.cut.content.dashboards.add;
        if added.iter().all(|it| it.slug != self.slug) {
            return None;
        }
        origin::added_stamp(self.view, self.cut, self.from, &state::of(source).content)
    }

    fn import(&self, intent: IntentState<'_>) -> Step {
        let source = match self.source() {
            Ok(source) => source,
            Err(step) => return step,
        };
        if let Some(step) = self.stamped(source) {
            return step;
        }
        if let Some(step) = self.unfit(&self.rebound(source).1) {
            return step;
        }
        let document = match self.document(source) {
            Ok(document) => document,
            Err(step) => return step,
        };
        if let Some(step) = self.chosen(document.is_some()) {
            return step;
        }
        if intent != IntentState::Unsent || self.view.stale(IntentStep::Import, self.slug) {
            return Step::Do(Effect::OpenIntent {
                step: IntentStep::Import,
                subject: self.slug.to_owned(),
            });
        }
        let (links, renames) = (self.view.links(self.cut), self.view.renames(self.cut));
        let rebinding = Rebinding {
            from_model: self.source_model,
            to_model: self.model,
            links: &links,
            renames: &renames,
        };
        if let Some((document, folder)) = document {
            return Step::Do(Effect::CreateDocument {
                slug: self.slug.to_owned(),
                request: Box::new(DocumentRequest {
                    model_id: self.model.to_owned(),
                    identifier: self.to.clone(),
                    folder_id: folder.to_owned(),
                    body: documents_v2::creation(document, &rebinding),
                }),
            });
        }
        Step::Do(Effect::Import {
            slug: self.slug.to_owned(),
            request: Box::new(ImportRequest {
                base_model_id: self.model.to_owned(),
                identifier: self.to.clone(),
                folder_path: self.cut.folder_path(),
                body: import_body(&source.body, &rebinding),
            }),
        })
    }

    /// A document has the identifier: ours, since it sits on our model, or somebody else's.
    fn present(&self, copy: &Exported) -> Step {
        let given = self.stored_as();
        if given == self.to && copy.identifier != self.to {
            return self.set_aside(
                Reason::MovedInOmni,
                format!(
                    "somebody gave the copy {:?} the identifier {:?}; other dashboards lead to it by the one that it had: give it that one back, or delete it and cut again under a new number",
                    self.to, copy.identifier
                ),
            );
        }
        if given != self.to && copy.identifier != self.to {
            return self.set_aside(
                Reason::IdentifierTaken,
                format!(
                    "Omni stored the copy as {given:?} instead of {:?}, which is taken; delete the document {given:?} and free the identifier",
                    self.to
                ),
            );
        }
        if copy.shared_model_id != self.model {
            return self.set_aside(Reason::IdentifierTaken, taken_text(&self.to, None));
        }
        if let IntentState::Open(_) = self.intent() {
            // What the lost answer was about.
            return Step::Do(Effect::SettleIntent {
                step: IntentStep::Import,
                subject: self.slug.to_owned(),
                result: self.to.clone(),
            });
        }
        let source = match self.source() {
            Ok(source) => source,
            Err(step) => return step,
        };
        if let Some(step) = self.stamped(source) {
            return step;
        }
        let folder = self.cut.folder_path();
        if copy.folder_path.as_deref() != Some(folder.as_str()) {
            return Step::Do(Effect::Move {
                slug: self.slug.to_owned(),
                identifier: self.to.clone(),
                folder,
            });
        }
        self.compared(source, copy)
    }

    /// A name that cannot be changed as it is declared.
    fn unfit(&self, renamed: &Renamed) -> Option<Step> {
        let clashes: Vec<&str> = renamed.clashes.iter().take(3).map(String::as_str).collect();
        (!clashes.is_empty()).then(|| {
            let why = clashes.join("; ");
            self.set_aside(Reason::RenameRefused, format!("content.renames: {why}"))
        })
    }

    /// The source as its copy shall be, but for ids; and what came of the renames.
    fn rebound(&self, source: &Exported) -> (Value, Renamed) {
        let (links, renames) = (self.view.links(self.cut), self.view.renames(self.cut));
        let mut rebound = source.body.clone();
        let renamed = rebind(
            &mut rebound,
            &Rebinding {
                from_model: self.source_model,
                to_model: self.model,
                links: &links,
                renames: &renames,
            },
        );
        for (id, model) in rebound["queryModels"].as_object_mut().into_iter().flatten() {
            if let Some(files) = self.view.seen.files.get(&(id.clone(), None)) {
                let files = definition::desired(definition::authored(files), &links);
                Aliases::of(&renames.files(files)).rewrite_model(model);
            }
        }
        (rebound, renamed)
    }

    /// The copy in its folder, held against its source.
    fn compared(&self, source: &Exported, copy: &Exported) -> Step {
        let (rebound, renamed) = self.rebound(source);
        if let Some(step) = self.unfit(&renamed) {
            return step;
        }
        let no_tiles = BTreeMap::new();
        let tiles = self.work.map_or(&no_tiles, |work| &work.tiles);
        let pairing = match pair(&rebound, &copy.body, tiles) {
            Ok(pairing) => pairing,
            Err(doubt) => {
                let doubt = format!("{doubt}{}", self.how_to_copy_anew());
                return self.set_aside(Reason::TilesUnpaired, doubt);
            }
        };
        let differences = compare(&rebound, &copy.body, &pairing);
        if !differences.places.is_empty() {
            let places: Vec<&str> = differences.places.iter().take(3).map(String::as_str).collect();
            return self.set_aside(
                Reason::CopyDiffers,
                format!(
                    "the copy differs from its source in {} places: {}{}",
                    differences.places.len(),
                    places.join("; "),
                    self.how_to_copy_anew()
                ),
            );
        }
        match differences
            .local_models
            .iter()
            .find_map(|(old, new)| self.mend(old, new))
        {
            Some(step) => step,
            None if differences.is_empty() => self.whole(copy, &renamed),
            None if self.work.is_some_and(|work| work.exports < 2) => self.look_at_copy(),
            None => {
                let models: Vec<&str> = differences.local_models.values().map(String::as_str).collect();
                self.set_aside(
                    Reason::CopyDiffers,
                    format!(
                        "the fields of its tabs (model {}) are not those of its source although their files are",
                        models.join(", ")
                    ),
                )
            }
        }
    }

    /// A copy that was whole, and for which the renames have changed since; or one that was made in a way that has another.
    fn how_to_copy_anew(&self) -> String {
        let known = self.view.seen.dashboards.get(self.slug);
        known.map_or_else(|| self.other_way(), |_| {
            format!(
                ". It was made with other renames than are declared now: delete {:?} in Omni for good, and it is copied anew",
                self.to
            )
        })
    }

    /// An import makes the models of tabs anew and empty: their authored files are written again.
    fn mend(&self, old: &str, new: &str) -> Option<Step> {
        let files = |model: &str| self.view.seen.files.get(&(model.to_owned(), None));
        let look = |model: &str| {
            Some(Step::Look(Look::Files {
                model: model.to_owned(),
                branch: None,
            }))
        };
        let Some(theirs) = files(old) else { return look(old) };
        let Some(ours) = files(new) else { return look(new) };
        let desired = definition::desired(definition::authored(theirs), &self.view.links(self.cut));
        let desired = self.view.renames(self.cut).files(desired);
        let desired = Aliases::of(&desired).rewrite(desired);
        // Nothing is removed from a local model: what an import carried over by itself stays.
        let wanted = ModelFiles {
            files: ours
                .files
                .iter()
                .filter(|(name, _)| desired.contains_key(*name))
                .map(|(name, file)| (name.clone(), file.clone()))
                .collect(),
        };
        let (name, yaml) = definition::changes(&desired, &wanted).into_iter().next()?;
        let checksum = ours.files.get(&name).and_then(|it| it.checksum.clone());
        Some(Step::Do(Effect::PutFile {
            model: new.to_owned(),
            branch: None,
            name,
            file: ModelFile { yaml, checksum },
        }))
    }

    fn whole(&self, copy: &Exported, renamed: &Renamed) -> Step {
        let mut known = self.view.links(self.cut);
        known.0 = known.0.into_values().map(|to| (to.clone(), to)).collect();
        let foreign = known.foreign(&parts(&copy.body)).into_iter().collect();
        Step::Do(Effect::RecordDashboard(Box::new(DashboardRecord {
            slug: self.slug.to_owned(),
            ids: DashboardIds {
                identifier: copy.identifier.clone(),
                document_id: copy.document_id.clone(),
                dashboard_id: copy.dashboard_id.clone(),
            },
            source_identifier: self.from.to_owned(),
            foreign_links: foreign,
            state: Some(state::of(copy)),
            not_carried: self.lost(),
            renames: renames::asked(&self.cut.content.renames, renamed),
        })))
    }
}

/// The parts of a body in which links are looked for; the document's own address is none of them.
fn parts(body: &Value) -> Value {
    Value::Array(
        ["dashboard", "workbookModel", "queryModels"]
            .iter()
            .map(|part| body[*part].clone())
            .collect(),
    )
}
