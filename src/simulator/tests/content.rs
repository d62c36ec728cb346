use super::*;

#[tokio::test]
async fn a_copy_has_ids_of_its_own_and_every_reference_follows() {
    let omni = Omni::start().await;
    let copy = omni.copy_model("clinical v2").await;
    let source = omni.export("12db1a0a").await;
    let (status, answer) = omni.import(&source, &copy, "patient-summary-v2").await;
    assert_eq!((status, &answer["identifier"]), (201, &json!("patient-summary-v2")));
    let made = omni.export("patient-summary-v2").await;
    assert_eq!(made["document"]["documentId"], answer["documentId"]);
    assert_eq!(made["document"]["sharedModelId"], json!(copy));
    assert_eq!(made["document"]["folder"]["path"], "clinical/v1");
    assert_eq!(made["workbookModel"]["base_model_id"], json!(copy));
    assert_ne!(made["workbookModel"]["id"], source["workbookModel"]["id"]);
    let field = |export: &Value| export["workbookModel"]["views"][0]["dimensions"][0]["sql"].clone();
    assert_eq!(field(&made), field(&source), "workbook fields travel in the body");
    for (old, new) in tiles(&source).iter().zip(tiles(&made)) {
        for id in [
            "id",
            "miniUuid",
            "queryId",
            "visConfigId",
            "modelId",
            "queryPresentationCollectionId",
        ] {
            assert_ne!(old[id], new[id], "{id}");
        }
        assert_ne!(old["query"]["jsonHash"], new["query"]["jsonHash"]);
        assert_eq!(
            new["query"]["queryJson"]["metadata"]["model_id"],
            made["workbookModel"]["id"]
        );
        assert_eq!(
            old["query"]["queryJson"]["filters"],
            new["query"]["queryJson"]["filters"]
        );
    }
    let metadata = &made["dashboard"]["metadata"];
    assert_eq!(metadata["layouts"]["lg"][0]["i"], tiles(&made)[0]["miniUuid"]);
    assert!(
        metadata["tileFilterMap"]
            .get(tiles(&made)[1]["miniUuid"].as_str().unwrap())
            .is_some()
    );
    let text = made.to_string();
    for old in [
        &source["document"]["modelId"],
        &source["document"]["documentId"],
        &json!(CLINICAL),
    ] {
        assert!(!text.contains(old.as_str().unwrap()), "{old} is left in the copy");
    }
}

#[tokio::test]
async fn the_tab_of_a_copy_is_empty_until_its_yaml_is_copied() {
    let omni = Omni::start().await;
    let copy = omni.copy_model("clinical v2").await;
    let group = format!("/api/v1/user-groups/{EMBED_GROUP}/model-roles");
    omni.done("POST", &group, Some(json!({"roleName": "VIEWER", "modelId": copy})))
        .await;
    let source = omni.export("5e07c1d2").await;
    omni.import(&source, &copy, "risk-v2").await;
    let made = omni.export("risk-v2").await;
    let tab = |export: &Value| {
        export["queryModels"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone()
    };
    let (old, new) = (tab(&source), tab(&made));
    assert_ne!(old, new);
    assert_eq!(made["queryModels"][&new]["views"], json!([]));
    assert_eq!(tiles(&made)[0]["query"]["queryJson"]["model_extension_id"], json!(new));
    assert_eq!(
        omni.files(&new).await,
        json!({"model": "{}\n", "relationships": "[]\n"})
    );
    let compiles = |seen: Vec<Value>| {
        let document = seen
            .into_iter()
            .find(|document| document["identifier"] == "risk-v2")
            .unwrap();
        document["tiles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tile| tile["compiles"] == true)
            .collect::<Vec<_>>()
    };
    assert_eq!(compiles(omni.see().await), [false, true]);
    for (name, text) in omni.files(&old).await.as_object().unwrap() {
        omni.write(&new, None, name, text.as_str().unwrap()).await;
    }
    assert_eq!(compiles(omni.see().await), [true, true]);
    let parts = |export: &Value, id: &str| {
        let text = export["queryModels"][id]["views"].to_string().replace(id, "ID");
        (text, export["queryModels"][id]["relationships"].clone())
    };
    assert_eq!(parts(&omni.export("risk-v2").await, &new), parts(&source, &old));
}

#[tokio::test]
async fn raw_columns_of_a_query_view_do_not_survive_its_copy() {
    let omni = Omni::with(SimulatorOptions {
        raw_query_columns: true,
        ..Default::default()
    })
    .await;
    let source = omni.export("5e07c1d2").await;
    omni.import(&source, CLINICAL, "risk-copy").await;
    let tab = |export: &Value| {
        export["queryModels"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone()
    };
    let new = tab(&omni.export("risk-copy").await);
    for (name, text) in omni.files(&tab(&source)).await.as_object().unwrap() {
        omni.write(&new, None, name, text.as_str().unwrap()).await;
    }
    let seen = omni.see().await;
    let tile = |identifier: &str| {
        seen.iter()
            .find(|document| document["identifier"] == identifier)
            .unwrap()["tiles"][0]
            .clone()
    };
    assert_eq!(tile("5e07c1d2")["compiles"], true);
    assert!(
        tile("risk-copy")["reason"]
            .as_str()
            .unwrap()
            .contains("encounters.readmitted_30d")
    );
}

#[tokio::test]
async fn imports_are_refused_that_omni_would_refuse() {
    let omni = Omni::start().await;
    let mut good = omni.export("8a41f9b3").await;
    good["baseModelId"] = json!(CLINICAL);
    let cases = [
        (
            "folderId",
            json!(FOLDER_V1),
            "Unrecognized key(s) in object: 'folderId'",
        ),
        (
            "fileUploads",
            json!([]),
            "Bad Request: fileUploads: Expected object, received array",
        ),
        (
            "exportVersion",
            json!("0.2"),
            "Bad Request: exportVersion: Invalid literal value, expected \"0.1\"",
        ),
        ("baseModelId", json!("m"), "Bad Request: baseModelId: Invalid uuid"),
        ("identifier", json!("No Slug"), "Bad Request: identifier: Invalid"),
    ];
    for (key, value, wanted) in cases {
        let mut body = good.clone();
        body[key] = value;
        let met = omni.post("/api/unstable/documents/import", body).await;
        assert_eq!((met.0, detail(&met)), (400, wanted));
    }
    let mut elsewhere = good.clone();
    elsewhere["folderPath"] = json!("nowhere");
    let met = omni.post("/api/unstable/documents/import", elsewhere).await;
    assert_eq!((met.0, detail(&met)), (404, "Folder with path nowhere does not exist"));
    let (status, answer) = omni.post("/api/unstable/documents/import", good).await;
    assert_eq!(status, 201);
    let identifier = answer["identifier"].as_str().unwrap();
    assert!(identifier.len() == 8 && identifier.chars().all(|letter| letter.is_ascii_hexdigit()));
    let made = omni.export(identifier).await;
    assert_eq!(
        made["document"]["folder"],
        Value::Null,
        "without a path it lands at the root"
    );
    assert_eq!(made["fileUploads"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn an_identifier_in_use_is_refused_overwritten_or_suffixed() {
    let omni = Omni::start().await;
    let source = omni.export("f16b28a5").await;
    let met = omni.import(&source, CLINICAL, "12db1a0a").await;
    assert_eq!((met.0, detail(&met)), (400, "Bad Request: identifier: already in use"));
    omni.done("DELETE", "/api/v1/documents/c3d90e74", None).await;
    assert_eq!(omni.get("/api/unstable/documents/c3d90e74/export").await.0, 404);
    assert_eq!(
        omni.import(&source, CLINICAL, "c3d90e74").await.0,
        400,
        "the trash holds on to it"
    );
    let rename = json!({"action": "rename_document", "identifier": "8a41f9b3", "new_identifier": "wards"});
    omni.done("POST", "/_simulator/hands", Some(rename)).await;
    assert_eq!(
        omni.import(&source, CLINICAL, "8a41f9b3").await.0,
        400,
        "so does a redirect"
    );
    omni.export("8a41f9b3").await;
    omni.simulator
        .turn(|knobs| knobs.identifier_clash = IdentifierClash::Suffix);
    assert_eq!(
        omni.import(&source, CLINICAL, "12db1a0a").await.1["identifier"],
        "12db1a0a-1"
    );
    omni.simulator
        .turn(|knobs| knobs.identifier_clash = IdentifierClash::Overwrite);
    assert_eq!(
        omni.import(&source, CLINICAL, "12db1a0a").await.1["identifier"],
        "12db1a0a"
    );
    assert_eq!(omni.export("12db1a0a").await["document"]["name"], "Billing Overview");
}

#[tokio::test]
async fn an_import_answers_in_three_shapes() {
    let omni = Omni::start().await;
    let source = omni.export("12db1a0a").await;
    omni.simulator
        .turn(|knobs| knobs.import_answer = ImportAnswer::Workbook);
    let (status, answer) = omni.import(&source, CLINICAL, "second").await;
    assert_eq!((status, &answer["workbook"]["identifier"]), (200, &json!("second")));
    let made = omni.export("second").await;
    assert_eq!(answer["dashboard"]["dashboardId"], made["document"]["dashboardId"]);
    let old = tiles(&source)[0]["miniUuid"].as_str().unwrap().to_owned();
    assert_eq!(answer["miniUuidMap"][&old], tiles(&made)[0]["miniUuid"]);
    omni.simulator.turn(|knobs| knobs.import_answer = ImportAnswer::Unknown);
    let (status, answer) = omni.import(&source, CLINICAL, "third").await;
    assert!(status == 200 && answer.get("identifier").is_none() && answer.get("workbook").is_none());
    omni.export("third").await;
}

#[tokio::test]
async fn a_folder_path_can_be_ignored_and_a_move_mends_it() {
    let omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.import_folder = ImportFolder::Root);
    omni.import(&omni.export("f16b28a5").await, CLINICAL, "bills").await;
    assert_eq!(omni.export("bills").await["document"]["folder"], Value::Null);
    let to = |path: &str| Some(json!({"folderPath": path}));
    let met = omni
        .call("PUT", "/api/v1/documents/bills/move", to("clinical/v9"))
        .await;
    assert_eq!(
        (met.0, detail(&met)),
        (404, "Folder with path clinical/v9 does not exist")
    );
    omni.done("PUT", "/api/v1/documents/bills/move", to("clinical/v1"))
        .await;
    assert_eq!(omni.export("bills").await["document"]["folder"]["path"], "clinical/v1");
    assert_eq!(
        omni.call("POST", "/api/v1/documents/bills/move", to("clinical"))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_hand_that_edits_publishes_and_the_workbook_model_is_a_new_one() {
    let omni = Omni::start().await;
    let before = omni.export("5e07c1d2").await;
    omni.done(
        "POST",
        "/_simulator/hands",
        Some(json!({"action": "edit_document", "identifier": "5e07c1d2"})),
    )
    .await;
    let after = omni.export("5e07c1d2").await;
    assert_eq!(after["document"]["documentId"], before["document"]["documentId"]);
    assert_ne!(after["document"]["modelId"], before["document"]["modelId"]);
    assert_eq!(tiles(&after)[0]["name"], "Edited by hand");
    assert_eq!(
        tiles(&after)[1]["query"]["queryJson"]["modelId"],
        after["document"]["modelId"]
    );
    assert!(
        omni.see()
            .await
            .iter()
            .flat_map(|document| document["tiles"].as_array().unwrap())
            .all(|tile| tile["compiles"] == true)
    );
}

#[tokio::test]
async fn the_content_validator_needs_full_validation_to_find_what_only_planning_shows() {
    let omni = Omni::start().await;
    let text = "dimensions:\n  open_amount: {sql: '${claims.gone}'}\nmeasures:\n  billed: {sql: '${claims.amount}', aggregate_type: sum}\n  outstanding: {sql: '${claims.open_amount}', aggregate_type: sum}\n";
    omni.write(CLINICAL, None, "claims.view", text).await;
    let path =
        format!("/api/v1/models/{CLINICAL}/content-validator?folder_paths=clinical/v1&content_filter_mode=WITH_ISSUES");
    let quick = omni.done("GET", &path, None).await;
    let issues = |answer: &Value| answer["content"][0]["queries_and_issues"].to_string();
    assert!(
        issues(&quick).contains("Field claims.denials does not exist"),
        "{quick}"
    );
    assert!(!issues(&quick).contains("claims.gone"), "planning was not asked for");
    let full = omni
        .done("GET", &format!("{path}&force_full_validation=true"), None)
        .await;
    assert!(issues(&full).contains("claims.gone"), "{full}");
    assert_eq!(full["content"].as_array().unwrap().len(), 1);
    assert_eq!(full["content"][0]["identifier"], "f16b28a5");
}

#[tokio::test]
async fn an_import_can_lose_a_tile_renew_uploads_and_fill_tabs() {
    let omni = Omni::start().await;
    let source = omni.export("8a41f9b3").await;
    omni.simulator.turn(|knobs| knobs.import_renews_upload_ids = true);
    omni.import(&source, CLINICAL, "beds").await;
    let made = omni.export("beds").await;
    let upload = made["fileUploads"].as_object().unwrap().keys().next().unwrap();
    assert!(source["fileUploads"].get(upload).is_none());
    assert_eq!(tiles(&made)[1]["fileUploadId"], json!(upload));
    omni.simulator.turn(|knobs| knobs.import_drops_tile = true);
    omni.import(&source, CLINICAL, "fewer").await;
    assert_eq!(tiles(&omni.export("fewer").await).len(), 1);
    omni.simulator.turn(|knobs| {
        *knobs = Knobs {
            import_fills_query_models: true,
            import_folder: ImportFolder::Personal,
            ..Knobs::default()
        };
    });
    omni.import(&omni.export("5e07c1d2").await, CLINICAL, "full").await;
    let full = omni.export("full").await;
    let tab = full["queryModels"].as_object().unwrap().values().next().unwrap();
    assert_eq!(tab["views"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&full["document"]["folder"], &full["document"]["scope"]),
        (&Value::Null, &json!("restricted"))
    );
}
