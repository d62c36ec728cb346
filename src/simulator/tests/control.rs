use super::*;

async fn arm(omni: &Omni, fault: Value) {
    omni.done("POST", "/_simulator/faults", Some(fault)).await;
}

fn folders(omni: &Omni) -> usize {
    omni.simulator.state()["folders"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_lost_answer_has_done_its_work_and_a_dropped_request_has_not() {
    let omni = Omni::start().await;
    let before = folders(&omni);
    let create = || {
        omni.request("POST", "/api/v1/folders", Some(json!({"name": "v2"})))
            .send()
    };
    arm(
        &omni,
        json!({"match": {"method": "POST", "path": "/folders$"}, "fault": "lost_answer"}),
    )
    .await;
    assert!(create().await.is_err());
    assert_eq!(folders(&omni), before + 1);
    arm(
        &omni,
        json!({"match": {"path": "/folders$"}, "fault": "refuse_connection"}),
    )
    .await;
    assert!(create().await.is_err());
    assert_eq!(folders(&omni), before + 1);
    assert_eq!(create().await.unwrap().status().as_u16(), 201, "faults are spent");
    let log = omni.simulator.requests();
    assert_eq!(
        log.iter().map(|entry| entry.status).collect::<Vec<_>>(),
        [None, None, Some(201)]
    );
    assert_eq!(log[0].body_keys, Some(vec!["name".to_owned()]));
}

#[tokio::test]
async fn a_status_can_come_before_or_after_the_work() {
    let omni = Omni::start().await;
    let before = folders(&omni);
    arm(
        &omni,
        json!({"match": {"path": "/folders"}, "fault": "status_500_before"}),
    )
    .await;
    assert_eq!(omni.post("/api/v1/folders", json!({"name": "v2"})).await.0, 500);
    assert_eq!(folders(&omni), before);
    arm(
        &omni,
        json!({"match": {"path": "/folders"}, "fault": "status_500_after", "after": 1}),
    )
    .await;
    assert_eq!(omni.get("/api/v1/folders").await.0, 200, "one passes");
    assert_eq!(omni.post("/api/v1/folders", json!({"name": "v2"})).await.0, 500);
    assert_eq!(folders(&omni), before + 1);
    arm(&omni, json!({"fault": {"kind": "status_429", "retry_after": 7}})).await;
    let response = omni.request("GET", "/api/v1/folders", None).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    arm(&omni, json!({"fault": "wrong_json"})).await;
    assert_eq!(omni.get("/api/v1/folders").await, (200, json!({"unexpected": true})));
}

#[tokio::test]
async fn an_answer_can_break_off_come_late_or_never() {
    let omni = Omni::start().await;
    arm(&omni, json!({"fault": "truncated"})).await;
    let response = omni.request("GET", "/api/v1/models", None).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.text().await.is_err());
    arm(&omni, json!({"fault": {"kind": "slow", "millis": 80}})).await;
    let start = std::time::Instant::now();
    omni.done("GET", "/api/v1/models", None).await;
    assert!(start.elapsed() >= Duration::from_millis(80));
    arm(&omni, json!({"match": {"method": "POST"}, "fault": "hang"})).await;
    let request = omni.request("POST", "/api/v1/folders", Some(json!({"name": "v2"})));
    let waited = tokio::time::timeout(Duration::from_millis(100), request.send()).await;
    assert!(waited.is_err(), "no answer");
    tokio::time::timeout(Duration::from_secs(4), omni.simulator.shutdown())
        .await
        .expect("a hang does not hold it up");
}

#[tokio::test]
async fn over_the_budget_is_a_429_without_a_hint() {
    let options = SimulatorOptions {
        requests_per_minute: Some(3),
        ..Default::default()
    };
    let omni = Omni::with(options).await;
    for _ in 0..3 {
        omni.done("GET", "/api/v1/whoami", None).await;
    }
    let response = omni.request("GET", "/api/v1/whoami", None).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert_eq!(response.headers()["x-omni-waf-action"], "block");
    assert!(response.headers().get("retry-after").is_none());
    assert_eq!(omni.simulator.state()["requestsOverBudget"], 1);
    omni.done("POST", "/_simulator/knobs", Some(json!({"requests_per_minute": null})))
        .await;
    omni.done("GET", "/api/v1/whoami", None).await;
}

#[tokio::test]
async fn the_log_holds_requests_to_omni_and_no_key() {
    let omni = Omni::start().await;
    omni.get("/api/v1/models?modelKind=SHARED").await;
    omni.get("/_simulator/state").await;
    let log = omni.done("GET", "/_simulator/requests", None).await;
    let entries = log.as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (
            &entries[0]["n"],
            &entries[0]["path"],
            &entries[0]["query"],
            &entries[0]["status"]
        ),
        (
            &json!(1),
            &json!("/api/v1/models"),
            &json!("modelKind=SHARED"),
            &json!(200)
        )
    );
    assert!(!log.to_string().contains(DEFAULT_API_KEY));
}

#[tokio::test]
async fn hands_do_what_a_person_would() {
    let omni = Omni::start().await;
    let hand = |body: Value| async { omni.done("POST", "/_simulator/hands", Some(body)).await };
    hand(json!({"action": "create_folder", "name": "archive", "parent_path": "clinical"})).await;
    hand(json!({"action": "move_document", "identifier": "f16b28a5", "folder_path": "clinical/archive"})).await;
    hand(json!({"action": "create_document", "name": "Mine", "model": "clinical", "identifier": "mine", "folder_path": "clinical/v1"})).await;
    hand(json!({"action": "create_model", "name": "sales"})).await;
    hand(json!({"action": "edit_model_file", "model": "clinical", "file_name": "payers.view", "yaml": "label: Insurers\n"})).await;
    hand(json!({"action": "delete_document", "identifier": "c3d90e74"})).await;
    assert_eq!(
        omni.export("f16b28a5").await["document"]["folder"]["path"],
        "clinical/archive"
    );
    assert_eq!(omni.files(CLINICAL).await["payers.view"], "label: Insurers\n");
    let seen = omni.see().await;
    let names: Vec<&str> = seen.iter().map(|document| document["name"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"Mine") && !names.contains(&"Medication Review"),
        "{names:?}"
    );
    assert!(
        seen.iter()
            .flat_map(|document| document["tiles"].as_array().unwrap())
            .all(|tile| tile["compiles"] == true)
    );
    assert_eq!(omni.post("/_simulator/hands", json!({"action": "dance"})).await.0, 400);
    omni.done("POST", "/_simulator/reset", None).await;
    assert_eq!(omni.see().await.len(), 5);
    assert!(omni.simulator.requests().is_empty());
}

#[tokio::test]
async fn knobs_are_read_turned_and_checked_and_the_clock_moves() {
    let omni = Omni::start().await;
    let turned = omni
        .done("POST", "/_simulator/knobs", Some(json!({"identifier_clash": "suffix"})))
        .await;
    assert_eq!(
        (&turned["identifier_clash"], &turned["import_answer"]),
        (&json!("suffix"), &json!("identifiers"))
    );
    assert_eq!(omni.done("GET", "/_simulator/knobs", None).await, turned);
    assert_eq!(
        omni.post("/_simulator/knobs", json!({"identifer_clash": "suffix"}))
            .await
            .0,
        400
    );
    omni.done("POST", "/_simulator/knobs", Some(json!({"list_lag_millis": 60_000})))
        .await;
    omni.done("POST", "/api/v1/folders", Some(json!({"name": "late"})))
        .await;
    assert_eq!(omni.get("/api/v1/folders?path=late").await.0, 404, "lists lag");
    omni.done("POST", "/_simulator/clock", Some(json!({"advance_seconds": 61})))
        .await;
    assert_eq!(omni.get("/api/v1/folders?path=late").await.0, 200);
}

#[tokio::test]
async fn the_older_paths_answer_until_they_are_gone() {
    let omni = Omni::start().await;
    let path = format!("/api/unstable/models/{CLINICAL}/yaml?mode=extension");
    assert_eq!(omni.get(&path).await.0, 200);
    omni.simulator.turn(|knobs| knobs.unstable_yaml_gone = true);
    let response = omni.request("GET", &path, None).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 410);
    assert!(response.headers()["link"].to_str().unwrap().contains("/api/v1/models"));
    assert_eq!(
        omni.call("PUT", "/api/v1/documents/12db1a0a", Some(json!({}))).await.0,
        410
    );
    assert_eq!(omni.get("/api/v1/nothing").await.0, 404);
}

#[tokio::test]
async fn a_missing_route_can_be_played() {
    let omni = Omni::start().await;
    let before = folders(&omni);
    arm(
        &omni,
        json!({"match": {"path": "/folders"}, "fault": {"kind": "status", "code": 404}, "times": 2}),
    )
    .await;
    assert_eq!(omni.post("/api/v1/folders", json!({"name": "v2"})).await.0, 404);
    omni.done("DELETE", "/_simulator/faults", None).await;
    assert_eq!(omni.get("/api/v1/folders").await.0, 200);
    assert_eq!(folders(&omni), before);
}

#[tokio::test]
async fn the_same_can_be_done_in_process() {
    let omni = Omni::start().await;
    omni.simulator
        .play(&json!({"action": "delete_document", "identifier": "c3d90e74"}))
        .unwrap();
    assert!(
        omni.simulator
            .play(&json!({"action": "delete_document", "identifier": "c3d90e74"}))
            .is_err()
    );
    let seen = omni.simulator.see("acme-corp", "production");
    assert_eq!(seen, omni.done("GET", "/_simulator/see?as=acme-corp", None).await);
    assert_eq!(seen["documents"].as_array().unwrap().len(), 4);
    omni.simulator
        .arm(Fault::once("GET", "/whoami$", FaultKind::Status500Before).unwrap());
    assert_eq!(omni.get("/api/v1/whoami").await.0, 500);
    omni.simulator.turn(|knobs| knobs.list_lag_millis = 60_000);
    assert_eq!(omni.simulator.knobs().list_lag_millis, 60_000);
    let models = |answer: Value| answer["pageInfo"]["totalRecords"].as_u64().unwrap();
    let hidden = models(omni.get("/api/v1/models").await.1);
    omni.simulator.advance(Duration::from_secs(61));
    assert!(models(omni.get("/api/v1/models").await.1) > hidden);
    omni.simulator.reset();
    assert_eq!(
        omni.simulator.see("acme-corp", "production")["documents"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}
