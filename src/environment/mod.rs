//! One pass over an environment of an instance: all its pins, claims and rows, decided together.
//!
//! Nothing else writes `tenant_version`, so that no two decisions about one row can cross. A pass needs the mapping
//! and the declared objects only: promotion and rollback work while Omni is down.

mod act;
mod decide;
mod observe;
mod report;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ports::{Failure, Lookup, Mapping, MappingError, Next, Object, World};
use crate::resources::conditions::{Finding, Reason};
use crate::resources::{OmniInstanceSpec, TenantPinSpec};

/// How often a pass looks, acts and looks again before it lets others go on. One round is the rule; a second one
/// follows when another hand moved a row in between.
const ROUNDS: usize = 4;

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
    /// Whether the row was seen. If not, the three fields below say nothing, and what the status says of them stays:
    /// an outage of the database must not blank the status of every pin.
    pub row_seen: bool,
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

/// One pass; `None` where there is neither a pin nor a claim, so that nothing is left to look after.
///
/// 1. Look at the pins. They are reported whatever comes.
/// 2. Find the instance. A pass without one says so on every pin, and one of a suspended instance does nothing else.
/// 3. Find its mapping, and see that it is ours.
/// 4. Look at the environment: rows, claims, ledger, versions.
/// 5. Decide, for all pins together, what each one is waiting for, and what is to be written.
/// 6. Nothing to write: report, and name the time at which something changes by itself.
/// 7. Write, one effect after the other, and look again at what came of it (4). An effect that failed is told on the
///    pins that it was for, and is not tried twice in one pass.
pub async fn reconcile(world: &World, key: &EnvironmentKey) -> Option<EnvironmentPass> {
    let pins = world.objects.pins(&key.namespace, &key.instance, &key.environment);
    let instance = match instance(world, key) {
        // The instance's own pass finds the claims again when it is back, or no longer suspended.
        Ok(instance) if instance.spec.suspend => return some_pins(&pins, || report::suspended(&pins, &instance)),
        Ok(instance) => instance,
        Err(failure) => return some_pins(&pins, || report::unseen(&pins, &failure)),
    };
    let mapping = match world.mapping(&instance).await {
        Ok((mapping, _)) => mapping,
        Err(failure) => return Some(report::unseen(&pins, &failure)),
    };
    match decide_and_write(world, key, &instance, &pins, mapping.as_ref()).await {
        Ok(pass) => pass,
        Err(error) => {
            let failure = world.told(&instance, Failure::from(&error));
            Some(report::unseen(&pins, &failure))
        }
    }
}

/// A row that a pass would write now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMove {
    /// The tenant.
    pub tenant: String,
    /// What the row holds; `None` for no row.
    pub from: Option<i32>,
    /// What it would hold; `None` where it would be deleted.
    pub to: Option<i32>,
}

/// What a pass over an environment would do now.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentPlan {
    /// The rows that would be written.
    pub moves: Vec<PlannedMove>,
    /// What would be said of each pin, as things stand before that.
    pub pins: Vec<PinReport>,
}

/// What a pass would do now; it writes nothing.
///
/// # Errors
/// What keeps the environment from being seen.
pub async fn plan(world: &World, key: &EnvironmentKey) -> Result<EnvironmentPlan, Failure> {
    let pins = world.objects.pins(&key.namespace, &key.instance, &key.environment);
    let instance = instance(world, key)?;
    if instance.spec.suspend {
        let pins = report::suspended(&pins, &instance).pins;
        return Ok(EnvironmentPlan {
            moves: Vec::new(),
            pins,
        });
    }
    let (mapping, _) = world.mapping(&instance).await?;
    let seen = observe::observe(world, key, &instance, &pins, mapping.as_ref()).await;
    let seen = seen.map_err(|error| Failure::from(&error))?;
    let decision = decide::decide(&seen);
    let flips = decision.plan.flips.iter().flat_map(|flip| {
        flip.moves.iter().map(|it| PlannedMove {
            tenant: it.tenant.clone(),
            from: it.from,
            to: Some(flip.version),
        })
    });
    let removals = decision.plan.removals.iter().map(|it| PlannedMove {
        tenant: it.tenant.clone(),
        from: Some(it.holds),
        to: None,
    });
    Ok(EnvironmentPlan {
        moves: flips.chain(removals).collect(),
        pins: report::report(&seen, &decision, &BTreeMap::new(), instance.spec.interval.into()).pins,
    })
}

/// The environments of an instance in which tenants are claimed though no pin is declared there: the last pin went
/// while nobody looked, and no object is left that asks for a pass. Empty while the mapping cannot be used, which is
/// for the instance's own pass to tell.
pub async fn abandoned(world: &World, namespace: &str, instance: &str) -> Vec<EnvironmentKey> {
    let Lookup::Found(declared) = world.objects.instance(namespace, instance) else {
        return Vec::new();
    };
    if declared.spec.suspend {
        return Vec::new();
    }
    let Ok((mapping, _)) = world.mapping(&declared).await else {
        return Vec::new();
    };
    let claimed = mapping.claimed_environments().await.unwrap_or_else(|error| {
        tracing::warn!(instance = declared.key(), %error, "environments without pins are not looked at now");
        BTreeSet::new()
    });
    let without_pins = |environment: &String| world.objects.pins(namespace, instance, environment).is_empty();
    let claimed = claimed.into_iter().filter(without_pins);
    let key = |environment| EnvironmentKey {
        namespace: namespace.to_owned(),
        instance: instance.to_owned(),
        environment,
    };
    claimed.map(key).collect()
}

/// A pass that says something of pins, if there are any.
fn some_pins(pins: &Pins, pass: impl FnOnce() -> EnvironmentPass) -> Option<EnvironmentPass> {
    (!pins.is_empty()).then(pass)
}

/// The steps from 4 on.
async fn decide_and_write(
    world: &World,
    key: &EnvironmentKey,
    instance: &Object<OmniInstanceSpec>,
    pins: &Pins,
    mapping: &dyn Mapping,
) -> Result<Option<EnvironmentPass>, MappingError> {
    let mut failed = BTreeMap::new();
    let mut round = 1;
    loop {
        let seen = observe::observe(world, key, instance, pins, mapping).await?;
        if pins.is_empty() && seen.view.claims.is_empty() {
            return Ok(None);
        }
        let mut decision = decide::decide(&seen);
        decision.plan.leave_out(|tenant| failed.contains_key(tenant));
        if decision.plan.is_empty() || round == ROUNDS {
            let interval = instance.spec.interval.into();
            return Ok(Some(report::report(&seen, &decision, &failed, interval)));
        }
        for (tenant, error) in act::carry_out(mapping, &key.environment, &decision.plan).await {
            failed.insert(tenant, world.told(instance, error));
        }
        round += 1;
    }
}

/// The instance, or why there is none.
fn instance(world: &World, key: &EnvironmentKey) -> Result<Arc<Object<OmniInstanceSpec>>, Failure> {
    let EnvironmentKey {
        namespace, instance, ..
    } = key;
    let message = match world.objects.instance(namespace, instance) {
        Lookup::Found(found) => return Ok(found),
        Lookup::Absent => format!("OmniInstance {namespace}/{instance} is not there (yet); apply it"),
        Lookup::Unreadable(why) => format!("OmniInstance {namespace}/{instance} cannot be read: {why}"),
    };
    Err(Failure::passing(Reason::InstanceNotReady, message).unseen())
}

/// The pins that a pass looks at, sorted by name.
type Pins = Vec<Arc<Object<TenantPinSpec>>>;
