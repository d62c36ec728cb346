//! Reading the published contract.

use std::path::{Path, PathBuf};

use serde_json::Value;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The whole of the contract that Omni published in May 2026.
pub fn contract() -> Value {
    let text = std::fs::read_to_string(root().join("tests/contract/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every operation of a document: method and path.
pub fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method, path)));
    all.map(|(method, path)| (method.to_uppercase(), path.clone()))
        .collect()
}

/// A path of the contract with a value for every parameter: ids that nothing has.
pub fn filled(template: &str) -> String {
    let segments = template.split('/').map(|segment| match segment {
        "{modelId}" | "{folderId}" | "{id}" | "{scheduleId}" | "{environmentId}" | "{connectionId}" | "{uploadId}" => {
            "00000000-0000-4000-8000-000000000000"
        }
        parameter if parameter.starts_with('{') => "nothing",
        plain => plain,
    });
    segments.collect::<Vec<_>>().join("/")
}
