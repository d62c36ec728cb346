//! Imports: a copy with ids of its own, published at once, and QUERY models of tabs recreated empty.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::export::decompile;
use super::http::{Answer, Call, Object, Reply, kind_of, optional_text, required_text, uuid};
use super::knobs::{IdentifierClash, ImportAnswer, ImportFolder};
use super::metadata::Metadata;
use super::organisation::{Document, Files, ModelKind, Organisation};
use super::renew::{DashboardIds, NewIds, renew_uploads};

pub(super) static IDENTIFIER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$").expect("a fixed pattern"));

const IMPORT_KEYS: [&str; 9] = [
    "baseModelId",
    "dashboard",
    "document",
    "exportVersion",
    "fileUploads",
    "folderPath",
    "identifier",
    "queryModels",
    "workbookModel",
];

/// A body that was read and found importable.
struct Parcel {
    base_model_id: String,
    connection_id: String,
    name: String,
    identifier: Option<String>,
    folder_path: Option<String>,
    dashboard: Value,
    workbook_model: Value,
    query_models: Object,
    file_uploads: Object,
}

impl Organisation {
    pub(super) fn import_document(&mut self, call: &Call) -> Reply {
        let parcel = self.read_parcel(call)?;
        let folder_id = self.place_of(&parcel)?;
        let identifier = self.free_identifier(parcel.identifier.as_deref())?;
        let (id, mini_uuids) = self.unpack(parcel, folder_id, identifier);
        let document = &self.documents[&id];
        Ok(match self.knobs.import_answer {
            ImportAnswer::Identifiers => Answer::json(
                201,
                json!({"documentId": document.id, "identifier": document.identifier}),
            ),
            ImportAnswer::Workbook => {
                let mut answer = json!({
                    "dashboard": {"dashboardId": document.dashboard_id},
                    "workbook": {
                        "id": document.id, "identifier": document.identifier, "folderId": document.folder_id,
                        "documentId": document.id,
                    },
                });
                if self.knobs.import_mini_uuid_map {
                    answer["miniUuidMap"] = json!(mini_uuids);
                }
                Answer::ok(answer)
            }
            ImportAnswer::Unknown => Answer::ok(json!({"result": {"imported": true}})),
        })
    }

    fn read_parcel(&self, call: &Call) -> Result<Parcel, Answer> {
        let mut body = call.any_body()?;
        if self.knobs.import_ignores_folder_id {
            body.remove("folderId");
        }
        if let Some(key) = body.keys().find(|key| !IMPORT_KEYS.contains(&key.as_str())) {
            return Err(Answer::refusal(400, format!("Unrecognized key(s) in object: '{key}'")));
        }
        let base_model_id = required_text(&body, "baseModelId")?.to_owned();
        uuid("baseModelId", &base_model_id)?;
        match body.get("exportVersion").and_then(Value::as_str) {
            Some("0.1") => {}
            _ => return Err(Answer::bad("exportVersion", "Invalid literal value, expected \"0.1\"")),
        }
        let document = map_field(&mut body, "document")?.ok_or_else(|| Answer::bad("document", "Required"))?;
        let name = document.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| Answer::bad("document.name", "Required"))?.to_owned();
        let dashboard = map_field(&mut body, "dashboard")?.ok_or_else(|| Answer::bad("dashboard", "Required"))?;
        let workbook_model = map_field(&mut body, "workbookModel")?.unwrap_or_default();
        let query_models =
            map_field(&mut body, "queryModels")?.ok_or_else(|| Answer::bad("queryModels", "Required"))?;
        let file_uploads = map_field(&mut body, "fileUploads")?.unwrap_or_default();
        let identifier = optional_text(&body, "identifier")?.map(str::to_owned);
        let folder_path = optional_text(&body, "folderPath")?.map(str::to_owned);
        if identifier
            .as_ref()
            .is_some_and(|text| !(2..=48).contains(&text.len()) || !IDENTIFIER.is_match(text))
        {
            return Err(Answer::bad("identifier", "Invalid"));
        }
        let base = self.model(&base_model_id)?;
        if base.kind != ModelKind::Shared && base.kind != ModelKind::SharedExtension {
            return Err(Answer::not_found(format!(
                "Shared model with id {base_model_id} does not exist"
            )));
        }
        Ok(Parcel {
            connection_id: base.connection_id.clone(),
            base_model_id,
            name,
            identifier,
            folder_path,
            dashboard: Value::Object(dashboard),
            workbook_model: Value::Object(workbook_model),
            query_models,
            file_uploads,
        })
    }

    fn place_of(&self, parcel: &Parcel) -> Result<Option<String>, Answer> {
        let Some(path) = &parcel.folder_path else {
            return Ok(None);
        };
        let folder = self
            .folder_at(path)
            .ok_or_else(|| Answer::not_found(format!("Folder with path {path} does not exist")))?;
        Ok((self.knobs.import_folder == ImportFolder::Honour).then(|| folder.id.clone()))
    }

    /// An identifier is in use; the trash and former identifiers hold theirs too.
    pub(super) fn is_taken(&self, identifier: &str) -> bool {
        self.redirects.contains_key(identifier) || self.documents.values().any(|it| it.identifier == identifier)
    }

    /// The identifier of the copy.
    fn free_identifier(&mut self, wanted: Option<&str>) -> Result<String, Answer> {
        let Some(wanted) = wanted else {
            return Ok(self.ids.identifier());
        };
        if !self.is_taken(wanted) {
            return Ok(wanted.to_owned());
        }
        match self.knobs.identifier_clash {
            IdentifierClash::Reject => Err(Answer::bad("identifier", "already in use")),
            IdentifierClash::Suffix => {
                let suffixed = (1..)
                    .map(|number| format!("{wanted}-{number}"))
                    .find(|text| !self.is_taken(text));
                Ok(suffixed.unwrap_or_default())
            }
            IdentifierClash::Overwrite => Ok(wanted.to_owned()),
        }
    }

    /// Makes the copy. Gives its document id and which tile became which.
    fn unpack(
        &mut self,
        mut parcel: Parcel,
        folder_id: Option<String>,
        identifier: String,
    ) -> (String, BTreeMap<String, String>) {
        let replaced = self
            .documents
            .values()
            .find(|document| document.identifier == identifier);
        let id = replaced
            .map(|document| document.id.clone())
            .unwrap_or_else(|| self.ids.uuid());
        if self.knobs.import_drops_tile {
            drop_last_tile(&mut parcel.dashboard);
        }
        let files = decompile(&parcel.workbook_model);
        let workbook_model_id =
            self.add_local(ModelKind::Workbook, &parcel.connection_id, &parcel.base_model_id, files);
        let query_models = self.add_query_models(&parcel, &workbook_model_id);
        let mut new_ids = NewIds {
            mini_uuids: BTreeMap::new(),
            uploads: self.new_upload_ids(&parcel.file_uploads),
        };
        let dashboard_id = self.ids.uuid();
        let ids = DashboardIds {
            document: &id,
            dashboard: &dashboard_id,
            workbook_model: &workbook_model_id,
            base_model: &parcel.base_model_id,
            connection: &parcel.connection_id,
            identifier: &identifier,
            query_models: &query_models,
        };
        self.renew_dashboard(&mut parcel.dashboard, &parcel.name, &ids, &mut new_ids);
        let now = self.clock.stamp();
        let personal = self.knobs.import_folder == ImportFolder::Personal;
        let folder_scope = folder_id
            .as_ref()
            .and_then(|id| self.folders.get(id))
            .map(|folder| folder.scope.clone());
        let document = Document {
            id: id.clone(),
            identifier,
            name: parcel.name,
            dashboard_id,
            dashboard_mini_uuid: self.ids.identifier(),
            folder_id,
            scope: folder_scope.unwrap_or_else(|| if personal { "restricted" } else { "organization" }.to_owned()),
            shared_model_id: parcel.base_model_id,
            workbook_model_id,
            query_model_ids: query_models.into_values().collect(),
            dashboard: parcel.dashboard,
            file_uploads: renew_uploads(parcel.file_uploads, &new_ids.uploads),
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
            published_at: now,
            deleted_at: None,
            past: Vec::new(),
        };
        self.keep(document);
        (id, new_ids.mini_uuids)
    }

    /// Which upload gets which new id; none where uploads keep theirs.
    fn new_upload_ids(&mut self, uploads: &Object) -> BTreeMap<String, String> {
        if !self.knobs.import_renews_upload_ids {
            return BTreeMap::new();
        }
        uploads.keys().map(|old| (old.clone(), self.ids.uuid())).collect()
    }

    /// Takes a document in; one that it replaces goes, with its models.
    fn keep(&mut self, document: Document) {
        self.redirects.remove(&document.identifier);
        if let Some(old) = self.documents.insert(document.id.clone(), document) {
            for model in old.query_model_ids.iter().chain([&old.workbook_model_id]) {
                self.models.remove(model);
            }
        }
    }

    /// Makes a model that belongs to one document.
    pub(super) fn add_local(&mut self, kind: ModelKind, connection_id: &str, base: &str, files: Files) -> String {
        let model = self.add_model(kind, None, connection_id, Some(base.to_owned()));
        model.files = files;
        model.id.clone()
    }

    /// Makes a QUERY model for each one in the body, empty as Omni leaves it; old id to new id.
    fn add_query_models(&mut self, parcel: &Parcel, workbook_model_id: &str) -> BTreeMap<String, String> {
        let fill = self.knobs.import_fills_query_models;
        let mut query_models = BTreeMap::new();
        for (old, compiled) in &parcel.query_models {
            let files = if fill { decompile(compiled) } else { Files::new() };
            let new = self.add_local(ModelKind::Query, &parcel.connection_id, workbook_model_id, files);
            query_models.insert(old.clone(), new);
        }
        query_models
    }
}

fn drop_last_tile(dashboard: &mut Value) {
    let path = "/queryPresentationCollection/queryPresentationCollectionMemberships";
    if let Some(memberships) = dashboard.pointer_mut(path).and_then(Value::as_array_mut) {
        memberships.pop();
    }
}

fn map_field(body: &mut Object, field: &str) -> Result<Option<Object>, Answer> {
    match body.remove(field) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(other) => Err(Answer::bad(
            field,
            format!("Expected object, received {}", kind_of(&other)),
        )),
    }
}
