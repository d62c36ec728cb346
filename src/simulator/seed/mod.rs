//! Seeds: what an organisation holds when nobody has touched it yet.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::SimulatorOptions;
use super::organisation::{Files, Organisation};

mod clinical;

/// What the organisation holds at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seed {
    /// A hospital: one shared model `clinical`, and dashboards in the folder `clinical/v1`.
    #[default]
    Clinical,
}

/// Builds the organisation that the options ask for.
pub(super) fn organisation(options: &SimulatorOptions) -> Organisation {
    let mut organisation = match options.seed {
        Seed::Clinical => clinical::organisation(options.dashboards, options.raw_query_columns),
    };
    organisation.knobs = options.knobs.clone();
    organisation.knobs.requests_per_minute = options.requests_per_minute;
    organisation.knobs.budget_window_millis = u64::try_from(options.budget_window.as_millis()).unwrap_or(u64::MAX);
    organisation
}

/// A document to be made.
pub(super) struct DashboardPlan {
    pub(super) name: String,
    pub(super) identifier: String,
    /// A dashboard in the shape of an export, with `workbook` and `tab` for the ids of its local models.
    pub(super) body: Value,
    pub(super) workbook_files: Files,
    /// The files of the QUERY model of its tab, if it has one.
    pub(super) tab_files: Option<Files>,
    pub(super) file_uploads: Value,
}

/// Writes a short description of a dashboard out in the full shape of an export.
pub(super) fn expand(short: &Value, organisation: &Organisation) -> Value {
    let tiles = short["tiles"].as_array().cloned().unwrap_or_default();
    let texts = short["textTiles"].as_array().cloned().unwrap_or_default();
    let layout = |item: &Value, id: &str| {
        let mut layout = json!({"i": id, "x": 0, "y": 0, "w": 12, "h": 20, "moved": false, "static": false});
        for (key, value) in item["layout"].as_object().into_iter().flatten() {
            layout[key] = value.clone();
        }
        layout
    };
    let layouts: Vec<Value> = tiles
        .iter()
        .enumerate()
        .map(|(index, tile)| layout(tile, &tile_name(index)))
        .chain(
            texts
                .iter()
                .map(|text| layout(text, text["id"].as_str().unwrap_or_default())),
        )
        .collect();
    let by_tile = |entries: &Value| -> BTreeMap<String, Value> {
        let entries = entries.as_object().into_iter().flatten();
        entries
            .map(|(number, entry)| (format!("tile{number}"), entry.clone()))
            .collect()
    };
    let tabs: Vec<String> = (0..tiles.len())
        .map(|index| format!("{}:{}", index + 1, tile_name(index)))
        .collect();
    let text_tiles: Vec<Value> = texts
        .iter()
        .map(|text| json!({"id": text["id"], "markdown": text["markdown"]}))
        .collect();
    let memberships: Vec<Value> = tiles
        .iter()
        .enumerate()
        .map(|(index, tile)| json!({"id": "", "queryPresentation": presentation(tile, index, organisation)}))
        .collect();
    json!({
        "dashboardCustomTheme": null, "facetFilters": false,
        "crossfilterEnabled": short.get("crossfilterEnabled").cloned().unwrap_or(json!(false)),
        "refreshInterval": null, "ephemeral": tabs.join(","), "metadataVersion": 2,
        "metadata": {
            "layouts": {"lg": layouts}, "textTiles": text_tiles, "hiddenTiles": [], "tileSettings": {},
            "tileControlMap": {}, "tileFilterMap": by_tile(&short["tileFilterMap"]),
        },
        "model": {"id": "", "baseModelId": "", "connectionId": "", "modelKind": "WORKBOOK", "deletedAt": null},
        "modelId": "workbook", "workbookId": "",
        "workbook": {"identifier": "", "organizationRole": null, "publicRole": null, "folder": null},
        "updater": {"id": organisation.owner.user_id, "name": organisation.owner.name},
        "queryPresentationCollection": {
            "id": "", "filterConfig": short.get("filterConfig").cloned().unwrap_or(json!({})), "filterConfigVersion": 0,
            "filterOrder": short.get("filterOrder").cloned().unwrap_or(json!([])),
            "queryPresentationCollectionMemberships": memberships,
        },
    })
}

fn tile_name(index: usize) -> String {
    format!("tile{}", index + 1)
}

fn presentation(tile: &Value, index: usize, organisation: &Organisation) -> Value {
    let or = |key: &str, default: Value| tile.get(key).cloned().unwrap_or(default);
    let mut written = json!({
        "id": "", "miniUuid": tile_name(index), "type": or("type", json!("query")), "name": tile["name"],
        "description": tile["description"], "subTitle": "", "organizationId": organisation.id,
        "queryPresentationCollectionId": "", "createdAt": "", "updatedAt": "", "ephemeral": null, "queryId": null,
        "visConfigId": null, "modelId": "workbook", "topicName": or("topic", Value::Null), "viewName": null,
        "renamed": true, "prefersChart": tile["chartType"] != "table", "automaticVis": true, "isSql": false,
        "filterOrder": [], "resultConfig": or("resultConfig", json!({})), "aiConfig": {},
        "visConfig": {
            "id": "", "createdAt": "", "visType": or("visType", json!("omni-table")),
            "chartType": or("chartType", json!("table")), "jsonHash": "", "spec": or("spec", json!({})),
            "fields": or("fields", json!([])),
        },
    });
    if tile.get("fileUploadId").is_some() {
        written["fileUploadId"] = tile["fileUploadId"].clone();
        return written;
    }
    let mut query = json!({
        "limit": or("limit", json!(1000)), "sorts": or("sorts", json!([])), "table": tile["table"],
        "fields": tile["fields"], "pivots": or("pivots", json!([])), "dbtMode": false,
        "filters": or("filters", json!({})), "modelId": "workbook", "version": 8, "controls": or("controls", json!([])),
        "metadata": {"model_id": "workbook"}, "rewriteSql": true, "row_totals": {}, "fill_fields": [],
        "calculations": or("calculations", json!([])), "column_limit": 50, "join_via_map": {}, "column_totals": {},
        "userEditedSQL": "", "dimensionIndex": 0, "default_group_by": true, "query_references": {},
        "custom_summary_types": {}, "join_paths_from_topic_name": or("topic", json!("")),
    });
    if tile["tab"] == true {
        query["model_extension_id"] = json!("tab");
        query["metadata"]["model_id"] = json!("tab");
    }
    written["query"] = json!({"id": "", "createdAt": "", "jsonHash": "", "modelId": "workbook", "queryJson": query});
    written
}
