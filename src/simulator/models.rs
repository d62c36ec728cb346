//! Models and branches: list, create, merge, delete.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::canonical::canonical;
use super::http::{Answer, Call, Reply, optional_flag, optional_text, paged, required_text, uuid};
use super::knobs::SchemaModel;
use super::organisation::{Files, Model, ModelKind, Organisation};
use super::viewpoint::Viewpoint;

static BRANCH_NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\w\-/]+$").expect("a fixed pattern"));

const LIST_PARAMS: [&str; 11] = [
    "baseModelId",
    "connectionId",
    "cursor",
    "include",
    "includeDeleted",
    "modelId",
    "modelKind",
    "name",
    "pageSize",
    "sortDirection",
    "sortField",
];

const CREATE_KEYS: [&str; 7] = [
    "accessGrants",
    "allowAsWorkbookBase",
    "baseModelId",
    "connectionId",
    "modelKind",
    "modelName",
    "usesIsolatedBranches",
];

impl Organisation {
    pub(super) fn list_models(&self, call: &Call) -> Reply {
        call.only_params(&LIST_PARAMS)?;
        for name in ["baseModelId", "connectionId", "modelId"] {
            if let Some(id) = call.param(name) {
                uuid(name, id)?;
            }
        }
        let kind = match call.param("modelKind") {
            None => None,
            Some(text) => Some(ModelKind::parse(text).ok_or_else(|| Answer::bad("modelKind", "Invalid enum value"))?),
        };
        let (size, from) = call.page(20)?;
        let mut found: Vec<&Model> = self
            .models
            .values()
            .filter(|model| self.listed_deletion(model).is_none() || call.flag("includeDeleted"))
            .filter(|model| self.listed(model.created_at) && !self.knobs.another_organisation)
            .filter(|model| kind.is_none_or(|kind| model.kind == kind))
            .filter(|model| call.param("modelId").is_none_or(|id| model.id == id))
            .filter(|model| call.param("connectionId").is_none_or(|id| model.connection_id == id))
            .filter(|model| {
                call.param("baseModelId")
                    .is_none_or(|id| model.base_model_id.as_deref() == Some(id))
            })
            .filter(|model| {
                call.param("name")
                    .is_none_or(|name| model.name.as_deref() == Some(name))
            })
            .collect();
        sort_models(&mut found, call)?;
        let with_branches = call
            .param("include")
            .is_some_and(|list| list.split(',').any(|item| item == "activeBranches"));
        Ok(paged(
            found
                .iter()
                .map(|model| self.model_record(model, with_branches))
                .collect(),
            size,
            from,
        ))
    }

    fn model_record(&self, model: &Model, with_branches: bool) -> Value {
        let mut record = json!({
            "id": model.id, "name": model.name, "modelKind": model.kind.name(), "connectionId": model.connection_id,
            "baseModelId": model.base_model_id, "createdAt": model.created_at.to_string(),
            "updatedAt": model.updated_at.to_string(),
            "deletedAt": self.listed_deletion(model).map(|at| at.to_string()),
        });
        if with_branches {
            record["branches"] = self
                .listed_branches(&model.id)
                .map(|branch| json!({"id": branch.id, "name": branch.name}))
                .collect();
        }
        record
    }

    pub(super) fn create_model(&mut self, call: &Call) -> Reply {
        let body = call.body(&CREATE_KEYS)?;
        let connection_id = required_text(&body, "connectionId")?.to_owned();
        uuid("connectionId", &connection_id)?;
        let kind = match optional_text(&body, "modelKind")? {
            None => ModelKind::Schema,
            Some(text) => ModelKind::parse(text)
                .filter(|kind| !matches!(kind, ModelKind::Workbook | ModelKind::Query))
                .ok_or_else(|| Answer::refusal(400, "Bad Request: Invalid parameter value"))?,
        };
        let name = optional_text(&body, "modelName")?.map(str::to_owned);
        let base = optional_text(&body, "baseModelId")?.map(str::to_owned);
        for flag in ["allowAsWorkbookBase", "usesIsolatedBranches"] {
            optional_flag(&body, flag)?;
        }
        if !self.knobs.connection_admin {
            return Err(Answer::refusal(403, "Forbidden"));
        }
        if self.connection(&connection_id).is_none() {
            return Err(Answer::not_found(format!(
                "Connection with id {connection_id} does not exist"
            )));
        }
        let (base_model_id, files) = self.base_of_new(kind, &connection_id, name.as_deref(), base.as_deref())?;
        if self.knobs.create_model_fails_inside {
            return Ok(Answer::ok(
                json!({"success": false, "error": "Model could not be created"}),
            ));
        }
        if self.knobs.model_twin && kind == ModelKind::Shared {
            self.add_model(kind, name.clone(), &connection_id, base_model_id.clone());
        }
        let model = self.add_model(kind, name, &connection_id, base_model_id);
        model.forked_from.clone_from(&files);
        model.files = files;
        let (id, name) = (model.id.clone(), model.name.clone());
        Ok(Answer::ok(
            json!({"success": true, "model": {"id": id, "modelKind": kind.name(), "name": name}}),
        ))
    }

    /// What a new model stands on, and the files that it starts with.
    fn base_of_new(
        &self,
        kind: ModelKind,
        connection_id: &str,
        name: Option<&str>,
        base: Option<&str>,
    ) -> Result<(Option<String>, Files), Answer> {
        let schema = self.models.values().find(|model| {
            model.kind == ModelKind::Schema && model.connection_id == connection_id && model.deleted_at.is_none()
        });
        let schema = schema.filter(|_| self.knobs.schema_model != SchemaModel::Absent);
        match kind {
            ModelKind::Schema if schema.is_some() => {
                Err(Answer::refusal(400, "Schema model already exists for the connection"))
            }
            ModelKind::Schema => Ok((None, Files::new())),
            _ if schema.is_none() => Err(Answer::refusal(
                400,
                "Schema model does not exist when creating a non-schema model",
            )),
            ModelKind::Shared => {
                if self.knobs.branch_schema_refresh {
                    return Err(Answer::refusal(
                        400,
                        "Shared model cannot be created when branch schema refresh is enabled",
                    ));
                }
                let taken = self
                    .models
                    .values()
                    .any(|model| model.kind == kind && model.deleted_at.is_none() && model.name.as_deref() == name);
                if self.knobs.model_name_unique && taken {
                    return Err(Answer::refusal(400, "Model name must be unique"));
                }
                Ok((schema.map(|model| model.id.clone()), Files::new()))
            }
            ModelKind::SharedExtension => {
                let base = base.ok_or_else(|| Answer::bad("baseModelId", "Required"))?;
                Ok((Some(self.model(base)?.id.clone()), Files::new()))
            }
            _ => self.base_of_branch(connection_id, name, base),
        }
    }

    fn base_of_branch(
        &self,
        connection_id: &str,
        name: Option<&str>,
        base: Option<&str>,
    ) -> Result<(Option<String>, Files), Answer> {
        let base = self.model(base.ok_or_else(|| Answer::bad("baseModelId", "Required"))?)?;
        let name = name.ok_or_else(|| Answer::bad("modelName", "Required"))?;
        if !BRANCH_NAME.is_match(name) {
            return Err(Answer::refusal(
                400,
                "Branch name must match git-compatible regex [\\w\\-/]+",
            ));
        }
        if base.connection_id != connection_id || !matches!(base.kind, ModelKind::Shared | ModelKind::SharedExtension) {
            return Err(Answer::refusal(400, "Bad Request: Invalid parameter value"));
        }
        if self
            .branches(&base.id)
            .any(|branch| branch.name.as_deref() == Some(name))
        {
            return Err(Answer::refusal(400, "Model name must be unique"));
        }
        Ok((Some(base.id.clone()), base.files.clone()))
    }

    /// Makes a model without files.
    pub(super) fn add_model(
        &mut self,
        kind: ModelKind,
        name: Option<String>,
        connection_id: &str,
        base_model_id: Option<String>,
    ) -> &mut Model {
        let now = self.clock.stamp();
        let id = self.ids.uuid();
        self.models.entry(id.clone()).or_insert(Model {
            id,
            kind,
            name,
            connection_id: connection_id.to_owned(),
            base_model_id,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            files: Files::new(),
            forked_from: Files::new(),
            version: 0,
        })
    }

    fn branch_of(&self, model_id: &str, name: &str) -> Result<(&Model, &Model), Answer> {
        if uuid("modelId", model_id).is_err() {
            return Err(Answer::refusal(400, "Bad Request: Invalid modelId format"));
        }
        let gone = || Answer::not_found("Shared model or branch model does not exist");
        let shared = self.model(model_id).map_err(|_| gone())?;
        let branch = self
            .branches(model_id)
            .find(|branch| branch.name.as_deref() == Some(name))
            .ok_or_else(gone)?;
        Ok((shared, branch))
    }

    pub(super) fn merge_branch(&mut self, call: &Call, model_id: &str, name: &str) -> Reply {
        let body = if call.body.is_empty() {
            super::http::Object::new()
        } else {
            call.body(&[
                "commit_message",
                "delete_branch",
                "force_override_git_settings",
                "publish_drafts",
            ])?
        };
        let message = optional_text(&body, "commit_message")?.map(str::to_owned);
        for flag in ["force_override_git_settings", "publish_drafts"] {
            optional_flag(&body, flag)?;
        }
        let delete = optional_flag(&body, "delete_branch")?.unwrap_or(false);
        let (shared, branch) = self.branch_of(model_id, name)?;
        if self.wants_pull_request(model_id) {
            return Err(Answer::refusal(
                400,
                "Bad Request: the model takes changes by pull requests only",
            ));
        }
        let merged = merged_files(shared, branch)?;
        let combined = self.layers(shared, Some(branch), Viewpoint::CALLER)?;
        let schema = self.schema_files(&shared.connection_id, Viewpoint::CALLER)?;
        let files = canonical(&merged, schema, &combined);
        let branch_id = branch.id.clone();
        let now = self.clock.stamp();
        if let Some(shared) = self.models.get_mut(model_id) {
            shared.files.clone_from(&files);
            shared.updated_at = now;
            shared.version += 1;
        }
        if let Some(branch) = self.models.get_mut(&branch_id) {
            branch.forked_from.clone_from(&files);
            branch.files = files;
            branch.updated_at = now;
            branch.deleted_at = delete.then_some(now);
        }
        let message = message.unwrap_or_else(|| format!("branch {name} merged via API"));
        let synced = self.push_merged(model_id, &message)?;
        Ok(Answer::ok(json!({
            "success": true, "git_synced": synced, "published_drafts_count": 0,
            "failed_drafts_count": self.knobs.failed_drafts,
        })))
    }

    pub(super) fn delete_branch(&mut self, model_id: &str, name: &str) -> Reply {
        let branch_id = self.branch_of(model_id, name)?.1.id.clone();
        let now = self.clock.stamp();
        if let Some(branch) = self.models.get_mut(&branch_id) {
            branch.deleted_at = Some(now);
        }
        Ok(Answer::ok(json!({"success": true})))
    }
}

/// The base with the branch's changes.
///
/// # Errors
/// Base and branch both changed one file, differently.
fn merged_files(shared: &Model, branch: &Model) -> Result<Files, Answer> {
    let text = |files: &Files, name: &str| files.get(name).map(|file| file.text.clone());
    let mut merged = shared.files.clone();
    let names = branch.files.keys().chain(branch.forked_from.keys());
    for name in names {
        let (before, ours, theirs) = (
            text(&branch.forked_from, name),
            text(&branch.files, name),
            text(&shared.files, name),
        );
        if ours == before {
            continue;
        }
        if theirs != before && theirs != ours {
            return Err(Answer::refusal(400, format!("Bad Request: Merge conflict in {name}")));
        }
        match branch.files.get(name) {
            Some(file) => merged.insert(name.clone(), file.clone()),
            None => merged.remove(name),
        };
    }
    Ok(merged)
}

fn sort_models(models: &mut [&Model], call: &Call) -> Result<(), Answer> {
    let field = call.param("sortField").unwrap_or("updatedAt");
    let key: fn(&Model) -> String = match field {
        "name" => |model| model.name.clone().unwrap_or_default(),
        "modelKind" => |model| model.kind.name().to_owned(),
        "connectionId" => |model| model.connection_id.clone(),
        "baseModelId" => |model| model.base_model_id.clone().unwrap_or_default(),
        "createdAt" => |model| format!("{:020}", model.created_at.as_millisecond()),
        "updatedAt" => |model| format!("{:020}", model.updated_at.as_millisecond()),
        _ => return Err(Answer::bad("sortField", "Invalid enum value")),
    };
    models.sort_by_cached_key(|model| key(model));
    let descending = call
        .param("sortDirection")
        .map_or(field == "updatedAt", |direction| direction == "desc");
    if descending {
        models.reverse();
    }
    Ok(())
}
