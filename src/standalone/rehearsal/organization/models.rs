//! Models and branches, their files, and roles on them.

use serde_json::{Value, json};

use super::{LATER, State, is_last_page, is_tried, parameter, segment, text};
use crate::ports::Request;

/// A shared model that was made.
pub(super) struct Model {
    id: String,
    name: String,
    connection: String,
}

impl State {
    pub(super) fn create_model(&mut self, body: &Value) -> Value {
        let name = text(body, "modelName");
        let id = if text(body, "modelKind") == "BRANCH" {
            let (id, base) = (format!("{{branch {name}}}"), text(body, "baseModelId").to_owned());
            let begins_with = self.files.get(&(base.clone(), None)).cloned();
            let begins_with = begins_with.unwrap_or_else(|| json!({"files": {}}));
            self.files.insert((base.clone(), Some(id.clone())), begins_with);
            self.merged.remove(&(base.clone(), name.to_owned()));
            self.branches
                .entry(base)
                .or_default()
                .push((name.to_owned(), id.clone()));
            id
        } else {
            let id = format!("{{model {name}}}");
            self.files.insert((id.clone(), None), json!({"files": {}}));
            self.models.push(Model {
                id: id.clone(),
                name: name.to_owned(),
                connection: text(body, "connectionId").to_owned(),
            });
            id
        };
        json!({"success": true, "model": {"id": id}})
    }

    pub(super) fn amend_models(&self, request: &Request<'_>, list: &mut Value) {
        let last = is_last_page(list);
        let Some(records) = list["records"].as_array_mut() else {
            return;
        };
        for record in &mut *records {
            let id = text(record, "id").to_owned();
            if let Some(branches) = record["branches"].as_array_mut() {
                branches.retain(|it| !self.merged.contains(&(id.clone(), text(it, "name").to_owned())));
            }
            let made = self.branch_records(&id);
            match record["branches"].as_array_mut() {
                Some(branches) => branches.extend(made),
                None if !made.is_empty() => record["branches"] = Value::Array(made),
                None => {}
            }
            if self.written.contains(&(id, None)) {
                record["updatedAt"] = json!(LATER);
            }
        }
        let is_asked = |model: &&Model| {
            let connection = parameter(request, "connectionId").is_none_or(|it| it == model.connection);
            connection && parameter(request, "modelId").is_none_or(|it| it == model.id)
        };
        if last {
            let made = self.models.iter().filter(is_asked);
            records.extend(made.map(|model| {
                json!({
                    "id": model.id, "name": model.name, "modelKind": "SHARED", "connectionId": model.connection,
                    "baseModelId": null, "updatedAt": LATER, "deletedAt": null, "branches": self.branch_records(&model.id),
                })
            }));
        }
    }

    fn branch_records(&self, base: &str) -> Vec<Value> {
        let branches = self.branches.get(base).into_iter().flatten();
        branches.map(|(name, id)| json!({"id": id, "name": name})).collect()
    }

    /// The files of a model or a branch that was read before, or made.
    pub(super) fn files(&self, request: &Request<'_>) -> Option<Value> {
        let key = (
            self.files_from(segment(request, 0)).to_owned(),
            parameter(request, "branchId").map(ToOwned::to_owned),
        );
        let is_authored = parameter(request, "mode") == Some("extension");
        let known = self.files.get(&key);
        // The layers below a model that was only made are not read for anything.
        known.filter(|_| is_authored || is_tried(&key.0)).cloned()
    }

    pub(super) fn keep_files(&mut self, request: &Request<'_>, answer: &Value) {
        if parameter(request, "mode") == Some("extension") {
            let branch = parameter(request, "branchId").map(ToOwned::to_owned);
            let model = self.files_from(segment(request, 0)).to_owned();
            self.files.insert((model, branch), answer.clone());
        }
    }

    pub(super) fn write_file(&mut self, model: &str, body: &Value) -> Value {
        let branch = body["branchId"].as_str().map(ToOwned::to_owned);
        let (key, name, yaml) = ((model.to_owned(), branch), text(body, "fileName"), text(body, "yaml"));
        let known = self.files.entry(key.clone()).or_insert_with(|| json!({"files": {}}));
        if let Some(checksums) = known["checksums"].as_object_mut() {
            checksums.remove(name);
        }
        if let Some(files) = known["files"].as_object_mut() {
            if yaml.is_empty() {
                files.remove(name);
            } else {
                files.insert(name.to_owned(), json!(yaml));
            }
        }
        self.written.insert(key);
        json!({"success": true, "fileName": name})
    }

    /// Nothing is found in what was written here: what Omni will find cannot be known.
    pub(super) fn validation(&self, request: &Request<'_>) -> Option<Value> {
        let (model, branch) = (segment(request, 0).to_owned(), parameter(request, "branchId"));
        let is_new = is_tried(&model) || branch.is_some_and(is_tried);
        (is_new || self.written.contains(&(model, branch.map(ToOwned::to_owned)))).then(|| json!([]))
    }

    pub(super) fn merge(&mut self, model: &str, branch: &str) -> Value {
        let id = self.branch_id(model, branch);
        let files = self.files.get(&(model.to_owned(), id)).cloned();
        let main = (model.to_owned(), None);
        if let Some(files) = files {
            self.files.insert(main.clone(), files);
        }
        self.written.insert(main);
        if let Some(branches) = self.branches.get_mut(model) {
            branches.retain(|(name, _)| name != branch);
        }
        self.merged.insert((model.to_owned(), branch.to_owned()));
        json!({"success": true, "failed_drafts_count": 0})
    }

    pub(super) fn branch_id(&self, model: &str, branch: &str) -> Option<String> {
        let mut made = self.branches.get(model).into_iter().flatten();
        if let Some((_, id)) = made.find(|(name, _)| name == branch) {
            return Some(id.clone());
        }
        let lists = self.read.iter().filter(|(name, _)| name.starts_with("GET /v1/models "));
        let records = lists.filter_map(|(_, answer)| answer.as_ref().ok()?["records"].as_array());
        let mut models = records.flatten().filter(|it| text(it, "id") == model);
        let branches = models.find_map(|it| it["branches"].as_array())?;
        let found = branches.iter().find(|it| text(it, "name") == branch)?;
        Some(text(found, "id").to_owned())
    }

    pub(super) fn give_role(&mut self, group: &str, body: &Value) -> Value {
        let (model, role) = (text(body, "modelId").to_owned(), text(body, "roleName").to_owned());
        self.roles.retain(|(of, on, _)| of != group || *on != model);
        self.roles.push((group.to_owned(), model, role));
        json!({"success": true})
    }

    pub(super) fn amend_roles(&self, group: &str, list: &mut Value) {
        let Some(results) = list["results"].as_array_mut() else {
            return;
        };
        for (_, model, role) in self.roles.iter().filter(|(of, _, _)| of == group) {
            results.retain(|it| text(it, "modelId") != model);
            results.push(json!({"modelId": model, "roleName": role}));
        }
    }
}
