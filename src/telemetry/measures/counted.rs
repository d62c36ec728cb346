//! What is counted when it happens.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::Seconds;
use super::book::{Book, Measured, OfTrace, times, traced_times};

/// The kinds of passes, as labels tell them; each has a queue of its own.
pub const PASSES: [&str; 5] = ["instance", "version", "environment", "approval", "unreadable"];

/// How a pass over an object ends, as labels tell it.
pub const PASS_OUTCOMES: [&str; 7] = [
    "settled",
    "waiting",
    "unfinished",
    "failed",
    "stalled",
    "gone",
    "abandoned",
];

/// The kinds of objects, as labels tell them.
pub const KINDS: [&str; 5] = [
    "OmniInstance",
    "ModelVersion",
    "TenantPin",
    "VersionRollout",
    "WaveApproval",
];

/// How a try to write a status ends, as labels tell it.
pub const WRITE_OUTCOMES: [&str; 6] = ["written", "conflict", "gone", "refused", "forbidden", "failed"];

/// What checks of rollouts ask, as labels tell it.
pub const CHECKS: [&str; 2] = ["prometheus", "webhook"];

/// What checks are answered, as labels tell it.
pub const CHECK_RESULTS: [&str; 3] = ["passed", "failed", "unknown"];

/// The forms in which channels of rollouts are told, as labels tell them.
pub const NOTIFICATION_FORMS: [&str; 2] = ["cloudEvents", "slack"];

/// What comes of telling a channel, as labels tell it.
pub const NOTIFICATION_RESULTS: [&str; 3] = ["told", "failed", "gone"];

/// What can happen to the lead of this process, as labels tell it.
pub const LEASE_TRANSITIONS: [&str; 3] = ["acquired", "lost", "released"];

/// The measures of what happens.
pub(super) struct Counted {
    pub(super) reconciles: Measured<Counter, 2>,
    pub(super) durations: Measured<HistogramWithExemplars<OfTrace>, 1>,
    pub(super) steps: Measured<Counter, 2>,
    pub(super) requests: Measured<Counter, 2>,
    pub(super) request_durations: Histogram,
    pub(super) checks: Measured<Counter, 2>,
    pub(super) notifications: Measured<Counter, 2>,
    pub(super) writes: Measured<Counter, 2>,
    pub(super) cut: Seconds,
    pub(super) leader: Gauge,
    pub(super) leases: Measured<Counter, 1>,
    pub(super) gates: Gauge,
}

impl Counted {
    pub(super) fn enter(book: &mut Book) -> Self {
        let (requests, request_durations) = requests(book);
        let (leader, leases, gates) = standing(book);
        let counted = Self {
            reconciles: book.counter(
                "wavepin_reconciles",
                "Passes over what is declared, by what they were over and how they ended: settled (nothing to do now), \
                 waiting (for a time that is known), unfinished (goes on at once), failed (tried again with growing \
                 pauses), stalled (a person must act), gone (nothing is declared any more), abandoned (broken off)",
                ["kind", "outcome"],
            ),
            durations: book.enter(
                "wavepin_reconcile_duration_seconds",
                "How long passes took, the wait for the request budget included",
                Measured::new(["kind"], traced_times),
            ),
            steps: book.counter(
                "wavepin_steps",
                "Effects of cuts, by what was done and how it ended: done, failed (may pass by itself), stalled (a \
                 person must act)",
                ["step", "outcome"],
            ),
            cut: book.alone(
                "wavepin_cut_left_seconds",
                "How long the largest cut in progress will still take: the calls that it may still cost, by its key's \
                 rate, as if it were alone",
                Seconds::default(),
            ),
            checks: book.counter(
                "wavepin_rollout_checks",
                "Checks of rollouts that were asked over HTTP, by what was asked (prometheus, webhook) and by what was answered: \
                 passed, failed, unknown (no answer, or none that can be used)",
                ["kind", "result"],
            ),
            notifications: book.counter(
                "wavepin_notifications",
                "Tries to tell a channel of a rollout, by its form (cloudEvents, slack) and by what came of it: told, failed \
                 (tried again with growing pauses, for 24 hours), gone (the other side says that it is gone for good)",
                ["form", "result"],
            ),
            writes: book.counter(
                "wavepin_status_writes",
                "Tries to write a status, by kind and by how they ended: written, conflict (the object changed \
                 meanwhile; read again), gone, refused (by the definition), forbidden (by RBAC), failed (tried again)",
                ["kind", "outcome"],
            ),
            requests,
            request_durations,
            leader,
            leases,
            gates,
        };
        counted.begin_at_zero();
        counted
    }

    /// Counters whose labels are few begin at 0, so that the first failure is an increase.
    fn begin_at_zero(&self) {
        for (kind, outcome) in pairs(&PASSES, &PASS_OUTCOMES) {
            drop(self.reconciles.of([kind, outcome]));
        }
        for (kind, outcome) in pairs(&KINDS, &WRITE_OUTCOMES) {
            drop(self.writes.of([kind, outcome]));
        }
        for (kind, result) in pairs(&CHECKS, &CHECK_RESULTS) {
            drop(self.checks.of([kind, result]));
        }
        for (form, result) in pairs(&NOTIFICATION_FORMS, &NOTIFICATION_RESULTS) {
            drop(self.notifications.of([form, result]));
        }
        for transition in LEASE_TRANSITIONS {
            drop(self.leases.of([transition]));
        }
    }
}

fn pairs(
    some: &'static [&'static str],
    others: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, &'static str)> {
    some.iter().flat_map(|one| others.iter().map(|other| (*one, *other)))
}

fn requests(book: &mut Book) -> (Measured<Counter, 2>, Histogram) {
    let ended = book.counter(
        "wavepin_omni_requests",
        "Requests to Omni, by operation and by how they ended: accepted (2xx), refused (4xx), throttled (429), failed \
         (5xx), lost (sent, and no whole answer), unreachable (not sent)",
        ["operation", "outcome"],
    );
    let took = book.alone(
        "wavepin_omni_request_duration_seconds",
        "How long requests to Omni took, from sending to the end of the answer",
        times(),
    );
    (ended, took)
}

/// Of this replica among the others.
fn standing(book: &mut Book) -> (Gauge, Measured<Counter, 1>, Gauge) {
    let leader = book.alone(
        "wavepin_leader",
        "1 on the replica that holds the Lease and works, 0 on one that stands by",
        Gauge::default(),
    );
    let leases = book.counter(
        "wavepin_lease_transitions",
        "What happened to the lead of this replica: acquired, lost (the process ends), released",
        ["transition"],
    );
    let gates = book.alone(
        "wavepin_gates_shut",
        "How many gates of /readyz are shut, which names them with the way to open them",
        Gauge::default(),
    );
    (leader, leases, gates)
}
