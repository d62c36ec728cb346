//! What an embed user sees: the look through a tenant's eyes.

use serde_json::{Value, json};

use super::documents::{tile_query, tiles};
use super::http::{Answer, Call, Reply};
use super::layers::Viewpoint;
use super::organisation::{Document, Organisation, Principal};
use super::query::plan;

/// The group that every embed user is put into at sign-in.
pub(super) const EMBED_GROUP: &str = "embed-viewers";

impl Organisation {
    /// Lists the documents that an embed user may open, and for each tile whether its query compiles. Any external id
    /// will do, since an embed sign-in makes the user that it names.
    pub(super) fn see(&self, call: &Call) -> Reply {
        let Some(external_id) = call.param("as") else {
            return Err(Answer::bad("as", "Required"));
        };
        let environment = call.param("environment").unwrap_or("production");
        let mut documents: Vec<&Document> = self
            .documents
            .values()
            .filter(|document| self.embed_user_may_open(document))
            .collect();
        documents.sort_by_key(|document| (self.folder_of(document)["path"].to_string(), document.name.clone()));
        let mut seen = Vec::new();
        for document in documents {
            let model = self.models.get(&document.shared_model_id);
            seen.push(json!({
                "identifier": document.identifier, "documentId": document.id, "dashboardId": document.dashboard_id,
                "name": document.name, "folderPath": self.folder_of(document)["path"],
                "model": {"id": document.shared_model_id, "name": model.and_then(|model| model.name.as_ref())},
                "tiles": self.tiles_seen(document, environment)?,
            }));
        }
        Ok(Answer::ok(
            json!({"as": external_id, "environment": environment, "documents": seen}),
        ))
    }

    fn embed_user_may_open(&self, document: &Document) -> bool {
        let Some(group) = self.group_named(EMBED_GROUP) else {
            return false;
        };
        let Some(folder) = document.folder_id.as_deref().filter(|_| document.deleted_at.is_none()) else {
            return false;
        };
        let permits = self.permits_in_effect(folder);
        let permit = permits.get(&Principal::Group(group.mini_uuid.clone()));
        permit.is_some_and(|permit| permit.role != "NO_ACCESS")
            && self.group_may_view(&group.mini_uuid, &document.shared_model_id)
    }

    fn tiles_seen(&self, document: &Document, environment: &str) -> Result<Vec<Value>, Answer> {
        let mut seen = Vec::new();
        for tile in tiles(&document.dashboard) {
            let complaint = match tile_query(tile) {
                Some(query) => self.complaint(document, query, environment)?,
                None => None,
            };
            seen.push(json!({
                "name": tile["name"], "miniUuid": tile["miniUuid"], "compiles": complaint.is_none(),
                "reason": complaint,
            }));
        }
        Ok(seen)
    }

    fn complaint(
        &self,
        document: &Document,
        query: &super::http::Object,
        environment: &str,
    ) -> Result<Option<String>, Answer> {
        let viewpoint = Viewpoint::Value(environment);
        match self.layers_of_query(&document.workbook_model_id, query, None, viewpoint) {
            Ok(layers) => Ok(plan(&layers, query).complaint()),
            Err(refusal) if refusal.status == 404 => Ok(Some("its model does not exist".to_owned())),
            Err(refusal) => Err(refusal),
        }
    }
}
