//! The canonical form in which Omni writes model files at a merge: not what the author wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::http::Object;
use super::layers::{Layers, collect_joins, topic_name, view_name};
use super::organisation::{File, Files};

/// Re-serialises all files of a model: keys sorted, comments replaced by Omni's own, `sql` dropped that only repeats
/// the schema's column, and joins inferred in topics that leave them out.
pub(super) fn canonical(files: &Files, schema: &Files, combined: &Layers) -> Files {
    files
        .iter()
        .map(|(name, file)| {
            let mut parsed = file.parsed.as_ref().clone();
            let mut comment = String::new();
            if let (Some(view), Value::Object(body)) = (view_name(name), &mut parsed) {
                drop_redundant_sql(body, schema_fields(schema, &view));
                comment = format!("# Reference this view as {view}\n");
            } else if let (Some(_), Value::Object(body)) = (topic_name(name), &mut parsed) {
                infer_joins(body, combined);
            }
            (name.clone(), rewritten(file, parsed, &comment))
        })
        .collect()
}

fn rewritten(file: &File, parsed: Value, comment: &str) -> File {
    File {
        text: format!("{comment}{}", to_yaml(&parsed)),
        parsed: parsed.into(),
        made_in_workbook: file.made_in_workbook,
    }
}

/// YAML text of a JSON value, keys sorted.
pub(super) fn to_yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("a JSON value is plain data, which YAML can always say")
}

fn schema_fields(schema: &Files, view: &str) -> BTreeSet<String> {
    let file = schema.iter().find(|(name, _)| view_name(name).as_deref() == Some(view));
    let dimensions = file.and_then(|(_, file)| file.parsed.get("dimensions").and_then(Value::as_object));
    dimensions.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn drop_redundant_sql(view: &mut Object, columns: BTreeSet<String>) {
    let Some(Value::Object(dimensions)) = view.get_mut("dimensions") else {
        return;
    };
    for (name, definition) in dimensions.iter_mut() {
        let Value::Object(definition) = definition else {
            continue;
        };
        let redundant = definition
            .get("sql")
            .and_then(Value::as_str)
            .is_some_and(|sql| repeats_column(sql, name));
        if redundant && columns.contains(name) {
            definition.remove("sql");
        }
    }
}

/// Whether this SQL says no more than the field's name does.
fn repeats_column(sql: &str, name: &str) -> bool {
    let column = sql.trim();
    let column = column.strip_prefix("${TABLE}.").unwrap_or(column);
    column.trim_matches('"').eq_ignore_ascii_case(name)
}

/// Writes the joins that a topic leaves out, where it uses more than its base view.
fn infer_joins(topic: &mut Object, combined: &Layers) {
    let Some(base) = topic.get("base_view").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    if topic.contains_key("joins") {
        return;
    }
    let parents = parents(&base, combined);
    let mut joins = Object::new();
    for view in used_views(topic, &base, &parents) {
        insert_path(&mut joins, &path_to(&view, &base, &parents));
    }
    if !joins.is_empty() {
        topic.insert("joins".into(), Value::Object(joins));
    }
}

/// For every view that relationships lead to from the base, the view from which they first do.
fn parents(base: &str, combined: &Layers) -> BTreeMap<String, String> {
    let mut parents = BTreeMap::new();
    let mut frontier = vec![base.to_owned()];
    while let Some(from) = frontier.pop() {
        for relationship in combined
            .relationships
            .iter()
            .filter(|relationship| relationship.from == from)
        {
            if relationship.to != base && !parents.contains_key(&relationship.to) {
                parents.insert(relationship.to.clone(), from.clone());
                frontier.insert(0, relationship.to.clone());
            }
        }
    }
    parents
}

/// The views that a topic's fields name; all neighbours of the base where it names none in particular.
fn used_views(topic: &Object, base: &str, parents: &BTreeMap<String, String>) -> BTreeSet<String> {
    let fields = topic.get("fields").and_then(Value::as_array);
    let named: BTreeSet<String> = fields
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|field| !field.starts_with('-'))
        .filter_map(|field| field.split_once('.').map(|(view, _)| view.to_owned()))
        .collect();
    if named.is_empty() || named.contains("all_views") {
        return parents
            .iter()
            .filter(|(_, from)| from.as_str() == base)
            .map(|(view, _)| view.clone())
            .collect();
    }
    named.into_iter().filter(|view| parents.contains_key(view)).collect()
}

fn path_to(view: &str, base: &str, parents: &BTreeMap<String, String>) -> Vec<String> {
    let mut path = vec![view.to_owned()];
    let mut next = parents.get(view);
    while let Some(from) = next.filter(|from| from.as_str() != base) {
        path.insert(0, from.clone());
        next = parents.get(from);
    }
    path
}

fn insert_path(joins: &mut Object, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let nested = joins.entry(first.clone()).or_insert_with(|| json!({}));
    if let Value::Object(nested) = nested {
        insert_path(nested, rest);
    }
}

/// The views that a topic has, its base view among them.
pub(super) fn topic_views(topic: &Value) -> BTreeSet<String> {
    let mut views = BTreeSet::new();
    views.extend(topic.get("base_view").and_then(Value::as_str).map(str::to_owned));
    if let Some(joins) = topic.get("joins") {
        collect_joins(joins, &mut views);
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_that_repeats_the_column_says_nothing() {
        assert!(repeats_column("\"DOB\"", "dob"));
        assert!(repeats_column("${TABLE}.dob", "dob"));
        assert!(repeats_column("${TABLE}.\"DOB\"", "dob"));
        assert!(!repeats_column("${patients.dob}", "dob"));
        assert!(!repeats_column("UPPER(\"DOB\")", "dob"));
        assert!(!repeats_column("\"BIRTH\"", "dob"));
    }

    #[test]
    fn yaml_text_reads_back() {
        let value = json!({"a": {"sql": "\"ID\"", "b": [1, true, null, "no", "1.0", "# x", "a: b"]}, "c": "x\ny\n"});
        assert_eq!(serde_saphyr::from_str::<Value>(&to_yaml(&value)).unwrap(), value);
    }
}
