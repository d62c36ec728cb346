//! Documents: list, look at, move, put into the trash.

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply, optional_text, paged};
use super::knobs::DocumentDefaults;
use super::labels::has_one_of;
use super::organisation::{Document, Organisation};

/// One tile of a document, as its dashboard holds it.
pub(super) fn tiles(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard
        .pointer("/queryPresentationCollection/queryPresentationCollectionMemberships")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|membership| membership.get("queryPresentation"))
}

/// The query of a tile; text tiles have none.
pub(super) fn tile_query(tile: &Value) -> Option<&Object> {
    tile.pointer("/query/queryJson").and_then(Value::as_object)
}

/// What a list of documents is asked to include.
fn included_of(call: &Call) -> Result<Vec<&str>, Answer> {
    const KNOWN: [&str; 5] = [
        "_count",
        "labels",
        "includeDeleted",
        "onlyFavorites",
        "onlySharedWithMe",
    ];
    let included: Vec<&str> = call
        .param("include")
        .map_or_else(Vec::new, |list| list.split(',').collect());
    match included.iter().find(|item| !KNOWN.contains(item)) {
        Some(unknown) => Err(Answer::bad(
            "include",
            format!("Invalid enum value. Received '{unknown}'"),
        )),
        None => Ok(included),
    }
}

impl Organisation {
    pub(super) fn live_documents_in(&self, folder_id: &str) -> impl Iterator<Item = &Document> {
        self.documents
            .values()
            .filter(move |document| document.deleted_at.is_none() && document.folder_id.as_deref() == Some(folder_id))
    }

    pub(super) fn list_documents(&self, call: &Call) -> Reply {
        let (size, descending) = match self.knobs.document_defaults {
            DocumentDefaults::Specification => (50, false),
            DocumentDefaults::Documentation => (20, true),
        };
        let (size, from) = call.page(size)?;
        let included = included_of(call)?;
        if included.contains(&"onlySharedWithMe") && call.param("userId").is_none() {
            return Err(Answer::refusal(400, "onlySharedWithMe requires userId"));
        }
        let labels = self.wanted_labels(call)?;
        self.check_member(call)?;
        let user = call.param("userId").and_then(|id| self.embed_user(id));
        let who = call.param("userId").unwrap_or(&self.owner.membership_id);
        let mut found: Vec<_> = self
            .documents
            .values()
            .map(|document| self.as_listed(document))
            .filter(|document| document.deleted_at.is_none() || included.contains(&"includeDeleted"))
            .filter(|document| self.listed(document.created_at))
            .filter(|document| {
                call.param("folderId")
                    .is_none_or(|id| document.folder_id.as_deref() == Some(id))
            })
            .filter(|document| has_one_of(document, labels.as_deref()))
            .filter(|document| user.is_none() || self.embed_user_may_open(document, user))
            .filter(|document| !included.contains(&"onlyFavorites") || document.metadata.favorites.contains(who))
            .filter(|_| call.param("creatorId").is_none_or(|id| id == self.owner.membership_id))
            .collect();
        match call.param("sortField").unwrap_or("name") {
            "favorites" => found.sort_by_key(|document| (document.metadata.favorites.len(), document.name.clone())),
            "name" | "visits" => found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id))),
            "updatedAt" => found.sort_by_key(|document| document.updated_at),
            other => {
                return Err(Answer::bad(
                    "sortField",
                    format!("Invalid enum value. Received '{other}'"),
                ));
            }
        }
        if call
            .param("sortDirection")
            .map_or(descending, |direction| direction == "desc")
        {
            found.reverse();
        }
        Ok(paged(
            found
                .iter()
                .map(|document| self.document_record(document, &included))
                .collect(),
            size,
            from,
        ))
    }

    /// What lists tell of a document: no word of its model.
    fn document_record(&self, document: &Document, included: &[&str]) -> Value {
        let mut record = json!({
            "identifier": document.identifier, "name": document.name, "type": "document",
            "description": document.metadata.description,
            "connectionId": self.models.get(&document.shared_model_id).map(|model| &model.connection_id),
            "folder": self.folder_of(document), "owner": {"id": self.owner.membership_id, "name": self.owner.name},
            "scope": document.scope, "hasDashboard": true, "deleted": document.deleted_at.is_some(),
            "updatedAt": document.updated_at.to_string(), "url": format!("/dashboards/{}", document.identifier),
        });
        if included.contains(&"labels") {
            record["labels"] = self.labels_shown(document);
        }
        if included.contains(&"_count") {
            record["_count"] = json!({"favorites": document.metadata.favorites.len(), "views": 0});
        }
        record
    }

    /// The folder of a document as records show it.
    pub(super) fn folder_of(&self, document: &Document) -> Value {
        let folder = document.folder_id.as_ref().and_then(|id| self.folders.get(id));
        folder.map_or(
            Value::Null,
            |folder| json!({"id": folder.id, "name": folder.name, "path": folder.path, "scope": folder.scope}),
        )
    }

    /// The older way to read one document.
    pub(super) fn read_document(&self, identifier: &str) -> Reply {
        let document = self.document(identifier)?;
        let collection = &document.dashboard["queryPresentationCollection"];
        Ok(Answer::ok(json!({
            "modelId": document.shared_model_id, "name": document.name,
            "description": document.metadata.description, "identifier": document.identifier, "facetFilters": document.dashboard["facetFilters"],
            "filterConfig": collection["filterConfig"], "filterOrder": collection["filterOrder"],
            "queryPresentations": tiles(&document.dashboard).collect::<Vec<_>>(),
            "refreshInterval": document.dashboard["refreshInterval"],
            "documentMetadata": document.dashboard["metadata"],
        })))
    }

    pub(super) fn document_queries(&self, identifier: &str) -> Reply {
        let document = self
            .document(identifier)
            .map_err(|_| Answer::not_found(format!("Document with id {identifier} does not exist")))?;
        let queries: Vec<Value> = tiles(&document.dashboard)
            .enumerate()
            .filter(|(_, tile)| tile_query(tile).is_some())
            .map(|(index, tile)| {
                json!({
                    "id": tile["queryId"], "name": tile["name"], "query": tile["query"]["queryJson"],
                    "queryIdentifierMapKey": (index + 1).to_string(),
                    "url": format!("/w/{}?tab={}", document.identifier, index + 1),
                })
            })
            .collect();
        Ok(Answer::ok(json!({"queries": queries})))
    }

    pub(super) fn move_document(&mut self, call: &Call, identifier: &str) -> Reply {
        let body = call.body(&["folderPath", "scope"])?;
        let path = match body.get("folderPath") {
            None => return Err(Answer::bad("folderPath", "Required")),
            Some(Value::Null) => None,
            Some(_) => optional_text(&body, "folderPath")?,
        };
        let scope = optional_text(&body, "scope")?;
        let document = self.document(identifier)?.id.clone();
        let folder = match path {
            None => None,
            Some(path) => Some(
                self.folder_at(path)
                    .ok_or_else(|| Answer::not_found(format!("Folder with path {path} does not exist")))?,
            ),
        };
        let folder_scope = folder.map_or("organization", |folder| folder.scope.as_str()).to_owned();
        if let Some(scope) = scope.filter(|scope| *scope != folder_scope) {
            return Err(Answer::refusal(
                400,
                format!("Scope \"{scope}\" and folder scope \"{folder_scope}\" do not match"),
            ));
        }
        let folder_id = folder.map(|folder| folder.id.clone());
        let now = self.clock.stamp();
        self.remember(&document, now);
        if let Some(document) = self.documents.get_mut(&document) {
            if document.folder_id != folder_id {
                document.updated_at = now;
            }
            document.folder_id = folder_id;
            document.scope = folder_scope;
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    pub(super) fn delete_document(&mut self, identifier: &str) -> Reply {
        let id = self.document(identifier)?.id.clone();
        self.trash_document(&id);
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Puts a document and its models into the trash; its identifier stays taken.
    pub(super) fn trash_document(&mut self, document_id: &str) {
        let now = self.clock.stamp();
        self.remember(document_id, now);
        let Some(document) = self.documents.get_mut(document_id) else {
            return;
        };
        document.deleted_at = Some(now);
        let models = document.query_model_ids.iter().chain([&document.workbook_model_id]);
        for id in models {
            if let Some(model) = self.models.get_mut(id) {
                model.deleted_at = Some(now);
            }
        }
    }

    /// Publishes a document again: its workbook model is a new one from then on.
    pub(super) fn publish(&mut self, document_id: &str) {
        let now = self.clock.stamp();
        let new_id = self.ids.uuid();
        let Some(document) = self.documents.get_mut(document_id) else {
            return;
        };
        let old_id = std::mem::replace(&mut document.workbook_model_id, new_id.clone());
        super::renew::rebind(&mut document.dashboard, &|property, text| {
            (super::renew::is_model_property(property) && text == old_id).then(|| new_id.clone())
        });
        document.dashboard["model"]["id"] = json!(new_id);
        document.updated_at = now;
        document.published_at = now;
        super::renew::rehash(&mut document.dashboard);
        for id in &document.query_model_ids {
            if let Some(model) = self.models.get_mut(id) {
                model.base_model_id = Some(new_id.clone());
            }
        }
        if let Some(mut model) = self.models.remove(&old_id) {
            model.id.clone_from(&new_id);
            model.updated_at = now;
            self.models.insert(new_id, model);
        }
    }
}
