//! Whether a copy is whole: its export equals its source's in a closed list of places, ids mapped.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pairing::{Pairing, tiles};

/// Properties that differ in every copy and say nothing of its content.
const VOLATILE: [&str; 4] = ["createdAt", "updatedAt", "jsonHash", "ephemeral"];

/// What a dashboard is, besides its tiles.
const DASHBOARD: [&str; 6] = [
    "name",
    "facetFilters",
    "crossfilterEnabled",
    "refreshInterval",
    "metadataVersion",
    "metadata",
];
/// What its filters and controls are.
const COLLECTION: [&str; 3] = ["filterConfig", "filterConfigVersion", "filterOrder"];
/// What a tile is.
const TILE: [&str; 14] = [
    "miniUuid",
    "type",
    "name",
    "description",
    "subTitle",
    "topicName",
    "viewName",
    "prefersChart",
    "automaticVis",
    "isSql",
    "resultConfig",
    "aiConfig",
    "filterOrder",
    "query",
];
/// What a tile's chart is.
const CHART: [&str; 4] = ["visType", "chartType", "spec", "fields"];
/// What a local model is.
const LOCAL_MODEL: [&str; 8] = [
    "views",
    "relationships",
    "topics",
    "ignored_schemas",
    "ignored_views",
    "virtualized_schemas",
    "deleted_topics",
    "dbt_virtualization_enabled",
];

/// How a copy differs from its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Local models whose authored files must be written again: source id to copy id, tabs' models and the document's.
    pub local_models: BTreeMap<String, String>,
    /// Places that differ for another reason, as paths with what stands there.
    pub places: Vec<String>,
}

impl Differences {
    /// The copy is whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local_models.is_empty() && self.places.is_empty()
    }
}

/// Compares a source, rebound to the copy's model and links (see [`super::transform::rebind`]), with its copy.
#[must_use]
pub fn compare(rebound: &Value, copy: &Value, pairing: &Pairing) -> Differences {
    let mut differences = Differences::default();
    let expected = whole(rebound, |value| mapped(value, &pairing.ids));
    let found = whole(copy, Value::clone);
    note(&mut differences.places, "", &expected, &found);
    for (old, new) in &pairing.query_models {
        let (theirs, ours) = (&rebound["queryModels"][old], &copy["queryModels"][new]);
        if local_model(&mapped(theirs, &pairing.ids)) != local_model(ours) {
            differences.local_models.insert(old.clone(), new.clone());
        }
    }
    if let Some((old, new)) = &pairing.workbook_models
        && local_model(&mapped(&rebound["workbookModel"], &pairing.ids)) != local_model(&copy["workbookModel"])
    {
        differences.local_models.insert(old.clone(), new.clone());
    }
    differences
}

/// The closed list of places, as one value.
pub(in crate::model_version) fn whole(export: &Value, map: impl Fn(&Value) -> Value) -> Value {
    let dashboard = &export["dashboard"];
    let tiles: Vec<Value> = tiles(export)
        .into_iter()
        .map(|tile| {
            let mut kept = pick(tile, &TILE);
            kept["query"] = tile["query"]["queryJson"].clone();
            kept["chart"] = pick(&tile["visConfig"], &CHART);
            kept
        })
        .collect();
    let mut files: Vec<Value> = export["fileUploads"]
        .as_object()
        .map(|files| {
            files
                .values()
                .map(|file| pick(file, &["fileName", "contentType", "data"]))
                .collect()
        })
        .unwrap_or_default();
    files.sort_by_key(Value::to_string);
    map(&json!({
        "name": export["document"]["name"],
        "dashboard": pick(dashboard, &DASHBOARD),
        "controls": pick(&dashboard["queryPresentationCollection"], &COLLECTION),
        "tiles": tiles,
        "files": files,
    }))
}

pub(in crate::model_version) fn local_model(model: &Value) -> Value {
    sorted_by_name(pick(model, &LOCAL_MODEL))
}

/// Views, topics and relationships are sets: an import may keep them in another order.
fn sorted_by_name(mut model: Value) -> Value {
    for list in ["views", "topics", "relationships"] {
        if let Some(items) = model[list].as_array_mut() {
            items.iter_mut().for_each(|item| {
                for fields in ["dimensions", "measures"] {
                    if let Some(fields) = item[fields].as_array_mut() {
                        fields.sort_by_key(|field| field["field_name"].to_string());
                    }
                }
            });
            items.sort_by_key(Value::to_string);
        }
    }
    model
}

/// These properties of an object, volatile ones inside left out; absent and null are the same.
fn pick(value: &Value, names: &[&str]) -> Value {
    let kept: Map<String, Value> = names
        .iter()
        .filter_map(|name| {
            value
                .get(*name)
                .filter(|it| !it.is_null())
                .map(|it| ((*name).to_owned(), settled(it)))
        })
        .collect();
    Value::Object(kept)
}

fn settled(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(settled).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, field)| !VOLATILE.contains(&name.as_str()) && !field.is_null())
                .map(|(name, field)| (name.clone(), settled(field)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The value with every id of the source replaced by the copy's, where it stands as a whole value or as a key.
pub fn mapped(value: &Value, ids: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(ids.get(text).unwrap_or(text).clone()),
        Value::Array(items) => Value::Array(items.iter().map(|item| mapped(item, ids)).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (ids.get(name).unwrap_or(name).clone(), mapped(field, ids)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Notes every place where two values differ, deepest first known.
fn note(places: &mut Vec<String>, path: &str, expected: &Value, found: &Value) {
    match (expected, found) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for name in theirs
                .keys()
                .chain(ours.keys().filter(|name| !theirs.contains_key(*name)))
            {
                let absent = Value::Null;
                let at = format!("{path}/{name}");
                note(
                    places,
                    &at,
                    theirs.get(name).unwrap_or(&absent),
                    ours.get(name).unwrap_or(&absent),
                );
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                note(places, &format!("{path}/{at}"), theirs, ours);
            }
        }
        _ if expected == found => {}
        _ => places.push(format!("{path}: {} became {}", brief(expected), brief(found))),
    }
}

fn brief(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= 60 {
        text
    } else {
        format!("{}...", text.chars().take(57).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::links::LinkMap;
    use super::super::pairing::pair;
    use super::super::renames::Renames;
    use super::super::transform::{Rebinding, rebind};
    use super::*;

    /// A body of the documented shape, with ids renamed as an import renames them.
    fn source() -> Value {
        json!({
            "document": {"name": "D", "identifier": "12db1a0a", "documentId": "wb-1"},
            "dashboard": {
                "id": "d-1", "name": "D", "crossfilterEnabled": true, "refreshInterval": null,
                "metadata": {"layouts": {"lg": [{"i": "tile0001", "x": 0}]}, "tileFilterMap": {"tile0001": {"a.b": {"enabled": true}}},
                    "textTiles": [{"id": "text-1", "markdown": "/dashboards/12db1a0a"}]},
                "queryPresentationCollection": {"id": "c-1", "filterOrder": ["a.b"], "filterConfig": {"a.b": {"kind": "EQUALS", "values": ["tile0001x"]}},
                    "queryPresentationCollectionMemberships": [{"queryPresentation": {
                        "miniUuid": "tile0001", "type": "query", "name": "T", "createdAt": "1",
                        "query": {"id": "q-1", "jsonHash": "h1", "queryJson": {"table": "a", "fields": ["a.b"], "modelId": "wb-1", "model_extension_id": "tab-1"}},
                        "visConfig": {"visType": "basic", "spec": {"y": 1}}}}]},
            },
            "workbookModel": {"id": "wb-1", "base_model_id": "old", "views": [{"name": "a", "extension_model_id": "wb-1"}]},
            "queryModels": {"tab-1": {"id": "tab-1", "base_model_id": "wb-1", "views": [{"name": "cte", "extension_model_id": "tab-1"}]}},
            "fileUploads": {},
        })
    }

    fn imported() -> Value {
        let text = source().to_string();
        let renamed = [
            ("wb-1", "wb-2"),
            ("d-1", "d-2"),
            ("c-1", "c-2"),
            ("q-1", "q-2"),
            ("tab-1", "tab-2"),
            ("text-1", "text-2"),
        ]
        .iter()
        .fold(text, |text, (old, new)| {
            text.replace(&format!("\"{old}\""), &format!("\"{new}\""))
        })
        .replace("\"tile0001\"", "\"tile0002\"")
        .replace("\"h1\"", "\"h2\"")
        .replace("\"old\"", "\"new\"")
        .replace("12db1a0a", "d-v2-abc123");
        serde_json::from_str(&renamed).unwrap()
    }

    fn differences(copy: &Value) -> Differences {
        let links = LinkMap(BTreeMap::from([("12db1a0a".to_owned(), "d-v2-abc123".to_owned())]));
        let mut rebound = source();
        rebind(
            &mut rebound,
            &Rebinding {
                from_model: "old",
                to_model: "new",
                links: &links,
                renames: &Renames::default(),
            },
        );
        let pairing = pair(&rebound, copy, &BTreeMap::new()).unwrap();
        compare(&rebound, copy, &pairing)
    }

    #[test]
    fn a_copy_that_differs_in_ids_alone_is_whole() {
        assert_eq!(differences(&imported()), Differences::default());
    }

    #[test]
    fn an_emptied_tab_model_is_told_from_other_differences() {
        let mut copy = imported();
        copy["queryModels"]["tab-2"]["views"] = json!([]);
        let differences = differences(&copy);
        assert_eq!(
            differences.local_models,
            BTreeMap::from([("tab-1".to_owned(), "tab-2".to_owned())])
        );
        assert!(differences.places.is_empty());
    }

    #[test]
    fn every_place_that_makes_a_dashboard_is_compared() {
        for (path, at) in [
            ("/document/name", "/name"),
            ("/dashboard/crossfilterEnabled", "/dashboard/crossfilterEnabled"),
            (
                "/dashboard/metadata/layouts/lg/0/x",
                "/dashboard/metadata/layouts/lg/0/x",
            ),
            (
                "/dashboard/metadata/textTiles/0/markdown",
                "/dashboard/metadata/textTiles/0/markdown",
            ),
            (
                "/dashboard/queryPresentationCollection/filterConfig/a.b/kind",
                "/controls/filterConfig/a.b/kind",
            ),
            (
                "/dashboard/queryPresentationCollection/filterOrder/0",
                "/controls/filterOrder/0",
            ),
            (
                "/dashboard/queryPresentationCollection/queryPresentationCollectionMemberships/0/queryPresentation/visConfig/spec/y",
                "/tiles/0/chart/spec/y",
            ),
        ] {
            let mut copy = imported();
            *copy.pointer_mut(path).unwrap() = json!("other");
            let differences = differences(&copy);
            assert_eq!(differences.places.len(), 1, "{path}: {differences:?}");
            assert!(
                differences.places[0].starts_with(&format!("{at}: ")),
                "{}",
                differences.places[0]
            );
        }
    }

    #[test]
    fn a_link_that_still_leads_into_the_source_is_a_difference() {
        let mut copy = imported();
        copy["dashboard"]["metadata"]["textTiles"][0]["markdown"] = json!("/dashboards/12db1a0a");
        assert_eq!(differences(&copy).places.len(), 1);
    }
}
