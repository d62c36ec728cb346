//! Effects on a Git repository, and on what Omni has of it. All may be done again without harm.

use super::create::SENDS;
use super::{Effect, Hands};
use crate::model_version::decide::git::{COPIED, migrating, subject};
use crate::model_version::desired::Origin;
use crate::model_version::observe::{Observed, Route};
use crate::ports::{
    Author, CopyRequest, Failure, GitLink, GitSettings, IntentStep, Migration, OmniError, OmniErrorKind,
    RepositoryError, Reservation, Whereabouts,
};
use crate::resources::GitAuthor;

/// How Omni names its way in by a token (`API.md` §6.3).
const BY_TOKEN: &str = "https_token";

impl Hands<'_> {
    /// One commit, and the mark that it is where it should be. A copy that waits for people to merge it has no mark.
    pub(super) async fn copy_directory(
        &mut self,
        route: &Route,
        commit: &str,
        seen: &mut Observed,
    ) -> Result<(), Failure> {
        let repository = self.repositories.at(&route.address).await?;
        let request = self.request(route, commit);
        let copied = repository.copy_directory(&request).await;
        let copied = copied.map_err(|error: RepositoryError| Failure::from(&error))?;
        if copied.whereabouts == Whereabouts::Proposed {
            seen.proposed = request.propose;
            return Ok(());
        }
        self.settle(format!("{COPIED}{commit}"), seen).await
    }

    fn request(&self, route: &Route, commit: &str) -> CopyRequest {
        let (version, owner) = (self.desired.version, &self.desired.owner);
        let from = self.desired.from().unwrap_or_default();
        let git = match &self.desired.origin {
            Origin::Cut(cut) => cut.model.git.as_ref(),
            Origin::Adopt(_) => None,
        };
        let to = route.to.clone().unwrap_or_default();
        let subject = git.and_then(|git| git.message.clone());
        let subject = subject.unwrap_or_else(|| format!("Cut model version {version} from version {from}"));
        let author = git.and_then(|git| git.author.clone()).unwrap_or_else(wavepin);
        CopyRequest {
            branch: route.branch.clone(),
            message: format!(
                "{}\n\nWavepin-Instance: {owner}\nWavepin-Version: {version}\nWavepin-Source: version {from}, {} at {}\n",
                subject.trim_end(),
                route.from,
                commit
            ),
            from: route.from.clone(),
            at: Some(commit.to_owned()),
            author: Author {
                name: author.name,
                email: author.email,
            },
            time: self.clock.now(),
            propose: git.filter(|git| git.propose).map(|_| format!("wavepin/{to}")),
            to,
        }
    }

    /// Settings that the model has by now are looked at before anything else is done.
    pub(super) async fn link_git(
        &mut self,
        model: String,
        settings: GitSettings,
        seen: &mut Observed,
    ) -> Result<(), Failure> {
        let token = match settings.auth_method == BY_TOKEN {
            true => Some(self.repositories.token().await?),
            false => None,
        };
        let link = GitLink { settings, token };
        let linked = self.omni.link_git(&model, &link).await;
        if linked.map_err(|error: OmniError| Failure::from(&error))? {
            seen.git.insert(model, Some(link.settings));
        } else {
            seen.git.remove(&model);
            seen.linked_before.insert(model);
        }
        Ok(())
    }

    /// What either side held before it is not known any more.
    pub(super) async fn sync_git(&mut self, model: String, seen: &mut Observed) -> Result<(), Failure> {
        let message = format!("Version {} by Wavepin", self.desired.version);
        let synced = self.omni.sync_git(&model, &message).await;
        seen.synced = Some(synced.map_err(|error| Failure::from(&error))?);
        seen.repository = None;
        seen.files.remove(&(model, None));
        Ok(())
    }

    /// The migration, and the mark that it was: what still differs after it is for a person to look at.
    pub(super) async fn migrate(
        &mut self,
        source: &str,
        migration: &Migration,
        seen: &mut Observed,
    ) -> Result<(), Failure> {
        let Origin::Cut(cut) = &self.desired.origin else {
            return Ok(());
        };
        let key = (IntentStep::Git, migrating(self.desired, cut));
        let mut sends = 1;
        let migrated = loop {
            seen.unsent.remove(&key);
            let place = self.place.take().unwrap_or_else(|| Reservation::new(()));
            let sent = self.omni.migrate_model(source, migration, place).await;
            let is_limited = |error: &OmniError| matches!(error.kind, OmniErrorKind::RateLimited { .. });
            if sends == SENDS || !sent.as_ref().is_err_and(is_limited) {
                break sent;
            }
            // The mark tells when it was sent.
            sends += 1;
            let (step, subject) = key.clone();
            let opened = self.write_down(Effect::OpenIntent { step, subject }, seen).await;
            opened.map_err(|error| Failure::from(&error))?;
        };
        if migrated.as_ref().is_err_and(|error| error.kind.effect_unknown()) {
            return migrated.map_err(|error| Failure::from(&error));
        }
        // It was answered: nothing of it can come later.
        let dropped = self.mapping.drop_intent(self.desired.version, key.0, &key.1).await;
        dropped.map_err(|error| Failure::from(&error))?;
        seen.intents.remove(&key);
        migrated.map_err(|error| Failure::from(&error))?;
        seen.files.retain(|(model, _), _| *model != migration.target);
        self.settle(format!("{COPIED}{}", migration.git_ref), seen).await
    }

    async fn settle(&mut self, result: String, seen: &mut Observed) -> Result<(), Failure> {
        let Origin::Cut(cut) = &self.desired.origin else {
            return Ok(());
        };
        let settle = Effect::SettleIntent {
            step: IntentStep::Git,
            subject: subject(self.desired, cut),
            result,
        };
        self.write_down(settle, seen)
            .await
            .map_err(|error| Failure::from(&error))
    }
}

fn wavepin() -> GitAuthor {
    GitAuthor {
        name: "Wavepin".to_owned(),
        email: "wavepin@noreply.invalid".to_owned(),
    }
}
