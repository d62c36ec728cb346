//! Calls that change what is there, and may be sent again without harm.

use super::create::SENDS;
use super::{Effect, Hands, MERGED};
use crate::model_version::decide::carry;
use crate::model_version::observe::Observed;
use crate::ports::{Failure, FolderPermit, IntentStep, ModelFile, OmniError, OmniErrorKind, Reservation, RoleGrant};

impl Hands<'_> {
    /// A call that changes something and may be sent again without harm.
    pub(super) async fn change_omni(&self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        self.send_change(effect, seen)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn send_change(&self, effect: Effect, seen: &mut Observed) -> Result<(), OmniError> {
        match effect {
            Effect::GrantRole { group, model, role } => {
                self.omni.grant_role(&group, &model, &role).await?;
                let roles = seen.roles.entry(group).or_default().get_or_insert_default();
                roles.retain(|it| it.model_id.as_ref() != Some(&model));
                roles.push(RoleGrant {
                    role,
                    model_id: Some(model),
                    connection_id: None,
                    is_own: true,
                });
                seen.roles_changed = true;
            }
            Effect::PutFile {
                model,
                branch,
                name,
                file,
            } => {
                self.omni
                    .put_model_file(&model, branch.as_deref(), &name, &file)
                    .await?;
                let files = &mut seen.files.entry((model, branch)).or_default().files;
                if file.yaml.is_empty() {
                    files.remove(&name);
                } else {
                    let checksum = None;
                    files.insert(name, ModelFile { checksum, ..file });
                }
                seen.issues = None;
            }
            Effect::RevokeFolder { folder, group } => {
                self.omni.revoke_folder(&folder, &group).await?;
                own_permits(seen, folder, &group);
            }
            Effect::Move {
                slug,
                identifier,
                folder,
            } => {
                self.omni.move_document(&identifier, &folder).await?;
                has_moved(seen, &slug, folder);
            }
            _ => {}
        }
        Ok(())
    }

    /// A permit on a folder. One that shuts a group out goes out once for the mark that was made of it, since it must not
    /// take effect after a later pass opened the folder: whatever is sent again is written down again.
    pub(super) async fn grant_folder(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        let Effect::GrantFolder {
            folder,
            group,
            role,
            mut change,
            closes,
        } = effect
        else {
            return Ok(());
        };
        let mut sends = 1;
        loop {
            // Without one the client takes a place of its own.
            let place = self.place.take().unwrap_or_else(|| Reservation::new(()));
            let sent = if change {
                self.omni.change_folder_grant(&folder, &group, &role, place).await
            } else {
                let granted = self.omni.grant_folder(&folder, &group, &role, place).await;
                granted.map(|()| true)
            };
            match sent {
                Ok(true) => break,
                // What was shown is the permit of a folder above.
                Ok(false) => change = false,
                Err(error) if sends < SENDS && matches!(error.kind, OmniErrorKind::RateLimited { .. }) => sends += 1,
                Err(error) => return Err(Failure::from(&error)),
            }
            if let Some(path) = &closes {
                let (step, subject) = (IntentStep::Closure, path.clone());
                let opened = self.write_down(Effect::OpenIntent { step, subject }, seen).await;
                opened.map_err(|error| Failure::from(&error))?;
            }
        }
        if let Some(path) = closes {
            // It was answered and can come no more: the mark tells nothing of the next one.
            let key = (IntentStep::Closure, path);
            seen.unsent.remove(&key);
            seen.intents.remove(&key);
        }
        let (user_group, user) = (Some(group.clone()), None);
        own_permits(seen, folder, &group).push(FolderPermit { user_group, user, role });
        Ok(())
    }

    /// Labels, and the mark that they were put. A key that may not put them, as `verified` wants an administrator's, is no
    /// reason to keep a version from its tenants: they are told as not carried.
    pub(super) async fn label(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        let Effect::Label {
            slug,
            identifier,
            labels,
        } = effect
        else {
            return Ok(());
        };
        let refused = match self.omni.label_document(&identifier, &labels).await {
            Ok(()) => "",
            Err(error) if matches!(error.kind, OmniErrorKind::Refused { .. }) => carry::REFUSED,
            Err(error) => return Err(Failure::from(&error)),
        };
        let settle = Effect::SettleIntent {
            step: IntentStep::Labels,
            subject: slug,
            result: format!("{refused}{}", carry::named(&labels)),
        };
        self.write_down(settle, seen)
            .await
            .map_err(|error| Failure::from(&error))
    }

    /// The merge, and the mark that it was: what still differs after it is for a person to look at, not for another.
    pub(super) async fn merge(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        let Effect::Merge {
            model,
            branch,
            definition,
        } = effect
        else {
            return Ok(());
        };
        let message = format!("Version {} by Wavepin", self.desired.version);
        let merge = self.omni.merge_branch(&model, &branch, &message).await;
        let merge = merge.map_err(|error| Failure::from(&error))?;
        if merge.failed_drafts > 0 {
            // Drafts of documents that somebody made on the model: theirs to publish, and no part of this version.
            tracing::warn!(model, drafts = merge.failed_drafts, "a merge left drafts unpublished");
        }
        seen.branch_made = None;
        seen.files.remove(&(model, None));
        let settle = Effect::SettleIntent {
            step: IntentStep::Branch,
            subject: branch,
            result: format!("{MERGED}{definition}"),
        };
        self.write_down(settle, seen)
            .await
            .map_err(|error| Failure::from(&error))
    }
}

/// The document stands in the folder now, whichever way it was seen elsewhere.
fn has_moved(seen: &mut Observed, slug: &str, folder: String) {
    if let Some(Some(found)) = seen.found.get_mut(slug) {
        found.folder_path = Some(folder.clone());
    }
    let work = seen.work.as_mut().filter(|work| work.slug == slug);
    if let Some(Some(copy)) = work.and_then(|work| work.copy.as_mut()) {
        copy.folder_path = Some(folder);
    }
}

/// The permits of a folder without this group's, which is about to be another.
fn own_permits<'a>(seen: &'a mut Observed, folder: String, group: &str) -> &'a mut Vec<FolderPermit> {
    seen.permits_changed = true;
    let permits = seen.permits.entry(folder).or_default();
    permits.retain(|it| it.user_group.as_deref() != Some(group));
    permits
}
