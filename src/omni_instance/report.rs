//! What a pass says of an instance, and when it wants to look again.

use super::InstancePass;
use super::observe::{Observed, Parts};
use crate::ports::{Contract, Failure, LOOK_AGAIN, Next, Object, newer_release};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::{
    ACCEPTED, CONTRACT_KNOWN, Finding, MAPPING_READY, REACHABLE, READY, Reason, SAME_ORGANIZATION, STALLED,
};

/// How many differences a message names.
const MOST_TOLD: usize = 4;

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
    let reachable = || {
        Finding::holds(
            REACHABLE,
            Reason::OmniReachable,
            "Omni answers, and the key is an organisation's",
        )
    };
    let unknown = |condition, failure: &Failure, text: &str| Finding::unknown(condition, failure.reason, text);
    let mut pass = match &seen.parts {
        Parts::NoMapping(failure) => {
            let text = "Omni is not called while the mapping cannot be used";
            let unseen = [REACHABLE, SAME_ORGANIZATION, CONTRACT_KNOWN].map(|it| unknown(it, failure, text));
            let parts = [vec![failure.against(MAPPING_READY)], unseen.to_vec()].concat();
            failing(instance, parts, failure)
        }
        Parts::NoOmni(failure) => {
            let text = "Omni, or its key, cannot be used";
            let mut parts = vec![
                mapped(),
                failure.against(REACHABLE),
                unknown(SAME_ORGANIZATION, failure, text),
            ];
            if seen.contract.is_none() {
                parts.push(unknown(CONTRACT_KNOWN, failure, text));
            }
            failing(instance, parts, failure)
        }
        Parts::NotRecognized(failure) => {
            let parts = vec![mapped(), reachable(), failure.against(SAME_ORGANIZATION)];
            failing(instance, parts, failure)
        }
        Parts::Usable => {
            let text = "the organisation is the one whose versions stand in the mapping";
            let same = Finding::holds(SAME_ORGANIZATION, Reason::OrganizationRecognized, text);
            let ready = Finding::holds(READY, Reason::Converged, "Omni and the mapping can be used");
            let findings = vec![accepted(), mapped(), reachable(), same, ready];
            pass(instance, findings, Next::After(instance.spec.interval.into()))
        }
    };
    pass.findings.extend(seen.contract.as_ref().map(contract));
    pass.opens = seen.opens;
    pass
}

/// What Omni's description of its API is worth. It takes nothing from `Ready`: what is touched stops where it is needed,
/// and everything else goes on.
fn contract(contract: &Result<Option<Contract>, Failure>) -> Finding {
    match contract {
        Err(failure) => Finding::unknown(CONTRACT_KNOWN, failure.reason, failure.message.clone()),
        Ok(None) => {
            let text = "the instance serves no description of its API at /openapi.json that could be compared; every \
                        answer is still checked by itself";
            Finding::unknown(CONTRACT_KNOWN, Reason::ContractNotServed, text)
        }
        Ok(Some(contract)) if contract.touching.is_empty() => {
            let mut text = "Omni's description of its API has all that Wavepin relies on".to_owned();
            if contract.new > 0 {
                let named = contract.new_first.join("; ");
                text = format!(
                    "{text}; {} things in it are new to this release, among them {named}",
                    contract.new
                );
            }
            Finding::holds(CONTRACT_KNOWN, Reason::ContractFits, text)
        }
        Ok(Some(contract)) => {
            let told: Vec<String> = contract
                .touching
                .iter()
                .take(MOST_TOLD)
                .map(ToString::to_string)
                .collect();
            let more = contract.touching.len() - told.len();
            let more = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            let text = format!(
                "Omni's description of its API differs from what Wavepin relies on: {}{more}. Work that needs these calls \
                 waits. {}",
                told.join("; "),
                newer_release()
            );
            Finding::fails(CONTRACT_KNOWN, Reason::ContractDrift, text)
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
        opens: false,
    }
}
