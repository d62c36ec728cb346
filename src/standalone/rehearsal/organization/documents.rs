//! Documents: imported, exported again as Omni gives them back, moved, labelled, listed. Those of the newer documents API
//! are in [`super::published`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::access::Access;
use super::{LATER, State, is_last_page, is_tried, parameter, text};
use crate::model_version::content::compare::mapped;
use crate::model_version::content::query_views::Aliases;
use crate::model_version::definition::Files;
use crate::ports::Request;

/// How many documents Omni lists a page.
const PAGE: usize = 100;

/// A document that was imported, or created.
pub(super) struct Document {
    /// The identifier of what it is a copy of.
    pub(super) source: String,
    /// The model of its source's workbook.
    pub(super) source_workbook: String,
    /// Its own workbook's model is empty until files are written to it: no import made it.
    pub(super) created: bool,
    name: String,
    pub(super) model: String,
    folder: String,
    labels: BTreeSet<String>,
    pub(super) access: Access,
    /// What it was imported as, with ids of its own.
    body: Value,
    /// Its description of itself, as an export begins.
    about: Value,
}

/// A document that was there before, and was moved.
pub(super) struct Moved {
    path: String,
    /// As lists show it; nothing where it was never listed.
    record: Option<Value>,
}

/// Where an export names the document, and where the model of its workbook.
const OF_DOCUMENT: [&str; 3] = ["/document/documentId", "/document/workbookId", "/dashboard/workbookId"];
const OF_DASHBOARD: [&str; 2] = ["/document/dashboardId", "/dashboard/id"];
const OF_WORKBOOK: [&str; 4] = [
    "/document/modelId",
    "/dashboard/modelId",
    "/dashboard/model/id",
    "/workbookModel/id",
];

/// What a local model holds, as an export shows it.
const LOCAL: [&str; 3] = ["views", "topics", "relationships"];

/// The id of the model of a document's workbook.
pub(super) fn workbook_model(identifier: &str) -> String {
    format!("{{workbook model of {identifier}}}")
}

/// Takes everything out of a local model as an export shows it.
fn empty(model: &mut Value) {
    for list in LOCAL {
        model[list] = json!([]);
    }
}

impl State {
    /// Everything gets ids of its own but tiles, which are told by their places.
    pub(super) fn import(&mut self, body: &Value) -> Value {
        let identifier = text(body, "identifier").to_owned();
        let named = |what: &str| format!("{{{what} {identifier}}}");
        let source = text(&body["document"], "identifier").to_owned();
        let mut ids = BTreeMap::new();
        for (paths, id) in [
            (OF_DOCUMENT.as_slice(), named("document")),
            (OF_DASHBOARD.as_slice(), named("dashboard")),
            (OF_WORKBOOK.as_slice(), workbook_model(&identifier)),
        ] {
            for old in paths.iter().filter_map(|path| body.pointer(path)?.as_str()) {
                ids.entry(old.to_owned()).or_insert_with(|| id.clone());
            }
        }
        for path in ["/document/identifier", "/dashboard/identifier"] {
            if let Some(old) = body.pointer(path).and_then(Value::as_str) {
                ids.entry(old.to_owned()).or_insert_with(|| identifier.clone());
            }
        }
        for (number, old) in body["queryModels"].as_object().into_iter().flatten().enumerate() {
            let id = format!("{{model of tab {} of {identifier}}}", number + 1);
            self.files.insert((id.clone(), None), json!({"files": {}}));
            ids.insert(old.0.clone(), id);
        }
        let mut made = json!({"exportVersion": "0.1"});
        for part in ["dashboard", "workbookModel", "queryModels"] {
            made[part] = mapped(&body[part], &ids);
        }
        made["fileUploads"] = body["fileUploads"].clone();
        let (model, folder) = (text(body, "baseModelId"), text(body, "folderPath"));
        let mut about = body["document"].clone();
        for (name, value) in [
            ("identifier", json!(identifier)),
            ("documentId", json!(named("document"))),
            ("workbookId", json!(named("document"))),
            ("dashboardId", json!(named("dashboard"))),
            ("modelId", json!(workbook_model(&identifier))),
            ("sharedModelId", json!(model)),
            ("sharedModel", json!({"id": model})),
            ("updatedAt", json!(LATER)),
        ] {
            about[name] = value;
        }
        let answer = json!({"documentId": named("document"), "identifier": identifier});
        let document = Document {
            source,
            source_workbook: text(&body["workbookModel"], "id").to_owned(),
            created: false,
            name: text(&body["document"], "name").to_owned(),
            model: model.to_owned(),
            folder: folder.to_owned(),
            labels: BTreeSet::new(),
            access: Access::default(),
            body: made,
            about,
        };
        self.documents.insert(identifier, document);
        answer
    }

    /// The models of its tabs come back empty until their files are written, and that of its workbook where it was created.
    pub(super) fn export(&self, identifier: &str) -> Option<Value> {
        let document = self.documents.get(identifier)?;
        let mut export = document.body.clone();
        export["document"] = document.about.clone();
        export["document"]["folder"] = json!({"path": document.folder});
        for (id, model) in export["queryModels"].as_object_mut().into_iter().flatten() {
            let key = (id.clone(), None);
            if self.written.contains(&key) {
                let files = self.files.get(&key).and_then(|it| it["files"].as_object());
                let files = files.into_iter().flatten();
                let files: Files = files
                    .filter_map(|(name, yaml)| Some((name.clone(), yaml.as_str()?.to_owned())))
                    .collect();
                Aliases::of(&files).rewrite_model(model);
            } else {
                empty(model);
            }
        }
        if document.created && !self.has_files_of(&document.source_workbook, &workbook_model(identifier)) {
            empty(&mut export["workbookModel"]);
        }
        Some(export)
    }

    pub(super) fn amend_export(&self, identifier: &str, export: &mut Value) {
        if let Some(moved) = self.moved.get(identifier) {
            export["document"]["folder"] = json!({"path": moved.path});
        }
    }

    pub(super) fn move_document(&mut self, identifier: &str, body: &Value) -> Value {
        let path = text(body, "folderPath").to_owned();
        match self.documents.get_mut(identifier) {
            Some(document) => document.folder = path,
            None => {
                let lists = self
                    .read
                    .iter()
                    .filter(|(name, _)| name.starts_with("GET /v1/documents "));
                let records = lists.filter_map(|(_, answer)| answer.as_ref().ok()?["records"].as_array());
                let record = records
                    .flatten()
                    .find(|it| text(it, "identifier") == identifier)
                    .cloned();
                self.moved.insert(identifier.to_owned(), Moved { path, record });
            }
        }
        json!({"success": true})
    }

    pub(super) fn label(&mut self, identifier: &str, body: &Value) -> Value {
        if let Some(document) = self.documents.get_mut(identifier) {
            let added = body["add"].as_array().into_iter().flatten();
            document
                .labels
                .extend(added.filter_map(|it| it.as_str().map(ToOwned::to_owned)));
        }
        json!({"success": true})
    }

    /// The list of a folder that was made.
    pub(super) fn documents_of_a_new_folder(&self, request: &Request<'_>) -> Option<Value> {
        let folder = parameter(request, "folderId").filter(|id| is_tried(id))?;
        let records = self.records_in(Some(folder));
        let from: usize = parameter(request, "cursor").and_then(|it| it.parse().ok()).unwrap_or(0);
        let until = (from + PAGE).min(records.len());
        let mut info = json!({"hasNextPage": until < records.len(), "totalRecords": records.len()});
        if until < records.len() {
            info["nextCursor"] = json!(until.to_string());
        }
        Some(json!({"records": records.get(from..until).unwrap_or_default(), "pageInfo": info}))
    }

    pub(super) fn amend_documents(&self, request: &Request<'_>, list: &mut Value) {
        let folder = parameter(request, "folderId");
        let path = folder.and_then(|id| self.path_of(id));
        let last = is_last_page(list);
        let Some(records) = list["records"].as_array_mut() else {
            return;
        };
        // One that was moved is listed where it is now, at the end.
        records.retain(|record| !self.moved.contains_key(text(record, "identifier")));
        if last {
            let here = self
                .moved
                .values()
                .filter(|it| folder.is_none() || Some(it.path.as_str()) == path);
            records.extend(here.filter_map(|it| {
                let mut record = it.record.clone()?;
                record["folder"] = json!({"path": it.path});
                Some(record)
            }));
            records.extend(self.records_in(folder));
        }
    }

    /// The documents that were imported into a folder, or all of them.
    fn records_in(&self, folder: Option<&str>) -> Vec<Value> {
        let path = folder.map(|id| self.path_of(id).unwrap_or_default());
        let here = self.documents.iter();
        let here = here.filter(|(_, it)| path.is_none_or(|path| it.folder == path));
        let record = |(identifier, it): (&String, &Document)| {
            json!({
                "identifier": identifier, "name": it.name, "folder": {"path": it.folder}, "updatedAt": LATER,
                "deleted": false, "labels": it.labels, "_count": {"favorites": 0},
            })
        };
        here.map(record).collect()
    }

    /// Nothing is found in what was imported: what Omni will find cannot be known.
    pub(super) fn content_validation(&self, model: &str) -> Option<Value> {
        let mut answer = json!({"content": []});
        self.amend_content_validation(model, &mut answer);
        is_tried(model).then_some(answer)
    }

    pub(super) fn amend_content_validation(&self, model: &str, answer: &mut Value) {
        let on_it = self.documents.iter().filter(|(_, it)| it.model == model);
        let clean = on_it.map(|(identifier, _)| json!({"identifier": identifier, "queries_and_issues": []}));
        if let Some(content) = answer["content"].as_array_mut() {
            content.extend(clean);
        }
    }
}
