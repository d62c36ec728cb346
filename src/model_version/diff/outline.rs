//! A model taken apart into views, fields, topics and relationships; two of them compared.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Change, Difference, Kind, keys, values};
use crate::model_version::content::links::LinkMap;
use crate::model_version::definition::{Files, canonical, leave_out_inferred_joins, parse};

/// Where the fields of a view stand: in a file, in a compiled model, and what they are.
const GROUPS: [(&str, &str, Kind); 3] = [
    ("dimensions", "dimensions", Kind::Dimension),
    ("measures", "measures", Kind::Measure),
    ("filters", "filter_only_fields", Kind::Filter),
];

/// What names a relationship, and so is no property of it.
const ENDS: [&str; 4] = ["join_from_view", "join_from_view_as", "join_to_view", "join_to_view_as"];

/// What a compiled view and its fields say of themselves beside what a person wrote.
const COMPILED: [&str; 5] = [
    "name",
    "field_name",
    "view_name",
    "fully_qualified_name",
    "extension_model_id",
];

/// A model, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outline {
    views: BTreeMap<(String, Kind), View>,
    parts: BTreeMap<(Kind, String), Value>,
}

/// A view: its fields, and what it has besides.
#[derive(Debug, Default, PartialEq)]
struct View {
    own: Map<String, Value>,
    fields: BTreeMap<(Kind, String), Value>,
}

impl View {
    /// All that tells what it is, for one that the other side does not have.
    fn whole(&self) -> Value {
        let mut whole = self.own.clone();
        for (name, _, kind) in GROUPS {
            let of_kind = self.fields.keys().filter(|(is, _)| *is == kind);
            let names: Vec<&String> = of_kind.map(|(_, field)| field).collect();
            if !names.is_empty() {
                whole.insert(name.to_owned(), json!(names));
            }
        }
        Value::Object(whole)
    }
}

impl Outline {
    /// Of a model's authored files. Links lead where `links` says.
    pub(super) fn of_files(files: &Files, links: &LinkMap) -> Self {
        let mut outline = Self::default();
        for (name, yaml) in files {
            let yaml = links.rewrite(yaml);
            let (kind, stem) = kind_of(name);
            let meaning = parse(&yaml).map_or(Value::String(yaml), |it| canonical(&it));
            match (kind, meaning) {
                (Kind::View | Kind::QueryView, Value::Object(own)) => {
                    outline.views.insert((stem, kind), authored_view(own));
                }
                (Kind::Relationship, Value::Array(items)) => items.into_iter().for_each(|it| outline.join(it)),
                (Kind::Model | Kind::Topic, meaning @ Value::Object(_)) => {
                    outline.parts.insert((kind, stem), meaning);
                }
                // It does not parse, or is nothing that its name says: told as it stands.
                (_, meaning) => drop(outline.parts.insert((Kind::File, name.clone()), as_object(meaning))),
            }
        }
        outline
    }

    /// Of a local model as an export carries it: not files, but lists.
    pub(super) fn of_compiled(model: &Value) -> Self {
        let mut outline = Self::default();
        let mut rest = model.as_object().cloned().unwrap_or_default();
        let mut list = |name: &str| match rest.remove(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        for view in list("views") {
            outline
                .views
                .insert((name_of(&view, "name"), Kind::View), compiled_view(&view));
        }
        for topic in list("topics") {
            let name = name_of(&topic, "name");
            outline
                .parts
                .insert((Kind::Topic, name), Value::Object(written(&topic)));
        }
        list("relationships").into_iter().for_each(|it| outline.join(it));
        outline
            .parts
            .insert((Kind::Model, "model".to_owned()), Value::Object(rest));
        outline
    }

    /// Takes a relationship in, under the names of its ends.
    fn join(&mut self, relationship: Value) {
        let end = |view: &str, alias: &str| match (relationship[view].as_str(), relationship[alias].as_str()) {
            (view, Some(alias)) => format!("{} as {alias}", view.unwrap_or_default()),
            (view, None) => view.unwrap_or_default().to_owned(),
        };
        let name = format!("{} -> {}", end(ENDS[0], ENDS[1]), end(ENDS[2], ENDS[3]));
        let mut own = as_object(relationship);
        if let Some(fields) = own.as_object_mut() {
            fields.retain(|key, _| !ENDS.contains(&key.as_str()));
        }
        let twins = (2..).map(|number| format!("{name} ({number})"));
        let mut names = std::iter::once(name.clone()).chain(twins);
        let free = names.find(|name| !self.parts.contains_key(&(Kind::Relationship, name.clone())));
        self.parts.insert((Kind::Relationship, free.unwrap_or(name)), own);
    }
}

/// What differs between two models: the model file, then views with their fields, then all else.
pub(super) fn compare(one: &Outline, other: &Outline) -> Vec<Difference> {
    let mut rows = Vec::new();
    for key in keys(&one.views, &other.views) {
        compare_view(&mut rows, key, one.views.get(key), other.views.get(key));
    }
    let mut parts = Vec::new();
    for key in keys(&one.parts, &other.parts) {
        let (kind, place) = key;
        let mut sides = [one, other].map(|it| it.parts.get(key).cloned());
        if let (Kind::Topic, [Some(one), Some(other)]) = (kind, &mut sides) {
            leave_out_inferred_joins(one, other);
        }
        if *kind == Kind::Model {
            // Every model has the file; in one where nothing was written it is empty.
            sides = sides.map(|it| Some(it.unwrap_or_else(|| Value::Object(Map::new()))));
        }
        let [one, other] = &sides;
        parts.extend(Difference::between(*kind, place, one.as_ref(), other.as_ref()));
    }
    let after = parts.partition_point(|it| it.kind == Kind::Model);
    let rest = parts.split_off(after);
    parts.into_iter().chain(rows).chain(rest).collect()
}

fn compare_view(rows: &mut Vec<Difference>, key: &(String, Kind), one: Option<&View>, other: Option<&View>) {
    let (name, kind) = key;
    let (Some(one), Some(other)) = (one, other) else {
        let [one, other] = [one, other].map(|it| it.map(View::whole));
        rows.extend(Difference::between(*kind, name, one.as_ref(), other.as_ref()));
        return;
    };
    let own = values::details(&Value::Object(one.own.clone()), &Value::Object(other.own.clone()));
    if !own.is_empty() {
        rows.push(Difference::new(*kind, Change::Changed, name, own));
    }
    for key in keys(&one.fields, &other.fields) {
        let (kind, field) = key;
        let place = format!("{name}.{field}");
        let (one, other) = (one.fields.get(key), other.fields.get(key));
        rows.extend(Difference::between(*kind, &place, one, other));
    }
}

/// What a file is by its name, and what people call it.
fn kind_of(file: &str) -> (Kind, String) {
    let named = |stem: &str| stem.replace('/', "__");
    if let Some(stem) = file.strip_suffix(".query.view") {
        (Kind::QueryView, named(stem))
    } else if let Some(stem) = file.strip_suffix(".view") {
        (Kind::View, named(stem))
    } else if let Some(stem) = file.strip_suffix(".topic") {
        (Kind::Topic, named(stem))
    } else {
        let kind = match file {
            "model" => Kind::Model,
            "relationships" => Kind::Relationship,
            _ => Kind::File,
        };
        (kind, file.to_owned())
    }
}

fn authored_view(mut own: Map<String, Value>) -> View {
    let mut fields = BTreeMap::new();
    for (group, _, kind) in GROUPS {
        if let Some(Value::Object(group)) = own.remove(group) {
            let of_kind = group.into_iter().map(|(name, field)| ((kind, name), as_object(field)));
            fields.extend(of_kind);
        }
    }
    View { own, fields }
}

fn compiled_view(view: &Value) -> View {
    let mut own = written(view);
    let mut fields = BTreeMap::new();
    for (_, group, kind) in GROUPS {
        for field in own.remove(group).iter().filter_map(Value::as_array).flatten() {
            let name = name_of(field, "field_name");
            fields.insert((kind, name), Value::Object(written(field)));
        }
    }
    View { own, fields }
}

/// Of a compiled object what a person wrote.
fn written(compiled: &Value) -> Map<String, Value> {
    let mut own = compiled.as_object().cloned().unwrap_or_default();
    own.retain(|key, _| !COMPILED.contains(&key.as_str()));
    own
}

/// The name of a compiled object, which may be no more than its name.
fn name_of(compiled: &Value, key: &str) -> String {
    let name = compiled[key].as_str().or_else(|| compiled.as_str());
    name.unwrap_or_default().to_owned()
}

/// A value by itself is told under a key like all others.
fn as_object(value: Value) -> Value {
    match value {
        object @ Value::Object(_) => object,
        Value::Null => Value::Object(Map::new()),
        other => json!({"content": other}),
    }
}
