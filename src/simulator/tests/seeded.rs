use super::*;

#[tokio::test]
async fn every_tile_of_the_seed_compiles_for_an_embed_user_in_both_environments() {
    let omni = Omni::with(SimulatorOptions {
        dashboards: 12,
        raw_query_columns: true,
        ..Default::default()
    })
    .await;
    for environment in ["staging", "production"] {
        let path = format!("/_simulator/see?as=acme-corp&environment={environment}");
        let seen = omni.done("GET", &path, None).await;
        let documents = seen["documents"].as_array().unwrap();
        assert_eq!(documents.len(), 12, "the dictionary is not for embed users");
        for document in documents {
            assert_eq!(document["model"]["name"], "clinical");
            for tile in document["tiles"].as_array().unwrap() {
                assert_eq!(tile["compiles"], true, "{}: {tile}", document["name"]);
            }
        }
    }
}

#[tokio::test]
async fn the_seed_is_what_the_documentation_says() {
    let omni = Omni::start().await;
    let state = omni.simulator.state();
    let model = state["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["id"] == CLINICAL)
        .unwrap();
    assert_eq!(model["files"].as_object().unwrap().len(), 17);
    let (_, combined) = omni.get(&format!("/api/v1/models/{CLINICAL}/yaml")).await;
    let names: Vec<&String> = combined["files"].as_object().unwrap().keys().collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".view")).count(), 12);
    assert_eq!(names.iter().filter(|name| name.ends_with(".topic")).count(), 4);
    assert_eq!(
        omni.get(&format!("/api/v1/models/{CLINICAL}/validate")).await,
        (200, json!([]))
    );
    let listed = omni
        .done(
            "GET",
            &format!("/api/v1/documents?folderId={FOLDER_V1}&pageSize=100"),
            None,
        )
        .await;
    let mut identifiers: Vec<&str> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["identifier"].as_str().unwrap())
        .collect();
    identifiers.sort_unstable();
    assert_eq!(
        identifiers,
        ["12db1a0a", "5e07c1d2", "8a41f9b3", "c3d90e74", "f16b28a5"]
    );
    assert!(
        listed["records"][0].get("modelId").is_none(),
        "lists say nothing of models"
    );
}

#[tokio::test]
async fn two_runs_give_the_same_ids() {
    let states = [Omni::start().await, Omni::start().await].map(|omni| {
        let state = omni.simulator.state();
        let ids = state["documents"].as_array().unwrap().iter();
        ids.map(|document| {
            (
                document["documentId"].clone(),
                document["export"]["dashboard"]["metadata"].clone(),
            )
        })
        .collect::<Vec<_>>()
    });
    assert_eq!(states[0], states[1]);
}

#[tokio::test]
async fn an_export_has_the_full_shape_and_a_workbook_model_of_its_own() {
    let omni = Omni::start().await;
    let export = omni.export("12db1a0a").await;
    assert_eq!(export["exportVersion"], "0.1");
    assert!(export.get("baseModelId").is_none());
    let document = &export["document"];
    assert_eq!(document["sharedModelId"], CLINICAL);
    assert_ne!(
        document["modelId"], document["documentId"],
        "the workbook model is not the document"
    );
    assert_eq!(export["workbookModel"]["id"], document["modelId"]);
    assert_eq!(export["workbookModel"]["base_model_id"], CLINICAL);
    let field = &export["workbookModel"]["views"][0]["dimensions"][0];
    assert_eq!(field["fully_qualified_name"], "patients.age_band");
    assert_eq!(field["expr"]["field_name"], "patients.age");
    let tiles = tiles(&export);
    assert_eq!(tiles.len(), 3);
    let layouts = export["dashboard"]["metadata"]["layouts"]["lg"].as_array().unwrap();
    assert_eq!(layouts[0]["i"], tiles[0]["miniUuid"]);
    assert_eq!(layouts[3]["i"], "t_intro1");
    assert_eq!(tiles[0]["query"]["queryJson"]["modelId"], document["modelId"]);
    let filtered = export["dashboard"]["metadata"]["tileFilterMap"].as_object().unwrap();
    assert_eq!(filtered.keys().next().unwrap(), tiles[1]["miniUuid"].as_str().unwrap());
    let risk = omni.export("5e07c1d2").await;
    let (id, tab) = risk["queryModels"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(tab["base_model_id"], risk["document"]["modelId"]);
    assert_eq!(&super::tiles(&risk)[0]["query"]["queryJson"]["model_extension_id"], id);
    let capacity = omni.export("8a41f9b3").await;
    let upload = capacity["fileUploads"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    assert_eq!(super::tiles(&capacity)[1]["fileUploadId"], json!(upload));
}
