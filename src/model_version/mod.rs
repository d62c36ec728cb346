//! model_version

use crate::ports::{Next, World};
use crate::resources::DashboardsStatus;
use crate::resources::conditions::Finding;

/// What a pass says of a version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VersionReport {
    /// The hash of the spec that the pass looked at: a status is written only onto an object that still has it.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// The id of its model.
    pub model_id: Option<String>,
    /// The path of its folder.
    pub folder: Option<String>,
    /// It is complete.
    pub sealed: bool,
    /// The hash of what it is made from.
    pub plan: Option<String>,
    /// How far its dashboards are.
    pub dashboards: Option<DashboardsStatus>,
    /// Links that lead out of it.
    pub foreign_links: Vec<String>,
}

/// What came of one pass over a version.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionPass {
    /// What to say of it.
    pub report: VersionReport,
    /// When to look again.
    pub next: Next,
}

/// Where a long pass tells how far it is, and learns that it should end early.
pub trait Progress: Send + Sync {
    /// How far it is; may be thinned out by whoever writes it.
    fn publish(&self, report: &VersionReport);
    /// True when the pass should end after the present effect: the object changed, the process ends, the lead is lost.
    fn interrupted(&self) -> bool;
}

/// One pass; `None` where the object is not there (any more), or does not parse.
pub async fn reconcile(world: &World, namespace: &str, name: &str, progress: &dyn Progress) -> Option<VersionPass> {
    let _ = (world.objects.version(namespace, name), progress.interrupted());
    None
}
