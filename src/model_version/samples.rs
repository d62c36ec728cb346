//! Who stands for the tenants of each environment, where queries are validated as tenants.

use std::collections::{BTreeMap, BTreeSet};

use crate::ports::{Object, World};
use crate::resources::ModelVersionSpec;

/// Who may stand for the tenants of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The pinned tenants that the spec selects.
    pub tenants: BTreeSet<String>,
    /// A pin there names the version, whoever's it is, or follows a rollout that does.
    pub wished: bool,
}

/// The samples of the environments whose tenants are to be asked as, those without pins left out; nothing where no
/// tenants are asked as.
pub(super) fn samples(world: &World, object: &Object<ModelVersionSpec>) -> BTreeMap<String, Sample> {
    let queries = object.spec.validation.as_ref().and_then(|it| it.queries.as_ref());
    let Some(asked) = queries.and_then(|it| it.tenants.as_ref()) else {
        return BTreeMap::new();
    };
    let (namespace, instance) = (&object.namespace, &object.spec.instance_ref.name);
    let environments = match &asked.environment {
        Some(named) => [named.clone()].into(),
        None => world.objects.environments(namespace, instance),
    };
    let sample = |environment: String| {
        let mut pins = world.objects.pins(namespace, instance, &environment);
        pins.retain(|pin| !pin.deleting);
        let rollouts = world.objects.rollouts(namespace, instance, &environment);
        let rolled_out = rollouts.iter().any(|it| it.spec.version == object.spec.version);
        let wished = pins.iter().any(|pin| match pin.spec.version {
            Some(own) => own == object.spec.version,
            None => rolled_out,
        });
        let is_there = !pins.is_empty();
        pins.retain(|pin| {
            let mut wanted = asked.match_labels.iter();
            wanted.all(|(name, value)| pin.labels.get(name) == Some(value))
        });
        let tenants = pins.iter().map(|pin| pin.spec.tenant.clone()).collect();
        is_there.then_some((environment, Sample { tenants, wished }))
    };
    environments.into_iter().filter_map(sample).collect()
}
