//! Holds what is declared to its kind's schema, as the API server would: the schema is the one of the definitions in
//! `crds/`. For what never met an API server: manifests of a folder, and edits that ConfigMaps and Secrets hold.
//!
//! Rules in CEL are not run: those that matter are checked again by the reconcilers, wherever an object comes from.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use kube::CustomResourceExt;
use regex::Regex;
use serde_json::Value;

/// The schema of the spec of one kind.
#[must_use]
pub fn of_spec<K: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(K::crd()).expect("a definition is plain data");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// What in `value` the schema refuses, each with the path of its field.
#[must_use]
pub fn check(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    found(schema, value, path, true)
}

/// The same of what must not be told: nothing of `value` is in it, no name of a field that is none either.
#[must_use]
pub fn check_unquoted(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    found(schema, value, path, false)
}

fn found(schema: &Value, value: &Value, path: &str, quotes: bool) -> Vec<String> {
    let mut faults = Faults {
        told: Vec::new(),
        quotes,
    };
    walk(schema, value, path, &mut faults);
    faults.told
}

/// What was found so far.
struct Faults {
    told: Vec<String>,
    /// What was written is told, too.
    quotes: bool,
}

impl Faults {
    fn push(&mut self, fault: String) {
        self.told.push(fault);
    }

    /// Something that was written is not as it must be.
    fn of_value(&mut self, path: &str, written: impl std::fmt::Display, must: &str) {
        self.told.push(match self.quotes {
            true => format!("{path} is {written}, but {must}"),
            false => format!("{path} {must}"),
        });
    }
}

fn walk(schema: &Value, value: &Value, path: &str, faults: &mut Faults) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_a(value, wanted)
    {
        let hint = if wanted == "string" && !value.is_null() {
            "; write it in quotes"
        } else {
            ""
        };
        faults.push(format!("{path} must be of type {wanted}, not {}{hint}", type_of(value)));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<String> = words.iter().map(Value::to_string).collect();
        faults.of_value(path, value, &format!("must be one of {}", words.join(", ")));
    }
    match value {
        Value::Object(_) => walk_object(schema, value, path, faults),
        Value::Array(items) => walk_list(schema, items, path, faults),
        Value::String(text) => check_text(schema, text, path, faults),
        Value::Number(number) => check_number(schema, number, path, faults),
        _ => {}
    }
}

fn walk_object(schema: &Value, value: &Value, path: &str, faults: &mut Faults) {
    let Value::Object(fields) = value else { return };
    for required in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(required) {
            faults.push(format!("{path}.{required} is missing"));
        }
    }
    within(
        schema,
        "minProperties",
        "maxProperties",
        fields.len(),
        "entries",
        path,
        faults,
    );
    if let Some(each) = schema.get("additionalProperties") {
        for (name, field) in fields {
            walk(each, field, &format!("{path}.{name}"), faults);
        }
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, field) in fields {
        match properties.get(name) {
            Some(schema) => walk(schema, field, &format!("{path}.{name}"), faults),
            None => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                let known = known.join(", ");
                faults.push(match faults.quotes {
                    true => format!("{path}.{name} is no field; there are {known}"),
                    false => format!("{path} has a field that is none; there are {known}"),
                });
            }
        }
    }
}

fn walk_list(schema: &Value, items: &[Value], path: &str, faults: &mut Faults) {
    within(schema, "minItems", "maxItems", items.len(), "entries", path, faults);
    for (index, item) in items.iter().enumerate() {
        walk(&schema["items"], item, &format!("{path}[{index}]"), faults);
    }
    let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        Some("set") => Vec::new(),
        _ => return,
    };
    let mut seen = BTreeSet::new();
    for item in items {
        let identity = if keys.is_empty() {
            item.to_string()
        } else {
            keys.iter()
                .map(|key| item[*key].to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !seen.insert(identity.clone()) {
            faults.push(match faults.quotes {
                true => format!("{path} has {identity} twice"),
                false => format!("{path} has the same {} twice", keys.join(", ")),
            });
        }
    }
}

fn check_text(schema: &Value, text: &str, path: &str, faults: &mut Faults) {
    let before = faults.told.len();
    within(
        schema,
        "minLength",
        "maxLength",
        text.chars().count(),
        "characters",
        path,
        faults,
    );
    // An empty text matches few patterns; that it is empty is all there is to say of it.
    let Some(pattern) = schema["pattern"].as_str().filter(|_| faults.told.len() == before) else {
        return;
    };
    if !compiled(pattern).is_match(text) {
        faults.of_value(path, format_args!("{text:?}"), &format!("must match {pattern}"));
    }
}

/// A pattern of our definitions, made once: to make it takes longer than all else that reading an object takes.
fn compiled(pattern: &str) -> Regex {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = compiled.get(pattern) {
        return known.clone();
    }
    let made = Regex::new(pattern).expect("patterns of our own definitions compile");
    compiled.insert(pattern.to_owned(), made.clone());
    made
}

fn check_number(schema: &Value, number: &serde_json::Number, path: &str, faults: &mut Faults) {
    let Some(number) = number.as_f64() else { return };
    if let Some(least) = schema["minimum"].as_f64()
        && number < least
    {
        faults.of_value(path, number, &format!("must be at least {least}"));
    }
    if let Some(most) = schema["maximum"].as_f64()
        && number > most
    {
        faults.of_value(path, number, &format!("must be at most {most}"));
    }
}

/// Checks a length against a pair of bounds.
fn within(schema: &Value, least: &str, most: &str, length: usize, unit: &str, path: &str, faults: &mut Faults) {
    let length = length as u64;
    if let Some(least) = schema[least].as_u64()
        && length < least
    {
        faults.push(format!("{path} has {length} {unit}, but must have at least {least}"));
    }
    if let Some(most) = schema[most].as_u64()
        && length > most
    {
        faults.push(format!("{path} has {length} {unit}, but may have at most {most}"));
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval};

    #[test]
    fn each_kind_of_fault_is_named_with_its_field() {
        let pin = of_spec::<TenantPin>();
        let good = json!({"instanceRef": {"name": "clinical"}, "tenant": "acme-corp", "environment": "production", "version": 2});
        assert_eq!(check(&pin, &good, "spec"), Vec::<String>::new());
        for (field, value, says) in [
            ("version", json!(0), "spec.version is 0, but must be at least 1"),
            (
                "version",
                json!("2"),
                "spec.version must be of type integer, not string",
            ),
            (
                "tenant",
                json!(12),
                "spec.tenant must be of type string, not number; write it in quotes",
            ),
            (
                "tenant",
                json!(""),
                "spec.tenant has 0 characters, but must have at least 1",
            ),
            ("tenant", json!("acme\u{7}"), "but must match"),
            ("colour", json!("blue"), "spec.colour is no field"),
            (
                "deletionPolicy",
                json!("Maybe"),
                "must be one of \"Retain\", \"Delete\"",
            ),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let faults = check(&pin, &bad, "spec");
            assert!(faults.len() == 1 && faults[0].contains(says), "{field}: {faults:?}");
        }
        let mut short = good;
        short.as_object_mut().unwrap().remove("tenant");
        assert_eq!(check(&pin, &short, "spec"), ["spec.tenant is missing"]);
    }

    #[test]
    fn slugs_are_held_to_their_pattern_and_may_not_stand_twice() {
        let version = of_spec::<ModelVersion>();
        let dashboards = json!([{"slug": "Patient Summary", "identifier": "12db1a0a"},
            {"slug": "wards", "identifier": "12db1a0b"}, {"slug": "wards", "identifier": "12db1a0c"}]);
        let spec = json!({"instanceRef": {"name": "clinical"}, "version": 1,
            "source": {"adopt": {"modelId": "m", "folderPath": "clinical/v1", "dashboards": dashboards}}});
        let faults = check(&version, &spec, "spec");
        assert!(
            faults[0].starts_with("spec.source.adopt.dashboards[0].slug is \"Patient Summary\""),
            "{faults:?}"
        );
        assert_eq!(faults[1], "spec.source.adopt.dashboards has \"wards\" twice");
    }

    #[test]
    fn values_of_a_map_are_held_to_their_type() {
        let version = of_spec::<ModelVersion>();
        let queries = json!({"tenants": {"environment": "production", "matchLabels": {"tier": 1, "team": "a"}}});
        let spec = json!({"instanceRef": {"name": "clinical"}, "version": 2, "source": {"fromVersion": 1},
            "validation": {"queries": queries}});
        let faults = check(&version, &spec, "spec");
        assert_eq!(
            faults,
            ["spec.validation.queries.tenants.matchLabels.tier must be of type string, not number; write it in quotes"]
        );
    }

    #[test]
    fn what_must_not_be_told_is_refused_without_a_word_of_it() {
        let edits = of_spec::<ModelVersion>()["properties"]["model"]["properties"]["edits"].clone();
        for hidden in [
            json!([{"name": "Hidden", "fileName": "a.view", "yaml": "a: b"}]),
            json!([{"name": "a", "hidden": "x"}]),
            json!([{"name": "a", "fileName": "hidden", "yaml": "a: b"}]),
            json!([{"name": "a", "fileName": "a.view", "deleteFile": "hidden"}]),
            json!([{"name": "hidden"}, {"name": "hidden"}]),
            json!("hidden"),
        ] {
            let told = check(&edits, &hidden, "edits").join("; ");
            let unquoted = check_unquoted(&edits, &hidden, "edits").join("; ");
            assert!(told.starts_with("edits") && unquoted.starts_with("edits"), "{unquoted}");
            assert!(!unquoted.to_lowercase().contains("hidden"), "{unquoted}");
        }
    }

    #[test]
    fn every_schema_of_ours_uses_only_words_that_are_checked_here() {
        const CHECKED: [&str; 16] = [
            "additionalProperties",
            "type",
            "enum",
            "properties",
            "required",
            "items",
            "minItems",
            "maxItems",
            "maxProperties",
            "minLength",
            "maxLength",
            "pattern",
            "minimum",
            "maximum",
            "nullable",
            "x-kubernetes-list-type",
        ];
        // Said to people or tools, or done elsewhere: defaults and formats by the types, rules by the reconcilers.
        const ELSEWHERE: [&str; 6] = [
            "description",
            "default",
            "format",
            "x-kubernetes-int-or-string",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-validations",
        ];
        fn look(schema: &Value) {
            for word in schema.as_object().unwrap().keys() {
                assert!(
                    CHECKED.contains(&word.as_str()) || ELSEWHERE.contains(&word.as_str()),
                    "{word} in {schema}"
                );
            }
            schema["properties"]
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.values())
                .for_each(look);
            schema.get("items").into_iter().for_each(look);
            schema.get("additionalProperties").into_iter().for_each(look);
        }
        look(&of_spec::<OmniInstance>());
        look(&of_spec::<ModelVersion>());
        look(&of_spec::<TenantPin>());
        look(&of_spec::<VersionRollout>());
        look(&of_spec::<WaveApproval>());
    }
}
