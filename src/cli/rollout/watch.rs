//! Following a rollout of a cluster until it ends, by a watch of the object: what its status comes to be is shown at once.

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::super::Exit;
use super::super::question::wrong;
use super::shown::{Shot, Shown, WaveShot};
use crate::cluster::{Followed, follow_rollout};
use crate::resources::conditions::{COMPLETE, READY, RECONCILING, Reason, STALLED, WAITING};
use crate::resources::{VersionRollout, WavePhase, WaveStatus};
use crate::standalone::{self, Within};

/// What only a person ends, of what a rollout may wait for. A freeze is another matter: it may have an end.
const OF_A_PERSON: [Reason; 6] = [
    Reason::Suspended,
    Reason::HeldBack,
    Reason::RolledBack,
    Reason::Latched,
    Reason::ApprovalMissing,
    Reason::ApprovalUnverified,
];

/// Shows every change until every wave has ended, only a person can let it go on, or the object is gone. A connection that
/// breaks is made again.
pub(super) async fn watch(client: kube::Client, (namespace, name): (&str, &str), within: &Within) -> Exit {
    let mut followed = follow_rollout(client, namespace, name);
    let mut shown = Shown::new();
    let (mut seen, mut is_broken) = (false, false);
    while let Some(next) = followed.next().await {
        match next {
            Followed::Seen(rollout) => {
                (seen, is_broken) = (true, false);
                if let Some(why) = another(&rollout, within) {
                    return wrong(&format!("VersionRollout {namespace}/{name} is {why}"));
                }
                let shot = shot(&rollout, Timestamp::now());
                shown.show(&shot);
                if let Some(exit) = shot.ended {
                    return exit;
                }
            }
            Followed::Absent if seen => return wrong(&format!("VersionRollout {namespace}/{name} was deleted")),
            Followed::Absent => {
                return wrong(&format!(
                    "there is no VersionRollout {name} in namespace {namespace}; `kubectl get vro -A` lists those that are"
                ));
            }
            Followed::Refused(why) if !seen => {
                eprintln!("wavepin: {why}");
                return Exit::Failed;
            }
            // An API server that starts refuses for a while what it allows later. Told once, however long it lasts.
            Followed::Broken(why) | Followed::Refused(why) if !is_broken => {
                is_broken = true;
                eprintln!("wavepin: {why}; watching again");
            }
            Followed::Broken(_) | Followed::Refused(_) => {}
        }
    }
    Exit::Failed
}

/// Of what it is, where something else is asked about.
fn another(rollout: &VersionRollout, within: &Within) -> Option<String> {
    let spec = &rollout.spec;
    if within
        .environment
        .as_ref()
        .is_some_and(|asked| *asked != spec.environment)
    {
        return Some(format!("of environment {}; correct --environment", spec.environment));
    }
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let of = &spec.instance_ref.name;
    let names = |asked: &String| asked == of || *asked == format!("{namespace}/{of}");
    let other = within.instance.as_ref().is_some_and(|asked| !names(asked));
    other.then(|| format!("of OmniInstance {of}; correct --instance"))
}

fn shot(rollout: &VersionRollout, now: Timestamp) -> Shot {
    let status = rollout.status.clone().unwrap_or_default();
    let waves = status.waves.iter().map(|wave| WaveShot {
        name: wave.name.clone(),
        moved: wave.moved,
        tenants: wave.tenants,
        line: standalone::wave_words(wave),
    });
    let conditions = &status.conditions;
    let of = |kind: &str| conditions.iter().find(|it| it.type_ == kind);
    let is = |kind: &str| of(kind).filter(|it| it.status == "True");
    if status.observed_generation != rollout.metadata.generation {
        return Shot {
            waves: waves.collect(),
            words: "the controller has not looked at what the rollout is now".to_owned(),
            ended: None,
        };
    }
    let said = is(STALLED).or_else(|| is(WAITING)).or_else(|| is(RECONCILING));
    // Of a suspended instance nothing else is looked at, and what is said of the rest may be of another target.
    let suspended = of(READY).filter(|it| it.status == "False" && it.reason == Reason::Suspended.as_str());
    let generation = rollout.metadata.generation;
    let is_new = |it: &&Condition| it.observed_generation.is_none_or(|of| Some(of) == generation);
    let said = said.or(suspended).or_else(|| of(COMPLETE).filter(is_new));
    let said = said.or_else(|| of(READY));
    let words = said.map(|it| format!("{}: {}", it.reason, it.message));
    Shot {
        waves: waves.collect(),
        words: words.unwrap_or_else(|| "its status says nothing yet".to_owned()),
        ended: match () {
            () if is(STALLED).is_some() || suspended.is_some() => Some(Exit::Waiting),
            () if is(WAITING).is_some_and(|wait| is_of_a_person(wait, rollout, &status.waves, now)) => {
                Some(Exit::Waiting)
            }
            () if is(WAITING).is_some() || is(RECONCILING).is_some() => None,
            () => is(COMPLETE).filter(is_new).map(|_| Exit::Done),
        },
    }
}

/// Whether only a person ends what is waited for. Freezes and holds may end by themselves: the wave that waits says when.
fn is_of_a_person(wait: &Condition, rollout: &VersionRollout, waves: &[WaveStatus], now: Timestamp) -> bool {
    let is = |reason: &Reason| reason.as_str() == wait.reason;
    if !is(&Reason::Frozen) && !is(&Reason::HeldBack) {
        return OF_A_PERSON.iter().any(is);
    }
    let waiting = || {
        waves
            .iter()
            .filter(|wave| wave.waits_for.as_ref() == Some(&wait.reason))
    };
    let current = waiting().find(|wave| wave.phase != WavePhase::Ended);
    match current.or_else(|| waiting().next()) {
        Some(wave) => wave.until.is_none(),
        // Who looked last did not say it of waves.
        None => {
            let of_all = rollout.spec.freeze.iter().filter(|freeze| freeze.selector.is_none());
            let mut lasting = of_all.filter_map(|freeze| freeze.lasting(now));
            is(&Reason::HeldBack) || lasting.any(|freeze| freeze.until.is_none())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A rollout with these conditions, as `type=status reason`.
    fn rollout(observed: i64, freeze: &Value, conditions: &[(&str, &str, Reason)]) -> VersionRollout {
        let condition = |(kind, status, reason): &(&str, &str, Reason)| {
            json!({
                "type": kind, "status": status, "reason": reason.as_str(), "message": format!("{kind} is {status}"),
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 3,
            })
        };
        let conditions: Vec<Value> = conditions.iter().map(condition).collect();
        serde_json::from_value(json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout",
            "metadata": {"name": "production", "generation": 3},
            "spec": {
                "instanceRef": {"name": "acme"}, "environment": "production", "version": 2, "waves": [{"name": "all"}],
                "freeze": freeze,
            },
            "status": {"observedGeneration": observed, "conditions": conditions, "waves": [
                {"name": "all", "phase": "Open", "tenants": 3, "moved": 1, "leftOut": 0},
            ]},
        }))
        .unwrap()
    }

    fn seen(observed: i64, freeze: &Value, conditions: &[(&str, &str, Reason)]) -> (Option<Exit>, String) {
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let shot = shot(&rollout(observed, freeze, conditions), now);
        assert_eq!(shot.waves[0].line, "wave all: Open, 1/3 moved, 0 left out");
        (shot.ended, shot.words)
    }

    #[test]
    fn it_ends_where_every_wave_has_or_only_a_person_lets_it_go_on() {
        let (none, ready) = (json!([]), (READY, "True", Reason::Converged));
        let open = (COMPLETE, "False", Reason::Progressing);
        let whole = (COMPLETE, "True", Reason::RolledOut);
        let waits = |reason| seen(3, &none, &[ready, open, (WAITING, "True", reason)]).0;
        assert_eq!(
            seen(3, &none, &[ready, open]),
            (None, "Progressing: Complete is False".to_owned())
        );
        assert_eq!(
            seen(3, &none, &[ready, whole]),
            (Some(Exit::Done), "RolledOut: Complete is True".to_owned())
        );
        for reason in OF_A_PERSON {
            assert_eq!(waits(reason), Some(Exit::Waiting), "{reason:?}");
        }
        for reason in [
            Reason::Soaking,
            Reason::BatchSpaced,
            Reason::RequirementNotMet,
            Reason::Frozen,
            Reason::CheckFailed,
        ] {
            assert_eq!(waits(reason), None, "{reason:?}");
        }
        let stalled = (STALLED, "True", Reason::RolloutFailed);
        assert_eq!(seen(3, &none, &[open, stalled]).0, Some(Exit::Waiting));
        // Of what was ordered back after its end, it is not said that it is done.
        let back = (WAITING, "True", Reason::RolledBack);
        assert_eq!(seen(3, &none, &[whole, back]).0, Some(Exit::Waiting));
    }

    #[test]
    fn a_freeze_without_an_end_is_a_persons_and_one_with_an_end_is_waited_out() {
        let frozen = (WAITING, "True", Reason::Frozen);
        let endless = json!([{"reason": "year end"}]);
        assert_eq!(seen(3, &endless, &[frozen]).0, Some(Exit::Waiting));
        for ends in [
            json!([{"until": "2026-04-01T00:00:00Z", "reason": "year end"}]),
            json!([{"from": "2026-04-01T00:00:00Z", "reason": "later"}]),
        ] {
            assert_eq!(seen(3, &ends, &[frozen]).0, None, "{ends}");
        }
    }

    #[test]
    fn what_a_wave_waits_for_is_a_persons_where_no_time_ends_it() {
        let freeze = json!([
            {"until": "2026-03-02T00:00:00Z", "reason": "weekend"},
            {"selector": {"matchLabels": {"region": "emea"}}, "reason": "audit"},
        ]);
        for (reason, phase, until, exit) in [
            (Reason::Frozen, "Open", Some("2026-03-02T00:00:00Z"), None),
            (Reason::Frozen, "Open", None, Some(Exit::Waiting)),
            (Reason::HeldBack, "Open", Some("2026-03-02T00:00:00Z"), None),
            (Reason::HeldBack, "Open", None, Some(Exit::Waiting)),
        ] {
            let mut rollout = rollout(3, &freeze, &[(WAITING, "True", reason)]);
            let waves = json!([
                {"name": "before", "phase": "Ended", "tenants": 1, "moved": 0, "leftOut": 0, "waitsFor": reason.as_str()},
                {"name": "all", "phase": phase, "tenants": 3, "moved": 1, "leftOut": 0,
                    "waitsFor": reason.as_str(), "until": until},
            ]);
            rollout.status.as_mut().unwrap().waves = serde_json::from_value(waves).unwrap();
            let now = "2026-03-01T00:00:00Z".parse().unwrap();
            assert_eq!(shot(&rollout, now).ended, exit, "{reason:?} {until:?}");
        }
    }

    #[test]
    fn what_was_complete_before_the_instance_was_suspended_is_not_what_is_asked_for_now() {
        let whole = (COMPLETE, "True", Reason::RolledOut);
        let suspended = (READY, "False", Reason::Suspended);
        let (ended, words) = seen(3, &json!([]), &[whole, suspended]);
        assert_eq!(
            (ended, words.as_str()),
            (Some(Exit::Waiting), "Suspended: Ready is False")
        );
        let mut old = rollout(3, &json!([]), &[whole, (READY, "True", Reason::Converged)]);
        old.status.as_mut().unwrap().conditions[0].observed_generation = Some(2);
        assert_eq!(shot(&old, Timestamp::now()).ended, None);
    }

    #[test]
    fn a_status_of_what_the_rollout_was_before_ends_nothing() {
        let whole = (COMPLETE, "True", Reason::RolledOut);
        let (ended, words) = seen(2, &json!([]), &[whole]);
        assert_eq!((ended, words.contains("has not looked")), (None, true), "{words}");
    }

    #[test]
    fn argo_cd_takes_the_same_reasons_for_a_persons() {
        let lua = include_str!("../../../charts/wavepin/files/argocd/health/VersionRollout.lua");
        let list = lua.split("of_a_person = {").nth(1).unwrap().split('}').next().unwrap();
        let mut there: Vec<&str> = list.split(',').map(|it| it.split('=').next().unwrap().trim()).collect();
        there.retain(|it| !it.is_empty());
        let mut here: Vec<&str> = OF_A_PERSON.iter().map(|it| it.as_str()).collect();
        there.sort_unstable();
        here.sort_unstable();
        assert_eq!(here, there);
    }
}
