//! Whether the API server checked, when an approval was made, that its approver made it.
//!
//! An object does not know who made it. A ValidatingAdmissionPolicy can refuse whoever writes another's name, so an
//! approval is verified where such a policy was in force when it was made: policy and binding are older than the
//! approval, were never changed since, say exactly what is known to be enough, and leave nobody out.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Api;
use serde::de::DeserializeOwned;

use super::status::{CallError, within};
use crate::ports::{Approvers, Object, Voucher};
use crate::resources::{GROUP, WaveApprovalSpec};

/// What the policy must say: whoever makes an approval writes their own name. An update that leaves the spec as it is
/// approves nothing, and others must be able to label and to delete.
const RULE: &str = "object.spec.approver == request.userInfo.username || \
                    (oldObject != null && object.spec == oldObject.spec)";

/// How much older than the approval policy and binding must be: every API server takes some moments to take them up,
/// and their clocks differ.
const SETTLES: SignedDuration = SignedDuration::from_secs(10);

/// The policy that the chart ships, read by name when an approval is looked at.
pub(super) struct AdmissionPolicy {
    client: kube::Client,
    /// Of the policy and of its binding.
    name: Option<String>,
}

impl AdmissionPolicy {
    pub(super) const fn new(client: kube::Client, name: Option<String>) -> Self {
        Self { client, name }
    }

    async fn read<K>(&self, name: &str) -> Result<K, Voucher>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
            + Resource
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let objects: Api<K> = Api::all(self.client.clone());
        match within(objects.get_opt(name)).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(Voucher::Unverified(format!(
                "there is no {} {name}; install it with the chart (`approvals.policy.enabled`)",
                K::KIND
            ))),
            Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => {
                Err(Voucher::Unverified(format!(
                    "{}; grant Wavepin's ServiceAccount the verb `get` on it",
                    status.message
                )))
            }
            Err(error) => Err(Voucher::Unseen(format!("{} {name} cannot be read: {error}", K::KIND))),
        }
    }
}

#[async_trait]
impl Approvers for AdmissionPolicy {
    async fn voucher(&self, approval: &Object<WaveApprovalSpec>) -> Voucher {
        let Some(name) = &self.name else {
            return Voucher::Unverified(
                "the controller knows no admission policy; install it with the chart (`approvals.policy.enabled`)"
                    .to_owned(),
            );
        };
        let policy = match self.read::<ValidatingAdmissionPolicy>(name).await {
            Ok(policy) => policy,
            Err(why) => return why,
        };
        let binding = match self.read::<ValidatingAdmissionPolicyBinding>(name).await {
            Ok(binding) => binding,
            Err(why) => return why,
        };
        // In a cluster an object is first seen when the API server makes it.
        match in_force(name, &policy, &binding, approval.first_seen) {
            Ok(()) => Voucher::Verified,
            Err(why) => Voucher::Unverified(why),
        }
    }
}

/// Whether policy and binding let nobody write another's name into an approval that was made at this time; if not, why.
fn in_force(
    name: &str,
    policy: &ValidatingAdmissionPolicy,
    binding: &ValidatingAdmissionPolicyBinding,
    made: Timestamp,
) -> Result<(), String> {
    let policy_says = policy.spec.as_ref().map_or(Err("it says nothing"), checks);
    policy_says.map_err(|why| {
        format!("ValidatingAdmissionPolicy {name} is not the one that the chart ships: {why}; install it anew")
    })?;
    let binding_says = binding
        .spec
        .as_ref()
        .map_or(Err("it says nothing"), |spec| binds(name, spec));
    binding_says.map_err(|why| {
        format!("ValidatingAdmissionPolicyBinding {name} is not the one that the chart ships: {why}; install it anew")
    })?;
    for (kind, metadata) in [
        (ValidatingAdmissionPolicy::KIND, &policy.metadata),
        (ValidatingAdmissionPolicyBinding::KIND, &binding.metadata),
    ] {
        stood(metadata, made).map_err(|why| format!("{kind} {name} {why}"))?;
    }
    Ok(())
}

/// Whether an object stood as it is when something was made.
fn stood(metadata: &ObjectMeta, made: Timestamp) -> Result<(), String> {
    if metadata.deletion_timestamp.is_some() {
        return Err("is being deleted; install it anew".to_owned());
    }
    // The API server counts every change of a spec, and what was changed may have said something else at the time.
    if metadata.generation != Some(1) {
        return Err("was changed since it was made; delete it and install it anew".to_owned());
    }
    let created = metadata.creation_timestamp.as_ref().map(|created| created.0);
    let since = created.and_then(|created| created.checked_add(SETTLES).ok());
    match since {
        Some(since) if since <= made => Ok(()),
        _ => Err(format!(
            "was not in force yet when the approval was made, at {made}: it takes {} seconds from when it is installed",
            SETTLES.as_secs()
        )),
    }
}

/// Whether a policy is the one that is known to be enough.
fn checks(spec: &ValidatingAdmissionPolicySpec) -> Result<(), &'static str> {
    let empty = |list: Option<usize>| list.unwrap_or_default() == 0;
    if !matches!(spec.failure_policy.as_deref(), None | Some("Fail")) {
        return Err("failurePolicy is not Fail");
    }
    if !empty(spec.match_conditions.as_ref().map(Vec::len)) {
        return Err("it has matchConditions");
    }
    if spec.param_kind.is_some() {
        return Err("it has a paramKind");
    }
    if !empty(spec.variables.as_ref().map(Vec::len)) {
        return Err("it has variables");
    }
    let validations = spec.validations.as_deref().unwrap_or_default();
    if !matches!(validations, [validation] if squeezed(&validation.expression) == squeezed(RULE)) {
        return Err("its validations say something else");
    }
    let matches = spec.match_constraints.as_ref().ok_or("it has no matchConstraints")?;
    leaves_nobody_out(matches)?;
    let rules = matches.resource_rules.as_deref().unwrap_or_default();
    let [rule] = rules else {
        return Err("it has other resourceRules");
    };
    let is = |list: &Option<Vec<String>>, words: &[&str]| {
        let mut list: Vec<&str> = list.iter().flatten().map(String::as_str).collect();
        list.sort_unstable();
        list == words
    };
    let whole = is(&rule.api_groups, &[GROUP])
        && is(&rule.api_versions, &["*"])
        && is(&rule.resources, &["waveapprovals"])
        && is(&rule.operations, &["CREATE", "UPDATE"])
        && empty(rule.resource_names.as_ref().map(Vec::len))
        && matches!(rule.scope.as_deref(), None | Some("*" | "Namespaced"));
    whole.then_some(()).ok_or("it has other resourceRules")
}

/// Whether a binding has the policy refuse whatever it does not allow, everywhere.
fn binds(policy: &str, spec: &ValidatingAdmissionPolicyBindingSpec) -> Result<(), &'static str> {
    if spec.policy_name.as_deref() != Some(policy) {
        return Err("it binds another policy");
    }
    let actions = spec.validation_actions.as_deref().unwrap_or_default();
    if !actions.iter().any(|action| action == "Deny") {
        return Err("it does not deny");
    }
    if spec.param_ref.is_some() {
        return Err("it has a paramRef");
    }
    match &spec.match_resources {
        None => Ok(()),
        Some(matches) if matches.resource_rules.as_ref().is_some_and(|rules| !rules.is_empty()) => {
            Err("it has resourceRules")
        }
        Some(matches) => leaves_nobody_out(matches),
    }
}

fn leaves_nobody_out(matches: &MatchResources) -> Result<(), &'static str> {
    let selects_all = |selector: &Option<LabelSelector>| {
        selector.as_ref().is_none_or(|selector| {
            selector.match_labels.as_ref().is_none_or(|labels| labels.is_empty())
                && selector.match_expressions.as_ref().is_none_or(|some| some.is_empty())
        })
    };
    if !selects_all(&matches.namespace_selector) || !selects_all(&matches.object_selector) {
        return Err("it has selectors");
    }
    let excludes = matches.exclude_resource_rules.as_ref();
    if excludes.is_some_and(|rules| !rules.is_empty()) {
        return Err("it has excludeResourceRules");
    }
    if !matches!(matches.match_policy.as_deref(), None | Some("Equivalent")) {
        return Err("matchPolicy is not Equivalent");
    }
    Ok(())
}

/// An expression without what a file's lines put between its words.
fn squeezed(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const MADE: &str = "2026-03-01T12:00:00Z";

    /// As the API server has the chart's.
    fn both() -> [Value; 2] {
        let metadata = json!({"name": "approver", "generation": 1, "creationTimestamp": "2026-03-01T11:59:50Z"});
        let rule = json!({"apiGroups": ["wavepin.dev"], "apiVersions": ["*"], "resources": ["waveapprovals"],
            "operations": ["CREATE", "UPDATE"], "scope": "*"});
        let policy = json!({"metadata": metadata, "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
                "resourceRules": [rule]},
            "validations": [{"expression": RULE, "message": "write your own name"}],
        }});
        let binding = json!({"metadata": metadata, "spec": {"policyName": "approver", "validationActions": ["Deny"]}});
        [policy, binding]
    }

    fn judged([policy, binding]: [Value; 2]) -> Result<(), String> {
        let [policy, binding] = [policy, binding].map(|it| it.to_string());
        let policy = serde_json::from_str(&policy).unwrap();
        let binding = serde_json::from_str(&binding).unwrap();
        in_force("approver", &policy, &binding, MADE.parse().unwrap())
    }

    #[test]
    fn the_policy_of_the_chart_is_enough_ten_seconds_after_it_was_installed() {
        assert_eq!(judged(both()), Ok(()));
        let mut spread = both();
        spread[0]["spec"]["validations"][0]["expression"] = json!(RULE.replace(" || ", "\n  || "));
        assert_eq!(judged(spread), Ok(()));
    }

    #[rstest]
    #[case(0, "/spec/failurePolicy", json!("Ignore"), "failurePolicy")]
    #[case(0, "/spec/matchConditions", json!([{"name": "a", "expression": "false"}]), "matchConditions")]
    #[case(0, "/spec/paramKind", json!({"apiVersion": "v1", "kind": "ConfigMap"}), "paramKind")]
    #[case(0, "/spec/variables", json!([{"name": "a", "expression": "1"}]), "variables")]
    #[case(0, "/spec/validations/0/expression", json!("true"), "validations")]
    #[case(0, "/spec/validations", json!([]), "validations")]
    #[case(0, "/spec/matchConstraints/resourceRules/0/operations", json!(["CREATE"]), "resourceRules")]
    #[case(0, "/spec/matchConstraints/resourceRules/0/apiGroups", json!(["example.com"]), "resourceRules")]
    #[case(0, "/spec/matchConstraints/resourceRules/0/resourceNames", json!(["one"]), "resourceRules")]
    #[case(0, "/spec/matchConstraints/resourceRules/0/scope", json!("Cluster"), "resourceRules")]
    #[case(0, "/spec/matchConstraints/excludeResourceRules", json!([{"resources": ["*"]}]), "excludeResourceRules")]
    #[case(0, "/spec/matchConstraints/namespaceSelector", json!({"matchLabels": {"a": "b"}}), "selectors")]
    #[case(0, "/spec/matchConstraints/objectSelector",
        json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}), "selectors")]
    #[case(0, "/spec/matchConstraints/matchPolicy", json!("Exact"), "matchPolicy")]
    #[case(0, "/metadata/generation", json!(2), "was changed since")]
    #[case(0, "/metadata/creationTimestamp", json!("2026-03-01T11:59:51Z"), "was not in force yet")]
    #[case(0, "/metadata/deletionTimestamp", json!("2026-03-01T12:00:00Z"), "being deleted")]
    #[case(1, "/spec/policyName", json!("another"), "binds another policy")]
    #[case(1, "/spec/validationActions", json!(["Warn", "Audit"]), "does not deny")]
    #[case(1, "/spec/paramRef", json!({"name": "a"}), "paramRef")]
    #[case(1, "/spec/matchResources", json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}), "selectors")]
    #[case(1, "/spec/matchResources", json!({"resourceRules": [{"resources": ["pods"]}]}), "resourceRules")]
    #[case(1, "/metadata/generation", json!(3), "was changed since")]
    #[case(1, "/metadata/creationTimestamp", json!("2026-03-01T13:00:00Z"), "was not in force yet")]
    fn what_could_let_another_s_name_through_proves_nothing(
        #[case] which: usize,
        #[case] path: &str,
        #[case] value: Value,
        #[case] told: &str,
    ) {
        let mut both = both();
        let (parent, last) = path.rsplit_once('/').unwrap();
        both[which].pointer_mut(parent).unwrap()[last] = value;
        let why = judged(both).unwrap_err();
        assert!(why.contains(told), "{why}");
    }
}
