//! What is measured, each with its name, its labels and its words, said once: for the scrape and for the documentation.

use std::ops::Deref;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};

use super::Seconds;

type Labels<const N: usize> = [(&'static str, String); N];

/// One measure, as the documentation tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name in a scrape, `_total` included.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it says, for whoever is on call.
    pub help: &'static str,
}

/// A measure with labels. It is named where it is registered; whoever counts gives the values alone, in that order.
#[derive(Debug)]
pub(super) struct Measured<M, const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, M, fn() -> M>,
}

impl<M, const N: usize> Clone for Measured<M, N> {
    fn clone(&self) -> Self {
        Self {
            labels: self.labels,
            family: self.family.clone(),
        }
    }
}

impl<M, const N: usize> Measured<M, N> {
    pub(super) fn new(labels: [&'static str; N], one: fn() -> M) -> Self {
        let family = Family::new_with_constructor(one);
        Self { labels, family }
    }

    /// The series of these values.
    pub(super) fn of(&self, values: [&str; N]) -> impl Deref<Target = M> {
        let mut values = values.into_iter();
        let labels = self.labels.map(|name| {
            let value = values.next().unwrap_or_default();
            (name, value.to_owned())
        });
        self.family.get_or_create(&labels)
    }

    /// Forgets every series: what is read at a scrape is told as it is then.
    pub(super) fn clear(&self) {
        self.family.clear();
    }
}

/// Every measure, as it is registered.
#[derive(Default)]
pub(super) struct Book {
    pub(super) registry: Registry,
    pub(super) described: Vec<Description>,
}

impl Book {
    pub(super) fn counter<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Measured<Counter, N> {
        self.enter(name, help, Measured::new(labels, Counter::default))
    }

    pub(super) fn gauge<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Measured<Gauge, N> {
        self.enter(name, help, Measured::new(labels, Gauge::default))
    }

    /// Likewise, of seconds and their parts.
    pub(super) fn seconds<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Measured<Seconds, N> {
        self.enter(name, help, Measured::new(labels, Seconds::default))
    }

    /// A measure that is made elsewhere.
    pub(super) fn enter<M: TypedMetric, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        measured: Measured<M, N>,
    ) -> Measured<M, N>
    where
        Family<Labels<N>, M, fn() -> M>: Metric,
    {
        self.describe(name, help, M::TYPE, &measured.labels);
        self.registry.register(name, help, measured.family.clone());
        measured
    }

    /// A measure without labels.
    pub(super) fn alone<M: Metric + TypedMetric + Clone>(
        &mut self,
        name: &'static str,
        help: &'static str,
        measure: M,
    ) -> M {
        self.describe(name, help, M::TYPE, &[]);
        self.registry.register(name, help, measure.clone());
        measure
    }

    fn describe(&mut self, name: &str, help: &'static str, kind: MetricType, labels: &[&'static str]) {
        let (kind, end) = match kind {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        self.described.push(Description {
            name: format!("{name}{end}"),
            kind,
            labels: labels.to_vec(),
            help,
        });
    }
}

/// From a few milliseconds, a look at the ledger, to minutes, a cut that waits for the budget.
const TIMES: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0, 120.0];

/// A histogram of times.
pub(super) fn times() -> Histogram {
    Histogram::new(TIMES)
}

/// The trace that an observed time is of.
pub(super) type OfTrace = [(&'static str, String); 1];

/// A histogram of times that tells for each length a trace of one.
pub(super) fn traced_times() -> HistogramWithExemplars<OfTrace> {
    HistogramWithExemplars::new(TIMES.into_iter())
}
