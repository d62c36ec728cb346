//! One effect at a time, each idempotent or written down before it is sent; and what it changes of what was seen.
//!
//! Nothing is read here for a decision. A creating call whose answer is lost ends the pass: the next one looks first.

mod access;
mod change;
mod create;
mod git;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::decide::SENT_WITHIN;
use super::desired::Desired;
use super::observe::{Observed, Route};
use super::repositories::Repositories;
use crate::ports::{
    Clock, CompleteVersion, DashboardRecord, DashboardRow, DocumentRequest, Failure, FoundReport, GitSettings, Grantee,
    ImportRequest, Intent, IntentStep, Mapping, MappingError, MappingErrorKind, Migration, ModelFile, NewModel, Omni,
    Reservation, VersionChange,
};

/// What a folder's intent is settled with where Omni made it elsewhere; the path that it has follows.
pub(super) const MISPLACED: &str = "misplaced ";
/// What the closure's intent begins with once the folder was opened again: what is imported after that needs it closed.
pub(super) const OPENED: &str = "opened\n";
/// What a branch's intent is settled with once it is merged; the name of the definition follows.
pub(super) const MERGED: &str = "merged ";
/// What an import's intent is settled with where its answer does not tell the identifier; no identifier looks like it.
pub(super) const UNREAD: &str = "?";

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Record the version under its number.
    RecordVersion,
    /// Keep one thing learned about the version.
    Change(VersionChange),
    /// Keep what validation found.
    RecordFound(Box<FoundReport>),
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
        /// The name of the definition that is merged, for the mark that it was.
        definition: String,
    },
    /// Copy the directory of the source's model in its repository.
    CopyDirectory {
        /// From where to where.
        route: Box<Route>,
        /// The commit whose directory is copied.
        commit: String,
    },
    /// Give the model Git settings: these.
    LinkGit {
        /// The model.
        model: String,
        /// The settings.
        settings: Box<GitSettings>,
    },
    /// Bring the model and its directory to the same state.
    SyncGit {
        /// The model.
        model: String,
    },
    /// Put what the source's repository holds in the place of the model's definition.
    Migrate {
        /// The source's model.
        source: String,
        /// What is copied where.
        migration: Box<Migration>,
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
        /// It has a permit there already.
        change: bool,
        /// The folder's path, where it shuts the group out for a closure that is written down.
        closes: Option<String>,
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
    /// Create a dashboard by the newer documents API.
    CreateDocument {
        /// Its slug.
        slug: String,
        /// The body.
        request: Box<DocumentRequest>,
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
    /// Put labels on a dashboard.
    Label {
        /// Its slug.
        slug: String,
        /// Its identifier.
        identifier: String,
        /// The labels.
        labels: BTreeSet<String>,
    },
    /// Give groups and users a role on a dashboard of its own.
    GrantDocument {
        /// Its identifier.
        identifier: String,
        /// Who.
        grantees: BTreeSet<Grantee>,
        /// Omni's word for the role.
        role: String,
        /// They have a permit there already.
        change: bool,
    },
    /// Set what a dashboard lets those do who may open it.
    SetDocument {
        /// Its identifier.
        identifier: String,
        /// The settings.
        settings: BTreeMap<String, bool>,
    },
    /// Mark a dashboard as whole.
    RecordDashboard(Box<DashboardRecord>),
    /// Write the rows and the mark.
    Complete(Vec<DashboardRow>),
}

impl Effect {
    /// What is done, in measures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RecordVersion => "record_version",
            Self::Change(_) => "record_change",
            Self::RecordFound(_) => "record_found",
            Self::OpenIntent { .. } => "open_intent",
            Self::SettleIntent { .. } => "settle_intent",
            Self::CreateModel(_) => "create_model",
            Self::GrantRole { .. } => "grant_role",
            Self::PutFile { .. } => "put_file",
            Self::Merge { .. } => "merge",
            Self::CopyDirectory { .. } => "copy_directory",
            Self::LinkGit { .. } => "link_git",
            Self::SyncGit { .. } => "sync_git",
            Self::Migrate { .. } => "migrate",
            Self::CreateFolder { .. } => "create_folder",
            Self::GrantFolder { .. } => "grant_folder",
            Self::RevokeFolder { .. } => "revoke_folder",
            Self::Import { .. } => "import",
            Self::CreateDocument { .. } => "create_document",
            Self::Move { .. } => "move",
            Self::Label { .. } => "label",
            Self::GrantDocument { .. } => "grant_document",
            Self::SetDocument { .. } => "set_document",
            Self::RecordDashboard(_) => "record_dashboard",
            Self::Complete(_) => "complete",
        }
    }

    /// It keeps for good how far the version is: a pass may end behind it without having to see everything again.
    #[must_use]
    pub const fn keeps_progress(&self) -> bool {
        matches!(
            self,
            Self::Change(_)
                | Self::RecordDashboard(_)
                | Self::PutFile { branch: Some(_), .. }
                | Self::SettleIntent {
                    step: IntentStep::Queries | IntentStep::Access | IntentStep::Tenant,
                    ..
                }
        )
    }
}

/// What an effect needs.
pub(super) struct Hands<'a> {
    pub desired: &'a Desired,
    pub repositories: Repositories<'a>,
    pub omni: &'a dyn Omni,
    pub mapping: &'a dyn Mapping,
    pub clock: &'a dyn Clock,
    /// The place in the budget for the call whose intent is open.
    pub place: &'a mut Option<Reservation>,
}

impl Hands<'_> {
    /// Does one thing.
    ///
    /// # Errors
    /// Those of Omni and the mapping, as conditions tell them.
    pub(super) async fn act(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), Failure> {
        match effect {
            Effect::CreateModel(_)
            | Effect::CreateFolder { .. }
            | Effect::Import { .. }
            | Effect::CreateDocument { .. } => self.create(effect, seen).await,
            Effect::GrantRole { .. } | Effect::PutFile { .. } | Effect::RevokeFolder { .. } | Effect::Move { .. } => {
                self.change_omni(effect, seen).await
            }
            Effect::GrantFolder { .. } => self.grant_folder(effect, seen).await,
            Effect::Merge { .. } => self.merge(effect, seen).await,
            Effect::CopyDirectory { route, commit } => self.copy_directory(&route, &commit, seen).await,
            Effect::LinkGit { model, settings } => self.link_git(model, *settings, seen).await,
            Effect::SyncGit { model } => self.sync_git(model, seen).await,
            Effect::Migrate { source, migration } => self.migrate(&source, &migration, seen).await,
            Effect::Label { .. } => self.label(effect, seen).await,
            Effect::GrantDocument { .. } | Effect::SetDocument { .. } => self
                .open_document(effect, seen)
                .await
                .map_err(|error| Failure::from(&error)),
            ledger => self
                .write_down(ledger, seen)
                .await
                .map_err(|error| Failure::from(&error)),
        }
    }

    async fn write_down(&mut self, effect: Effect, seen: &mut Observed) -> Result<(), MappingError> {
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
            Effect::RecordFound(report) => {
                self.mapping.record_found(version, &report).await?;
                if let Some(record) = seen.versions.get_mut(&version) {
                    record.found = Some(report.summary);
                }
            }
            Effect::OpenIntent { step, subject } => self.open_intent(step, subject, seen).await?,
            Effect::SettleIntent { step, subject, result } => {
                seen.opening |= step == IntentStep::Closure && result.starts_with(OPENED);
                let known = seen.intents.get(&(step, subject.clone()));
                let at = known.map_or_else(|| self.clock.now(), |intent| intent.opened_at);
                self.mapping.settle_intent(version, step, &subject, at, &result).await?;
                seen.unsent.remove(&(step, subject.clone()));
                keep_intent(seen, step, subject, at, Some(result));
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
                    record.complete_at.get_or_insert(self.clock.now());
                    record.plan.get_or_insert_with(|| complete.plan.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The place in the budget first: the intent's time is the time of sending, and a place may be long in coming. An
    /// intent whose writing took longer than its call may wait is taken back: the next would be as late.
    async fn open_intent(
        &mut self,
        step: IntentStep,
        subject: String,
        seen: &mut Observed,
    ) -> Result<(), MappingError> {
        let version = self.desired.version;
        if self.place.is_none() {
            *self.place = Some(self.omni.reserve().await?);
        }
        let now = self.clock.now();
        self.mapping.open_intent(version, step, &subject, now).await?;
        if now.checked_add(SENT_WITHIN).is_ok_and(|at| at < self.clock.now()) {
            self.mapping.drop_intent(version, step, &subject).await?;
            let why = "writing it took longer than a call may wait for it".to_owned();
            return Err(MappingError {
                action: format!("write down that {subject:?} is being made"),
                kind: MappingErrorKind::Unreachable { why },
            });
        }
        seen.unsent.insert((step, subject.clone()));
        keep_intent(seen, step, subject, now, None);
        Ok(())
    }
}

fn keep_intent(seen: &mut Observed, step: IntentStep, subject: String, opened_at: Timestamp, result: Option<String>) {
    let intent = Intent {
        step,
        subject: subject.clone(),
        opened_at,
        result,
    };
    seen.intents.insert((step, subject), intent);
}

impl VersionChange {
    /// Puts the change into a record that was read before.
    pub(crate) fn apply_to(&self, record: &mut crate::ports::VersionRecord) {
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
            Self::ModelState(state) => record.model_state = Some(state),
            Self::Evidence(evidence) => record.evidence = Some(*evidence),
            Self::EnvironmentEvidence { environment, evidence } => {
                record.environments.insert(environment, *evidence);
            }
        }
    }
}
