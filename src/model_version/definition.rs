//! The definition of a model as a set of authored files: what it shall be, in which order it is sent, and whether what
//! Omni holds is the same. All pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::content::links::LinkMap;
use crate::ports::ModelFiles;
use crate::resources::Edit;

/// Files by name, each its YAML text.
pub type Files = BTreeMap<String, String>;

/// What people wrote of a model. Files in which nothing was authored are left out.
#[must_use]
pub fn authored(source: &ModelFiles) -> Files {
    let authored = source.files.iter().filter(|(_, file)| !is_blank(&file.yaml));
    authored.map(|(name, file)| (name.clone(), file.yaml.clone())).collect()
}

/// The files that a model of the version shall have: these, links led into the version.
#[must_use]
pub fn desired(files: Files, links: &LinkMap) -> Files {
    files
        .into_iter()
        .filter(|(_, yaml)| !is_blank(yaml))
        .map(|(name, yaml)| (name, links.rewrite(&yaml)))
        .collect()
}

/// A name for everything that the definition is made from, so that a recorded one need not be read again.
#[must_use]
pub fn key(source_model: &str, source_updated_at: &str, edits: &[Edit], links: &LinkMap) -> String {
    let mut digest = Sha256::new();
    for part in [source_model, source_updated_at] {
        digest.update(part);
        digest.update([0]);
    }
    for edit in edits {
        let parts = match (&edit.file_name, &edit.yaml) {
            // As the ledgers of the first release have it.
            (Some(file), Some(yaml)) => [file.clone(), yaml.clone()],
            _ => ["\u{1}".to_owned(), json!(edit).to_string()],
        };
        for part in parts {
            digest.update(part);
            digest.update([0]);
        }
    }
    for (from, to) in &links.0 {
        digest.update(format!("{from}>{to}\0"));
    }
    digest
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A hash of what a model's files mean, by [`same`]: it stays when Omni writes them anew.
#[must_use]
pub fn files_hash(present: &ModelFiles) -> String {
    let mut digest = Sha256::new();
    for (name, file) in present.files.iter().filter(|(_, file)| !is_blank(&file.yaml)) {
        let meaning = parse(&file.yaml).map_or_else(|_| file.yaml.clone(), |yaml| canonical(&yaml).to_string());
        digest.update(format!("{name}\0{meaning}\0"));
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What must be sent so that a model which holds `present` has `desired`: texts by name, an empty one removes.
#[must_use]
pub fn changes(desired: &Files, present: &ModelFiles) -> Vec<(String, String)> {
    let differing = desired.iter().filter(|(name, yaml)| {
        present
            .files
            .get(*name)
            .is_none_or(|file| !same(name, yaml, &file.yaml))
    });
    let mut sent: Vec<(String, String)> = differing.map(|(name, yaml)| (name.clone(), yaml.clone())).collect();
    let removed = present
        .files
        .iter()
        .filter(|(name, file)| !desired.contains_key(*name) && !is_blank(&file.yaml));
    sent.extend(removed.map(|(name, _)| (name.clone(), String::new())));
    in_order_of_reference(sent)
}

/// Views first, query views after the tables they read, then relationships, topics and what refers to topics; among
/// views, whoever is referred to goes before whoever refers, and names decide the rest.
#[must_use]
pub fn in_order_of_reference(mut files: Vec<(String, String)>) -> Vec<(String, String)> {
    let rank = |name: &str| match name.rsplit_once('.').map_or(name, |(_, kind)| kind) {
        "model" => 0,
        "view" if name.ends_with(".query.view") => 2,
        "view" => 1,
        "relationships" => 3,
        "topic" => 4,
        _ => 5,
    };
    files.sort_by(|(one, _), (other, _)| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
    let views: BTreeSet<String> = files.iter().map(|(name, _)| view_name(name).to_owned()).collect();
    let mut ordered: Vec<(String, String)> = Vec::with_capacity(files.len());
    let mut placed = BTreeSet::new();
    while !files.is_empty() {
        let free = files.iter().position(|(name, yaml)| {
            references(yaml)
                .iter()
                .all(|view| view == view_name(name) || !views.contains(view) || placed.contains(view))
        });
        // A circle of references has no right order; the first by name breaks it.
        let (name, yaml) = files.remove(free.unwrap_or(0));
        placed.insert(view_name(&name).to_owned());
        ordered.push((name, yaml));
    }
    ordered
}

fn view_name(file: &str) -> &str {
    file.strip_suffix(".query.view")
        .or_else(|| file.strip_suffix(".view"))
        .unwrap_or(file)
}

static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([A-Za-z0-9_/]+)\.[A-Za-z0-9_]").expect("the pattern is well-formed"));

fn references(yaml: &str) -> BTreeSet<String> {
    REFERENCE.captures_iter(yaml).map(|found| found[1].to_owned()).collect()
}

/// Whether a model holds exactly these files, by [`same`].
#[must_use]
pub fn differing(desired: &Files, present: &ModelFiles) -> Vec<String> {
    changes(desired, present).into_iter().map(|(name, _)| name).collect()
}

/// Whether two texts of one file mean the same to Omni, which re-serialises what it merges: comments, order of keys and
/// empty parts do not count, nor `sql` that only repeats the physical column, nor the joins that Omni infers for a
/// topic which names none.
#[must_use]
pub fn same(name: &str, one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (parse(one), parse(other)) {
        (Ok(one), Ok(other)) => {
            let (mut one, mut other) = (canonical(&one), canonical(&other));
            if name.ends_with(".topic") {
                leave_out_inferred_joins(&mut one, &mut other);
            }
            one == other
        }
        _ => one == other,
    }
}

/// Joins count between two topics that both name theirs; those of a topic that names none are Omni's guess.
pub(super) fn leave_out_inferred_joins(one: &mut Value, other: &mut Value) {
    let infers = one.get("joins").is_none() || other.get("joins").is_none();
    for topic in [one, other] {
        if let (true, Some(fields)) = (infers, topic.as_object_mut()) {
            fields.remove("joins");
        }
    }
}

/// Nothing was authored: empty, or only an empty map or list.
#[must_use]
pub fn is_blank(yaml: &str) -> bool {
    // Most files begin with a key, which is seen without parsing them whole.
    let first = yaml
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    if first.is_some_and(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && line.contains(':'))
    {
        return false;
    }
    match parse(yaml) {
        Ok(Value::Null) => true,
        Ok(Value::Object(fields)) => fields.is_empty(),
        Ok(Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

pub(super) fn parse(yaml: &str) -> Result<Value, String> {
    if yaml.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str::<Value>(yaml).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or("it does not parse").to_owned()
    })
}

/// What a file means, by [`same`], as far as it can be said of one alone.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, field) in fields {
                let field = match name.as_str() {
                    "dimensions" => without_redundant_sql(field),
                    _ => canonical(field),
                };
                // `joins: {}` is a word of its own: it forbids inferred joins.
                if name == "joins" || !is_empty(&field) {
                    kept.insert(name.clone(), field);
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn without_redundant_sql(dimensions: &Value) -> Value {
    let Some(dimensions) = dimensions.as_object() else {
        return canonical(dimensions);
    };
    let kept = dimensions.iter().map(|(name, dimension)| {
        let mut dimension = canonical(dimension);
        let repeats = dimension.get("sql").and_then(Value::as_str).is_some_and(|sql| {
            let column = sql.trim().trim_start_matches("${TABLE}.").trim_matches('"');
            column.eq_ignore_ascii_case(name)
        });
        if let (true, Some(fields)) = (repeats, dimension.as_object_mut()) {
            fields.remove("sql");
        }
        // A dimension in which nothing is left to say and one that says nothing are the same.
        let dimension = if dimension.is_null() {
            Value::Object(Map::new())
        } else {
            dimension
        };
        (name.clone(), dimension)
    });
    Value::Object(kept.collect())
}

/// Files by name and text, as a read of a model gives them.
#[cfg(test)]
pub(super) fn files(files: &[(&str, &str)]) -> ModelFiles {
    let file = |yaml: &str| crate::ports::ModelFile {
        yaml: yaml.to_owned(),
        checksum: None,
    };
    ModelFiles {
        files: files
            .iter()
            .map(|(name, yaml)| ((*name).to_owned(), file(yaml)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wrote_is_left_out_and_links_lead_into_the_version() {
        let source = files(&[("a.view", "label: A\nlink: /dashboards/12db1a0a"), ("model", "{}")]);
        let links = LinkMap(BTreeMap::from([("12db1a0a".into(), "s-v2-abc".into())]));
        let desired = desired(authored(&source), &links);
        let wanted = ("a.view".to_owned(), "label: A\nlink: /dashboards/s-v2-abc".to_owned());
        assert_eq!(desired, Files::from([wanted]));
    }

    #[test]
    fn only_what_differs_is_sent_and_what_is_not_wanted_is_removed() {
        let present = files(&[
            ("a.view", "label:   A # same"),
            ("old.view", "label: old"),
            ("model", "{}"),
        ]);
        let desired = Files::from([
            ("a.view".into(), "label: A".into()),
            ("t.topic".into(), "base_view: a".into()),
        ]);
        assert_eq!(
            changes(&desired, &present),
            [
                ("old.view".to_owned(), String::new()),
                ("t.topic".to_owned(), "base_view: a".to_owned())
            ]
        );
    }

    #[test]
    fn whoever_is_referred_to_goes_first() {
        let ordered = in_order_of_reference(vec![
            ("t.topic".into(), "base_view: a".into()),
            ("relationships".into(), "- on_sql: ${a.id} = ${b.id}".into()),
            ("a.view".into(), "sql: ${b.id}".into()),
            ("b.view".into(), "sql: ${b.x}".into()),
            ("model".into(), "constants: {}".into()),
        ]);
        let names: Vec<&str> = ordered.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["model", "b.view", "a.view", "relationships", "t.topic"]);
    }

    #[test]
    fn a_circle_of_references_ends() {
        let ordered = in_order_of_reference(vec![
            ("a.view".into(), "${b.x}".into()),
            ("b.view".into(), "${a.x}".into()),
        ]);
        assert_eq!(ordered.len(), 2);
    }

    #[test]
    fn what_omni_makes_of_a_file_is_the_same_file() {
        let written =
            "# ours\nlabel: P\ndimensions:\n  dob: {sql: '\"DOB\"', label: Born}\n  id:\n    sql: ${TABLE}.id\n";
        let merged = "dimensions:\n  id: {}\n  dob:\n    label: Born\nlabel: P\n";
        assert!(same("patients.view", written, merged));
        assert!(!same("patients.view", written, &merged.replace("Born", "Birth")));
        assert!(!same(
            "patients.view",
            "dimensions: {age: {sql: '\"DOB\"'}}",
            "dimensions: {age: {}}"
        ));
        assert!(same("t.topic", "base_view: a", "base_view: a\njoins: {b: {}}"));
        assert!(!same(
            "t.topic",
            "base_view: a\njoins: {c: {}}",
            "base_view: a\njoins: {b: {}}"
        ));
    }

    #[test]
    fn the_hash_of_files_moves_with_their_meaning_alone() {
        let hash = |yaml: &str| files_hash(&files(&[("a.view", yaml), ("model", "{}")]));
        let one = hash("label: A\ndimensions: {id: {sql: '${TABLE}.id'}}");
        assert_eq!(one, hash("# by hand\ndimensions:\n  id: {}\nlabel: A\n"));
        assert_ne!(one, hash("dimensions: {id: {}}\nlabel: B"));
        assert_ne!(one, files_hash(&files(&[])));
    }
}
