//! The model of a version: whether it is what it was.

use super::super::{Ending, Step, View};
use super::told::{Kind, Told};
use crate::model_version::act::Effect;
use crate::model_version::definition;
use crate::model_version::desired::Cut;
use crate::model_version::observe::{Again, Look};
use crate::ports::{IntentStep, ModelRecord, ModelState, VersionChange};

/// The model: there, with the name and the files that it had, and the only one of its name.
pub(super) fn model(view: View<'_>, cut: Option<&Cut>) -> Result<Vec<Told>, Step> {
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
