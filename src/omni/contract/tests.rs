use std::path::Path;

use rstest::rstest;
use serde_json::json;

use super::*;

fn file(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn published() -> Value {
    let text = std::fs::read_to_string(file("tests/contract/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What is at the end of these names, references followed: to be changed.
fn at<'d>(document: &'d mut Value, names: &[&str]) -> &'d mut Value {
    let mut place = String::new();
    for name in names {
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        while let Some(reference) = document.pointer(&place).and_then(|it| it["$ref"].as_str()) {
            place = reference.trim_start_matches('#').to_owned();
        }
    }
    document
        .pointer_mut(&place)
        .unwrap_or_else(|| panic!("there is no {place}"))
}

fn operation<'d>(document: &'d mut Value, path: &str, method: &str) -> &'d mut Value {
    at(document, &["paths", &format!("/api{path}"), method])
}

const JSON: [&str; 3] = ["content", "application/json", "schema"];

fn answer<'d>(document: &'d mut Value, path: &str, method: &str, fields: &[&str]) -> &'d mut Value {
    let path = format!("/api{path}");
    let call = ["paths", &path, method, "responses", "200"];
    at(document, &[&call[..], &JSON, fields].concat())
}

fn body<'d>(document: &'d mut Value, path: &str, method: &str, fields: &[&str]) -> &'d mut Value {
    let path = format!("/api{path}");
    let call = ["paths", &path, method, "requestBody"];
    at(document, &[&call[..], &JSON, fields].concat())
}

const RECORDS: [&str; 4] = ["properties", "records", "items", "properties"];

fn touching(document: &Value) -> Vec<String> {
    let contract = compare(document).expect("it is an OpenAPI document");
    contract.touching.iter().map(ToString::to_string).collect()
}

#[test]
fn the_published_description_differs_in_what_the_table_names_and_in_nothing_else() {
    let document = published();
    let differences = differences(&Document::new(&document).unwrap());
    let told: BTreeSet<_> = differences.iter().map(|it| (it.operation, it.what.as_str())).collect();
    let known: BTreeSet<_> = KNOWN.iter().map(|(operation, what, _)| (*operation, *what)).collect();
    assert_eq!(told, known);
    assert!(
        KNOWN.iter().all(|(.., source)| source.len() > 20),
        "each has its source"
    );
    assert_eq!(compare(&document), Some(Contract::default()));
}

#[test]
fn the_known_facts_are_those_generated_from_the_published_description() {
    let document = published();
    let mut wanted = facts(&Document::new(&document).unwrap())
        .into_iter()
        .collect::<Vec<_>>()
        .join("\n");
    wanted.push('\n');
    let path = file("src/omni/contract/known.txt");
    if std::env::var_os("WAVEPIN_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == wanted,
        "src/omni/contract/known.txt is not what comes of the published description: `make generated` writes it"
    );
}

/// Every call that the sources name is held against the description.
#[test]
fn every_call_of_the_client_is_in_the_table() {
    let call = regex::Regex::new(r#""((?:GET|POST|PUT|PATCH|DELETE) /(?:v1|v2|unstable|scim)/[^"]+)""#).unwrap();
    let mut made = BTreeSet::new();
    for entry in std::fs::read_dir(file("src/omni")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(path).unwrap();
            made.extend(call.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    let held: BTreeSet<_> = RELIED.iter().map(|relied| relied.operation.to_owned()).collect();
    assert_eq!(made, held);
}

#[rstest]
#[case::a_field_of_a_list(
    |it: &mut Value| rename(answer(it, "/v1/folders", "get", &RECORDS), "path"),
    "GET /v1/folders: the answer has no records[].path"
)]
#[case::a_field_behind_a_reference(
    |it: &mut Value| {
        let text = it.to_string().replace("hasNextPage", "more");
        *it = serde_json::from_str(&text).unwrap();
    },
    "GET /v1/models: the answer has no pageInfo.hasNextPage"
)]
#[case::a_field_that_only_a_decision_needs(
    |it: &mut Value| rename(answer(it, "/v1/models", "get", &RECORDS), "name"),
    "GET /v1/models: the answer has no records[].name"
)]
#[case::a_field_that_is_sent(
    |it: &mut Value| rename(body(it, "/unstable/documents/import", "post", &["properties"]), "folderPath"),
    "POST /unstable/documents/import: the body has no folderPath"
)]
#[case::a_query_parameter(
    |it: &mut Value| {
        let parameters = operation(it, "/v1/models", "get")["parameters"].as_array_mut().unwrap();
        parameters.retain(|parameter| parameter["name"] != "modelKind");
    },
    "GET /v1/models: the query parameter modelKind is gone"
)]
#[case::a_removed_call(
    |it: &mut Value| {
        it["paths"].as_object_mut().unwrap().remove("/api/unstable/documents/import");
    },
    "POST /unstable/documents/import: the call is gone"
)]
#[case::another_method(
    |it: &mut Value| {
        let path = &mut it["paths"]["/api/v1/models/{modelId}/branch/{branchName}/merge"];
        path["put"] = path["post"].take();
        path.as_object_mut().unwrap().remove("post");
    },
    "POST /v1/models/{id}/branch/{name}/merge: the method is gone; the path has PUT"
)]
#[case::a_new_required_field(
    |it: &mut Value| body(it, "/v1/folders", "post", &["required"]).as_array_mut().unwrap().push("ownerId".into()),
    "POST /v1/folders: the body needs ownerId"
)]
#[case::a_new_required_query_parameter(
    |it: &mut Value| {
        let parameters = operation(it, "/v1/documents", "get")["parameters"].as_array_mut().unwrap();
        parameters.push(json!({"in": "query", "name": "apiVersion", "required": true, "schema": {"type": "string"}}));
    },
    "GET /v1/documents: the query parameter apiVersion is required"
)]
#[case::a_word_that_is_sent(
    |it: &mut Value| *body(it, "/v1/folders/{folderId}/permissions", "post", &["properties", "role", "enum"]) = json!(["VIEWER", "EDITOR", "EXPLORER", "MANAGER"]),
    "POST /v1/folders/{id}/permissions: the body role takes no NO_ACCESS"
)]
#[case::no_json_any_more(
    |it: &mut Value| {
        let content = at(it, &["paths", "/api/unstable/documents/import", "post", "requestBody", "content"]);
        *content = json!({"multipart/form-data": content["application/json"].take()});
    },
    "POST /unstable/documents/import: it takes no JSON body any more"
)]
fn what_the_client_relies_on_touches_it(#[case] change: fn(&mut Value), #[case] told: &str) {
    let mut document = published();
    change(&mut document);
    let touching = touching(&document);
    assert!(touching.iter().any(|it| it == told), "{touching:#?}");
    let operation = told.split(':').next().unwrap();
    if !told.contains("pageInfo") {
        assert!(touching.iter().all(|it| it.starts_with(operation)), "{touching:#?}");
    }
}

fn rename(properties: &mut Value, field: &str) {
    let properties = properties.as_object_mut().unwrap();
    let was = properties.remove(field).unwrap();
    properties.insert(format!("{field}Renamed"), was);
}

#[rstest]
#[case::a_word_in_an_answer(
    |it: &mut Value| {
        let severity = ["properties", "issues", "items", "properties", "severity", "enum"];
        answer(it, "/v1/models/{modelId}/validate", "get", &severity).as_array_mut().unwrap().push("notice".into());
    },
    "GET /v1/models/{}/validate answer.issues[].severity = notice"
)]
#[case::an_optional_field_of_a_body(
    |it: &mut Value| body(it, "/v1/folders", "post", &["properties"])["color"] = json!({"type": "string"}),
    "POST /v1/folders body.color"
)]
#[case::a_call(
    |it: &mut Value| it["paths"]["/api/v1/versions"] = json!({"get": {"responses": {}}}),
    "GET /v1/versions"
)]
fn what_is_new_is_noted_and_touches_nothing(#[case] change: fn(&mut Value), #[case] told: &str) {
    let mut document = published();
    change(&mut document);
    let contract = compare(&document).unwrap();
    assert_eq!(contract.touching, []);
    assert_eq!((contract.new, contract.new_first), (1, vec![told.to_owned()]));
}

#[test]
fn ten_thousand_new_things_are_counted_and_few_are_named() {
    let mut document = published();
    for number in 0..10_000 {
        document["paths"][format!("/api/v3/thing{number}")] = json!({"get": {}});
    }
    let contract = compare(&document).unwrap();
    assert_eq!((contract.new, contract.new_first.len()), (10_000, MOST_NAMED));
}

#[test]
fn what_is_no_description_of_calls_is_compared_with_nothing() {
    for document in [
        json!(null),
        json!([]),
        json!({"paths": {}}),
        json!({"swagger": "2.0", "paths": {}}),
        json!({"openapi": "3.1.0", "paths": []}),
    ] {
        assert_eq!(compare(&document), None, "{document}");
    }
}

#[test]
fn references_in_circles_and_choices_without_end_come_to_an_end() {
    let mut circle = published();
    circle["components"]["schemas"]["Round"] = json!({"$ref": "#/components/schemas/Round"});
    *answer(&mut circle, "/v1/folders", "get", &[]) = json!({"$ref": "#/components/schemas/Round"});
    assert_eq!(touching(&circle), Vec::<String>::new(), "a circle says nothing");

    let mut bomb = published();
    let again = json!({"$ref": "#/components/schemas/Bomb"});
    bomb["components"]["schemas"]["Bomb"] =
        json!({"properties": {"a": again, "b": again}, "anyOf": [again, again, again]});
    *answer(&mut bomb, "/v1/folders", "get", &[]) = again;
    let started = std::time::Instant::now();
    assert_eq!(compare(&bomb), None, "more than any description of Omni has");
    assert!(
        started.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_description_whose_paths_have_no_prefix_is_read_as_well() {
    let mut document = published();
    let paths = document["paths"].take();
    let bare = paths.as_object().unwrap().iter();
    document["paths"] = bare
        .map(|(path, item)| (path.trim_start_matches("/api").to_owned(), item.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(compare(&document), Some(Contract::default()));
}
