//! What a document has besides: permissions, settings, a description, favourites; and that copies begin without.

use super::*;

const PERMITS: &str = "/api/v1/documents/12db1a0a/permissions";
const ANALYSTS: &str = "aN3pT9sL";

async fn sees(omni: &Omni, who: &str) -> bool {
    let seen = omni.done("GET", &format!("/_simulator/see?as={who}"), None).await;
    let mut documents = seen["documents"].as_array().unwrap().iter();
    documents.any(|it| it["identifier"] == "12db1a0a")
}

fn summary(omni: &Omni, identifier: &str) -> Value {
    let state = omni.simulator.state();
    let mut documents = state["documents"].as_array().unwrap().iter();
    documents.find(|it| it["identifier"] == identifier).unwrap().clone()
}

#[tokio::test]
async fn a_documents_own_permits_stand_before_its_folders() {
    let omni = Omni::start().await;
    let done = async |method: &str, body: Value| omni.done(method, PERMITS, Some(body)).await;
    assert!(sees(&omni, "acme-corp").await);
    done("POST", json!({"role": "NO_ACCESS", "userGroupIds": [EMBED_GROUP]})).await;
    assert!(!sees(&omni, "acme-corp").await, "the folder's VIEWER does not help");
    let user = omni.member("acme-corp").await;
    done("POST", json!({"role": "VIEWER", "userIds": [user]})).await;
    assert!(sees(&omni, "acme-corp").await && !sees(&omni, "globex").await);
    done("POST", json!({"role": "EDITOR", "userIds": [user]})).await;
    assert_eq!(
        summary(&omni, "12db1a0a")["permits"][0]["role"],
        "VIEWER",
        "an addition changes nothing"
    );
    done(
        "PATCH",
        json!({"role": "EXPLORER", "userIds": [user], "accessBoost": true}),
    )
    .await;
    done("PATCH", json!({"role": "EDITOR", "userIds": [user]})).await;
    let wanted = json!({"userId": user, "role": "EDITOR", "accessBoost": true});
    assert_eq!(
        summary(&omni, "12db1a0a")["permits"][0],
        wanted,
        "a boost that is left out stays"
    );
    let met = omni
        .call(
            "PATCH",
            PERMITS,
            Some(json!({"role": "VIEWER", "userGroupIds": [ANALYSTS]})),
        )
        .await;
    assert_eq!(met.0, 404, "it has none to change");
    done("DELETE", json!({"userIds": [user], "userGroupIds": [EMBED_GROUP]})).await;
    assert_eq!(summary(&omni, "12db1a0a")["permits"], json!([]));
    assert!(sees(&omni, "globex").await);
    for body in [
        json!({"role": "VIEWER"}),
        json!({"role": "KING", "userIds": [user]}),
        json!({"userIds": [user]}),
        json!({"role": "VIEWER", "userId": user}),
    ] {
        assert_eq!(omni.call("POST", PERMITS, Some(body.clone())).await.0, 400, "{body}");
    }
    let stranger = json!({"role": "VIEWER", "userIds": [CLINICAL]});
    assert_eq!(omni.call("POST", PERMITS, Some(stranger)).await.0, 404);
}

#[tokio::test]
async fn permissions_are_read_for_a_user_and_as_a_list_of_all_who_have_some() {
    let omni = Omni::start().await;
    let permit = json!({"role": "EDITOR", "userGroupIds": [ANALYSTS], "accessBoost": true});
    omni.done("POST", PERMITS, Some(permit)).await;
    let user = omni.member("acme-corp").await;
    let read = omni.done("GET", &format!("{PERMITS}?userId={user}"), None).await;
    let folder = json!({"accessBoost": false, "isOwner": false, "role": "VIEWER"});
    assert_eq!(
        read["permits"],
        json!([{"id": EMBED_GROUP, "name": "embed-viewers", "type": "userGroup", "description": "embed-viewers", "folder": folder}])
    );
    assert_eq!(read["abilities"]["canDownload"], true);
    let settings = json!({"canDownload": false, "organizationRole": "viewer", "requirePullRequestToPublish": true});
    omni.done("PUT", PERMITS, Some(settings.clone())).await;
    assert_eq!(summary(&omni, "12db1a0a")["settings"], settings);
    let read = omni.done("GET", PERMITS, None).await;
    assert_eq!(read["abilities"]["canDownload"], false);
    assert_eq!(read["permits"].as_array().unwrap().len(), 3);
    assert_eq!(omni.call("PUT", PERMITS, Some(json!({"canFly": true}))).await.0, 400);
    assert_eq!(
        omni.call("PUT", PERMITS, Some(json!({"organizationRole": "VIEWER"})))
            .await
            .0,
        400
    );
    assert_eq!(omni.get(&format!("{PERMITS}?userId={CLINICAL}")).await.0, 404);

    let list = "/api/v1/documents/12db1a0a/access-list";
    let all = omni.done("GET", &format!("{list}?pageSize=2"), None).await;
    assert_eq!(all["pageInfo"]["totalRecords"], 3);
    assert_eq!(
        all["principals"][0],
        json!({"id": "4c8e1f6a-2b3d-4e5f-8a9b-0c1d2e3f4a5b", "name": "Blobby", "type": "user", "role": "MANAGER",
            "accessBoost": false, "accessSource": "direct", "isOwner": true})
    );
    let direct = omni
        .done("GET", &format!("{list}?accessSource=direct&type=userGroup"), None)
        .await;
    assert_eq!(
        direct["principals"],
        json!([{"id": ANALYSTS, "name": "analysts", "type": "userGroup", "role": "EDITOR", "accessBoost": true,
            "accessSource": "direct"}])
    );
    let inherited = omni.done("GET", &format!("{list}?accessSource=folder"), None).await;
    assert_eq!(inherited["principals"][0]["folderInfo"]["path"], "clinical/v1");
    assert_eq!(omni.get(&format!("{list}?type=robot")).await.0, 400);
}

#[tokio::test]
async fn a_copy_begins_without_what_no_export_carries() {
    let omni = Omni::start().await;
    let permit = json!({"role": "EDITOR", "userGroupIds": [ANALYSTS]});
    omni.done("POST", PERMITS, Some(permit)).await;
    omni.done("PUT", PERMITS, Some(json!({"canDownload": false}))).await;
    omni.done("PUT", "/api/v1/documents/12db1a0a/favorite", None).await;
    let described = json!({"action": "describe_document", "identifier": "12db1a0a", "description": "Who is here"});
    omni.done("POST", "/_simulator/hands", Some(described)).await;
    let read = omni.done("GET", "/api/v1/documents/12db1a0a", None).await;
    assert_eq!(read["description"], "Who is here");
    let export = omni.export("12db1a0a").await;
    assert_eq!(omni.import(&export, CLINICAL, "copy").await.0, 201);
    let (original, copy) = (summary(&omni, "12db1a0a"), summary(&omni, "copy"));
    for (key, empty) in [
        ("description", Value::Null),
        ("permits", json!([])),
        ("settings", json!({})),
        ("favorites", json!([])),
        ("labels", json!([])),
    ] {
        assert_eq!(copy[key], empty, "{key}");
        assert!(
            key == "labels" || original[key] != empty,
            "the original keeps its {key}"
        );
    }
}

#[tokio::test]
async fn favourites_are_counted_in_lists() {
    let omni = Omni::start().await;
    let user = omni.member("acme-corp").await;
    let favorite = "/api/v1/documents/5e07c1d2/favorite";
    for _ in 0..2 {
        assert_eq!(omni.call("PUT", favorite, None).await, (204, json!("")));
        assert_eq!(
            omni.call("PUT", &format!("{favorite}?userId={user}"), None).await.0,
            204
        );
    }
    let list = "/api/v1/documents?sortField=favorites&sortDirection=desc&include=_count";
    let first = omni.done("GET", list, None).await["records"][0].clone();
    assert_eq!(
        (&first["identifier"], &first["_count"]),
        (&json!("5e07c1d2"), &json!({"favorites": 2, "views": 0}))
    );
    let mine = "/api/v1/documents?include=onlyFavorites";
    assert_eq!(omni.done("GET", mine, None).await["pageInfo"]["totalRecords"], 1);
    omni.done("DELETE", favorite, None).await;
    assert_eq!(omni.done("GET", mine, None).await["pageInfo"]["totalRecords"], 0);
    let theirs = format!("{mine}&userId={user}");
    assert_eq!(omni.done("GET", &theirs, None).await["pageInfo"]["totalRecords"], 1);
    assert_eq!(
        omni.call("PUT", &format!("{favorite}?userId={CLINICAL}"), None).await.0,
        404
    );
}

#[tokio::test]
async fn a_list_for_a_user_has_what_that_user_may_open() {
    let omni = Omni::start().await;
    let user = omni.member("acme-corp").await;
    let total = async |query: &str| {
        let listed = omni.done("GET", &format!("/api/v1/documents?{query}"), None).await;
        listed["pageInfo"]["totalRecords"].clone()
    };
    assert_eq!(total("").await, 6);
    assert_eq!(
        total(&format!("userId={user}")).await,
        5,
        "the dictionary is not for embed users"
    );
    let met = omni.get(&format!("/api/v1/documents?userId={CLINICAL}")).await;
    assert_eq!(
        (met.0, detail(&met)),
        (404, format!("User with id {CLINICAL} does not exist").as_str())
    );
}
