//! Whose word counts for a tenant: the pin that claimed it first.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::super::observe::{Holder, Observed, by_name};
use super::{oldest_first, refusal};
use crate::ports::{Claim, Object, PinEvent, PinEventKind, RowRemoval};
use crate::resources::{PinDeletionPolicy, TenantPinSpec};

/// Who has which tenant, and what is to be written so that it stays so.
pub(super) struct Claims<'a> {
    /// The holder of each tenant, as `<namespace>/<name>`, after the writing.
    pub(super) owners: HashMap<&'a str, Cow<'a, str>>,
    /// Claims to set or to change.
    pub(super) set: Vec<Claim>,
    /// Tenants whose claims are given up, with the row left as it is.
    pub(super) release: Vec<String>,
    /// Rows that go with their claims.
    pub(super) remove: Vec<RowRemoval>,
}

/// A standing claim holds; a free one passes to the oldest pin of its tenant, or is given up.
pub(super) fn settle(seen: &Observed) -> Claims<'_> {
    let pins = by_name(&seen.pins);
    let mut claims = Claims {
        owners: HashMap::with_capacity(seen.view.claims.len()),
        set: Vec::new(),
        release: Vec::new(),
        remove: Vec::new(),
    };
    let mut free = Vec::new();
    for claim in seen.view.claims.values() {
        let tenant = claim.tenant.as_str();
        let holder = seen.holders.get(tenant).copied().unwrap_or(Holder::Stands);
        if matches!(holder, Holder::Stands | Holder::Unseen | Holder::Missing(_)) {
            claims.owners.insert(tenant, Cow::Borrowed(&claim.holder));
            claims.set.extend(changed(claim, pins.of(&claim.holder)));
        } else {
            free.push((claim, holder));
        }
    }
    let heirs = heirs(seen, &claims.owners);
    for (claim, holder) in free {
        if !heirs.contains_key(claim.tenant.as_str()) {
            match removable(seen, claim, holder) {
                Some(removal) => claims.remove.push(removal),
                None => claims.release.push(claim.tenant.clone()),
            }
        }
    }
    for (tenant, heir) in heirs {
        let claim = claim_of(heir);
        claims.owners.insert(tenant, Cow::Owned(claim.holder.clone()));
        claims.set.push(claim);
    }
    claims
}

/// The pin that each tenant goes to whom nobody has: the oldest that is well-formed and stays; of two as old, the first by
/// name.
fn heirs<'a>(
    seen: &'a Observed,
    owners: &HashMap<&'a str, Cow<'a, str>>,
) -> BTreeMap<&'a str, &'a Object<TenantPinSpec>> {
    let mut heirs: BTreeMap<&str, &Object<TenantPinSpec>> = BTreeMap::new();
    let of_free = seen
        .pins
        .iter()
        .filter(|pin| !pin.deleting && !owners.contains_key(pin.spec.tenant.as_str()));
    for pin in of_free.filter(|pin| refusal(&pin.spec).is_none()) {
        let heir = heirs.entry(pin.spec.tenant.as_str()).or_insert(pin);
        if (pin.first_seen, &pin.name) < (heir.first_seen, &heir.name) {
            *heir = pin;
        }
    }
    heirs
}

/// The claim that a pin makes.
fn claim_of(pin: &Object<TenantPinSpec>) -> Claim {
    Claim {
        tenant: pin.spec.tenant.clone(),
        holder: pin.key(),
        deletion: pin.spec.deletion_policy,
    }
}

/// The claim with its holder's present deletion policy, if that is another one now.
fn changed(claim: &Claim, holder: Option<&Object<TenantPinSpec>>) -> Option<Claim> {
    let deletion = holder?.spec.deletion_policy;
    (deletion != claim.deletion).then(|| Claim {
        deletion,
        ..claim.clone()
    })
}

/// The row that goes with a deleted holder: its policy says so, Wavepin inserted the row, and the row holds what
/// Wavepin last wrote. Any doubt leaves it.
fn removable(seen: &Observed, claim: &Claim, holder: Holder) -> Option<RowRemoval> {
    if holder != Holder::Deleted || claim.deletion != PinDeletionPolicy::Delete {
        return None;
    }
    let holds = *seen.view.rows.get(&claim.tenant)?;
    let events = oldest_first(&seen.view.events, &claim.tenant);
    let by_us = |event: &PinEvent| event.kind == PinEventKind::Flip;
    let birth = events.iter().rev().find(|event| event.from.is_none())?;
    let last = events.last()?;
    (by_us(birth) && by_us(last) && last.to == Some(holds)).then(|| RowRemoval {
        tenant: claim.tenant.clone(),
        holds,
    })
}
