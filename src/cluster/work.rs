//! What the leader does: watches, queues and writers, from the first list to the last status.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::admission::AdmissionPolicy;
use super::census::census;
use super::commands;
use super::config_maps::ClusterConfigMaps;
use super::definitions;
use super::events::{Publisher, events};
use super::health::Gates;
use super::in_use::RunningPasses;
use super::passes::{Askers, Passes};
use super::queue::{Pace, Queue, queue};
use super::secrets::ClusterSecrets;
use super::status::{StatusWriter, WRITES_AT_ONCE};
use super::store::{Store, Stored};
use super::table::Scope;
use super::triggers::Triggers;
use super::watch::{gate, watch};
use super::{ControllerOptions, RunError};
use crate::cluster::kind::{KindName, ObjectName};
use crate::environment::EnvironmentKey;
use crate::model_version::last_look::LastLooks;
use crate::ports::{Clients, SystemClock, World};
use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval};
use crate::telemetry::Measures;

/// How long running passes may take to end. Together with both flushes it stays below 20 seconds, of the 30 that
/// Kubernetes gives a Pod unless told otherwise.
const PASSES_END: Duration = Duration::from_secs(10);

/// How long the last statuses, and then the last events, may take to be written.
const FLUSH: Duration = Duration::from_secs(3);

/// The receiving ends of all queues.
pub(super) struct Queues {
    instances: Queue<ObjectName>,
    versions: Queue<ObjectName>,
    environments: Queue<EnvironmentKey>,
    approvals: Queue<ObjectName>,
    unreadable: Queue<(KindName, ObjectName)>,
}

/// What the watches need.
struct Watching {
    client: kube::Client,
    store: Arc<Store>,
    askers: Arc<Askers>,
    gates: Gates,
}

impl Watching {
    fn begin(&self, scopes: &[Scope], parts: &mut JoinSet<&'static str>) {
        for scope in scopes {
            parts.spawn(named("the watch of OmniInstances", self.watch::<OmniInstance>(scope)));
            parts.spawn(named("the watch of ModelVersions", self.watch::<ModelVersion>(scope)));
            parts.spawn(named("the watch of TenantPins", self.watch::<TenantPin>(scope)));
            parts.spawn(named(
                "the watch of VersionRollouts",
                self.watch::<VersionRollout>(scope),
            ));
            parts.spawn(named("the watch of WaveApprovals", self.watch::<WaveApproval>(scope)));
        }
        let look = definitions::look(self.client.clone(), self.gates.clone());
        parts.spawn(named("the look at the definitions", look));
    }

    fn watch<K: Triggers + Stored>(&self, scope: &Scope) -> impl Future<Output = ()> + use<K> {
        watch::<K>(
            self.client.clone(),
            scope.clone(),
            Arc::clone(&self.store),
            Arc::clone(&self.askers),
            self.gates.clone(),
        )
    }
}

/// The lists of a scope, each of which shuts a gate until it is complete.
fn lists(scope: &Scope) -> [String; 5] {
    [
        gate::<OmniInstance>(scope),
        gate::<ModelVersion>(scope),
        gate::<TenantPin>(scope),
        gate::<VersionRollout>(scope),
        gate::<WaveApproval>(scope),
    ]
}

/// Works until the token is cancelled.
pub(super) async fn work(
    client: kube::Client,
    clients: Arc<dyn Clients>,
    options: &ControllerOptions,
    gates: Gates,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let scopes = scopes(&options.namespaces);
    gates.lead(scopes.iter().flat_map(lists).chain([definitions::GATE.to_owned()]));
    let store = Arc::new(Store::default());
    let (teller, publisher) = events(client.clone(), &options.lease.identity);
    let (askers, queues) = queues();
    let writer = Arc::new(StatusWriter::new(
        client.clone(),
        Arc::clone(&store),
        Arc::clone(&askers),
        teller,
        Arc::clone(&options.measures),
    ));
    measure(&options.measures, &store, &queues, &writer);
    let passes = Arc::new(Passes {
        world: world(&client, &store, clients, options),
        client: client.clone(),
        store: Arc::clone(&store),
        writer: Arc::clone(&writer),
        askers: Arc::clone(&askers),
        measures: Arc::clone(&options.measures),
        looks: LastLooks::default(),
        running: RunningPasses::default(),
        stop: stop.clone(),
    });

    // What always runs; dropped, and with that ended, when the lead is lost.
    let mut parts = JoinSet::new();
    let watching = Watching {
        client: client.clone(),
        store: Arc::clone(&store),
        askers: Arc::clone(&askers),
        gates: gates.clone(),
    };
    watching.begin(&scopes, &mut parts);
    tokio::select! {
        () = gates.all_open() => info!("every list is complete; passes begin"),
        () = stop.cancelled() => return Ok(()),
        Some(ended) = parts.join_next() => return too_early(ended),
    }
    parts.spawn(named("the look for commands", commands::follow(Arc::clone(&passes))));
    begin_writing(&mut parts, &writer);
    let mut telling = JoinSet::new();
    telling.spawn(Publisher::work(publisher));
    let mut passing = JoinSet::new();
    begin(&mut passing, queues, passes, &stop);

    tokio::select! {
        // First: queues end by the same token.
        biased;
        () = stop.cancelled() => {}
        Some(ended) = parts.join_next() => return too_early(ended),
        Some(ended) = telling.join_next() => return too_early(ended.map(|()| "the event publisher")),
        Some(ended) = passing.join_next() => return match ended.and_then(|passed| passed) {
            Ok(()) => too_early(Ok("a queue")),
            Err(source) => Err(RunError::Panicked { source }),
        },
    }
    info!("told to end: passes end after what they are doing");
    gates.end();
    end(parts, telling, passing, writer).await
}

fn begin_writing(parts: &mut JoinSet<&'static str>, writer: &Arc<StatusWriter>) {
    for _ in 0..WRITES_AT_ONCE {
        let writer = Arc::clone(writer);
        parts.spawn(named("the status writer", async move { writer.work().await }));
    }
}

/// Lets scrapes see what is declared and what waits, for as long as it is there.
fn measure(measures: &Measures, store: &Arc<Store>, queues: &Queues, writer: &Arc<StatusWriter>) {
    let store = Arc::downgrade(store);
    measures.read_objects(move || store.upgrade().map(|store| census(&store)).unwrap_or_default());
    let (instances, versions) = (queues.instances.waiting(), queues.versions.waiting());
    let (environments, unreadable) = (queues.environments.waiting(), queues.unreadable.waiting());
    let approvals = queues.approvals.waiting();
    let writer = Arc::downgrade(writer);
    measures.read_queues(move || {
        let passes = [
            instances.measure("instance"),
            versions.measure("version"),
            environments.measure("environment"),
            approvals.measure("approval"),
            unreadable.measure("unreadable"),
        ];
        let statuses = writer.upgrade().map(|writer| writer.waiting());
        passes.into_iter().chain(statuses).collect()
    });
}

fn world(client: &kube::Client, store: &Arc<Store>, clients: Arc<dyn Clients>, options: &ControllerOptions) -> World {
    World {
        objects: Arc::clone(store) as _,
        config_maps: Arc::new(ClusterConfigMaps::new(client.clone())),
        secrets: Arc::new(ClusterSecrets::new(client.clone())),
        approvers: Arc::new(AdmissionPolicy::new(client.clone(), options.approval_policy.clone())),
        clients,
        clock: Arc::new(SystemClock),
        slice: options.slice,
        request_timeout: options.request_timeout,
    }
}

/// Lets passes end, then writes what is left.
async fn end(
    mut parts: JoinSet<&'static str>,
    mut telling: JoinSet<()>,
    mut passing: JoinSet<Result<(), JoinError>>,
    writer: Arc<StatusWriter>,
) -> Result<(), RunError> {
    let passes_end = async {
        while let Some(ended) = passing.join_next().await {
            ended.and_then(|passed| passed)?;
        }
        Ok(())
    };
    match timeout(PASSES_END, passes_end).await {
        Ok(ended) => ended.map_err(|source| RunError::Panicked { source })?,
        Err(_) => warn!(
            "passes still ran after {} s and were broken off; the next leader takes up where they stopped",
            PASSES_END.as_secs()
        ),
    }
    passing.shutdown().await;
    if timeout(FLUSH, writer.flush()).await.is_err() {
        warn!("not every status could be written in time; the next leader writes them");
    }
    // The writers and whoever holds them gone, the publisher comes to the end of its events.
    parts.shutdown().await;
    drop(writer);
    if timeout(FLUSH, telling.join_next()).await.is_err() {
        warn!("not every event could be published in time");
    }
    info!("ended");
    Ok(())
}

fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        return vec![None];
    }
    let namespaces: std::collections::BTreeSet<_> = namespaces.iter().cloned().collect();
    namespaces.into_iter().map(Some).collect()
}

pub(super) fn queues() -> (Arc<Askers>, Queues) {
    // A version is bound by Omni's budget, not by us: many may wait for their turn of it at once.
    let (of_instances, instances) = queue(Pace::of(4));
    let (of_versions, versions) = queue(Pace::of(16));
    let (of_environments, environments) = queue(Pace {
        gather: Duration::from_millis(5),
        spacing: Duration::from_millis(100),
        ..Pace::of(4)
    });
    let (of_approvals, approvals) = queue(Pace::of(2));
    let (of_unreadable, unreadable) = queue(Pace::of(2));
    let askers = Askers {
        instances: of_instances,
        versions: of_versions,
        environments: of_environments,
        approvals: of_approvals,
        unreadable: of_unreadable,
    };
    let queues = Queues {
        instances,
        versions,
        environments,
        approvals,
        unreadable,
    };
    (Arc::new(askers), queues)
}

fn begin(passing: &mut JoinSet<Result<(), JoinError>>, queues: Queues, passes: Arc<Passes>, stop: &CancellationToken) {
    let [of_instances, of_versions, of_environments, of_approvals, of_unreadable] =
        [(); 5].map(|()| Arc::clone(&passes));
    passing.spawn(queues.instances.work(stop.clone(), move |name| {
        let passes = Arc::clone(&of_instances);
        async move { passes.instance(name).await }
    }));
    passing.spawn(queues.versions.work(stop.clone(), move |name| {
        let passes = Arc::clone(&of_versions);
        async move { passes.version(name).await }
    }));
    passing.spawn(queues.environments.work(stop.clone(), move |key| {
        let passes = Arc::clone(&of_environments);
        async move { passes.environment(key).await }
    }));
    passing.spawn(queues.approvals.work(stop.clone(), move |name| {
        let passes = Arc::clone(&of_approvals);
        async move { passes.approval(name).await }
    }));
    passing.spawn(queues.unreadable.work(stop.clone(), move |(kind, name)| {
        let passes = Arc::clone(&of_unreadable);
        async move { passes.unreadable(kind, name).await }
    }));
}

async fn named(part: &'static str, work: impl Future<Output = ()>) -> &'static str {
    work.await;
    part
}

fn too_early(ended: Result<&'static str, JoinError>) -> Result<(), RunError> {
    match ended {
        Ok(part) => Err(RunError::PartEnded { part }),
        Err(source) => Err(RunError::Panicked { source }),
    }
}
