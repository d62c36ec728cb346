//! The newer documents API: a published document is read in the shape in which one is created.
//!
//! What is inside of a tile's `chart` and of a page in `containers` is documented nowhere: here it is what an export has
//! there, with the tiles called by their keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::documents::tiles;
use super::http::{Answer, Call, Object, Reply, kind_of, optional_text, required_text, uuid};
use super::import::IDENTIFIER;
use super::organisation::{Files, ModelKind, Organisation};
use super::query::{Plan, plan};
use super::renew::rename_tiles;
use super::seed::DashboardPlan;
use super::viewpoint::Viewpoint;

/// What a creation may hold.
const CREATE: [&str; 10] = [
    "modelId",
    "name",
    "identifier",
    "description",
    "folderId",
    "summary",
    "queryPresentations",
    "controls",
    "settings",
    "containers",
];
const SETTINGS: [&str; 5] = [
    "crossfilterEnabled",
    "customText",
    "facetFilters",
    "refreshInterval",
    "runQueriesOn",
];
/// The kinds of tile.
const KINDS: [&str; 11] = [
    "blank",
    "csv",
    "query",
    "dataset",
    "spreadsheet",
    "sql",
    "dbt",
    "query-view",
    "linked",
    "app",
    "foreign",
];
/// What is the same in a tile of an export and in one of this API.
const TILE: [&str; 13] = [
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
    "fileUploadId",
];
const CHART: [&str; 3] = ["visType", "chartType", "fields"];
/// What every query must hold.
const QUERY: [&str; 12] = [
    "table",
    "fields",
    "limit",
    "join_paths_from_topic_name",
    "sorts",
    "filters",
    "pivots",
    "calculations",
    "column_totals",
    "row_totals",
    "fill_fields",
    "userEditedSQL",
];
/// What a query has of the models that it is bound to: the server alone knows them.
const BINDING: [&str; 3] = ["modelId", "metadata", "model_extension_id"];
const MOST_PAGES: usize = 15;

/// Dashboards of before the advanced layout have metadata of an earlier version.
fn is_classic(dashboard: &Value) -> bool {
    dashboard["metadataVersion"].as_u64().is_some_and(|version| version < 2)
}

fn picked(from: &Value, names: &[&str]) -> Object {
    let some = |name: &&str| Some(((*name).to_owned(), from.get(*name)?.clone()));
    names.iter().filter_map(some).collect()
}

impl Organisation {
    /// `GET /v2/documents/{identifier}`.
    pub(super) fn read_published(&self, call: &Call, identifier: &str) -> Reply {
        call.only_params(&["pretty"])?;
        let document = self.document(identifier)?;
        if is_classic(&document.dashboard) {
            return Err(Answer::unprocessable(
                "This document uses the classic dashboard layout, which the documents API does not support. Upgrade it first",
            ));
        }
        let mut board = document.dashboard.clone();
        let numbered = |(at, tile): (usize, &Value)| Some((tile["miniUuid"].as_str()?.to_owned(), key(at)));
        let keys: BTreeMap<String, String> = tiles(&document.dashboard).enumerate().filter_map(numbered).collect();
        rename_tiles(&mut board, &keys);
        let written = |(at, tile): (usize, &Value)| (key(at), self.written(tile));
        let data: Object = tiles(&board).enumerate().map(written).collect();
        let order: Vec<String> = (0..data.len()).map(key).collect();
        let mut page = board["metadata"].as_object().cloned().unwrap_or_default();
        let further = page.remove("pages").and_then(|it| it.as_array().cloned());
        let mut containers = vec![Value::Object(page)];
        containers.extend(further.unwrap_or_default());
        let collection = &board["queryPresentationCollection"];
        Ok(Answer::ok(json!({
            "identifier": document.identifier, "name": document.name, "description": document.metadata.description,
            "modelId": document.shared_model_id, "workbookModelId": document.workbook_model_id,
            "queryPresentations": {"data": data, "order": order},
            "controls": {"data": collection["filterConfig"], "order": collection["filterOrder"]},
            "settings": picked(&board, &SETTINGS), "containers": containers,
        })))
    }

    /// A tile as it is read. Which models its query is bound to does not show.
    fn written(&self, tile: &Value) -> Value {
        let mut written = picked(tile, &TILE);
        if let Some(query) = tile.pointer("/query/queryJson").and_then(Value::as_object) {
            let free = query.iter().filter(|(name, _)| !BINDING.contains(&name.as_str()));
            let free: Object = free.map(|(name, value)| (name.clone(), value.clone())).collect();
            written.insert("query".into(), Value::Object(free));
        }
        if let Some(chart) = tile.get("visConfig") {
            let mut flat = picked(chart, &CHART);
            if self.knobs.documents_flat_charts {
                flat.extend(chart["spec"].as_object().cloned().unwrap_or_default());
            } else {
                flat.insert("spec".into(), chart["spec"].clone());
            }
            written.insert("chart".into(), Value::Object(flat));
        }
        Value::Object(written)
    }

    /// `POST /v2/documents`: made and published at once.
    pub(super) fn create_published(&mut self, call: &Call) -> Reply {
        let body = call.body(&CREATE)?;
        let model_id = required_text(&body, "modelId")?.to_owned();
        uuid("modelId", &model_id)?;
        let model = self.model(&model_id)?;
        if !matches!(model.kind, ModelKind::Shared | ModelKind::SharedExtension) {
            return Err(Answer::bad("modelId", "must be a shared model"));
        }
        let connection_id = model.connection_id.clone();
        let name = of_length(&body, "name", 254)?.ok_or_else(|| Answer::bad("name", "Required"))?;
        of_length(&body, "summary", 255)?;
        let description = optional_text(&body, "description")?.map(str::to_owned);
        let folder = match optional_text(&body, "folderId")? {
            None => None,
            Some(id) => Some(
                self.folders
                    .get(id)
                    .ok_or_else(|| Answer::not_found(format!("Folder with id {id} does not exist")))?,
            ),
        };
        let scope = folder.map_or("restricted", |folder| folder.scope.as_str()).to_owned();
        let folder_id = folder.map(|folder| folder.id.clone());
        let board = self.board(&body, &model_id)?;
        let identifier = match optional_text(&body, "identifier")? {
            None => self.ids.identifier(),
            Some(text) if !(2..=48).contains(&text.len()) || !IDENTIFIER.is_match(text) => {
                return Err(Answer::bad("identifier", "Invalid"));
            }
            Some(text) if self.is_taken(text) => return Err(Answer::bad("identifier", "already in use")),
            Some(text) => text.to_owned(),
        };
        let plan = DashboardPlan {
            name: name.clone(),
            identifier: identifier.clone(),
            body: board,
            workbook_files: Files::new(),
            tab_files: None,
            file_uploads: json!({}),
        };
        self.add_document(plan, &model_id, &connection_id, folder_id);
        let made = self.documents.values_mut().find(|it| it.identifier == identifier);
        if let Some(made) = made {
            made.metadata.description.clone_from(&description);
            made.scope = scope;
        }
        Ok(Answer::json(
            201,
            json!({"identifier": identifier, "name": name, "description": description}),
        ))
    }

    /// The dashboard that a creation asks for, as an export has it, with `workbook` for the id of its model.
    fn board(&self, body: &Object, model_id: &str) -> Result<Value, Answer> {
        let (data, order) = self.tiles_of(body, model_id)?;
        let absent = json!({});
        let part = |name: &str, part: &str| body.get(name).unwrap_or(&absent).get(part).cloned();
        let memberships: Vec<Value> = order
            .iter()
            .map(|key| json!({"id": "", "queryPresentation": self.presentation(key, &data[key])}))
            .collect();
        let tabs: Vec<String> = order.iter().map(|key| format!("{key}:{key}")).collect();
        let mut board = json!({
            "dashboardCustomTheme": null, "facetFilters": false, "crossfilterEnabled": false, "refreshInterval": null,
            "ephemeral": tabs.join(","), "metadataVersion": 2, "metadata": pages(body, &order)?,
            "model": {"id": "", "baseModelId": "", "connectionId": "", "modelKind": "WORKBOOK", "deletedAt": null},
            "modelId": "workbook", "workbookId": "",
            "workbook": {"identifier": "", "organizationRole": null, "publicRole": null, "folder": null},
            "updater": {"id": self.owner.user_id, "name": self.owner.name},
            "queryPresentationCollection": {
                "id": "", "filterConfig": part("controls", "data").unwrap_or(json!({})), "filterConfigVersion": 0,
                "filterOrder": part("controls", "order").unwrap_or(json!([])),
                "queryPresentationCollectionMemberships": memberships,
            },
        });
        for (name, value) in body.get("settings").and_then(Value::as_object).into_iter().flatten() {
            if !SETTINGS.contains(&name.as_str()) {
                return Err(Answer::bad("settings", format!("Unrecognized key: \"{name}\"")));
            }
            board[name] = value.clone();
        }
        Ok(board)
    }

    /// The tiles by their keys, and the keys in order.
    fn tiles_of(&self, body: &Object, model_id: &str) -> Result<(Object, Vec<String>), Answer> {
        let presentations = body.get("queryPresentations").cloned().unwrap_or_default();
        let mut data = presentations["data"].as_object().cloned().unwrap_or_default();
        data.retain(|_, tile| !tile.is_null());
        if let Some(most) = self.knobs.documents_tile_cap.filter(|most| data.len() > *most as usize) {
            return Err(Answer::bad("queryPresentations.data", format!("at most {most} tiles")));
        }
        for (key, tile) in &data {
            let place = format!("queryPresentations.data.{key}");
            if key.parse::<u32>().is_ok_and(|number| number > 0) {
                self.check_tile(&place, tile, model_id)?;
            } else {
                return Err(Answer::bad(&place, "keys are positive integers"));
            }
        }
        let order = presentations["order"].as_array().cloned().unwrap_or_default();
        let order: Vec<String> = order.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if order.len() != data.len() || order.iter().any(|key| !data.contains_key(key)) {
            return Err(Answer::bad("queryPresentations.order", "must name every tile once"));
        }
        Ok((data, order))
    }

    fn check_tile(&self, place: &str, tile: &Value, model_id: &str) -> Result<(), Answer> {
        let kind = tile["type"].as_str().unwrap_or_default();
        if !KINDS.contains(&kind) {
            return Err(Answer::bad(
                place,
                format!("type: Invalid enum value. Received '{kind}'"),
            ));
        }
        let Some(query) = tile.get("query").and_then(Value::as_object) else {
            return Ok(());
        };
        if let Some(lacking) = QUERY.iter().find(|name| !query.contains_key(**name)) {
            return Err(Answer::bad(place, format!("query.{lacking}: Required")));
        }
        let mut filters = query["filters"].as_object().into_iter().flatten();
        if let Some((name, short)) = filters.find(|(_, filter)| !filter.is_object()) {
            let why = format!("query.filters.{name}: Expected object, received {}", kind_of(short));
            return Err(Answer::bad(place, why));
        }
        if self.knobs.documents_need_fields {
            let layers = self.layers(self.model(model_id)?, None, Viewpoint::CALLER)?;
            if let Plan::Planned { missing, .. } = plan(&layers, query)
                && let Some(field) = missing.first()
            {
                return Err(Answer::bad(
                    place,
                    format!("query.fields: Field {field} does not exist"),
                ));
            }
        }
        Ok(())
    }

    /// A tile as an export has it. The server binds its query to the new document's own model, whatever it named; a file
    /// that was uploaded to another document is not there.
    fn presentation(&self, key: &str, tile: &Value) -> Value {
        let mut presentation = json!({
            "id": "", "miniUuid": key, "organizationId": self.id, "queryPresentationCollectionId": "", "createdAt": "",
            "updatedAt": "", "ephemeral": null, "queryId": null, "visConfigId": null, "modelId": "workbook", "renamed": true,
        });
        for (name, value) in picked(tile, &TILE)
            .into_iter()
            .filter(|(name, _)| name != "fileUploadId")
        {
            presentation[name] = value;
        }
        if let Some(query) = tile.get("query").and_then(Value::as_object) {
            let mut query = query.clone();
            query.remove("model_extension_id");
            query.insert("modelId".into(), json!("workbook"));
            query.insert("metadata".into(), json!({"model_id": "workbook"}));
            presentation["query"] =
                json!({"id": "", "createdAt": "", "jsonHash": "", "modelId": "workbook", "queryJson": query});
        }
        if let Some(chart) = tile.get("chart") {
            let mut written = json!({"id": "", "createdAt": "", "jsonHash": "", "spec": {}});
            for (name, value) in picked(chart, &["visType", "chartType", "fields", "spec"]) {
                written[name] = value;
            }
            presentation["visConfig"] = written;
        }
        presentation
    }
}

fn key(at: usize) -> String {
    (at + 1).to_string()
}

/// A text of 1 to so many characters that may be absent.
fn of_length(body: &Object, field: &str, most: usize) -> Result<Option<String>, Answer> {
    let text = optional_text(body, field)?;
    match text.map(|text| text.chars().count()) {
        Some(0) => Err(Answer::bad(field, "String must contain at least 1 character(s)")),
        Some(long) if long > most => {
            let why = format!("String must contain at most {most} character(s)");
            Err(Answer::bad(field, why))
        }
        _ => Ok(text.map(str::to_owned)),
    }
}

/// The layout: its pages, or all tiles one below the other where none is asked for.
fn pages(body: &Object, order: &[String]) -> Result<Value, Answer> {
    let Some(containers) = body.get("containers") else {
        let place = |(at, key): (usize, &String)| json!({"i": key, "x": 0, "y": 20 * at, "w": 12, "h": 20, "moved": false, "static": false});
        let places: Vec<Value> = order.iter().enumerate().map(place).collect();
        return Ok(json!({
            "layouts": {"lg": places}, "textTiles": [], "hiddenTiles": [], "tileSettings": {}, "tileControlMap": {},
            "tileFilterMap": {},
        }));
    };
    // A workbook without a dashboard is none of what is simulated.
    let pages = containers
        .as_array()
        .filter(|pages| (1..=MOST_PAGES).contains(&pages.len()));
    let pages = pages.ok_or_else(|| Answer::bad("containers", format!("must hold 1 to {MOST_PAGES} pages")))?;
    let mut metadata = pages[0].clone();
    if !metadata.is_object() {
        return Err(Answer::bad(
            "containers.0",
            format!("Expected object, received {}", kind_of(&metadata)),
        ));
    }
    if pages.len() > 1 {
        metadata["pages"] = json!(pages[1..]);
    }
    Ok(metadata)
}
