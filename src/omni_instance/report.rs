//! What a pass says of an instance, and when it wants to look again.

use super::InstancePass;
use super::observe::Observed;
use crate::ports::{Failure, LOOK_AGAIN, Next, Object};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::{ACCEPTED, Finding, MAPPING_READY, REACHABLE, READY, Reason, STALLED};

/// The pass of a suspended instance. Of its parts nothing is said: what was said last is the best that is known.
pub(super) fn suspended(instance: &Object<OmniInstanceSpec>) -> InstancePass {
    let text = "spec.suspend is true: nothing is sent to Omni and no row is changed until it is false";
    let findings = vec![Finding::fails(READY, Reason::Suspended, text)];
    pass(instance, findings, Next::After(LOOK_AGAIN))
}

/// The pass of an instance whose spec is refused: nothing was asked of anyone.
pub(super) fn refused(instance: &Object<OmniInstanceSpec>, refusal: &str) -> InstancePass {
    let text = format!("OmniInstance {}: {refusal}", instance.key());
    let findings = vec![
        Finding::fails(ACCEPTED, Reason::Invalid, text.clone()),
        Finding::fails(READY, Reason::Invalid, text.clone()),
        Finding::holds(STALLED, Reason::Invalid, text),
    ];
    pass(instance, findings, Next::After(LOOK_AGAIN))
}

/// The pass of an instance whose spec is sound.
pub(super) fn report(instance: &Object<OmniInstanceSpec>, seen: &Observed) -> InstancePass {
    let mapped = || {
        Finding::holds(
            MAPPING_READY,
            Reason::Converged,
            "the mapping database answers and is ours",
        )
    };
    match seen {
        Observed::NoMapping(failure) => {
            let text = "Omni is not called while the mapping cannot be used";
            let reachable = Finding::unknown(REACHABLE, failure.reason, text);
            failing(instance, vec![failure.against(MAPPING_READY), reachable], failure)
        }
        Observed::NoOmni(failure) => failing(instance, vec![mapped(), failure.against(REACHABLE)], failure),
        Observed::Usable => {
            let text = "Omni answers, and the key is an organisation's";
            let reachable = Finding::holds(REACHABLE, Reason::OmniReachable, text);
            let ready = Finding::holds(READY, Reason::Converged, "Omni and the mapping can be used");
            let findings = vec![accepted(), mapped(), reachable, ready];
            pass(instance, findings, Next::After(instance.spec.interval.into()))
        }
    }
}

fn failing(instance: &Object<OmniInstanceSpec>, parts: Vec<Finding>, failure: &Failure) -> InstancePass {
    let summary = vec![failure.against(READY), failure.abnormal()];
    pass(instance, [vec![accepted()], parts, summary].concat(), failure.next)
}

fn accepted() -> Finding {
    Finding::holds(ACCEPTED, Reason::Valid, "the spec is well-formed")
}

fn pass(instance: &Object<OmniInstanceSpec>, findings: Vec<Finding>, next: Next) -> InstancePass {
    InstancePass {
        spec_hash: instance.spec_hash.clone(),
        findings,
        next,
    }
}
