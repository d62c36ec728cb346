//! Conditions: their types, and the one way to set them. Their reasons are a closed set, in [`super::reasons`].
//!
//! Every condition is a metav1 condition with `observedGeneration`. `Ready`, `Accepted` and the parts (`ModelReady`,
//! `ContentReady`, `Validated`, `Mapped`, `Pinned`, `Reachable`) are true when all is well. `Waiting`, `Drifted`,
//! `NotificationsFailing`, `Reconciling` and `Stalled` are true when something is going on, and are removed when it is not.

use std::borrow::Cow;

use k8s_controller::conditions::{ConditionStatus, DesiredCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

pub use super::reasons::Reason;

/// What may be true now is true: the summary of an object.
pub const READY: &str = "Ready";
/// The object is well-formed and fits the others.
pub const ACCEPTED: &str = "Accepted";
/// Work is going on or will go on without a person: an absent Secret, a part that cannot be reached, a cut.
pub const RECONCILING: &str = "Reconciling";
/// A person must change something; the message says what.
pub const STALLED: &str = "Stalled";
/// A gate, a hold or a person keeps the object back; `Ready` stays true.
pub const WAITING: &str = "Waiting";
/// OmniInstance: the organisation answers, with a key of the right kind.
pub const REACHABLE: &str = "Reachable";
/// OmniInstance: the organisation is the one whose versions stand in the mapping.
pub const SAME_ORGANIZATION: &str = "SameOrganization";
/// OmniInstance: Omni's own description of its API has all that Wavepin relies on.
pub const CONTRACT_KNOWN: &str = "ContractKnown";
/// OmniInstance: the mapping database answers, has the columns needed, and is ours.
pub const MAPPING_READY: &str = "MappingReady";
/// ModelVersion: the Omni model exists and its definition is what was declared.
pub const MODEL_READY: &str = "ModelReady";
/// ModelVersion: every dashboard is there, whole, in its folder.
pub const CONTENT_READY: &str = "ContentReady";
/// ModelVersion: Omni's model validation finds no error.
pub const VALIDATED: &str = "Validated";
/// ModelVersion: every row of the version stands in the mapping, and the version is marked complete.
pub const MAPPED: &str = "Mapped";
/// ModelVersion: rows of `tenant_version` point at this version.
pub const IN_USE: &str = "InUse";
/// ModelVersion: other hands did something in Omni to a complete version, or beside it; the message names it.
pub const DRIFTED: &str = "Drifted";
/// TenantPin: the row that the application reads holds the wanted version.
pub const PINNED: &str = "Pinned";
/// VersionRollout: every wave has ended.
pub const COMPLETE: &str = "Complete";

/// VersionRollout: a channel of `notify` cannot be told what happened; it holds nobody, and `Ready` stays as it is.
pub const NOTIFICATIONS_FAILING: &str = "NotificationsFailing";

/// What is true while something is going on, and absent else.
const ABNORMAL: [&str; 5] = [WAITING, DRIFTED, NOTIFICATIONS_FAILING, RECONCILING, STALLED];

/// The status of one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The world could not be seen.
    Unknown,
}

impl Verdict {
    /// The word in a condition's `status`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition as a reconciler wants it; [`apply`] gives it its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// One of the types of this module.
    pub condition: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Why, as one word of a closed set.
    pub reason: Reason,
    /// What, which object, and what a person can do. No times, no secrets.
    pub message: String,
}

impl Finding {
    /// A condition that holds.
    pub fn holds(condition: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition,
            verdict: Verdict::True,
            reason,
            message: message.into(),
        }
    }

    /// A condition that does not hold.
    pub fn fails(condition: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition,
            verdict: Verdict::False,
            reason,
            message: message.into(),
        }
    }

    /// A condition about which nothing can be said now.
    pub fn unknown(condition: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            condition,
            verdict: Verdict::Unknown,
            reason,
            message: message.into(),
        }
    }
}

/// Puts findings into a status: those of `abnormal` types that no finding names are removed.
///
/// Times move only where a status moves. Returns whether anything changed.
pub fn apply(conditions: &mut Vec<Condition>, findings: &[Finding], generation: Option<i64>) -> bool {
    let mut changed = false;
    for finding in findings {
        let status = match finding.verdict {
            Verdict::True => ConditionStatus::True,
            Verdict::False => ConditionStatus::False,
            Verdict::Unknown => ConditionStatus::Unknown,
        };
        let message = clip(&finding.message).into_owned();
        let desired = DesiredCondition::new(finding.condition, status, finding.reason.as_str(), message)
            .observed_generation(generation);
        changed |= k8s_controller::conditions::set(conditions, desired).is_changed();
    }
    for abnormal in ABNORMAL {
        if !findings.iter().any(|finding| finding.condition == abnormal) {
            changed |= k8s_controller::conditions::remove(conditions, abnormal);
        }
    }
    changed
}

/// Whether [`apply`] would change nothing. Asked of thousands of objects in every pass, of which next to none have changed, it
/// makes nothing of its own.
#[must_use]
pub fn says(conditions: &[Condition], findings: &[Finding], generation: Option<i64>) -> bool {
    let known = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_);
    let is_said = |finding: &Finding| {
        known(finding.condition).is_some_and(|condition| {
            condition.status == finding.verdict.as_str()
                && condition.reason == finding.reason.as_str()
                && condition.observed_generation == generation
                && condition.message == *clip(&finding.message)
        })
    };
    let is_over =
        |abnormal: &str| known(abnormal).is_none() || findings.iter().any(|finding| finding.condition == abnormal);
    findings.iter().all(is_said) && ABNORMAL.into_iter().all(is_over)
}

/// One change worth telling: fronts make a Kubernetes event or a line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// True for what a person should look at.
    pub warning: bool,
    /// The condition that moved.
    pub condition: String,
    /// Its reason now.
    pub reason: String,
    /// Its message now.
    pub message: String,
}

/// What moved between two states of the same conditions: a status, a reason, which version a pin has, or where the
/// waves of a rollout stand.
///
/// Conditions that went away are not told: what took their place is.
#[must_use]
pub fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Transition> {
    after
        .iter()
        .filter(|now| {
            before.iter().find(|was| was.type_ == now.type_).is_none_or(|was| {
                was.status != now.status
                    || was.reason != now.reason
                    || ([PINNED, COMPLETE].contains(&now.type_.as_str()) && was.message != now.message)
            })
        })
        .filter(|now| now.reason != Reason::Pending.as_str())
        .map(|now| Transition {
            warning: [STALLED, DRIFTED, NOTIFICATIONS_FAILING].contains(&now.type_.as_str())
                || ([READY, CONTRACT_KNOWN].contains(&now.type_.as_str()) && now.status == "False"),
            condition: now.type_.clone(),
            reason: now.reason.clone(),
            message: now.message.clone(),
        })
        .collect()
}

/// Cuts a message to what the API server and people bear: 1 KiB, at a character.
fn clip(message: &str) -> Cow<'_, str> {
    const LIMIT: usize = 1024;
    if message.len() <= LIMIT {
        return message.into();
    }
    let end = (0..=LIMIT - 3)
        .rev()
        .find(|&at| message.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}...", &message[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_the_case_is_removed_and_times_stay() {
        let mut conditions = Vec::new();
        let stalled = Finding::holds(STALLED, Reason::NameTaken, "a model of that name exists");
        assert!(apply(&mut conditions, &[stalled], Some(1)));
        let ready = Finding::holds(READY, Reason::Converged, "all is as declared");
        assert!(apply(&mut conditions, std::slice::from_ref(&ready), Some(1)));
        assert_eq!(conditions.len(), 1);
        assert!(
            !apply(&mut conditions, &[ready], Some(1)),
            "the same finding twice is no change"
        );
    }

    #[test]
    fn what_is_said_already_is_what_would_not_be_changed() {
        let long = "ü".repeat(2000);
        let words = [
            vec![],
            vec![Finding::holds(READY, Reason::Converged, "all is as declared")],
            vec![Finding::fails(READY, Reason::Converged, "all is as declared")],
            vec![Finding::holds(READY, Reason::Conflict, "all is as declared")],
            vec![Finding::holds(READY, Reason::Converged, &long)],
            vec![
                Finding::unknown(READY, Reason::Converged, "all is as declared"),
                Finding::holds(STALLED, Reason::NameTaken, "a model of that name exists"),
            ],
            vec![
                Finding::holds(READY, Reason::Converged, "all is as declared"),
                Finding::holds(ACCEPTED, Reason::Converged, "well-formed"),
            ],
        ];
        for (before, of) in words.iter().flat_map(|it| [(it, Some(1)), (it, None)]) {
            let mut said = Vec::new();
            apply(&mut said, before, of);
            for (after, now) in words.iter().flat_map(|it| [(it, Some(1)), (it, Some(2))]) {
                let changes = apply(&mut said.clone(), after, now);
                assert_eq!(says(&said, after, now), !changes, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let long = "ü".repeat(2000);
        let clipped = clip(&long);
        assert!(clipped.len() <= 1024 && clipped.ends_with("..."));
    }
}
