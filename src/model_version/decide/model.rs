//! The new model: created once, its definition on a branch, validated, merged, read back.

use super::origin::definition_key;
use super::{IntentState, Step, View, git, halt, known, roles};
use crate::model_version::act::{Effect, MERGED};
use crate::model_version::desired::{Cut, WITHHELD};
use crate::model_version::observe::Look;
use crate::model_version::{definition, edits};
use crate::ports::{
    IntentStep, ModelFile, ModelFiles, ModelRecord, ModelState, NewModel, ValidationIssue, VersionChange,
};
use crate::resources::conditions::Reason;

/// The model, or what must happen for it to be as declared.
pub(super) fn model(view: View<'_>, cut: &Cut) -> Option<Step> {
    let source = view.source(cut)?;
    let (connection, record) = (source.connection_id.as_ref()?, view.record()?);
    if record.connection_id.is_none() {
        return Some(Step::Do(Effect::Change(VersionChange::Connection(connection.clone()))));
    }
    let Some(id) = &record.model_id else {
        return Some(create(view, cut, connection));
    };
    gone(view, id, &cut.model.name)
        .or_else(|| roles::roles(view, cut, id))
        .or_else(|| {
            let is_begun = record.definition.is_some();
            // Found out before anything is copied; it is asked once more before the folder is opened.
            let unseen = || roles::nobody_can_see(view, cut);
            if is_begun { None } else { unseen() }
        })
        .or_else(|| git::lost_migration(view, cut))
        .or_else(|| definition(view, cut, connection, id))
}

pub(super) fn of_that_name<'a>(view: View<'a>, cut: &Cut) -> Vec<&'a ModelRecord> {
    let models = view.seen.models.as_deref().unwrap_or_default();
    models
        .iter()
        .filter(|it| !it.deleted && it.name.as_deref() == Some(cut.model.name.as_str()))
        .collect()
}

/// Before anything is written: no model of that name, or the one that a person lets us have.
pub(super) fn name_free(view: View<'_>, cut: &Cut) -> Option<Step> {
    let found = of_that_name(view, cut);
    match found.as_slice() {
        [] => None,
        [one] if view.desired.adopt_model.as_ref() == Some(&one.id) => None,
        [one, ..] => Some(name_taken(cut, &one.id)),
    }
}

fn name_taken(cut: &Cut, id: &str) -> Step {
    halt(
        Reason::NameTaken,
        format!(
            "a model named {:?} exists ({id}) that this version did not make; choose another model.name, or annotate this object with wavepin.dev/adopt-model: {id}",
            cut.model.name
        ),
    )
}

fn create(view: View<'_>, cut: &Cut, connection: &str) -> Step {
    let (step, name) = (IntentStep::Model, cut.model.name.as_str());
    if let IntentState::Settled(id) = view.intent(step, name) {
        return Step::Do(Effect::Change(VersionChange::Model(id.to_owned())));
    }
    let settle = |id: &str| {
        Step::Do(Effect::SettleIntent {
            step,
            subject: name.to_owned(),
            result: id.to_owned(),
        })
    };
    match of_that_name(view, cut).as_slice() {
        [one] if view.desired.adopt_model.as_ref() == Some(&one.id) => settle(&one.id),
        [one] if matches!(view.intent(step, name), IntentState::Open(_)) => match is_filled(view, &one.id) {
            Err(look) => look,
            Ok(true) => name_taken(cut, &one.id),
            // It was not there when the intent was opened, and nobody's work is in it: it is what the lost answer was
            // about, or as good as that.
            Ok(false) => settle(&one.id),
        },
        [one, other, ..] => twins(cut, one, other),
        [one] => match known::known_again(view, cut) {
            Err(step) => step,
            Ok(Some(known)) => settle(&known.model.id),
            Ok(None) => name_taken(cut, &one.id),
        },
        [] => {
            let model = NewModel::Shared {
                connection_id: connection.to_owned(),
                name: name.to_owned(),
            };
            view.create(step, name, &format!("model {name:?}"), Effect::CreateModel(model))
        }
    }
}

/// Whether anything was authored in a model: in what a creating call makes, nothing is. Who ended between the intent and the call may
/// find a model that a person made and filled meanwhile.
fn is_filled(view: View<'_>, id: &str) -> Result<bool, Step> {
    let model = (id.to_owned(), None);
    match view.seen.files.get(&model) {
        Some(present) => Ok(!definition::authored(present).is_empty()),
        None => Err(Step::Look(Look::Files {
            model: model.0,
            branch: None,
        })),
    }
}

/// Two models of one name may come of one creating call whose answer was lost: nobody could tell them apart later.
pub(super) fn no_twin(view: View<'_>, cut: &Cut) -> Option<Step> {
    match of_that_name(view, cut).as_slice() {
        [one, other, ..] => Some(twins(cut, one, other)),
        _ => None,
    }
}

fn twins(cut: &Cut, one: &ModelRecord, other: &ModelRecord) -> Step {
    halt(
        Reason::NameTaken,
        format!(
            "two models are named {:?} ({} and {}); rename or delete the one that is not meant",
            cut.model.name, one.id, other.id
        ),
    )
}

/// A model that is on record and no longer in Omni. A list may lag behind its creation.
pub(super) fn gone(view: View<'_>, id: &str, name: &str) -> Option<Step> {
    let models = view.seen.models.as_deref()?;
    if view.seen.model_is_new || models.iter().any(|it| it.id == id && !it.deleted) {
        return None;
    }
    match view.unsettled(IntentStep::Model, name) {
        Some(until) => Some(Step::End(super::Ending::Wait {
            until,
            message: format!("model {id} does not show in Omni's list yet"),
        })),
        None => Some(halt(
            Reason::Missing,
            format!(
                "model {id} ({name:?}) was made for this version and is not in Omni any more; restore it from the trash"
            ),
        )),
    }
}

fn definition(view: View<'_>, cut: &Cut, connection: &str, id: &str) -> Option<Step> {
    let key = definition_key(view, cut);
    if view.record()?.definition.as_deref() == Some(key.as_str()) {
        return git::kept(view, cut, id);
    }
    let main = (id.to_owned(), None);
    let branch_name = Cut::branch_name(view.desired.version);
    let merged = matches!(view.intent(IntentStep::Branch, &branch_name),
        IntentState::Settled(result) if result.strip_prefix(MERGED) == Some(key.as_str()));
    // A new model holds nothing, unless it was brought there by way of its repository.
    if !view.seen.model_is_new || merged || view.seen.files.contains_key(&main) {
        let Some(present) = view.seen.files.get(&main) else {
            return Some(Step::Look(Look::Files {
                model: main.0,
                branch: None,
            }));
        };
        let desired = match desired_files(view, cut) {
            Ok(desired) => desired,
            Err(step) => return Some(step),
        };
        let differing = definition::differing(&desired, present);
        if differing.is_empty() {
            let branch = view.intent(IntentStep::Branch, &branch_name);
            if let (IntentState::Settled(_) | IntentState::Open(_), false) = (branch, merged) {
                // The merge took effect and nobody heard of it, perhaps not of the branch either.
                return Some(Step::Do(Effect::SettleIntent {
                    step: IntentStep::Branch,
                    subject: branch_name,
                    result: format!("{MERGED}{key}"),
                }));
            }
            let state = ModelState {
                // To be learned when the list is read again: what Omni said before the merge says nothing.
                updated_at: String::new(),
                name: Some(cut.model.name.clone()),
                files: definition::files_hash(present),
            };
            let is_known = view.record()?.model_state.as_ref().map(|it| &it.files) == Some(&state.files);
            let change = if is_known {
                VersionChange::Definition(key)
            } else {
                VersionChange::ModelState(state)
            };
            return Some(Step::Do(Effect::Change(change)));
        }
        if merged {
            return Some(halt(
                Reason::DefinitionDiffers,
                format!(
                    "after the merge the model still differs in {}; look at these files in Omni's model editor",
                    differing.join(", ")
                ),
            ));
        }
        // No branch is on record: it may be that the ledger lost it, with the mark that it was merged.
        if view.intent(IntentStep::Branch, &branch_name) == IntentState::Missing {
            match known::known_again(view, cut) {
                Err(step) => return Some(step),
                Ok(Some(_)) => return Some(known::edited(view, id, &differing)),
                Ok(None) => {}
            }
        }
    }
    git::brought(view, cut, id).or_else(|| Some(branch(view, cut, (connection, id), key)))
}

/// The files that the version's model shall have; what is wrong with the edits, which is told before anything is written.
pub(super) fn desired_files(view: View<'_>, cut: &Cut) -> Result<definition::Files, Step> {
    let source = view.source(cut).and_then(|source| source.model_id.clone());
    let empty = ModelFiles::default();
    let files = view
        .seen
        .files
        .get(&(source.unwrap_or_default(), None))
        .unwrap_or(&empty);
    let combined = view.seen.combined.as_ref().unwrap_or(&empty);
    let edited = edits::applied(files, combined, &cut.model.edits);
    let edited = edited.map_err(|refused| halt(Reason::EditRefused, cut.listed().refused(&refused)))?;
    Ok(definition::desired(edited, &view.links(cut)))
}

/// The branch: made, unless it is there.
fn branch(view: View<'_>, cut: &Cut, (connection, id): (&str, &str), definition: String) -> Step {
    let name = Cut::branch_name(view.desired.version);
    let models = view.seen.models.iter().flatten().filter(|it| it.id == id);
    let mut branches = models.flat_map(|it| &it.branches);
    let listed = branches
        .find(|branch| branch.name == name)
        .map(|branch| branch.id.clone());
    // Made in an earlier pass, it may not be listed yet.
    let made = match view.intent(IntentStep::Branch, &name) {
        IntentState::Settled(id) if !id.starts_with(MERGED) => {
            view.unsettled(IntentStep::Branch, &name).map(|_| id.to_owned())
        }
        _ => None,
    };
    let Some(branch) = listed.or_else(|| view.seen.branch_made.clone()).or(made) else {
        let new = NewModel::Branch {
            connection_id: connection.to_owned(),
            base_model_id: id.to_owned(),
            name: name.clone(),
        };
        return view.create(
            IntentStep::Branch,
            &name,
            &format!("branch {name:?}"),
            Effect::CreateModel(new),
        );
    };
    git::brought_on_branch(view, cut, id, (&branch, &name))
        .unwrap_or_else(|| filled(view, cut, id, (branch, name), definition))
}

/// The branch that is there: filled with what differs, validated, merged.
fn filled(view: View<'_>, cut: &Cut, id: &str, (branch, name): (String, String), definition: String) -> Step {
    let Some(present) = view.seen.files.get(&(id.to_owned(), Some(branch.clone()))) else {
        return Step::Look(Look::Files {
            model: id.to_owned(),
            branch: Some(branch),
        });
    };
    let desired = match desired_files(view, cut) {
        Ok(desired) => desired,
        Err(step) => return step,
    };
    if let Some((file, yaml)) = definition::changes(&desired, present).into_iter().next() {
        let checksum = present.files.get(&file).and_then(|it| it.checksum.clone());
        let file_name = file.clone();
        return Step::Do(Effect::PutFile {
            model: id.to_owned(),
            branch: Some(branch),
            name: file_name,
            file: ModelFile { yaml, checksum },
        });
    }
    let Some(issues) = &view.seen.issues else {
        return Step::Look(Look::Issues {
            model: id.to_owned(),
            branch,
        });
    };
    refused_by_validation(issues, cut).unwrap_or_else(|| {
        Step::Do(Effect::Merge {
            model: id.to_owned(),
            branch: name,
            definition,
        })
    })
}

fn refused_by_validation(issues: &[ValidationIssue], cut: &Cut) -> Option<Step> {
    let (count, shown) = errors(issues)?;
    let shown = match cut.keeps_secrets() {
        true => WITHHELD.to_owned(),
        false => shown,
    };
    Some(halt(
        Reason::ModelInvalid,
        format!(
            "Omni's model validation finds {count} errors, so the model stays unmerged: {shown}. Correct {}",
            cut.where_edits_are()
        ),
    ))
}

/// How many errors there are, and the first of them; nothing where there is none.
pub(super) fn errors(issues: &[ValidationIssue]) -> Option<(usize, String)> {
    let errors: Vec<String> = issues
        .iter()
        .filter(|issue| issue.is_error)
        .map(|issue| match &issue.place {
            Some(place) => format!("{place}: {}", issue.message),
            None => issue.message.clone(),
        })
        .collect();
    let shown = errors.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
    (!errors.is_empty()).then_some((errors.len(), shown))
}
