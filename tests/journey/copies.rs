//! Whether a dashboard's copy is the same dashboard, told by what a person sees of it.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Value, json};

use super::bed::list;

/// The identifiers of one version's dashboards, to speak of a link by the dashboard's name.
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn of(documents: &[&Value]) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let names = documents.iter();
        Self(
            names
                .map(|document| (text(&document["identifier"]), text(&document["name"])))
                .collect(),
        )
    }

    /// The text with every identifier replaced by the dashboard's name.
    pub(super) fn speak(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (identifier, name) in &self.0 {
            text = text.replace(identifier, &format!("<{name}>"));
        }
        text
    }
}

/// What a copy has of its own.
const NEW: [&str; 7] = [
    "createdAt",
    "updatedAt",
    "publishedAt",
    "jsonHash",
    "dashboardMiniUuid",
    "folder",
    "sharedModel",
];

/// A dashboard without what Omni makes anew for a copy: its ids, hashes and times. Links and tiles are named.
pub(super) fn essence(document: &Value, names: &Names) -> Value {
    let export = &document["export"];
    let mut text = names.speak(&export.to_string());
    let memberships = &export["dashboard"]["queryPresentationCollection"]["queryPresentationCollectionMemberships"];
    for (place, tile) in memberships.as_array().expect("a list of tiles").iter().enumerate() {
        let id = tile["queryPresentation"]["miniUuid"]
            .as_str()
            .expect("every tile has one");
        text = text.replace(id, &format!("<tile {place}>"));
    }
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a pattern");
    let mut export = serde_json::from_str(&uuid.replace_all(&text, "<id>")).expect("still JSON");
    without_what_is_new(&mut export);
    export
}

fn without_what_is_new(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in NEW {
                object.remove(key);
            }
            object.values_mut().for_each(without_what_is_new);
        }
        Value::Array(list) => list.iter_mut().for_each(without_what_is_new),
        _ => {}
    }
}

/// The definitions of a dashboard's own: the workbook's, and each tab's in the order of its tiles.
pub(super) fn own_definitions(state: &Value, document: &Value, names: &Names) -> Value {
    let of = |id: &Value| {
        let model = list(state, "models").iter().find(|model| model["id"] == *id);
        definition(model.expect("a document's models are there"), names)
    };
    let tabs: Vec<Value> = list(document, "queryModelIds").iter().map(of).collect();
    json!({"workbook": of(&document["workbookModelId"]), "tabs": tabs})
}

/// The files of a model, parsed, with every link told by name.
pub(super) fn definition(model: &Value, names: &Names) -> Value {
    let files = model["files"].as_object().expect("a model has files").iter();
    let parsed = files.map(|(name, text)| {
        let text = names.speak(text.as_str().expect("a file is text"));
        let value: Value = serde_saphyr::from_str(&text).expect("a file of a model is YAML");
        (name.clone(), value)
    });
    Value::Object(parsed.collect())
}
