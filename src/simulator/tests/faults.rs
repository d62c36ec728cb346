use super::*;

async fn arm(omni: &Omni, fault: Value) {
    omni.done("POST", "/_simulator/faults", Some(json!({"fault": fault})))
        .await;
}

fn folders(omni: &Omni) -> usize {
    omni.simulator.state()["folders"].as_array().unwrap().len()
}

/// Creates a folder under this fault: the answer, and how many folders it made.
async fn create_under(omni: &Omni, fault: Value) -> (reqwest::Response, usize) {
    let before = folders(omni);
    arm(omni, fault).await;
    let request = omni.request("POST", "/api/v1/folders", Some(json!({"name": "new"})));
    let response = request.send().await.unwrap();
    (response, folders(omni) - before)
}

#[tokio::test]
async fn answers_in_omnis_place_do_nothing() {
    let omni = Omni::start().await;
    let (inside, made) = create_under(&omni, json!("failure_inside")).await;
    assert_eq!((inside.status().as_u16(), made), (200, 0));
    assert_eq!(inside.json::<Value>().await.unwrap()["success"], false);
    let (missing, made) = create_under(&omni, json!("missing")).await;
    assert_eq!((missing.status().as_u16(), made), (404, 0));
    assert!(serde_json::from_str::<Value>(&missing.text().await.unwrap()).is_err());
    let (gone, made) = create_under(&omni, json!("gone")).await;
    assert_eq!((gone.status().as_u16(), made), (410, 0));
    assert_eq!(gone.headers()["link"], "</api/v2/folders>; rel=\"successor-version\"");
    assert!(gone.headers().contains_key("sunset") && gone.headers().contains_key("deprecation"));
    let (gone, _) = create_under(&omni, json!({"kind": "gone", "successor": "/api/v3/spaces"})).await;
    assert_eq!(gone.headers()["link"], "</api/v3/spaces>; rel=\"successor-version\"");
    let (forbidden, made) = create_under(&omni, json!("forbidden")).await;
    assert_eq!((forbidden.status().as_u16(), made), (403, 0));
    assert_eq!(
        forbidden.json::<Value>().await.unwrap(),
        json!({"detail": "Forbidden", "status": 403})
    );
    let (page, made) = create_under(&omni, json!("not_json")).await;
    assert_eq!((page.status().as_u16(), made), (200, 0));
    assert_eq!(page.headers()["content-type"], "text/html");
    assert!(page.text().await.unwrap().contains("<form"));
}

#[tokio::test]
async fn a_redirect_names_where_to_and_nothing_happened() {
    let omni = Omni::start().await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    arm(&omni, json!({"kind": "redirect", "to": "http://127.0.0.1:1/elsewhere"})).await;
    let before = folders(&omni);
    let url = format!("{}/api/v1/folders", omni.simulator.base_url());
    let answer = client.post(url).body("{}").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 307);
    assert_eq!(answer.headers()["location"], "http://127.0.0.1:1/elsewhere");
    assert_eq!(folders(&omni), before);
}

#[tokio::test]
async fn a_request_can_arrive_twice() {
    let omni = Omni::start().await;
    let (answer, made) = create_under(&omni, json!("doubled")).await;
    assert_eq!((answer.status().as_u16(), made), (201, 2));
    assert_eq!(answer.json::<Value>().await.unwrap()["path"], "new-1");
    assert_eq!(omni.simulator.requests().len(), 1, "it was sent once");
}

#[tokio::test]
async fn a_right_answer_can_be_spoilt_in_one_place() {
    let omni = Omni::start().await;
    let (renamed, made) = create_under(
        &omni,
        json!({"kind": "renamed_field", "from": "path", "to": "fullPath"}),
    )
    .await;
    let renamed: Value = renamed.json().await.unwrap();
    assert_eq!((made, &renamed["fullPath"]), (1, &json!("new")));
    assert!(renamed.get("path").is_none() && renamed.get("id").is_some());
    arm(
        &omni,
        json!({"kind": "changed_field", "name": "modelKind", "to": "HOLOGRAM"}),
    )
    .await;
    let listed = omni.done("GET", "/api/v1/models?modelKind=SHARED", None).await;
    assert_eq!(listed["records"][0]["modelKind"], "HOLOGRAM");
    assert_eq!(listed["records"][0]["id"], CLINICAL);
    arm(&omni, json!("invalid_utf8")).await;
    let spoilt = omni.request("GET", "/api/v1/folders", None).send().await.unwrap();
    let bytes = spoilt.bytes().await.unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
    let lossy = String::from_utf8_lossy(&bytes);
    assert!(
        serde_json::from_str::<Value>(&lossy).is_ok(),
        "nothing else is wrong: {lossy}"
    );
}

#[tokio::test]
async fn bodies_can_be_huge_nested_or_trickle() {
    let omni = Omni::start().await;
    let (huge, made) = create_under(&omni, json!({"kind": "huge", "bytes": 5_000_000})).await;
    assert_eq!((huge.bytes().await.unwrap().len(), made), (5_000_000, 1));
    let (nested, made) = create_under(&omni, json!({"kind": "nested", "depth": 200_000})).await;
    let nested = nested.text().await.unwrap();
    assert_eq!((nested.len(), made), (400_000, 1));
    assert!(nested.starts_with("[[[") && nested.ends_with("]]]"));
    let start = std::time::Instant::now();
    let (trickle, _) = create_under(&omni, json!("slow_body")).await;
    let trickle = trickle.bytes().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(trickle.len() as u64));
    let whole: Value = serde_json::from_slice(&trickle).unwrap();
    assert!(whole["id"].is_string(), "the answer itself is right");
}

#[tokio::test]
async fn a_body_that_never_ends_ends_with_the_simulator() {
    let omni = Omni::start().await;
    let (mut endless, made) = create_under(&omni, json!("endless")).await;
    assert_eq!(made, 1);
    let mut read = 0;
    while read < 10_000_000 {
        read += endless.chunk().await.unwrap().expect("there is always more").len();
    }
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = endless.chunk().await {} });
    tokio::time::timeout(Duration::from_secs(4), omni.simulator.shutdown())
        .await
        .expect("it does not hold up the end");
    rest.await.unwrap();
}

#[tokio::test]
async fn nonsense_is_refused_on_every_control_route() {
    let omni = Omni::start().await;
    for (path, body, why) in [
        ("faults", json!({"fault": "hang", "times": 0}), "times: 0"),
        (
            "faults",
            json!({"fault": "hang", "match": {"method": "FETCH"}}),
            "match.method: \"FETCH\" is no HTTP method",
        ),
        (
            "faults",
            json!({"fault": {"kind": "status", "code": 999}}),
            "fault.code: 999",
        ),
        ("knobs", json!({"failed_drafts": -1}), "failed_drafts"),
        ("knobs", json!({"checksum_mismatch": 500}), "neither 400 nor 409"),
        ("clock", json!({"advance_seconds": -1}), "advance_seconds: -1"),
        ("clock", json!({"advance_seconds": "soon"}), "advance_seconds: \"soon\""),
        ("clock", json!({"advance": 1}), "'advance'"),
        (
            "hands",
            json!({"action": "dance"}),
            "there is no dance; there are rename_document",
        ),
        (
            "hands",
            json!({"action": "delete_document", "id": "12db1a0a"}),
            "id: delete_document has no such field; it has identifier",
        ),
        ("hands", json!({"action": "delete_document"}), "identifier: Required"),
        (
            "hands",
            json!({"action": "set_permit", "path": "clinical/v1", "user_group": "nobody"}),
            "there is no nobody",
        ),
    ] {
        let before = omni.simulator.state();
        let met = omni.post(&format!("/_simulator/{path}"), body.clone()).await;
        assert_eq!(met.0, 400, "{path} {body}");
        assert!(detail(&met).contains(why), "{path} {body}: {}", met.1);
        assert_eq!(omni.simulator.state(), before);
    }
    assert_eq!(omni.done("GET", "/_simulator/faults", None).await, json!([]));
}

#[tokio::test]
#[should_panic(expected = "fault.code: 99 is not a whole number from 200 to 599")]
async fn nonsense_is_refused_in_process_too() {
    let omni = Omni::start().await;
    omni.simulator
        .arm(Fault::once("GET", "/", FaultKind::Status { code: 99 }).unwrap());
}
