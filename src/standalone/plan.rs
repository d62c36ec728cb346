//! What is still to be done for everything that a folder declares, and what is there: read from the ledger, with no call
//! to Omni and no write anywhere, so that it can be asked while another process works.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::catalog::{Catalog, Id, id_of};
use super::report::columns;
use crate::environment::{self, EnvironmentKey, EnvironmentPlan};
use crate::model_version::{self, VersionPlan, forecast};
use crate::ports::{Failure, Told, World};
use crate::resources::conditions::{Finding, Reason, STALLED, WAITING};

/// One version, and what is ahead of it.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionAhead {
    /// The object.
    pub id: Id,
    /// Its instance.
    pub instance: Id,
    /// What is to be done; or what is in the way of knowing it.
    pub plan: Result<VersionPlan, Failure>,
    /// When it can be complete, from now: after its own calls and those of the versions before it on the same instance,
    /// at the instance's rate; `None` where nothing is ahead or it cannot be told.
    pub done_in: Option<Duration>,
}

/// One environment, and what is ahead of its pins.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentAhead {
    /// Which.
    pub key: EnvironmentKey,
    /// What is to be done; or what is in the way of knowing it.
    pub plan: Result<EnvironmentPlan, Failure>,
}

/// Everything that is ahead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ahead {
    /// How the budget of each instance's key stands; or why that is not known.
    pub budgets: Vec<(Id, Result<Told, String>)>,
    /// The versions, by instance and number.
    pub versions: Vec<VersionAhead>,
    /// The environments.
    pub environments: Vec<EnvironmentAhead>,
}

/// Looks at everything that is declared. `world` must only look: see [`crate::ports::Clients`].
pub async fn ahead(world: &World, catalog: &Catalog) -> Ahead {
    let mut ahead = Ahead::default();
    let mut versions: Vec<_> = catalog.versions().collect();
    versions.sort_by_key(|it| (it.namespace.clone(), it.spec.instance_ref.name.clone(), it.spec.version));
    let (mut of, mut calls) = (None, 0_usize);
    for object in versions {
        let instance = (object.namespace.clone(), object.spec.instance_ref.name.clone());
        if of.as_ref() != Some(&instance) {
            (of, calls) = (Some(instance.clone()), 0);
        }
        let plan = model_version::plan(world, object).await;
        let own = plan.as_ref().map_or(0, |plan| forecast::calls(&plan.steps));
        calls += own;
        let rate = catalog.instances().find(|it| id_of(it) == instance);
        let rate = rate.map_or(1, |it| it.spec.requests_per_minute.max(1));
        let minutes = Duration::from_secs_f64(calls as f64 * 60.0 / f64::from(rate));
        ahead.versions.push(VersionAhead {
            id: id_of(object),
            instance,
            plan,
            done_in: (own > 0).then_some(minutes),
        });
    }
    let keys = catalog.pins().map(|pin| EnvironmentKey {
        namespace: pin.namespace.clone(),
        instance: pin.spec.instance_ref.name.clone(),
        environment: pin.spec.environment.clone(),
    });
    for key in keys.collect::<BTreeSet<_>>() {
        let plan = environment::plan(world, &key).await;
        ahead.environments.push(EnvironmentAhead { key, plan });
    }
    ahead
}

impl Ahead {
    /// Whether something is in the way: of seeing what is ahead, or such that only a person can mend it. What is suspended
    /// is as somebody wants it.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let of_pins = self.environments.iter().filter_map(|it| it.plan.as_ref().ok());
        let mut findings = of_pins.flat_map(|plan| &plan.pins).flat_map(|pin| &pin.findings);
        let of_versions = self.versions.iter().filter_map(|it| it.plan.as_ref().err());
        let of_environments = self.environments.iter().filter_map(|it| it.plan.as_ref().err());
        self.budgets.iter().any(|(_, budget)| budget.is_err())
            || of_versions
                .chain(of_environments)
                .any(|it| it.reason != Reason::Suspended)
            || findings.any(|finding| finding.condition == STALLED)
    }

    /// What is to be done, step by step, as people read it.
    #[must_use]
    pub fn steps(&self) -> String {
        let mut text = self.budget_lines();
        for version in &self.versions {
            let name = format!("ModelVersion/{}", shown(&version.id));
            match &version.plan {
                Err(failure) => {
                    let _ = writeln!(text, "{name}: {}: {}", failure.reason.as_str(), failure.message);
                }
                Ok(plan) if plan.steps.is_empty() => {
                    let _ = writeln!(text, "{name}: nothing to do");
                }
                Ok(plan) => {
                    let calls = forecast::calls(&plan.steps);
                    let done_in = version.done_in.map(minutes).unwrap_or_default();
                    let _ = writeln!(text, "{name}: about {calls} calls to Omni, done in {done_in}");
                    for step in &plan.steps {
                        let _ = writeln!(text, "  {:>4}  {}", step.calls, step.what);
                    }
                }
            }
        }
        for environment in &self.environments {
            self.moves_of(environment, &mut text);
        }
        text
    }

    fn moves_of(&self, environment: &EnvironmentAhead, text: &mut String) {
        let name = &environment.key.environment;
        match &environment.plan {
            Err(failure) => {
                let _ = writeln!(
                    text,
                    "environment {name}: {}: {}",
                    failure.reason.as_str(),
                    failure.message
                );
            }
            Ok(plan) => {
                for it in &plan.moves {
                    let (from, to) = (version(it.from), version(it.to));
                    let _ = writeln!(text, "environment {name}: {} from {from} to {to}, no call", it.tenant);
                }
                for pin in &plan.pins {
                    for finding in pin
                        .findings
                        .iter()
                        .filter(|it| [WAITING, STALLED].contains(&it.condition))
                    {
                        let _ = writeln!(
                            text,
                            "TenantPin/{}: {}: {}",
                            pin.name,
                            finding.reason.as_str(),
                            finding.message
                        );
                    }
                }
                if plan.moves.is_empty() {
                    let _ = writeln!(text, "environment {name}: nothing to do now");
                }
            }
        }
    }

    fn budget_lines(&self) -> String {
        let mut text = String::new();
        for (id, budget) in &self.budgets {
            let name = shown(id);
            let _ = match budget {
                Ok(told) => writeln!(text, "OmniInstance/{name}: {}", budget_words(told)),
                Err(why) => writeln!(text, "OmniInstance/{name}: its budget is not known: {why}"),
            };
        }
        text
    }

    /// What is there, and when the rest will be, in columns.
    #[must_use]
    pub fn table(&self) -> String {
        let head = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut budgets = vec![head(&["INSTANCE", "BUDGET"])];
        for (id, budget) in &self.budgets {
            let words = budget.as_ref().map_or_else(Clone::clone, budget_words);
            budgets.push(vec![shown(id), words]);
        }
        let mut versions = vec![head(&[
            "MODELVERSION",
            "VERSION",
            "COMPLETE",
            "DASHBOARDS",
            "TENANTS",
            "CALLS LEFT",
            "DONE IN",
        ])];
        for it in &self.versions {
            versions.push(match &it.plan {
                Ok(plan) => vec![
                    shown(&it.id),
                    plan.version.to_string(),
                    if plan.complete { "yes" } else { "no" }.to_owned(),
                    plan.ready.to_string(),
                    plan.tenants.to_string(),
                    forecast::calls(&plan.steps).to_string(),
                    it.done_in.map_or_else(|| "-".to_owned(), minutes),
                ],
                Err(failure) => vec![shown(&it.id), failure.reason.as_str().to_owned()],
            });
        }
        let mut pins = vec![head(&["TENANTPIN", "ENVIRONMENT", "HOLDS", "WHY NOT"])];
        for environment in &self.environments {
            let name = &environment.key.environment;
            match &environment.plan {
                Ok(plan) => pins.extend(plan.pins.iter().map(|pin| {
                    let holds = pin.version.map_or_else(|| "-".to_owned(), |it| it.to_string());
                    vec![pin.name.clone(), name.clone(), holds, kept_back(&pin.findings)]
                })),
                Err(failure) => pins.push(vec![
                    "*".to_owned(),
                    name.clone(),
                    "?".to_owned(),
                    failure.reason.as_str().to_owned(),
                ]),
            }
        }
        let tables = [budgets, versions, pins];
        let filled = tables.iter().filter(|table| table.len() > 1);
        filled.map(|table| columns(table)).collect::<Vec<_>>().join("\n")
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let failure = |it: &Failure| json!({"reason": it.reason.as_str(), "message": it.message});
        let budgets = self.budgets.iter().map(|(id, budget)| match budget {
            Ok(told) => json!({
                "instance": shown(id), "requestsPerMinute": told.rate, "used": told.used,
                "left": told.rate.saturating_sub(told.used), "paused": told.paused,
            }),
            Err(why) => json!({"instance": shown(id), "unknown": why}),
        });
        let versions = self.versions.iter().map(|it| match &it.plan {
            Ok(plan) => json!({
                "name": shown(&it.id), "version": plan.version, "complete": plan.complete, "dashboards": plan.ready,
                "tenants": plan.tenants, "callsLeft": forecast::calls(&plan.steps),
                "secondsLeft": it.done_in.map(|left| left.as_secs()),
                "steps": plan.steps.iter().map(|it| json!({"what": it.what, "calls": it.calls})).collect::<Vec<_>>(),
            }),
            Err(why) => json!({"name": shown(&it.id), "failure": failure(why)}),
        });
        let environments = self.environments.iter().map(|it| match &it.plan {
            Ok(plan) => json!({
                "instance": it.key.instance, "environment": it.key.environment,
                "moves": plan.moves.iter().map(|it| json!({"tenant": it.tenant, "from": it.from, "to": it.to}))
                    .collect::<Vec<_>>(),
                "pins": plan.pins.iter().map(|pin| json!({"name": pin.name, "holds": pin.version,
                    "keptBack": kept_back(&pin.findings)})).collect::<Vec<_>>(),
            }),
            Err(why) => json!({"environment": it.key.environment, "failure": failure(why)}),
        });
        json!({
            "budgets": budgets.collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
            "environments": environments.collect::<Vec<_>>(),
        })
    }
}

fn budget_words(told: &Told) -> String {
    let left = told.rate.saturating_sub(told.used);
    let pause = if told.paused { "; paused after a 429" } else { "" };
    format!("{left} of {} requests a minute left{pause}", told.rate)
}

fn kept_back(findings: &[Finding]) -> String {
    let kept = findings.iter().find(|it| [WAITING, STALLED].contains(&it.condition));
    kept.map_or_else(String::new, |it| it.reason.as_str().to_owned())
}

/// An object's name, with its namespace where that is not the usual one.
pub(super) fn shown((namespace, name): &Id) -> String {
    match namespace.as_str() {
        "default" => name.clone(),
        namespace => format!("{namespace}/{name}"),
    }
}

fn version(number: Option<i32>) -> String {
    number.map_or_else(|| "no row".to_owned(), |it| format!("version {it}"))
}

/// In minutes, rounded up; below one in seconds.
fn minutes(length: Duration) -> String {
    match length.as_secs_f64().ceil() as u64 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
