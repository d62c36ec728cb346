//! One dashboard after the other: exported, imported under its own identifier, placed, mended, compared, marked.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Ending, IntentState, Step, View, halt};
use crate::model_version::act::Effect;
use crate::model_version::content::compare::compare;
use crate::model_version::content::pairing::pair;
use crate::model_version::content::query_views::Aliases;
use crate::model_version::content::transform::{Rebinding, import_body, rebind};
use crate::model_version::definition;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Look, Work};
use crate::ports::{
    DashboardIds, DashboardRecord, DocumentRecord, Exported, ImportRequest, IntentStep, ModelFile, ModelFiles,
};
use crate::resources::conditions::Reason;

/// What the identifiers' look-up is settled with: all were in one list, or each is asked for.
const LISTED: &str = "listed";
const ASKED: &str = "asked";

/// How many pages of the organisation's documents are worth reading; more cost more than asking for each identifier.
pub(super) fn most_pages(view: View<'_>, cut: &Cut) -> usize {
    2 * view.wanted(cut).len().div_ceil(100) + 2
}

/// The identifiers were looked for before.
pub(super) fn identifiers_known(view: View<'_>) -> bool {
    matches!(view.intent(IntentStep::Identifiers, ""), IntentState::Settled(_))
}

/// Before anything is written: no document of the organisation, trash included, has an identifier that a copy needs.
pub(super) fn identifiers_free(view: View<'_>, cut: &Cut) -> Option<Step> {
    let Some(all) = &view.seen.all_documents else {
        return Some(Step::Look(Look::AllDocuments(most_pages(view, cut))));
    };
    let source = view.source(cut)?;
    let tag = view.tag(source.connection_id.as_deref()?);
    let needed: BTreeMap<String, String> = view
        .wanted(cut)
        .into_keys()
        .map(|slug| (tag.identifier(&slug, view.desired.version), slug))
        .collect();
    let taken = all
        .iter()
        .flatten()
        .find(|document| needed.contains_key(&document.identifier))?;
    Some(halt(
        Reason::IdentifierTaken,
        taken_text(&taken.identifier, &needed[&taken.identifier], Some(taken)),
    ))
}

fn taken_text(identifier: &str, slug: &str, document: Option<&DocumentRecord>) -> String {
    let place = match document {
        Some(it) if it.deleted => format!(" ({:?}, in the trash)", it.name),
        Some(it) => format!(
            " ({:?} in {})",
            it.name,
            it.folder_path.as_deref().unwrap_or("no folder")
        ),
        None => String::new(),
    };
    format!(
        "{slug}: the identifier {identifier:?} belongs to another document{place}; it is not touched. Give that document another identifier, or delete it for good"
    )
}

/// Everything wanted is whole, or the next step towards it.
pub(super) fn content(view: View<'_>, cut: &Cut) -> Option<Step> {
    if let Some(step) = identifiers(view, cut) {
        return Some(step);
    }
    let wanted = view.wanted(cut);
    let left = |slug: &String| {
        !view.seen.dashboards.contains_key(slug)
            && !view.seen.set_aside.contains_key(slug)
            && !view.seen.awaited.contains_key(slug)
    };
    let in_hand = view
        .seen
        .work
        .as_ref()
        .map(|work| &work.slug)
        .filter(|slug| wanted.contains_key(*slug) && left(slug));
    if let Some(slug) = in_hand.or_else(|| wanted.keys().find(|slug| left(slug))) {
        return Some(Dashboard::new(view, cut, slug, &wanted[slug])?.next());
    }
    if let Some((reason, _)) = view.seen.set_aside.values().next() {
        let all: Vec<&str> = view
            .seen
            .set_aside
            .values()
            .take(5)
            .map(|(_, message)| message.as_str())
            .collect();
        let text = format!(
            "{} of {} dashboards cannot be copied as they are: {}",
            view.seen.set_aside.len(),
            wanted.len(),
            all.join("; ")
        );
        return Some(halt(*reason, text));
    }
    view.seen.awaited.values().min().map(|until| {
        let slugs: Vec<&str> = view.seen.awaited.keys().take(5).map(String::as_str).collect();
        let message = format!("imports that got no answer may still appear: {}", slugs.join(", "));
        Step::End(Ending::Wait { until: *until, message })
    })
}

/// Whether the identifiers are free is asked once for all, by the list of the organisation's documents, before the first
/// import; where that list is too long, or the ledger lost its marks, each identifier is asked for before its import.
fn identifiers(view: View<'_>, cut: &Cut) -> Option<Step> {
    if identifiers_known(view)
        || view
            .wanted(cut)
            .keys()
            .all(|slug| view.seen.dashboards.contains_key(slug))
    {
        return None;
    }
    let Some(all) = &view.seen.all_documents else {
        return Some(Step::Look(Look::AllDocuments(most_pages(view, cut))));
    };
    let connection = view.record()?.connection_id.as_deref()?;
    let tag = view.tag(connection);
    let ours = |it: &DocumentRecord| {
        view.wanted(cut)
            .keys()
            .any(|slug| tag.identifier(slug, view.desired.version) == it.identifier)
    };
    let result = match all {
        Some(documents) if !documents.iter().any(ours) => LISTED,
        _ => ASKED,
    };
    Some(Step::Do(Effect::SettleIntent {
        step: IntentStep::Identifiers,
        subject: String::new(),
        result: result.to_owned(),
    }))
}

/// One dashboard and everything that decides what happens to it next.
struct Dashboard<'a> {
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
    fn new(view: View<'a>, cut: &'a Cut, slug: &'a str, from: &'a str) -> Option<Self> {
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

    fn next(&self) -> Step {
        let intent = self.view.intent(IntentStep::Import, self.slug);
        match self.work.and_then(|work| work.copy.as_ref()) {
            None if self.imported() => self.look_at_copy(),
            None => match intent {
                IntentState::Open(_) => self.look_at_copy(),
                IntentState::Missing if self.must_ask() => self.look_at_copy(),
                _ => self.import(intent),
            },
            Some(None) => self.absent(intent),
            Some(Some(copy)) => self.present(copy),
        }
    }

    fn imported(&self) -> bool {
        self.work.is_some_and(|work| work.imported.is_some())
    }

    /// The list of the organisation's documents spoke of the dashboards of the cut, not of those added later.
    fn must_ask(&self) -> bool {
        let grows = self.view.record().is_some_and(|record| record.complete_at.is_some());
        grows
            || !matches!(
                self.view.intent(IntentStep::Identifiers, ""),
                IntentState::Settled(LISTED)
            )
    }

    fn look_at_copy(&self) -> Step {
        Step::Look(Look::Copy {
            slug: self.slug.to_owned(),
            identifier: self.to.clone(),
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
        if let Some((given, _)) = self.work.and_then(|work| work.imported.as_ref()) {
            return match given {
                Some(given) if *given != self.to => self.set_aside(
                    Reason::IdentifierTaken,
                    format!("Omni stored the copy as {given:?} instead of {:?}, which is taken; delete the document {given:?} and free the identifier", self.to),
                ),
                _ => Step::Await { slug: self.slug.to_owned(), until: self.view.settled_by(self.view.now) },
            };
        }
        match intent {
            IntentState::Open(at) if self.view.now < self.view.settled_by(at) => Step::Await {
                slug: self.slug.to_owned(),
                until: self.view.settled_by(at),
            },
            intent => self.import(intent),
        }
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
            Some(Some(source)) => Ok(source),
        }
    }

    fn import(&self, intent: IntentState<'_>) -> Step {
        let source = match self.source() {
            Ok(source) => source,
            Err(step) => return step,
        };
        if intent != IntentState::Unsent {
            return Step::Do(Effect::OpenIntent {
                step: IntentStep::Import,
                subject: self.slug.to_owned(),
            });
        }
        let links = self.view.links(self.cut);
        let rebinding = Rebinding {
            from_model: self.source_model,
            to_model: self.model,
            links: &links,
        };
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
        if copy.shared_model_id != self.model {
            return self.set_aside(Reason::IdentifierTaken, taken_text(&self.to, self.slug, None));
        }
        let source = match self.source() {
            Ok(source) => source,
            Err(step) => return step,
        };
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

    /// The source as its copy shall be, but for ids.
    fn rebound(&self, source: &Exported) -> Value {
        let links = self.view.links(self.cut);
        let mut rebound = source.body.clone();
        rebind(
            &mut rebound,
            &Rebinding {
                from_model: self.source_model,
                to_model: self.model,
                links: &links,
            },
        );
        for (id, model) in rebound["queryModels"].as_object_mut().into_iter().flatten() {
            if let Some(files) = self.view.seen.files.get(&(id.clone(), None)) {
                Aliases::of(&definition::desired(files, &[], &links)).rewrite_model(model);
            }
        }
        rebound
    }

    /// The copy in its folder, held against its source.
    fn compared(&self, source: &Exported, copy: &Exported) -> Step {
        let rebound = self.rebound(source);
        let no_tiles = BTreeMap::new();
        let tiles = self
            .work
            .and_then(|work| work.imported.as_ref())
            .map_or(&no_tiles, |(_, tiles)| tiles);
        let pairing = match pair(&rebound, &copy.body, tiles) {
            Ok(pairing) => pairing,
            Err(doubt) => return self.set_aside(Reason::TilesUnpaired, doubt),
        };
        let differences = compare(&rebound, &copy.body, &pairing);
        if !differences.places.is_empty() {
            let places: Vec<&str> = differences.places.iter().take(3).map(String::as_str).collect();
            return self.set_aside(
                Reason::CopyDiffers,
                format!(
                    "the copy differs from its source in {} places: {}",
                    differences.places.len(),
                    places.join("; ")
                ),
            );
        }
        match differences
            .local_models
            .iter()
            .find_map(|(old, new)| self.mend(old, new))
        {
            Some(step) => step,
            None if differences.is_empty() => self.whole(source, copy),
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
        let desired = definition::desired(theirs, &[], &self.view.links(self.cut));
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

    fn whole(&self, source: &Exported, copy: &Exported) -> Step {
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
            source_identifier: source.identifier.clone(),
            foreign_links: foreign,
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
