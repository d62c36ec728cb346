//! What a rollout asks about the tenants that have moved, and how much of what it hears it bears.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check_url::CheckUrl;
use super::{Allowance, HumanDuration, SecretKeyRef, VersionRolloutSpec};

/// Something that is asked, again and again, how the tenants of a wave fare. Give exactly one of `prometheus`, `webhook` and `validation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("[has(self.prometheus), has(self.webhook), has(self.validation)].filter(it, it).size() == 1").message("a check asks exactly one of prometheus, webhook and validation"))]
#[x_kube(validation = Rule::new("duration(self.interval) >= duration('1s')").message("interval of a check must be 1s at least"))]
#[x_kube(validation = Rule::new("duration(self.timeout) <= duration('10s') && duration(self.timeout) >= duration('100ms')").message("timeout of a check must be 100ms to 10s"))]
#[x_kube(validation = Rule::new("!has(self.validation) || duration(self.timeout) == duration('5s')").message("timeout goes with prometheus and webhook"))]
pub struct RolloutCheck {
    /// Its name, unique in the rollout.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// How often it is asked while a wave that has moved somebody has not ended: 1s at least.
    #[serde(default = "a_minute")]
    pub interval: HumanDuration,
    /// How often in a row it must fail before its failing tenants count against the budget. Before that it only keeps the wave.
    #[serde(default = "three_times")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_limit: u32,
    /// For how long an answer of `prometheus` or `webhook` is waited for, with all that is tried again: 100ms to 10s.
    #[serde(default = "five_seconds")]
    pub timeout: HumanDuration,
    /// An instant query that Prometheus, or what speaks its API, answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusCheck>,
    /// An address that is told which tenants have moved, and says how they fare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookCheck>,
    /// The queries of the version's tiles, asked in Omni as tenants of the wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationCheck>,
}

const fn a_minute() -> HumanDuration {
    HumanDuration::from_secs(60)
}

const fn three_times() -> u32 {
    3
}

const fn five_seconds() -> HumanDuration {
    HumanDuration::from_secs(5)
}

/// A query, and what its samples may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusCheck {
    /// Where Prometheus is, without `/api/v1/query`. https; http only to this machine and to Services of the cluster (`http://prometheus.monitoring.svc:9090`).
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\]|[a-z0-9.-]+[.]svc|[a-z0-9.-]+[.]svc[.]cluster[.]local)(:[0-9]+)?([/?].*)?$')").message("url must be https; http is for this machine and for names that end in .svc or .svc.cluster.local"))]
    pub url: String,
    /// The query, in PromQL: a scalar, or a vector. With a sample for each tenant it tells which one fails.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// The most that a sample may be. A sample above it fails.
    pub max: f64,
    /// The label that names the tenant of a sample. Absent: `tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub tenant_label: Option<String>,
    /// The Secret with a bearer token for Prometheus. Absent: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

impl PrometheusCheck {
    /// The label that names a sample's tenant.
    #[must_use]
    pub fn tenant_label(&self) -> &str {
        self.tenant_label.as_deref().unwrap_or("tenant")
    }
}

/// Where the tenants of a wave are told to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookCheck {
    /// Where it is sent. https; http only to this machine and to Services of the cluster.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.matches('^http://(localhost|127[.][0-9.]+|\\\\[::1\\\\]|[a-z0-9.-]+[.]svc|[a-z0-9.-]+[.]svc[.]cluster[.]local)(:[0-9]+)?([/?].*)?$')").message("url must be https; http is for this machine and for names that end in .svc or .svc.cluster.local"))]
    pub url: String,
    /// The Secret with what requests are signed with, as Standard Webhooks have it. Absent: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
}

/// As whom the queries of the version's tiles are asked, in the way that `validation.queries` of its ModelVersion says: what they may read, and whether they are planned or run. Where it says nothing they are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationCheck {
    /// How many tenants of the wave at most: the first by name of those who have moved and have an embed user.
    #[serde(default = "three_tenants")]
    #[schemars(range(min = 1, max = 50))]
    pub max: u8,
}

const fn three_tenants() -> u8 {
    3
}

/// How many tenants may fail. Above it `onFailure` says what follows. With neither number nor part nobody may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.wave) || has(self.total)").message("failureBudget needs wave, total or both"))]
pub struct FailureBudget {
    /// How many tenants of a wave: a number, or a part of its tenants at its opening as `2%`, rounded down. Absent: as many as `total` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<Allowance>,
    /// How many tenants of all waves together: a number, or a part of all that follow, rounded down. Absent: as many as `wave` allows in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Allowance>,
}

/// What follows when more tenants fail than the budget allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Nobody moves forward until a person retries or edits the rollout; who has moved stays.
    #[default]
    Pause,
    /// Whoever this rollout has moved goes back to exactly what it had.
    RollBack,
}

/// What is wrong with the checks and the budget of a rollout as they stand, if anything.
pub(super) fn refusal(spec: &VersionRolloutSpec) -> Option<String> {
    let mut names = BTreeSet::new();
    for (place, check) in spec.checks.iter().enumerate() {
        let name = &check.name;
        if !names.insert(name) {
            return Some(format!(
                "spec.checks has {name:?} twice; give each check a name of its own"
            ));
        }
        if let Err(why) = refusal_of(check) {
            return Some(format!("spec.checks[{place}]{why} (check {name})"));
        }
    }
    if !spec.checks.is_empty() {
        let budget = spec.failure_budget.as_ref()?;
        let says_nothing = budget.wave.is_none() && budget.total.is_none();
        return says_nothing.then(|| "spec.failureBudget needs wave, total or both".to_owned());
    }
    let without =
        |field: &str| format!("spec.{field} goes with spec.checks, and there are none; add a check, or take it out");
    let budget = spec.failure_budget.as_ref().map(|_| without("failureBudget"));
    budget.or_else(|| spec.on_failure.map(|_| without("onFailure")))
}

fn refusal_of(check: &RolloutCheck) -> Result<(), String> {
    let (interval, timeout): (Duration, Duration) = (check.interval.into(), check.timeout.into());
    if interval < Duration::from_secs(1) {
        return Err(format!(".interval is {}; it must be 1s at least", check.interval));
    }
    if !(Duration::from_millis(100)..=Duration::from_secs(10)).contains(&timeout) {
        return Err(format!(".timeout is {}; it must be 100ms to 10s", check.timeout));
    }
    if !(1..=100).contains(&check.failure_limit) {
        return Err(format!(".failureLimit is {}; it must be 1 to 100", check.failure_limit));
    }
    match (&check.prometheus, &check.webhook, &check.validation) {
        (Some(prometheus), None, None) => {
            let url = CheckUrl::parse(&prometheus.url).and_then(|url| url.instant_query());
            url.map_err(|why| format!(".prometheus.url {why}"))?;
            if prometheus.query.trim().is_empty() {
                return Err(".prometheus.query is empty; write a query".to_owned());
            }
            if !prometheus.max.is_finite() {
                return Err(".prometheus.max must be a number that ends".to_owned());
            }
            Ok(())
        }
        (None, Some(webhook), None) => {
            let url = CheckUrl::parse(&webhook.url);
            url.map(drop).map_err(|why| format!(".webhook.url {why}"))
        }
        (None, None, Some(validation)) if !(1..=50).contains(&validation.max) => {
            Err(format!(".validation.max is {}; it must be 1 to 50", validation.max))
        }
        (None, None, Some(_)) if check.timeout != five_seconds() => {
            Err(".timeout goes with prometheus and webhook; take it out".to_owned())
        }
        (None, None, Some(_)) => Ok(()),
        (None, None, None) => Err(" asks nothing; give it prometheus, webhook or validation".to_owned()),
        _ => Err(" has more than one of prometheus, webhook and validation; make a check of each".to_owned()),
    }
}

/// What of the checks a plan is made of: nothing where there are none, so that plans from before there were checks keep their word.
pub(super) fn planned(spec: &VersionRolloutSpec, plan: &mut Value) {
    if spec.checks.is_empty() {
        return;
    }
    let checks = spec.checks.iter().map(|check| {
        let mut planned = json!({
            "name": check.name, "interval": check.interval, "failureLimit": check.failure_limit,
            "timeout": check.timeout, "prometheus": check.prometheus, "webhook": check.webhook,
        });
        // The word of a plan from before there was this kind of check stays.
        if let Some(validation) = &check.validation {
            planned["validation"] = json!(validation);
        }
        planned
    });
    plan["checks"] = checks.collect();
    if let Some(budget) = &spec.failure_budget {
        plan["failureBudget"] = json!({"wave": budget.wave, "total": budget.total});
    }
    // Absent equals the default.
    if spec.on_failure == Some(OnFailure::RollBack) {
        plan["onFailure"] = json!("RollBack");
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::resources::{rollout_plan, rollout_refusal};

    fn spec(more: Value) -> VersionRolloutSpec {
        let mut spec = json!({
            "instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [{"name": "all"}],
        });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn webhook(url: &str) -> Value {
        json!({"checks": [{"name": "smoke", "webhook": {"url": url}}]})
    }

    #[test]
    fn a_check_has_defaults_and_a_budget_is_rounded_down() {
        let checks = spec(webhook("https://checks.example/wave")).checks;
        assert_eq!(
            (checks[0].interval, checks[0].failure_limit, checks[0].timeout),
            (HumanDuration::from_secs(60), 3, HumanDuration::from_secs(5))
        );
    }

    #[rstest]
    #[case(json!({"checks": [{"name": "a", "webhook": {"url": "https://x.example"}}, {"name": "a", "webhook": {"url": "https://x.example"}}]}), "\"a\" twice")]
    #[case(json!({"checks": [{"name": "a"}]}), "spec.checks[0] asks nothing")]
    #[case(json!({"checks": [{"name": "a", "webhook": {"url": "https://x.example"}, "prometheus": {"url": "https://x.example", "query": "up", "max": 1}}]}), "more than one")]
    #[case(json!({"checks": [{"name": "a", "validation": {}, "webhook": {"url": "https://x.example"}}]}), "more than one")]
    #[case(json!({"checks": [{"name": "a", "validation": {"max": 0}}]}), "validation.max is 0")]
    #[case(json!({"checks": [{"name": "a", "timeout": "9s", "validation": {}}]}), "timeout goes with")]
    #[case(json!({"checks": [{"name": "a", "interval": "500ms", "webhook": {"url": "https://x.example"}}]}), "interval is 500ms")]
    #[case(json!({"checks": [{"name": "a", "timeout": "11s", "webhook": {"url": "https://x.example"}}]}), "timeout is 11s")]
    #[case(json!({"checks": [{"name": "a", "failureLimit": 0, "webhook": {"url": "https://x.example"}}]}), "failureLimit is 0")]
    #[case(json!({"checks": [{"name": "a", "prometheus": {"url": "https://x.example/?a=b", "query": "up", "max": 1}}]}), "prometheus.url holds a query")]
    #[case(json!({"checks": [{"name": "a", "prometheus": {"url": "https://x.example", "query": " ", "max": 1}}]}), "query is empty")]
    #[case(json!({"checks": [{"name": "a", "webhook": {"url": "http://x.example"}}]}), "spec.checks[0].webhook.url is plain http")]
    #[case(json!({"failureBudget": {"wave": 1}}), "spec.failureBudget goes with spec.checks")]
    #[case(json!({"onFailure": "RollBack"}), "spec.onFailure goes with spec.checks")]
    #[case(json!({"checks": [{"name": "a", "webhook": {"url": "https://x.example"}}], "failureBudget": {}}), "wave, total or both")]
    fn what_no_check_can_be_is_refused_with_the_field(#[case] more: Value, #[case] told: &str) {
        let refusal = rollout_refusal(&spec(more)).unwrap_or_default();
        assert!(refusal.contains(told), "{refusal}");
    }

    #[test]
    fn a_plan_without_checks_keeps_its_word_and_every_field_of_a_check_is_part_of_it() {
        let plain = rollout_plan(&spec(json!({})));
        assert_eq!(plain, "1-f9a92f1f498ce4b1");
        let with = |change: fn(&mut Value)| {
            let mut more = webhook("https://checks.example/wave");
            more["failureBudget"] = json!({"wave": "2%"});
            change(&mut more);
            rollout_plan(&spec(more))
        };
        let words = [
            with(|_| {}),
            with(|it| it["checks"][0]["name"] = json!("other")),
            with(|it| it["checks"][0]["interval"] = json!("2m")),
            with(|it| it["checks"][0]["failureLimit"] = json!(1)),
            with(|it| it["checks"][0]["timeout"] = json!("1s")),
            with(|it| it["checks"][0]["webhook"]["url"] = json!("https://other.example")),
            with(|it| it["checks"][0]["webhook"]["secretRef"] = json!({"name": "a", "key": "b"})),
            with(|it| it["failureBudget"]["wave"] = json!("3%")),
            with(|it| it["failureBudget"]["total"] = json!(1)),
            with(|it| it["onFailure"] = json!("RollBack")),
            with(|it| it["checks"][0] = json!({"name": "smoke", "validation": {}})),
            with(|it| it["checks"][0] = json!({"name": "smoke", "validation": {"max": 5}})),
        ];
        assert_eq!(
            words[0], "1-735e15f3bafc9c16",
            "a new release must not void what was seen under an older one"
        );
        let different: BTreeSet<&String> = words.iter().chain([&plain]).collect();
        assert_eq!(different.len(), 13, "{words:?}");
        assert_eq!(with(|it| it["onFailure"] = json!("Pause")), words[0]);
        assert_eq!(with(|it| it["checks"][0]["interval"] = json!("1m")), words[0]);
    }
}
