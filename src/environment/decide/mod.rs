//! From what was seen to what each pin is waiting for, and what is to be written. Pure, and cannot fail.

mod claims;
#[cfg(test)]
mod laws;
mod news;
mod plan;
mod rollout;
mod row;
mod standing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod waves;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::observe::{Holder, Observed};
use crate::ports::{Object, PinEvent};
use crate::resources::TenantPinSpec;

pub(super) use news::{Errand, Errands, errands};
use plan::Flips;
pub(super) use plan::{Plan, is_of_rollout};
pub(super) use rollout::back::what_it_had;
use rollout::back::{self, Back};
pub(super) use rollout::{
    ApprovalStanding, AwaitedApproval, Checked, Found, FrozenTenants, LackingApproval, Lead, RolloutStanding, Stopped,
    Unlabelled, Wait, WaveState, could_open,
};
use rollout::{Course, Follower};
#[cfg(test)]
use row::is_made_from;
pub(super) use row::{Member, Row, advance};
pub(super) use standing::{Kept, Lacking, NotReturned, Standing};

/// The reason of a flip that a pin's `spec.version` asks for, as the ledger has it.
pub(super) const BY_SPEC: &str = "spec.version";
/// The reason of a flip that a person confirmed, after another hand had changed the row.
pub(super) const BY_RESTORE: &str = "restore-row";

/// The reason of a flip that a rollout asks for.
pub(super) const BY_ROLLOUT: &str = "rollout";
/// The reason of a flip by which a rollout takes tenants back to what they had.
pub(super) const BY_WAY_BACK: &str = "rollout-back";
/// The reason of a flip by which a tenant without a row gets the version that was last rolled out to the end.
pub(super) const BY_BASELINE: &str = "rollout-baseline";

/// The reason of a flip by which tenants go back to what they had, since their rollout was rolled back.
pub(super) const BY_ROLLED_BACK: &str = "rolled-back";
/// The reason of a flip by which a tenant goes back to what it had, since a person ordered it.
pub(super) const BY_ORDER: &str = "ordered-back";

/// What comes of a look at an environment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    /// The version that each pin shall have, in the order of the pins; `None` where nobody says.
    pub(super) wishes: Vec<Option<i32>>,
    /// Where each rollout stands, in their order.
    pub(super) rollouts: Vec<RolloutStanding>,
    /// What became of each approval, in their order.
    pub(super) approvals: Vec<ApprovalStanding>,
    /// Where each pin stands, in the order of the pins.
    pub(super) standings: Vec<Standing>,
    /// Where each row stands that takes part in the rollout without a pin, by tenant.
    pub(super) rows: Vec<(String, Standing)>,
    /// What is to be written.
    pub(super) plan: Plan,
    /// The first time at which something changes by itself, by this process's clock.
    pub(super) wake: Option<Timestamp>,
    /// Likewise, but for the times at which checks are asked again.
    pub(super) wake_but_for_checks: Option<Timestamp>,
    /// Something is awaited that comes without a time: a version that is being cut, evidence from another environment.
    pub(super) awaits: bool,
}

/// Decides for all pins together.
pub(super) fn decide(seen: &Observed) -> Decision {
    let claims = claims::settle(seen);
    let (mut course, standings) = rollout::course(seen);
    let mut draft = Draft::of_pins(seen, &claims, course.as_ref());
    match &mut course {
        Some(course) if course.counts_rows() => draft.rows(course),
        _ => draft.ordered_rows(seen),
    }
    let mut followers = std::mem::take(&mut draft.followers);
    let mut rows = Vec::new();
    let lead = course.as_mut().map(|course| course.advance(&mut followers));
    for follower in followers {
        follower.add_to(&mut draft.flips, course.as_ref().map_or(0, Course::target));
        match follower.place {
            Some(place) => draft.standings[place] = follower.standing,
            None => rows.push((follower.row.tenant().to_owned(), follower.standing)),
        }
    }
    let target = course.as_ref().map(Course::target);
    let mut decision = Decision {
        wishes: seen.pins.iter().map(|pin| pin.spec.version.or(target)).collect(),
        rollouts: Vec::new(),
        approvals: Vec::new(),
        standings: draft.standings,
        rows,
        plan: Plan {
            outside: draft.outside,
            claims: claims.set,
            releases: claims.release,
            removals: claims.remove,
            rollout: if course.is_none() {
                back::stops_by_ledger(seen)
            } else {
                Vec::new()
            },
            flips: draft.flips.of(&seen.key.environment),
            questions: Vec::new(),
        },
        wake: seen.holders.values().filter_map(missing_until).min(),
        wake_but_for_checks: None,
        awaits: false,
    };
    await_what_keeps(seen, &mut decision);
    if let Some(course) = course {
        decision.take_course(course, lead.as_ref());
    }
    let lead = lead.map(RolloutStanding::Leads);
    let standings = standings.into_iter().map(|standing| standing.or_else(|| lead.clone()));
    decision.rollouts = standings.flatten().collect();
    decision.approvals = rollout::approvals(seen, &decision.rollouts);
    decision
}

impl Decision {
    /// Takes in what the rollout comes to, and when something of it changes.
    fn take_course(&mut self, course: Course<'_>, lead: Option<&Lead>) {
        let of_waves = lead.iter().flat_map(|lead| &lead.waves);
        let of_waves = of_waves.filter_map(|wave| wave.waits.as_ref());
        let mut waits = of_waves.chain(lead.and_then(|lead| lead.wait.as_ref()));
        self.awaits |= waits.any(Wait::comes_by_itself);
        let first = |one: Option<Timestamp>, other| [one, other].into_iter().flatten().min();
        self.wake_but_for_checks = first(self.wake, course.wake_but_for_checks());
        self.wake = first(self.wake_but_for_checks, course.asks_again());
        self.plan.rollout = course.events;
        self.plan.questions = course.questions;
    }
}

/// What is decided so far.
#[derive(Default)]
struct Draft<'a> {
    standings: Vec<Standing>,
    outside: Vec<(String, Option<i32>, Option<i32>, i32)>,
    flips: Flips,
    followers: Vec<Follower<'a>>,
}

impl<'a> Draft<'a> {
    /// Each pin by itself.
    fn of_pins(seen: &'a Observed, claims: &claims::Claims<'_>, course: Option<&Course<'a>>) -> Self {
        let mut draft = Self {
            standings: Vec::with_capacity(seen.pins.len()),
            followers: Vec::with_capacity(course.map_or(0, |_| seen.pins.len())),
            ..Self::default()
        };
        for (place, pin) in seen.pins.iter().enumerate() {
            let owner = claims.owners.get(pin.spec.tenant.as_str());
            let standing = match (refusal(&pin.spec), owner) {
                (Some(refusal), _) => Standing::Invalid(refusal),
                _ if pin.deleting => Standing::Deleting,
                (None, Some(holder)) if !pin.has_key(holder) => Standing::Conflict {
                    holder: holder.to_string(),
                    fate: fate(seen, &pin.spec.tenant, holder),
                },
                // Every pin that is well-formed and stays has a claim or meets another's.
                (None, _) => draft.row(seen, course, place, pin),
            };
            draft.standings.push(standing);
        }
        draft
    }

    /// Decides about the row of a pin that has its claim. What a follower's comes to is told when the rollout has decided
    /// for all of them.
    fn row(
        &mut self,
        seen: &'a Observed,
        course: Option<&Course<'a>>,
        place: usize,
        pin: &'a Object<TenantPinSpec>,
    ) -> Standing {
        let wish = pin.spec.version.or_else(|| course.map(Course::target));
        let row = Row::of(seen, Member::of(pin), wish);
        self.note_outside(&row, wish);
        let Some(version) = pin.spec.version else {
            let Some(course) = course else {
                let ordered = back::ordered_by_ledger(seen, &row);
                return ordered.map_or(Standing::NoRollout, |(back, reason)| self.take_back(back, reason, &row));
            };
            self.followers
                .push(course.follower(Some(place), Member::of(pin), &pin.labels));
            return Standing::Moving;
        };
        if let Some(back) = back::ordered(seen, &row) {
            return self.take_back(back, BY_ORDER, &row);
        }
        let standing = row.standing();
        if standing == Standing::Moving {
            self.flips.add(version, row.reason(), None, &row);
        }
        standing
    }

    fn take_back(&mut self, back: Back, reason: &'static str, row: &Row<'a>) -> Standing {
        match back {
            Back::To(version) => {
                self.flips.add_return(version, reason, row);
                Standing::Moving
            }
            Back::Stays(standing) => standing,
        }
    }

    /// Takes in the rows that take part in the rollout without a pin.
    fn rows(&mut self, course: &mut Course<'a>) {
        let rows = course.rows();
        for row in &rows {
            self.note_outside(&row.row, Some(course.target()));
        }
        self.followers.extend(rows);
    }

    /// Sends back, as persons order, the rows of tenants without a pin that take part in no rollout now: it is gone or
    /// refused, or has let go of them since it moved them.
    fn ordered_rows(&mut self, seen: &'a Observed) {
        if seen.view.orders.is_empty() {
            return;
        }
        for tenant in rollout::without_pin(seen) {
            let row = Row::of(seen, Member { tenant, pin: None }, None);
            if let Some((back, reason)) = back::ordered_by_ledger(seen, &row) {
                self.take_back(back, reason, &row);
            }
        }
    }

    /// Puts it on record where another hand has changed the row.
    fn note_outside(&mut self, row: &Row<'_>, wish: Option<i32>) {
        if let Some(was) = row.unrecorded_change() {
            let change = (row.tenant().to_owned(), was, row.holds, wish.unwrap_or_default());
            self.outside.push(change);
        }
    }
}

/// Sets the times at which what keeps pins ends by itself.
fn await_what_keeps(seen: &Observed, decision: &mut Decision) {
    let of_rows = decision.rows.iter().map(|(_, standing)| standing);
    for standing in decision.standings.iter().chain(of_rows) {
        match standing {
            Standing::NotComplete { .. } => decision.awaits = true,
            Standing::Kept(kept) => match wake(seen, kept) {
                Some(at) => decision.wake = Some(decision.wake.map_or(at, |wake| wake.min(at))),
                None => decision.awaits |= matches!(kept, Kept::RequirementNotMet(..) | Kept::Unproved(_)),
            },
            _ => {}
        }
    }
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

/// When what keeps a pin ends by itself, by this process's clock.
pub(super) fn wake(seen: &Observed, kept: &Kept) -> Option<Timestamp> {
    match kept {
        Kept::Held(hold) => hold.until,
        Kept::Frozen { freeze, .. } => freeze.until,
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
        // No text has more characters than bytes, and bytes need no counting.
        let length = if text.len() <= most {
            text.len()
        } else {
            text.chars().count()
        };
        if length == 0 || length > most {
            return Some(format!("{field} has {length} characters; give it 1 to {most}"));
        }
        if text.contains(|character: char| character.is_ascii_control()) {
            return Some(format!("{field} is {text:?}; take its control characters out"));
        }
    }
    if let Some(version) = spec.version.filter(|version| *version < 1) {
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
