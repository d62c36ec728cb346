//! Measures in the format that Prometheus scrapes. No label names an object: clusters have many.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels<const N: usize> = [(&'static str, String); N];
type Seconds = Gauge<f64, AtomicU64>;

/// How the request budget of one key stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BudgetMeasure {
    /// The start of a hash of address and key, which tells budgets apart.
    pub budget: String,
    /// How many requests any window may hold.
    pub limit: u32,
    /// How many it holds.
    pub used: u32,
    /// How long all requests still wait after a 429; zero where they do not.
    pub paused: Duration,
    /// How many calls wait for their turn, by urgency.
    pub waiting: Vec<(&'static str, usize)>,
}

/// What reads the budgets of a process at a scrape.
type Budgets = Box<dyn Fn() -> Vec<BudgetMeasure> + Send + Sync>;

/// All measures of a process.
pub struct Measures {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    limit: Family<Labels<1>, Gauge>,
    used: Family<Labels<1>, Gauge>,
    waiting: Family<Labels<2>, Gauge>,
    paused: Family<Labels<1>, Seconds>,
    cut: Seconds,
    budgets: Mutex<Vec<Budgets>>,
    /// How long each cut in progress will still take, by its object.
    cuts: Mutex<BTreeMap<String, Duration>>,
}

impl Default for Measures {
    fn default() -> Self {
        let mut measures = Self {
            registry: Registry::default(),
            requests: Family::default(),
            limit: Family::default(),
            used: Family::default(),
            waiting: Family::default(),
            paused: Family::default(),
            cut: Seconds::default(),
            budgets: Mutex::default(),
            cuts: Mutex::default(),
        };
        measures.register();
        measures
    }
}

impl Measures {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "wavepin_omni_requests",
            "Requests to Omni, by operation and by how they ended",
            self.requests.clone(),
        );
        registry.register(
            "wavepin_budget_limit",
            "Requests that any window of a key may hold",
            self.limit.clone(),
        );
        registry.register(
            "wavepin_budget_used",
            "Requests that the present window of a key holds, by whomever sent",
            self.used.clone(),
        );
        registry.register(
            "wavepin_budget_waiting",
            "Calls that wait for their turn in the budget of a key, by urgency",
            self.waiting.clone(),
        );
        registry.register(
            "wavepin_budget_paused_seconds",
            "How long all requests of a key still wait, after Omni asked for fewer",
            self.paused.clone(),
        );
        registry.register(
            "wavepin_cut_left_seconds",
            "How long the largest cut in progress will still take: its calls left by the rate of its key",
            self.cut.clone(),
        );
    }

    /// A request to Omni ended so.
    pub fn request(&self, operation: &'static str, outcome: &'static str) {
        let labels = [("operation", operation.to_owned()), ("outcome", outcome.to_owned())];
        self.requests.get_or_create(&labels).inc();
    }

    /// Where to read budgets at a scrape.
    pub fn read_budgets(&self, read: impl Fn() -> Vec<BudgetMeasure> + Send + Sync + 'static) {
        lock(&self.budgets).push(Box::new(read));
    }

    /// The cut of this object will still take so long; `None` where it is no cut in progress, or no longer.
    pub fn cut(&self, object: &str, left: Option<Duration>) {
        let mut cuts = lock(&self.cuts);
        match left {
            Some(left) => drop(cuts.insert(object.to_owned(), left)),
            None => drop(cuts.remove(object)),
        }
    }

    /// Everything, as a scrape gets it.
    #[must_use]
    pub fn text(&self) -> String {
        let longest = lock(&self.cuts).values().max().copied().unwrap_or_default();
        self.cut.set(longest.as_secs_f64());
        // Held until all is said, so that two scrapes at once do not count into one another.
        let budgets = lock(&self.budgets);
        // Budgets that are forgotten are not told for ever.
        self.limit.clear();
        self.used.clear();
        self.waiting.clear();
        self.paused.clear();
        for budget in budgets.iter().flat_map(|read| read()) {
            let label = || ("budget", budget.budget.clone());
            self.limit.get_or_create(&[label()]).set(i64::from(budget.limit));
            self.used.get_or_create(&[label()]).set(i64::from(budget.used));
            self.paused.get_or_create(&[label()]).set(budget.paused.as_secs_f64());
            for (urgency, waiting) in &budget.waiting {
                let labels = [label(), ("urgency", (*urgency).to_owned())];
                let waiting = i64::try_from(*waiting).unwrap_or(i64::MAX);
                // Two databases may know one key.
                self.waiting.get_or_create(&labels).inc_by(waiting);
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written to it");
        drop(budgets);
        text
    }
}

impl std::fmt::Debug for Measures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Measures")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_tells_requests_budgets_and_the_longest_cut() {
        let measures = Measures::default();
        measures.request("GET /v1/models", "accepted");
        measures.request("GET /v1/models", "accepted");
        measures.request("GET /v1/models", "throttled");
        measures.read_budgets(|| {
            vec![BudgetMeasure {
                budget: "ab12".to_owned(),
                limit: 55,
                used: 12,
                paused: Duration::from_millis(2500),
                waiting: vec![("unstick", 0), ("check", 3)],
            }]
        });
        measures.cut("apps/v2", Some(Duration::from_secs(90)));
        measures.cut("apps/v3", Some(Duration::from_secs(200)));
        measures.cut("apps/v3", None);
        for text in [measures.text(), measures.text()] {
            for line in [
                r#"wavepin_omni_requests_total{operation="GET /v1/models",outcome="accepted"} 2"#,
                r#"wavepin_omni_requests_total{operation="GET /v1/models",outcome="throttled"} 1"#,
                r#"wavepin_budget_limit{budget="ab12"} 55"#,
                r#"wavepin_budget_used{budget="ab12"} 12"#,
                r#"wavepin_budget_waiting{budget="ab12",urgency="check"} 3"#,
                r#"wavepin_budget_paused_seconds{budget="ab12"} 2.5"#,
                "wavepin_cut_left_seconds 90.0",
            ] {
                assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
            }
            assert!(text.ends_with("# EOF\n") && !text.contains("apps"), "{text}");
        }
    }
}
