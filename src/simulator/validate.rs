//! `GET /v1/models/{id}/validate`: what Omni's model validation finds, and no more than it would find.

use serde_json::{Value, json};

use super::canonical::topic_views;
use super::http::{Answer, Call, Object, Reply};
use super::knobs::ValidateAnswer;
use super::layers::{Layers, references, topic_name, view_name};
use super::organisation::{Files, ModelKind, Organisation};
use super::viewpoint::Viewpoint;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issue {
    pub(super) message: String,
    pub(super) is_warning: bool,
    pub(super) file: String,
    pub(super) field: Option<String>,
}

impl Issue {
    fn error(file: &str, message: String) -> Self {
        Self {
            message,
            is_warning: false,
            file: file.to_owned(),
            field: None,
        }
    }

    fn at(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    fn warning(mut self) -> Self {
        self.is_warning = true;
        self
    }
}

impl Organisation {
    pub(super) fn validate_model(&self, call: &Call, model_id: &str) -> Reply {
        let model = self.model(model_id)?;
        let branch = self.named_branch(model, call.param("branchId"))?;
        let layers = self.layers(model, branch, Viewpoint::CALLER)?;
        let mut issues = find_issues(&branch.unwrap_or(model).files, &layers);
        if let Some(limit) = call.param("limit").and_then(|limit| limit.parse().ok()) {
            issues.truncate(limit);
        }
        Ok(Answer::ok(match self.knobs.validate_answer {
            ValidateAnswer::Array => issues.iter().map(as_entry).collect(),
            ValidateAnswer::Object => json!({
                "valid": issues.iter().all(|issue| issue.is_warning),
                "issues": issues.iter().map(as_issue).collect::<Vec<_>>(),
            }),
        }))
    }

    /// The branch that a call names, which must be one of this model's.
    pub(super) fn named_branch(
        &self,
        model: &super::organisation::Model,
        branch_id: Option<&str>,
    ) -> Result<Option<&super::organisation::Model>, Answer> {
        let Some(id) = branch_id else { return Ok(None) };
        super::http::uuid("branchId", id)?;
        if model.kind == ModelKind::Schema {
            return Err(Answer::refusal(400, "Schema models do not have branches"));
        }
        let branch = self.models.get(id).filter(|branch| {
            branch.kind == ModelKind::Branch
                && branch.deleted_at.is_none()
                && (model.kind != ModelKind::Shared || branch.base_model_id.as_deref() == Some(model.id.as_str()))
        });
        branch
            .map(Some)
            .ok_or_else(|| Answer::not_found(format!("Branch model with id {id} does not exist")))
    }
}

fn as_entry(issue: &Issue) -> Value {
    let path = issue
        .field
        .as_ref()
        .map_or_else(|| issue.file.clone(), |field| format!("{}/{field}", issue.file));
    json!({"message": issue.message, "is_warning": issue.is_warning, "yaml_path": path})
}

fn as_issue(issue: &Issue) -> Value {
    let mut entry = Object::new();
    entry.insert("message".into(), json!(issue.message));
    entry.insert(
        "severity".into(),
        json!(if issue.is_warning { "warning" } else { "error" }),
    );
    if let Some(view) = view_name(&issue.file) {
        entry.insert("view".into(), json!(view));
    }
    if let Some(field) = &issue.field {
        entry.insert("field".into(), json!(field));
    }
    Value::Object(entry)
}

/// Everything wrong with these files on top of the combined model that they are part of.
pub(super) fn find_issues(files: &Files, layers: &Layers) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (name, file) in files {
        if let Some(view) = view_name(name) {
            match file.parsed.as_ref() {
                Value::Object(body) => check_view(name, &view, body, layers, &mut issues),
                _ => issues.push(Issue::error(name, format!("{name} must be a map"))),
            }
        } else if let Some(topic) = topic_name(name) {
            match file.parsed.as_ref() {
                Value::Object(body) => check_topic(name, topic, body, layers, &mut issues),
                _ => issues.push(Issue::error(name, format!("{name} must be a map"))),
            }
        } else if name == "relationships" {
            check_relationships(name, &file.parsed, layers, &mut issues);
        } else if name == "model" {
            if !file.parsed.is_object() && !file.parsed.is_null() {
                issues.push(Issue::error(name, "model must be a map".to_owned()));
            }
        } else {
            issues.push(Issue::error(name, format!("{name} is no model file")).warning());
        }
    }
    issues
}

fn check_view(file: &str, view: &str, body: &Object, layers: &Layers, issues: &mut Vec<Issue>) {
    for group in ["dimensions", "measures", "filters"] {
        let Some(fields) = body.get(group) else { continue };
        let Value::Object(fields) = fields else {
            issues.push(Issue::error(file, format!("{group} of view {view} must be a map")));
            continue;
        };
        for (name, definition) in fields {
            check_field(file, view, name, definition, layers, issues);
            let labelled = definition.get("label").and_then(Value::as_str);
            if labelled.is_some_and(|label| label.trim().is_empty()) {
                issues.push(
                    Issue::error(file, format!("Field {view}.{name} has an empty label"))
                        .at(name)
                        .warning(),
                );
            }
        }
    }
    if let Some(query) = body.get("query") {
        check_query_view(file, view, query, layers, issues);
    }
}

fn check_field(file: &str, view: &str, name: &str, definition: &Value, layers: &Layers, issues: &mut Vec<Issue>) {
    if definition.get("ignored") == Some(&Value::Bool(true)) {
        return;
    }
    if !definition.is_object() && !definition.is_null() {
        issues.push(Issue::error(file, format!("Field {view}.{name} must be a map")).at(name));
    }
    let sql = definition.get("sql").and_then(Value::as_str).unwrap_or_default();
    for (wanted_view, wanted_field) in references(sql) {
        if let Some(message) = missing(&wanted_view, &wanted_field, layers) {
            issues.push(Issue::error(file, format!("Field {view}.{name}: {message}")).at(name));
        }
    }
    for drill in definition
        .get("drill_fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let named = drill.as_str().and_then(|drill| drill.split_once('.'));
        if let Some(message) = named.and_then(|(view, field)| missing(view, field, layers)) {
            issues.push(
                Issue::error(file, format!("drill_fields of {view}.{name}: {message}"))
                    .at(name)
                    .warning(),
            );
        }
    }
}

/// Why a reference leads nowhere, or nothing if it leads somewhere.
fn missing(view: &str, field: &str, layers: &Layers) -> Option<String> {
    if !layers.views.contains_key(view) {
        return Some(format!("No view \"{view}\""));
    }
    (!layers.has_field(view, field)).then(|| format!("No field \"{field}\" in view \"{view}\""))
}

fn check_query_view(file: &str, view: &str, query: &Value, layers: &Layers, issues: &mut Vec<Issue>) {
    for (field, _) in query.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let bare = field.split('[').next().unwrap_or(field);
        let message = match bare.split_once('.') {
            Some((wanted_view, wanted_field)) => missing(wanted_view, wanted_field, layers),
            None => Some(format!("\"{field}\" is not of the form view.field")),
        };
        if let Some(message) = message {
            issues.push(Issue::error(file, format!("Query of view {view}: {message}")).at("query"));
        }
    }
    let base = query.get("base_view").and_then(Value::as_str);
    if let Some(base) = base.filter(|base| !layers.views.contains_key(*base)) {
        issues.push(Issue::error(file, format!("Query of view {view}: No view \"{base}\"")).at("query"));
    }
}

fn check_topic(file: &str, topic: &str, body: &Object, layers: &Layers, issues: &mut Vec<Issue>) {
    if body.get("ignored") == Some(&Value::Bool(true)) {
        return;
    }
    if !body.get("base_view").is_some_and(Value::is_string) {
        issues.push(Issue::error(file, format!("Topic {topic} has no base_view")));
    }
    for view in topic_views(&Value::Object(body.clone())) {
        if !layers.views.contains_key(&view) {
            issues.push(Issue::error(file, format!("Topic {topic}: No view \"{view}\"")));
        }
    }
    for field in body
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let Some((view, field)) = field.trim_start_matches('-').split_once('.') else {
            continue;
        };
        if field == "*" || view == "all_views" {
            continue;
        }
        if let Some(message) = missing(view, field, layers) {
            issues.push(Issue::error(file, format!("Topic {topic}, fields: {message}")).warning());
        }
    }
}

fn check_relationships(file: &str, parsed: &Value, layers: &Layers, issues: &mut Vec<Issue>) {
    let Value::Array(entries) = parsed else {
        if !parsed.is_null() {
            issues.push(Issue::error(file, "relationships must be a list".to_owned()));
        }
        return;
    };
    for entry in entries {
        for key in ["join_from_view", "join_to_view"] {
            let view = entry.get(key).and_then(Value::as_str).unwrap_or_default();
            if !layers.views.contains_key(view) {
                issues.push(Issue::error(file, format!("Relationship, {key}: No view \"{view}\"")));
            }
        }
        let alias = entry.get("join_to_view_as").and_then(Value::as_str);
        for (view, field) in references(entry.get("on_sql").and_then(Value::as_str).unwrap_or_default()) {
            if alias == Some(view.as_str()) {
                continue;
            }
            if let Some(message) = missing(&view, &field, layers) {
                issues.push(Issue::error(file, format!("Relationship, on_sql: {message}")));
            }
        }
    }
}
