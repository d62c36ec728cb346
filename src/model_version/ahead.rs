//! What lies ahead of a version, by the ledger alone: no call is made to Omni, and nothing is written.

use std::collections::BTreeSet;

use super::content::links::LinkMap;
use super::content::renames::Renames;
use super::desired::Desired;
use super::forecast::{self, StepAhead};
use super::observe::Observed;
use super::{alone, decide, edits_from, instance, suspended};
use crate::ports::{Failure, Object, World};
use crate::resources::{Dashboards, ModelVersionSpec};

/// What is still to be done for a version.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionPlan {
    /// The number.
    pub version: i32,
    /// It is complete.
    pub complete: bool,
    /// How many of its dashboards are whole.
    pub ready: usize,
    /// How many tenants' rows hold it.
    pub tenants: u64,
    /// What is still to be done, in order; none where all is.
    pub steps: Vec<StepAhead>,
}

/// What is still to be done for a version, by the ledger alone: no call is made to Omni, and nothing is written.
///
/// # Errors
/// What is wrong with the object, or keeps the ledger from being read.
pub async fn plan(world: &World, object: &Object<ModelVersionSpec>) -> Result<VersionPlan, Failure> {
    let instance = instance(world, object)?;
    let mut desired = Desired::new(object, &instance)?;
    if let Some(failure) = suspended(object, &instance) {
        return Err(failure);
    }
    alone(world, object, &instance)?;
    let (mapping, shape) = world.mapping(&instance).await?;
    let from = desired.from();
    let seen = Observed::ledger(&*mapping, shape, desired.version, from)
        .await
        .map_err(|error| Failure::from(&error))?;
    edits_from::bring(world, &object.namespace, &mut desired, &seen).await?;
    let source = from.map_or_else(BTreeSet::new, |from| will_have(world, object, from));
    let record = seen.versions.get(&desired.version);
    Ok(VersionPlan {
        version: desired.version,
        complete: record.is_some_and(|record| record.complete_at.is_some()),
        ready: seen.dashboards.len(),
        tenants: seen.tenants,
        steps: forecast::forecast(&desired, &seen, &source),
    })
}

/// Where links of the copies of a version that is cut lead, and what has another name there, by the ledger alone.
///
/// # Errors
/// As those of [`plan`].
pub async fn rebound(world: &World, object: &Object<ModelVersionSpec>) -> Result<Option<(LinkMap, Renames)>, Failure> {
    let instance = instance(world, object)?;
    let desired = Desired::new(object, &instance)?;
    let (mapping, shape) = world.mapping(&instance).await?;
    let seen = Observed::ledger(&*mapping, shape, desired.version, desired.from()).await;
    let seen = seen.map_err(|error| Failure::from(&error))?;
    Ok(decide::rebound(&desired, &seen))
}

/// The slugs that a version of the same instance is declared to have, back to the adoption that all began with.
fn will_have(world: &World, of: &Object<ModelVersionSpec>, mut number: i32) -> BTreeSet<String> {
    let versions = world.objects.versions(&of.namespace, &of.spec.instance_ref.name);
    let mut changes = Vec::new();
    // A line of versions that leads back to itself is refused elsewhere; here it must only come to an end.
    for _ in 0..=versions.len() {
        let Some(version) = versions.iter().find(|it| it.spec.version == number) else {
            break;
        };
        if let Some(adopt) = &version.spec.source.adopt {
            let adopted = adopt.dashboards.iter().map(|it| it.slug.clone()).collect();
            return changes
                .iter()
                .rev()
                .fold(adopted, |slugs: BTreeSet<String>, it: &Dashboards| it.slugs(slugs));
        }
        changes.extend(version.spec.content.as_ref().map(|content| content.dashboards.clone()));
        let Some(from) = version.spec.source.from_version else {
            break;
        };
        number = from;
    }
    BTreeSet::new()
}
