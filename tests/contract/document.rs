//! The simulator's `/openapi.json`: generated from the published contract, served, patched, absent.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wavepin::simulator::{OpenapiDocument, SERVED, Simulator, SimulatorOptions};

use super::published::{contract, filled, operations, root};
use crate::parts::generated;

/// The published contract with the served calls alone, and with what these refer to.
fn reduced(contract: &Value) -> Value {
    let mut paths = json!({});
    for (method, path) in SERVED {
        let operation = &contract["paths"][path][method.to_lowercase()];
        if !operation.is_null() {
            paths[path][method.to_lowercase()] = operation.clone();
        }
    }
    let mut schemas = json!({});
    let mut open = references(&paths);
    while let Some(reference) = open.pop() {
        let name = reference
            .strip_prefix("#/components/schemas/")
            .expect("only schemas are referred to");
        if schemas[name].is_null() {
            schemas[name] = contract["components"]["schemas"][name].clone();
            open.extend(references(&schemas[name]));
        }
    }
    let mut info = contract["info"].clone();
    info["description"] = json!(
        "Omni's published contract of May 2026, reduced to the calls that Wavepin's simulator serves. \
         Copyright (c) 2026 Omni Analytics, Inc.; MIT License."
    );
    json!({
        "openapi": contract["openapi"], "info": info, "security": contract["security"], "paths": paths,
        "components": {"securitySchemes": contract["components"]["securitySchemes"], "schemas": schemas},
    })
}

/// Everything that a piece of the document refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn generated_document_is_the_published_contract_reduced() {
    let wanted = serde_json::to_string_pretty(&reduced(&contract())).unwrap() + "\n";
    generated::holds("src/simulator/openapi.json", &wanted);
    let licence = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    assert_eq!(
        licence("src/simulator/openapi.LICENSE"),
        licence("tests/contract/openapi.LICENSE"),
        "the licence goes with every copy"
    );
}

async fn ask(client: &reqwest::Client, simulator: &Simulator, method: &str, path: &str) -> (u16, String) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client.request(method, format!("{}{path}", simulator.base_url()));
    let response = request
        .header("authorization", "Bearer omni_osk_simulator")
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_router_serves_what_the_list_says_and_nothing_else_of_the_contract() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let client = reqwest::Client::new();
    let served: BTreeSet<(&str, &str)> = SERVED.into_iter().collect();
    assert_eq!(served.len(), SERVED.len(), "no call is listed twice");
    let nowhere = json!({"detail": "Not Found", "status": 404}).to_string();
    let published = operations(&contract());
    let listed = SERVED.map(|(method, path)| (method.to_owned(), path.to_owned()));
    for (method, path) in published.iter().chain(&listed) {
        if path.ends_with("/move") {
            let by_post = method == "POST";
            simulator.turn(|knobs| knobs.move_by_post = by_post);
        }
        let (status, body) = ask(&client, &simulator, method, &filled(path)).await;
        let is_served = served.contains(&(method.as_str(), path.as_str()));
        let gone = status == 410;
        assert_eq!(is_served, body != nowhere && !gone, "{method} {path}: {status} {body}");
    }
}

#[tokio::test]
async fn the_document_is_at_the_root_needs_no_key_and_can_be_patched_or_absent() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let client = reqwest::Client::new();
    let url = format!("{}/openapi.json", simulator.base_url());
    let read = async || -> Value { client.get(&url).send().await.unwrap().json().await.unwrap() };
    assert_eq!(read().await, reduced(&contract()));
    simulator.turn(|knobs| {
        knobs.openapi_patch = Some(json!({
            "paths": {"/api/v1/folders": {"post": null}},
            "components": {"schemas": {"FoldersCreateResponse": {"properties": {"path": null, "fullPath": {"type": "string"}}}}},
        }));
    });
    let patched = read().await;
    assert!(patched["paths"]["/api/v1/folders"].get("post").is_none());
    assert!(patched["paths"]["/api/v1/folders"].get("get").is_some());
    let properties = &patched["components"]["schemas"]["FoldersCreateResponse"]["properties"];
    assert!(properties.get("path").is_none() && properties.get("fullPath").is_some());
    simulator.turn(|knobs| knobs.openapi = OpenapiDocument::Absent);
    assert_eq!(ask(&client, &simulator, "GET", "/openapi.json").await.0, 404);
    simulator.reset();
    assert_eq!(read().await, reduced(&contract()));
    assert_eq!(ask(&client, &simulator, "POST", "/openapi.json").await.0, 404);
    let log = simulator.requests();
    assert_eq!(log.len(), 2, "a reset empties the log, and each request is in it");
    assert_eq!(log[0].path, "/openapi.json");
}
