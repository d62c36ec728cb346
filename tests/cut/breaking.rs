//! Adapters that can be broken off: after so many calls of either, every further one fails and has no effect, as if the
//! process had ended there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use wavepin::ports::{
    Claim, CompleteVersion, Connection, Contract, DashboardRecord, DashboardRow, DocumentRecord, EnvironmentView,
    Exported, Flip, FlipOutcome, FolderPermit, FolderRecord, Identity, ImportRequest, Imported, Intent, IntentStep,
    Mapping, MappingError, MappingErrorKind, Merge, ModelFile, ModelFiles, ModelRecord, NewModel, Omni, OmniError,
    OmniErrorKind, Organization, Reservation, RoleGrant, RowRemoval, Shape, Standing, ValidationIssue, VersionChange,
    VersionRecord,
};

/// How many calls still go through, and what the last one of them gives back.
pub struct Fuse {
    left: AtomicI64,
    made: AtomicU64,
    /// The last call takes effect, but its caller never hears of it.
    deaf: bool,
}

impl Fuse {
    pub fn never() -> Arc<Self> {
        Self::after(i64::MAX, false)
    }

    pub fn after(calls: i64, deaf: bool) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicI64::new(calls),
            made: AtomicU64::new(0),
            deaf,
        })
    }

    /// How many calls went through.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Whether it blew.
    pub fn blown(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    /// Lets a call through, or not, or not its answer. A call that is not awaited has no effect.
    async fn pass<T, E>(&self, broken: fn() -> E, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left <= 0 {
            return Err(broken());
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        let answer = call.await;
        if left == 1 && self.deaf { Err(broken()) } else { answer }
    }
}

/// An adapter behind a fuse.
pub struct Broken<T: ?Sized> {
    inner: Arc<T>,
    fuse: Arc<Fuse>,
}

impl<T: ?Sized> Broken<T> {
    pub fn new(inner: Arc<T>, fuse: Arc<Fuse>) -> Self {
        Self { inner, fuse }
    }
}

fn no_omni() -> OmniError {
    OmniError {
        operation: "any",
        object: "any".into(),
        kind: OmniErrorKind::Unreachable {
            why: "broken off".into(),
        },
    }
}

fn no_mapping() -> MappingError {
    MappingError {
        action: "do anything".into(),
        kind: MappingErrorKind::Unreachable {
            why: "broken off".into(),
        },
    }
}

#[async_trait]
impl Omni for Broken<dyn Omni> {
    async fn reserve(&self) -> Result<Reservation, MappingError> {
        self.inner.reserve().await
    }

    async fn identity(&self) -> Result<Identity, OmniError> {
        self.fuse.pass(no_omni, self.inner.identity()).await
    }

    async fn contract(&self) -> Result<Option<Contract>, OmniError> {
        self.fuse.pass(no_omni, self.inner.contract()).await
    }

    fn standing(&self) -> &Standing {
        self.inner.standing()
    }

    async fn connection_ids(&self) -> Result<BTreeSet<String>, OmniError> {
        self.fuse.pass(no_omni, self.inner.connection_ids()).await
    }

    async fn connection(&self, id: &str) -> Result<Option<Connection>, OmniError> {
        self.fuse.pass(no_omni, self.inner.connection(id)).await
    }

    async fn model(&self, id: &str) -> Result<Option<ModelRecord>, OmniError> {
        self.fuse.pass(no_omni, self.inner.model(id)).await
    }

    async fn shared_models(&self, connection_id: &str) -> Result<Vec<ModelRecord>, OmniError> {
        self.fuse.pass(no_omni, self.inner.shared_models(connection_id)).await
    }

    async fn shared_models_lately(&self, connection_id: &str, age: Duration) -> Result<Vec<ModelRecord>, OmniError> {
        let call = self.inner.shared_models_lately(connection_id, age);
        self.fuse.pass(no_omni, call).await
    }

    async fn create_model(&self, model: &NewModel, place: Reservation) -> Result<String, OmniError> {
        self.fuse.pass(no_omni, self.inner.create_model(model, place)).await
    }

    async fn model_files(&self, model_id: &str, branch_id: Option<&str>) -> Result<ModelFiles, OmniError> {
        self.fuse
            .pass(no_omni, self.inner.model_files(model_id, branch_id))
            .await
    }

    async fn put_model_file(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        file_name: &str,
        file: &ModelFile,
    ) -> Result<(), OmniError> {
        self.fuse
            .pass(no_omni, self.inner.put_model_file(model_id, branch_id, file_name, file))
            .await
    }

    async fn validate_model(&self, model_id: &str, branch_id: Option<&str>) -> Result<Vec<ValidationIssue>, OmniError> {
        self.fuse
            .pass(no_omni, self.inner.validate_model(model_id, branch_id))
            .await
    }

    async fn merge_branch(&self, model_id: &str, branch_name: &str, message: &str) -> Result<Merge, OmniError> {
        self.fuse
            .pass(no_omni, self.inner.merge_branch(model_id, branch_name, message))
            .await
    }

    async fn group_roles(&self, user_group: &str) -> Result<Vec<RoleGrant>, OmniError> {
        self.fuse.pass(no_omni, self.inner.group_roles(user_group)).await
    }

    async fn grant_role(&self, user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError> {
        self.fuse
            .pass(no_omni, self.inner.grant_role(user_group, model_id, role))
            .await
    }

    async fn folder(&self, path: &str) -> Result<Option<FolderRecord>, OmniError> {
        self.fuse.pass(no_omni, self.inner.folder(path)).await
    }

    async fn create_folder(
        &self,
        name: &str,
        parent_id: Option<&str>,
        place: Reservation,
    ) -> Result<FolderRecord, OmniError> {
        self.fuse
            .pass(no_omni, self.inner.create_folder(name, parent_id, place))
            .await
    }

    async fn folder_permits(&self, folder_id: &str) -> Result<Vec<FolderPermit>, OmniError> {
        self.fuse.pass(no_omni, self.inner.folder_permits(folder_id)).await
    }

    async fn grant_folder(&self, folder_id: &str, user_group: &str, role: &str) -> Result<(), OmniError> {
        self.fuse
            .pass(no_omni, self.inner.grant_folder(folder_id, user_group, role))
            .await
    }

    async fn change_folder_grant(&self, folder_id: &str, user_group: &str, role: &str) -> Result<(), OmniError> {
        let call = self.inner.change_folder_grant(folder_id, user_group, role);
        self.fuse.pass(no_omni, call).await
    }

    async fn revoke_folder(&self, folder_id: &str, user_group: &str) -> Result<(), OmniError> {
        self.fuse
            .pass(no_omni, self.inner.revoke_folder(folder_id, user_group))
            .await
    }

    async fn documents(&self, folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError> {
        self.fuse.pass(no_omni, self.inner.documents(folder_id)).await
    }

    async fn all_documents(&self, most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError> {
        self.fuse.pass(no_omni, self.inner.all_documents(most_pages)).await
    }

    async fn export(&self, identifier: &str) -> Result<Option<Exported>, OmniError> {
        self.fuse.pass(no_omni, self.inner.export(identifier)).await
    }

    async fn import(&self, request: &ImportRequest, place: Reservation) -> Result<Imported, OmniError> {
        self.fuse.pass(no_omni, self.inner.import(request, place)).await
    }

    async fn move_document(&self, identifier: &str, folder_path: &str) -> Result<(), OmniError> {
        self.fuse
            .pass(no_omni, self.inner.move_document(identifier, folder_path))
            .await
    }
}

#[async_trait]
impl Mapping for Broken<dyn Mapping> {
    async fn prepare(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError> {
        self.fuse.pass(no_mapping, self.inner.prepare(owner, take_from)).await
    }

    async fn organization(&self) -> Result<Option<Organization>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.organization()).await
    }

    async fn record_organization(&self, organization: &Organization) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.record_organization(organization))
            .await
    }

    async fn versions(&self) -> Result<BTreeMap<i32, VersionRecord>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.versions()).await
    }

    async fn record_version(&self, version: i32, source: &str, holder: &str) -> Result<VersionRecord, MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.record_version(version, source, holder))
            .await
    }

    async fn change_version(&self, version: i32, change: &VersionChange) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.change_version(version, change))
            .await
    }

    async fn intents(&self, version: i32) -> Result<Vec<Intent>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.intents(version)).await
    }

    async fn open_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.open_intent(version, step, subject, at))
            .await
    }

    async fn settle_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
        result: &str,
    ) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.settle_intent(version, step, subject, at, result))
            .await
    }

    async fn drop_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.drop_intent(version, step, subject))
            .await
    }

    async fn dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.dashboards(version)).await
    }

    async fn record_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.record_dashboard(version, dashboard))
            .await
    }

    async fn rows(&self, version: i32) -> Result<Vec<DashboardRow>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.rows(version)).await
    }

    async fn complete_version(&self, complete: &CompleteVersion) -> Result<(), MappingError> {
        self.fuse.pass(no_mapping, self.inner.complete_version(complete)).await
    }

    async fn tenants_by_version(&self) -> Result<BTreeMap<i32, u64>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.tenants_by_version()).await
    }

    async fn claimed_environments(&self) -> Result<BTreeSet<String>, MappingError> {
        self.fuse.pass(no_mapping, self.inner.claimed_environments()).await
    }

    async fn environment(&self, environment: &str, evidence: &[String]) -> Result<EnvironmentView, MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.environment(environment, evidence))
            .await
    }

    async fn set_claims(&self, environment: &str, claims: &[Claim]) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.set_claims(environment, claims))
            .await
    }

    async fn release_claims(&self, environment: &str, tenants: &[String]) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.release_claims(environment, tenants))
            .await
    }

    async fn record_outside(
        &self,
        environment: &str,
        changes: &[(String, Option<i32>, Option<i32>, i32)],
    ) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.record_outside(environment, changes))
            .await
    }

    async fn flip(&self, flip: &Flip) -> Result<FlipOutcome, MappingError> {
        self.fuse.pass(no_mapping, self.inner.flip(flip)).await
    }

    async fn remove_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), MappingError> {
        self.fuse
            .pass(no_mapping, self.inner.remove_rows(environment, rows))
            .await
    }
}
