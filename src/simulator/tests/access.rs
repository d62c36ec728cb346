use super::*;

#[tokio::test]
async fn keys_are_told_apart() {
    let mut omni = Omni::start().await;
    let who = omni.done("GET", "/api/v1/whoami", None).await;
    assert_eq!(
        (&who["keyScope"], &who["orgRole"]),
        (&json!("organization"), &json!("ORG_ADMIN"))
    );
    omni.key = "omni_pat_simulator".to_owned();
    assert_eq!(omni.done("GET", "/api/v1/whoami", None).await["keyScope"], "user");
    assert_eq!(omni.get("/api/unstable/documents/12db1a0a/export").await.0, 403);
    omni.key = "omni_osk_wrong".to_owned();
    let (status, answer) = omni.get("/api/v1/whoami").await;
    assert_eq!(
        (status, answer),
        (403, json!({"error": {"code": 403, "message": "Invalid bearer token"}}))
    );
    let url = format!("{}/api/v1/whoami", omni.simulator.base_url());
    assert_eq!(reqwest::get(url).await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn an_absent_folder_is_a_404_and_a_second_one_gets_a_suffix() {
    let omni = Omni::start().await;
    let met = omni.get("/api/v1/folders?path=clinical/v2").await;
    assert_eq!(
        (met.0, detail(&met)),
        (404, "Folder with path clinical/v2 does not exist")
    );
    let body = json!({"name": "v2", "parentFolderId": FOLDER});
    let (status, first) = omni.post("/api/v1/folders", body.clone()).await;
    assert_eq!((status, &first["path"]), (201, &json!("clinical/v2")));
    let (_, second) = omni.post("/api/v1/folders", body).await;
    assert_eq!(second["path"], "clinical/v2-1");
    let found = omni.done("GET", "/api/v1/folders?path=clinical/v2", None).await;
    assert_eq!(found["records"][0]["id"], first["id"]);
    let mut parent = second["id"].clone();
    for _ in 0..5 {
        let (status, made) = omni
            .post("/api/v1/folders", json!({"name": "deeper", "parentFolderId": parent}))
            .await;
        assert_eq!(status, 201);
        parent = made["id"].clone();
    }
    let met = omni
        .post("/api/v1/folders", json!({"name": "deeper", "parentFolderId": parent}))
        .await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Bad Request: Maximum folder nesting depth reached")
    );
    let met = omni.call("DELETE", &format!("/api/v1/folders/{FOLDER_V1}"), None).await;
    assert_eq!((met.0, detail(&met)), (400, "Folders with documents cannot be deleted"));
}

#[tokio::test]
async fn the_nearest_permit_wins() {
    let omni = Omni::start().await;
    let permits = format!("/api/v1/folders/{FOLDER_V1}/permissions");
    let read = omni.done("GET", &permits, None).await;
    assert_eq!(
        read,
        json!({"permits": [{"userGroupId": EMBED_GROUP, "role": "VIEWER", "accessBoost": false}]})
    );
    let shut = json!({"role": "NO_ACCESS", "userGroupIds": [EMBED_GROUP]});
    omni.done("POST", &permits, Some(shut)).await;
    assert_eq!(
        omni.done("GET", &permits, None).await["permits"][0]["role"],
        "NO_ACCESS"
    );
    assert_eq!(
        omni.see().await,
        Vec::<Value>::new(),
        "the parent's VIEWER does not help"
    );
    omni.done("DELETE", &permits, Some(json!({"userGroupIds": [EMBED_GROUP]})))
        .await;
    assert_eq!(omni.see().await.len(), 5);
    let met = omni.post(&permits, json!({"role": "VIEWER"})).await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Bad Request: userIds or userGroupIds must be provided")
    );
    let met = omni
        .post(&permits, json!({"role": "VIEWER", "userGroupId": EMBED_GROUP}))
        .await;
    assert_eq!(met.0, 400);
}

#[tokio::test]
async fn a_new_model_is_seen_by_nobody_until_a_role_is_given() {
    let omni = Omni::start().await;
    let copy = omni.copy_model("clinical v2").await;
    omni.import(&omni.export("f16b28a5").await, &copy, "bills-v2").await;
    let sees = |seen: &[Value]| seen.iter().any(|document| document["identifier"] == "bills-v2");
    assert!(!sees(&omni.see().await), "the connection's base role is NO_ACCESS");
    let path = format!("/api/v1/user-groups/{EMBED_GROUP}/model-roles");
    let met = omni.post(&path, json!({"roleName": "WATCHER", "modelId": copy})).await;
    assert_eq!(met, (422, json!({"error": "Invalid role"})));
    assert_eq!(omni.post(&path, json!({"roleName": "VIEWER"})).await.0, 400);
    omni.done("POST", &path, Some(json!({"roleName": "VIEWER", "modelId": copy})))
        .await;
    assert!(sees(&omni.see().await));
    let read = omni.done("GET", &format!("{path}?modelId={copy}"), None).await;
    assert_eq!(read["results"][0]["roleName"], "VIEWER");
    omni.done("POST", &path, Some(json!({"roleName": "NO_ACCESS", "modelId": copy})))
        .await;
    let read = omni.done("GET", &format!("{path}?modelId={copy}"), None).await;
    assert_eq!(
        read["results"].as_array().unwrap().len(),
        1,
        "a second role takes the first one's place"
    );
    assert!(!sees(&omni.see().await));
}
