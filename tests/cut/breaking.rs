//! Adapters that can be broken off: after so many calls of either, every further one fails and has no effect, as if the
//! process had ended there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use wavepin::ports::{
    Claim, CompleteVersion, Connection, DashboardRecord, DashboardRow, DocumentRecord, EnvironmentView, Exported, Flip,
    FlipOutcome, FolderPermit, FolderRecord, Identity, ImportRequest, Imported, Intent, IntentStep, Mapping,
    MappingError, MappingErrorKind, Merge, ModelFile, ModelFiles, ModelRecord, NewModel, Omni, OmniError,
    OmniErrorKind, RoleGrant, RowRemoval, Shape, ValidationIssue, VersionChange, VersionRecord,
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

    /// Whether this call goes through, and whether its answer arrives.
    fn burn(&self) -> (bool, bool) {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            self.made.fetch_add(1, Ordering::SeqCst);
        }
        (left > 0, left > 1 || !self.deaf)
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
    async fn identity(&self) -> Result<Identity, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.identity().await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn connection(&self, id: &str) -> Result<Option<Connection>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.connection(id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn model(&self, id: &str) -> Result<Option<ModelRecord>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.model(id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn shared_models(&self, connection_id: &str) -> Result<Vec<ModelRecord>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.shared_models(connection_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn create_model(&self, model: &NewModel) -> Result<String, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.create_model(model).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn model_files(&self, model_id: &str, branch_id: Option<&str>) -> Result<ModelFiles, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.model_files(model_id, branch_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn put_model_file(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        file_name: &str,
        file: &ModelFile,
    ) -> Result<(), OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.put_model_file(model_id, branch_id, file_name, file).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn validate_model(&self, model_id: &str, branch_id: Option<&str>) -> Result<Vec<ValidationIssue>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.validate_model(model_id, branch_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn merge_branch(&self, model_id: &str, branch_name: &str, message: &str) -> Result<Merge, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.merge_branch(model_id, branch_name, message).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn group_roles(&self, user_group: &str) -> Result<Vec<RoleGrant>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.group_roles(user_group).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn grant_role(&self, user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.grant_role(user_group, model_id, role).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn folder(&self, path: &str) -> Result<Option<FolderRecord>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.folder(path).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn create_folder(&self, name: &str, parent_id: Option<&str>) -> Result<FolderRecord, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.create_folder(name, parent_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn folder_permits(&self, folder_id: &str) -> Result<Vec<FolderPermit>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.folder_permits(folder_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn grant_folder(&self, folder_id: &str, user_group: &str, role: &str) -> Result<(), OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.grant_folder(folder_id, user_group, role).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn revoke_folder(&self, folder_id: &str, user_group: &str) -> Result<(), OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.revoke_folder(folder_id, user_group).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn documents(&self, folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.documents(folder_id).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn all_documents(&self, most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.all_documents(most_pages).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn export(&self, identifier: &str) -> Result<Option<Exported>, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.export(identifier).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn import(&self, request: &ImportRequest) -> Result<Imported, OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.import(request).await;
        if arrives { answer } else { Err(no_omni()) }
    }

    async fn move_document(&self, identifier: &str, folder_path: &str) -> Result<(), OmniError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_omni());
        }
        let answer = self.inner.move_document(identifier, folder_path).await;
        if arrives { answer } else { Err(no_omni()) }
    }
}

#[async_trait]
impl Mapping for Broken<dyn Mapping> {
    async fn prepare(&self, owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.prepare(owner, take_from).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn versions(&self) -> Result<BTreeMap<i32, VersionRecord>, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.versions().await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn record_version(&self, version: i32, source: &str, holder: &str) -> Result<VersionRecord, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.record_version(version, source, holder).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn change_version(&self, version: i32, change: &VersionChange) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.change_version(version, change).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn intents(&self, version: i32) -> Result<Vec<Intent>, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.intents(version).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn open_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.open_intent(version, step, subject, at).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn settle_intent(
        &self,
        version: i32,
        step: IntentStep,
        subject: &str,
        at: Timestamp,
        result: &str,
    ) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.settle_intent(version, step, subject, at, result).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn drop_intent(&self, version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.drop_intent(version, step, subject).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn dashboards(&self, version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.dashboards(version).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn record_dashboard(&self, version: i32, dashboard: &DashboardRecord) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.record_dashboard(version, dashboard).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn rows(&self, version: i32) -> Result<Vec<DashboardRow>, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.rows(version).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn complete_version(&self, complete: &CompleteVersion) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.complete_version(complete).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn tenants_by_version(&self) -> Result<BTreeMap<i32, u64>, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.tenants_by_version().await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn environment(&self, environment: &str, evidence: &[String]) -> Result<EnvironmentView, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.environment(environment, evidence).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn set_claims(&self, environment: &str, claims: &[Claim]) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.set_claims(environment, claims).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn release_claims(&self, environment: &str, tenants: &[String]) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.release_claims(environment, tenants).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn record_outside(
        &self,
        environment: &str,
        changes: &[(String, Option<i32>, Option<i32>, i32)],
    ) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.record_outside(environment, changes).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn flip(&self, flip: &Flip) -> Result<FlipOutcome, MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.flip(flip).await;
        if arrives { answer } else { Err(no_mapping()) }
    }

    async fn remove_rows(&self, environment: &str, rows: &[RowRemoval]) -> Result<(), MappingError> {
        let (goes, arrives) = self.fuse.burn();
        if !goes {
            return Err(no_mapping());
        }
        let answer = self.inner.remove_rows(environment, rows).await;
        if arrives { answer } else { Err(no_mapping()) }
    }
}
