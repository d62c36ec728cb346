//! When each piece of work is due: pure, so that it can be tested without a clock.

use std::time::Duration;

use jiff::Timestamp;

use crate::ports::Next;
use crate::resources::conditions::{Finding, RECONCILING, Reason, Verdict};

/// How often something that may pass by itself is tried before `apply` gives up: pauses of 1, 2, 4, 8, 16 and 30
/// seconds, a minute in all.
const MOST_TRIES: u32 = 6;
/// The longest pause between tries, unless the other side asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When a piece of work is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// At this time or later.
    At(Timestamp),
    /// Nothing more to do until something else moves.
    Settled,
}

/// One piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) due: Due,
    /// How often it was tried without success.
    tries: u32,
}

impl Work {
    pub(super) fn now() -> Self {
        Self {
            due: Due::At(Timestamp::MIN),
            tries: 0,
        }
    }

    /// A pass begins: it takes up all that moved so far, and nothing that moves from now on.
    pub(super) fn begin(&mut self) {
        self.due = Due::Settled;
    }

    /// What follows from a pass that [began](Self::begin). What moved meanwhile stays due. `stay`: the program stays and looks again (`--watch`); otherwise work that is done,
    /// that waits for a gate or that only a person can mend is settled.
    pub(super) fn after_pass(self, next: Next, findings: &[Finding], now: Timestamp, stay: bool) -> Self {
        let after = self.after_this_pass(next, findings, now, stay);
        let due = match (self.due, after.due) {
            (Due::At(woken), Due::At(planned)) => Due::At(woken.min(planned)),
            (Due::At(woken), Due::Settled) => Due::At(woken),
            (Due::Settled, planned) => planned,
        };
        Self { due, ..after }
    }

    fn after_this_pass(self, next: Next, findings: &[Finding], now: Timestamp, stay: bool) -> Self {
        let going_on = |finding: &&Finding| finding.condition == RECONCILING && finding.verdict == Verdict::True;
        let alone = |finding: &Finding| !waits_for_another_object(finding.reason);
        // Nothing that goes on is said of an environment without pins, nor of a pass that broke off early.
        let nothing_said = !findings.iter().any(|finding| going_on(&finding));
        let going_on_alone = findings.iter().filter(going_on).any(alone);
        match next {
            Next::Again => Self::now(),
            Next::Backoff { after } if stay || going_on_alone || nothing_said => self.back_off(after, now, stay),
            Next::At(at) if stay || going_on_alone => Self {
                due: Due::At(at),
                tries: 0,
            },
            Next::After(pause) if stay || going_on_alone => Self {
                due: later(now, pause),
                tries: 0,
            },
            Next::At(_) | Next::After(_) | Next::Backoff { .. } => Self {
                due: Due::Settled,
                tries: 0,
            },
        }
    }

    fn back_off(self, after: Option<Duration>, now: Timestamp, stay: bool) -> Self {
        if !stay && self.tries >= MOST_TRIES {
            return Self {
                due: Due::Settled,
                ..self
            };
        }
        let pause = Duration::from_secs(1 << self.tries.min(5)).min(LONGEST_PAUSE);
        Self {
            due: later(now, after.map_or(pause, |least| least.max(pause))),
            tries: self.tries.saturating_add(1),
        }
    }

    /// Something that it depends on moved.
    pub(super) fn wake(&mut self) {
        self.due = Due::At(Timestamp::MIN);
    }
}

fn later(now: Timestamp, pause: Duration) -> Due {
    Due::At(now.checked_add(pause).unwrap_or(Timestamp::MAX))
}

/// Reasons that end when an object of the folder changes; then the work is woken. Time alone ends none of them.
fn waits_for_another_object(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InstanceNotReady
            | Reason::NoRollout
            | Reason::TenantTableMissing
            | Reason::RolloutNotReady
            | Reason::SecretMissing
            | Reason::EditsMissing
            | Reason::SourceNotReady
            | Reason::VersionNotComplete
            | Reason::Suspended
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn begun() -> Work {
        let mut work = Work::now();
        work.begin();
        work
    }

    fn in_seconds(seconds: u64) -> Due {
        later(now(), Duration::from_secs(seconds))
    }

    fn reconciling(reason: Reason) -> Vec<Finding> {
        vec![Finding::holds(RECONCILING, reason, "because")]
    }

    #[test]
    fn tries_grow_apart_and_end_unless_the_program_stays() {
        let findings = reconciling(Reason::OmniUnreachable);
        let mut work = begun();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            work = work.after_pass(Next::Backoff { after: None }, &findings, now(), false);
            pauses.push(work.due);
            work.begin();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30].map(in_seconds));
        let given_up = work.after_pass(Next::Backoff { after: None }, &findings, now(), false);
        assert_eq!(given_up.due, Due::Settled);
        let staying = work.after_pass(Next::Backoff { after: None }, &findings, now(), true);
        assert_eq!(staying.due, in_seconds(30));
        let asked = work.after_pass(
            Next::Backoff {
                after: Some(Duration::from_secs(90)),
            },
            &findings,
            now(),
            true,
        );
        assert_eq!(asked.due, in_seconds(90), "the other side asked for more");
    }

    #[test]
    fn a_success_forgets_the_tries() {
        let findings = reconciling(Reason::Progressing);
        let mut tried = begun().after_pass(Next::Backoff { after: None }, &findings, now(), false);
        tried.begin();
        let worked = tried.after_pass(Next::Again, &findings, now(), false);
        assert_eq!(worked, Work::now());
    }

    #[test]
    fn what_goes_on_by_itself_is_awaited_and_what_waits_for_others_is_not() {
        let after = |reason| {
            begun()
                .after_pass(Next::After(Duration::from_secs(5)), &reconciling(reason), now(), false)
                .due
        };
        assert_eq!(after(Reason::AnswerAwaited), in_seconds(5));
        assert_eq!(after(Reason::SecretMissing), Due::Settled);
        assert_eq!(after(Reason::EditsMissing), Due::Settled);
        assert_eq!(after(Reason::SourceNotReady), Due::Settled);
        let absent = reconciling(Reason::InstanceNotReady);
        let backed_off = begun().after_pass(Next::Backoff { after: None }, &absent, now(), false);
        assert_eq!(
            backed_off.due,
            Due::Settled,
            "no pause brings an instance that is not in the files"
        );
    }

    #[test]
    fn a_gate_is_not_waited_for_unless_the_program_stays() {
        let opens = now() + Duration::from_secs(3600);
        let gate = [Finding::holds(
            crate::resources::conditions::WAITING,
            Reason::Held,
            "quarter close",
        )];
        assert_eq!(
            begun().after_pass(Next::At(opens), &gate, now(), false).due,
            Due::Settled
        );
        assert_eq!(
            begun().after_pass(Next::At(opens), &gate, now(), true).due,
            Due::At(opens)
        );
    }
}
