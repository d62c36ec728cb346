//! Identity, connections, models, their files and roles: what is sent, to the byte, and every shape of the answer.

use rstest::rstest;
use serde_json::{Value, json};

use super::canned::{KEY, last, one_page, page, serving};
use crate::ports::{KeyScope, ModelFile, ModelKind, NewModel, Omni, OmniErrorKind, Reservation};

#[tokio::test]
async fn every_request_carries_the_key_and_says_who_asks() {
    let (server, client) = serving([json!({"keyScope": "organization"})]);
    assert_eq!(client.identity().await.unwrap().key_scope, KeyScope::Organization);
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "GET /api/v1/whoami");
    assert!(asked.headers.contains(&format!("authorization: Bearer {KEY}")));
    let agent = format!("user-agent: wavepin/{}", env!("CARGO_PKG_VERSION"));
    assert!(asked.headers.contains(&agent), "{:?}", asked.headers);
}

#[tokio::test]
async fn words_that_are_not_known_are_kept() {
    let (_server, client) = serving([json!({"keyScope": "robot"})]);
    let scope = client.identity().await.unwrap().key_scope;
    assert_eq!(scope, KeyScope::Other("robot".to_owned()));
    let model = json!({"id": "m", "modelKind": "HOLOGRAM", "name": null, "updatedAt": "t", "new": 1});
    let (_server, client) = serving([one_page(json!([model]))]);
    let model = client.model("m").await.unwrap().unwrap();
    assert_eq!(model.kind, ModelKind::Other("HOLOGRAM".to_owned()));
}

#[tokio::test]
async fn a_connection_is_picked_out_of_the_list() {
    let connections = json!({"connections": [
        {"id": "a", "name": "Other"},
        {"id": "c", "name": "Clinical", "userAttributeNameForConnectionsEnvironments": "environment"},
    ]});
    let (_server, client) = serving([connections.clone(), connections]);
    let connection = client.connection("c").await.unwrap().unwrap();
    assert_eq!(connection.environment_attribute.as_deref(), Some("environment"));
    assert_eq!(client.connection("x").await.unwrap(), None);
}

#[tokio::test]
async fn models_are_listed_with_branches_page_by_page() {
    let model = |id: &str| {
        json!({"id": id, "modelKind": "SHARED", "name": "n", "connectionId": "c", "baseModelId": "s",
            "updatedAt": "2026-01-01", "deletedAt": null, "branches": [{"id": "b", "name": "cut/2"}]})
    };
    let pages = [
        page(json!([model("m1")]), Some("next page"), 2),
        page(json!([model("m2")]), None, 2),
    ];
    let (server, client) = serving(pages);
    let models = client.shared_models("c").await.unwrap();
    assert_eq!((models.len(), models[1].id.as_str()), (2, "m2"));
    assert_eq!(models[0].branches[0].name, "cut/2");
    let asked = server.asked();
    let query = "modelKind=SHARED&include=activeBranches&sortField=name&sortDirection=asc&connectionId=c&pageSize=100";
    assert_eq!(asked[0].line, format!("GET /api/v1/models?{query}"));
    assert_eq!(asked[1].line, format!("GET /api/v1/models?{query}&cursor=next+page"));
}

#[tokio::test]
async fn a_cursor_that_goes_in_a_circle_ends() {
    let circle = || page(json!([]), Some("again"), 2);
    let (server, client) = serving([circle(), circle(), circle(), circle()]);
    let error = client.shared_models("c").await.unwrap_err();
    assert!(error.to_string().contains("pageInfo.nextCursor"), "{error}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_page_that_lacks_what_is_needed_names_it() {
    let (_server, client) = serving([one_page(json!([{"id": "m"}]))]);
    let error = client.shared_models("c").await.unwrap_err();
    let OmniErrorKind::ContractDrift { field, excerpt } = error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(field, "records[0].updatedAt");
    assert!(excerpt.contains("\"id\":\"m\""), "{excerpt}");
}

#[tokio::test]
async fn models_and_branches_are_created_with_documented_fields_only() {
    let created = || json!({"success": true, "model": {"id": "m2", "modelKind": "SHARED", "name": "n"}});
    let (server, client) = serving([created(), created()]);
    let shared = NewModel::Shared {
        connection_id: "c".to_owned(),
        name: "clinical-v2".to_owned(),
    };
    assert_eq!(client.create_model(&shared, Reservation::new(())).await.unwrap(), "m2");
    let body = json!({"connectionId": "c", "modelKind": "SHARED", "modelName": "clinical-v2"});
    assert_eq!(last(&server), ("POST /api/v1/models".to_owned(), body));
    let branch = NewModel::Branch {
        connection_id: "c".to_owned(),
        base_model_id: "m2".to_owned(),
        name: "cut/2".to_owned(),
    };
    client.create_model(&branch, Reservation::new(())).await.unwrap();
    let body = json!({"connectionId": "c", "modelKind": "BRANCH", "modelName": "cut/2", "baseModelId": "m2"});
    assert_eq!(last(&server).1, body);
}

#[tokio::test]
async fn files_are_read_and_written_as_people_wrote_them() {
    let files = json!({"files": {"a.view": "x: 1\n", "model": ""}, "checksums": {"a.view": "s1"}, "version": 3});
    let (server, client) = serving([files, json!({"success": true}), json!({})]);
    let files = client.model_files("m", Some("b")).await.unwrap().files;
    assert_eq!(
        (files["a.view"].checksum.as_deref(), files["model"].checksum.as_deref()),
        (Some("s1"), None)
    );
    let line = "GET /api/v1/models/m/yaml?mode=extension&includeChecksums=true&branchId=b";
    assert_eq!(last(&server).0, line);

    client
        .put_model_file("m", Some("b"), "a.view", &files["a.view"])
        .await
        .unwrap();
    let body = json!({"fileName": "a.view", "yaml": "x: 1\n", "mode": "extension", "branchId": "b",
        "previousChecksum": "s1", "commitMessage": "Write a.view"});
    assert_eq!(last(&server), ("POST /api/v1/models/m/yaml".to_owned(), body));

    let removed = ModelFile {
        yaml: String::new(),
        checksum: None,
    };
    client.put_model_file("m", None, "a.view", &removed).await.unwrap();
    let body = json!({"fileName": "a.view", "yaml": "", "mode": "extension", "commitMessage": "Remove a.view"});
    assert_eq!(last(&server).1, body);
}

#[rstest]
#[case::bare_list(json!([
    {"message": "no such view", "is_warning": false, "yaml_path": "topics.a"},
    {"message": "long label", "is_warning": true, "yaml_path": ["views", "b", 0], "auto_fix": null},
]))]
#[case::object(json!({"valid": false, "issues": [
    {"message": "no such view", "severity": "error", "view": "topics", "field": "a"},
    {"message": "long label", "severity": "WARNING", "view": "views.b.0"},
]}))]
#[tokio::test]
async fn both_answers_of_the_validation_say_the_same(#[case] body: Value) {
    let (server, client) = serving([body]);
    let issues = client.validate_model("m", Some("b")).await.unwrap();
    let read: Vec<_> = issues
        .iter()
        .map(|issue| (issue.message.as_str(), issue.place.as_deref(), issue.is_error))
        .collect();
    let expected = [
        ("no such view", Some("topics.a"), true),
        ("long label", Some("views.b.0"), false),
    ];
    assert_eq!(read, expected);
    assert_eq!(last(&server).0, "GET /api/v1/models/m/validate?branchId=b");
}

#[tokio::test]
async fn a_validation_that_is_not_understood_does_not_pass() {
    let (_server, client) = serving([
        json!([{"message": "odd"}]),
        json!({"valid": false, "issues": []}),
        json!({}),
    ]);
    assert!(client.validate_model("m", None).await.unwrap()[0].is_error);
    assert!(client.validate_model("m", None).await.unwrap()[0].is_error);
    let error = client.validate_model("m", None).await.unwrap_err();
    assert!(error.to_string().contains("lacks what is needed at issues"), "{error}");
}

#[tokio::test]
async fn every_finding_about_content_is_read_whichever_shape_it_has() {
    let of_queries = json!([
        {"query_name": "Beds", "issues": ["no field", {"message": "no view", "code": 7}, {"code": 8}]},
        {"query_name": null, "issues": ["unnamed"]},
        {"query_name": "Fine", "issues": []},
    ]);
    let content = json!([
        {"identifier": "a", "queries_and_issues": of_queries, "dashboard_filter_issues": ["no such filter"],
            "document_error": "it does not open", "error_count": 0, "errors": [], "has_errors": false},
        {"identifier": "b", "queries_and_issues": [], "dashboard_filter_issues": [], "document_error": null},
    ]);
    let (server, client) = serving([json!({"model_id": "m", "branch": null, "content": content})]);
    let read = client.validate_content("m").await.unwrap();
    let issues = read[0].issues.iter();
    let issues: Vec<_> = issues.map(|it| (it.tile.as_deref(), it.message.as_str())).collect();
    let expected = [
        (Some("Beds"), "no field"),
        (Some("Beds"), "no view"),
        (Some("Beds"), "{\"code\":8}"),
        (Some(""), "unnamed"),
        (None, "no such filter"),
        (None, "it does not open"),
    ];
    assert_eq!(issues.len(), expected.len(), "{issues:?}");
    assert!(expected.iter().all(|it| issues.contains(it)), "{issues:?}");
    assert_eq!((read[1].identifier.as_str(), read[1].issues.len()), ("b", 0));
    let asked = "GET /api/v1/models/m/content-validator?content_filter_mode=ALL&force_full_validation=true";
    assert_eq!(last(&server).0, asked);
}

#[tokio::test]
async fn a_content_validation_that_is_not_understood_does_not_pass() {
    let (_server, client) = serving([
        json!({"content": [{"identifier": "a"}]}),
        json!({"content": [{"identifier": "a", "queries_and_issues": [{"query_name": "T"}]}]}),
        json!({"content": [{"identifier": "a", "queries_and_issues": [{"issues": [7]}]}]}),
        json!({}),
    ]);
    for place in ["queries_and_issues", "issues", "issues[0]", "content"] {
        let error = client.validate_content("m").await.unwrap_err().to_string();
        assert!(
            error.contains("lacks what is needed at") && error.contains(place),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_merge_names_the_branch_as_one_segment_and_tells_of_failed_drafts() {
    let merged = json!({"success": true, "git_synced": null, "published_drafts_count": 0, "failed_drafts_count": 2});
    let (server, client) = serving([merged]);
    let merge = client.merge_branch("m", "cut/2 é", "Cut version 2").await.unwrap();
    assert_eq!(merge.failed_drafts, 2);
    let (line, body) = last(&server);
    assert_eq!(line, "POST /api/v1/models/m/branch/cut%2F2%20%C3%A9/merge");
    assert_eq!(body, json!({"commit_message": "Cut version 2", "delete_branch": true}));
}

#[tokio::test]
async fn a_name_that_would_lead_elsewhere_is_not_sent() {
    let (server, client) = serving([]);
    for name in ["", ".", ".."] {
        assert_eq!(client.export(name).await.unwrap(), None);
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn roles_are_read_and_given() {
    let roles = json!({"userGroupId": "g", "results": [
        {"roleName": "VIEWER", "modelId": "m", "connectionId": "c", "baseRole": "NO_ACCESS", "priority": 1},
        {"roleName": "Own role", "modelId": null, "connectionId": "c"},
    ]});
    let (server, client) = serving([roles, json!({"roleName": "VIEWER"})]);
    let roles = client.group_roles("g").await.unwrap();
    assert_eq!(
        (roles[0].model_id.as_deref(), roles[1].role.as_str()),
        (Some("m"), "Own role")
    );
    client.grant_role("g", "m2", "VIEWER").await.unwrap();
    let body = json!({"roleName": "VIEWER", "modelId": "m2"});
    assert_eq!(
        last(&server),
        ("POST /api/v1/user-groups/g/model-roles".to_owned(), body)
    );
}
