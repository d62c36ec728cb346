//! The pages of the charts, made from the comments of their values.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::parts::generated;
use crate::parts::helm::{chart, tool};

const CHARTS: [&str; 2] = ["wavepin", "wavepin-resources"];

#[test]
fn the_readme_of_a_chart_is_generated_from_its_values() {
    for name in CHARTS {
        let page = tool("helm-docs", &["--chart-search-root", &chart(name), "--dry-run"], "").success();
        generated::holds(&format!("charts/{name}/README.md"), &format!("{}\n", page.trim()));
    }
}

/// The dotted paths of what a document says, down to what has no names of its own.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(object) if !object.is_empty() => {
            for (name, inner) in object {
                paths(inner, &format!("{at}.{name}"), found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

fn properties(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(all) => {
            assert_eq!(schema["additionalProperties"], false, "{at} takes what nobody reads");
            for (name, inner) in all {
                properties(inner, &format!("{at}.{name}"), found);
            }
        }
        None => {
            found.insert(at.to_owned());
        }
    }
}

#[test]
fn the_schema_speaks_of_every_value_and_of_no_other() {
    for name in CHARTS {
        let read = |file: &str| std::fs::read_to_string(format!("{}/{file}", chart(name))).unwrap();
        let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
        let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
        let (mut said, mut known) = (BTreeSet::new(), BTreeSet::new());
        paths(&values, "", &mut said);
        properties(&schema, "", &mut known);
        known.remove(".global");
        // A value that is free inside, such as a security context, is one for the schema.
        let under = |path: &String, roof: &String| path == roof || path.starts_with(&format!("{roof}."));
        for path in &said {
            assert!(
                known.iter().any(|roof| under(path, roof)),
                "{name}: the schema lacks {path}"
            );
        }
        for roof in &known {
            assert!(
                said.iter().any(|path| under(path, roof)),
                "{name}: values.yaml lacks {roof}"
            );
        }
    }
}
