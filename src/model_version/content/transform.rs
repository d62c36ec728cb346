//! An export, made ready to be imported onto another shared model of the same connection.

use serde_json::{Map, Value};

use super::links::LinkMap;
use super::renames::{Renamed, Renames};

/// What an import takes of an export; it refuses other keys.
const BODY: [&str; 6] = [
    "exportVersion",
    "document",
    "dashboard",
    "workbookModel",
    "queryModels",
    "fileUploads",
];

/// The properties that hold a model's id in compiled models and queries.
const MODEL_PROPERTIES: [&str; 4] = ["model_id", "modelId", "base_model_id", "baseModelId"];

/// What changes on the way from a source to its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebinding<'a> {
    /// The shared model of the source.
    pub from_model: &'a str,
    /// The shared model of the copy.
    pub to_model: &'a str,
    /// Where links lead.
    pub links: &'a LinkMap,
    /// What has another name in the copy.
    pub renames: &'a Renames,
}

/// The body to import: bound to the new model by property, never by equal text elsewhere, with its links led into the new
/// version and its names changed.
#[must_use]
pub fn import_body(export: &Value, rebinding: &Rebinding<'_>) -> Value {
    let mut body = Map::new();
    for key in BODY {
        if let Some(part) = export.get(key) {
            body.insert(key.to_owned(), part.clone());
        }
    }
    body.entry("queryModels").or_insert_with(|| Value::Object(Map::new()));
    let mut body = Value::Object(body);
    rebind(&mut body, rebinding);
    body
}

/// Binds models and links anew and changes names, in place. Also what a source must look like to be compared with its copy.
pub fn rebind(body: &mut Value, rebinding: &Rebinding<'_>) -> Renamed {
    for part in ["dashboard", "workbookModel", "queryModels"] {
        if let Some(part) = body.get_mut(part) {
            rebind_models(part, rebinding);
            rebinding.links.rewrite_value(part);
        }
    }
    rebinding.renames.body(body)
}

pub(super) fn rebind_models(value: &mut Value, rebinding: &Rebinding<'_>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rebind_models(item, rebinding)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(id) if MODEL_PROPERTIES.contains(&name.as_str()) && id == rebinding.from_model => {
                        rebinding.to_model.clone_into(id);
                    }
                    _ => rebind_models(field, rebinding),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn the_model_changes_by_property_and_equal_text_elsewhere_stays() {
        let links = LinkMap(BTreeMap::from([("12db1a0a".to_owned(), "x-v2-abc123".to_owned())]));
        let export = json!({
            "exportVersion": "0.1", "document": {"name": "X", "sharedModelId": "old"}, "stray": 1,
            "dashboard": {"model": {"id": "wb", "baseModelId": "old"}, "metadata": {"textTiles": [{"markdown": "/w/12db1a0a"}]},
                "q": {"filters": {"a.b": {"values": ["old"]}}, "userEditedSQL": "select 'old'"}},
            "workbookModel": {"base_model_id": "old", "label": "old"},
        });
        let body = import_body(
            &export,
            &Rebinding {
                from_model: "old",
                to_model: "new",
                links: &links,
                renames: &Renames::default(),
            },
        );
        assert_eq!(body["dashboard"]["model"]["baseModelId"], "new");
        assert_eq!(body["workbookModel"], json!({"base_model_id": "new", "label": "old"}));
        assert_eq!(body["dashboard"]["q"]["filters"]["a.b"]["values"][0], "old");
        assert_eq!(body["dashboard"]["q"]["userEditedSQL"], "select 'old'");
        assert_eq!(
            body["dashboard"]["metadata"]["textTiles"][0]["markdown"],
            "/w/x-v2-abc123"
        );
        assert_eq!(
            body["queryModels"],
            json!({}),
            "the contract requires it even where the export lacks it"
        );
        assert!(
            body.get("stray").is_none(),
            "an import refuses keys that it does not know"
        );
    }
}
