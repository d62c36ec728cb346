//! What is declared and how it stands, counted for a scrape.
//!
//! The counts are by small sets of words, whatever people declare, and the objects are walked outside of the store's
//! locks: a scrape over many pins keeps no pass waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::store::{Store, Stored};
use super::table::{Entry, Record};
use crate::resources::conditions::{
    ACCEPTED, COMPLETE, CONTENT_READY, CONTRACT_KNOWN, DRIFTED, IN_USE, MAPPED, MAPPING_READY, MODEL_READY,
    NOTIFICATIONS_FAILING, PINNED, REACHABLE, READY, RECONCILING, Reason, SAME_ORGANIZATION, STALLED, VALIDATED,
    WAITING,
};
use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval, WavePhase};
use crate::telemetry::{ConditionCount, ObjectsMeasure, RolloutsMeasure};

/// The states of objects, as labels tell them.
const STATES: [&str; 6] = ["ready", "waiting", "reconciling", "stalled", "suspended", "unknown"];

/// Why a rollout waits for a person.
const PERSONS: [Reason; 3] = [Reason::ApprovalMissing, Reason::ApprovalUnverified, Reason::HeldBack];

/// What is counted of a rollout's tenants, as labels tell it.
const TENANTS: [&str; 4] = ["following", "moved", "failing", "left_out"];

/// The phases of waves, as labels tell them.
const PHASES: [(WavePhase, &str); 4] = [
    (WavePhase::Pending, "Pending"),
    (WavePhase::Open, "Open"),
    (WavePhase::Soaking, "Soaking"),
    (WavePhase::Ended, "Ended"),
];

/// What a status says that is none of our words: whoever may write statuses must not make labels.
const OTHER: &str = "other";

/// The types of conditions that objects may have.
const CONDITIONS: [&str; 18] = [
    READY,
    ACCEPTED,
    RECONCILING,
    STALLED,
    WAITING,
    REACHABLE,
    SAME_ORGANIZATION,
    CONTRACT_KNOWN,
    MAPPING_READY,
    MODEL_READY,
    CONTENT_READY,
    VALIDATED,
    MAPPED,
    IN_USE,
    DRIFTED,
    PINNED,
    COMPLETE,
    NOTIFICATIONS_FAILING,
];

/// Counts all that the store has.
pub(super) fn census(store: &Store) -> ObjectsMeasure {
    let mut measure = ObjectsMeasure::default();
    let now = Timestamp::now();
    count(&store.all::<OmniInstance>(), now, &mut measure);
    let versions = store.all::<ModelVersion>();
    count(&versions, now, &mut measure);
    let pins = store.all::<TenantPin>();
    count(&pins, now, &mut measure);
    let rollouts = store.all::<VersionRollout>();
    count(&rollouts, now, &mut measure);
    measure.rollouts = progress(&rollouts, now);
    count(&store.all::<WaveApproval>(), now, &mut measure);
    let declared: BTreeSet<i32> = records(&versions).map(|version| version.object.spec.version).collect();
    measure.tenants = tenants(&declared, &pins);
    measure
}

fn records<K: Stored>(entries: &[Entry<K>]) -> impl Iterator<Item = &Arc<Record<K>>> {
    entries.iter().filter_map(Entry::readable)
}

fn count<K: Stored>(entries: &[Entry<K>], now: Timestamp, measure: &mut ObjectsMeasure) {
    let kind = K::NAME.as_str();
    let mut states = STATES.map(|_| 0);
    let mut conditions: HashMap<ConditionCount, usize> = HashMap::new();
    let mut longest = Duration::ZERO;
    for entry in entries {
        let Some(record) = entry.readable() else {
            // An object that does not parse waits for a person.
            states[place("stalled")] += 1;
            continue;
        };
        let told = K::conditions(&record.status);
        let state = state(told);
        states[place(state)] += 1;
        if matches!(state, "reconciling" | "unknown") {
            longest = longest.max(unready_for(told, record.object.first_seen, now));
        }
        for condition in told {
            *conditions.entry(named(kind, condition)).or_default() += 1;
        }
    }
    let states = STATES.into_iter().zip(states);
    measure
        .states
        .extend(states.map(|(state, objects)| ((kind, state), objects)));
    measure.conditions.extend(conditions);
    measure.unready.insert(kind, longest);
}

fn place(state: &str) -> usize {
    STATES.iter().position(|it| *it == state).unwrap_or(STATES.len() - 1)
}

/// The one state that says most of an object: what a person must do goes first.
fn state(conditions: &[Condition]) -> &'static str {
    let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let is_true = |kind: &str| find(kind).is_some_and(|condition| condition.status == "True");
    let ready = find(READY).map(|ready| (ready.status.as_str(), ready.reason.as_str()));
    match ready {
        _ if is_true(STALLED) => "stalled",
        Some(("True", _)) if is_true(WAITING) => "waiting",
        Some(("True", _)) => "ready",
        Some(("False", reason)) if reason == Reason::Suspended.as_str() => "suspended",
        Some(("False", _)) => "reconciling",
        _ => "unknown",
    }
}

/// Since the object is not ready; since it is declared, where nobody has looked at it yet.
fn unready_for(conditions: &[Condition], declared: Timestamp, now: Timestamp) -> Duration {
    let ready = conditions.iter().find(|condition| condition.type_ == READY);
    let since = ready.map_or(declared, |ready| ready.last_transition_time.0);
    // A clock may be behind the one that wrote the time.
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

fn named(kind: &'static str, condition: &Condition) -> ConditionCount {
    let word = |words: &[&'static str], word: &str| words.iter().find(|it| **it == word).copied().unwrap_or(OTHER);
    ConditionCount {
        kind,
        condition: word(&CONDITIONS, &condition.type_),
        status: word(&["True", "False", "Unknown"], &condition.status),
        reason: reasons().get(condition.reason.as_str()).copied().unwrap_or(OTHER),
    }
}

/// The words of all reasons, to look one up for each condition of many objects.
fn reasons() -> &'static HashMap<&'static str, &'static str> {
    static REASONS: OnceLock<HashMap<&str, &str>> = OnceLock::new();
    REASONS.get_or_init(|| Reason::ALL.iter().map(|it| (it.as_str(), it.as_str())).collect())
}

/// How far rollouts are, as their statuses tell it.
fn progress(rollouts: &[Entry<VersionRollout>], now: Timestamp) -> RolloutsMeasure {
    let mut measure = RolloutsMeasure {
        tenants: TENANTS.map(|state| (state, 0)).into(),
        waves: PHASES.map(|(_, phase)| (phase, 0)).into(),
        // Who waits for a person is told as 0 too, so that a rule over it sees it end.
        waiting: PERSONS.map(|reason| (reason.as_str(), Duration::ZERO)).into(),
    };
    for rollout in records(rollouts) {
        for wave in &rollout.status.waves {
            let failing = wave.failing.unwrap_or_default();
            let counts = [wave.tenants, wave.moved, failing, wave.left_out];
            for (state, tenants) in TENANTS.into_iter().zip(counts) {
                *measure.tenants.entry(state).or_default() += u64::from(tenants);
            }
            let phase = PHASES.iter().find(|(phase, _)| *phase == wave.phase);
            *measure.waves.entry(phase.map_or(OTHER, |(_, word)| *word)).or_default() += 1;
        }
        let mut conditions = rollout.status.conditions.iter();
        let waits = conditions.find(|it| it.type_ == WAITING && it.status == "True");
        if let Some(waits) = waits {
            let reason = reasons().get(waits.reason.as_str()).copied().unwrap_or(OTHER);
            // It may have waited for something else before: what a wave did since began another wait.
            let waves = rollout.status.waves.iter();
            let steps = waves.flat_map(|wave| [wave.opened_at, wave.ended_at]).flatten();
            let since = steps.fold(waits.last_transition_time.0, Timestamp::max);
            let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            let longest = measure.waiting.entry(reason).or_default();
            *longest = waited.max(*longest);
        }
    }
    measure
}

fn tenants(declared: &BTreeSet<i32>, pins: &[Entry<TenantPin>]) -> BTreeMap<String, usize> {
    let mut holds: HashMap<Option<i32>, usize> = HashMap::new();
    for pin in records(pins) {
        *holds.entry(pin.status.version).or_default() += 1;
    }
    let mut tenants: BTreeMap<String, usize> = declared.iter().map(|number| (number.to_string(), 0)).collect();
    for (version, pins) in holds {
        let label = match version {
            None => "none".to_owned(),
            Some(number) if declared.contains(&number) => number.to_string(),
            Some(_) => OTHER.to_owned(),
        };
        *tenants.entry(label).or_default() += pins;
    }
    tenants
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::super::table::tests::guarded;
    use super::*;

    fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": kind, "spec": spec, "status": status,
            "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z"},
        })
    }

    fn pin(name: &str, conditions: &[(&str, &str, &str)], holds: Option<i32>) -> Value {
        let condition = |&(kind, status, reason): &(&str, &str, &str)| {
            json!({"type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T01:00:00Z"})
        };
        let conditions: Vec<Value> = conditions.iter().map(condition).collect();
        let spec = json!({"instanceRef": {"name": "acme"}, "tenant": name, "environment": "staging", "version": 1});
        object(
            "TenantPin",
            name,
            &spec,
            &json!({"conditions": conditions, "version": holds}),
        )
    }

    fn version(number: i32) -> Value {
        let adopt = json!({"modelId": "m", "folderPath": "f", "dashboards": [{"slug": "s", "identifier": "12db1a0a"}]});
        let spec = json!({"instanceRef": {"name": "acme"}, "version": number, "source": {"adopt": adopt}});
        object("ModelVersion", &format!("v{number}"), &spec, &json!({}))
    }

    fn declare<K: Stored>(store: &Store, object: Value) {
        store.take_in::<K>(&None, Event::Apply(guarded(object)));
    }

    #[test]
    fn each_object_is_in_one_state_and_its_conditions_count_by_words_that_are_known() {
        let store = Store::default();
        let ready = ("Ready", "True", "Converged");
        declare::<TenantPin>(&store, pin("ready", &[ready], Some(1)));
        declare::<TenantPin>(&store, pin("held", &[ready, ("Waiting", "True", "Held")], Some(1)));
        let taken = [("Ready", "False", "Conflict"), ("Stalled", "True", "Conflict")];
        declare::<TenantPin>(&store, pin("taken", &taken, Some(9)));
        declare::<TenantPin>(
            &store,
            pin("unseen", &[("Ready", "Unknown", "MappingUnreachable")], Some(1)),
        );
        declare::<TenantPin>(&store, pin("suspended", &[("Ready", "False", "Suspended")], Some(1)));
        declare::<TenantPin>(&store, pin("behind", &[("Ready", "False", "Progressing")], None));
        declare::<TenantPin>(&store, pin("new", &[], None));
        declare::<TenantPin>(
            &store,
            pin("written-by-hand", &[("Mine", "Maybe", "BecauseISaySo")], None),
        );
        declare::<ModelVersion>(&store, version(1));
        declare::<ModelVersion>(&store, version(2));
        let measure = census(&store);
        let states: Vec<usize> = STATES.iter().map(|it| measure.states[&("TenantPin", *it)]).collect();
        assert_eq!(states, [1, 1, 1, 1, 1, 3], "{STATES:?}");
        let other = ConditionCount {
            kind: "TenantPin",
            condition: OTHER,
            status: OTHER,
            reason: OTHER,
        };
        assert_eq!(measure.conditions[&other], 1);
        let tenants: Vec<(&str, usize)> = measure.tenants.iter().map(|(it, pins)| (it.as_str(), *pins)).collect();
        assert_eq!(tenants, [("1", 4), ("2", 0), ("none", 3), ("other", 1)]);
        assert!(measure.unready["TenantPin"] > Duration::from_secs(3600));
        assert_eq!(measure.unready["OmniInstance"], Duration::ZERO);
    }

    #[test]
    fn rollouts_count_by_their_tenants_waves_and_by_how_long_they_wait_since_their_last_step() {
        let store = Store::default();
        let now = Timestamp::now();
        let ago = |hours: i64| (now - jiff::SignedDuration::from_hours(hours)).to_string();
        let wave = |name: &str, phase: &str, ended: Option<i64>| {
            let mut wave = json!({"name": name, "phase": phase, "tenants": 10, "moved": 4, "leftOut": 1, "failing": 2});
            if let Some(hours) = ended {
                wave["endedAt"] = json!(ago(hours));
            }
            wave
        };
        let waits = json!({"type": "Waiting", "status": "True", "reason": "ApprovalMissing", "message": "",
            "lastTransitionTime": ago(48)});
        let status =
            json!({"waves": [wave("canary", "Ended", Some(2)), wave("rest", "Pending", None)], "conditions": [waits]});
        let spec = json!({"instanceRef": {"name": "acme"}, "environment": "staging", "version": 1, "waves": [{"name": "rest"}]});
        declare::<VersionRollout>(&store, object("VersionRollout", "main", &spec, &status));
        let rollouts = census(&store).rollouts;
        let tenants: Vec<_> = rollouts.tenants.into_iter().collect();
        assert_eq!(
            tenants,
            [("failing", 4), ("following", 20), ("left_out", 2), ("moved", 8)]
        );
        assert_eq!(
            (
                rollouts.waves["Ended"],
                rollouts.waves["Pending"],
                rollouts.waves["Open"]
            ),
            (1, 1, 0)
        );
        // It soaked before: it has been waiting for a person since the soak was over.
        let waited = rollouts.waiting["ApprovalMissing"].as_secs() / 60;
        assert!((119..=121).contains(&waited), "{waited} minutes");
        assert_eq!(rollouts.waiting["HeldBack"], Duration::ZERO);
    }

    #[test]
    fn twelve_thousand_pins_cost_a_scrape_no_line_more_than_one() {
        let lines = |pins: usize| {
            let (store, measures) = (Arc::new(Store::default()), crate::telemetry::Measures::default());
            for number in 0..pins {
                let ready = [
                    ("Ready", "True", "Converged"),
                    ("Accepted", "True", "Valid"),
                    ("Pinned", "True", "RowWritten"),
                ];
                declare::<TenantPin>(&store, pin(&format!("tenant-{number}"), &ready, Some(1)));
            }
            declare::<ModelVersion>(&store, version(1));
            measures.read_objects(move || census(&store));
            let started = std::time::Instant::now();
            let text = measures.text();
            (text.lines().count(), started.elapsed())
        };
        let ((one, _), (many, took)) = (lines(1), lines(12_000));
        println!("a scrape over 12,000 pins took {took:?}");
        assert_eq!(one, many);
    }
}
