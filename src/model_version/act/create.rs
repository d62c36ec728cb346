//! Creating calls: each sent once for the mark that was made of it.

use super::{Effect, Hands, MISPLACED, UNREAD};
use crate::model_version::observe::Observed;
use crate::ports::{Failure, IntentStep, NewModel, OmniError, OmniErrorKind, Reservation};
use crate::resources::conditions::Reason;

/// How often a call that is written down and drew a 429 is sent in one pass.
pub(super) const SENDS: u32 = 5;

impl Hands<'_> {
    /// A creating call: sent once for one open intent. Where it surely had no effect the intent is taken back, so that
    /// nobody waits for what cannot come; after a 429 it is opened again with the time at which the call is sent again.
    pub(super) async fn create(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        let (step, subject) = match &effect {
            Effect::CreateModel(NewModel::Shared { name, .. }) => (IntentStep::Model, name.clone()),
            Effect::CreateModel(NewModel::Branch { name, .. }) => (IntentStep::Branch, name.clone()),
            Effect::CreateFolder { path, .. } => (IntentStep::Folder, path.clone()),
            Effect::Import { slug, .. } | Effect::CreateDocument { slug, .. } => (IntentStep::Import, slug.clone()),
            _ => return Ok(()),
        };
        let key = (step, subject.clone());
        let mut sends = 1;
        let error = loop {
            seen.unsent.remove(&key);
            match self.send(&effect, seen).await {
                Ok(result) => {
                    let settle = Effect::SettleIntent { step, subject, result };
                    let settled = self.write_down(settle, seen).await;
                    return settled.map_err(|error| Failure::from(&error));
                }
                Err(error) if sends < SENDS && matches!(error.kind, OmniErrorKind::RateLimited { .. }) => {
                    sends += 1;
                    let subject = subject.clone();
                    let opened = self.write_down(Effect::OpenIntent { step, subject }, seen).await;
                    opened.map_err(|error| Failure::from(&error))?;
                }
                Err(error) => break error,
            }
        };
        let failure = refusal(step, &subject, &error);
        if !error.kind.effect_unknown() {
            seen.intents.remove(&key);
            let dropped = self.mapping.drop_intent(self.desired.version, step, &subject).await;
            dropped.map_err(|error| Failure::from(&error))?;
        }
        let refused = matches!(
            error.kind,
            OmniErrorKind::Refused { .. } | OmniErrorKind::Conflict { .. }
        );
        let takes_another_way =
            matches!(effect, Effect::CreateDocument { .. }) && failure.reason == Reason::OmniRefused;
        if takes_another_way && refused {
            // The identifier is free, and it is the document that this call does not take.
            seen.refused.insert(subject, error.kind.to_string());
            return Ok(());
        }
        if step == IntentStep::Import && failure.stalled && refused {
            // One dashboard that Omni refuses says nothing of the others.
            seen.set_aside.insert(subject, (failure.reason, failure.message));
            seen.work = None;
            return Ok(());
        }
        Err(failure)
    }

    /// Sends a creating call; returns what its intent is settled with.
    async fn send(&mut self, effect: &Effect, seen: &mut Observed) -> Result<String, OmniError> {
        // Without one the client takes a place of its own.
        let place = self.place.take().unwrap_or_else(|| Reservation::new(()));
        match effect {
            Effect::CreateModel(model) => {
                let id = self.omni.create_model(model, place).await?;
                match model {
                    NewModel::Shared { .. } => seen.model_is_new = true,
                    NewModel::Branch { .. } => seen.branch_made = Some(id.clone()),
                }
                Ok(id)
            }
            Effect::CreateFolder { path, name, parent } => {
                let folder = self.omni.create_folder(name, parent.as_deref(), place).await?;
                if folder.path != *path {
                    return Ok(format!("{MISPLACED}{}", folder.path));
                }
                let id = folder.id.clone();
                seen.folders.insert(path.clone(), Some(folder));
                Ok(id)
            }
            Effect::Import { slug, request } => {
                let imported = self.omni.import(request, place).await?;
                let work = seen.work(slug);
                work.tiles = imported.tiles;
                // Where it was asked for before the import, it was not there yet.
                work.copy = None;
                Ok(imported.identifier.unwrap_or_else(|| UNREAD.to_owned()))
            }
            Effect::CreateDocument { slug, request } => {
                let identifier = self.omni.create_document(request, place).await?;
                seen.work(slug).copy = None;
                Ok(identifier.unwrap_or_else(|| UNREAD.to_owned()))
            }
            _ => Ok(String::new()),
        }
    }
}

/// What a refused creating call means for the version.
fn refusal(step: IntentStep, subject: &str, error: &OmniError) -> Failure {
    let (OmniErrorKind::Refused { detail, .. } | OmniErrorKind::Conflict { detail, .. }) = &error.kind else {
        return Failure::from(error);
    };
    let words = detail.to_ascii_lowercase();
    match step {
        IntentStep::Model if words.contains("branch schema refresh") => Failure::stalled(
            Reason::BranchRefreshOn,
            format!(
                "{error}. Turn branch-based schema refresh off on the connection: it forbids a second shared model"
            ),
        ),
        IntentStep::Folder if matches!(error.kind, OmniErrorKind::Conflict { .. }) => {
            Failure::stalled(Reason::FolderTaken, error.to_string())
        }
        IntentStep::Import if words.contains("identifier") => Failure::stalled(
            Reason::IdentifierTaken,
            format!(
                "{subject}: {error}. The document that has the identifier, perhaps in the trash, is not touched: give it another one, or delete it for good"
            ),
        ),
        IntentStep::Import => Failure::stalled(Reason::OmniRefused, format!("{subject}: {error}")),
        _ => Failure::from(error),
    }
}
