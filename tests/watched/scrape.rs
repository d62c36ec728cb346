//! What one scrape told.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

/// One line of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Series {
    /// Whether it has all of these labels.
    pub(super) fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels
            .iter()
            .all(|(label, value)| self.labels.get(*label).is_some_and(|it| it == value))
    }
}

/// A scrape in the older format, taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Scrape {
    pub(super) text: String,
    pub(super) series: Vec<Series>,
}

impl Scrape {
    #[track_caller]
    pub(super) fn of(text: String) -> Self {
        let line = Regex::new(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$").unwrap();
        let label = Regex::new(r#"([a-z_]+)="((?:[^"\\]|\\.)*)""#).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let series = samples.map(|sample| {
            let parts = line.captures(sample).unwrap_or_else(|| panic!("no sample: {sample}"));
            let labels = parts.get(2).map_or("", |it| it.as_str());
            Series {
                name: parts[1].to_owned(),
                labels: label
                    .captures_iter(labels)
                    .map(|it| (it[1].to_owned(), it[2].to_owned()))
                    .collect(),
                value: parts[3].parse().unwrap_or_else(|_| panic!("no number: {sample}")),
            }
        });
        let series = series.collect();
        Self { text, series }
    }

    /// The sum of the series of this name that have these labels; nothing where there is none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.series.iter().filter(|it| it.name == name && it.has(labels));
        found.map(|it| it.value).reduce(|sum, value| sum + value)
    }

    /// The labels of every series of this name.
    pub(super) fn labels(&self, name: &str) -> Option<BTreeSet<&str>> {
        let mut found = self.series.iter().filter(|it| it.name == name).peekable();
        found.peek()?;
        Some(found.flat_map(|it| it.labels.keys().map(String::as_str)).collect())
    }
}
