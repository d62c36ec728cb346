//! What the ledger recorded of tenants and rollouts, for people and programs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::report::columns;
use crate::environment::moved_by;
use crate::ports::{
    Failure, History, HistoryAsk, HistoryOf, Object, RecordedMove, RecordedStep, RolloutStep, StopKind, World,
};
use crate::resources::OmniInstanceSpec;

/// Reads what was recorded. `world` must only look.
///
/// # Errors
/// What keeps the mapping from being read.
pub async fn history(world: &World, instance: &Object<OmniInstanceSpec>, ask: &HistoryAsk) -> Result<History, Failure> {
    let (mapping, _) = world.mapping(instance).await?;
    mapping.history(ask).await.map_err(|error| Failure::from(&error))
}

/// As people read it.
#[must_use]
pub fn history_table(history: &History, ask: &HistoryAsk) -> String {
    let mut text = match &ask.of {
        HistoryOf::Tenant(tenant) if history.moves.is_empty() => {
            format!("nothing is on record of tenant {tenant}{}\n", since(ask))
        }
        HistoryOf::Rollout(rollout) if history.steps.is_empty() && history.batches.is_empty() => {
            format!("nothing is on record of VersionRollout {rollout}{}\n", since(ask))
        }
        HistoryOf::Tenant(_) => moves(history),
        HistoryOf::Rollout(_) => format!("{}\n{}", steps(history), waves(history, ask)),
    };
    if history.cut {
        text.push_str(&format!(
            "these are the newest {}; more is on record, see --limit and --since\n",
            ask.most
        ));
    }
    text
}

fn since(ask: &HistoryAsk) -> String {
    ask.since
        .map_or_else(String::new, |since| format!(" since {}", time(since)))
}

fn head<const N: usize>(words: [&str; N]) -> Vec<Vec<String>> {
    vec![words.map(str::to_owned).to_vec()]
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

fn version(of: Option<i32>) -> String {
    of.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

fn moves(history: &History) -> String {
    let mut table = head(["AT", "ENVIRONMENT", "FROM", "TO", "BY"]);
    table.extend(history.moves.iter().map(|it| {
        vec![
            time(it.event.at),
            it.environment.clone(),
            version(it.event.from),
            version(it.event.to),
            moved_by(&it.event, it.rollout.as_deref()),
        ]
    }));
    columns(&table)
}

fn steps(history: &History) -> String {
    let mut table = head(["AT", "ENVIRONMENT", "ATTEMPT", "VERSION", "WHAT"]);
    table.extend(history.steps.iter().map(|step| {
        let plan = match step.event.step {
            RolloutStep::Started => format!(", plan {}", step.event.plan),
            _ => String::new(),
        };
        vec![
            time(step.at),
            step.environment.clone(),
            step.event.attempt.to_string(),
            step.event.target.to_string(),
            format!("{}{plan}", told(&step.event.step).what),
        ]
    }));
    columns(&table)
}

fn waves(history: &History, ask: &HistoryAsk) -> String {
    let mut table = head(["ENVIRONMENT", "ATTEMPT", "WAVE", "MOVES", "BATCHES", "LAST", "REASON"]);
    table.extend(history.batches.iter().map(|it| {
        vec![
            it.environment.clone(),
            it.attempt.to_string(),
            it.wave.clone(),
            it.tenants.to_string(),
            it.batches.to_string(),
            time(it.last_at),
            it.reason.clone(),
        ]
    }));
    if table.len() == 1 {
        return format!("no tenant moved in a wave of these attempts{}\n", since(ask));
    }
    columns(&table)
}

/// A step as it is told: in words, of which wave, and how many tenants were counted.
struct Told<'a> {
    what: String,
    wave: Option<&'a str>,
    tenants: Option<u32>,
}

/// The one place that knows every step.
fn told(step: &RolloutStep) -> Told<'_> {
    let (what, wave, tenants) = match step {
        RolloutStep::Started => ("began".to_owned(), None, None),
        RolloutStep::Opened { wave, members } => {
            let what = format!("wave {wave} opened, with {members} tenants");
            (what, Some(wave.as_str()), Some(*members))
        }
        RolloutStep::Approved { wave, approval } => {
            let proof = if approval.verified { "verified" } else { "unverified" };
            let what = format!(
                "wave {wave} was approved by {} ({proof}, WaveApproval {})",
                approval.approver, approval.object
            );
            (what, Some(wave.as_str()), None)
        }
        RolloutStep::Ended { wave } => (format!("wave {wave} ended"), Some(wave.as_str()), None),
        RolloutStep::Completed => ("every wave has ended".to_owned(), None, None),
        RolloutStep::Stopped { kind, wave, why } => {
            let what = match kind {
                StopKind::Paused => "was paused",
                StopKind::RolledBack => "was rolled back",
                StopKind::Ordered => "was ordered back by a person",
            };
            let whose = wave.as_ref().map_or_else(String::new, |wave| format!("wave {wave} "));
            (format!("{whose}{what}: {why}"), wave.as_deref(), None)
        }
    };
    Told { what, wave, tenants }
}

/// The same for programs: `moves` of a tenant; of a rollout `attempts`, each with its `steps` and what `moved`.
#[must_use]
pub fn history_json(history: &History, ask: &HistoryAsk) -> Value {
    match &ask.of {
        HistoryOf::Tenant(tenant) => json!({
            "tenant": tenant,
            "moves": history.moves.iter().map(move_json).collect::<Vec<_>>(),
            "truncated": history.cut,
        }),
        HistoryOf::Rollout(rollout) => json!({
            "rollout": rollout,
            "attempts": attempts(history),
            "truncated": history.cut,
        }),
    }
}

fn move_json(it: &RecordedMove) -> Value {
    json!({
        "at": it.event.at,
        "environment": it.environment,
        "kind": format!("{:?}", it.event.kind),
        "from": it.event.from,
        "to": it.event.to,
        "wanted": it.event.wanted_version,
        "reason": it.event.cause.reason,
        "rollout": it.rollout,
        "attempt": it.event.cause.wave.as_ref().map(|wave| wave.attempt),
        "wave": it.event.cause.wave.as_ref().map(|wave| &wave.wave),
        "by": moved_by(&it.event, it.rollout.as_deref()),
    })
}

fn attempts(history: &History) -> Vec<Value> {
    let mut attempts: BTreeMap<(&str, i32), Vec<&RecordedStep>> = BTreeMap::new();
    for step in &history.steps {
        let key = (step.environment.as_str(), step.event.attempt);
        attempts.entry(key).or_default().push(step);
    }
    // Of one whose steps are older than what is asked for, tenants may have moved since.
    for batch in &history.batches {
        attempts.entry((batch.environment.as_str(), batch.attempt)).or_default();
    }
    let attempts = attempts.into_iter().map(|((environment, attempt), steps)| {
        let last = steps.last().map(|step| &step.event);
        let steps = steps.iter().map(|step| {
            let Told { what, wave, tenants } = told(&step.event.step);
            json!({"at": step.at, "what": what, "wave": wave, "tenants": tenants})
        });
        let moved = history.batches.iter();
        let moved = moved.filter(|it| it.environment == environment && it.attempt == attempt);
        let moved = moved.map(|it| {
            json!({
                "wave": it.wave, "reason": it.reason, "moves": it.tenants, "batches": it.batches, "lastAt": it.last_at,
            })
        });
        json!({
            "environment": environment,
            "attempt": attempt,
            "version": last.map(|event| event.target),
            "plan": last.map(|event| &event.plan),
            "steps": steps.collect::<Vec<_>>(),
            "moved": moved.collect::<Vec<_>>(),
        })
    });
    attempts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RecordedBatches;

    #[test]
    fn what_moved_since_is_told_though_every_step_of_the_attempt_is_older() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let ask = HistoryAsk {
            of: HistoryOf::Rollout("main".to_owned()),
            environment: None,
            since: Some(at),
            most: 10,
        };
        let mut history = History::default();
        history.batches.push(RecordedBatches {
            environment: "production".to_owned(),
            attempt: 7,
            wave: "rest".to_owned(),
            reason: "rollout".to_owned(),
            tenants: 300,
            batches: 4,
            last_at: at,
        });
        let told = history_json(&history, &ask);
        assert_eq!(told["attempts"][0]["attempt"], 7);
        assert_eq!(told["attempts"][0]["moved"][0]["moves"], 300);
        assert_eq!(told["attempts"][0]["version"], Value::Null);
        let nothing = waves(&History::default(), &ask);
        assert!(
            nothing.ends_with("these attempts since 2023-11-14T22:13:20Z\n"),
            "{nothing}"
        );
    }
}
