//! Why a tenant is on its version and not on another, and where a rollout stands: one chain of causes, of which the last
//! says what ends it.
//!
//! It is made from the look and the decision that statuses are made from, so that it is never another truth than theirs.

mod ends;
#[cfg(test)]
pub(super) mod gallery;
mod rollout;
mod row;
mod tenant;
mod words;

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::decide::{Decision, Lead, RolloutStanding, decide};
use super::observe::{Observed, observe};
use super::{Declared, EnvironmentKey, act, instance, report};
use crate::ports::{Failure, Next, Object, World};
use crate::resources::conditions::Reason;
use crate::resources::{OmniInstanceSpec, VersionRolloutSpec, WaveSelector, WaveStatus};
pub use words::moved_by;

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A tenant, as the mapping names it.
    Tenant(String),
    /// The VersionRollout of this name.
    Rollout(String),
}

/// Whether all is as it shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Outlook {
    /// It is.
    AsWished,
    /// Something is waited for: a time, a gate, or a person.
    Waits,
}

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Of whom or what: `tenant acme in production`, `VersionRollout apps/main`.
    pub about: String,
    /// The environment.
    pub environment: String,
    /// Whether all is as it shall be.
    pub outlook: Outlook,
    /// The version that the tenant's row holds; nothing for no row, and of a rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<i32>,
    /// The version that it shall hold, or that the rollout moves tenants to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<i32>,
    /// How far the rollout is; only of one that moves tenants.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The chain: each cause with the ones before it explains the one after; the last says what ends it.
    pub causes: Vec<Cause>,
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How many tenants follow it.
    pub tenants: u32,
    /// How many of them are on the target.
    pub moved: u32,
    /// Its waves in their order.
    pub waves: Vec<WaveProgress>,
}

/// How far a wave is, and what it waits for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveProgress {
    /// What its rollout's status says of it.
    #[serde(flatten)]
    pub status: WaveStatus,
    /// What its next move or its end waits for; nothing where it has ended, or waits for the waves before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Cause>,
}

/// One cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// The reason that the conditions have for it; nothing for a plain fact.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_word")]
    pub reason: Option<Reason>,
    /// What is so.
    pub what: String,
    /// What ends it; nothing for a plain fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
}

/// What ends a cause. Something stands in it always: it never ends for no reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ends {
    /// By itself, at this time, by the database's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// By itself, when this has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Where it ends by itself: when whoever works on it looks again at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks_again_by: Option<Timestamp>,
    /// By a person, who does this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

fn as_word<S: serde::Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_str).serialize(serializer)
}

impl Explanation {
    /// The reason of the last cause.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.causes.iter().rev().find_map(|cause| cause.reason)
    }

    /// What ends the last cause.
    #[must_use]
    pub fn ends(&self) -> Option<&Ends> {
        self.causes.last().and_then(|cause| cause.ends.as_ref())
    }

    /// As people read it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match self.reason() {
            Some(reason) => format!("{}: {}\n", self.about, reason.as_str()),
            None => format!("{}\n", self.about),
        };
        for (number, cause) in (1..).zip(&self.causes) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{number:>3}. {}", cause.text());
            if let Some(ends) = &cause.ends {
                let _ = writeln!(text, "     Ends {}", ends.text());
            }
        }
        text
    }
}

impl Cause {
    /// A plain fact.
    fn fact(what: impl Into<String>) -> Self {
        Self {
            reason: None,
            what: what.into(),
            ends: None,
        }
    }

    fn new((reason, what): (Reason, impl Into<String>), ends: Ends) -> Self {
        Self {
            reason: Some(reason),
            what: what.into(),
            ends: Some(ends),
        }
    }

    /// As people read it, but for what ends it.
    #[must_use]
    pub fn text(&self) -> String {
        match self.reason {
            Some(reason) => format!("{}: {}", reason.as_str(), self.what),
            None => self.what.clone(),
        }
    }
}

impl Ends {
    fn at(at: Timestamp) -> Self {
        Self {
            at: Some(at),
            ..Self::default()
        }
    }

    fn person(what: impl Into<String>) -> Self {
        Self {
            person: Some(what.into()),
            ..Self::default()
        }
    }

    /// Whether it ends without a person.
    #[must_use]
    pub const fn by_itself(&self) -> bool {
        self.at.is_some() || self.when.is_some()
    }

    /// As people read it, after `Ends `.
    #[must_use]
    pub fn text(&self) -> String {
        let mut ways = Vec::new();
        ways.extend(self.at.map(|at| format!("by itself at {at}")));
        ways.extend(self.when.as_ref().map(|when| {
            let looks = self.looks_again_by.map(|by| format!(", looked at again by {by}"));
            format!("by itself when {when}{}", looks.unwrap_or_default())
        }));
        ways.extend(self.person.as_ref().map(|what| format!("by a person: {what}")));
        ways.join("; or ")
    }
}

/// What is seen and decided, to be explained.
struct Look<'a> {
    seen: &'a Observed,
    decision: &'a Decision,
    /// When whoever works on it looks again at the latest.
    again: Timestamp,
}

impl<'a> Look<'a> {
    /// The rollout that moves tenants, and where it stands.
    fn lead(&self) -> Option<(&'a Object<VersionRolloutSpec>, &'a Lead)> {
        let mut rollouts = self.seen.rollouts.iter().zip(&self.decision.rollouts);
        rollouts.find_map(|(object, standing)| match standing {
            RolloutStanding::Leads(lead) => Some((&**object, lead)),
            _ => None,
        })
    }

    /// What comes by itself, without a time that is known.
    fn when(&self, what: impl Into<String>) -> Ends {
        Ends {
            when: Some(what.into()),
            looks_again_by: Some(self.again),
            ..Ends::default()
        }
    }
}

/// The place of the wave that each pin is in, as a rollout's spec has it.
pub(super) struct Places(Vec<WaveSelector>);

impl Places {
    pub(super) fn of(spec: &VersionRolloutSpec) -> Self {
        Self(spec.waves.iter().flat_map(WaveSelector::of).collect())
    }

    /// Why a pin is in the wave at this place.
    fn why(&self, place: usize) -> String {
        let selector = self.0.get(place).map(ToString::to_string).unwrap_or_default();
        if selector.is_empty() {
            "which takes everybody who is left".to_owned()
        } else {
            format!("which selects {selector}")
        }
    }
}

/// Explains; `None` where there is neither a pin nor a row of that tenant, or no rollout of that name. It writes nothing,
/// and asks Omni nothing.
///
/// # Errors
/// What keeps the environment from being seen.
pub async fn explain(world: &World, key: &EnvironmentKey, asked: &Asked) -> Result<Option<Explanation>, Failure> {
    let declared = Declared::of(world, key);
    let instance = instance(world, key)?;
    if instance.spec.suspend {
        return Ok(suspended(&declared, key, &instance, asked));
    }
    let (mapping, _) = world.mapping(&instance).await?;
    let mapping = mapping.as_ref();
    let seen = observe(world, key, &instance, &declared, mapping).await;
    let seen = seen.map_err(|error| Failure::from(&error))?;
    Ok(of(&seen, asked, instance.spec.interval.into()))
}

/// The same, of what was seen.
fn of(seen: &Observed, asked: &Asked, interval: std::time::Duration) -> Option<Explanation> {
    let decision = decide(seen);
    let next = report::next(seen.now, &decision, &act::Failed::default(), interval);
    let look = Look {
        seen,
        decision: &decision,
        again: by(next, seen.now),
    };
    match asked {
        Asked::Tenant(tenant) => tenant::explained(&look, tenant),
        Asked::Rollout(name) => rollout::explained(&look, name),
    }
}

/// When somebody looks again at the latest.
fn by(next: Next, now: Timestamp) -> Timestamp {
    match next {
        Next::At(at) => at,
        Next::After(after) => now.checked_add(after).unwrap_or(Timestamp::MAX),
        Next::Again | Next::Backoff { .. } => now,
    }
}

/// What is said while the instance is suspended: nothing was looked at.
fn suspended(
    declared: &Declared,
    key: &EnvironmentKey,
    instance: &Arc<Object<OmniInstanceSpec>>,
    asked: &Asked,
) -> Option<Explanation> {
    let about = match asked {
        Asked::Tenant(tenant) => {
            let pin = declared.pins.iter().find(|pin| pin.spec.tenant == *tenant);
            // Whether it has a row is not read either.
            pin.map_or_else(
                || format!("tenant {tenant} in {}", key.environment),
                |pin| report::who(pin),
            )
        }
        Asked::Rollout(name) => {
            let rollout = declared.rollouts.iter().find(|rollout| rollout.name == *name)?;
            format!("VersionRollout {}", rollout.key())
        }
    };
    let name = instance.key();
    let what = format!("OmniInstance {name} is suspended: no row is read or changed");
    let ends = Ends::person(format!("set spec.suspend of OmniInstance {name} to false"));
    Some(Explanation {
        about,
        environment: key.environment.clone(),
        outlook: Outlook::Waits,
        holds: None,
        wish: None,
        progress: None,
        causes: vec![Cause::new((Reason::Suspended, what), ends)],
    })
}
