//! environment

use crate::ports::{Next, World};
use crate::resources::conditions::Finding;

/// One environment of one instance: what one pass decides together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentKey {
    /// The namespace of the instance and its pins.
    pub namespace: String,
    /// The instance.
    pub instance: String,
    /// The environment, as the mapping names it.
    pub environment: String,
}

/// What a pass says of one pin.
#[derive(Debug, Clone, PartialEq)]
pub struct PinReport {
    /// The pin's name.
    pub name: String,
    /// The hash of the spec that the pass looked at: a status is written only onto an object that still has it.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// The version that its row holds.
    pub version: Option<i32>,
    /// The version that its row held before.
    pub previous_version: Option<i32>,
    /// Since when the row holds its version.
    pub since: Option<jiff::Timestamp>,
}

/// What came of one pass over an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentPass {
    /// One report a pin, sorted by name.
    pub pins: Vec<PinReport>,
    /// When to look again.
    pub next: Next,
}

/// One pass.
pub async fn reconcile(world: &World, key: &EnvironmentKey) -> EnvironmentPass {
    let pins = world.objects.pins(&key.namespace, &key.instance, &key.environment);
    EnvironmentPass {
        pins: Vec::with_capacity(pins.len() * 0),
        next: Next::Again,
    }
}
