//! What a pass reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::decide::could_open;
use super::{Declared, EnvironmentKey, Pins, Rollouts};
use crate::ports::{
    Absence, Claim, EnvironmentView, Lookup, Mapping, MappingError, Object, VersionRecord, Voucher, World,
};
use crate::resources::{MappingSpec, OmniInstanceSpec, TenantPinSpec, TenantTable, WaveApprovalSpec, annotations};

/// Everything that a decision may rest on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    /// Which environment.
    pub(super) key: EnvironmentKey,
    /// The declared pins, sorted by name.
    pub(super) pins: Pins,
    /// The declared rollouts, sorted by name.
    pub(super) rollouts: Rollouts,
    /// The rollout whose attempt is on record, where it moves this environment for another instance that shares the mapping.
    pub(super) led_elsewhere: Option<String>,
    /// In whose name the mapping is written, as the instance has it.
    pub(super) owner: String,
    /// The approvals of waves of these rollouts, sorted by name.
    pub(super) approvals: Vec<Offered>,
    /// What became of the holders of claims that do not stand where they were, by tenant: all others do.
    pub(super) holders: BTreeMap<String, Holder>,
    /// Every version ever recorded, by number.
    pub(super) versions: BTreeMap<i32, VersionRecord>,
    /// Rows, claims and ledger.
    pub(super) view: EnvironmentView,
    /// The tables of tenants that the instance declares, by name.
    pub(super) tenant_tables: BTreeMap<String, TenantTable>,
    /// The name of the one that was read.
    pub(super) labels_from: Option<String>,
    /// Now, by the clock of this process, which wake-ups are set by.
    pub(super) now: Timestamp,
    /// The tenants whose rows could not be written in this pass.
    pub(super) refused: BTreeSet<String>,
}

/// An approval, and what is known of who made it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offered {
    /// The approval.
    pub(super) object: Arc<Object<WaveApprovalSpec>>,
    /// Who made it; `None`: nobody was asked, since it could open no wave now.
    pub(super) voucher: Option<Voucher>,
}

/// What became of a pin that has a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// It is there: it keeps its claim.
    Stands,
    /// It is not seen here, which proves nothing: it keeps its claim.
    Unseen,
    /// It is not there, and nobody saw it go: it keeps its claim until this time, by this process's clock.
    Missing(Timestamp),
    /// It is there, and declares something else now: the claim is free.
    Left,
    /// It was deleted: the claim is free, and its deletion policy counts.
    Deleted,
}

/// For how long a pin that nobody saw go must have been absent before it counts as deleted. A cluster that is built
/// anew on the same database, or put back to an older state, gets its pins from git one after the other: without the
/// grace the first of a thousand would have the rows of the others deleted. Long enough for GitOps to apply all of
/// them, short enough that a pin which was deleted during an outage is not waited out by hand.
const ABSENCE_GRACE: SignedDuration = SignedDuration::from_mins(15);

/// Reads what there is to know. Writes nothing.
pub(super) async fn observe(
    world: &World,
    key: &EnvironmentKey,
    instance: &Object<OmniInstanceSpec>,
    declared: &Declared,
    mapping: &dyn Mapping,
) -> Result<Observed, MappingError> {
    let Declared { pins, rollouts, .. } = declared;
    let of_waves = rollouts.iter().flat_map(|rollout| &rollout.spec.waves);
    let evidence: BTreeSet<&String> = pins
        .iter()
        .filter_map(|pin| pin.spec.requires.as_ref())
        .chain(of_waves.filter_map(|wave| wave.requires.as_ref()))
        .map(|requires| &requires.environment)
        .filter(|required| **required != key.environment)
        .collect();
    let evidence: Vec<String> = evidence.into_iter().cloned().collect();
    let versions = mapping.versions().await?;
    let tenant_tables = &instance.spec.mapping.tenant_tables;
    let table = labels_from(rollouts, tenant_tables);
    let asked = table.map(|(_, table)| table);
    let view = mapping.environment(&key.environment, &evidence, asked).await?;
    Ok(Observed {
        holders: holders(world, key, instance, pins, &view),
        owner: owner_of(&instance.spec.mapping, instance.key()),
        led_elsewhere: led_elsewhere(world, key, instance, rollouts, &view),
        approvals: offered(world, declared, &view).await,
        key: key.clone(),
        pins: pins.clone(),
        rollouts: rollouts.clone(),
        versions,
        view,
        tenant_tables: tenant_tables.clone(),
        labels_from: table.map(|(name, _)| name.clone()),
        now: world.clock.now(),
        refused: BTreeSet::new(),
    })
}

/// The table that labels tenants without a pin, with its name: the first that a rollout asks for and that may be read.
fn labels_from<'t>(
    rollouts: &Rollouts,
    tables: &'t BTreeMap<String, TenantTable>,
) -> Option<(&'t String, &'t TenantTable)> {
    let members = rollouts.iter().filter_map(|rollout| rollout.spec.members.as_ref());
    let mut names = members.filter_map(|members| members.rows.labels_from.as_ref());
    let fit = |(name, table): &(&String, &TenantTable)| table.refusal(name).is_none();
    names.find_map(|name| tables.get_key_value(name).filter(fit))
}

/// The declared approvals, with what is known of who made those that could open a wave now.
async fn offered(world: &World, declared: &Declared, view: &EnvironmentView) -> Vec<Offered> {
    let mut all = Vec::new();
    for object in &declared.approvals {
        let mut rollouts = declared.rollouts.iter();
        let of = rollouts.find(|rollout| rollout.name == object.spec.rollout_ref.name);
        let matters = !object.deleting && of.is_some_and(|it| could_open(&view.rollouts, &it.spec, &object.spec));
        let voucher = match matters {
            true => Some(world.approvers.voucher(object).await),
            false => None,
        };
        let object = Arc::clone(object);
        all.push(Offered { object, voucher });
    }
    all
}

/// Pins by their names, of whom all are in one namespace: of ten thousand no text is made to find one.
pub(super) struct ByName<'a>(HashMap<&'a str, &'a Object<TenantPinSpec>>);

pub(super) fn by_name(pins: &Pins) -> ByName<'_> {
    ByName(pins.iter().map(|pin| (pin.name.as_str(), &**pin)).collect())
}

impl<'a> ByName<'a> {
    /// The one with this key.
    pub(super) fn of(&self, key: &str) -> Option<&'a Object<TenantPinSpec>> {
        let (_, name) = key.split_once('/')?;
        self.0.get(name).copied().filter(|pin| pin.has_key(key))
    }
}

/// What became of the claims' holders that do not stand, by tenant.
fn holders(
    world: &World,
    key: &EnvironmentKey,
    instance: &Object<OmniInstanceSpec>,
    pins: &Pins,
    view: &EnvironmentView,
) -> BTreeMap<String, Holder> {
    let present = by_name(pins);
    let fate = |claim: &Claim| match present.of(&claim.holder) {
        Some(pin) if pin.spec.tenant == claim.tenant => Holder::Stands,
        _ => elsewhere(world, key, instance, claim),
    };
    let fates = view.claims.values().map(|claim| (claim, fate(claim)));
    let gone = fates.filter(|(_, fate)| *fate != Holder::Stands);
    gone.map(|(claim, fate)| (claim.tenant.clone(), fate)).collect()
}

/// What became of a holder that is not among the pins of this environment.
fn elsewhere(world: &World, key: &EnvironmentKey, instance: &Object<OmniInstanceSpec>, claim: &Claim) -> Holder {
    // A holder that is no object's name was not written by Wavepin; it is nobody's to overrule.
    let Some((namespace, name)) = claim.holder.split_once('/') else {
        return Holder::Unseen;
    };
    let absent = |unknown| match world.objects.absence(namespace, name) {
        Absence::Unknown => unknown,
        Absence::Deleted => Holder::Deleted,
        Absence::Since(since) => match since.checked_add(ABSENCE_GRACE) {
            Ok(until) if until > world.clock.now() => Holder::Missing(until),
            _ => Holder::Deleted,
        },
    };
    match world.objects.pin(namespace, name) {
        Lookup::Unreadable(_) => Holder::Stands,
        // The mapping was taken over from an owner whose objects live where nobody looks.
        Lookup::Absent if namespace != key.namespace && takes_over(instance) => absent(Holder::Left),
        Lookup::Absent => absent(Holder::Unseen),
        // Tenant and environment cannot be changed: another object has the name now.
        Lookup::Found(pin) if pin.spec.tenant != claim.tenant || pin.spec.environment != key.environment => {
            absent(Holder::Left)
        }
        Lookup::Found(pin) if shares_mapping(world, instance, (&pin.namespace, &pin.spec.instance_ref.name)) => {
            Holder::Stands
        }
        Lookup::Found(_) => Holder::Left,
    }
}

fn takes_over(instance: &Object<OmniInstanceSpec>) -> bool {
    instance.requests.contains_key(annotations::TAKE_MAPPING_FROM)
}

/// The rollout that began the attempt on record, where it is declared and not among those of this instance. Each of the two
/// would take the other's attempt for one that is over, and begin its own anew, pass by pass.
fn led_elsewhere(
    world: &World,
    key: &EnvironmentKey,
    instance: &Object<OmniInstanceSpec>,
    rollouts: &Rollouts,
    view: &EnvironmentView,
) -> Option<String> {
    let holder = &view.rollouts.attempt.as_ref()?.holder;
    if rollouts.is_empty() || rollouts.iter().any(|rollout| rollout.key() == *holder) {
        return None;
    }
    let (namespace, name) = holder.split_once('/')?;
    let stands = match world.objects.rollout(namespace, name) {
        Lookup::Absent => false,
        Lookup::Unreadable(_) => true,
        Lookup::Found(it) => {
            let of = (it.namespace.as_str(), it.spec.instance_ref.name.as_str());
            it.spec.environment == key.environment && shares_mapping(world, instance, of)
        }
    };
    stands.then(|| holder.clone())
}

fn owner_of(mapping: &MappingSpec, key: String) -> String {
    mapping.owner.clone().unwrap_or(key)
}

/// Whether what names this instance still means this mapping: through this instance, through another one that has the same database and
/// owner, or from another namespace, where only its own controller can tell.
fn shares_mapping(world: &World, instance: &Object<OmniInstanceSpec>, (namespace, named): (&str, &str)) -> bool {
    if namespace != instance.namespace || named == instance.name {
        return true;
    }
    let Lookup::Found(other) = world.objects.instance(namespace, named) else {
        return false;
    };
    let (ours, theirs) = (&instance.spec.mapping, &other.spec.mapping);
    owner_of(ours, instance.key()) == owner_of(theirs, other.key())
        && ours.url_secret_ref == theirs.url_secret_ref
        && ours.schema == theirs.schema
}
