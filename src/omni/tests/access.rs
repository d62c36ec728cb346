//! User groups, permits and settings of documents, schedules: what is sent, to the byte, and every shape of the answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::canned::{last, one_page, serving};
use crate::ports::{DocumentPermit, Grantee, Omni, OmniErrorKind, Scheduled};

fn groups(ids: &[&str], total: u64) -> Value {
    let groups: Vec<Value> = ids.iter().map(|id| json!({"id": id, "displayName": id})).collect();
    json!({"Resources": groups, "totalResults": total})
}

#[tokio::test]
async fn user_groups_are_walked_by_index() {
    let (server, client) = serving([groups(&["a", "b"], 3), groups(&["c"], 3)]);
    let all: BTreeSet<String> = ["a", "b", "c"].map(str::to_owned).into();
    assert_eq!(client.user_groups().await.unwrap(), all);
    let lines: Vec<String> = server.asked().into_iter().map(|it| it.line).collect();
    assert_eq!(
        lines,
        ["1", "3"]
            .map(|start| format!("GET /api/scim/v2/Groups?excludedAttributes=members&startIndex={start}&count=100"))
    );
    // A server that counts more than it shows is not asked for ever.
    let (_server, client) = serving([groups(&["a"], 3), groups(&[], 3)]);
    assert_eq!(client.user_groups().await.unwrap().len(), 1);
    let (_server, client) = serving([json!({"Resources": []})]);
    let error = client.user_groups().await.unwrap_err();
    assert!(matches!(error.kind, OmniErrorKind::ContractDrift { .. }), "{error}");
}

#[tokio::test]
async fn a_documents_own_permits_are_told_apart_from_its_folders() {
    let entry = |id: &str, kind: &str, source: &str, more: Value| {
        let mut entry = json!({"id": id, "name": format!("name of {id}"), "type": kind, "role": "VIEWER",
            "accessSource": source});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let page = |entries: Value, next: Option<&str>| json!({"principals": entries, "pageInfo": {"hasNextPage": next.is_some(), "nextCursor": next}});
    let (server, client) = serving([
        page(
            json!([entry("u", "user", "direct", json!({"isOwner": true}))]),
            Some("more"),
        ),
        page(
            json!([
                entry("g", "userGroup", "direct", json!({"accessBoost": true})),
                entry("h", "userGroup", "folder", json!({})),
            ]),
            None,
        ),
    ]);
    let permit = |grantee, name: &str, is_boosted, is_owner| DocumentPermit {
        grantee,
        name: format!("name of {name}"),
        role: "VIEWER".to_owned(),
        is_boosted,
        is_owner,
    };
    assert_eq!(
        client.document_permits("d").await.unwrap(),
        [
            permit(Grantee::User("u".to_owned()), "u", false, true),
            permit(Grantee::Group("g".to_owned()), "g", true, false),
        ]
    );
    let line = "GET /api/v1/documents/d/access-list?accessSource=direct&pageSize=100&cursor=more";
    assert_eq!(last(&server).0, line);
    // Whose it is and what it allows must be there: it could be what shuts somebody out.
    for lacking in [
        json!([{"id": "g", "type": "userGroup"}]),
        json!([{"role": "VIEWER", "type": "user"}]),
    ] {
        let (_server, client) = serving([page(lacking, None)]);
        let error = client.document_permits("d").await.unwrap_err();
        assert!(matches!(error.kind, OmniErrorKind::ContractDrift { .. }), "{error}");
    }
}

#[tokio::test]
async fn permits_are_given_to_many_at_once_and_without_a_word_of_boosts() {
    let (server, client) = serving([json!({"success": true}), json!({"success": true})]);
    let grantees: BTreeSet<Grantee> = [
        Grantee::Group("g".to_owned()),
        Grantee::User("u".to_owned()),
        Grantee::User("v".to_owned()),
    ]
    .into();
    client.grant_document("d", &grantees, "EDITOR").await.unwrap();
    let body = json!({"role": "EDITOR", "userIds": ["u", "v"], "userGroupIds": ["g"]});
    assert_eq!(
        last(&server),
        ("POST /api/v1/documents/d/permissions".to_owned(), body.clone())
    );
    client.change_document_grant("d", &grantees, "EDITOR").await.unwrap();
    assert_eq!(
        last(&server),
        ("PATCH /api/v1/documents/d/permissions".to_owned(), body)
    );
}

#[tokio::test]
async fn settings_are_read_where_omni_shows_them() {
    let shown = json!({"permits": [], "abilities": {"canDownload": false, "canDrill": true, "later": "words"}});
    let (server, client) = serving([shown, json!({"permits": []}), json!({"success": true})]);
    let settings: BTreeMap<String, bool> = [("canDownload", false), ("canDrill", true)]
        .map(|(name, on)| (name.to_owned(), on))
        .into();
    assert_eq!(
        client.document_settings("d", "me").await.unwrap(),
        Some(settings.clone())
    );
    assert_eq!(last(&server).0, "GET /api/v1/documents/d/permissions?userId=me");
    assert_eq!(client.document_settings("d", "me").await.unwrap(), None);
    let (_other, stranger) = serving([json!({"other": 1})]);
    let error = stranger.document_settings("d", "me").await.unwrap_err();
    assert!(matches!(error.kind, OmniErrorKind::ContractDrift { .. }), "{error}");
    client.set_document("d", &settings).await.unwrap();
    let body = json!({"canDownload": false, "canDrill": true});
    assert_eq!(last(&server), ("PUT /api/v1/documents/d/permissions".to_owned(), body));
}

#[tokio::test]
async fn schedules_and_alerts_are_told_apart_and_not_read_without_end() {
    let schedules = json!([
        {"identifier": "d", "name": "Mondays"},
        {"identifier": "d", "name": "Full wards", "alert": {"conditionType": "RESULTS_PRESENT"}},
    ]);
    let (server, client) = serving([one_page(schedules)]);
    let scheduled = |is_alert| Scheduled {
        identifier: "d".to_owned(),
        is_alert,
    };
    let all = vec![scheduled(false), scheduled(true)];
    assert_eq!(client.schedules(1).await.unwrap(), Some(all));
    let line = "GET /api/v1/schedules?sortField=scheduleName&sortDirection=asc&pageSize=100";
    assert_eq!(last(&server).0, line);
    let more = json!({"records": [], "pageInfo": {"hasNextPage": true, "nextCursor": "2", "pageSize": 100, "totalRecords": 300}});
    let (server, client) = serving([more]);
    assert_eq!(client.schedules(1).await.unwrap(), None);
    assert_eq!(server.asked().len(), 1);
}
