//! Hands: edits that a person makes in Omni, without the API.

use serde_json::json;

use super::folders::CONTENT_ROLES;
use super::http::{Answer, Object, Reply, optional_text, optional_texts, required_text};
use super::metadata::Metadata;
use super::organisation::{Document, File, Files, Model, ModelKind, Organisation, Permit, Principal};
use super::renew::{DashboardIds, NewIds, rehash};

/// Every action with its fields.
const ACTIONS: [(&str, &[&str]); 22] = [
    ("rename_document", &["identifier", "name", "new_identifier"]),
    ("move_document", &["identifier", "folder_path"]),
    ("delete_document", &["identifier"]),
    ("restore_document", &["identifier"]),
    ("edit_document", &["identifier", "tile_name", "fields"]),
    (
        "create_document",
        &["name", "model", "identifier", "folder_path", "fields"],
    ),
    ("edit_model_file", &["model", "file_name", "yaml"]),
    ("create_model", &["name", "connection_id"]),
    ("rename_model", &["model", "name"]),
    ("delete_model", &["model"]),
    ("create_folder", &["name", "parent_path"]),
    ("rename_folder", &["path", "name", "new_path"]),
    ("delete_folder", &["path"]),
    ("set_permit", &["path", "user_group", "role"]),
    ("set_user", &["external_id", "name", "attributes"]),
    ("remove_attribute", &["external_id", "attribute"]),
    ("remove_user", &["external_id"]),
    ("describe_document", &["identifier", "description"]),
    ("set_git_ref", &["model", "git_ref"]),
    ("add_repository", &["clone_url", "path"]),
    ("add_schedule", &["identifier", "name", "alert"]),
    ("make_classic", &["identifier"]),
];

impl Organisation {
    /// Does what `action` says.
    pub(super) fn play_hand(&mut self, body: &Object) -> Reply {
        let action = required_text(body, "action")?;
        check_fields(action, body)?;
        match action {
            "rename_document" => self.hand_rename(body),
            "move_document" => self.hand_move(body),
            "delete_document" => self.delete_document(required_text(body, "identifier")?),
            "restore_document" => self.hand_restore(body),
            "edit_document" => self.hand_edit_document(body),
            "create_document" => self.hand_create_document(body),
            "edit_model_file" => self.hand_edit_file(body),
            "create_model" => self.hand_create_model(body),
            "rename_model" => self.hand_rename_model(body),
            "delete_model" => self.hand_delete_model(body),
            "create_folder" => self.hand_create_folder(body),
            "rename_folder" => self.hand_rename_folder(body),
            "delete_folder" => self.hand_delete_folder(body),
            "set_user" => self.hand_set_user(body),
            "remove_attribute" => self.hand_remove_attribute(body),
            "remove_user" => self.hand_remove_user(body),
            "describe_document" => self.hand_describe(body),
            "add_repository" => self.hand_add_repository(body),
            "set_git_ref" => self.hand_set_ref(body),
            "add_schedule" => self.hand_add_schedule(body),
            "make_classic" => self.hand_make_classic(body),
            _ => self.hand_set_permit(body),
        }
    }

    fn hand_rename(&mut self, body: &Object) -> Reply {
        let document = self.document(required_text(body, "identifier")?)?;
        let (id, old) = (document.id.clone(), document.identifier.clone());
        let name = optional_text(body, "name")?.map(str::to_owned);
        let new = optional_text(body, "new_identifier")?.map(str::to_owned);
        if let Some(new) = new.as_ref().filter(|new| self.document_or_trash(new).is_some()) {
            return Err(Answer::bad("new_identifier", format!("{new} is in use")));
        }
        let now = self.clock.stamp();
        self.remember(&id, now);
        if let Some(document) = self.documents.get_mut(&id) {
            document.updated_at = now;
            if let Some(name) = name {
                document.dashboard["name"] = json!(name);
                document.name = name;
            }
            if let Some(new) = new {
                document.dashboard["identifier"] = json!(new);
                document.dashboard["workbook"]["identifier"] = json!(new);
                document.identifier = new;
                self.redirects.insert(old, id);
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    fn hand_move(&mut self, body: &Object) -> Reply {
        let id = self.document(required_text(body, "identifier")?)?.id.clone();
        let folder_id = match optional_text(body, "folder_path")? {
            None => None,
            Some(path) => Some(self.folder_by_path(path)?),
        };
        let now = self.clock.stamp();
        self.remember(&id, now);
        if let Some(document) = self.documents.get_mut(&id) {
            document.folder_id = folder_id;
            document.updated_at = now;
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    fn folder_by_path(&self, path: &str) -> Result<String, Answer> {
        let missing = || Answer::not_found(format!("Folder with path {path} does not exist"));
        Ok(self.folder_at(path).ok_or_else(missing)?.id.clone())
    }

    /// Renames the first tile, or changes its fields, and publishes.
    fn hand_edit_document(&mut self, body: &Object) -> Reply {
        let id = self.document(required_text(body, "identifier")?)?.id.clone();
        let name = optional_text(body, "tile_name")?.unwrap_or("Edited by hand").to_owned();
        let fields = body.get("fields").cloned();
        let path = "/queryPresentationCollection/queryPresentationCollectionMemberships/0/queryPresentation";
        if let Some(document) = self.documents.get_mut(&id) {
            if let Some(tile) = document.dashboard.pointer_mut(path) {
                tile["name"] = json!(name);
                if let (Some(fields), Some(query)) = (fields, tile.pointer_mut("/query/queryJson")) {
                    query["fields"] = fields;
                }
            }
            rehash(&mut document.dashboard);
        }
        self.publish(&id);
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Gives a dashboard the layout of before the advanced one, and publishes.
    fn hand_make_classic(&mut self, body: &Object) -> Reply {
        let id = self.document(required_text(body, "identifier")?)?.id.clone();
        if let Some(document) = self.documents.get_mut(&id) {
            document.dashboard["metadataVersion"] = json!(1);
        }
        self.publish(&id);
        Ok(Answer::ok(json!({"success": true})))
    }

    pub(super) fn model_called(&self, body: &Object) -> Result<&Model, Answer> {
        let wanted = required_text(body, "model")?;
        let named = self.models.values().find(|model| {
            model.deleted_at.is_none() && model.kind == ModelKind::Shared && model.name.as_deref() == Some(wanted)
        });
        named.map_or_else(|| self.model(wanted), Ok)
    }

    fn hand_create_document(&mut self, body: &Object) -> Reply {
        let model = self.model_called(body)?;
        let (model_id, connection_id) = (model.id.clone(), model.connection_id.clone());
        let name = required_text(body, "name")?.to_owned();
        let folder_id = match optional_text(body, "folder_path")? {
            None => None,
            Some(path) => Some(self.folder_by_path(path)?),
        };
        let fields = body.get("fields").cloned().unwrap_or_else(|| json!(["patients.count"]));
        let table = fields[0]
            .as_str()
            .and_then(|field| field.split_once('.'))
            .map_or("patients", |(view, _)| view);
        let tile = json!({"name": name, "table": table, "topic": "", "fields": fields});
        let identifier = optional_text(body, "identifier")?.map(str::to_owned);
        let identifier = identifier.unwrap_or_else(|| self.ids.identifier());
        if self.document_or_trash(&identifier).is_some() {
            return Err(Answer::bad("identifier", format!("{identifier} is in use")));
        }
        let plan = super::seed::DashboardPlan {
            name,
            identifier: identifier.clone(),
            body: super::seed::expand(&json!({"tiles": [tile]}), self),
            workbook_files: Files::new(),
            tab_files: None,
            file_uploads: json!({}),
        };
        self.add_document(plan, &model_id, &connection_id, folder_id);
        Ok(Answer::ok(json!({"success": true, "identifier": identifier})))
    }

    /// Puts a new document together, with local models and ids of its own.
    pub(super) fn add_document(
        &mut self,
        mut plan: super::seed::DashboardPlan,
        model_id: &str,
        connection_id: &str,
        folder_id: Option<String>,
    ) {
        let id = self.ids.uuid();
        let dashboard_id = self.ids.uuid();
        let workbook = self.add_local(ModelKind::Workbook, connection_id, model_id, plan.workbook_files);
        let mut query_models = std::collections::BTreeMap::new();
        if let Some(files) = plan.tab_files {
            query_models.insert(
                "tab".to_owned(),
                self.add_local(ModelKind::Query, connection_id, &workbook, files),
            );
        }
        let ids = DashboardIds {
            document: &id,
            dashboard: &dashboard_id,
            workbook_model: &workbook,
            base_model: model_id,
            connection: connection_id,
            identifier: &plan.identifier,
            query_models: &query_models,
        };
        self.renew_dashboard(&mut plan.body, &plan.name, &ids, &mut NewIds::default());
        let now = self.clock.stamp();
        let document = Document {
            id: id.clone(),
            identifier: plan.identifier,
            name: plan.name,
            dashboard_id,
            dashboard_mini_uuid: self.ids.identifier(),
            folder_id,
            scope: "organization".to_owned(),
            shared_model_id: model_id.to_owned(),
            workbook_model_id: workbook,
            query_model_ids: query_models.into_values().collect(),
            dashboard: plan.body,
            file_uploads: plan.file_uploads,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
            published_at: now,
            deleted_at: None,
            past: Vec::new(),
        };
        self.documents.insert(id, document);
    }

    fn hand_edit_file(&mut self, body: &Object) -> Reply {
        let model_id = self.model_called(body)?.id.clone();
        let file_name = required_text(body, "file_name")?.to_owned();
        let file = match optional_text(body, "yaml")? {
            None => None,
            Some(text) => Some(File::new(text).map_err(|reason| Answer::bad("yaml", reason))?),
        };
        self.put_file(&model_id, &file_name, file);
        Ok(Answer::ok(json!({"success": true})))
    }

    fn hand_create_model(&mut self, body: &Object) -> Reply {
        let name = required_text(body, "name")?.to_owned();
        let connection_id = match optional_text(body, "connection_id")? {
            Some(id) => Some(id.to_owned()),
            None => self.connections.first().map(|connection| connection.id.clone()),
        };
        let connection_id = connection_id.ok_or_else(|| Answer::bad("connection_id", "Required"))?;
        let base = self.models.values().find(|model| {
            model.kind == ModelKind::Schema && model.connection_id == connection_id && model.deleted_at.is_none()
        });
        let base = base.map(|model| model.id.clone());
        let id = self
            .add_model(ModelKind::Shared, Some(name), &connection_id, base)
            .id
            .clone();
        Ok(Answer::ok(json!({"success": true, "id": id})))
    }

    fn hand_create_folder(&mut self, body: &Object) -> Reply {
        let parent = match optional_text(body, "parent_path")? {
            None => None,
            Some(path) => Some(self.folder_by_path(path)?),
        };
        let folder = self.add_folder(required_text(body, "name")?, parent.as_deref(), "organization")?;
        Ok(Answer::ok(
            json!({"success": true, "id": folder.id, "path": folder.path}),
        ))
    }

    fn hand_restore(&mut self, body: &Object) -> Reply {
        let identifier = required_text(body, "identifier")?;
        let missing = || Answer::not_found(format!("Document with identifier \"{identifier}\" is not in the trash"));
        let found = self.document_or_trash(identifier).filter(|it| it.deleted_at.is_some());
        let id = found.ok_or_else(missing)?.id.clone();
        let now = self.clock.stamp();
        self.remember(&id, now);
        let Some(document) = self.documents.get_mut(&id) else {
            return Err(missing());
        };
        document.deleted_at = None;
        document.updated_at = now;
        for id in document.query_model_ids.iter().chain([&document.workbook_model_id]) {
            if let Some(model) = self.models.get_mut(id) {
                model.deleted_at = None;
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    fn hand_rename_model(&mut self, body: &Object) -> Reply {
        let id = self.model_called(body)?.id.clone();
        let name = required_text(body, "name")?.to_owned();
        let now = self.clock.stamp();
        if let Some(model) = self.models.get_mut(&id) {
            model.name = Some(name);
            model.updated_at = now;
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Puts a model into the trash, and with it all that was built on it, wherever it stands.
    fn hand_delete_model(&mut self, body: &Object) -> Reply {
        let id = self.model_called(body)?.id.clone();
        let built_on_it = |document: &&Document| document.shared_model_id == id && document.deleted_at.is_none();
        let documents: Vec<String> = self
            .documents
            .values()
            .filter(built_on_it)
            .map(|it| it.id.clone())
            .collect();
        for document in documents {
            self.trash_document(&document);
        }
        let now = self.clock.stamp();
        for model in self.models.values_mut() {
            if model.id == id || model.base_model_id.as_ref() == Some(&id) {
                model.deleted_at.get_or_insert(now);
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Gives a folder another name, another path, or both; what lies below goes with it.
    fn hand_rename_folder(&mut self, body: &Object) -> Reply {
        let path = required_text(body, "path")?.to_owned();
        let id = self.folder_by_path(&path)?;
        let name = optional_text(body, "name")?.map(str::to_owned);
        let new_path = optional_text(body, "new_path")?.map(str::to_owned);
        if let Some(taken) = new_path.as_ref().filter(|new| self.folder_at(new).is_some()) {
            return Err(Answer::bad("new_path", format!("{taken} is in use")));
        }
        let below = format!("{path}/");
        for folder in self.folders.values_mut() {
            let Some(new_path) = &new_path else { break };
            if folder.id == id {
                folder.path.clone_from(new_path);
            } else if let Some(rest) = folder.path.strip_prefix(&below) {
                folder.path = format!("{new_path}/{rest}");
            }
        }
        if let (Some(folder), Some(name)) = (self.folders.get_mut(&id), name) {
            folder.name = name;
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Deletes a folder with all that is in it, as a person may after a warning.
    fn hand_delete_folder(&mut self, body: &Object) -> Reply {
        let id = self.folder_by_path(required_text(body, "path")?)?;
        self.remove_folder(&id, true)
    }

    /// Gives a user group a permit in a folder; without `role` the permit goes.
    fn hand_set_permit(&mut self, body: &Object) -> Reply {
        let id = self.folder_by_path(required_text(body, "path")?)?;
        let group = required_text(body, "user_group")?;
        let known = self.groups.iter().find(|it| it.mini_uuid == group || it.name == group);
        let known = known.ok_or_else(|| Answer::bad("user_group", format!("there is no {group}")))?;
        let principal = Principal::Group(known.mini_uuid.clone());
        let role = optional_text(body, "role")?.map(str::to_owned);
        if let Some(role) = role.as_ref().filter(|role| !CONTENT_ROLES.contains(&role.as_str())) {
            let why = format!("there is no {role}; there are {}", CONTENT_ROLES.join(", "));
            return Err(Answer::bad("role", why));
        }
        if let Some(folder) = self.folders.get_mut(&id) {
            match role {
                Some(role) => folder.permits.insert(
                    principal,
                    Permit {
                        role,
                        access_boost: false,
                    },
                ),
                None => folder.permits.remove(&principal),
            };
        }
        Ok(Answer::ok(json!({"success": true})))
    }
}

/// Refuses an action that there is not, and fields that it does not have or that are no texts where these are meant.
fn check_fields(action: &str, body: &Object) -> Result<(), Answer> {
    let Some((_, fields)) = ACTIONS.iter().find(|(known, _)| *known == action) else {
        let known = ACTIONS.map(|(known, _)| known).join(", ");
        return Err(Answer::bad(
            "action",
            format!("there is no {action}; there are {known}"),
        ));
    };
    if let Some(key) = body
        .keys()
        .find(|key| *key != "action" && !fields.contains(&key.as_str()))
    {
        let why = format!("{action} has no such field; it has {}", fields.join(", "));
        return Err(Answer::bad(key, why));
    }
    if body.contains_key("fields") && optional_texts(body, "fields")?.is_empty() {
        return Err(Answer::bad(
            "fields",
            "an empty list shows nothing; write view.field at least once",
        ));
    }
    Ok(())
}
