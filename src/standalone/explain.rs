//! Why tenants and rollouts are where they are, of everything that is declared: which environments are asked, and what is
//! said where there is nothing.

use std::fmt::Write as _;

use super::catalog::Catalog;
use super::diff::Unanswered;
use super::report::columns;
use crate::environment::{self, Asked, Ends, EnvironmentKey, Explanation, WaveProgress};
use crate::ports::World;
use crate::resources::WaveStatus;

/// Which of the environments that are declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within {
    /// Of this instance, as `name` or `namespace/name`; `None`: of all.
    pub instance: Option<String>,
    /// This one; `None`: all.
    pub environment: Option<String>,
}

impl Within {
    fn takes(&self, key: &EnvironmentKey) -> bool {
        let of_instance = self
            .instance
            .as_ref()
            .is_none_or(|name| *name == key.instance || *name == format!("{}/{}", key.namespace, key.instance));
        of_instance && self.environment.as_ref().is_none_or(|name| *name == key.environment)
    }
}

/// Explains, in each environment where there is something to explain. `world` must only look.
///
/// # Errors
/// Nowhere is any, or what keeps an environment from being seen.
pub async fn explain(
    world: &World,
    catalog: &Catalog,
    asked: &Asked,
    within: &Within,
) -> Result<Vec<Explanation>, Unanswered> {
    let keys: Vec<EnvironmentKey> = match asked {
        Asked::Tenant(_) => environments(catalog, within),
        Asked::Rollout(name) => of_rollout(catalog, name, within),
    };
    let asked = match asked {
        Asked::Rollout(name) => Asked::Rollout(bare(name).to_owned()),
        Asked::Tenant(_) => asked.clone(),
    };
    let mut explanations = Vec::new();
    for key in &keys {
        explanations.extend(environment::explain(world, key, &asked).await?);
    }
    if explanations.is_empty() {
        return Err(Unanswered::NotThere(nowhere(catalog, &asked, &keys)));
    }
    Ok(explanations)
}

/// The environments in question. One that is asked for and that no object is for may still have rows.
fn environments(catalog: &Catalog, within: &Within) -> Vec<EnvironmentKey> {
    let declared: Vec<EnvironmentKey> = catalog
        .environments()
        .into_iter()
        .filter(|key| within.takes(key))
        .collect();
    let Some(environment) = within.environment.as_ref().filter(|_| declared.is_empty()) else {
        return declared;
    };
    let keys = catalog.instances().map(|instance| EnvironmentKey {
        namespace: instance.namespace.clone(),
        instance: instance.name.clone(),
        environment: environment.clone(),
    });
    keys.filter(|key| within.takes(key)).collect()
}

/// The environments of rollouts of this name.
fn of_rollout(catalog: &Catalog, name: &str, within: &Within) -> Vec<EnvironmentKey> {
    let meant = catalog
        .rollouts()
        .filter(|rollout| rollout.name == name || rollout.key() == name);
    let keys = meant.map(|rollout| super::catalog::environment_of_rollout(rollout));
    keys.filter(|key| within.takes(key)).collect()
}

/// A name without its namespace.
fn bare(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

fn nowhere(catalog: &Catalog, asked: &Asked, keys: &[EnvironmentKey]) -> String {
    let list = |names: Vec<String>| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    match asked {
        Asked::Tenant(tenant) => {
            let looked = keys.iter().map(|key| key.environment.clone()).collect();
            format!(
                "no TenantPin names tenant {tenant:?}, and it has no row; looked at environments: {}. Name it as the mapping \
                 does (spec.tenant), and another environment with --environment",
                list(looked)
            )
        }
        Asked::Rollout(name) => {
            let declared = catalog.rollouts().map(|rollout| rollout.key()).collect();
            format!(
                "no VersionRollout {name:?} is declared there; declared are: {}",
                list(declared)
            )
        }
    }
}

/// How far a rollout is: a line a wave, and what it waits for.
#[must_use]
pub fn status_table(explanation: &Explanation) -> String {
    let reason = explanation.reason().map_or("", |reason| reason.as_str());
    let mut text = format!("{}: {reason}\n", explanation.about);
    if let Some(progress) = &explanation.progress {
        let head = ["WAVE", "PHASE", "MOVED", "LEFT OUT", "OPENED", "ENDED", "WAITS"];
        let mut table = vec![head.map(str::to_owned).to_vec()];
        table.extend(progress.waves.iter().map(line));
        text.push_str(&columns(&table));
        let _ = writeln!(text, "{}/{} moved", progress.moved, progress.tenants);
    }
    for cause in explanation.causes.iter().filter(|cause| cause.reason.is_some()) {
        let _ = writeln!(text, "{}", cause.text());
        if let Some(ends) = &cause.ends {
            let _ = writeln!(text, "  Ends {}", ends.text());
        }
    }
    text
}

fn line(wave: &WaveProgress) -> Vec<String> {
    let time = |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    let status = &wave.status;
    vec![
        status.name.clone(),
        format!("{:?}", status.phase),
        format!("{}/{}", status.moved, status.tenants),
        status.left_out.to_string(),
        time(status.opened_at),
        time(status.ended_at),
        wave.waits
            .as_ref()
            .and_then(|waits| waits.ends.as_ref())
            .map_or_else(String::new, until),
    ]
}

/// What ends it, in few words.
fn until(ends: &Ends) -> String {
    match ends {
        Ends { at: Some(at), .. } => format!("until {at:.0}"),
        Ends { when: Some(when), .. } => format!("until {when}"),
        _ => "for a person".to_owned(),
    }
}

/// One wave in one line, for who follows it.
#[must_use]
pub fn wave_line(wave: &WaveProgress) -> String {
    let ends = wave.waits.as_ref().and_then(|waits| waits.ends.as_ref());
    let waits = ends.map_or_else(String::new, |ends| format!(", waits {}", until(ends)));
    format!("{}{waits}", wave_words(&wave.status))
}

/// How far a wave is, in one line.
#[must_use]
pub fn wave_words(status: &WaveStatus) -> String {
    format!(
        "wave {}: {:?}, {}/{} moved, {} left out",
        status.name, status.phase, status.moved, status.tenants, status.left_out
    )
}
