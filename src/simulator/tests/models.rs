use super::*;

#[tokio::test]
async fn bodies_and_parameters_are_strict() {
    let omni = Omni::start().await;
    let met = omni
        .post("/api/v1/models", json!({"connectionId": CONNECTION, "name": "x"}))
        .await;
    assert_eq!((met.0, detail(&met)), (400, "Unrecognized key(s) in object: 'name'"));
    let met = omni.get("/api/v1/models?kind=SHARED").await;
    assert_eq!((met.0, detail(&met)), (400, "Unrecognized key(s) in object: 'kind'"));
    let met = omni
        .post("/api/v1/models", json!({"connectionId": "c", "modelKind": "SHARED"}))
        .await;
    assert_eq!((met.0, detail(&met)), (400, "Bad Request: connectionId: Invalid uuid"));
    let met = omni
        .post(
            "/api/v1/models",
            json!({"connectionId": CONNECTION, "modelKind": "SCHEMA"}),
        )
        .await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Schema model already exists for the connection")
    );
    let met = omni.get("/api/v1/models?pageSize=101").await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Bad Request: pageSize: Page size cannot exceed 100")
    );
}

#[tokio::test]
async fn a_second_model_of_one_name_is_a_twin_unless_told_otherwise() {
    let omni = Omni::start().await;
    let body = json!({"connectionId": CONNECTION, "modelKind": "SHARED", "modelName": "clinical v2"});
    let first = omni.post("/api/v1/models", body.clone()).await;
    let second = omni.post("/api/v1/models", body.clone()).await;
    assert_eq!((first.0, second.0), (200, 200));
    assert_ne!(first.1["model"]["id"], second.1["model"]["id"]);
    let listed = omni
        .done("GET", "/api/v1/models?modelKind=SHARED&name=clinical%20v2", None)
        .await;
    assert_eq!(listed["pageInfo"]["totalRecords"], 2);
    omni.simulator.turn(|knobs| knobs.model_name_unique = true);
    assert_eq!(omni.post("/api/v1/models", body.clone()).await.0, 400);
    omni.simulator.turn(|knobs| {
        *knobs = Knobs {
            create_model_fails_inside: true,
            ..Knobs::default()
        }
    });
    let (status, answer) = omni.post("/api/v1/models", body).await;
    assert_eq!(
        (status, &answer["success"]),
        (200, &json!(false)),
        "a failure inside a 200"
    );
}

#[tokio::test]
async fn lists_come_in_pages() {
    let omni = Omni::with(SimulatorOptions {
        dashboards: 25,
        ..Default::default()
    })
    .await;
    let mut path = format!("/api/v1/documents?folderId={FOLDER_V1}&pageSize=10&sortField=name");
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = omni.done("GET", &path, None).await;
        seen.extend(
            page["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record["name"].to_string()),
        );
        pages += 1;
        let Some(cursor) = page["pageInfo"]["nextCursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/documents?folderId={FOLDER_V1}&pageSize=10&sortField=name&cursor={cursor}");
    }
    assert_eq!((seen.len(), pages), (25, 3));
    seen.dedup();
    assert_eq!(seen.len(), 25, "all names differ");
}

#[tokio::test]
async fn a_branch_keeps_its_changes_to_itself_until_it_is_merged() {
    let omni = Omni::start().await;
    let branch = omni.branch(CLINICAL, "feature/dob").await;
    let before = omni.files(CLINICAL).await;
    omni.write(
        CLINICAL,
        Some(&branch),
        "patients.view",
        "dimensions:\n  ssn:\n    ignored: true\n",
    )
    .await;
    assert_eq!(omni.files(CLINICAL).await, before);
    let path = format!("/api/v1/models/{CLINICAL}/yaml?mode=extension&branchId={branch}");
    let on_branch = omni.done("GET", &path, None).await;
    assert!(
        on_branch["files"]["patients.view"]
            .as_str()
            .unwrap()
            .contains("ignored")
    );
    let listed = omni
        .done(
            "GET",
            &format!("/api/v1/models?modelId={CLINICAL}&include=activeBranches"),
            None,
        )
        .await;
    assert_eq!(listed["records"][0]["branches"][0]["name"], "feature/dob");
    let merge = format!("/api/v1/models/{CLINICAL}/branch/feature%2Fdob/merge");
    let merged = omni.done("POST", &merge, Some(json!({"delete_branch": true}))).await;
    assert_eq!(
        (&merged["success"], &merged["failed_drafts_count"]),
        (&json!(true), &json!(0))
    );
    assert!(
        omni.files(CLINICAL).await["patients.view"]
            .as_str()
            .unwrap()
            .contains("ignored")
    );
    assert_eq!(
        omni.post(&merge, json!({})).await.0,
        404,
        "a branch that is gone cannot be merged again"
    );
}

#[tokio::test]
async fn a_merge_writes_its_own_yaml() {
    let omni = Omni::start().await;
    let branch = omni.branch(CLINICAL, "edits").await;
    let view = "# mine\ndimensions:\n  ward: {sql: '\"WARD\"', label: Home}\n  sex: {sql: '${TABLE}.sex'}\n  made_up: {sql: '\"MADE_UP\"'}\nmeasures: {count: {aggregate_type: count}}\n";
    omni.write(CLINICAL, Some(&branch), "patients.view", view).await;
    let topic = "base_view: claims\nlabel: Claims only\nfields: [claims.*, payers.title, patients.ward]\n";
    omni.write(CLINICAL, Some(&branch), "claims_only.topic", topic).await;
    omni.done(
        "POST",
        &format!("/api/v1/models/{CLINICAL}/branch/edits/merge"),
        Some(json!({})),
    )
    .await;
    let files = omni.files(CLINICAL).await;
    let text = files["patients.view"].as_str().unwrap();
    assert!(
        text.starts_with("# Reference this view as patients\n") && !text.contains("# mine"),
        "{text}"
    );
    let parsed: Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(
        parsed["dimensions"],
        json!({"ward": {"label": "Home"}, "sex": {}, "made_up": {"sql": "\"MADE_UP\""}})
    );
    let topic: Value = serde_saphyr::from_str(files["claims_only.topic"].as_str().unwrap()).unwrap();
    assert_eq!(
        topic["joins"],
        json!({"payers": {}, "encounters": {"patients": {}}}),
        "joins were inferred"
    );
    let encounters: Value = serde_saphyr::from_str(files["encounters.topic"].as_str().unwrap()).unwrap();
    assert_eq!(
        encounters["joins"]["wards"],
        json!({"beds": {}}),
        "joins that are there stay"
    );
}

#[tokio::test]
async fn merging_what_both_sides_changed_is_a_conflict() {
    let omni = Omni::start().await;
    let branch = omni.branch(CLINICAL, "edits").await;
    omni.write(CLINICAL, Some(&branch), "payers.view", "label: Ours\n")
        .await;
    omni.write(CLINICAL, None, "payers.view", "label: Theirs\n").await;
    let met = omni
        .post(&format!("/api/v1/models/{CLINICAL}/branch/edits/merge"), json!({}))
        .await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "Bad Request: Merge conflict in payers.view")
    );
}

#[tokio::test]
async fn a_copied_model_holds_the_same_yaml_in_other_words() {
    let omni = Omni::start().await;
    let copy = omni.copy_model("clinical v2").await;
    let (old, new) = (omni.files(CLINICAL).await, omni.files(&copy).await);
    assert_ne!(old, new, "texts differ: a merge re-serialises");
    let parsed = |files: &Value| -> Vec<(String, Value)> {
        let files = files.as_object().unwrap().iter();
        files
            .map(|(name, text)| (name.clone(), serde_saphyr::from_str(text.as_str().unwrap()).unwrap()))
            .collect()
    };
    assert_eq!(parsed(&old), parsed(&new));
    assert_eq!(
        omni.get(&format!("/api/v1/models/{copy}/validate")).await,
        (200, json!([]))
    );
}

#[tokio::test]
async fn the_default_mode_ignores_what_a_partial_view_leaves_out() {
    let omni = Omni::start().await;
    let path = format!("/api/v1/models/{CLINICAL}/yaml");
    omni.done(
        "POST",
        &path,
        Some(json!({"fileName": "payers.view", "yaml": "dimensions:\n  title: {}\n"})),
    )
    .await;
    let text = omni.files(CLINICAL).await["payers.view"].clone();
    let parsed: Value = serde_saphyr::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(parsed["dimensions"]["plan"], json!({"ignored": true}));
    let issues = omni.get(&format!("/api/v1/models/{CLINICAL}/validate")).await.1;
    assert!(
        issues[0]["message"]
            .as_str()
            .unwrap()
            .contains("No field \"id\" in view \"payers\""),
        "{issues}"
    );
}

#[tokio::test]
async fn a_checksum_that_is_old_is_refused_and_an_empty_text_removes() {
    let omni = Omni::start().await;
    let path = format!("/api/v1/models/{CLINICAL}/yaml");
    let read = omni
        .done("GET", &format!("{path}?mode=extension&includeChecksums=true"), None)
        .await;
    let sum = read["checksums"]["payers.view"].clone();
    let body = json!({"fileName": "payers.view", "yaml": "label: P\n", "mode": "extension", "previousChecksum": sum});
    omni.done("POST", &path, Some(body.clone())).await;
    let met = omni.post(&path, body.clone()).await;
    assert_eq!(
        (met.0, detail(&met)),
        (400, "File has been modified since it was fetched")
    );
    omni.simulator.turn(|knobs| knobs.checksum_mismatch = 409);
    assert_eq!(omni.post(&path, body).await.0, 409);
    omni.write(CLINICAL, None, "billing.topic", "").await;
    assert!(omni.files(CLINICAL).await.get("billing.topic").is_none());
    let met = omni
        .post(
            &path,
            json!({"fileName": "x.view", "yaml": "a: [1", "mode": "extension"}),
        )
        .await;
    assert!(met.0 == 400 && detail(&met).contains("Invalid YAML"), "{met:?}");
    let met = omni
        .post(
            &path,
            json!({"fileName": "x.yaml", "yaml": "a: 1", "mode": "extension"}),
        )
        .await;
    assert_eq!((met.0, detail(&met)), (400, "Bad Request: fileName: Invalid file name"));
}

#[tokio::test]
async fn validation_finds_dangling_references_in_both_shapes() {
    let omni = Omni::start().await;
    let branch = omni.branch(CLINICAL, "bad").await;
    omni.write(
        CLINICAL,
        Some(&branch),
        "wards.view",
        "dimensions:\n  odd: {sql: '${patients.nope} + ${nowhere.x}'}\n",
    )
    .await;
    omni.write(CLINICAL, Some(&branch), "bad.topic", "base_view: gone\n")
        .await;
    omni.write(CLINICAL, Some(&branch), "list.view", "[1, 2]\n").await;
    let path = format!("/api/v1/models/{CLINICAL}/validate?branchId={branch}");
    let (_, issues) = omni.get(&path).await;
    let text = issues.to_string();
    for wanted in [
        "No field \\\"nope\\\" in view \\\"patients\\\"",
        "No view \\\"nowhere\\\"",
        "No view \\\"gone\\\"",
        "list.view must be a map",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(
        issues
            .as_array()
            .unwrap()
            .iter()
            .all(|issue| issue["is_warning"] == false)
    );
    assert_eq!(
        omni.get(&format!("/api/v1/models/{CLINICAL}/validate")).await.1,
        json!([])
    );
    omni.simulator
        .turn(|knobs| knobs.validate_answer = ValidateAnswer::Object);
    let (_, answer) = omni.get(&path).await;
    assert_eq!(
        (&answer["valid"], &answer["issues"][0]["severity"]),
        (&json!(false), &json!("error"))
    );
}

#[tokio::test]
async fn a_caller_without_the_attribute_reads_nothing() {
    let omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.caller_attribute = None);
    let met = omni
        .get(&format!("/api/v1/models/{CLINICAL}/yaml?mode=extension"))
        .await;
    assert!(
        met.0 == 400 && detail(&met).contains("required user attribute"),
        "{met:?}"
    );
    let query = json!({"modelId": CLINICAL, "table": "patients", "fields": ["patients.count"]});
    assert_eq!(omni.plan(&query).await.0, 400);
}

#[tokio::test]
async fn a_query_is_planned_against_the_environment_of_the_caller() {
    let omni = Omni::start().await;
    let query =
        json!({"modelId": CLINICAL, "table": "encounters", "fields": ["encounters.triage_score", "encounters.count"]});
    let (_, line) = omni.plan(&query).await;
    assert_eq!(
        (&line["status"], &line["summary"]["missing_fields"]),
        (&json!("PLANNED"), &json!([]))
    );
    omni.simulator
        .turn(|knobs| knobs.caller_attribute = Some("production".to_owned()));
    let (status, line) = omni.plan(&query).await;
    assert_eq!(status, 200, "a missing field is no error");
    assert_eq!(line["summary"]["missing_fields"], json!(["encounters.triage_score"]));
    let (_, line) = omni
        .plan(&json!({"modelId": CLINICAL, "table": "nope", "fields": ["nope.x"]}))
        .await;
    assert_eq!(line["status"], "ERROR");
    let met = omni
        .plan(&json!({"modelId": CLINICAL, "table": "encounters", "fields": ["encounters.gone"]}))
        .await;
    assert_eq!(met.0, 400, "nothing left to plan");
}

#[tokio::test]
async fn a_field_that_needs_a_missing_one_fails_only_when_planned() {
    let omni = Omni::start().await;
    omni.write(
        CLINICAL,
        None,
        "patients.view",
        "dimensions:\n  age: {sql: 'f(${patients.born})'}\nmeasures:\n  count: {aggregate_type: count}\n",
    )
    .await;
    let query = json!({"modelId": CLINICAL, "table": "patients", "fields": ["patients.age"]});
    let (status, line) = omni.plan(&query).await;
    assert_eq!((status, &line["status"]), (200, &json!("ERROR")));
    assert!(
        line["summary"]["display_sql"]
            .as_str()
            .unwrap()
            .contains("Failed to plan query"),
        "{line}"
    );
}
