//! What is still to be done for everything that a folder declares, and what is there: read from the ledger, with no call
//! to Omni and no write anywhere, so that it can be asked while another process works; and call for call where it was
//! rehearsed too, for which Omni is read.

mod waves;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::catalog::{Catalog, Id, id_of};
use super::rehearsal::{CallAhead, Rehearsals, Rehearsed, rehearse, telling};
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
    /// What came of rehearsing it, where it was.
    pub rehearsed: Option<Rehearsed>,
}

impl VersionAhead {
    /// How many calls to Omni it costs: those that were rehearsed, else about so many.
    fn calls(&self) -> usize {
        match (&self.rehearsed, &self.plan) {
            (Some(rehearsed), _) => rehearsed.calls.len(),
            (None, Ok(plan)) => forecast::calls(&plan.steps),
            (None, Err(_)) => 0,
        }
    }

    fn has_work(&self) -> bool {
        self.plan.as_ref().is_ok_and(|plan| !plan.steps.is_empty())
    }

    /// What is to be done, as people read it.
    fn told(&self, each: bool, text: &mut String) {
        let name = format!("ModelVersion/{}", shown(&self.id));
        let (calls, done_in) = (self.calls(), self.done_in.map(minutes).unwrap_or_default());
        let _ = match (&self.plan, &self.rehearsed) {
            (Err(failure), _) => writeln!(text, "{name}: {}: {}", failure.reason.as_str(), failure.message),
            (Ok(plan), None) if plan.steps.is_empty() => writeln!(text, "{name}: nothing to do"),
            (Ok(plan), Some(_)) if plan.steps.is_empty() => {
                writeln!(text, "{name}: nothing to do, looked at with {calls} calls to Omni")
            }
            (Ok(_), Some(rehearsed)) => {
                let end = if rehearsed.complete { "done" } else { "stops" };
                writeln!(text, "{name}: {calls} calls to Omni, {end} in {done_in}")
            }
            (Ok(_), None) => writeln!(text, "{name}: about {calls} calls to Omni, done in {done_in}"),
        };
        match (&self.plan, &self.rehearsed) {
            (Ok(_), Some(rehearsed)) => {
                text.push_str(&telling::lines(&rehearsed.calls, each));
                text.push_str(&telling::remarks(rehearsed));
            }
            (Ok(plan), None) => {
                for step in &plan.steps {
                    let _ = writeln!(text, "  {:>4}  {}", step.calls, step.what);
                }
            }
            (Err(_), _) => {}
        }
    }
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
    /// The calls that tell which organisation it is, of each instance that was rehearsed.
    pub instances: Vec<(Id, Vec<CallAhead>)>,
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
    for object in versions {
        let instance = (object.namespace.clone(), object.spec.instance_ref.name.clone());
        let plan = model_version::plan(world, object).await;
        ahead.versions.push(VersionAhead {
            id: id_of(object),
            instance,
            plan,
            done_in: None,
            rehearsed: None,
        });
    }
    ahead.count(catalog);
    ahead.environments = environments(world, catalog).await;
    ahead
}

/// The same, and every instance that has something ahead is rehearsed: Omni is read. `world` must only look, and may take
/// places in the request budget; `tried` must reach the outside through these stages alone.
pub async fn rehearsed(
    (world, tried): (&World, &World),
    stages: &Rehearsals,
    catalog: &Catalog,
    tell: &(dyn Fn(&str) + Sync),
) -> Ahead {
    let mut ahead = self::ahead(world, catalog).await;
    for instance in catalog.instances() {
        let id = id_of(instance);
        let own = |it: &&mut VersionAhead| it.instance == id;
        if !ahead.versions.iter().any(|it| it.instance == id && it.has_work()) {
            continue;
        }
        let mut came = rehearse(tried, stages, catalog, instance, tell).await;
        for version in ahead.versions.iter_mut().filter(own) {
            version.rehearsed = came.versions.remove(&version.id);
        }
        ahead.instances.push((id, came.calls));
    }
    ahead.count(catalog);
    ahead.environments = environments(tried, catalog).await;
    ahead
}

async fn environments(world: &World, catalog: &Catalog) -> Vec<EnvironmentAhead> {
    let mut environments = Vec::new();
    for key in catalog.environments() {
        let plan = environment::plan(world, &key).await;
        environments.push(EnvironmentAhead { key, plan });
    }
    environments
}

impl Ahead {
    /// When each version can be complete.
    fn count(&mut self, catalog: &Catalog) {
        let (mut of, mut calls) = (None, 0_usize);
        for version in &mut self.versions {
            if of.as_ref() != Some(&version.instance) {
                (of, calls) = (Some(version.instance.clone()), 0);
            }
            calls += version.calls();
            let rate = catalog.instances().find(|it| id_of(it) == version.instance);
            let rate = rate.map_or(1, |it| it.spec.requests_per_minute.max(1));
            let minutes = Duration::from_secs_f64(calls as f64 * 60.0 / f64::from(rate));
            version.done_in = version.has_work().then_some(minutes);
        }
    }

    /// The reasons for which a rehearsal would not end with everything ready.
    pub fn stops(&self) -> impl Iterator<Item = &Finding> {
        let rehearsed = self.versions.iter().filter_map(|it| it.rehearsed.as_ref());
        rehearsed.filter_map(|it| it.stops.as_ref())
    }

    /// Whether something is in the way: of seeing what is ahead, or such that only a person can mend it. What is suspended
    /// is as somebody wants it.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let of_environments = || self.environments.iter().filter_map(|it| it.plan.as_ref().ok());
        let of_pins = of_environments()
            .flat_map(|plan| &plan.pins)
            .flat_map(|pin| &pin.findings);
        let of_rollouts = of_environments()
            .flat_map(|plan| &plan.rollouts)
            .flat_map(|it| &it.findings);
        let of_approvals = of_environments()
            .flat_map(|plan| &plan.approvals)
            .flat_map(|it| &it.findings);
        let mut findings = of_pins.chain(of_rollouts).chain(of_approvals);
        let of_versions = self.versions.iter().filter_map(|it| it.plan.as_ref().err());
        let of_environments = self.environments.iter().filter_map(|it| it.plan.as_ref().err());
        self.budgets.iter().any(|(_, budget)| budget.is_err())
            || of_versions
                .chain(of_environments)
                .any(|it| it.reason != Reason::Suspended)
            || findings.any(|finding| finding.condition == STALLED)
            || self.stops().any(|finding| finding.condition == STALLED)
    }

    /// What is to be done, step by step, as people read it. Of what was rehearsed, call for call: those of a kind in one
    /// line, or `each` by itself.
    #[must_use]
    pub fn steps(&self, each: bool) -> String {
        let mut text = self.budget_lines();
        for (id, calls) in &self.instances {
            let _ = writeln!(text, "OmniInstance/{}: {} calls to Omni", shown(id), calls.len());
            text.push_str(&telling::lines(calls, each));
        }
        for version in &self.versions {
            version.told(each, &mut text);
        }
        for environment in &self.environments {
            self.moves_of(environment, &mut text);
        }
        if !self.instances.is_empty() {
            text.push_str(telling::UNKNOWN);
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
                let pins = plan.pins.iter().map(|it| ("TenantPin", &it.name, &it.findings));
                let rollouts = plan.rollouts.iter();
                let rollouts = rollouts.map(|it| ("VersionRollout", &it.name, &it.findings));
                let approvals = plan.approvals.iter();
                let approvals = approvals.map(|it| ("WaveApproval", &it.name, &it.findings));
                for (kind, name, findings) in pins.chain(rollouts).chain(approvals) {
                    for it in findings.iter().filter(|it| [WAITING, STALLED].contains(&it.condition)) {
                        let _ = writeln!(text, "{kind}/{name}: {}: {}", it.reason.as_str(), it.message);
                    }
                }
                if let Some(forecast) = &plan.forecast {
                    waves::lines(forecast, text);
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
                    it.calls().to_string(),
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
        let instances = self
            .instances
            .iter()
            .map(|(id, calls)| json!({"name": shown(id), "calls": telling::to_json(calls)}));
        let versions = self.versions.iter().map(|it| match &it.plan {
            Ok(plan) => with_rehearsal(it.rehearsed.as_ref(), json!({
                "name": shown(&it.id), "version": plan.version, "complete": plan.complete, "dashboards": plan.ready,
                "tenants": plan.tenants, "callsLeft": it.calls(),
                "secondsLeft": it.done_in.map(|left| left.as_secs()),
                "steps": plan.steps.iter().map(|it| json!({"what": it.what, "calls": it.calls})).collect::<Vec<_>>(),
            })),
            Err(why) => json!({"name": shown(&it.id), "failure": failure(why)}),
        });
        let environments = self.environments.iter().map(|it| match &it.plan {
            Ok(plan) => json!({
                "instance": it.key.instance, "environment": it.key.environment,
                "moves": plan.moves.iter().map(|it| json!({"tenant": it.tenant, "from": it.from, "to": it.to}))
                    .collect::<Vec<_>>(),
                "pins": plan.pins.iter().map(|pin| json!({"name": pin.name, "holds": pin.version,
                    "keptBack": kept_back(&pin.findings)})).collect::<Vec<_>>(),
                "rollouts": plan.rollouts.iter().map(|it| json!({"name": it.name,
                    "keptBack": kept_back(&it.findings)})).collect::<Vec<_>>(),
                "forecast": plan.forecast,
            }),
            Err(why) => json!({"environment": it.key.environment, "failure": failure(why)}),
        });
        json!({
            "budgets": budgets.collect::<Vec<_>>(),
            "instances": instances.collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
            "environments": environments.collect::<Vec<_>>(),
        })
    }
}

/// What came of rehearsing a version, beside what the ledger says of it.
fn with_rehearsal(rehearsed: Option<&Rehearsed>, mut version: Value) -> Value {
    if let Some(rehearsed) = rehearsed {
        version["calls"] = telling::to_json(&rehearsed.calls);
        version["notCarried"] = json!(rehearsed.not_carried);
        version["foreignLinks"] = json!(rehearsed.foreign_links);
        let stops = rehearsed.stops.as_ref();
        version["stops"] = json!(stops.map(|it| json!({"reason": it.reason.as_str(), "message": it.message})));
    }
    version
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
