//! What a local model declares itself: its views, with fields that are named without their view, and its topics.

use serde_json::{Map, Value};

use super::Walk;
use super::place::At;

/// Where a view's file declares fields, by their bare names.
const GROUPS: [&str; 3] = ["dimensions", "measures", "filters"];
/// The same in a compiled local model, as lists.
const COMPILED: [&str; 3] = ["dimensions", "measures", "filter_only_fields"];

impl Walk<'_> {
    /// A local model as exports have it.
    pub(super) fn compiled(&mut self, model: &mut Value) {
        for view in lists(model, "views") {
            let own = text(view, "name");
            self.renamed_at(view, "name", |walk, name| walk.view(name));
            self.renamed_at(view, "ide_file_name", |walk, name| {
                let to = walk.file_name(name);
                (to != name).then_some(to)
            });
            for group in COMPILED {
                for field in lists(view, group) {
                    self.compiled_field(field, own.as_deref());
                }
            }
            let Some(view) = view.as_object_mut() else { continue };
            self.parts(
                view,
                &[COMPILED.as_slice(), &["name", "ide_file_name", "label"]].concat(),
                own.as_deref(),
            );
        }
        for topic in lists(model, "topics") {
            self.renamed_at(topic, "name", |walk, name| walk.topic(name));
            let Some(topic) = topic.as_object_mut() else { continue };
            self.parts(topic, &["name", "label"], None);
        }
        let Some(rest) = model.as_object_mut() else { return };
        self.parts(rest, &["views", "topics"], None);
    }

    /// A field that a compiled view declares: its own name is bare, beside the view's.
    fn compiled_field(&mut self, field: &mut Value, own: Option<&str>) {
        let bare = text(field, "field_name").filter(|name| !name.contains('.'));
        if let (Some(own), Some(bare)) = (own, &bare)
            && let Some(to) = self.own_field(own, bare)
        {
            field["field_name"] = Value::String(to);
        }
        let Some(field) = field.as_object_mut() else { return };
        let kept = bare.is_some().then_some("field_name");
        self.parts(field, &[kept.as_slice(), &["label"]].concat(), own);
    }

    /// A local model's file.
    pub(super) fn file(&mut self, name: &str, file: &mut Value) {
        let own = view_of(name);
        let Some(fields) = file.as_object_mut() else {
            return self.value(At::default(), file);
        };
        let groups: &[&str] = if own.is_some() { &GROUPS } else { &[] };
        for group in groups {
            let Some(declared) = fields.get_mut(*group).and_then(Value::as_object_mut) else {
                continue;
            };
            self.declared(declared, own.as_deref());
        }
        self.parts(fields, &[groups, &["label"]].concat(), own.as_deref());
    }

    /// Fields by their bare names.
    fn declared(&mut self, fields: &mut Map<String, Value>, own: Option<&str>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            if let Some(field) = fields.get_mut(&name).and_then(Value::as_object_mut) {
                self.parts(field, &["label"], own);
            }
            let to = own.and_then(|own| self.own_field(own, &name));
            if let Some(to) = to.filter(|to| !fields.contains_key(to))
                && let Some(field) = fields.remove(&name)
            {
                fields.insert(to, field);
            }
        }
    }

    /// Every part of an object but these, which are seen to elsewhere or are words for people.
    fn parts(&mut self, fields: &mut Map<String, Value>, but: &[&str], own: Option<&str>) {
        let taken: Vec<(String, Value)> = but.iter().filter_map(|name| fields.remove_entry(*name)).collect();
        self.object(At { own, ..At::default() }, fields);
        fields.extend(taken);
    }

    fn renamed_at(&mut self, object: &mut Value, property: &str, rename: impl Fn(&mut Self, &str) -> Option<String>) {
        if let Some(Value::String(name)) = object.get_mut(property)
            && let Some(to) = rename(self, name)
        {
            *name = to;
        }
    }

    /// The file of a view or topic under its new name.
    pub(super) fn file_name(&mut self, name: &str) -> String {
        let renamed = |walk: &mut Self, kind: &str| -> Option<String> {
            let stem = name.strip_suffix(kind)?;
            if kind == ".topic" {
                return Some(format!("{}{kind}", walk.topic(stem)?));
            }
            let Some((folder, last)) = stem.rsplit_once('/') else {
                return Some(format!("{}{kind}", walk.view(stem)?));
            };
            // A view in a schema's folder carries the schema's name, or does not.
            let full = joined(stem);
            let Some(to) = walk.view(&full) else {
                return Some(format!("{folder}/{}{kind}", walk.view(last)?));
            };
            let inside = to
                .strip_prefix(&joined(folder))
                .and_then(|rest| rest.strip_prefix("__"));
            Some(match inside {
                Some(inside) => format!("{folder}/{inside}{kind}"),
                None => format!("{to}{kind}"),
            })
        };
        [".query.view", ".view", ".topic"]
            .into_iter()
            .find_map(|kind| renamed(self, kind))
            .unwrap_or_else(|| name.to_owned())
    }
}

fn view_of(file: &str) -> Option<String> {
    let stem = file.strip_suffix(".view")?;
    let stem = stem.strip_suffix(".query").unwrap_or(stem);
    Some(joined(stem))
}

/// The name of the view whose file is called so.
fn joined(stem: &str) -> String {
    stem.replace('/', "__")
}

fn text(object: &Value, property: &str) -> Option<String> {
    object[property].as_str().map(str::to_owned)
}

fn lists<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}
