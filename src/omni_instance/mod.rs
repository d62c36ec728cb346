//! One pass over an instance: is its spec sound, its mapping ours, its organisation there, and its key the right one?
//!
//! A pass makes nothing in Omni; of the mapping it makes and keeps what every other pass needs. So there is no room
//! for effects here: what is observed is what is reported, and what opens the way for the passes over versions.

mod decide;
mod observe;
mod report;
#[cfg(test)]
mod tests;

use self::observe::{Keep, Parts};
use crate::ports::{Failure, Lookup, Next, Object, World};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::{Finding, MAPPING_READY, Reason, Verdict};

/// What came of one pass over an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePass {
    /// The hash of the spec that the pass looked at.
    pub spec_hash: String,
    /// Its conditions.
    pub findings: Vec<Finding>,
    /// When to look again.
    pub next: Next,
    /// Versions whose work was turned away may be tried again now: the organisation was recognised, or its contract is
    /// another.
    pub opens: bool,
}

impl InstancePass {
    /// Whether the mapping was seen to be ours and usable.
    #[must_use]
    pub fn has_mapping(&self) -> bool {
        let ready = |finding: &Finding| finding.condition == MAPPING_READY && finding.verdict == Verdict::True;
        self.findings.iter().any(ready)
    }
}

/// One pass; `None` where the object is not there (any more), or does not parse.
///
/// 1. Find the object.
/// 2. Suspended: nothing is asked of anyone.
/// 3. Check what its spec says, before a credential goes anywhere.
/// 4. See that the mapping is ours, then ask Omni whose key it is. Without the database no call to Omni is made.
/// 5. Hold Omni's description of its API against what the client relies on, and the organisation against the one on
///    record; keep what is new of it. What is found decides what every client of this instance sends from now on.
/// 6. Say what was seen.
pub async fn reconcile(world: &World, namespace: &str, name: &str) -> Option<InstancePass> {
    let Lookup::Found(instance) = world.objects.instance(namespace, name) else {
        return None;
    };
    if instance.spec.suspend {
        return Some(report::suspended(&instance));
    }
    if let Some(refusal) = decide::refusal(&instance.spec) {
        return Some(report::refused(&instance, &refusal));
    }
    let seen = observe::observe(world, &instance, Keep::News).await;
    Some(report::report(&instance, &seen))
}

/// The same steps for somebody who only reads: nothing is kept, and nothing is said but what is in the way.
///
/// # Errors
/// Why nothing may be read from the organisation, but what tells which one it is.
pub async fn recognized(world: &World, instance: &Object<OmniInstanceSpec>) -> Result<(), Failure> {
    if instance.spec.suspend {
        let why = format!(
            "OmniInstance {}: spec.suspend is true, so nothing is sent to Omni",
            instance.key()
        );
        return Err(Failure::passing(Reason::Suspended, why));
    }
    if let Some(refusal) = decide::refusal(&instance.spec) {
        let why = format!("OmniInstance {}: {refusal}", instance.key());
        return Err(Failure::stalled(Reason::Invalid, why));
    }
    match observe::observe(world, instance, Keep::Nothing).await.parts {
        Parts::Usable => Ok(()),
        Parts::NoMapping(failure) | Parts::NoOmni(failure) | Parts::NotRecognized(failure) => Err(failure),
    }
}
