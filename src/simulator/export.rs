//! Exports: a document with its local models, compiled as Omni compiles them.

use serde_json::{Value, json};

use super::http::{Answer, Object, Reply};
use super::layers::{references, topic_name, view_name};
use super::organisation::{Document, File, Files, Model, Organisation};

impl Organisation {
    pub(super) fn export_document(&self, identifier: &str) -> Reply {
        let document = self.document(identifier)?;
        Ok(Answer::ok(self.export_body(document)))
    }

    /// The whole body of an export.
    pub(super) fn export_body(&self, document: &Document) -> Value {
        let compiled = |id: &String| self.models.get(id).map_or(Value::Null, compile);
        let query_models: Object = document
            .query_model_ids
            .iter()
            .map(|id| (id.clone(), compiled(id)))
            .collect();
        json!({
            "exportVersion": "0.1",
            "document": self.document_part(document),
            "dashboard": document.dashboard,
            "workbookModel": compiled(&document.workbook_model_id),
            "queryModels": query_models,
            "fileUploads": document.file_uploads,
        })
    }

    fn document_part(&self, document: &Document) -> Value {
        let shared = self.models.get(&document.shared_model_id);
        let connection = shared.and_then(|model| self.connection(&model.connection_id));
        let updater = json!({"id": self.owner.user_id, "name": self.owner.name});
        let tile_count = super::documents::tiles(&document.dashboard).count();
        let mut part = json!({
            "name": document.name, "identifier": document.identifier, "documentId": document.id,
            "connectionEnvironments": null, "sharedModelId": document.shared_model_id,
            "modelId": document.workbook_model_id, "workbookId": document.id, "dashboardId": document.dashboard_id,
            "dashboardMiniUuid": document.dashboard_mini_uuid, "hasDashboard": true, "isDocument": true,
            "isDraft": false, "isDeleted": document.deleted_at.is_some(), "isConnectionDeleted": false,
            "deletedAt": document.deleted_at.map(|at| at.to_string()), "lastItemIndex": tile_count,
            "ephemeral": document.dashboard["ephemeral"], "folder": self.folder_of(document),
            "scope": document.scope, "type": "published", "publishedAt": document.published_at.to_string(),
            "updatedAt": document.updated_at.to_string(), "updater": updater,
        });
        if let Some(shared) = shared {
            part["sharedModel"] = json!({"id": shared.id, "name": shared.name, "hasGit": self.git.contains_key(&shared.id), "pullRequestRequired": false});
        }
        if let Some(connection) = connection {
            part["connectionId"] = json!(connection.id);
            part["connection"] = json!({
                "id": connection.id, "name": connection.name, "database": connection.database,
                "dialect": "snowflake", "deletedAt": null,
            });
        }
        part
    }
}

/// A local model as exports carry it: not YAML, but lists of views, fields, relationships and topics.
fn compile(model: &Model) -> Value {
    let mut views = Vec::new();
    let mut topics = Vec::new();
    for (name, file) in &model.files {
        if let Some(view) = view_name(name) {
            views.push(compile_view(model, name, &view, file));
        } else if let Some(topic) = topic_name(name) {
            let mut compiled = file.parsed.as_object().cloned().unwrap_or_default();
            compiled.insert("name".into(), json!(topic));
            topics.push(Value::Object(compiled));
        }
    }
    let relationships = model
        .files
        .get("relationships")
        .map_or_else(|| json!([]), |file| file.parsed.as_ref().clone());
    json!({
        "id": model.id, "connection_id": model.connection_id, "base_model_id": model.base_model_id,
        "model_kind": model.kind.name(), "views": views, "relationships": relationships, "topics": topics,
        "ignored_schemas": [], "ignored_views": [], "all_schema_names": ["CLINICAL"], "virtualized_schemas": [],
        "deleted_topics": [], "dbt_virtualization_enabled": true,
    })
}

/// The keys of a view file that the compiled form has a place of its own for.
const PLACED: [&str; 4] = ["dimensions", "measures", "filters", "label"];

fn compile_view(model: &Model, file_name: &str, view: &str, file: &File) -> Value {
    let body = file.parsed.as_object().cloned().unwrap_or_default();
    let mut compiled: Object = body
        .iter()
        .filter(|(key, _)| !PLACED.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let label = body
        .get("label")
        .and_then(Value::as_str)
        .map_or_else(|| title(view), str::to_owned);
    let fields = |group: &str, is_dimension: bool| -> Vec<Value> {
        let fields = body.get(group).and_then(Value::as_object);
        fields
            .into_iter()
            .flatten()
            .map(|(name, definition)| compile_field(model, view, name, definition, is_dimension))
            .collect()
    };
    compiled.insert("name".into(), json!(view));
    compiled.insert("label".into(), json!(label));
    compiled.insert("ide_file_name".into(), json!(file_name));
    compiled.insert("extension_model_id".into(), json!(model.id));
    compiled.insert("is_pseudo_display_view".into(), json!(false));
    compiled.insert("dimensions".into(), json!(fields("dimensions", true)));
    compiled.insert("measures".into(), json!(fields("measures", false)));
    compiled.insert("filter_only_fields".into(), json!(fields("filters", false)));
    Value::Object(compiled)
}

fn compile_field(model: &Model, view: &str, name: &str, definition: &Value, is_dimension: bool) -> Value {
    let mut compiled = definition.as_object().cloned().unwrap_or_default();
    let default_type = if is_dimension { "STRING" } else { "NUMBER" };
    let data_type = match compiled.remove("type") {
        Some(Value::String(text)) => text.to_uppercase(),
        _ => default_type.to_owned(),
    };
    let sql = compiled.get("sql").and_then(Value::as_str).unwrap_or_default();
    if let [(of, field)] = references(sql).as_slice()
        && sql == format!("${{{of}.{field}}}")
    {
        let named = format!("{of}.{field}");
        compiled.insert("expr".into(), json!({"type": "field", "field_name": named}));
    }
    if !compiled.contains_key("label") {
        compiled.insert("label".into(), json!(title(name)));
    }
    compiled.insert("field_name".into(), json!(name));
    compiled.insert("view_name".into(), json!(view));
    compiled.insert("data_type".into(), json!(data_type));
    compiled.insert("extension_model_id".into(), json!(model.id));
    compiled.insert("is_dimension".into(), json!(is_dimension));
    compiled.insert("fully_qualified_name".into(), json!(format!("{view}.{name}")));
    Value::Object(compiled)
}

/// The label that Omni makes up for a name: `age_band` becomes `Age band`.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The authored files that a compiled local model stands for.
pub(super) fn decompile(compiled: &Value) -> Files {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut files = Files::new();
    for view in list(compiled, "views") {
        let name = view["name"].as_str().unwrap_or_default();
        let file_name = view["ide_file_name"]
            .as_str()
            .map_or_else(|| format!("{name}.view"), str::to_owned);
        let made = [
            "name",
            "label",
            "ide_file_name",
            "extension_model_id",
            "is_pseudo_display_view",
            "dimensions",
            "measures",
            "filter_only_fields",
        ];
        let mut body = without(&view, &made);
        if view["label"] != json!(title(name)) && view["label"].is_string() {
            body.insert("label".into(), view["label"].clone());
        }
        for (key, group, is_dimension) in [
            ("dimensions", "dimensions", true),
            ("measures", "measures", false),
            ("filter_only_fields", "filters", false),
        ] {
            let fields: Object = list(&view, key)
                .iter()
                .map(|field| decompile_field(field, is_dimension))
                .collect();
            if !fields.is_empty() {
                body.insert(group.into(), Value::Object(fields));
            }
        }
        insert(&mut files, file_name, Value::Object(body));
    }
    for topic in list(compiled, "topics") {
        let name = topic["name"].as_str().unwrap_or_default();
        insert(
            &mut files,
            format!("{name}.topic"),
            Value::Object(without(&topic, &["name"])),
        );
    }
    let relationships = list(compiled, "relationships");
    if !relationships.is_empty() {
        insert(&mut files, "relationships".to_owned(), Value::Array(relationships));
    }
    files
}

fn without(value: &Value, keys: &[&str]) -> Object {
    let entries = value.as_object().into_iter().flatten();
    entries
        .filter(|(key, _)| !keys.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn decompile_field(field: &Value, is_dimension: bool) -> (String, Value) {
    let name = field["field_name"].as_str().unwrap_or_default().to_owned();
    let made = [
        "field_name",
        "view_name",
        "data_type",
        "extension_model_id",
        "is_dimension",
        "fully_qualified_name",
        "expr",
        "label",
    ];
    let mut definition = without(field, &made);
    if field["label"].is_string() && field["label"] != json!(title(&name)) {
        definition.insert("label".into(), field["label"].clone());
    }
    let default_type = if is_dimension { "STRING" } else { "NUMBER" };
    if let Some(data_type) = field["data_type"]
        .as_str()
        .filter(|data_type| *data_type != default_type)
    {
        definition.insert("type".into(), json!(data_type.to_lowercase()));
    }
    (name, Value::Object(definition))
}

fn insert(files: &mut Files, name: String, value: Value) {
    let text = super::canonical::to_yaml(&value);
    files.insert(
        name,
        File {
            text,
            parsed: value.into(),
            made_in_workbook: true,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::organisation::ModelKind;

    #[test]
    fn a_local_model_survives_compiling_and_decompiling() {
        let mut files = Files::new();
        insert(
            &mut files,
            "patients.view".into(),
            json!({"dimensions": {
            "age_band": {"sql": "${patients.age}", "bin_boundaries": [18, 40], "type": "number"}, "x": {"label": "Y"}}}),
        );
        insert(
            &mut files,
            "last_stay.query.view".into(),
            json!({
            "query": {"base_view": "encounters", "fields": {"encounters.patient_id": "patient_id"}},
            "measures": {"n": {"aggregate_type": "count"}}}),
        );
        insert(
            &mut files,
            "relationships".into(),
            json!([{"join_from_view": "a", "join_to_view": "b"}]),
        );
        let now = jiff::Timestamp::UNIX_EPOCH;
        let model = Model {
            id: "m".into(),
            kind: ModelKind::Workbook,
            name: None,
            connection_id: "c".into(),
            base_model_id: None,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            files,
            forked_from: Files::new(),
            version: 0,
        };
        let compiled = compile(&model);
        assert_eq!(
            compiled["views"][1]["dimensions"][0]["fully_qualified_name"],
            "patients.age_band"
        );
        let again = Model {
            files: decompile(&compiled),
            ..model.clone()
        };
        assert_eq!(compile(&again), compiled);
        let parsed =
            |model: &Model| -> Vec<Value> { model.files.values().map(|file| file.parsed.as_ref().clone()).collect() };
        assert_eq!(parsed(&again), parsed(&model));
    }
}
