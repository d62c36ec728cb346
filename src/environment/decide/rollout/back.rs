//! Who goes back to exactly what it had, and what a stopped rollout waits for.
//!
//! | what stops a rollout | those that have moved | and ends when |
//! |---|---|---|
//! | a failure, `onFailure: Pause` | stay | target or waves are edited, or a person retries |
//! | a failure, `onFailure: RollBack` | go back | likewise |
//! | a person's order | go back | the order is lifted, and then likewise |
//!
//! A tenant goes back where its row still holds what it was moved to, to the version of the move that the ledger has: nothing
//! of this is counted or remembered elsewhere, so that it may be broken off between any two rows.
//!
//! An order needs no rollout that is declared: where none leads, or the one that leads does not count rows, the ledger alone
//! tells who goes back.

use std::collections::BTreeMap;

use super::super::super::observe::Observed;
use super::super::super::orders::{is_in, unheeded};
use super::super::row::Row;
use super::super::{BY_ORDER, BY_ROLLED_BACK, Kept, NotReturned, Standing};
use super::follower::{Follower, Leave};
use super::told::{Stopped, Wait};
use super::{Course, count};
use crate::ports::{Attempt, Order, RolloutEvent, RolloutStep, VersionRecord};
use crate::resources::annotations;

/// What becomes of a tenant that is to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment::decide) enum Back {
    /// It goes to this version.
    To(i32),
    /// It stays as it is, and this is where it stands.
    Stays(Standing),
}

/// What an order about its tenant makes of a row; `None` where there is no such order.
pub(in crate::environment::decide) fn ordered(seen: &Observed, row: &Row<'_>) -> Option<Back> {
    let order = order_about(seen, row.tenant())?;
    if let Some(advance) = row.advance() {
        return Some(to_what_it_had(seen, row, advance.from));
    }
    Some(Back::Stays(match row.standing() {
        // What another hand did, and what is already as wished, is told as ever.
        standing @ (Standing::Pinned | Standing::Kept(Kept::ChangedOutside { .. } | Kept::NoVersion { .. })) => {
            standing
        }
        _ => Standing::Kept(Kept::Ordered(order.clone())),
    }))
}

/// What orders make of a row that no rollout speaks for, and the reason for the ledger.
pub(in crate::environment::decide) fn ordered_by_ledger(
    seen: &Observed,
    row: &Row<'_>,
) -> Option<(Back, &'static str)> {
    if let Some(back) = ordered(seen, row) {
        return Some((back, BY_ORDER));
    }
    let orders = &seen.view.orders;
    let moved = row.advance().filter(|_| !orders.is_empty())?;
    let taken = orders
        .iter()
        .any(|order| is_in(&seen.view, &order.scope, row.tenant(), moved));
    taken.then(|| (to_what_it_had(seen, row, moved.from), BY_ROLLED_BACK))
}

/// What is to be put on record of orders while no rollout leads.
pub(in crate::environment::decide) fn stops_by_ledger(seen: &Observed) -> Vec<RolloutEvent> {
    let Some(attempt) = &seen.view.rollouts.attempt else {
        return Vec::new();
    };
    unheeded(&seen.view)
        .into_iter()
        .map(|step| attempt.event(step))
        .collect()
}

/// The newest order about a tenant.
fn order_about<'a>(seen: &'a Observed, tenant: &str) -> Option<&'a Order> {
    let mut about = seen.view.orders.iter().filter(|order| order.tenant() == Some(tenant));
    about.next_back()
}

/// Sends a row back to a version, if it may have that; a hold keeps it.
fn to_what_it_had(seen: &Observed, row: &Row<'_>, had: Option<i32>) -> Back {
    let stays = |kept| Back::Stays(Standing::Kept(kept));
    if let Some(hold) = row.hold() {
        return stays(Kept::Held(hold.clone()));
    }
    match what_it_had(&seen.versions, had) {
        Ok(had) => Back::To(had),
        Err(why) => stays(Kept::NotReturned(why)),
    }
}

/// The version that a tenant goes back to, which must be there to go to.
pub(in crate::environment) fn what_it_had(
    versions: &BTreeMap<i32, VersionRecord>,
    had: Option<i32>,
) -> Result<i32, NotReturned> {
    let had = had.ok_or(NotReturned::HadNone)?;
    match versions.get(&had) {
        Some(version) if version.retired_at.is_some() => Err(NotReturned::Retired(had)),
        Some(version) if version.complete_at.is_some() => Ok(had),
        _ => Err(NotReturned::NotComplete(had)),
    }
}

impl<'a> Course<'a> {
    /// Puts on record that a person stopped the rollout, or starts it again as a person asks.
    ///
    /// An order outranks what is declared: while one stands, neither another target nor a wish to retry begins anything.
    pub(super) fn heed_people(&mut self) {
        for step in unheeded(&self.seen.view) {
            self.note(step);
        }
        let mut orders = self.seen.view.orders.iter();
        self.order = orders.rfind(|order| order.tenant().is_none()).cloned();
        if self.order.is_some() {
            return;
        }
        let Some(attempt) = &self.ledger.attempt else {
            return self.note(RolloutStep::Started);
        };
        let edited = attempt.plan != self.plan || attempt.target != self.spec.version;
        let retried = self.object.requests.get(annotations::RETRY_ROLLOUT) == Some(&attempt.word());
        if edited || (retried && !attempt.stops.is_empty()) {
            self.note(RolloutStep::Started);
        }
    }

    /// What a stopped rollout waits for.
    pub(super) fn stopped(&self) -> Option<Wait> {
        let attempt = self.ledger.attempt.as_ref()?;
        if let Some(order) = &self.order {
            return Some(Wait::Ordered(order.clone()));
        }
        let stop = attempt.stops.last()?;
        Some(Wait::Stopped(Stopped {
            kind: stop.kind,
            why: stop.why.clone(),
            retry: attempt.word(),
        }))
    }

    /// Whether those that have moved go back.
    pub(super) fn is_rolled_back(&self) -> bool {
        self.ledger.attempt.as_ref().is_some_and(Attempt::is_rolled_back)
    }

    /// Sends everybody back whom this rollout has moved, or whom a person ordered back; returns how many rollouts' tenants
    /// are on their way.
    pub(super) fn take_back(&self, followers: &mut [Follower<'a>]) -> u32 {
        for follower in followers.iter_mut() {
            if let Some(back) = ordered(self.seen, &follower.row) {
                follower.goes(back, true);
            } else if let Some(had) = self.had_before(follower) {
                let back = to_what_it_had(self.seen, &follower.row, had);
                follower.goes(back, false);
            }
        }
        let returns = followers
            .iter()
            .filter(|it| matches!(it.leave, Some(Leave::Return { .. })));
        count(returns)
    }

    /// What a follower had before this rollout moved it, where that is to be undone and its row still holds it.
    fn had_before(&self, follower: &Follower<'a>) -> Option<Option<i32>> {
        let attempt = self.ledger.attempt.as_ref()?;
        let advance = follower.row.advance()?;
        let wave = advance.cause.wave.as_ref()?;
        attempt.takes_back(wave).then_some(advance.from)
    }
}

impl Follower<'_> {
    fn goes(&mut self, back: Back, ordered: bool) {
        match back {
            Back::To(version) => {
                self.standing = Standing::Moving;
                self.leave = Some(Leave::Return { version, ordered });
            }
            Back::Stays(standing) => {
                self.standing = standing;
                self.leave = None;
            }
        }
    }
}
