//! Writes statuses: only what changed, what others wait for first, so many at once and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::core::Status;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::events::Teller;
use super::kind::{Kind, KindName, ObjectName};
use super::lanes::{Lane, Lanes};
use super::measured::write_outcome;
use super::merge::status_patch;
use super::passes::Askers;
use super::report::{ReportOf, wanted};
use super::store::{Store, Stored};
use super::table::{Entry, Record};
use super::triggers::Triggers;
use super::watched::Watched;
use crate::environment::{ApprovalReport, PinReport, RolloutReport};
use crate::model_version::VersionReport;
use crate::omni_instance::InstancePass;
use crate::resources::conditions::{READY, RECONCILING, Verdict, transitions};
use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval};
use crate::telemetry::{Measures, QueueMeasure};

/// The name that the API server keeps with our fields.
pub(super) const FIELD_MANAGER: &str = "wavepin";

/// How many statuses are written at once.
pub(super) const WRITES_AT_ONCE: usize = 16;

/// How long one call to the API server may take.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// The least time between two writes of a version's progress where nothing but numbers moves.
const PROGRESS_PACE: Duration = Duration::from_secs(10);

/// What a pass says of one object.
#[derive(Debug, Clone)]
pub(super) enum Report {
    // Of pins many thousands may wait, which are small.
    Instance(Box<InstancePass>),
    Version(Box<VersionReport>),
    Pin(PinReport),
    Rollout(Box<RolloutReport>),
    Approval(ApprovalReport),
}

/// A report that waits to be written.
#[derive(Debug)]
struct Job {
    report: Report,
    /// The pass that the object's annotation asked for when the pass began.
    request: Option<String>,
    failures: u32,
    /// Since when something waits to be written to the object.
    since: Instant,
}

type JobKey = (KindName, ObjectName);

/// The writer of all statuses.
pub(super) struct StatusWriter {
    client: kube::Client,
    store: Arc<Store>,
    askers: Arc<Askers>,
    pub(super) teller: Teller,
    measures: Arc<Measures>,
    lanes: Mutex<Lanes<JobKey, Job>>,
    work: Notify,
    idle: Notify,
    progress: Mutex<HashMap<ObjectName, Instant>>,
}

/// How a write ended.
enum Written {
    /// It is written, or need not be any more.
    Settled,
    /// It failed and may succeed later.
    Failed,
    /// It may not be written; a person may grant the right.
    Forbidden,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatusWriter {
    pub(super) fn new(
        client: kube::Client,
        store: Arc<Store>,
        askers: Arc<Askers>,
        teller: Teller,
        measures: Arc<Measures>,
    ) -> Self {
        Self {
            client,
            store,
            askers,
            teller,
            measures,
            lanes: Mutex::default(),
            work: Notify::new(),
            idle: Notify::new(),
            progress: Mutex::default(),
        }
    }

    /// Sees to it that the object has the status of this report, if it still has the spec that the report speaks of.
    pub(super) fn offer(&self, name: ObjectName, report: Report, request: Option<String>) {
        let kind = report.kind();
        // Held over the look: an older report that is written between the look and the end would else be left standing.
        let mut lanes = lock(&self.lanes);
        let lane = match &report {
            Report::Instance(report) => self.lane::<OmniInstance, _>(&name, &**report, request.as_deref()),
            Report::Version(report) => self.lane::<ModelVersion, _>(&name, &**report, request.as_deref()),
            Report::Pin(report) => self.lane::<TenantPin, _>(&name, report, request.as_deref()),
            Report::Rollout(report) => self.lane::<VersionRollout, _>(&name, &**report, request.as_deref()),
            Report::Approval(report) => self.lane::<WaveApproval, _>(&name, report, request.as_deref()),
        };
        let key = (kind, name);
        let lane = match (kind, lane) {
            // Not even an older report is about to be written, which this one would have to put right.
            (_, None) if !lanes.knows(&key) => return,
            // Behind the statuses of all pins it would be told too late that these need not be written: their next
            // pass, which says something better of them, waits for it.
            (KindName::OmniInstance | KindName::ModelVersion | KindName::VersionRollout, _) => Lane::Awaited,
            (KindName::TenantPin | KindName::WaveApproval, lane) => lane.unwrap_or(Lane::Resync),
        };
        let job = Job {
            report,
            request,
            failures: 0,
            since: lanes.waiting(&key).map_or_else(Instant::now, |older| older.since),
        };
        lanes.add(key, lane, job);
        drop(lanes);
        self.work.notify_one();
    }

    /// Likewise for a version that is being worked on: at once where a condition moves, else now and then.
    pub(super) fn offer_progress(&self, name: &ObjectName, report: &VersionReport) {
        let Some(record) = self.store.record::<ModelVersion>(name) else {
            return;
        };
        if is_second_look(&record, report) {
            return;
        }
        let Some(status) = wanted(&*record, report, None) else {
            return;
        };
        let moves = !transitions(&record.status.conditions, &status.conditions).is_empty();
        let now = Instant::now();
        let mut progress = lock(&self.progress);
        progress.retain(|_, at| now - *at < PROGRESS_PACE);
        if moves || !progress.contains_key(name) {
            progress.insert(name.clone(), now);
            drop(progress);
            self.offer(name.clone(), Report::Version(Box::new(report.clone())), None);
        }
    }

    /// Whether something waits to be written to the object, or is being written.
    pub(super) fn is_due(&self, kind: KindName, name: &ObjectName) -> bool {
        lock(&self.lanes).knows(&(kind, name.clone()))
    }

    /// The lane of a report; `None` where it changes nothing.
    fn lane<K: Stored, R: ReportOf<K>>(&self, name: &ObjectName, report: &R, request: Option<&str>) -> Option<Lane> {
        let record = self.store.record::<K>(name)?;
        wanted(&*record, report, request)?;
        let seen = K::observed_generation(&record.status) == Some(record.identity.generation);
        Some(if seen && request.is_none() {
            Lane::Resync
        } else {
            Lane::Fresh
        })
    }

    /// One of the workers; ends never by itself.
    pub(super) async fn work(&self) {
        loop {
            let (begun, next_rest) = {
                let mut lanes = lock(&self.lanes);
                (lanes.begin(Instant::now()), lanes.next_rest())
            };
            let Some((key, lane, mut job)) = begun else {
                tokio::select! {
                    () = self.work.notified() => {}
                    () = sleep_until(next_rest.unwrap_or_else(Instant::now)), if next_rest.is_some() => {}
                }
                continue;
            };
            // Of many that came at once only one worker may have been told.
            self.work.notify_one();
            let (lane, most_doublings) = match self.write(&key.1, &job).await {
                Written::Settled => {
                    let mut lanes = lock(&self.lanes);
                    lanes.done(&key);
                    if lanes.is_empty() {
                        self.idle.notify_waiters();
                    }
                    continue;
                }
                Written::Failed => (lane, 5),
                // One namespace without the right must not keep the others' objects waiting: behind them, and seldom.
                Written::Forbidden => (Lane::Resync, 8),
            };
            // Rests aside: a worker that slept here could write nothing else meanwhile.
            let pause = Duration::from_millis(250) * (1 << job.failures.min(most_doublings));
            job.failures = job.failures.saturating_add(1);
            lock(&self.lanes).rest(key, lane, job, Instant::now() + pause);
        }
    }

    /// Waits until nothing is left to write.
    pub(super) async fn flush(&self) {
        loop {
            let idle = self.idle.notified();
            let mut idle = std::pin::pin!(idle);
            // Before the look, so that no end is missed between the look and the wait.
            idle.as_mut().enable();
            if lock(&self.lanes).is_empty() {
                return;
            }
            idle.await;
        }
    }

    async fn write(&self, name: &ObjectName, job: &Job) -> Written {
        let request = job.request.as_deref();
        match &job.report {
            Report::Instance(report) => self.write_as::<OmniInstance, _>(name, &**report, request).await,
            Report::Version(report) => self.write_as::<ModelVersion, _>(name, &**report, request).await,
            Report::Pin(report) => self.write_as::<TenantPin, _>(name, report, request).await,
            Report::Rollout(report) => self.write_as::<VersionRollout, _>(name, &**report, request).await,
            Report::Approval(report) => self.write_as::<WaveApproval, _>(name, report, request).await,
        }
    }

    async fn write_as<K: Stored + Triggers, R: ReportOf<K>>(
        &self,
        name: &ObjectName,
        report: &R,
        request: Option<&str>,
    ) -> Written {
        let Some(mut record) = self.store.record::<K>(name) else {
            return Written::Settled;
        };
        let objects: Api<Watched<K>> = Api::namespaced(self.client.clone(), &name.namespace);
        // Somebody else may write the object meanwhile, but hardly three times in a row.
        for _ in 0..3 {
            let Some(status) = wanted(&*record, report, request) else {
                return Written::Settled;
            };
            let version = &record.identity.resource_version;
            let Some(patch) = status_patch(&record.status, &status, version) else {
                return Written::Settled;
            };
            let params = PatchParams::apply(FIELD_MANAGER);
            let patch = Patch::Merge(&patch);
            let patched = within(objects.patch_status(&name.name, &params, &patch)).await;
            self.measures.wrote_status(K::NAME.as_str(), write_outcome(&patched));
            match patched {
                Ok(object) => {
                    self.settle(&record, object);
                    return Written::Settled;
                }
                // What changed may be no concern of ours, and would then bring no pass: looked at again here.
                Err(CallError::Api(error)) if is_conflict(&error) => match within(objects.get(&name.name)).await {
                    Ok(object) => match Entry::of(object) {
                        Entry::Readable(changed) => record = changed,
                        // It is told so on its own way.
                        Entry::Unreadable(_) => return Written::Settled,
                    },
                    Err(error) => return refused(K::NAME, name, error),
                },
                Err(error) => return refused(K::NAME, name, error),
            }
        }
        Written::Failed
    }

    /// What waits to be written, rests included.
    pub(super) fn waiting(&self) -> QueueMeasure {
        let now = Instant::now();
        let lanes = lock(&self.lanes);
        let waits = lanes.jobs().map(|job| job.since);
        let (depth, first) = waits.fold((0, now), |(depth, first), since| (depth + 1, first.min(since)));
        QueueMeasure {
            queue: "status",
            depth,
            oldest: now - first,
        }
    }

    fn settle<K: Stored + Triggers>(&self, before: &Record<K>, after: Watched<K>) {
        // Changed by somebody else, so that it does not parse any more: it is told so on its own way.
        let (metadata, Ok((_, status))) = after.into_parts() else {
            return;
        };
        let uid = &before.identity.uid;
        let name = ObjectName::new(&before.object.namespace, &before.object.name);
        debug!(kind = K::NAME.as_str(), %name, "status written");
        let [was, now] = [&before.status, &status].map(|status| K::conditions(status));
        self.teller.tell(K::NAME, name, uid, was, now);
        // Others may wait for what this says, and the watch will bring them nothing new.
        if let Some(change) = self.store.keep_written(before, &metadata, status) {
            let keys = K::triggers(&change, &self.store).into_iter();
            keys.for_each(|key| self.askers.ask(key));
        }
    }
}

impl Report {
    const fn kind(&self) -> KindName {
        match self {
            Self::Instance(_) => OmniInstance::NAME,
            Self::Version(_) => ModelVersion::NAME,
            Self::Pin(_) => TenantPin::NAME,
            Self::Rollout(_) => VersionRollout::NAME,
            Self::Approval(_) => WaveApproval::NAME,
        }
    }
}

/// Whether a pass only looks again at what is ready and stays so. Told, it would be two writes for nothing: that
/// work goes on, and that it has ended.
fn is_second_look(record: &Record<ModelVersion>, report: &VersionReport) -> bool {
    let status = &record.status;
    let mut conditions = status.conditions.iter();
    status.observed_generation == Some(record.identity.generation)
        && conditions.any(|condition| condition.type_ == READY && condition.status == "True")
        && !status.conditions.iter().any(|condition| condition.type_ == RECONCILING)
        && report
            .findings
            .iter()
            .any(|finding| finding.condition == READY && finding.verdict == Verdict::True)
}

/// Why a call to the API server gave nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// It was refused, or the API server cannot be reached.
    Api(kube::Error),
    /// No answer in time.
    Deadline,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(error) => error.fmt(formatter),
            Self::Deadline => write!(
                formatter,
                "no answer of the API server within {} s",
                CALL_DEADLINE.as_secs()
            ),
        }
    }
}

/// The client repeats calls for a long time where the API server is busy; ours end in time.
pub(super) async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match timeout(CALL_DEADLINE, call).await {
        Ok(answer) => answer.map_err(CallError::Api),
        Err(_) => Err(CallError::Deadline),
    }
}

/// Whether an object, or its whole kind, is not there. Of a kind without a definition the API server says so in plain text,
/// which leaves the code and no reason.
pub(super) const fn is_absent(status: &Status) -> bool {
    status.code == 404
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}

/// What a write that did not succeed means: gone or unreadable objects need none, all else is tried again.
fn refused(kind: KindName, name: &ObjectName, error: CallError) -> Written {
    match &error {
        CallError::Api(kube::Error::Api(status)) if is_absent(status) => Written::Settled,
        CallError::Api(kube::Error::Api(status)) if status.is_invalid() => {
            warn!(kind = kind.as_str(), %name, %error, "the API server refuses the status; are the CRDs of this release applied?");
            Written::Settled
        }
        CallError::Api(kube::Error::Api(status)) if status.is_forbidden() => {
            warn!(kind = kind.as_str(), %name, %error, "the status may not be written; grant Wavepin's ServiceAccount patch on it");
            Written::Forbidden
        }
        _ => {
            warn!(kind = kind.as_str(), %name, %error, "failed to write the status; it is tried again");
            Written::Failed
        }
    }
}

#[cfg(test)]
impl StatusWriter {
    /// Plays a worker whose write of this key ends while another thread offers: it offers once `offer` is called, and
    /// the write has ended by the time that the lanes are free again.
    pub(super) fn while_an_older_one_ends<T>(
        self: &Arc<Self>,
        key: &JobKey,
        offer: impl FnOnce(&Arc<Self>) -> T,
        end: impl FnOnce(),
    ) -> T {
        let mut lanes = lock(&self.lanes);
        lanes.begin(Instant::now());
        let offering = offer(self);
        // Long enough for the thread to have looked and to stand before the lanes, should it look first.
        std::thread::sleep(Duration::from_millis(100));
        end();
        lanes.done(key);
        offering
    }
}
