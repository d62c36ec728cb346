//! What an embed user sees: the look through a tenant's eyes.

use serde_json::{Value, json};

use super::documents::{tile_query, tiles};
use super::http::Object;
use super::organisation::{Document, Organisation, Principal};
use super::query::plan;
use super::viewpoint::{Attributes, Environment, Viewpoint};

/// The group that every embed user is put into at sign-in.
pub(super) const EMBED_GROUP: &str = "embed-viewers";

impl Organisation {
    /// Lists the documents that an embed user may open, and for each tile whether its query compiles. Any external id
    /// will do, since an embed sign-in makes the user that it names.
    pub(super) fn see(&self, external_id: &str, environment: &str) -> Value {
        let mut documents: Vec<&Document> = self
            .documents
            .values()
            .filter(|document| self.embed_user_may_open(document))
            .collect();
        documents.sort_by_key(|document| (self.folder_of(document)["path"].to_string(), document.name.clone()));
        let unknown = Attributes::new();
        let attributes = self
            .embed_user_named(external_id)
            .map_or(&unknown, |user| &user.attributes);
        let viewpoint = Viewpoint::of(attributes).in_environment(Environment::Value(environment));
        let mut seen = Vec::new();
        for document in documents {
            let model = self.models.get(&document.shared_model_id);
            seen.push(json!({
                "identifier": document.identifier, "documentId": document.id, "dashboardId": document.dashboard_id,
                "name": document.name, "folderPath": self.folder_of(document)["path"],
                "model": {"id": document.shared_model_id, "name": model.and_then(|model| model.name.as_ref())},
                "tiles": self.tiles_seen(document, viewpoint),
            }));
        }
        json!({"as": external_id, "environment": environment, "documents": seen})
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

    fn tiles_seen(&self, document: &Document, viewpoint: Viewpoint<'_>) -> Vec<Value> {
        let seen = tiles(&document.dashboard).map(|tile| {
            let complaint = tile_query(tile).and_then(|query| self.complaint(document, query, viewpoint));
            json!({
                "name": tile["name"], "miniUuid": tile["miniUuid"], "compiles": complaint.is_none(),
                "reason": complaint,
            })
        });
        seen.collect()
    }

    /// Why a query of this document does not compile there, or nothing if it does.
    fn complaint(&self, document: &Document, query: &Object, viewpoint: Viewpoint<'_>) -> Option<String> {
        match self.layers_of_query(&document.workbook_model_id, query, None, viewpoint) {
            Ok(layers) => plan(&layers, query).complaint(),
            Err(refusal) => Some(refusal.body),
        }
    }
}
