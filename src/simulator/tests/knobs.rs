use super::*;

#[tokio::test]
async fn a_folder_whose_path_is_taken_is_suffixed_refused_or_a_twin() {
    let omni = Omni::start().await;
    let create = || omni.post("/api/v1/folders", json!({"name": "v1", "parentFolderId": FOLDER}));
    assert_eq!(create().await.1["path"], "clinical/v1-1");
    omni.simulator.turn(|knobs| knobs.folder_clash = FolderClash::Reject);
    let met = create().await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Bad Request: name: Folder with path clinical/v1 already exists")
    );
    omni.simulator.turn(|knobs| knobs.folder_clash = FolderClash::Twin);
    assert_eq!(create().await.1["path"], "clinical/v1");
    let listed = omni.done("GET", "/api/v1/folders?path=clinical/v1", None).await;
    assert_eq!(listed["pageInfo"]["totalRecords"], 2);
}

#[tokio::test]
async fn a_model_can_come_with_a_twin() {
    let omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.model_twin = true);
    let body = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "clinical v2"});
    let made = omni.done("POST", "/api/v1/models", Some(body)).await;
    let listed = omni
        .done("GET", "/api/v1/models?modelKind=SHARED&name=clinical%20v2", None)
        .await;
    let ids: Vec<&Value> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&&made["model"]["id"]));
}

#[tokio::test]
async fn a_schema_model_may_be_missing_or_without_tables() {
    let omni = Omni::start().await;
    let body = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "clinical v2"});
    omni.simulator.turn(|knobs| knobs.schema_model = SchemaModel::Absent);
    let met = omni.post("/api/v1/models", body.clone()).await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Schema model does not exist when creating a non-schema model")
    );
    omni.simulator
        .turn(|knobs| knobs.schema_model = SchemaModel::Unrefreshed);
    assert_eq!(omni.post("/api/v1/models", body).await.0, 200);
    let issues = omni
        .done("GET", &format!("/api/v1/models/{CLINICAL}/validate"), None)
        .await;
    assert!(!issues.as_array().unwrap().is_empty(), "its tables are not known yet");
    omni.simulator.turn(|knobs| knobs.schema_model = SchemaModel::Ready);
    let issues = omni
        .done("GET", &format!("/api/v1/models/{CLINICAL}/validate"), None)
        .await;
    assert_eq!(issues, json!([]));
}

#[tokio::test]
async fn shapes_follow_the_specification_or_the_documentation() {
    let omni = Omni::with(SimulatorOptions {
        dashboards: 30,
        ..SimulatorOptions::default()
    })
    .await;
    let documents = || omni.done("GET", "/api/v1/documents", None);
    let first = documents().await;
    assert_eq!(first["pageInfo"]["pageSize"], 50);
    omni.simulator
        .turn(|knobs| knobs.document_defaults = DocumentDefaults::Documentation);
    let last = documents().await;
    assert_eq!(last["pageInfo"]["pageSize"], 20);
    let records = first["records"].as_array().unwrap();
    assert_eq!(last["records"][0], records[records.len() - 1], "descending");

    let permits = format!("/api/v1/folders/{FOLDER}/permissions");
    omni.simulator
        .turn(|knobs| knobs.permissions_answer = PermissionsAnswer::Principals);
    assert_eq!(
        omni.done("GET", &permits, None).await,
        json!({"principals": [{"id": EMBED_GROUP, "name": "embed-viewers", "type": "userGroup",
            "direct": {"role": "VIEWER", "isOwner": false, "accessBoost": false}}]})
    );
    let inherited = format!("/api/v1/folders/{FOLDER_V1}/permissions");
    assert_eq!(omni.done("GET", &inherited, None).await, json!({"principals": []}));

    let environments = || omni.done("GET", "/api/v1/connection-environments", None);
    let listed = environments().await;
    assert!(listed["connectionEnvironments"][0]["userAttributeValues"].is_array());
    omni.simulator
        .turn(|knobs| knobs.environments_answer = EnvironmentsAnswer::Data);
    let listed = environments().await;
    assert!(listed["data"][0]["userAttributeValues"].is_string());
}

#[tokio::test]
async fn a_key_that_is_not_known_may_be_a_401() {
    let mut omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.bad_key_status = 401);
    omni.key = "omni_osk_wrong".to_owned();
    assert_eq!(omni.get("/api/v1/whoami").await.0, 401);
}

#[tokio::test]
async fn hands_reach_folders_models_and_the_trash() {
    let omni = Omni::start().await;
    let hand = |body: Value| async { omni.done("POST", "/_simulator/hands", Some(body)).await };
    hand(json!({"action": "rename_folder", "path": "clinical", "name": "Hospital", "new_path": "hospital"})).await;
    assert_eq!(omni.get("/api/v1/folders?path=clinical/v1").await.0, 404);
    let moved = omni.done("GET", "/api/v1/folders?path=hospital/v1", None).await;
    assert_eq!(moved["records"][0]["id"], FOLDER_V1);
    hand(json!({"action": "set_permit", "path": "hospital/v1", "user_group": "embed-viewers", "role": "NO_ACCESS"}))
        .await;
    assert!(omni.see().await.is_empty());
    hand(json!({"action": "set_permit", "path": "hospital/v1", "user_group": EMBED_GROUP})).await;
    assert_eq!(omni.see().await.len(), 5);
    hand(json!({"action": "delete_document", "identifier": "12db1a0a"})).await;
    hand(json!({"action": "restore_document", "identifier": "12db1a0a"})).await;
    assert_eq!(omni.see().await.len(), 5);
    hand(json!({"action": "rename_model", "model": "clinical", "name": "hospital"})).await;
    let named = omni.done("GET", "/api/v1/models?name=hospital", None).await;
    assert_eq!(named["records"][0]["id"], CLINICAL);
    hand(json!({"action": "delete_model", "model": "hospital"})).await;
    assert!(omni.see().await.is_empty());
    assert_eq!(
        omni.get("/api/unstable/documents/9b7e4d20/export").await.0,
        404,
        "one in another folder goes too"
    );
    hand(json!({"action": "delete_folder", "path": "hospital/v1"})).await;
    assert_eq!(omni.get("/api/v1/folders?path=hospital/v1").await.0, 404);
}

#[tokio::test]
async fn lists_can_lag_behind_changes_too() {
    let omni = Omni::start().await;
    let folder = format!("/api/v1/documents?folderId={FOLDER_V1}");
    let listed = || async { omni.done("GET", &folder, None).await["pageInfo"]["totalRecords"].clone() };
    let branches = || async {
        let models = "/api/v1/models?modelKind=SHARED&include=activeBranches";
        let models = omni.done("GET", models, None).await;
        models["records"][0]["branches"].as_array().unwrap().len()
    };
    omni.simulator.turn(|knobs| {
        knobs.list_lag_millis = 60_000;
        knobs.list_lag_changes = true;
    });
    omni.simulator.advance(Duration::from_secs(61));
    let moved = json!({"folderPath": "clinical"});
    omni.done("PUT", "/api/v1/documents/12db1a0a/move", Some(moved)).await;
    omni.done("DELETE", "/api/v1/documents/f16b28a5", None).await;
    omni.branch(CLINICAL, "cut").await;
    assert_eq!((listed().await, branches().await), (json!(5), 0));
    assert_eq!(
        omni.export("12db1a0a").await["document"]["folder"]["path"],
        "clinical",
        "only lists lag"
    );
    omni.simulator.advance(Duration::from_secs(61));
    assert_eq!((listed().await, branches().await), (json!(3), 1));
    let merge = format!("/api/v1/models/{CLINICAL}/branch/cut/merge");
    omni.done("POST", &merge, Some(json!({"delete_branch": true}))).await;
    let back = json!({"folderPath": "clinical/v1"});
    omni.done("PUT", "/api/v1/documents/12db1a0a/move", Some(back)).await;
    assert_eq!((listed().await, branches().await), (json!(3), 1));
    omni.simulator.advance(Duration::from_secs(61));
    assert_eq!((listed().await, branches().await), (json!(4), 0));
}
