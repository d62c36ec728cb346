//! Layers: what a model comes to when schema, shared, workbook and tab are laid over each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use super::http::{Answer, Object};
use super::organisation::{Files, Model, ModelKind, Organisation};
use super::viewpoint::Viewpoint;

/// The files of one layer, with what is needed to tell its views apart.
type Layer<'a> = (ModelKind, &'a Files);

/// The combined model: what a query is planned against.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    pub(super) views: BTreeMap<String, View>,
    pub(super) topics: BTreeMap<String, Arc<Value>>,
    pub(super) relationships: Vec<Relationship>,
    /// The database that it reads, as who asks is led to it.
    pub(super) database: String,
    /// The schema of views that name none.
    pub(super) default_schema: String,
    ignored_views: BTreeSet<String>,
}

/// A view of the combined model.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// The merged file.
    pub(super) body: Object,
    /// A query view that the YAML API made: it exposes its aliases and no raw columns.
    pub(super) aliases_only: bool,
    /// The name of the topmost file that says something about it.
    pub(super) file_name: String,
    /// Of a view of a dynamic schema: where it reads for who asks.
    pub(super) scope: Option<Scope>,
}

/// What a user's attribute makes of a dynamic schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// It reads this one.
    Schema(String),
    /// It reads none, since this attribute has no value.
    Unset(String),
}

/// A virtual schema of a model file: a copy of the views of one schema, that reads the one which a user's attribute
/// names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DynamicSchema {
    pub(super) from_schema: String,
    pub(super) user_attribute: String,
}

/// One join between two views.
#[derive(Debug, Clone)]
pub(super) struct Relationship {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) on_sql: String,
    /// Whether a document brought it along, and it therefore widens topics too.
    pub(super) local: bool,
}

/// The name of the view that a file holds, or none if it holds no view.
pub(super) fn view_name(file_name: &str) -> Option<String> {
    let stem = file_name.strip_suffix(".view")?;
    Some(stem.strip_suffix(".query").unwrap_or(stem).replace('/', "__"))
}

/// The name of the topic that a file holds, or none.
pub(super) fn topic_name(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(".topic")
}

impl View {
    /// The definition of a field that exists and is not ignored.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        for group in ["dimensions", "measures", "filters"] {
            if let Some(field) = self.body.get(group).and_then(|fields| fields.get(name)) {
                return (field.get("ignored") != Some(&Value::Bool(true))).then(|| field.clone());
            }
        }
        self.aliases()
            .iter()
            .any(|(_, alias)| alias == name)
            .then(|| Value::Object(Object::new()))
    }

    /// The fields of a query view's query, each with the alias under which it is known.
    pub(super) fn aliases(&self) -> Vec<(String, String)> {
        let fields = self
            .body
            .get("query")
            .and_then(|query| query.get("fields"))
            .and_then(Value::as_object);
        fields
            .into_iter()
            .flatten()
            .map(|(field, alias)| (field.clone(), alias.as_str().unwrap_or(field).to_owned()))
            .collect()
    }

    pub(super) fn is_query(&self) -> bool {
        self.body.contains_key("query") || self.body.contains_key("sql")
    }
}

impl Layers {
    fn add(&mut self, (kind, files): Layer<'_>) {
        for (name, file) in files {
            if let Some(view) = view_name(name) {
                let Value::Object(body) = file.parsed.as_ref() else {
                    continue;
                };
                let entry = self.views.entry(view).or_default();
                merge(&mut entry.body, body);
                entry.file_name.clone_from(name);
                entry.aliases_only = entry.is_query() && !file.made_in_workbook;
            } else if let Some(topic) = topic_name(name) {
                self.topics.insert(topic.to_owned(), Arc::clone(&file.parsed));
            } else if name == "relationships" {
                self.add_relationships(&file.parsed, matches!(kind, ModelKind::Workbook | ModelKind::Query));
            } else if name == "model" {
                let ignored = file.parsed.get("ignored_views").and_then(Value::as_array);
                self.ignored_views.extend(
                    ignored
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned),
                );
            }
        }
    }

    /// Adds the views of a dynamic schema, `<name>__<view>`, as copies of those of the schema that it is made from.
    fn add_dynamic(&mut self, name: &str, schema: &DynamicSchema, scope: &Scope) {
        let made_from = |view: &View| view.body.get("schema").and_then(Value::as_str) == Some(&schema.from_schema);
        let prefix = format!("{}__", schema.from_schema.to_lowercase());
        let copies: Vec<(String, View)> = self
            .views
            .iter()
            .filter(|(_, view)| view.scope.is_none() && made_from(view))
            .map(|(view, found)| {
                let bare = view.strip_prefix(&prefix).unwrap_or(view);
                let scope = Some(scope.clone());
                (format!("{name}__{bare}"), View { scope, ..found.clone() })
            })
            .collect();
        self.views.extend(copies);
    }

    fn add_relationships(&mut self, parsed: &Value, local: bool) {
        let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        for entry in parsed.as_array().into_iter().flatten() {
            let to = text(entry, "join_to_view_as").or_else(|| text(entry, "join_to_view"));
            if let (Some(from), Some(to)) = (text(entry, "join_from_view"), to) {
                let on_sql = text(entry, "on_sql").unwrap_or_default();
                self.relationships.push(Relationship {
                    from,
                    to,
                    on_sql,
                    local,
                });
            }
        }
    }

    fn settle(mut self) -> Self {
        let ignored = std::mem::take(&mut self.ignored_views);
        self.views
            .retain(|name, view| !ignored.contains(name) && view.body.get("ignored") != Some(&Value::Bool(true)));
        self.topics
            .retain(|_, topic| topic.get("ignored") != Some(&Value::Bool(true)));
        self
    }

    /// Whether `view.field` exists.
    pub(super) fn has_field(&self, view: &str, field: &str) -> bool {
        self.field(view, field).is_some()
    }

    /// The definition of `view.field`, looked for in the views that it extends too.
    pub(super) fn field(&self, view: &str, field: &str) -> Option<Value> {
        let found = self.views.get(view)?;
        found.field(field).or_else(|| {
            let parents = found.body.get("extends").and_then(Value::as_array)?;
            parents
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| *name != view)
                .find_map(|name| self.views.get(name).and_then(|parent| parent.field(field)))
        })
    }

    /// The views that one may use with a topic, or with a bare base view where there is no topic.
    pub(super) fn reachable(&self, base_view: &str, topic: Option<&Value>) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([base_view.to_owned()]);
        if let Some(joins) = topic.and_then(|topic| topic.get("joins")) {
            collect_joins(joins, &mut reached);
        }
        let any = topic.is_none_or(|topic| topic.get("joins").is_none());
        loop {
            let next: Vec<String> = self
                .relationships
                .iter()
                .filter(|relationship| any || relationship.local)
                .filter(|relationship| reached.contains(&relationship.from) && !reached.contains(&relationship.to))
                .map(|relationship| relationship.to.clone())
                .collect();
            if next.is_empty() {
                return reached;
            }
            reached.extend(next);
        }
    }
}

/// The dynamic schemas of a model file; one without a schema or an attribute is none.
fn dynamic_schemas(files: &Files) -> impl Iterator<Item = (&String, DynamicSchema)> {
    let declared = files.get("model").and_then(|file| file.parsed.get("dynamic_schemas"));
    let declared = declared.and_then(Value::as_object).into_iter().flatten();
    declared.filter_map(|(name, schema)| {
        let text = |key| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let schema = DynamicSchema {
            from_schema: text("from_schema")?,
            user_attribute: text("user_attribute")?,
        };
        Some((name, schema))
    })
}

/// All views that a nested map of joins names.
pub(super) fn collect_joins(joins: &Value, into: &mut BTreeSet<String>) {
    for (view, nested) in joins.as_object().into_iter().flatten() {
        into.insert(view.clone());
        collect_joins(nested, into);
    }
}

/// Lays one map over another: maps merge, everything else is replaced.
pub(super) fn merge(below: &mut Object, above: &Object) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{\s*([A-Za-z_][\w]*)\.([\w]+)(?:\[[^\]]*\])?\s*\}").expect("a fixed pattern"));
static RAW_REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?:"(\w+)"\.)?"([a-z_]\w*\.[a-z_]\w*)""#).expect("a fixed pattern"));

/// The `${view.field}` references in a piece of SQL; `${TABLE.column}` is none.
pub(super) fn references(sql: &str) -> Vec<(String, String)> {
    REFERENCE
        .captures_iter(sql)
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .filter(|(view, _)| view != "TABLE")
        .collect()
}

/// The raw columns of query views, `"cte"."view.field"` or `"view.field"`, that a piece of SQL names.
pub(super) fn raw_references(sql: &str) -> Vec<(Option<String>, String)> {
    RAW_REFERENCE
        .captures_iter(sql)
        .map(|found| (found.get(1).map(|view| view.as_str().to_owned()), found[2].to_owned()))
        .collect()
}

impl Organisation {
    /// Everything that lies below a model's own files, lowest first; `branch` takes its shared model's place.
    pub(super) fn layers_below<'a>(
        &'a self,
        model: &Model,
        branch: Option<&'a Model>,
        viewpoint: Viewpoint<'_>,
    ) -> Result<Vec<(ModelKind, &'a Files)>, Answer> {
        let mut layers = Vec::new();
        let mut next = model
            .base_model_id
            .as_deref()
            .filter(|_| model.kind != ModelKind::Branch);
        if model.kind == ModelKind::Branch {
            // A branch already holds all of its base; what is below is what is below the base.
            let base = model.base_model_id.as_deref().and_then(|id| self.models.get(id));
            next = base.and_then(|base| base.base_model_id.as_deref());
        }
        // The schema model that the shared one is said to stand on gives way to the environment's own.
        while let Some(base) = next
            .and_then(|id| self.models.get(id))
            .filter(|base| base.kind != ModelKind::Schema)
        {
            let files = branch
                .filter(|branch| branch.base_model_id.as_deref() == Some(base.id.as_str()))
                .map_or(&base.files, |branch| &branch.files);
            layers.push((base.kind, files));
            next = base.base_model_id.as_deref();
        }
        if model.kind != ModelKind::Schema {
            layers.push((ModelKind::Schema, self.schema_files(&model.connection_id, viewpoint)?));
        }
        layers.reverse();
        Ok(layers)
    }

    /// The combined model.
    pub(super) fn layers(
        &self,
        model: &Model,
        branch: Option<&Model>,
        viewpoint: Viewpoint<'_>,
    ) -> Result<Layers, Answer> {
        let mut stack = self.layers_below(model, branch, viewpoint)?;
        let own = branch
            .filter(|branch| branch.base_model_id.as_deref() == Some(model.id.as_str()))
            .map_or(&model.files, |branch| &branch.files);
        stack.push((model.kind, own));
        let mut layers = Layers::default();
        if let Some(base) = self.connection(&model.connection_id) {
            let physical = self.physical_connection(base, viewpoint)?;
            layers.database.clone_from(&physical.database);
            layers.default_schema.clone_from(&physical.default_schema);
        }
        let dynamic: BTreeMap<&String, DynamicSchema> =
            stack.iter().flat_map(|(_, files)| dynamic_schemas(files)).collect();
        for layer in stack {
            layers.add(layer);
            if layer.0 == ModelKind::Schema {
                for (name, schema) in &dynamic {
                    layers.add_dynamic(name, schema, &self.scope_of(schema, viewpoint));
                }
            }
        }
        Ok(layers.settle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_table_is_none() {
        assert_eq!(
            references("${patients.age} + ${encounters.admitted_at[month]} + ${TABLE}.x + ${TABLE.y}"),
            vec![
                ("patients".into(), "age".into()),
                ("encounters".into(), "admitted_at".into())
            ]
        );
        assert_eq!(
            raw_references(r#""last_stay"."encounters.patient_id" = "patients.id" AND "DOB" = 1"#),
            vec![
                (Some("last_stay".into()), "encounters.patient_id".into()),
                (None, "patients.id".into())
            ]
        );
    }

    #[test]
    fn file_names_name_views() {
        assert_eq!(view_name("patients.view").as_deref(), Some("patients"));
        assert_eq!(view_name("last_stay.query.view").as_deref(), Some("last_stay"));
        assert_eq!(view_name("clinical/beds.view").as_deref(), Some("clinical__beds"));
        assert_eq!(view_name("model"), None);
    }
}
