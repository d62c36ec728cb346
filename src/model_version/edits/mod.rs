//! What a spec asks to change in a model's files: whole files, single views, topics and fields. Pure.
//!
//! Files that an edit replaces or deletes come first; what is left of the list is applied on top, in its order. An edit that
//! finds nothing to change is refused: it is a typing error, or the source is not what its author thinks.

pub mod from;
mod text;
mod why;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
pub use why::{Refused, Why};

use super::definition::{Files, authored, parse};
use crate::ports::ModelFiles;
use crate::resources::Edit;

/// Where a view's fields stand.
const GROUPS: [&str; 3] = ["dimensions", "measures", "filters"];

/// One edit, by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change<'a> {
    Replace {
        file: &'a str,
        yaml: &'a str,
    },
    Delete {
        file: &'a str,
    },
    Patch {
        file: &'a str,
        yaml: &'a str,
    },
    IgnoreView {
        view: &'a str,
    },
    IgnoreTopic {
        topic: &'a str,
    },
    IgnoreField {
        view: &'a str,
        field: &'a str,
    },
    Field {
        view: &'a str,
        field: &'a str,
        yaml: &'a str,
    },
}

/// What an edit does; why it does nothing that is known, for objects that never met the API server's rules.
fn change(edit: &Edit) -> Result<Change<'_>, Why> {
    let (file, view, topic, field) = (
        edit.file_name.as_deref(),
        edit.view.as_deref(),
        edit.topic.as_deref(),
        edit.field.as_deref(),
    );
    let (yaml, patch) = (edit.yaml.as_deref(), edit.patch.as_deref());
    let known = match (file, view, topic, field, yaml, patch, edit.delete_file, edit.ignore) {
        (Some(file), None, None, None, Some(yaml), None, false, false) => Change::Replace { file, yaml },
        (Some(file), None, None, None, None, None, true, false) => Change::Delete { file },
        (Some(file), None, None, None, None, Some(yaml), false, false) => Change::Patch { file, yaml },
        (None, Some(view), None, None, None, None, false, true) => Change::IgnoreView { view },
        (None, None, Some(topic), None, None, None, false, true) => Change::IgnoreTopic { topic },
        (None, Some(view), None, Some(field), None, None, false, true) => Change::IgnoreField { view, field },
        (None, Some(view), None, Some(field), Some(yaml), None, false, false) => Change::Field { view, field, yaml },
        _ => {
            return Err(Why::plain(
                "give fileName with one of yaml, patch and deleteFile; or view, topic, or view and field, with ignore; or view and field with yaml",
            ));
        }
    };
    Ok(known)
}

/// Why an edit cannot be meant, whatever the source is.
#[must_use]
pub fn refusal(edit: &Edit) -> Option<Why> {
    let change = match change(edit) {
        Ok(change) => change,
        Err(why) => return Some(why),
    };
    let (place, yaml, lists) = match change {
        Change::Replace { file, yaml } => (file.to_owned(), yaml, true),
        Change::Patch { file, yaml } => (file.to_owned(), yaml, false),
        Change::Field { view, field, yaml } => (format!("{view}.{field}"), yaml, false),
        _ => return None,
    };
    match parse(yaml) {
        Ok(Value::Object(_)) => None,
        Ok(Value::Array(_)) if lists => None,
        Ok(_) if lists => Some(Why::at(&place, "the YAML must be a map or a list")),
        Ok(_) => Some(Why::at(&place, "the YAML must be a map")),
        Err(why) => Some(Why::no_yaml(&place, yaml, &why)),
    }
}

/// The file that an edit replaces or deletes whole.
#[must_use]
pub fn whole_file(edit: &Edit) -> Option<&str> {
    match change(edit) {
        Ok(Change::Replace { file, .. } | Change::Delete { file }) => Some(file),
        _ => None,
    }
}

/// Whether an edit speaks of a view or a topic by its name: the file that it is in, and its fields, may be the schema's.
#[must_use]
pub fn names_views(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| edit.view.is_some() || edit.topic.is_some())
}

/// The source's authored files with the edits applied. `combined` is the source with what the schema has below, where an
/// edit names a view or a topic.
///
/// # Errors
/// The edit that finds nothing to change, and what it looked for.
pub fn applied(source: &ModelFiles, combined: &ModelFiles, edits: &[Edit]) -> Result<Files, Refused> {
    let mut files = authored(source);
    let mut others = Vec::new();
    for (number, edit) in edits.iter().enumerate() {
        let refused = |why| Refused { edit: number, why };
        match change(edit).map_err(refused)? {
            Change::Replace { file, yaml } => drop(files.insert(file.to_owned(), yaml.to_owned())),
            Change::Delete { file } if files.remove(file).is_none() => {
                return Err(refused(Why::new(
                    format!("the source has no file {file:?} that could be deleted"),
                    "the source has no such file that could be deleted",
                )));
            }
            Change::Delete { .. } => {}
            change => others.push((number, change)),
        }
    }
    for (number, change) in others {
        let refused = |why| Refused { edit: number, why };
        let (file, patch) = patch(&files, combined, change).map_err(refused)?;
        let before = files.get(&file).map_or("", String::as_str);
        let after = text::patched(before, &patch).map_err(|why| {
            let unquoted = "the file that it is about is no YAML";
            refused(Why::new(format!("{file} is no YAML: {why}"), unquoted))
        })?;
        files.insert(file, after);
    }
    Ok(files)
}

/// The file that an edit changes, and what in it: `null` takes out, maps are gone into, everything else is put in place.
fn patch(files: &Files, combined: &ModelFiles, change: Change<'_>) -> Result<(String, Vec<Value>), Why> {
    let ignored = json!({"ignored": true});
    match change {
        Change::Patch { file, yaml } if files.contains_key(file) => {
            let patch = parse(yaml).map_err(|why| Why::no_yaml(file, yaml, &why))?;
            Ok((file.to_owned(), vec![patch]))
        }
        Change::Patch { file, .. } => Err(Why::new(
            format!("the source has no file {file:?} to patch; give the whole file with yaml"),
            "the source has no such file to patch; give the whole file with yaml",
        )),
        Change::IgnoreView { view } => Ok((file_of(files, combined, "view", view)?, vec![ignored])),
        Change::IgnoreTopic { topic } => Ok((file_of(files, combined, "topic", topic)?, vec![ignored])),
        Change::IgnoreField { view, field } => {
            let file = file_of(files, combined, "view", view)?;
            let group = group_of(files, combined, &file, field);
            let group = group.ok_or_else(|| {
                let said = format!("view {view:?} of the source has no field {field:?}");
                Why::new(said, "the view of the source has no such field")
            })?;
            Ok((file, vec![json!({group: {field: ignored}})]))
        }
        Change::Field { view, field, yaml } => {
            let file = file_of(files, combined, "view", view)?;
            let body = parse(yaml).map_err(|why| Why::no_yaml(&format!("{view}.{field}"), yaml, &why))?;
            let is_new = || {
                if body.get("aggregate_type").is_some() {
                    "measures"
                } else {
                    "dimensions"
                }
            };
            let group = group_of(files, combined, &file, field).unwrap_or_else(is_new);
            // What was authored of it before goes: the field is what the edit says, on what the schema has.
            let authored = files.get(&file).and_then(|text| parse(text).ok());
            let was = authored.is_some_and(|it| it[group].get(field).is_some());
            let out = was.then(|| json!({group: {field: null}}));
            Ok((file, out.into_iter().chain([json!({group: {field: body}})]).collect()))
        }
        Change::Replace { .. } | Change::Delete { .. } => Err(Why::plain("it is about a whole file")),
    }
}

/// The file that a view or topic is in: an authored one, else the schema's, which an authored one of its name lies on.
fn file_of(files: &Files, combined: &ModelFiles, kind: &str, name: &str) -> Result<String, Why> {
    let stem = |file: &str| -> Option<String> {
        let stem = file.strip_suffix(kind)?.strip_suffix('.')?;
        Some(stem.strip_suffix(".query").unwrap_or(stem).replace('/', "__"))
    };
    let mut all = files.keys().chain(combined.files.keys());
    let wanted = name.replace('/', "__");
    let found = all.find(|file| stem(file).as_deref() == Some(wanted.as_str()));
    found.cloned().ok_or_else(|| {
        let unquoted = format!("the source has no such {kind}");
        Why::new(format!("the source has no {kind} {name:?}"), unquoted)
    })
}

/// Where the field stands, as authored or in the schema.
fn group_of(files: &Files, combined: &ModelFiles, file: &str, field: &str) -> Option<&'static str> {
    let below = combined.files.get(file).map(|it| it.yaml.as_str());
    let texts = files.get(file).map(String::as_str).into_iter().chain(below);
    let parsed: Vec<Value> = texts.filter_map(|text| parse(text).ok()).collect();
    let has = |group: &&str| parsed.iter().any(|view| view[*group].get(field).is_some());
    GROUPS.into_iter().find(has)
}

/// A patch by value: what [`text::patched`] must come to.
fn merged(below: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut fields: BTreeMap<String, Value> = match below {
        Value::Object(fields) => fields.clone().into_iter().collect(),
        _ => BTreeMap::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            let field = merged(fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), field);
        }
    }
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests;
