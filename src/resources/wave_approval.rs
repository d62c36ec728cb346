//! `WaveApproval`: that a person lets a wave of a rollout open.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// That a person lets one wave of a rollout open, for exactly one plan: an object of its own, so that who writes the rollout and who approves it can be different people by RBAC.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "wavepin.dev",
    version = "v1alpha1",
    kind = "WaveApproval",
    plural = "waveapprovals",
    shortname = "wapp",
    category = "wavepin",
    namespaced,
    doc = "That a person lets one wave of a rollout open, for exactly one plan: an object of its own, so that who writes the rollout and who approves it can be different people by RBAC.",
    status = "WaveApprovalStatus",
    derive = "PartialEq",
    selectable = ".spec.rolloutRef.name",
    selectable = ".spec.wave",
    selectable = ".spec.plan",
    selectable = ".spec.approver",
    printcolumn(
        name = "Rollout",
        type_ = "string",
        json_path = ".spec.rolloutRef.name",
        description = "Of which rollout"
    ),
    printcolumn(
        name = "Wave",
        type_ = "string",
        json_path = ".spec.wave",
        description = "Which wave of it"
    ),
    printcolumn(
        name = "Approver",
        type_ = "string",
        json_path = ".spec.approver",
        description = "Who says so"
    ),
    printcolumn(
        name = "Verified",
        type_ = "boolean",
        json_path = ".status.verified",
        description = "Whether it is proved that they said so; empty: not looked at"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether what may be true now is true"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "What became of it"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
    ),
    printcolumn(
        name = "Plan",
        type_ = "string",
        json_path = ".spec.plan",
        description = "For which plan of the rollout",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What a person can do",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("an approval cannot be changed; delete it and make another"))]
pub struct WaveApprovalSpec {
    /// The VersionRollout, in the same namespace.
    pub rollout_ref: RolloutRef,
    /// The name of the wave that may open.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub wave: String,
    /// What is approved: `status.plan` of the rollout, with the number of the attempt. The approval counts for nothing else, so that one which is left in git opens nothing later.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[1-9][0-9]*-[0-9a-f]{16}-[1-9][0-9]*$")
    )]
    pub plan: String,
    /// Who approves: the user name as the API server knows it (`kubectl auth whoami`). With the admission policy of the chart nobody can write another's name.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub approver: String,
}

/// A VersionRollout of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Which approval a wave asks for before it opens: a WaveApproval for exactly this plan. Required: whoever made it; whether that is proved is put on record. Verified: it must be proved that the approver made it, which takes the admission policy of the chart, and Kubernetes. A wave without tenants is passed without one, and going back asks nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ApprovalPolicy {
    /// A WaveApproval; whether it is proved who made it is put on record.
    Required,
    /// One of which it is proved that the approver made it: it takes the admission policy of the chart, and Kubernetes.
    Verified,
}

/// What became of an approval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveApprovalStatus {
    /// The generation that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `wavepin.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Whether it is proved that the approver made it. Absent: not looked at, since it opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// When its wave was approved by it, as the ledger has it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub used_at: Option<jiff::Timestamp>,
    /// Accepted, Ready; Reconciling and Stalled while they are true. The reason of Ready says what became of it.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What is wrong with an approval as it stands, if anything: files bypass the rules of the API server.
#[must_use]
pub fn approval_refusal(spec: &WaveApprovalSpec) -> Option<String> {
    let approver = spec.approver.trim();
    if approver.is_empty() {
        return Some("spec.approver is empty; write who approves".to_owned());
    }
    if spec.approver.chars().any(|character| character.is_ascii_control()) {
        return Some("spec.approver has control characters; take them out".to_owned());
    }
    let parts: Vec<&str> = spec.plan.split('-').collect();
    let number = |part: &str| part.parse::<u32>().is_ok_and(|number| number > 0);
    match parts[..] {
        [way, _, attempt] if number(way) && number(attempt) => None,
        _ => Some(format!(
            "spec.plan is {:?}, no plan of a rollout; copy its status.plan",
            spec.plan
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_approval_can_say_is_refused_with_the_field_and_a_way_out() {
        let spec = |plan: &str, approver: &str| -> WaveApprovalSpec {
            let spec = json!({"rolloutRef": {"name": "main"}, "wave": "rest", "plan": plan, "approver": approver});
            serde_json::from_value(spec).unwrap()
        };
        let fine = "1-0123456789abcdef-3";
        assert_eq!(approval_refusal(&spec(fine, "jane@example.com")), None);
        let refusal = |plan, approver| approval_refusal(&spec(plan, approver)).unwrap();
        assert!(refusal(fine, " ").starts_with("spec.approver is empty"));
        assert!(refusal(fine, "jane\n").contains("control characters"));
        for plan in [
            "1-0123456789abcdef",
            "3",
            "1-0123456789abcdef-0",
            "x-0123456789abcdef-1",
        ] {
            assert!(refusal(plan, "jane").contains("status.plan"), "{plan}");
        }
    }
}
