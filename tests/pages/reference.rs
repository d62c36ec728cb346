//! The reference of every field, made from the definitions.

use std::fmt::Write as _;

use serde_json::Value;
use wavepin::resources::definitions::definitions;

use crate::parts::generated;

const HEAD: &str = "# Reference

Every field of every kind, made from the definitions in [crds/](../crds). `kubectl explain <kind>.spec --recursive` says the same on a
cluster. A field with `!` is required where its parent is there. What a rule says is what the API server answers to whoever breaks it.
";

#[test]
fn generated_reference_has_every_field_of_every_kind() {
    let mut page = HEAD.to_owned();
    for definition in definitions() {
        let names = &definition["spec"]["names"];
        let version = &definition["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        let kind = names["kind"].as_str().unwrap();
        let short = names["shortNames"][0].as_str().unwrap();
        let about = line(&schema["description"]);
        writeln!(page, "\n## {kind}\n\n`{short}`. {about}").unwrap();
        for part in ["spec", "status"] {
            writeln!(
                page,
                "\n### {kind}: {part}\n\n| field | type | meaning |\n|---|---|---|"
            )
            .unwrap();
            fields(&schema["properties"][part], "", &mut page);
            rules(&schema["properties"][part], &mut page);
        }
        let selectable = version["selectableFields"].as_array().into_iter().flatten();
        let selectable: Vec<String> = selectable
            .map(|field| format!("`{}`", field["jsonPath"].as_str().unwrap().trim_start_matches('.')))
            .collect();
        if !selectable.is_empty() {
            writeln!(page, "\n`--field-selector` takes {}.", selectable.join(", ")).unwrap();
        }
    }
    generated::holds("docs/reference.md", &page);
}

/// A description in one cell of a table.
fn line(description: &Value) -> String {
    let words = description.as_str().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn fields(schema: &Value, at: &str, page: &mut String) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{at}{name}");
        let must = if required.contains(&name.as_str()) { " !" } else { "" };
        let mut meaning = line(&field["description"]);
        if let Some(default) = field.get("default") {
            write!(meaning, " Default: `{default}`.").unwrap();
        }
        if let Some(words) = field["enum"].as_array() {
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("`{}`", word.as_str().unwrap_or("null")))
                .collect();
            write!(meaning, " One of {}.", words.join(", ")).unwrap();
        }
        writeln!(page, "| `{path}`{must} | {} | {} |", type_of(field), meaning.trim()).unwrap();
        match () {
            () if field["properties"].is_object() => fields(field, &format!("{path}."), page),
            () if field["items"]["properties"].is_object() => fields(&field["items"], &format!("{path}[]."), page),
            () if field["additionalProperties"]["properties"].is_object() => {
                fields(&field["additionalProperties"], &format!("{path}.*."), page);
            }
            () => {}
        }
    }
}

fn type_of(field: &Value) -> String {
    let own = field["type"].as_str().unwrap_or("any");
    match own {
        "array" => format!("list of {}", type_of(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&field["additionalProperties"]))
        }
        "string" if field["format"] == "date-time" => "time".to_owned(),
        other => other.to_owned(),
    }
}

/// What a schema and all below it refuse, in the words of their messages.
fn rules(schema: &Value, page: &mut String) {
    let mut found = Vec::new();
    collect(schema, &mut found);
    if !found.is_empty() {
        writeln!(page, "\nRules:\n").unwrap();
        for rule in found {
            writeln!(page, "- {rule}").unwrap();
        }
    }
}

fn collect(schema: &Value, found: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = line(&rule["message"]);
        if !message.is_empty() && !found.contains(&message) {
            found.push(message);
        }
    }
    for below in schema["properties"].as_object().into_iter().flatten() {
        collect(below.1, found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            collect(&schema[inner], found);
        }
    }
}
