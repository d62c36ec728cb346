//! Measures of what is read at a scrape: set anew each time, so that what is gone is not told for ever.

use prometheus_client::metrics::gauge::Gauge;

use super::Seconds;
use super::book::{Book, Measured};
use super::database::States;
use super::sources::{BudgetMeasure, ObjectsMeasure, QueueMeasure, RolloutsMeasure};

/// All that is read.
pub(super) struct Scraped {
    budgets: Budgets,
    objects: Objects,
    depth: Measured<Gauge, 1>,
    oldest: Measured<Seconds, 1>,
    databases: Measured<Gauge, 1>,
}

struct Budgets {
    limit: Measured<Gauge, 1>,
    used: Measured<Gauge, 1>,
    waiting: Measured<Gauge, 2>,
    paused: Measured<Seconds, 1>,
}

struct Objects {
    objects: Measured<Gauge, 2>,
    conditions: Measured<Gauge, 4>,
    unready: Measured<Seconds, 1>,
    tenants: Measured<Gauge, 1>,
    rollouts: Rollouts,
}

struct Rollouts {
    tenants: Measured<Gauge, 1>,
    waves: Measured<Gauge, 1>,
    waiting: Measured<Seconds, 1>,
}

impl Scraped {
    pub(super) fn enter(book: &mut Book) -> Self {
        Self {
            budgets: Budgets::enter(book),
            objects: Objects::enter(book),
            depth: book.gauge(
                "wavepin_queue_depth",
                "What waits though its time has come: keys of passes, or objects whose status is to be written",
                ["queue"],
            ),
            oldest: book.seconds(
                "wavepin_queue_oldest_seconds",
                "For how long the first of a queue has been waiting; 0 where nothing waits",
                ["queue"],
            ),
            databases: book.gauge(
                "wavepin_databases",
                "Mapping databases by whether the last call reached them: up or down",
                ["state"],
            ),
        }
    }

    pub(super) fn clear(&self) {
        self.budgets.clear();
        self.objects.clear();
        self.depth.clear();
        self.oldest.clear();
        self.databases.clear();
    }

    pub(super) fn budget(&self, budget: &BudgetMeasure) {
        self.budgets.set(budget);
    }

    pub(super) fn objects(&self, objects: &ObjectsMeasure) {
        self.objects.set(objects);
    }

    pub(super) fn queue(&self, queue: &QueueMeasure) {
        self.depth.of([queue.queue]).set(whole(queue.depth));
        self.oldest.of([queue.queue]).set(queue.oldest.as_secs_f64());
    }

    pub(super) fn databases(&self, states: &States) {
        for (state, databases) in [("up", states.up), ("down", states.down)] {
            self.databases.of([state]).set(whole(databases));
        }
    }
}

impl Budgets {
    fn enter(book: &mut Book) -> Self {
        Self {
            limit: book.gauge(
                "wavepin_budget_limit",
                "How many requests any window of a key may hold; the budget is the start of a hash of Omni's address \
                 and the key",
                ["budget"],
            ),
            used: book.gauge(
                "wavepin_budget_used",
                "How many requests the present window of a key holds, by whomever sent",
                ["budget"],
            ),
            waiting: book.gauge(
                "wavepin_budget_waiting",
                "Calls that wait for their turn in the budget of a key, by urgency: unstick (a tenant waits for it), \
                 going (carries on a cut), new (begins one), check",
                ["budget", "urgency"],
            ),
            paused: book.seconds(
                "wavepin_budget_paused_seconds",
                "How long all requests of a key still wait, after Omni asked for fewer",
                ["budget"],
            ),
        }
    }

    fn clear(&self) {
        self.limit.clear();
        self.used.clear();
        self.waiting.clear();
        self.paused.clear();
    }

    fn set(&self, budget: &BudgetMeasure) {
        let name = budget.budget.as_str();
        self.limit.of([name]).set(i64::from(budget.limit));
        self.used.of([name]).set(i64::from(budget.used));
        self.paused.of([name]).set(budget.paused.as_secs_f64());
        for (urgency, waiting) in &budget.waiting {
            // Two databases may know one key.
            self.waiting.of([name, urgency]).inc_by(whole(*waiting));
        }
    }
}

impl Objects {
    fn enter(book: &mut Book) -> Self {
        Self {
            objects: book.gauge(
                "wavepin_objects",
                "Objects in the watched namespaces, by kind and state: ready, waiting (ready, and held back by a hold, \
                 a requirement or a person), reconciling, stalled (a person must act), suspended, unknown (the world \
                 could not be seen, or not looked at yet)",
                ["kind", "state"],
            ),
            conditions: book.gauge(
                "wavepin_conditions",
                "Objects by their conditions, with status and reason as kubectl shows them",
                ["kind", "condition", "status", "reason"],
            ),
            unready: book.seconds(
                "wavepin_longest_unready_seconds",
                "For how long the object of a kind has not been ready that has not been for the longest time, those \
                 that are stalled or suspended aside; 0 where all are",
                ["kind"],
            ),
            tenants: book.gauge(
                "wavepin_tenants",
                "Pins by the number of the version that their tenant's row holds, over all instances; none: there is \
                 no row yet; other: no declared version has the number",
                ["version"],
            ),
            rollouts: Rollouts::enter(book),
        }
    }

    fn clear(&self) {
        self.objects.clear();
        self.conditions.clear();
        self.unready.clear();
        self.tenants.clear();
        self.rollouts.clear();
    }

    fn set(&self, measure: &ObjectsMeasure) {
        for ((kind, state), objects) in &measure.states {
            self.objects.of([kind, state]).set(whole(*objects));
        }
        for (it, objects) in &measure.conditions {
            let labels = [it.kind, it.condition, it.status, it.reason];
            self.conditions.of(labels).set(whole(*objects));
        }
        for (kind, unready) in &measure.unready {
            self.unready.of([kind]).set(unready.as_secs_f64());
        }
        for (version, tenants) in &measure.tenants {
            self.tenants.of([version]).set(whole(*tenants));
        }
        self.rollouts.set(&measure.rollouts);
    }
}

impl Rollouts {
    fn enter(book: &mut Book) -> Self {
        Self {
            tenants: book.gauge(
                "wavepin_rollout_tenants",
                "Tenants in the waves of all rollouts: following (all of them), moved (on the target), failing (a check), \
                 left_out (kept back by something of their own)",
                ["state"],
            ),
            waves: book.gauge(
                "wavepin_rollout_waves",
                "Waves of all rollouts by their phase: Pending, Open, Soaking, Ended",
                ["phase"],
            ),
            waiting: book.seconds(
                "wavepin_rollout_longest_waiting_seconds",
                "For how long the rollout waits that waits longest, by the reason of its condition Waiting; 0 where none waits \
                 for a person (ApprovalMissing, ApprovalUnverified, HeldBack), no series where none waits for another \
                 reason",
                ["reason"],
            ),
        }
    }

    fn clear(&self) {
        self.tenants.clear();
        self.waves.clear();
        self.waiting.clear();
    }

    fn set(&self, measure: &RolloutsMeasure) {
        for (state, tenants) in &measure.tenants {
            let tenants = i64::try_from(*tenants).unwrap_or(i64::MAX);
            self.tenants.of([state]).set(tenants);
        }
        for (phase, waves) in &measure.waves {
            self.waves.of([phase]).set(whole(*waves));
        }
        for (reason, waiting) in &measure.waiting {
            self.waiting.of([reason]).set(waiting.as_secs_f64());
        }
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
