//! Names as keys and as values: the closed list of places.

use serde_json::{Map, Value};

use super::Walk;

/// Data, whatever it looks like: nothing in it is a name.
const DATA: [&str; 4] = ["values", "left_side", "right_side", "fileUploads"];
/// A field, as a text.
const FIELD: [&str; 5] = [
    "field",
    "field_name",
    "fieldName",
    "column_name",
    "fully_qualified_name",
];
/// Fields, as a list of texts.
const FIELDS: [&str; 8] = [
    "fields",
    "pivots",
    "fill_fields",
    "filterOrder",
    "drill_fields",
    "facetFields",
    "groupby",
    "primary_key_fields",
];
/// A view, as a text.
const VIEW: [&str; 6] = [
    "table",
    "viewName",
    "view_name",
    "base_view",
    "join_from_view",
    "join_to_view",
];
/// Views, as a list of texts or as the keys of a map, one in another.
const VIEWS: [&str; 3] = ["joins", "join_via_map", "ignored_views"];
/// A topic, as a text.
const TOPIC: [&str; 4] = ["topicName", "topic_name", "topic", "join_paths_from_topic_name"];
/// Topics, as a list of texts.
const TOPICS: [&str; 1] = ["deleted_topics"];
/// Views and topics that a view or a topic is made from, as a list of texts.
const EXTENDS: &str = "extends";
/// What people read in a chart; everything else that is wholly a field's name is one.
const LABEL: [&str; 14] = [
    "title",
    "subtitle",
    "label",
    "text",
    "value",
    "description",
    "descriptionBefore",
    "descriptionAfter",
    "placeholder",
    "markdown",
    "name",
    "id",
    "type",
    "format",
];

/// Where a value stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At<'a> {
    /// The property that holds it; that of its list, for an item.
    pub(super) property: &'a str,
    /// The property that holds the object or list above it.
    pub(super) parent: &'a str,
    /// Inside of a chart's own specification.
    pub(super) in_chart: bool,
    /// The view whose declaration it is in: its fields may be named without it.
    pub(super) own: Option<&'a str>,
}

impl Walk<'_> {
    /// A document's own part of an export.
    pub(super) fn dashboard(&mut self, dashboard: &mut Value) {
        self.value(At::default(), dashboard);
    }

    pub(super) fn value(&mut self, at: At<'_>, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(to) = self.named(at, text) {
                    *text = to;
                }
            }
            Value::Array(items) => self.items(at, items),
            Value::Object(fields) => self.object(at, fields),
            _ => {}
        }
    }

    fn items(&mut self, at: At<'_>, items: &mut [Value]) {
        for at_item in 0..items.len() {
            let before = items[at_item].clone();
            self.value(at, &mut items[at_item]);
            let is_name = before.is_string() && before != items[at_item];
            let twice = |(other, item): (usize, &Value)| other != at_item && *item == items[at_item];
            if is_name && items.iter().enumerate().any(twice) {
                self.clash(&before, &items[at_item]);
            }
        }
    }

    fn clash(&mut self, before: &Value, after: &Value) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.renamed.clashes.insert(format!(
            "{} becomes {}, and both are named side by side; take one out of the source's dashboard, or do not rename",
            text(before),
            text(after)
        ));
    }

    pub(super) fn object(&mut self, at: At<'_>, fields: &mut Map<String, Value>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            let Some(to) = self.key(at, &name) else { continue };
            if fields.contains_key(&to) {
                self.clash(&Value::String(name), &Value::String(to));
            } else if let Some(value) = fields.remove(&name) {
                fields.insert(to, value);
            }
        }
        for (name, value) in fields.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str())) {
            let below = At {
                property: if VIEWS.contains(&at.property) {
                    at.property
                } else {
                    name
                },
                parent: at.property,
                in_chart: at.in_chart || name == "spec",
                own: at.own,
            };
            self.value(below, value);
        }
    }

    /// A key that is a name.
    fn key(&mut self, at: At<'_>, name: &str) -> Option<String> {
        if VIEWS.contains(&at.property) {
            return self.view(name);
        }
        let in_own = at.own.filter(|_| at.property == "filters");
        if name.contains('.') || in_own.is_some() {
            return self.field(name, in_own);
        }
        None
    }

    /// A text that is a name, or holds some.
    fn named(&mut self, at: At<'_>, text: &str) -> Option<String> {
        let property = at.property;
        let is_field = FIELD.contains(&property)
            || FIELDS.contains(&property)
            || (property == "name" && at.parent == "field")
            || (property == "value" && at.parent == "options");
        if is_field {
            return self.field(text, at.own).or_else(|| self.in_chart(at, text));
        }
        if VIEW.contains(&property) || VIEWS.contains(&property) {
            return self.view(text);
        }
        if TOPIC.contains(&property) || TOPICS.contains(&property) {
            return self.topic(text);
        }
        if property == EXTENDS {
            return self.view(text).or_else(|| self.topic(text));
        }
        if at.in_chart
            && !LABEL.contains(&property)
            && let Some(to) = self.whole(text)
        {
            return Some(to);
        }
        self.in_text(property, text)
    }

    fn in_chart(&mut self, at: At<'_>, text: &str) -> Option<String> {
        if at.in_chart { self.whole(text) } else { None }
    }
}
