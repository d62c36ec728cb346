//! One effect at a time, each idempotent or written down before it is sent; and what it changes of what was seen.
//!
//! Nothing is read here for a decision. A creating call whose answer is lost ends the pass: the next one looks first.

use jiff::Timestamp;

use super::desired::Desired;
use super::observe::Observed;
use crate::ports::{
    CompleteVersion, DashboardRecord, DashboardRow, Failure, FolderPermit, ImportRequest, Intent, IntentStep, Mapping,
    MappingError, ModelFile, NewModel, Omni, OmniError, OmniErrorKind, RoleGrant, VersionChange,
};
use crate::resources::conditions::Reason;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Record the version under its number.
    RecordVersion,
    /// Keep one thing learned about the version.
    Change(VersionChange),
    /// Write down that a creating call will be sent.
    OpenIntent {
        /// What about.
        step: IntentStep,
        /// Which one.
        subject: String,
    },
    /// Write down what came of it.
    SettleIntent {
        /// What about.
        step: IntentStep,
        /// Which one.
        subject: String,
        /// What came of it.
        result: String,
    },
    /// Create the model, or the branch that its definition is built on.
    CreateModel(NewModel),
    /// Give a user group a role on the model.
    GrantRole {
        /// The user group.
        group: String,
        /// The model.
        model: String,
        /// Omni's word for the role.
        role: String,
    },
    /// Write one file of a model or a branch; an empty text removes it.
    PutFile {
        /// The model.
        model: String,
        /// The branch.
        branch: Option<String>,
        /// The file's name.
        name: String,
        /// Its text, and the checksum of what it replaces.
        file: ModelFile,
    },
    /// Merge the branch into the model.
    Merge {
        /// The model.
        model: String,
        /// The branch's name.
        branch: String,
    },
    /// Create a folder.
    CreateFolder {
        /// The path that it must get.
        path: String,
        /// Its name.
        name: String,
        /// The id of its parent.
        parent: Option<String>,
    },
    /// Give a user group a role in the folder.
    GrantFolder {
        /// The folder.
        folder: String,
        /// The user group.
        group: String,
        /// Omni's word for the role.
        role: String,
    },
    /// Take a user group's own permit on the folder away.
    RevokeFolder {
        /// The folder.
        folder: String,
        /// The user group.
        group: String,
    },
    /// Import a dashboard.
    Import {
        /// Its slug.
        slug: String,
        /// The body.
        request: Box<ImportRequest>,
    },
    /// Move a dashboard into the folder.
    Move {
        /// Its slug.
        slug: String,
        /// Its identifier.
        identifier: String,
        /// The folder's path.
        folder: String,
    },
    /// Mark a dashboard as whole.
    RecordDashboard(Box<DashboardRecord>),
    /// Write the rows and the mark.
    Complete(Vec<DashboardRow>),
}

/// What an effect needs.
pub(super) struct Hands<'a> {
    pub desired: &'a Desired,
    pub omni: &'a dyn Omni,
    pub mapping: &'a dyn Mapping,
    pub now: Timestamp,
}

impl Hands<'_> {
    /// Does one thing.
    ///
    /// # Errors
    /// Those of Omni and the mapping, as conditions tell them.
    pub(super) async fn act(&self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        match effect {
            Effect::CreateModel(_) | Effect::CreateFolder { .. } | Effect::Import { .. } => {
                self.create(effect, seen).await
            }
            Effect::GrantRole { .. }
            | Effect::PutFile { .. }
            | Effect::Merge { .. }
            | Effect::GrantFolder { .. }
            | Effect::RevokeFolder { .. }
            | Effect::Move { .. } => self.change_omni(effect, seen).await,
            ledger => self
                .write_down(ledger, seen)
                .await
                .map_err(|error| Failure::from(&error)),
        }
    }

    async fn write_down(&self, effect: Effect, seen: &mut Observed) -> Result<(), MappingError> {
        let version = self.desired.version;
        match effect {
            Effect::RecordVersion => {
                let record = self
                    .mapping
                    .record_version(version, &self.desired.source(), &self.desired.holder)
                    .await?;
                seen.versions.insert(version, record);
            }
            Effect::Change(change) => {
                self.mapping.change_version(version, &change).await?;
                if let Some(record) = seen.versions.get_mut(&version) {
                    change.apply_to(record);
                }
            }
            Effect::OpenIntent { step, subject } => {
                self.mapping.open_intent(version, step, &subject, self.now).await?;
                seen.unsent.insert((step, subject.clone()));
                self.keep_intent(seen, step, subject, None);
            }
            Effect::SettleIntent { step, subject, result } => {
                self.mapping
                    .settle_intent(version, step, &subject, self.now, &result)
                    .await?;
                self.keep_intent(seen, step, subject, Some(result));
            }
            Effect::RecordDashboard(dashboard) => {
                self.mapping.record_dashboard(version, &dashboard).await?;
                seen.work = None;
                seen.dashboards.insert(dashboard.slug.clone(), *dashboard);
            }
            Effect::Complete(rows) => {
                let complete = CompleteVersion {
                    version,
                    plan: self.desired.plan.clone(),
                    rows,
                };
                self.mapping.complete_version(&complete).await?;
                seen.rows = None;
                seen.completed = true;
                if let Some(record) = seen.versions.get_mut(&version) {
                    record.complete_at.get_or_insert(self.now);
                    record.plan.get_or_insert_with(|| complete.plan.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn keep_intent(&self, seen: &mut Observed, step: IntentStep, subject: String, result: Option<String>) {
        let intent = Intent {
            step,
            subject: subject.clone(),
            opened_at: self.now,
            result,
        };
        seen.intents.insert((step, subject), intent);
    }

    /// A creating call: sent once for one open intent. Where it surely had no effect the intent is taken back, so that
    /// nobody waits for what cannot come.
    async fn create(&self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        let (step, subject) = match &effect {
            Effect::CreateModel(NewModel::Shared { name, .. }) => (IntentStep::Model, name.clone()),
            Effect::CreateModel(NewModel::Branch { name, .. }) => (IntentStep::Branch, name.clone()),
            Effect::CreateFolder { path, .. } => (IntentStep::Folder, path.clone()),
            Effect::Import { slug, .. } => (IntentStep::Import, slug.clone()),
            _ => return Ok(()),
        };
        let key = (step, subject.clone());
        seen.unsent.remove(&key);
        match self.send(effect, seen).await {
            Ok(result) => match result {
                Some(result) => {
                    let settle = Effect::SettleIntent { step, subject, result };
                    self.write_down(settle, seen)
                        .await
                        .map_err(|error| Failure::from(&error))
                }
                None => Ok(()),
            },
            Err(error) => {
                let failure = refusal(step, &subject, &error);
                if !error.kind.effect_unknown() {
                    seen.intents.remove(&key);
                    let dropped = self.mapping.drop_intent(self.desired.version, step, &subject).await;
                    dropped.map_err(|error| Failure::from(&error))?;
                }
                if step == IntentStep::Import
                    && failure.stalled
                    && matches!(
                        error.kind,
                        OmniErrorKind::Refused { .. } | OmniErrorKind::Conflict { .. }
                    )
                {
                    // One dashboard that Omni refuses says nothing of the others.
                    seen.set_aside.insert(subject, (failure.reason, failure.message));
                    seen.work = None;
                    return Ok(());
                }
                Err(failure)
            }
        }
    }

    /// Sends a creating call; returns what its intent is settled with, if its answer proves it.
    async fn send(&self, effect: Effect, seen: &mut Observed) -> Result<Option<String>, OmniError> {
        match effect {
            Effect::CreateModel(model) => {
                let id = self.omni.create_model(&model).await?;
                match model {
                    NewModel::Shared { .. } => seen.model_is_new = true,
                    NewModel::Branch { .. } => seen.branch_made = Some(id.clone()),
                }
                Ok(Some(id))
            }
            Effect::CreateFolder { path, name, parent } => {
                let folder = self.omni.create_folder(&name, parent.as_deref()).await?;
                let id = folder.id.clone();
                if folder.path != path {
                    let detail = format!(
                        "Omni made the folder at {:?} instead, which is empty and can be deleted; choose another name",
                        folder.path
                    );
                    let kind = OmniErrorKind::Conflict { status: 201, detail };
                    return Err(OmniError {
                        operation: "POST /v1/folders",
                        object: path,
                        kind,
                    });
                }
                seen.folders.insert(path, Some(folder));
                Ok(Some(id))
            }
            Effect::Import { slug, request } => {
                let imported = self.omni.import(&request).await?;
                let work = seen.work(&slug);
                work.imported = Some((imported.identifier, imported.tiles));
                // Where it was asked for before the import, it was not there yet.
                work.copy = None;
                // Only the copy itself proves what was made, so its intent stays open until it is marked as whole.
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// A call that changes something and may be sent again without harm.
    async fn change_omni(&self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        self.send_change(effect, seen)
            .await
            .map_err(|error| Failure::from(&error))
    }

    async fn send_change(&self, effect: Effect, seen: &mut Observed) -> Result<(), OmniError> {
        match effect {
            Effect::GrantRole { group, model, role } => {
                self.omni.grant_role(&group, &model, &role).await?;
                let roles = seen.roles.entry(group).or_default();
                roles.retain(|it| it.model_id.as_ref() != Some(&model));
                let model_id = Some(model);
                roles.push(RoleGrant { role, model_id });
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
            Effect::Merge { model, branch } => {
                self.merge(&model, branch).await?;
                seen.merged = true;
                seen.branch_made = None;
                seen.files.remove(&(model, None));
            }
            Effect::GrantFolder { folder, group, role } => {
                self.omni.grant_folder(&folder, &group, &role).await?;
                let permits = seen.permits.get_or_insert_with(Vec::new);
                permits.retain(|it| it.user_group.as_ref() != Some(&group));
                let (user_group, user) = (Some(group), None);
                permits.push(FolderPermit { user_group, user, role });
            }
            Effect::RevokeFolder { folder, group } => {
                self.omni.revoke_folder(&folder, &group).await?;
                seen.permits
                    .get_or_insert_with(Vec::new)
                    .retain(|it| it.user_group.as_ref() != Some(&group));
            }
            Effect::Move {
                slug,
                identifier,
                folder,
            } => {
                self.omni.move_document(&identifier, &folder).await?;
                if let Some(Some(copy)) = &mut seen.work(&slug).copy {
                    copy.folder_path = Some(folder);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn merge(&self, model: &str, branch: String) -> Result<(), OmniError> {
        let message = format!("Version {} by Wavepin", self.desired.version);
        let merge = self.omni.merge_branch(model, &branch, &message).await?;
        if merge.failed_drafts == 0 {
            return Ok(());
        }
        let detail = format!("the merge left {} drafts unpublished", merge.failed_drafts);
        Err(OmniError {
            operation: "POST /v1/models/{id}/branch/{name}/merge",
            object: branch,
            kind: OmniErrorKind::Refused { status: 200, detail },
        })
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

impl VersionChange {
    /// Puts the change into a record that was read before.
    pub(super) fn apply_to(&self, record: &mut crate::ports::VersionRecord) {
        match self.clone() {
            Self::Holder(holder) => record.holder = holder,
            Self::Connection(id) => record.connection_id = Some(id),
            Self::Model(id) => record.model_id = Some(id),
            Self::Definition(hash) => record.definition = Some(hash),
            Self::Folder { id, path } => {
                record.folder_id = Some(id);
                record.folder_path = Some(path);
            }
            Self::SourceStamp(stamp) => record.source_stamp = Some(stamp),
        }
    }
}
