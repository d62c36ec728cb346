//! Links between documents: `/dashboards/<identifier>` and `/w/<identifier>`, wherever text holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"/(dashboards|w)/([A-Za-z0-9][A-Za-z0-9_-]*)").expect("the pattern is well-formed"));

/// Places whose text is data and no link, even where it looks like one: filter values and SQL that a person wrote.
const DATA: [&str; 5] = ["filters", "filterConfig", "values", "userEditedSQL", "fileUploads"];

/// Where links that name a document of the source lead in the version that is cut: source identifier to new identifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkMap(pub BTreeMap<String, String>);

impl LinkMap {
    /// The text with its links led into the new version. Links elsewhere stay.
    #[must_use]
    pub fn rewrite(&self, text: &str) -> String {
        LINK.replace_all(text, |link: &Captures<'_>| match self.0.get(&link[2]) {
            Some(target) => format!("/{}/{target}", &link[1]),
            None => link[0].to_owned(),
        })
        .into_owned()
    }

    /// Rewrites every text in a JSON value, data left alone.
    pub fn rewrite_value(&self, value: &mut Value) {
        match value {
            Value::String(text) if LINK.is_match(text) => *text = self.rewrite(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite_value(item)),
            Value::Object(fields) => {
                for (_, field) in fields.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                    self.rewrite_value(field);
                }
            }
            _ => {}
        }
    }

    /// The links in a value that lead to documents which this map does not know.
    #[must_use]
    pub fn foreign(&self, value: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.collect_foreign(value, &mut found);
        found
    }

    fn collect_foreign(&self, value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                let foreign = LINK.captures_iter(text).filter(|link| !self.0.contains_key(&link[2]));
                found.extend(foreign.map(|link| link[0].to_owned()));
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect_foreign(item, found)),
            Value::Object(fields) => {
                for (_, field) in fields.iter().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                    self.collect_foreign(field, found);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map() -> LinkMap {
        LinkMap(BTreeMap::from([(
            "12db1a0a".to_owned(),
            "patient-summary-v2-abc123".to_owned(),
        )]))
    }

    #[test]
    fn links_into_the_source_lead_into_the_new_version_and_others_stay() {
        let text = "see [it](/dashboards/12db1a0a?x=1), /w/12db1a0a, /dashboards/12db1a0a9 and /dashboards/other";
        assert_eq!(
            map().rewrite(text),
            "see [it](/dashboards/patient-summary-v2-abc123?x=1), /w/patient-summary-v2-abc123, /dashboards/12db1a0a9 and /dashboards/other"
        );
    }

    #[test]
    fn filter_values_are_no_links() {
        let mut value = json!({"markdown": "/w/12db1a0a", "filters": {"a.b": {"values": ["/w/12db1a0a"]}}});
        map().rewrite_value(&mut value);
        assert_eq!(value["markdown"], "/w/patient-summary-v2-abc123");
        assert_eq!(value["filters"]["a.b"]["values"][0], "/w/12db1a0a");
    }

    #[test]
    fn foreign_links_are_named_once() {
        let value = json!(["/dashboards/zz11", "x /dashboards/zz11 y", "/w/12db1a0a"]);
        assert_eq!(map().foreign(&value), BTreeSet::from(["/dashboards/zz11".to_owned()]));
    }
}
