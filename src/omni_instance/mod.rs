//! omni_instance

use crate::ports::{Next, World};
use crate::resources::conditions::Finding;

/// What came of one pass over an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePass {
    /// The hash of the spec that the pass looked at.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// When to look again.
    pub next: Next,
}

/// One pass; `None` where the object is not there (any more), or does not parse.
pub async fn reconcile(world: &World, namespace: &str, name: &str) -> Option<InstancePass> {
    let _ = (world.objects.instance(namespace, name),);
    None
}
