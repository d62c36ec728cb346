//! Folders and documents: what is sent, to the byte, and every shape of the answer.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use super::canned::{Act, Canned, json as answer, last, one_page, page, serving};
use crate::ports::{
    DocumentRequest, FolderPermit, ImportRequest, Imported, Omni, PublishedDocument, PublishedRead, Reservation,
};

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

    let page = || Act::Answer(404, Vec::new(), "<html>404</html>".to_owned());
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
    let folder = client
        .create_folder("v2", Some("parent"), Reservation::new(()))
        .await
        .unwrap();
    assert_eq!(
        folder.path, "clinical/v2-1",
        "the path is Omni's, not the one that was wished for"
    );
    let body = json!({"name": "v2", "scope": "organization", "parentFolderId": "parent"});
    assert_eq!(last(&server), ("POST /api/v1/folders".to_owned(), body));
    client.create_folder("v2", None, Reservation::new(())).await.unwrap();
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
        json!({"permits": [{"userGroupId": "g", "level": "VIEWER"}]}),
        json!({"id": "g", "type": "userGroup", "direct": {"role": "VIEWER"}}),
    ]);
    assert!(client.folder_permits("f").await.is_err());
    let nameless = client.folder_permits("f").await.unwrap_err().to_string();
    assert!(nameless.contains("permits[0].role"), "{nameless}");
    assert_eq!(
        client.folder_permits("f").await.unwrap(),
        [permit(Some("g"), None, "VIEWER")]
    );
}

#[tokio::test]
async fn permits_are_given_and_taken_away() {
    let (server, client) = serving([json!({"success": true}), json!({"success": true})]);
    let place = Reservation::new(());
    client.grant_folder("f", "g", "VIEWER", place).await.unwrap();
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
    let line = "GET /api/v1/documents?sortField=name&sortDirection=asc&folderId=f&include=_count%2Clabels&pageSize=100&cursor=2";
    assert_eq!(last(&server).0, line);
}

#[tokio::test]
async fn what_no_export_holds_is_read_out_of_lists_and_labels_are_added() {
    let mut with = document("a", false);
    with["labels"] = json!(["verified", {"name": "Clinical"}]);
    with["description"] = json!("By ward");
    with["_count"] = json!({"favorites": 3, "views": 9});
    let (server, client) = serving([
        page(json!([with, document("b", false)]), None, 2),
        json!({"labels": ["Clinical", "verified"]}),
    ]);
    let documents = client.documents("f").await.unwrap();
    let labels = BTreeSet::from(["Clinical".to_owned(), "verified".to_owned()]);
    assert_eq!(documents[0].labels, labels);
    assert_eq!(
        (documents[0].description.as_deref(), documents[0].favorites),
        (Some("By ward"), 3)
    );
    assert_eq!((documents[1].description.as_deref(), documents[1].favorites), (None, 0));
    client.label_document("a v2", &labels).await.unwrap();
    let body = json!({"add": ["Clinical", "verified"]});
    assert_eq!(
        last(&server),
        ("PATCH /api/v1/documents/a%20v2/labels".to_owned(), body)
    );
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
    let mut as_imported = body.clone();
    as_imported["fileUploads"] = json!({});
    assert_eq!(exported.body, as_imported, "whole, and uploads as a map");
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
    client.import(&import_of(uploads), Reservation::new(())).await.unwrap();
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
        .import(&import_of(json!([{"fileName": "a.csv"}])), Reservation::new(()))
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
    let first = client.import(&request, Reservation::new(())).await.unwrap();
    assert_eq!(
        (first.identifier.as_deref(), first.document_id.as_deref()),
        (Some("patients-v2"), Some("d"))
    );
    let second = client.import(&request, Reservation::new(())).await.unwrap();
    assert_eq!(
        (second.document_id.as_deref(), second.dashboard_id.as_deref()),
        (Some("d"), Some("b"))
    );
    assert_eq!(second.tiles["old"], "new");
    assert_eq!(
        client.import(&request, Reservation::new(())).await.unwrap(),
        Imported::default()
    );
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

#[tokio::test]
async fn a_document_is_read_as_it_can_be_created_anew() {
    let body = json!({"modelId": "m", "workbookModelId": "w", "queryPresentations": {"data": {}, "order": []}});
    let (server, client) = serving([body.clone(), json!({"modelId": "m", "queryPresentations": {}})]);
    let read = client.published("12db1a0a").await.unwrap().unwrap();
    let document = PublishedDocument {
        shared_model_id: "m".to_owned(),
        workbook_model_id: "w".to_owned(),
        body,
    };
    assert_eq!(read, PublishedRead::Document(Box::new(document)));
    assert_eq!(last(&server).0, "GET /api/v2/documents/12db1a0a");
    let error = client.published("12db1a0a").await.unwrap_err();
    assert!(error.to_string().contains("workbookModelId"), "{error}");
}

#[tokio::test]
async fn a_document_that_the_documents_api_refuses_or_does_not_have_is_an_answer() {
    let server = Canned::new([
        answer(422, json!({"error": "This document uses the classic dashboard layout"})),
        answer(404, json!({"detail": "Document not found", "status": 404})),
    ]);
    let client = server.client();
    let refused = "This document uses the classic dashboard layout".to_owned();
    assert_eq!(
        client.published("old").await.unwrap(),
        Some(PublishedRead::Refused(refused))
    );
    assert_eq!(client.published("none").await.unwrap(), None);
}

#[tokio::test]
async fn a_document_is_created_once_in_its_folder_with_its_identifier() {
    let (server, client) = serving([
        json!({"identifier": "patients-v2", "name": "Patients"}),
        json!({"ok": true}),
    ]);
    let request = DocumentRequest {
        model_id: "m2".to_owned(),
        identifier: "patients-v2".to_owned(),
        folder_id: "f2".to_owned(),
        body: json!({"name": "Patients", "settings": {}}),
    };
    let made = client.create_document(&request, Reservation::new(())).await.unwrap();
    assert_eq!(made.as_deref(), Some("patients-v2"));
    let body =
        json!({"name": "Patients", "settings": {}, "modelId": "m2", "identifier": "patients-v2", "folderId": "f2"});
    assert_eq!(last(&server), ("POST /api/v2/documents".to_owned(), body));
    let unread = client.create_document(&request, Reservation::new(())).await.unwrap();
    assert_eq!(unread, None, "only the document itself tells what was made");
}
