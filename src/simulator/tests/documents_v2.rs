//! The newer documents API.

use super::*;

const READ: &str = "/api/v2/documents/12db1a0a";
const CREATE: &str = "/api/v2/documents";

impl Omni {
    /// What a document is created from, as it is read of another.
    async fn envelope(&self, identifier: &str, model: &str, new: &str) -> Value {
        let read = self.done("GET", &format!("{CREATE}/{identifier}"), None).await;
        let mut body = read.as_object().unwrap().clone();
        for own in ["workbookModelId", "description"] {
            body.remove(own);
        }
        body.insert("modelId".into(), json!(model));
        body.insert("identifier".into(), json!(new));
        body.insert("folderId".into(), json!(FOLDER_V1));
        Value::Object(body)
    }
}

#[tokio::test]
async fn what_is_read_of_a_document_makes_one_with_the_same_tiles_in_a_folder_at_once() {
    let omni = Omni::start().await;
    let copy = omni.copy_model("clinical v2").await;
    let mut body = omni.envelope("12db1a0a", &copy, "summary-v2").await;
    body["description"] = json!("Who is in");
    let (status, answer) = omni.post(CREATE, body).await;
    assert_eq!(
        (status, answer),
        (
            201,
            json!({"identifier": "summary-v2", "name": "Patient Summary", "description": "Who is in"})
        )
    );
    let (source, made) = (omni.export("12db1a0a").await, omni.export("summary-v2").await);
    assert_eq!(made["document"]["sharedModelId"], json!(copy));
    assert_eq!(made["document"]["folder"]["path"], "clinical/v1");
    assert_eq!(tiles(&made).len(), tiles(&source).len());
    for (old, new) in tiles(&source).iter().zip(tiles(&made)) {
        for same in ["type", "name", "description", "topicName", "resultConfig"] {
            assert_eq!(old[same], new[same], "{same}");
        }
        assert_eq!(old["visConfig"]["spec"], new["visConfig"]["spec"]);
        assert_ne!(old["miniUuid"], new["miniUuid"]);
        let (old, new) = (&old["query"]["queryJson"], &new["query"]["queryJson"]);
        for same in ["table", "fields", "filters", "sorts", "limit", "version"] {
            assert_eq!(old[same], new[same], "{same}");
        }
        assert_eq!(new["modelId"], made["workbookModel"]["id"]);
        assert_eq!(new["metadata"]["model_id"], made["workbookModel"]["id"]);
    }
    let (old, new) = (&source["dashboard"], &made["dashboard"]);
    assert_eq!(old["metadata"]["textTiles"], new["metadata"]["textTiles"]);
    assert_eq!(new["metadata"]["layouts"]["lg"][0]["i"], tiles(&made)[0]["miniUuid"]);
    let controls = |board: &Value| board["queryPresentationCollection"]["filterConfig"].clone();
    assert_eq!(controls(old), controls(new));
    // Its own fields are no part of it.
    assert_eq!(source["workbookModel"]["views"].as_array().unwrap().len(), 1);
    assert_eq!(made["workbookModel"]["views"], json!([]));
}

#[tokio::test]
async fn a_read_names_the_models_that_a_publish_makes_anew_and_no_binding() {
    let omni = Omni::start().await;
    let read = omni.done("GET", READ, None).await;
    assert_eq!(read["modelId"], CLINICAL);
    assert_eq!(
        read["workbookModelId"],
        omni.export("12db1a0a").await["workbookModel"]["id"]
    );
    let with_tab = omni.done("GET", "/api/v2/documents/5e07c1d2", None).await;
    assert!(
        !with_tab["queryPresentations"].to_string().contains("model_"),
        "{with_tab}"
    );
    omni.hand(json!({"action": "edit_document", "identifier": "12db1a0a"}))
        .await;
    let again = omni.done("GET", &format!("{READ}?pretty=true"), None).await;
    assert_ne!(again["workbookModelId"], read["workbookModelId"]);
    assert_eq!(omni.get(&format!("{READ}?branchId=x")).await.0, 400);
    assert_eq!(omni.get("/api/v2/documents/nowhere").await.0, 404);
}

#[tokio::test]
async fn a_classic_layout_is_refused_and_goes_through_an_export() {
    let omni = Omni::start().await;
    omni.hand(json!({"action": "make_classic", "identifier": "12db1a0a"}))
        .await;
    let (status, answer) = omni.get(READ).await;
    assert_eq!(status, 422);
    assert!(
        answer["error"].as_str().unwrap().contains("classic dashboard layout"),
        "{answer}"
    );
    let source = omni.export("12db1a0a").await;
    assert_eq!(omni.import(&source, CLINICAL, "still-classic").await.0, 201);
    assert_eq!(omni.get("/api/v2/documents/still-classic").await.0, 422);
}

#[tokio::test]
async fn a_creation_that_makes_no_sense_is_refused_and_makes_nothing() {
    let omni = Omni::start().await;
    let good = omni.envelope("12db1a0a", CLINICAL, "another").await;
    let first = "/queryPresentations/data/1";
    let changes: [(&str, Value, &str); 14] = [
        ("/stray", json!(1), "Unrecognized key"),
        ("/modelId", json!("x"), "modelId: Invalid uuid"),
        ("/name", json!(""), "name: String must contain at least 1"),
        ("/identifier", json!("5e07c1d2"), "identifier: already in use"),
        ("/identifier", json!("Not a slug"), "identifier: Invalid"),
        ("/containers", json!([]), "containers: must hold 1 to 15 pages"),
        ("/settings/stray", json!(1), "settings: Unrecognized key"),
        ("/queryPresentations/order", json!(["1"]), "must name every tile once"),
        ("/queryPresentations/data/x", json!({}), "keys are positive integers"),
        (&format!("{first}/type"), json!("film"), "Received 'film'"),
        (
            &format!("{first}/query/filters"),
            json!({"patients.ward": "A"}),
            "Expected object, received string",
        ),
        (
            &format!("{first}/query"),
            json!({"table": "patients"}),
            "query.fields: Required",
        ),
        ("/folderId", json!(CLINICAL), "does not exist"),
        ("/summary", json!("x".repeat(256)), "at most 255"),
    ];
    for (place, value, why) in changes {
        let mut body = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        let met = omni.post(CREATE, body).await;
        assert!(detail(&met).contains(why), "{place}: {met:?}");
    }
    assert_eq!(omni.get("/api/v2/documents/another").await.0, 404);
    assert_eq!(omni.post(CREATE, good).await.0, 201);
}

#[tokio::test]
async fn without_a_layout_tiles_stand_one_below_the_other_and_without_a_folder_nobody_else_sees_them() {
    let omni = Omni::start().await;
    let mut body = omni.envelope("12db1a0a", CLINICAL, "bare").await;
    for part in ["containers", "folderId", "controls", "settings"] {
        body.as_object_mut().unwrap().remove(part);
    }
    omni.done("POST", CREATE, Some(body)).await;
    let made = omni.export("bare").await;
    let placed = made["dashboard"]["metadata"]["layouts"]["lg"].as_array().unwrap().len();
    assert_eq!(placed, tiles(&made).len());
    assert_eq!(
        (&made["document"]["folder"], &made["document"]["scope"]),
        (&Value::Null, &json!("restricted"))
    );
}

#[tokio::test]
async fn what_nobody_has_told_is_a_knob() {
    let omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.documents_need_fields = true);
    let body = omni.envelope("12db1a0a", CLINICAL, "another").await;
    let met = omni.post(CREATE, body.clone()).await;
    assert!(
        detail(&met).contains("Field patients.age_band does not exist"),
        "{met:?}"
    );
    omni.simulator.turn(|knobs| {
        knobs.documents_need_fields = false;
        knobs.documents_tile_cap = Some(1);
    });
    let met = omni.post(CREATE, body).await;
    assert!(detail(&met).contains("at most 1 tiles"), "{met:?}");
    omni.simulator.turn(|knobs| {
        knobs.documents_tile_cap = None;
        knobs.documents_flat_charts = true;
    });
    let body = omni.envelope("12db1a0a", CLINICAL, "flat").await;
    omni.done("POST", CREATE, Some(body)).await;
    let spec = |export: &Value| tiles(export)[0]["visConfig"]["spec"].clone();
    assert_ne!(spec(&omni.export("12db1a0a").await), json!({}));
    assert_eq!(
        spec(&omni.export("flat").await),
        json!({}),
        "written back so, the chart is lost"
    );
}

#[tokio::test]
async fn further_pages_are_kept() {
    let omni = Omni::start().await;
    let mut body = omni.envelope("12db1a0a", CLINICAL, "pages").await;
    let page = json!({"textTiles": [{"id": "t9", "markdown": "More"}]});
    body["containers"].as_array_mut().unwrap().push(page.clone());
    omni.done("POST", CREATE, Some(body)).await;
    let read = omni.done("GET", "/api/v2/documents/pages", None).await;
    assert_eq!(read["containers"].as_array().unwrap().len(), 2);
    assert_eq!(read["containers"][1], page);
}
