//! What differs between two versions, by what people made: views, fields, topics, dashboards, tiles. Pure.
//!
//! | file | what it does |
//! |---|---|
//! | `outline` | a model taken apart into views, fields, topics and relationships; two of them compared |
//! | `document` | two documents of one dashboard compared |
//! | `pairs` | which tile of one document stands for which of the other |
//! | `values` | two values compared key by key, and told in few words |
//!
//! What every copy has anew does not count: ids, hashes, times, the model that a document is bound to, and links that
//! lead to the same dashboard of either version. Nor does what Omni makes of a model's files when it writes them:
//! comments, order of keys, `sql` that only repeats the column, joins that it infers.

mod document;
mod outline;
mod pairs;
mod values;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

pub use document::{Document, documents};

use self::outline::Outline;
use super::content::links::LinkMap;
use super::definition::authored;
use crate::ports::{DashboardRecord, ModelFiles};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The model file.
    Model,
    /// A view.
    View,
    /// A view that is made of a query.
    QueryView,
    /// A dimension of a view.
    Dimension,
    /// A measure of a view.
    Measure,
    /// A filter of a view.
    Filter,
    /// A topic.
    Topic,
    /// How two views are joined.
    Relationship,
    /// A model file that is none of these, or that does not parse.
    File,
    /// A dashboard.
    Dashboard,
    /// A filter or control of a dashboard.
    Control,
    /// A tile of a dashboard.
    Tile,
    /// A text on a dashboard.
    Text,
    /// A file that was uploaded to a document.
    Upload,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::View => "view",
            Self::QueryView => "query view",
            Self::Dimension => "dimension",
            Self::Measure => "measure",
            Self::Filter => "filter",
            Self::Topic => "topic",
            Self::Relationship => "relationship",
            Self::File => "file",
            Self::Dashboard => "dashboard",
            Self::Control => "control",
            Self::Tile => "tile",
            Self::Text => "text",
            Self::Upload => "upload",
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Only the other version has it.
    Added,
    /// Only the one version has it.
    Removed,
    /// Both have it, and not the same.
    Changed,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One key of an object that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The path of the key: `label`, `query.fields`, `chart.spec.x.title`.
    pub key: String,
    /// What the one version has there, in few words; `None` for nothing.
    pub before: Option<String>,
    /// What the other version has there, in few words; `None` for nothing.
    pub after: Option<String>,
}

/// One object that is not the same in both versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// What became of it.
    pub change: Change,
    /// The slug of the dashboard that it is of; `None` where it is of the model that all share.
    pub dashboard: Option<String>,
    /// Where it is: `patients.dob`, `patient-summary / Admissions by month`.
    #[serde(rename = "where")]
    pub place: String,
    /// The keys that differ; of an object that one version alone has, all that says what it is.
    pub details: Vec<Detail>,
}

impl Difference {
    fn new(kind: Kind, change: Change, place: impl Into<String>, details: Vec<Detail>) -> Self {
        Self {
            kind,
            change,
            dashboard: None,
            place: place.into(),
            details,
        }
    }

    /// Of an object that each side may have; `None` where both have the same.
    fn between(kind: Kind, place: &str, one: Option<&Value>, other: Option<&Value>) -> Option<Self> {
        let nothing = Value::Object(Map::new());
        let change = match (one, other) {
            (Some(_), Some(_)) => Change::Changed,
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            (None, None) => return None,
        };
        let details = values::details(one.unwrap_or(&nothing), other.unwrap_or(&nothing));
        let same = change == Change::Changed && details.is_empty();
        (!same).then(|| Self::new(kind, change, place, details))
    }

    /// The same, of a dashboard: where it is begins with the slug.
    fn of(mut self, slug: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => slug.to_owned(),
            place => format!("{slug} / {place}"),
        };
        self.dashboard = Some(slug.to_owned());
        self
    }
}

/// What the links of a version lead to, by slug: the same words for the same dashboard of any version.
#[must_use]
pub fn links(dashboards: &BTreeMap<String, DashboardRecord>) -> LinkMap {
    let target = |it: &DashboardRecord| (it.ids.identifier.clone(), format!("<{}>", it.slug));
    LinkMap(dashboards.values().map(target).collect())
}

/// What differs between the authored files of two shared models.
#[must_use]
pub fn models(one: (&ModelFiles, &LinkMap), other: (&ModelFiles, &LinkMap)) -> Vec<Difference> {
    let outline = |(files, links): (&ModelFiles, &LinkMap)| Outline::of_files(&authored(files), links);
    outline::compare(&outline(one), &outline(other))
}

/// The dashboards that one of two versions alone has.
#[must_use]
pub fn dashboards(
    one: &BTreeMap<String, DashboardRecord>,
    other: &BTreeMap<String, DashboardRecord>,
) -> Vec<Difference> {
    let only = |of: &BTreeMap<String, DashboardRecord>, not: &BTreeMap<String, DashboardRecord>, change| {
        let only = of.values().filter(|it| !not.contains_key(&it.slug)).cloned();
        let rows = only.map(|it| Difference::new(Kind::Dashboard, change, "", named(&it, change)).of(&it.slug));
        rows.collect::<Vec<_>>()
    };
    let mut rows = only(one, other, Change::Removed);
    rows.extend(only(other, one, Change::Added));
    rows
}

/// The name of a document that one version alone has, as the ledger knows it.
fn named(dashboard: &DashboardRecord, change: Change) -> Vec<Detail> {
    let name = dashboard.state.as_ref().map(|state| Value::String(state.name.clone()));
    let (name, nothing) = (serde_json::json!({"name": name}), Value::Object(Map::new()));
    match change {
        Change::Removed => values::details(&name, &nothing),
        _ => values::details(&nothing, &name),
    }
}

/// The keys of both maps, once each, in order.
fn keys<'a, K: Ord, V>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let mut keys: Vec<&K> = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)))
        .collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests;
