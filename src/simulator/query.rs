//! Queries: planned against the combined model.

use std::collections::BTreeSet;

use serde_json::Value;

use super::http::{Answer, Object};
use super::layers::{Layers, raw_references, references};
use super::organisation::{ModelKind, Organisation};
use super::sql::Select;
use super::viewpoint::Viewpoint;

/// What planning a query comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// It would run; fields that do not exist are dropped without an error.
    Planned {
        /// Fields that were asked for and do not exist.
        missing: Vec<String>,
        /// Calculations that name a field that does not exist.
        invalid_calculations: Vec<String>,
        /// Its text.
        sql: String,
    },
    /// It cannot be planned.
    Failed(String),
    /// It cannot be planned for who asks; a validation, which asks for nobody, has nothing to say against it.
    Unscoped(String),
    /// Nothing is left of it that could be planned.
    Refused(String),
}

impl Plan {
    /// Why a tile with this query would show nothing, or less than it should.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self::Planned {
                missing,
                invalid_calculations,
                ..
            } => {
                let gone: Vec<&str> = missing.iter().chain(invalid_calculations).map(String::as_str).collect();
                (!gone.is_empty()).then(|| format!("no such field: {}", gone.join(", ")))
            }
            Self::Failed(reason) | Self::Unscoped(reason) | Self::Refused(reason) => Some(reason.clone()),
        }
    }
}

/// `view.field` of `view.field[month]`.
pub(super) fn split(field: &str) -> Option<(&str, &str)> {
    field.split('[').next().and_then(|bare| bare.split_once('.'))
}

/// Plans one query.
pub(super) fn plan(layers: &Layers, query: &Object) -> Plan {
    let sql = query.get("userEditedSQL").and_then(Value::as_str).unwrap_or_default();
    if !sql.is_empty() {
        return Plan::Planned {
            missing: Vec::new(),
            invalid_calculations: Vec::new(),
            sql: sql.to_owned(),
        };
    }
    let table = query.get("table").and_then(Value::as_str).unwrap_or_default();
    if !layers.views.contains_key(table) {
        return Plan::Failed(format!("Failed to plan query: view \"{table}\" does not exist"));
    }
    let topic = match topic_of(layers, query) {
        Ok(topic) => topic,
        Err(reason) => return Plan::Failed(reason),
    };
    let base = topic
        .and_then(|topic| topic.get("base_view"))
        .and_then(Value::as_str)
        .unwrap_or(table);
    let reachable = layers.reachable(base, topic);
    let exists = |field: &str| {
        split(field).is_some_and(|(view, field)| reachable.contains(view) && layers.has_field(view, field))
    };
    let fields: Vec<&str> = texts(query.get("fields")).collect();
    let calculations = calculation_names(query);
    let used = named_fields(query);
    let missing: BTreeSet<String> = used
        .iter()
        .filter(|field| !calculations.contains(*field) && !exists(field))
        .cloned()
        .collect();
    if !fields.is_empty() && fields.iter().all(|field| missing.contains(*field)) {
        return Plan::Refused(format!("Bad Request: query: no such field: {}", fields.join(", ")));
    }
    for field in fields.iter().filter(|field| !missing.contains(**field)) {
        let Some((view, name)) = split(field) else { continue };
        if let Err(reason) = resolve(layers, &reachable, view, name, 0) {
            return Plan::Failed(format!("Failed to plan query: {reason}"));
        }
    }
    if let Err(reason) = check_joins(layers, &fields) {
        return Plan::Failed(format!("Failed to plan query: {reason}"));
    }
    let select = Select {
        layers,
        base,
        topic,
        columns: fields.into_iter().filter(|field| !missing.contains(*field)).collect(),
        besides: used.iter().map(String::as_str).collect(),
        limit: query.get("limit").and_then(Value::as_u64),
    };
    match select.text() {
        Err(reason) => Plan::Unscoped(format!("Failed to plan query: {reason}")),
        Ok(sql) => Plan::Planned {
            invalid_calculations: invalid_calculations(query, &exists),
            missing: missing.into_iter().collect(),
            sql,
        },
    }
}

/// The topic that a query names, if it names one.
fn topic_of<'a>(layers: &'a Layers, query: &Object) -> Result<Option<&'a Value>, String> {
    let named = query.get("join_paths_from_topic_name").and_then(Value::as_str);
    let Some(name) = named.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let missing = || format!("Failed to plan query: topic \"{name}\" does not exist");
    layers
        .topics
        .get(name)
        .map(|topic| Some(topic.as_ref()))
        .ok_or_else(missing)
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// All places of a query that name fields, calculations left out.
fn named_fields(query: &Object) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = texts(query.get("fields"))
        .chain(texts(query.get("pivots")))
        .map(str::to_owned)
        .collect();
    named.extend(
        query
            .get("filters")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone()),
    );
    let list = |key| query.get(key).and_then(Value::as_array).into_iter().flatten();
    named.extend(
        list("sorts")
            .filter_map(|sort| sort["column_name"].as_str())
            .map(str::to_owned),
    );
    for control in list("controls").filter(|control| control["type"] == "FIELD_SELECTION") {
        named.extend(control["field"].as_str().map(str::to_owned));
        let options = control["options"].as_array().into_iter().flatten();
        named.extend(options.filter_map(|option| option["value"].as_str()).map(str::to_owned));
    }
    named
}

fn calculation_names(query: &Object) -> BTreeSet<String> {
    let calculations = query
        .get("calculations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    calculations
        .filter_map(|calculation| calculation["calc_name"].as_str())
        .map(str::to_owned)
        .collect()
}

fn invalid_calculations(query: &Object, exists: &impl Fn(&str) -> bool) -> Vec<String> {
    let calculations = query
        .get("calculations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    calculations
        .filter(|calculation| {
            let mut named = Vec::new();
            operands(&calculation["sql_expression"], &mut named);
            named.iter().any(|field| !exists(field))
        })
        .filter_map(|calculation| calculation["calc_name"].as_str())
        .map(str::to_owned)
        .collect()
}

fn operands(expression: &Value, into: &mut Vec<String>) {
    into.extend(expression["field_name"].as_str().map(str::to_owned));
    for operand in expression["operands"].as_array().into_iter().flatten() {
        operands(operand, into);
    }
}

/// Follows the references of a field to their end.
fn resolve(layers: &Layers, reachable: &BTreeSet<String>, view: &str, field: &str, depth: u8) -> Result<(), String> {
    if !reachable.contains(view) {
        return Err(format!("view \"{view}\" cannot be joined"));
    }
    let Some(definition) = layers.field(view, field) else {
        return Err(format!("field \"{view}.{field}\" does not exist"));
    };
    if depth > 32 {
        return Err(format!("field \"{view}.{field}\" refers to itself"));
    }
    let sql = definition.get("sql").and_then(Value::as_str).unwrap_or_default();
    check_raw(layers, view, sql).map_err(|reason| format!("field \"{view}.{field}\": {reason}"))?;
    for (wanted_view, wanted_field) in references(sql) {
        if (wanted_view.as_str(), wanted_field.as_str()) == (view, field) {
            continue;
        }
        resolve(layers, reachable, &wanted_view, &wanted_field, depth + 1)
            .map_err(|reason| format!("\"{view}.{field}\" needs {reason}"))?;
    }
    Ok(())
}

/// A query view that was made from YAML has aliases for columns; its raw columns are gone.
fn check_raw(layers: &Layers, view: &str, sql: &str) -> Result<(), String> {
    for (named, column) in raw_references(sql) {
        let owner = named.as_deref().unwrap_or(view);
        if layers.views.get(owner).is_some_and(|owner| owner.aliases_only) {
            return Err(format!("column \"{column}\" of query view \"{owner}\" does not exist"));
        }
    }
    Ok(())
}

/// The joins that the fields' views need must name columns and fields that exist.
fn check_joins(layers: &Layers, fields: &[&str]) -> Result<(), String> {
    let used: BTreeSet<&str> = fields
        .iter()
        .filter_map(|field| split(field))
        .map(|(view, _)| view)
        .collect();
    for relationship in layers
        .relationships
        .iter()
        .filter(|relationship| used.contains(relationship.to.as_str()))
    {
        for (view, field) in references(&relationship.on_sql) {
            if layers.views.contains_key(&view) && !layers.has_field(&view, &field) {
                return Err(format!("the join to \"{}\" names \"{view}.{field}\"", relationship.to));
            }
        }
        check_raw(layers, &relationship.to, &relationship.on_sql)?;
    }
    for view in used.iter().filter_map(|view| layers.views.get(*view)) {
        for (field, _) in view.aliases() {
            let exists = split(&field).is_some_and(|(view, field)| layers.has_field(view, field));
            if !exists {
                return Err(format!("the query of \"{}\" names \"{field}\"", view.file_name));
            }
        }
    }
    Ok(())
}

impl Organisation {
    /// The combined model under a query: its tab's model where it has one, else the model that it names.
    pub(super) fn layers_of_query(
        &self,
        model_id: &str,
        query: &Object,
        branch_id: Option<&str>,
        viewpoint: Viewpoint<'_>,
    ) -> Result<Layers, Answer> {
        let model = self.model(model_id)?;
        let branch = self.named_branch(model, branch_id)?;
        let tab = match query.get("model_extension_id").and_then(Value::as_str) {
            Some(id) if id != model_id => {
                let tab = self.model(id)?;
                let belongs = tab.kind == ModelKind::Query && tab.base_model_id.as_deref() == Some(model_id);
                Some(tab).filter(|_| belongs || model.kind != ModelKind::Workbook)
            }
            _ => None,
        };
        self.layers(tab.unwrap_or(model), branch, viewpoint)
    }
}
