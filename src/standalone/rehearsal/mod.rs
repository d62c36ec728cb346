//! What a cut would do, call for call: the very passes that `wavepin apply` runs, over an Omni that is read and not
//! written, and a ledger that forgets. So the plan cannot say another thing than what is done.
//!
//! ```text
//! passes ─ OmniClient ─ Organization ─ reads of what is there ─ Omni
//!        └ Ledger ─ reads ─ mapping     └ everything else: kept in order, answered from what was tried before
//! ```

mod ledger;
mod organization;
mod pace;
mod repository;
pub(super) mod telling;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
pub use organization::CallAhead;

use self::ledger::Ledger;
use self::organization::{Expected, Organization};
use self::pace::Pace;
use self::repository::Repository;
use super::catalog::{Catalog, Id, id_of};
use super::lineage::depth;
use crate::model_version::{self, Progress, VersionReport};
use crate::omni_instance;
use crate::ports::{Mapping, ModelRepository, Next, Object, Rehearsal, Stages, World};
use crate::resources::conditions::{Finding, READY, RECONCILING, STALLED, Verdict};
use crate::resources::{ModelVersionSpec, OmniInstanceSpec};

/// A version that needs more passes than any cut does.
const MOST_PASSES: u32 = 10_000;

/// What came of rehearsing one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// The calls to Omni, in order.
    pub calls: Vec<CallAhead>,
    /// It would be complete after them.
    pub complete: bool,
    /// What would keep it from being ready after them.
    pub stops: Option<Finding>,
    /// What its source's dashboards have and its own would not.
    pub not_carried: Vec<String>,
    /// Links that would lead out of it.
    pub foreign_links: Vec<String>,
}

/// What came of rehearsing an instance and its versions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstanceRehearsed {
    /// The calls that tell which organisation it is.
    pub calls: Vec<CallAhead>,
    /// What came of each version.
    pub versions: BTreeMap<Id, Rehearsed>,
}

/// The stages of one rehearsal.
pub struct Rehearsals {
    stages: BTreeMap<String, Stage>,
}

struct Stage {
    pace: Arc<Pace>,
    organization: Arc<Organization>,
    ledger: Mutex<Option<Arc<Ledger>>>,
}

impl Rehearsals {
    /// One stage for each instance; its budget is counted in windows of this length.
    #[must_use]
    pub fn new(catalog: &Catalog, window: Duration) -> Self {
        let begun = Timestamp::now();
        let stage = |instance: &Arc<Object<OmniInstanceSpec>>| {
            let pace = Arc::new(Pace::new(begun, instance.spec.requests_per_minute, window));
            let stage = Stage {
                organization: Arc::new(Organization::new(Arc::clone(&pace))),
                pace,
                ledger: Mutex::default(),
            };
            (instance.key(), stage)
        };
        Self {
            stages: catalog.instances().map(stage).collect(),
        }
    }

    fn stage(&self, instance: &str) -> &Stage {
        &self.stages[instance]
    }
}

impl Stages for Rehearsals {
    fn omni(&self, instance: &str) -> Arc<dyn Rehearsal> {
        Arc::clone(&self.stage(instance).organization) as _
    }

    fn mapping(&self, instance: &str, real: Arc<dyn Mapping>) -> Arc<dyn Mapping> {
        let stage = self.stage(instance);
        let mut ledger = stage.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Ledger::new(real, Arc::clone(&stage.pace) as _));
        Arc::clone(ledger.get_or_insert_with(make)) as _
    }

    fn repository(&self, instance: &str, real: Arc<dyn ModelRepository>) -> Arc<dyn ModelRepository> {
        Arc::new(Repository::new(real, Arc::clone(&self.stage(instance).organization)))
    }
}

/// Rehearses an instance and all its versions, sources before what is cut from them. `tell` is told of each before.
/// `world` must reach Omni and the mapping through these stages alone.
pub async fn rehearse(
    world: &World,
    stages: &Rehearsals,
    catalog: &Catalog,
    instance: &Object<OmniInstanceSpec>,
    tell: &(dyn Fn(&str) + Sync),
) -> InstanceRehearsed {
    let stage = stages.stage(&instance.key());
    // Every part by itself: whatever else a pass may come to use must be kept from writing, too.
    let world = World {
        objects: Arc::clone(&world.objects),
        config_maps: Arc::clone(&world.config_maps),
        secrets: Arc::clone(&world.secrets),
        approvers: Arc::clone(&world.approvers),
        clients: Arc::clone(&world.clients),
        clock: Arc::clone(&stage.pace) as _,
        slice: world.slice,
        request_timeout: world.request_timeout,
    };
    tell("looking which organisation it is");
    // What is in the way of an instance keeps its versions too, and they say so.
    omni_instance::reconcile(&world, &instance.namespace, &instance.name).await;
    let mut rehearsed = InstanceRehearsed {
        calls: stage.organization.take(),
        ..InstanceRehearsed::default()
    };
    let of_instance = |it: &&Arc<Object<ModelVersionSpec>>| {
        it.namespace == instance.namespace && it.spec.instance_ref.name == instance.name
    };
    let mut versions: Vec<_> = catalog.versions().filter(of_instance).collect();
    versions.sort_by_key(|it| depth(catalog, it));
    for version in versions {
        tell(&format!("rehearsing version {}", version.spec.version));
        stage.organization.expect(expected(&world, version).await);
        if let Ok((mapping, _)) = world.mapping(instance).await {
            let records = mapping.versions().await.unwrap_or_default();
            for record in records.into_values() {
                stage.organization.know_folder(record.folder_id, record.folder_path);
            }
        }
        let report = passes(&world, version).await;
        let calls = stage.organization.take();
        rehearsed.versions.insert(id_of(version), told(report, calls));
    }
    rehearsed
}

/// What is known of a version by its object and by what the ledger would hold. What keeps it from being known keeps its
/// passes too, and they say so.
async fn expected(world: &World, version: &Object<ModelVersionSpec>) -> Expected {
    let rebound = model_version::rebound(world, version).await.ok().flatten();
    let (links, renames) = rebound.unwrap_or_default();
    Expected {
        queries: version.spec.validation.as_ref().and_then(|it| it.queries.clone()),
        links,
        renames,
    }
}

/// Passes over a version until it waits or rests.
async fn passes(world: &World, version: &Object<ModelVersionSpec>) -> VersionReport {
    let mut report = VersionReport::default();
    for _ in 0..MOST_PASSES {
        let pass = model_version::reconcile(world, &version.namespace, &version.name, &Silent).await;
        let Some(pass) = pass else { break };
        report = pass.report;
        if pass.next != Next::Again {
            break;
        }
    }
    report
}

fn told(report: VersionReport, calls: Vec<CallAhead>) -> Rehearsed {
    let is_ready = |it: &Finding| it.condition == READY && it.verdict == Verdict::True;
    let ready = report.findings.iter().any(is_ready);
    let mut stops = report.findings.into_iter().filter(|_| !ready);
    Rehearsed {
        calls,
        complete: report.sealed,
        stops: stops.find(|it| [STALLED, RECONCILING].contains(&it.condition)),
        not_carried: report.not_carried,
        foreign_links: report.foreign_links,
    }
}

/// Nobody listens to a rehearsal's progress, and nothing interrupts it.
struct Silent;

impl Progress for Silent {
    fn publish(&self, _: &VersionReport) {}

    fn interrupted(&self) -> bool {
        false
    }
}
