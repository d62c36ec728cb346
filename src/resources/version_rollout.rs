//! `VersionRollout`: which version the tenants of an environment move to, wave by wave.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::core::{Selector, SelectorExt as _};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notify::{self, ChannelStatus, NotifyChannel};
use super::rollout_checks::{self, FailureBudget, OnFailure, RolloutCheck};
use super::{Amount, ApprovalPolicy, Freeze, HumanDuration, InstanceRef, Members, Requires, spec_hash};

/// The version that the tenants of an environment move to, wave by wave: at most one for an instance and environment, long-lived; editing `version` starts the next rollout.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "wavepin.dev",
    version = "v1alpha1",
    kind = "VersionRollout",
    plural = "versionrollouts",
    shortname = "vro",
    category = "wavepin",
    namespaced,
    doc = "The version that the tenants of an environment move to, wave by wave: at most one for an instance and environment, long-lived; editing `version` starts the next rollout.",
    status = "VersionRolloutStatus",
    derive = "PartialEq",
    selectable = ".spec.instanceRef.name",
    selectable = ".spec.environment",
    selectable = ".spec.version",
    printcolumn(
        name = "Environment",
        type_ = "string",
        json_path = ".spec.environment",
        description = "Where"
    ),
    printcolumn(
        name = "Version",
        type_ = "integer",
        json_path = ".spec.version",
        description = "The target"
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress",
        description = "Tenants on the target of those that follow"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether what may be true now is true"
    ),
    printcolumn(
        name = "Waiting",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Waiting\")].reason",
        description = "Why nobody moves now"
    ),
    printcolumn(
        name = "Complete",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Complete\")].status",
        description = "Whether every wave has ended"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since creation"
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
#[x_kube(validation = Rule::new("self.waves.all(wave, self.waves.exists_one(other, other.name == wave.name))")
    .message("two waves have the same name"))]
#[x_kube(validation = Rule::new("self.waves.filter(wave, !has(wave.selector)).size() == 0 || (self.waves.filter(wave, !has(wave.selector)).size() == 1 && !has(self.waves[self.waves.size() - 1].selector))")
    .message("only the last wave may have no selector: it takes everybody who is left, so that a wave after it would be empty"))]
#[x_kube(validation = Rule::new("self.waves.all(wave, !has(wave.requires) || wave.requires.environment != self.environment)")
    .message("requires.environment of a wave must be another environment than the rollout's own"))]
#[x_kube(validation = Rule::new("!has(self.freeze) || self.freeze.all(freeze, has(freeze.cron) == has(freeze.length) && (has(freeze.cron) || !has(freeze.timeZone)))")
    .message("cron and length of a freeze go together, and timeZone with them"))]
#[x_kube(validation = Rule::new("!has(self.freeze) || self.freeze.all(freeze, !has(freeze.cron) || (!has(freeze.from) && !has(freeze.until)))")
    .message("a freeze has cron, or from and until; make two of it"))]
#[x_kube(validation = Rule::new("(!has(self.failureBudget) && !has(self.onFailure)) || (has(self.checks) && self.checks.size() > 0)")
    .message("failureBudget and onFailure go with checks"))]
pub struct VersionRolloutSpec {
    /// The OmniInstance whose tenants move. Cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("instanceRef cannot be changed; make another VersionRollout"))]
    pub instance_ref: InstanceRef,
    /// The environment whose tenants move, as `tenant_version.tenant_environment` names it. Cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("environment cannot be changed; make another VersionRollout"))]
    pub environment: String,
    /// The version that tenants move to. Another one starts the next rollout, also in the middle of one. Tenants go back to a version that they had at once: only forward moves go by waves.
    #[schemars(range(min = 1))]
    pub version: i32,
    /// The groups of tenants that move one after the other. A tenant is in the first wave that selects its labels.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub waves: Vec<Wave>,
    /// Who takes part besides the TenantPins without a version. Absent: nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// What is asked about the tenants that have moved, before the next ones do. A wave ends, and its next batch moves, only when each has passed since the wave's last move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<RolloutCheck>,
    /// How many tenants may fail their checks. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_budget: Option<FailureBudget>,
    /// What follows when more tenants fail than `failureBudget` allows. Absent: Pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Times in which nobody moves forward, or those whom they select do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub freeze: Vec<Freeze>,
    /// True: nobody moves forward until it is false again.
    #[serde(default)]
    pub suspend: bool,
    /// Who is told what happens, once a wave. It is no part of the plan: to change it begins nothing anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub notify: Vec<NotifyChannel>,
}

/// A group of tenants that moves together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wave {
    /// Its name, unique in the rollout.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The labels of the TenantPins, and of tenants without one, that are in it. Absent: everybody who is in no wave before; only the last wave may be so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// At most so many tenants at once. Absent: all in one transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// For how long the wave rests before the next one opens, counted from the last move in it, or from its opening where it had nothing to move. A wave without tenants is passed at once.
    #[serde(default = "no_time")]
    pub soak: HumanDuration,
    /// What each tenant of the wave must have run before it moves forward, besides what its pin requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requires>,
    /// Which approval the wave asks for before it opens. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalPolicy>,
}

const fn no_time() -> HumanDuration {
    HumanDuration::from_secs(0)
}

/// Whom a wave selects, read once for many pins.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveSelector(Option<Selector>);

impl WaveSelector {
    /// Of this wave.
    ///
    /// # Errors
    /// The selector is none: an operator that there is not, or one with the wrong number of values.
    pub fn of(wave: &Wave) -> Result<Self, String> {
        let selector = wave.selector.as_ref().map(Self::by).transpose()?;
        Ok(selector.unwrap_or(Self(None)))
    }

    /// By these labels.
    ///
    /// # Errors
    /// As of a wave.
    pub fn by(selector: &LabelSelector) -> Result<Self, String> {
        let selector = Selector::try_from(selector.clone());
        selector.map(|it| Self(Some(it))).map_err(|error| error.to_string())
    }

    /// Whether a pin with these labels is in the wave, if in no wave before.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

impl std::fmt::Display for WaveSelector {
    /// As kubectl takes it; empty where it selects everybody.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .as_ref()
            .map_or(Ok(()), |selector| write!(formatter, "{selector}"))
    }
}

/// A wave in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// How many tenants at once: a number, or a part of the wave's tenants at its opening as `25%`, rounded up to at least one.
    pub size: Amount,
    /// The least time between two batches.
    pub every: HumanDuration,
}

/// What was seen of a rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionRolloutStatus {
    /// The generation that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `wavepin.dev/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What this rollout is, as one word: a hash of target and waves, and the number of the attempt. Another word is another rollout, and nothing that was waited for in this one counts there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Tenants on the target of those that follow, for people: `210/300`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The waves in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveStatus>,
    /// How many tenants follow this rollout and do not move with their wave, or are in none; where `members.rows` says that rows take part, also those that a TenantPin has claimed which is not seen any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u32>,
    /// The first of them by name: at most 20, as `<tenant>: <why>`, with the TenantPin behind it where it has another name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out_tenants: Vec<String>,
    /// How many pins of this environment have a version of their own, and do not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_own_version: Option<u32>,
    /// The first of their tenants: at most 20, as `<tenant>: <version>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_own_version_tenants: Vec<String>,
    /// The tenants without a TenantPin that take part, where `members.rows` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsStatus>,
    /// The last attempts, newest first: at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastRollout>,
    /// How the channels of `notify` fare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<ChannelStatus>,
    /// Accepted, Complete, Ready; Waiting, NotificationsFailing, Reconciling and Stalled while they are true.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One attempt to roll a version out, from its begin to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRollout {
    /// Its number in the environment: the last part of `status.plan`.
    pub attempt: i32,
    /// The version that tenants moved to.
    pub version: i32,
    /// When it began (RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: jiff::Timestamp,
    /// When it ended (RFC 3339); absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<jiff::Timestamp>,
    /// How it ended.
    pub outcome: RolloutOutcome,
    /// How many tenants it moved forward.
    pub moved: u32,
}

/// How an attempt to roll a version out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RolloutOutcome {
    /// It goes on.
    Progressing,
    /// Every wave has ended.
    Completed,
    /// Another target or plan took its place before, or a person retried.
    Superseded,
    /// It was stopped, and who had moved stayed.
    Paused,
    /// Who had moved went back, or those of a wave did.
    RolledBack,
}

/// The tenants without a TenantPin that take part in a rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowsStatus {
    /// How many there are.
    pub tenants: u32,
    /// How many of them the table of `labelsFrom` does not have, so that they have no labels.
    pub unlabelled: u32,
}

/// How far a wave is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub phase: WavePhase,
    /// How many tenants are in it.
    pub tenants: u32,
    /// How many of them are on the target.
    pub moved: u32,
    /// How many of them are kept back by something of their own: a hold, another hand, what they must have run before.
    pub left_out: u32,
    /// How many of them fail a check; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<u32>,
    /// The first of them by name: at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing_tenants: Vec<String>,
    /// When it opened (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub opened_at: Option<jiff::Timestamp>,
    /// When it ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<jiff::Timestamp>,
    /// What its next move, or its end, waits for: a reason of the condition `Waiting`, `Reconciling` or `Stalled`; absent where
    /// that is a wave before it, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Until when (RFC 3339); absent where a person ends it, or nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<jiff::Timestamp>,
    /// Who approved it, as the ledger has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Whether the API server checked, when the approval was made, that it is their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_verified: Option<bool>,
}

/// Where a wave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WavePhase {
    /// A wave before it has not ended, or something keeps it from opening.
    Pending,
    /// Its tenants move.
    Open,
    /// All that may move have; it rests before the next one opens.
    Soaking,
    /// The next one may open.
    Ended,
}

/// What a rollout is, as one word: a hash of its target, its waves, its checks and who takes part; and of where it is, where anything is to be approved. What only delays it (`suspend`, `freeze`) is not in it,
/// so that neither begins it anew. The number in front tells how it is made.
#[must_use]
pub fn rollout_plan(spec: &VersionRolloutSpec) -> String {
    let waves = spec.waves.iter().map(|wave| {
        serde_json::json!({
            "name": wave.name, "selector": wave.selector, "batch": wave.batch, "soak": wave.soak,
            "requires": wave.requires,
        })
    });
    let waves = waves.zip(&spec.waves).map(|(mut written, wave)| {
        // Left out where it is absent: what was declared before there was this field keeps its word.
        if let Some(approval) = wave.approval {
            written["approval"] = serde_json::json!(approval);
        }
        written
    });
    let waves: Vec<_> = waves.collect();
    let mut fields = serde_json::json!({"version": spec.version, "waves": waves});
    // Where it is: what was approved for one environment opens nothing in another that has all else alike. Left out where nothing
    // is to be approved, so that older plans keep their word.
    if spec.waves.iter().any(|wave| wave.approval.is_some()) {
        fields["instance"] = serde_json::json!(spec.instance_ref.name);
        fields["environment"] = serde_json::json!(spec.environment);
    }
    // Who takes part is what an approval is of. Left out where absent, so that older plans keep their word.
    if let Some(members) = &spec.members {
        fields["members"] = serde_json::json!(members);
    }
    rollout_checks::planned(spec, &mut fields);
    format!("1-{}", spec_hash(&fields))
}

/// What is wrong with a rollout's spec as it stands, if anything: files bypass the rules of the API server, and no
/// schema knows the operators of selectors.
#[must_use]
pub fn rollout_refusal(spec: &VersionRolloutSpec) -> Option<String> {
    let mut names = BTreeSet::new();
    for (place, wave) in spec.waves.iter().enumerate() {
        let name = &wave.name;
        if !names.insert(name) {
            return Some(format!(
                "spec.waves has {name:?} twice; give each wave a name of its own"
            ));
        }
        if wave.selector.is_none() && place + 1 < spec.waves.len() {
            return Some(format!(
                "spec.waves[{place}] ({name}) has no selector and takes everybody who is left, so that the waves after \
                 it would be empty; give it one, or make it the last"
            ));
        }
        if let Err(why) = WaveSelector::of(wave) {
            return Some(format!("spec.waves[{place}].selector ({name}) cannot be used: {why}"));
        }
        let required = wave.requires.as_ref().map(|requires| &requires.environment);
        if required == Some(&spec.environment) {
            return Some(format!(
                "spec.waves[{place}].requires.environment ({name}) is the rollout's own; name another environment"
            ));
        }
    }
    if spec.waves.is_empty() {
        return Some("spec.waves is empty; one wave without a selector takes everybody".to_owned());
    }
    for (place, freeze) in spec.freeze.iter().enumerate() {
        if let Some(refusal) = freeze.refusal(&format!("spec.freeze[{place}]")) {
            return Some(refusal);
        }
    }
    rollout_checks::refusal(spec).or_else(|| notify::refusal(spec))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(waves: Value) -> VersionRolloutSpec {
        let spec = json!({"instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": waves});
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_plan_keeps_its_word_where_no_approval_is_asked_for_and_has_another_where_one_is() {
        let mut asked = spec(json!([{"name": "all", "soak": "1h"}]));
        assert_eq!(rollout_plan(&asked), "1-e95a0457ceff0daa");
        let words = [None, Some(ApprovalPolicy::Required), Some(ApprovalPolicy::Verified)].map(|approval| {
            asked.waves[0].approval = approval;
            rollout_plan(&asked)
        });
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 3, "{words:?}");
    }

    #[test]
    fn what_is_approved_is_of_one_instance_and_environment() {
        let here = spec(json!([{"name": "all", "approval": "Required"}]));
        let (mut elsewhere, mut of_another) = (here.clone(), here.clone());
        elsewhere.environment = "staging".to_owned();
        of_another.instance_ref.name = "other".to_owned();
        let words = [here, elsewhere, of_another].map(|spec| rollout_plan(&spec));
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 3, "{words:?}");
    }

    #[test]
    fn a_wave_selects_by_labels_and_expressions() {
        let labels = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
        let expression = json!({"key": "tier", "operator": "NotIn", "values": ["canary"]});
        let of = spec(json!([
            {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}},
            {"name": "others", "selector": {"matchExpressions": [expression]}},
            {"name": "rest"},
        ]));
        let selected = |wave: usize, tier: &str| {
            let selector = WaveSelector::of(&of.waves[wave]).unwrap();
            selector.selects(&labels(tier))
        };
        assert!(selected(0, "canary") && !selected(0, "early"));
        assert!(!selected(1, "canary") && selected(1, "early"));
        assert!(selected(2, "whatever"));
    }

    #[test]
    fn a_plan_keeps_its_word_from_release_to_release_and_says_who_takes_part() {
        let waves = json!([
            {"name": "canary", "selector": {"matchLabels": {"tier": "canary"}}, "soak": "24h"},
            {"name": "rest", "batch": {"size": "25%", "every": "15m"}, "requires": {"environment": "staging", "soak": "24h"}},
        ]);
        let mut of = spec(waves);
        assert_eq!(rollout_plan(&of), "1-6e87d98d8c506852");
        of.members = serde_json::from_value(json!({"rows": {}})).unwrap();
        assert_eq!(rollout_plan(&of), "1-994739a048d201b6");
        of.members = serde_json::from_value(json!({"rows": {"labelsFrom": "tenants"}})).unwrap();
        assert_eq!(rollout_plan(&of), "1-8efde50545062313");
    }

    #[test]
    fn what_no_schema_refuses_is_refused_with_the_field_and_a_way_out() {
        let refusal = |waves: Value| rollout_refusal(&spec(waves)).unwrap_or_default();
        assert_eq!(refusal(json!([{"name": "all"}])), "");
        assert!(refusal(json!([])).contains("spec.waves is empty"));
        assert!(refusal(json!([{"name": "a", "selector": {}}, {"name": "a"}])).contains("twice"));
        assert!(refusal(json!([{"name": "a"}, {"name": "b"}])).contains("waves[0] (a) has no selector"));
        let odd = json!({"matchExpressions": [{"key": "tier", "operator": "Near", "values": ["x"]}]});
        assert!(refusal(json!([{"name": "a", "selector": odd}])).contains("waves[0].selector (a)"));
        let own = json!([{"name": "a", "requires": {"environment": "production"}}]);
        assert!(refusal(own).contains("the rollout's own"));
        let mut frozen = spec(json!([{"name": "all"}]));
        frozen.freeze = serde_json::from_value(json!([
            {"from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "reason": "x"},
        ]))
        .unwrap();
        assert!(rollout_refusal(&frozen).unwrap().contains("spec.freeze[0]"));
    }
}
