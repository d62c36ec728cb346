//! Freezes of some tenants.
//!
//! | a tenant that a lasting freeze selects | |
//! |---|---|
//! | would move forward | stays until the freeze ends; the others of its wave move on in their batches |
//! | is in a wave | keeps the wave open until it has moved |
//! | goes back | goes at once |

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::{Kept, Standing};
use super::told::{FrozenTenants, Wait};
use super::{Course, Follower, count};
use crate::resources::{LastingFreeze, VersionRolloutSpec, Wave, WaveSelector};

/// How many of those whom a freeze keeps are told by name.
const NAMED: usize = 10;

/// A freeze of some tenants that lasts now.
pub(super) struct ScopedFreeze {
    scope: WaveSelector,
    lasts: LastingFreeze,
}

/// The freezes of some that last now, the one that ends last first: of two that keep a tenant it is the one that counts.
pub(super) fn scoped(spec: &VersionRolloutSpec, now: Timestamp) -> Vec<ScopedFreeze> {
    let lasting = spec.freeze.iter().filter_map(|freeze| {
        let scope = WaveSelector::by(freeze.selector.as_ref()?).ok()?;
        let lasts = freeze.lasting(now)?;
        Some(ScopedFreeze { scope, lasts })
    });
    let mut lasting: Vec<ScopedFreeze> = lasting.collect();
    lasting.sort_by_key(|it| std::cmp::Reverse(ends(&it.lasts)));
    lasting
}

pub(super) fn ends(freeze: &LastingFreeze) -> Timestamp {
    freeze.until.unwrap_or(Timestamp::MAX)
}

/// Whether it would move forward, but for a freeze.
fn is_frozen(follower: &Follower<'_>) -> bool {
    follower.frozen.is_some() && follower.standing == Standing::Moving && follower.leave.is_none()
}

impl<'a> Course<'a> {
    /// The place of the freeze that keeps a tenant with these labels from moving forward.
    pub(super) fn frozen_by(&self, labels: &BTreeMap<String, String>) -> Option<usize> {
        self.frozen.iter().position(|freeze| freeze.scope.selects(labels))
    }

    /// What a wave waits for with those whom freezes keep: the one that ends first, and whom it keeps.
    pub(super) fn frozen_in(&self, wave: &Wave, members: &[&mut Follower<'a>]) -> Option<Wait> {
        let kept = || members.iter().filter(|it| is_frozen(it));
        let first = kept().filter_map(|it| it.frozen).max()?;
        let tenants = || {
            kept()
                .filter(move |it| it.frozen == Some(first))
                .map(|it| it.member.tenant)
        };
        Some(Wait::FrozenTenants(FrozenTenants {
            wave: wave.name.clone(),
            is_late: self.record(wave).is_some_and(|record| record.ended_at.is_some()),
            freeze: self.frozen[first].lasts.clone(),
            tenants: count(tenants()),
            named: tenants().take(NAMED).map(str::to_owned).collect(),
        }))
    }

    /// What keeps a follower that would move forward and whose wave has opened, where that is a freeze.
    pub(super) fn kept_frozen(&self, follower: &Follower<'a>) -> Option<Standing> {
        let freeze = self.frozen.get(follower.frozen.filter(|_| is_frozen(follower))?)?;
        let wave = &self.spec.waves[follower.wave?];
        self.record(wave)?;
        Some(Standing::Kept(Kept::Frozen {
            rollout: self.object.key(),
            freeze: freeze.lasts.clone(),
        }))
    }
}
