//! Copies get ids of their own, and every reference follows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::Object;
use super::organisation::{Organisation, checksum};

/// The ids that a dashboard refers to.
pub(super) struct DashboardIds<'a> {
    pub(super) document: &'a str,
    pub(super) dashboard: &'a str,
    pub(super) workbook_model: &'a str,
    pub(super) base_model: &'a str,
    pub(super) connection: &'a str,
    pub(super) identifier: &'a str,
    pub(super) query_models: &'a BTreeMap<String, String>,
}

/// Which part got which new id.
#[derive(Debug, Default)]
pub(super) struct NewIds {
    pub(super) mini_uuids: BTreeMap<String, String>,
    pub(super) uploads: BTreeMap<String, String>,
}

/// Whether a property of this name holds a model's id.
pub(super) fn is_model_property(name: &str) -> bool {
    matches!(
        name,
        "modelId" | "model_id" | "baseModelId" | "base_model_id" | "model_extension_id" | "extension_model_id"
    )
}

/// Replaces texts by property: `change` gets the property's name and its text. Filter literals, labels and SQL stand
/// under other names, so equal text there stays.
pub(super) fn rebind(value: &mut Value, change: &dyn Fn(&str, &str) -> Option<String>) {
    match value {
        Value::Object(entries) => {
            for (name, entry) in entries.iter_mut() {
                if let Some(new) = entry.as_str().and_then(|text| change(name, text)) {
                    *entry = Value::String(new);
                } else {
                    rebind(entry, change);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rebind(item, change)),
        _ => {}
    }
}

/// Recomputes the hashes of all queries and charts.
pub(super) fn rehash(dashboard: &mut Value) {
    for tile in tiles_mut(dashboard) {
        if let Some(query) = tile
            .pointer("/query/queryJson")
            .map(|query| checksum(query.to_string()))
        {
            tile["query"]["jsonHash"] = json!(query);
        }
        if let Some(Value::Object(chart)) = tile.get_mut("visConfig") {
            let spec = chart
                .get("spec")
                .map(|spec| checksum(spec.to_string()))
                .unwrap_or_default();
            chart.insert("jsonHash".into(), json!(spec));
        }
    }
}

fn tiles_mut(dashboard: &mut Value) -> impl Iterator<Item = &mut Value> {
    dashboard
        .pointer_mut("/queryPresentationCollection/queryPresentationCollectionMemberships")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(|membership| membership.get_mut("queryPresentation"))
}

impl Organisation {
    /// Gives every part of a dashboard an id of its own and mends all references to the old ones.
    pub(super) fn renew_dashboard(
        &mut self,
        dashboard: &mut Value,
        name: &str,
        ids: &DashboardIds<'_>,
        new_ids: &mut NewIds,
    ) {
        let old_workbook = dashboard["modelId"].as_str().unwrap_or_default().to_owned();
        rebind(dashboard, &|property, text| match property {
            "model_extension_id" | "model_id" | "modelId" if ids.query_models.contains_key(text) => {
                ids.query_models.get(text).cloned()
            }
            "modelId" => Some(ids.workbook_model.to_owned()),
            "model_id" | "model_extension_id" if text == old_workbook => Some(ids.workbook_model.to_owned()),
            "baseModelId" | "base_model_id" => Some(ids.base_model.to_owned()),
            "connectionId" | "connection_id" => Some(ids.connection.to_owned()),
            "workbookId" => Some(ids.document.to_owned()),
            "fileUploadId" => new_ids.uploads.get(text).cloned(),
            _ => None,
        });
        let organization = self.id.clone();
        let Value::Object(board) = &mut *dashboard else { return };
        board.insert("id".into(), json!(ids.dashboard));
        board.insert("name".into(), json!(name));
        board.insert("identifier".into(), json!(ids.identifier));
        board.insert("organizationId".into(), json!(organization));
        dashboard["model"]["id"] = json!(ids.workbook_model);
        dashboard["workbook"]["identifier"] = json!(ids.identifier);
        self.renew_tiles(dashboard, new_ids);
        rename_tiles(dashboard, &new_ids.mini_uuids);
        rehash(dashboard);
    }

    fn renew_tiles(&mut self, dashboard: &mut Value, new_ids: &mut NewIds) {
        let now = self.clock.now().to_string();
        let collection = self.ids.uuid();
        let Some(found) = dashboard
            .get_mut("queryPresentationCollection")
            .filter(|found| found.is_object())
        else {
            return;
        };
        found["id"] = json!(collection);
        let memberships = found
            .get_mut("queryPresentationCollectionMemberships")
            .and_then(Value::as_array_mut);
        for membership in memberships.into_iter().flatten() {
            membership["id"] = json!(self.ids.uuid());
            let tile = &mut membership["queryPresentation"];
            if let Some(old) = tile["miniUuid"].as_str() {
                let new = self.ids.mini_uuid();
                new_ids.mini_uuids.insert(old.to_owned(), new.clone());
                tile["miniUuid"] = json!(new);
            }
            tile["id"] = json!(self.ids.uuid());
            tile["queryPresentationCollectionId"] = json!(collection);
            for time in ["createdAt", "updatedAt"] {
                tile[time] = json!(now);
            }
            for (part, link) in [("query", "queryId"), ("visConfig", "visConfigId")] {
                if tile[part].is_object() {
                    let new = self.ids.uuid();
                    tile[part]["id"] = json!(new);
                    tile[part]["createdAt"] = json!(now);
                    tile[link] = json!(new);
                }
            }
        }
    }
}

/// Mends the places of a dashboard that name tiles: layouts, settings and the list of tabs.
pub(super) fn rename_tiles(dashboard: &mut Value, names: &BTreeMap<String, String>) {
    let rename = |text: &str| names.get(text).cloned().unwrap_or_else(|| text.to_owned());
    if let Some(Value::Object(layouts)) = dashboard.pointer_mut("/metadata/layouts") {
        for item in layouts.values_mut().filter_map(Value::as_array_mut).flatten() {
            if let Some(tile) = item["i"].as_str().map(rename) {
                item["i"] = json!(tile);
            }
        }
    }
    for key in ["tileSettings", "tileFilterMap", "tileControlMap"] {
        if let Some(Value::Object(entries)) = dashboard["metadata"].get_mut(key) {
            *entries = std::mem::take(entries)
                .into_iter()
                .map(|(tile, entry)| (rename(&tile), entry))
                .collect();
        }
    }
    if let Some(Value::Array(hidden)) = dashboard["metadata"].get_mut("hiddenTiles") {
        for tile in hidden {
            if let Some(new) = tile.as_str().map(rename) {
                *tile = json!(new);
            }
        }
    }
    if let Some(tabs) = dashboard["ephemeral"].as_str() {
        let renamed: Vec<String> = tabs
            .split(',')
            .map(|tab| {
                tab.split_once(':')
                    .map_or_else(|| tab.to_owned(), |(at, tile)| format!("{at}:{}", rename(tile)))
            })
            .collect();
        dashboard["ephemeral"] = json!(renamed.join(","));
    }
}

pub(super) fn renew_uploads(uploads: Object, names: &BTreeMap<String, String>) -> Value {
    let renewed = uploads.into_iter().map(|(old, mut upload)| {
        let new = names.get(&old).cloned().unwrap_or(old);
        if upload.get("fileUploadId").is_some() {
            upload["fileUploadId"] = json!(new);
        }
        (new, upload)
    });
    Value::Object(renewed.collect())
}
