//! What is sent, to the byte, and every shape in which the answer may come.

use rstest::rstest;
use serde_json::{Value, json};

use super::canned::{Canned, KEY, json as answer};
use crate::omni::OmniClient;
use crate::ports::{
    FolderPermit, ImportRequest, Imported, KeyScope, ModelFile, ModelKind, NewModel, Omni, OmniErrorKind,
};

/// A client of a server with these JSON answers.
fn serving<const N: usize>(answers: [Value; N]) -> (Canned, OmniClient) {
    let server = Canned::new(answers.map(|body| answer(200, body)));
    let client = server.client();
    (server, client)
}

/// The last request that the server got: its line and its body.
fn last(server: &Canned) -> (String, Value) {
    let asked = server.asked().pop().unwrap();
    (asked.line, asked.body)
}

fn one_page(records: Value) -> Value {
    page(records, None, 1)
}

fn page(records: Value, next: Option<&str>, total: usize) -> Value {
    json!({"records": records, "pageInfo": {
        "hasNextPage": next.is_some(), "nextCursor": next, "pageSize": 100, "totalRecords": total,
    }})
}

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
    assert_eq!(client.create_model(&shared).await.unwrap(), "m2");
    let body = json!({"connectionId": "c", "modelKind": "SHARED", "modelName": "clinical-v2"});
    assert_eq!(last(&server), ("POST /api/v1/models".to_owned(), body));
    let branch = NewModel::Branch {
        connection_id: "c".to_owned(),
        base_model_id: "m2".to_owned(),
        name: "cut/2".to_owned(),
    };
    client.create_model(&branch).await.unwrap();
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

#[tokio::test]
async fn a_folder_is_found_by_its_whole_path() {
    let folders = json!([{"id": "f1", "path": "clinical"}, {"id": "f2", "path": "/clinical/v2"}]);
    let (server, client) = serving([one_page(folders.clone()), one_page(folders)]);
    assert_eq!(client.folder("clinical/v2").await.unwrap().unwrap().id, "f2");
    let line = "GET /api/v1/folders?path=clinical%2Fv2&sortField=path&sortDirection=asc&pageSize=100";
    assert_eq!(last(&server).0, line);
    assert_eq!(client.folder("clinical/v3").await.unwrap(), None);
}

#[tokio::test]
async fn an_absent_folder_or_document_is_a_404_in_omnis_words_only() {
    let absent = || {
        answer(
            404,
            json!({"detail": "Folder with path x does not exist", "status": 404}),
        )
    };
    let server = Canned::new([absent(), absent()]);
    let client = server.client();
    assert_eq!(client.folder("x").await.unwrap(), None);
    assert_eq!(client.export("x").await.unwrap(), None);

    let page = || super::canned::Act::Answer(404, Vec::new(), "<html>404</html>".to_owned());
    let server = Canned::new([page(), page()]);
    let client = server.client();
    assert!(client.folder("x").await.is_err());
    assert!(client.export("x").await.is_err());
}

#[tokio::test]
async fn a_folder_is_created_in_the_organisation() {
    let server = Canned::new([
        answer(
            201,
            json!({"id": "f", "name": "v2", "path": "clinical/v2-1", "scope": "organization"}),
        ),
        answer(201, json!({"id": "f", "path": "v2"})),
    ]);
    let client = server.client();
    let folder = client.create_folder("v2", Some("parent")).await.unwrap();
    assert_eq!(
        folder.path, "clinical/v2-1",
        "the path is Omni's, not the one that was wished for"
    );
    let body = json!({"name": "v2", "scope": "organization", "parentFolderId": "parent"});
    assert_eq!(last(&server), ("POST /api/v1/folders".to_owned(), body));
    client.create_folder("v2", None).await.unwrap();
    assert_eq!(last(&server).1, json!({"name": "v2", "scope": "organization"}));
}

fn permit(user_group: Option<&str>, user: Option<&str>, role: &str) -> FolderPermit {
    FolderPermit {
        user_group: user_group.map(str::to_owned),
        user: user.map(str::to_owned),
        role: role.to_owned(),
    }
}

#[rstest]
#[case::specification(json!({"permits": [{"role": "VIEWER", "userGroupId": "g"}, {"role": "MANAGER", "userId": "u"}]}))]
#[case::documentation(json!({"principals": [
    {"id": "g", "name": "Embed", "type": "userGroup", "direct": {"role": "VIEWER", "isOwner": false}},
    {"id": "u", "name": "Ann", "type": "user", "direct": {"role": "MANAGER", "accessBoost": true}},
    {"id": "h", "name": "Else", "type": "userGroup", "direct": null},
]}))]
#[case::bare_list(json!([
    {"id": "g", "type": "USER_GROUP", "direct": {"role": "VIEWER"}}, {"userId": "u", "role": "MANAGER"},
]))]
#[tokio::test]
async fn the_permits_of_a_folder_are_read_in_each_shape(#[case] body: Value) {
    let (server, client) = serving([body]);
    let expected = [permit(Some("g"), None, "VIEWER"), permit(None, Some("u"), "MANAGER")];
    assert_eq!(client.folder_permits("f").await.unwrap(), expected);
    assert_eq!(last(&server).0, "GET /api/v1/folders/f/permissions");
}

#[tokio::test]
async fn permits_that_are_not_understood_are_no_empty_list() {
    let (_server, client) = serving([
        json!({"rights": []}),
        json!({"id": "g", "type": "userGroup", "direct": {"role": "VIEWER"}}),
    ]);
    assert!(client.folder_permits("f").await.is_err());
    assert_eq!(
        client.folder_permits("f").await.unwrap(),
        [permit(Some("g"), None, "VIEWER")]
    );
}

#[tokio::test]
async fn permits_are_given_and_taken_away() {
    let (server, client) = serving([json!({"success": true}), json!({"success": true})]);
    client.grant_folder("f", "g", "VIEWER").await.unwrap();
    let body = json!({"role": "VIEWER", "userGroupIds": ["g"]});
    assert_eq!(last(&server), ("POST /api/v1/folders/f/permissions".to_owned(), body));
    client.revoke_folder("f", "g").await.unwrap();
    let body = json!({"userGroupIds": ["g"]});
    assert_eq!(last(&server), ("DELETE /api/v1/folders/f/permissions".to_owned(), body));
}

fn document(identifier: &str, deleted: bool) -> Value {
    json!({"identifier": identifier, "name": identifier, "deleted": deleted, "updatedAt": "t",
        "folder": {"id": "f", "path": "clinical/v2"}})
}

#[tokio::test]
async fn documents_of_a_folder_come_once_each_and_without_the_trash() {
    let pages = [
        page(json!([document("a", false), document("b", true)]), Some("2"), 3),
        page(json!([document("a", false), document("c", false)]), None, 3),
    ];
    let (server, client) = serving(pages);
    let documents = client.documents("f").await.unwrap();
    let identifiers: Vec<_> = documents.iter().map(|document| document.identifier.as_str()).collect();
    assert_eq!(identifiers, ["a", "c"]);
    assert_eq!(documents[0].folder_path.as_deref(), Some("clinical/v2"));
    let line = "GET /api/v1/documents?sortField=name&sortDirection=asc&folderId=f&pageSize=100&cursor=2";
    assert_eq!(last(&server).0, line);
}

#[tokio::test]
async fn all_documents_are_walked_only_when_that_is_cheap_enough() {
    let first = |total| page(json!([document("a", true)]), Some("2"), total);
    let second = || page(json!([document("b", false)]), None, 101);
    let (server, client) = serving([first(101), second()]);
    let all = client.all_documents(2).await.unwrap().unwrap();
    assert_eq!(all.iter().map(|it| it.deleted).collect::<Vec<_>>(), [true, false]);
    assert!(
        last(&server).0.contains("include=includeDeleted"),
        "{:?}",
        last(&server)
    );

    let (server, client) = serving([first(201), second()]);
    assert_eq!(client.all_documents(2).await.unwrap(), None);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_export_gives_its_ids_and_its_whole_body() {
    let body = json!({
        "exportVersion": "0.1",
        "document": {"name": "Patients", "identifier": "12db1a0a", "documentId": "d", "dashboardId": "b",
            "sharedModelId": "m", "folder": {"path": "clinical/v1"}},
        "dashboard": {"id": "b"}, "queryModels": {}, "fileUploads": [],
    });
    let (server, client) = serving([body.clone()]);
    let exported = client.export("12db1a0a").await.unwrap().unwrap();
    assert_eq!(exported.body, body);
    let ids = (
        exported.document_id.as_str(),
        exported.dashboard_id.as_str(),
        exported.shared_model_id.as_str(),
    );
    assert_eq!(ids, ("d", "b", "m"));
    assert_eq!(exported.folder_path.as_deref(), Some("clinical/v1"));
    assert_eq!(last(&server).0, "GET /api/unstable/documents/12db1a0a/export");
}

#[tokio::test]
async fn an_export_without_an_id_is_not_used() {
    let (_server, client) =
        serving([json!({"exportVersion": "0.1", "document": {"name": "Patients", "identifier": "p"}})]);
    let error = client.export("p").await.unwrap_err();
    assert!(error.to_string().contains("document.documentId"), "{error}");
}

fn import_of(uploads: Value) -> ImportRequest {
    let document = json!({"name": "Patients", "identifier": "old"});
    ImportRequest {
        base_model_id: "m2".to_owned(),
        identifier: "patients-v2".to_owned(),
        folder_path: "clinical/v2".to_owned(),
        body: json!({"exportVersion": "0.1", "document": document, "fileUploads": uploads}),
    }
}

#[rstest]
#[case::empty_list(json!([]), json!({}))]
#[case::absent(json!(null), json!({}))]
#[case::map(json!({"u": {"fileName": "a.csv"}}), json!({"u": {"fileName": "a.csv"}}))]
#[case::list(
    json!([{"fileUploadId": "u", "fileName": "a.csv"}]),
    json!({"u": {"fileUploadId": "u", "fileName": "a.csv"}})
)]
#[tokio::test]
async fn an_import_is_the_export_with_three_fields_more_and_its_files_as_a_map(
    #[case] uploads: Value,
    #[case] sent: Value,
) {
    let (server, client) = serving([json!({})]);
    client.import(&import_of(uploads)).await.unwrap();
    let body = json!({
        "exportVersion": "0.1", "document": {"name": "Patients", "identifier": "old"}, "fileUploads": sent,
        "queryModels": {}, "baseModelId": "m2", "identifier": "patients-v2", "folderPath": "clinical/v2",
    });
    assert_eq!(last(&server), ("POST /api/unstable/documents/import".to_owned(), body));
}

#[tokio::test]
async fn an_import_with_a_file_that_has_no_id_is_not_sent() {
    let (server, client) = serving([]);
    let error = client
        .import(&import_of(json!([{"fileName": "a.csv"}])))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("fileUploadId"), "{error}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_an_import_says_is_read_in_both_shapes_and_nothing_of_a_third() {
    let ids = json!({"documentId": "d", "identifier": "patients-v2"});
    let workbook = json!({"dashboard": {"dashboardId": "b"}, "miniUuidMap": {"old": "new"},
        "workbook": {"id": "w", "identifier": "patients-v2", "documentId": "d"}});
    let (_server, client) = serving([ids, workbook, json!({"ok": [1]})]);
    let request = import_of(json!({}));
    let first = client.import(&request).await.unwrap();
    assert_eq!(
        (first.identifier.as_deref(), first.document_id.as_deref()),
        (Some("patients-v2"), Some("d"))
    );
    let second = client.import(&request).await.unwrap();
    assert_eq!(
        (second.document_id.as_deref(), second.dashboard_id.as_deref()),
        (Some("d"), Some("b"))
    );
    assert_eq!(second.tiles["old"], "new");
    assert_eq!(client.import(&request).await.unwrap(), Imported::default());
}

#[tokio::test]
async fn a_document_is_moved_by_put() {
    let (server, client) = serving([json!({"success": true})]);
    client.move_document("patients-v2", "clinical/v2").await.unwrap();
    let body = json!({"folderPath": "clinical/v2"});
    assert_eq!(
        last(&server),
        ("PUT /api/v1/documents/patients-v2/move".to_owned(), body)
    );
}
