//! What a pass reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{EnvironmentKey, Pins};
use crate::ports::{EnvironmentView, Lookup, Mapping, MappingError, Object, VersionRecord, World};
use crate::resources::TenantPinSpec;

/// Everything that a decision may rest on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    /// Which environment.
    pub(super) key: EnvironmentKey,
    /// The declared pins, sorted by name.
    pub(super) pins: Pins,
    /// What became of the holders of claims, by tenant.
    pub(super) holders: BTreeMap<String, Holder>,
    /// Every version ever recorded, by number.
    pub(super) versions: BTreeMap<i32, VersionRecord>,
    /// Rows, claims and ledger.
    pub(super) view: EnvironmentView,
    /// Now, by the clock of this process, which wake-ups are set by.
    pub(super) now: Timestamp,
}

/// What became of a pin that has a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// It is there, or its absence says nothing: it keeps its claim.
    Stands,
    /// It is there, and declares something else now: the claim is free.
    Left,
    /// It was deleted: the claim is free, and its deletion policy counts.
    Deleted,
}

/// Reads what there is to know. Writes nothing.
pub(super) async fn observe(
    world: &World,
    key: &EnvironmentKey,
    pins: &Pins,
    mapping: &dyn Mapping,
) -> Result<Observed, MappingError> {
    let evidence: BTreeSet<&String> = pins
        .iter()
        .filter_map(|pin| pin.spec.requires.as_ref())
        .map(|requires| &requires.environment)
        .filter(|required| **required != key.environment)
        .collect();
    let evidence: Vec<String> = evidence.into_iter().cloned().collect();
    let versions = mapping.versions().await?;
    let view = mapping.environment(&key.environment, &evidence).await?;
    Ok(Observed {
        holders: holders(world, key, pins, &view),
        key: key.clone(),
        pins: pins.clone(),
        versions,
        view,
        now: world.clock.now(),
    })
}

/// What became of every claim's holder.
fn holders(world: &World, key: &EnvironmentKey, pins: &Pins, view: &EnvironmentView) -> BTreeMap<String, Holder> {
    let present: BTreeMap<String, &Arc<Object<TenantPinSpec>>> = pins.iter().map(|pin| (pin.key(), pin)).collect();
    let of = |tenant: &str, holder: &str| {
        if present.get(holder).is_some_and(|pin| pin.spec.tenant == tenant) {
            return Holder::Stands;
        }
        absent(world, key, tenant, holder)
    };
    let claims = view.claims.values();
    claims
        .map(|claim| (claim.tenant.clone(), of(&claim.tenant, &claim.holder)))
        .collect()
}

/// What became of a holder that is not among the pins of this environment.
fn absent(world: &World, key: &EnvironmentKey, tenant: &str, holder: &str) -> Holder {
    // A holder that is no object's name was not written by Wavepin; it is nobody's to overrule.
    let Some((namespace, name)) = holder.split_once('/') else {
        return Holder::Stands;
    };
    let deleted = world.objects.absence_is_deletion(namespace);
    match world.objects.pin(namespace, name) {
        Lookup::Unreadable(_) => Holder::Stands,
        Lookup::Absent if deleted => Holder::Deleted,
        Lookup::Absent => Holder::Stands,
        // Tenant and environment cannot be changed: another object has the name now.
        Lookup::Found(pin) if pin.spec.tenant != tenant || pin.spec.environment != key.environment => {
            if deleted {
                Holder::Deleted
            } else {
                Holder::Left
            }
        }
        Lookup::Found(pin) if namespace == key.namespace && pin.spec.instance_ref.name != key.instance => Holder::Left,
        Lookup::Found(_) => Holder::Stands,
    }
}
