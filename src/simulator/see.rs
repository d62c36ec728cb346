//! What an embed user sees: the look through a tenant's eyes.

use serde_json::{Value, json};

use super::documents::{tile_query, tiles};
use super::http::Object;
use super::organisation::{Document, Organisation};
use super::query::plan;
use super::viewpoint::{Attributes, Environment, Viewpoint};

/// The group that every embed user is put into at sign-in.
pub(super) const EMBED_GROUP: &str = "embed-viewers";

impl Organisation {
    /// Lists the documents that an embed user may open, and for each tile whether its query compiles. Any external id
    /// will do, since an embed sign-in makes the user that it names.
    pub(super) fn see(&self, external_id: &str, environment: &str) -> Value {
        let user = self.embed_user_named(external_id);
        let mut documents: Vec<&Document> = self
            .documents
            .values()
            .filter(|document| self.embed_user_may_open(document, user))
            .collect();
        documents.sort_by_key(|document| (self.folder_of(document)["path"].to_string(), document.name.clone()));
        let unknown = Attributes::new();
        let attributes = user.map_or(&unknown, |user| &user.attributes);
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

    /// The group of all embed users.
    pub(super) fn embed_group(&self) -> Option<&str> {
        self.group_named(EMBED_GROUP).map(|group| group.mini_uuid.as_str())
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
