//! From what was seen to what each pin is waiting for, and what is to be written. Pure, and cannot fail.

mod claims;
#[cfg(test)]
mod laws;
mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::observe::{Holder, Observed};
use crate::ports::{Claim, Flip, Move, Object, PinEvent, RowRemoval, Unproved};
use crate::resources::{Hold, Requires, TenantPinSpec};

pub(super) use row::Row;

/// The reason of a flip that a pin's `spec.version` asks for, as the ledger has it.
pub(super) const BY_SPEC: &str = "spec.version";
/// The reason of a flip that a person confirmed, after another hand had changed the row.
pub(super) const BY_RESTORE: &str = "restore-row";

/// What comes of a look at an environment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    /// Where each pin stands, in the order of the pins.
    pub(super) standings: Vec<Standing>,
    /// What is to be written.
    pub(super) plan: Plan,
    /// The first time at which something changes by itself, by this process's clock.
    pub(super) wake: Option<Timestamp>,
    /// Something is awaited that comes without a time: a version that is being cut, evidence from another environment.
    pub(super) awaits: bool,
}

/// What is to be written, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    /// Changes by another hand to put on record: tenant, what the ledger held, what the row holds, the wish.
    pub(super) outside: Vec<(String, Option<i32>, Option<i32>, i32)>,
    /// Claims to set or to change.
    pub(super) claims: Vec<Claim>,
    /// Tenants whose claims are given up.
    pub(super) releases: Vec<String>,
    /// Rows to delete, with their claims.
    pub(super) removals: Vec<RowRemoval>,
    /// Rows to move, one flip a version and reason.
    pub(super) flips: Vec<Flip>,
}

/// Where one pin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its spec is refused.
    Invalid(String),
    /// It is being deleted; its row is left alone until it is gone.
    Deleting,
    /// Another pin has the claim.
    Conflict {
        /// The other, as `<namespace>/<name>`.
        holder: String,
        /// What became of it.
        fate: Holder,
    },
    /// Its row holds what it wishes.
    Pinned,
    /// Its row is to be moved.
    Moving,
    /// The wished version is not declared, or not complete, yet.
    NotComplete {
        /// It is on record, so that somebody declared it.
        declared: bool,
    },
    /// The wished version is retired.
    Retired,
    /// It is as it may be now; something keeps it from its wish.
    Kept(Kept),
}

/// What keeps a pin from its wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// Another hand changed its row.
    ChangedOutside {
        /// What the ledger says the row held.
        was: Option<i32>,
        /// The annotation's value that confirms the restoring.
        confirm: String,
    },
    /// Its row holds a version that is not on record as complete.
    UnknownCurrentVersion {
        /// That version.
        current: i32,
    },
    /// Its row holds what can be no version.
    NoVersion {
        /// What it holds, as text.
        current: String,
    },
    /// It is on hold.
    Held(Hold),
    /// The evidence for the wished version does not hold any more, or there is none for this environment yet.
    Unproved(Unproved),
    /// The tenant has not run the version in the required environment for as long as required.
    RequirementNotMet(Requires, Lacking),
}

/// What the ledger lacks of the evidence for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lacking {
    /// It runs since a time, and will have run for long enough at another; both by the database's clock.
    Until {
        /// Since when.
        since: Timestamp,
        /// Enough at this time.
        enough: Timestamp,
    },
    /// It ran, but never for long enough without a break, and does not run now.
    Run,
    /// No recorded event put it there.
    Start,
}

impl Plan {
    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.outside.is_empty()
            && self.claims.is_empty()
            && self.releases.is_empty()
            && self.removals.is_empty()
            && self.flips.is_empty()
    }

    /// Takes out everything that is for one of these tenants.
    pub(super) fn leave_out(&mut self, out: impl Fn(&str) -> bool) {
        self.outside.retain(|(tenant, ..)| !out(tenant));
        self.claims.retain(|claim| !out(&claim.tenant));
        self.releases.retain(|tenant| !out(tenant));
        self.removals.retain(|removal| !out(&removal.tenant));
        for flip in &mut self.flips {
            flip.moves.retain(|one| !out(&one.tenant));
        }
        self.flips.retain(|flip| !flip.moves.is_empty());
    }
}

/// Decides for all pins together.
pub(super) fn decide(seen: &Observed) -> Decision {
    let claims = claims::settle(seen);
    let mut decision = Decision {
        standings: Vec::with_capacity(seen.pins.len()),
        plan: Plan {
            claims: claims.set,
            releases: claims.release,
            removals: claims.remove,
            ..Plan::default()
        },
        wake: seen.holders.values().filter_map(missing_until).min(),
        awaits: false,
    };
    let mut flips: BTreeMap<(i32, &'static str), Vec<Move>> = BTreeMap::new();
    for pin in &seen.pins {
        let owner = claims.owners.get(pin.spec.tenant.as_str());
        let standing = match (refusal(&pin.spec), owner) {
            (Some(refusal), _) => Standing::Invalid(refusal),
            _ if pin.deleting => Standing::Deleting,
            (None, Some(holder)) if *holder != pin.key() => Standing::Conflict {
                holder: holder.clone(),
                fate: fate(seen, &pin.spec.tenant, holder),
            },
            // Every pin that is well-formed and stays has a claim or meets another's.
            (None, _) => settle_row(seen, pin, &mut decision, &mut flips),
        };
        decision.standings.push(standing);
    }
    decision.plan.flips = flips
        .into_iter()
        .map(|((version, reason), moves)| Flip {
            environment: seen.key.environment.clone(),
            version,
            moves,
            reason: reason.to_owned(),
        })
        .collect();
    decision
}

/// What became of the one that has a tenant; whoever gets the claim now is there.
fn fate(seen: &Observed, tenant: &str, owner: &str) -> Holder {
    let had = seen.view.claims.get(tenant).is_some_and(|claim| claim.holder == owner);
    let fate = seen.holders.get(tenant).filter(|_| had);
    fate.copied().unwrap_or(Holder::Stands)
}

/// When a claim whose holder is missing becomes free.
fn missing_until(holder: &Holder) -> Option<Timestamp> {
    match holder {
        Holder::Missing(until) => Some(*until),
        _ => None,
    }
}

/// Decides about the row of a pin that has its claim.
fn settle_row(
    seen: &Observed,
    pin: &Object<TenantPinSpec>,
    decision: &mut Decision,
    flips: &mut BTreeMap<(i32, &'static str), Vec<Move>>,
) -> Standing {
    let row = Row::of(seen, pin);
    if let Some(was) = row.unrecorded_change() {
        let change = (pin.spec.tenant.clone(), was, row.holds, pin.spec.version);
        decision.plan.outside.push(change);
    }
    let standing = row.standing();
    match &standing {
        Standing::NotComplete { .. } => decision.awaits = true,
        Standing::Kept(kept) => match wake(seen, kept) {
            Some(at) => decision.wake = Some(decision.wake.map_or(at, |wake| wake.min(at))),
            None => decision.awaits |= matches!(kept, Kept::RequirementNotMet(..) | Kept::Unproved(_)),
        },
        Standing::Moving => {
            let moves = flips.entry((pin.spec.version, row.reason())).or_default();
            moves.push(Move {
                tenant: pin.spec.tenant.clone(),
                from: row.holds,
            });
        }
        _ => {}
    }
    standing
}

/// When what keeps a pin ends by itself, by this process's clock.
fn wake(seen: &Observed, kept: &Kept) -> Option<Timestamp> {
    match kept {
        Kept::Held(hold) => hold.until,
        // The ages of events are measured with the database's clock, wake-ups with ours.
        Kept::RequirementNotMet(_, Lacking::Until { enough, .. }) => {
            let left = enough.duration_since(seen.view.now);
            Some(later(seen.now, left))
        }
        _ => None,
    }
}

/// A time so much later, or the end of time.
fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What is wrong with a spec as it stands, if anything: files bypass the schema of the API server.
pub(super) fn refusal(spec: &TenantPinSpec) -> Option<String> {
    let lengths = [
        ("spec.tenant", spec.tenant.as_str(), 253),
        ("spec.environment", spec.environment.as_str(), 63),
        ("spec.instanceRef.name", spec.instance_ref.name.as_str(), 253),
    ];
    let required = spec.requires.as_ref().map(|requires| requires.environment.as_str());
    let required = required.map(|environment| ("spec.requires.environment", environment, 63));
    for (field, text, most) in lengths.into_iter().chain(required) {
        let length = text.chars().count();
        if length == 0 || length > most {
            return Some(format!("{field} has {length} characters; give it 1 to {most}"));
        }
        if text.contains(|character: char| character.is_ascii_control()) {
            return Some(format!("{field} is {text:?}; take its control characters out"));
        }
    }
    if spec.version < 1 {
        let version = spec.version;
        return Some(format!("spec.version is {version}; versions are whole numbers from 1"));
    }
    let requires = spec.requires.as_ref()?;
    (requires.environment == spec.environment).then(|| {
        let environment = &spec.environment;
        format!(
            "spec.requires.environment is {environment:?}, the pin's own; name another environment, or leave it out"
        )
    })
}

/// The events of a tenant in an environment, oldest first.
fn oldest_first<'a>(events: &'a BTreeMap<String, Vec<PinEvent>>, tenant: &str) -> &'a [PinEvent] {
    events.get(tenant).map_or(&[], Vec::as_slice)
}
