//! The whole organisation as one JSON value, for assertions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::Object;
use super::organisation::{Document, Model, Organisation, Permit, Principal};

impl Organisation {
    /// The whole organisation in a stable order, for assertions.
    pub(super) fn state(&self) -> Value {
        json!({
            "connections": self.connections.iter().map(|connection| json!({
                "id": connection.id, "name": connection.name, "baseRole": connection.base_role,
                "environmentAttribute": connection.environment_attribute,
            })).collect::<Vec<_>>(),
            "models": self.models.values().map(|model| self.model_state(model)).collect::<Vec<_>>(),
            "folders": self.folders.values().map(|folder| json!({
                "id": folder.id, "name": folder.name, "path": folder.path, "scope": folder.scope,
                "permits": folder.permits.iter().map(|(principal, permit)| self.permit_state(principal, permit))
                    .collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "documents": self.documents.values().map(|document| self.document_state(document)).collect::<Vec<_>>(),
            "redirects": self.redirects,
            "labels": self.labels.iter().map(|label| &label.name).collect::<Vec<_>>(),
            "schedules": self.schedules.iter().map(|it| self.schedule_record(it)).collect::<Vec<_>>(),
            "embedUsers": self.embed_users.iter().map(|user| json!({
                "externalId": user.external_id, "id": user.id, "name": user.name, "attributes": user.attributes,
            })).collect::<Vec<_>>(),
            "groups": self.groups.iter().map(|group| json!({"id": group.mini_uuid, "name": group.name}))
                .collect::<Vec<_>>(),
            "roles": self.roles.iter().map(|grant| {
                let mut entry = self.principal_state(&grant.principal);
                entry.insert("role".into(), json!(grant.role));
                entry.insert("connectionId".into(), json!(grant.connection_id));
                entry.insert("modelId".into(), json!(grant.model_id));
                Value::Object(entry)
            }).collect::<Vec<_>>(),
        })
    }

    fn model_state(&self, model: &Model) -> Value {
        let files: BTreeMap<&str, &str> = model
            .files
            .iter()
            .map(|(name, file)| (name.as_str(), file.text.as_str()))
            .collect();
        json!({
            "id": model.id, "kind": model.kind.name(), "name": model.name, "connectionId": model.connection_id,
            "baseModelId": model.base_model_id, "files": files, "updatedAt": model.updated_at.to_string(),
            "deleted": model.deleted_at.is_some(),
            "branches": self.branches(&model.id).map(|branch| json!({"id": branch.id, "name": branch.name}))
                .collect::<Vec<_>>(),
        })
    }

    fn document_state(&self, document: &Document) -> Value {
        let mut state = json!({
            "identifier": document.identifier, "documentId": document.id, "name": document.name,
            "dashboardId": document.dashboard_id,
            "folderPath": document.folder_id.as_ref().and_then(|id| self.folders.get(id)).map(|folder| &folder.path),
            "scope": document.scope, "modelId": document.shared_model_id,
            "workbookModelId": document.workbook_model_id, "queryModelIds": document.query_model_ids,
            "export": self.export_body(document), "deleted": document.deleted_at.is_some(),
            "updatedAt": document.updated_at.to_string(),
        });
        if let (Value::Object(state), Value::Object(metadata)) = (&mut state, self.metadata_state(&document.metadata)) {
            state.extend(metadata);
        }
        state
    }

    fn principal_state(&self, principal: &Principal) -> Object {
        let mut entry = Object::new();
        match principal {
            Principal::User(id) => entry.insert("userId".into(), json!(id)),
            Principal::Group(id) => {
                let name = self
                    .groups
                    .iter()
                    .find(|group| &group.mini_uuid == id)
                    .map(|group| &group.name);
                entry.insert("userGroup".into(), json!(name));
                entry.insert("userGroupId".into(), json!(id))
            }
        };
        entry
    }

    pub(super) fn permit_state(&self, principal: &Principal, permit: &Permit) -> Value {
        let mut entry = self.principal_state(principal);
        entry.insert("role".into(), json!(permit.role));
        entry.insert("accessBoost".into(), json!(permit.access_boost));
        Value::Object(entry)
    }
}
