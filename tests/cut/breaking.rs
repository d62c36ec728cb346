//! Adapters in which a process can be stopped at any call, told by its number, as the end of a process or a freeze would
//! stop it: before the call is sent, while it is under way, or with its answer unread. Or its lines can be cut from some
//! call on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Notify;
use wavepin::ports::{
    Ask, Budget, ChannelNote, CheckResult, Claim, Command, CompleteVersion, Connection, Contract, Copied, CopyRequest,
    DashboardRecord, DashboardRow, Directory, DocumentFindings, DocumentPermit, DocumentRecord, DocumentRequest,
    EnvironmentView, Exported, Flip, FlipOutcome, FolderPermit, FolderRecord, FoundLine, FoundReport, GitLink,
    GitSettings, GitSync, Grantee, History, HistoryAsk, Identity, ImportRequest, Imported, Intent, IntentStep, Mapping,
    MappingError, MappingErrorKind, Merge, Migration, ModelFile, ModelFiles, ModelRecord, ModelRepository, NewModel,
    Omni, OmniError, OmniErrorKind, Organization, Place, PublishedRead, QueryAnswer, QueryAsk, RepositoryError,
    RepositoryErrorKind, Reservation, Return, Revision, RoleGrant, RolloutEvent, RowRemoval, Scheduled, Shape,
    Standing, Told, ValidationIssue, VersionChange, VersionRecord,
};
use wavepin::resources::TenantTable;

/// Where in a call a process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Nothing left the process.
    BeforeSend,
    /// The request is under way: it takes effect later, and nobody may hear of it.
    UnderWay,
    /// The answer is there, and nothing was made of it yet.
    Answered,
}

impl Point {
    pub const ALL: [Self; 3] = [Self::BeforeSend, Self::UnderWay, Self::Answered];
}

/// What lies beyond a boundary of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Omni,
    Mapping,
    /// The repository of the models.
    Git,
    /// Whoever keeps statuses.
    Status,
}

/// One recorded call.
#[derive(Debug, Clone)]
pub struct Boundary {
    pub beyond: Beyond,
    pub what: String,
}

/// The calls of one process in their order, and the one at which it is stopped.
#[derive(Default)]
pub struct Fuse {
    calls: Mutex<Vec<Boundary>>,
    stop: Option<(usize, Point)>,
    /// From this call on everything fails, without effect.
    cut: Option<usize>,
    meanwhile: Option<Meanwhile>,
    /// Stopped where it cannot wait: its next call does.
    halted: AtomicBool,
    reached: Notify,
    released: Notify,
    effective: Notify,
    woken: Notify,
}

/// What happens meanwhile: a request of a process that was stopped takes effect, or that process wakes.
pub struct Meanwhile {
    /// At which call of this process; at the latest before time passes, or it rests.
    pub at_call: usize,
    pub event: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Fuse {
    pub fn never() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Lets so many calls through; every further one fails and has no effect.
    pub fn after(calls: usize) -> Arc<Self> {
        let cut = Some(calls);
        Arc::new(Self { cut, ..Self::default() })
    }

    /// Stops its process at the call with this number, counted from none.
    pub fn at(call: usize, point: Point) -> Arc<Self> {
        let stop = Some((call, point));
        Arc::new(Self {
            stop,
            ..Self::default()
        })
    }

    /// Stops nothing, and lets something happen in between.
    pub fn with(at_call: usize, event: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let event = Mutex::new(Some(event.boxed()));
        let meanwhile = Some(Meanwhile { at_call, event });
        Arc::new(Self {
            meanwhile,
            ..Self::default()
        })
    }

    /// Whether a call failed because of it.
    pub fn blown(&self) -> bool {
        self.cut.is_some_and(|cut| self.calls.lock().unwrap().len() > cut)
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Boundary> {
        self.calls.lock().unwrap().clone()
    }

    /// Comes when the process stands at its call.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the request that was under way take effect.
    pub async fn arrive(&self) {
        self.released.notify_one();
        self.effective.notified().await;
    }

    /// Lets a stopped process go on.
    pub fn wake(&self) {
        self.released.notify_one();
        self.woken.notify_one();
    }

    /// What is to happen meanwhile happens now, if it did not yet.
    pub async fn meanwhile(&self) {
        let event = self.meanwhile.as_ref().and_then(|it| it.event.lock().unwrap().take());
        if let Some(event) = event {
            event.await;
        }
    }

    fn count(&self, beyond: Beyond, what: String) -> usize {
        let mut calls = self.calls.lock().unwrap();
        calls.push(Boundary { beyond, what });
        calls.len() - 1
    }

    /// A status is written. It has no answer that anything would follow from, so a process that is stopped there is
    /// stopped before its next call.
    pub fn status(&self, what: &str) {
        let call = self.count(Beyond::Status, what.to_owned());
        if self.stop.is_some_and(|(at, _)| at == call) {
            self.halted.store(true, Ordering::SeqCst);
            self.reached.notify_one();
        }
    }

    /// Lets a call through, as far as it goes. `send` is told whether the request left the process before it was
    /// stopped: then nothing can hold it back any more.
    async fn pass<T: Fails, F: Future<Output = T>>(
        &self,
        beyond: Beyond,
        what: String,
        send: impl FnOnce(bool) -> F,
    ) -> T {
        if self.halted.swap(false, Ordering::SeqCst) {
            self.woken.notified().await;
        }
        let call = self.count(beyond, what);
        if self.cut.is_some_and(|cut| call >= cut) {
            return T::broken_off();
        }
        if self.meanwhile.as_ref().is_some_and(|it| it.at_call <= call) {
            self.meanwhile().await;
        }
        match self.stop {
            Some((at, point)) if at == call => match point {
                Point::BeforeSend => {
                    self.reached.notify_one();
                    self.woken.notified().await;
                    send(false).await
                }
                Point::UnderWay => {
                    self.reached.notify_one();
                    self.released.notified().await;
                    let answer = send(true).await;
                    self.effective.notify_one();
                    self.woken.notified().await;
                    answer
                }
                Point::Answered => {
                    let answer = send(false).await;
                    self.reached.notify_one();
                    self.woken.notified().await;
                    answer
                }
            },
            _ => send(false).await,
        }
    }
}

/// What a call answers whose line is cut.
trait Fails {
    fn broken_off() -> Self;
}

impl<T> Fails for Result<T, OmniError> {
    fn broken_off() -> Self {
        let why = "broken off".to_owned();
        Err(OmniError {
            operation: "any",
            object: "any".into(),
            kind: OmniErrorKind::Unreachable { why },
        })
    }
}

impl<T> Fails for Result<T, MappingError> {
    fn broken_off() -> Self {
        let why = "broken off".to_owned();
        Err(MappingError {
            action: "do anything".into(),
            kind: MappingErrorKind::Unreachable { why },
        })
    }
}

impl<T> Fails for Result<T, RepositoryError> {
    fn broken_off() -> Self {
        Err(RepositoryError {
            action: "do anything".into(),
            repository: "any".into(),
            kind: RepositoryErrorKind::Unreachable {
                why: "broken off".to_owned(),
                source: "broken off".into(),
            },
        })
    }
}

/// An adapter behind a fuse.
pub struct Broken<T: ?Sized> {
    inner: Arc<T>,
    /// The same without what is checked right before a send.
    sent: Arc<T>,
    fuse: Arc<Fuse>,
}

impl<T: ?Sized> Broken<T> {
    pub fn new(inner: Arc<T>, sent: Arc<T>, fuse: Arc<Fuse>) -> Self {
        Self { inner, sent, fuse }
    }
}

/// Implements a port by an adapter behind a fuse, a line a call: the port has no call with a body of its own, so that a
/// new one does not compile before it is here.
macro_rules! behind_a_fuse {
    ($port:ident, $beyond:expr, { $($no_call:item)* } $(fn $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl $port for Broken<dyn $port> {
            $($no_call)*

            $(async fn $name(&self, $($arg: $type),*) -> $answer {
                let send = |sent: bool| (if sent { &self.sent } else { &self.inner }).$name($($arg),*);
                self.fuse.pass($beyond, stringify!($name).to_owned(), send).await
            })+
        }
    };
}

behind_a_fuse! {
    Omni, Beyond::Omni, {
        fn standing(&self) -> &Standing {
            self.inner.standing()
        }
    }
    fn reserve() -> Result<Reservation, MappingError>;
    fn contract() -> Result<Option<Contract>, OmniError>;
    fn connection_ids() -> Result<BTreeSet<String>, OmniError>;
    fn identity() -> Result<Identity, OmniError>;
    fn connection(id: &str) -> Result<Option<Connection>, OmniError>;
    fn model(id: &str) -> Result<Option<ModelRecord>, OmniError>;
    fn shared_models(connection_id: &str) -> Result<Vec<ModelRecord>, OmniError>;
    fn shared_models_lately(connection_id: &str, age: Duration) -> Result<Vec<ModelRecord>, OmniError>;
    fn schema_models_lately(age: Duration) -> Result<Vec<ModelRecord>, OmniError>;
    fn environment_connections(connection_id: &str) -> Result<BTreeSet<String>, OmniError>;
    fn create_model(model: &NewModel, place: Reservation) -> Result<String, OmniError>;
    fn model_files(model_id: &str, branch_id: Option<&str>) -> Result<ModelFiles, OmniError>;
    fn combined_files(model_id: &str) -> Result<ModelFiles, OmniError>;
    fn put_model_file(model_id: &str, branch_id: Option<&str>, file_name: &str, file: &ModelFile) -> Result<(), OmniError>;
    fn validate_model(model_id: &str, branch_id: Option<&str>) -> Result<Vec<ValidationIssue>, OmniError>;
    fn validate_content(model_id: &str) -> Result<Vec<DocumentFindings>, OmniError>;
    fn query(ask: &QueryAsk) -> Result<QueryAnswer, OmniError>;
    fn label_document(identifier: &str, labels: &BTreeSet<String>) -> Result<(), OmniError>;
    fn embed_user(external_id: &str) -> Result<Option<String>, OmniError>;
    fn git_settings(model_id: &str) -> Result<Option<GitSettings>, OmniError>;
    fn link_git(model_id: &str, link: &GitLink) -> Result<bool, OmniError>;
    fn sync_git(model_id: &str, message: &str) -> Result<GitSync, OmniError>;
    fn migrate_model(source_id: &str, migration: &Migration, place: Reservation) -> Result<(), OmniError>;
    fn merge_branch(model_id: &str, branch_name: &str, message: &str) -> Result<Merge, OmniError>;
    fn group_roles(user_group: &str) -> Result<Vec<RoleGrant>, OmniError>;
    fn user_groups() -> Result<BTreeSet<String>, OmniError>;
    fn grant_role(user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError>;
    fn folder(path: &str) -> Result<Option<FolderRecord>, OmniError>;
    fn create_folder(name: &str, parent_id: Option<&str>, place: Reservation) -> Result<FolderRecord, OmniError>;
    fn folder_permits(folder_id: &str) -> Result<Vec<FolderPermit>, OmniError>;
    fn grant_folder(folder_id: &str, user_group: &str, role: &str, place: Reservation) -> Result<(), OmniError>;
    fn change_folder_grant(folder_id: &str, user_group: &str, role: &str, place: Reservation) -> Result<bool, OmniError>;
    fn revoke_folder(folder_id: &str, user_group: &str) -> Result<(), OmniError>;
    fn documents(folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError>;
    fn all_documents(most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError>;
    fn export(identifier: &str) -> Result<Option<Exported>, OmniError>;
    fn import(request: &ImportRequest, place: Reservation) -> Result<Imported, OmniError>;
    fn document_permits(identifier: &str) -> Result<Vec<DocumentPermit>, OmniError>;
    fn grant_document(identifier: &str, grantees: &BTreeSet<Grantee>, role: &str) -> Result<(), OmniError>;
    fn change_document_grant(identifier: &str, grantees: &BTreeSet<Grantee>, role: &str) -> Result<(), OmniError>;
    fn document_settings(identifier: &str, membership_id: &str) -> Result<Option<BTreeMap<String, bool>>, OmniError>;
    fn set_document(identifier: &str, settings: &BTreeMap<String, bool>) -> Result<(), OmniError>;
    fn schedules(most_pages: usize) -> Result<Option<Vec<Scheduled>>, OmniError>;
    fn published(identifier: &str) -> Result<Option<PublishedRead>, OmniError>;
    fn create_document(request: &DocumentRequest, place: Reservation) -> Result<Option<String>, OmniError>;
    fn move_document(identifier: &str, folder_path: &str) -> Result<(), OmniError>;
}

behind_a_fuse! {
    ModelRepository, Beyond::Git, {}
    fn head(branch: &str) -> Result<String, RepositoryError>;
    fn tree(at: &Revision, path: &str) -> Result<Option<String>, RepositoryError>;
    fn directory(at: &Revision, path: &str) -> Result<Option<Directory>, RepositoryError>;
    fn copy_directory(request: &CopyRequest) -> Result<Copied, RepositoryError>;
}

behind_a_fuse! {
    Mapping, Beyond::Mapping, {}
    fn organization() -> Result<Option<Organization>, MappingError>;
    fn record_organization(organization: &Organization) -> Result<(), MappingError>;
    fn prepare(owner: &str, take_from: Option<&str>) -> Result<Shape, MappingError>;
    fn versions() -> Result<BTreeMap<i32, VersionRecord>, MappingError>;
    fn record_version(version: i32, source: &str, holder: &str) -> Result<VersionRecord, MappingError>;
    fn change_version(version: i32, change: &VersionChange) -> Result<(), MappingError>;
    fn found(version: i32) -> Result<Vec<FoundLine>, MappingError>;
    fn record_found(version: i32, report: &FoundReport) -> Result<(), MappingError>;
    fn intents(version: i32) -> Result<Vec<Intent>, MappingError>;
    fn open_intent(version: i32, step: IntentStep, subject: &str, at: Timestamp) -> Result<(), MappingError>;
    fn settle_intent(version: i32, step: IntentStep, subject: &str, at: Timestamp, result: &str) -> Result<(), MappingError>;
    fn drop_intent(version: i32, step: IntentStep, subject: &str) -> Result<(), MappingError>;
    fn dashboards(version: i32) -> Result<BTreeMap<String, DashboardRecord>, MappingError>;
    fn record_dashboard(version: i32, dashboard: &DashboardRecord) -> Result<(), MappingError>;
    fn rows(version: i32) -> Result<Vec<DashboardRow>, MappingError>;
    fn complete_version(complete: &CompleteVersion) -> Result<(), MappingError>;
    fn tenants_by_version() -> Result<BTreeMap<i32, u64>, MappingError>;
    fn tended_environments() -> Result<BTreeSet<String>, MappingError>;
    fn environment(environment: &str, evidence: &[String], tenants: Option<&TenantTable>) -> Result<EnvironmentView, MappingError>;
    fn history(ask: &HistoryAsk) -> Result<History, MappingError>;
    fn set_claims(environment: &str, claims: &[Claim]) -> Result<(), MappingError>;
    fn release_claims(environment: &str, tenants: &[String]) -> Result<(), MappingError>;
    fn record_outside(environment: &str, changes: &[(String, Option<i32>, Option<i32>, i32)]) -> Result<(), MappingError>;
    fn flip(flip: &Flip) -> Result<FlipOutcome, MappingError>;
    fn record_rollout(environment: &str, events: &[RolloutEvent]) -> Result<(), MappingError>;
    fn record_checks(environment: &str, results: &[CheckResult]) -> Result<(), MappingError>;
    fn record_channels(environment: &str, notes: &[(String, ChannelNote)]) -> Result<(), MappingError>;
    fn remove_rows(environment: &str, rows: &[RowRemoval]) -> Result<(), MappingError>;
    fn newest_command() -> Result<i64, MappingError>;
    fn give_command(command: &Command) -> Result<i64, MappingError>;
}

/// A place is asked for before each request. It is given back beside everything else, so that this call has no number
/// among the others.
#[async_trait]
impl Budget for Broken<dyn Budget> {
    async fn take_place(&self, ask: &Ask) -> Result<Place, MappingError> {
        let send = |_| self.inner.take_place(ask);
        self.fuse.pass(Beyond::Mapping, "take_place".to_owned(), send).await
    }

    async fn give_back(&self, place: &Return) -> Result<(), MappingError> {
        self.inner.give_back(place).await
    }

    async fn standing(&self, key: &str, rate: u32) -> Result<Told, MappingError> {
        self.inner.standing(key, rate).await
    }
}
