//! Labels: made, changed, put on documents, looked for, and lost by copies.

use super::*;

async fn named(omni: &Omni, query: &str) -> Vec<String> {
    let path = format!("/api/v1/documents?sortField=name&sortDirection=asc&pageSize=100&{query}");
    let listed = omni.done("GET", &path, None).await;
    let records = listed["records"].as_array().unwrap().iter();
    records
        .map(|it| it["identifier"].as_str().unwrap().to_owned())
        .collect()
}

async fn label(omni: &Omni, name: &str) {
    omni.done("POST", "/api/v1/labels", Some(json!({"name": name}))).await;
}

async fn change(omni: &Omni, identifier: &str, body: Value) -> Met {
    let path = format!("/api/v1/documents/{identifier}/labels");
    omni.call("PATCH", &path, Some(body)).await
}

#[tokio::test]
async fn labels_are_made_read_changed_and_deleted() {
    let mut omni = Omni::start().await;
    assert_eq!(omni.done("GET", "/api/v1/labels", None).await, json!({"labels": []}));
    let body = json!({"name": "Stable", "color": "#00ff00", "description": "For every tenant", "verified": true});
    let (status, made) = omni.post("/api/v1/labels", body).await;
    let wanted = json!({"name": "Stable", "color": "#00ff00", "description": "For every tenant", "homepage": false,
        "verified": true, "usage_count": 0});
    assert_eq!((status, &made), (201, &wanted));
    assert_eq!(
        omni.post("/api/v1/labels", json!({"name": "STABLE"})).await.0,
        409,
        "names have no case"
    );
    for (body, why) in [
        (json!({"name": "v"}), "at least 2"),
        (json!({"name": "v".repeat(26)}), "at most 25"),
        (json!({"name": "v2", "description": "d".repeat(501)}), "at most 500"),
        (json!({"name": "v2", "colour": "red"}), "'colour'"),
        (json!({"color": "red"}), "name: Required"),
    ] {
        let met = omni.post("/api/v1/labels", body.clone()).await;
        assert!(met.0 == 400 && detail(&met).contains(why), "{body}: {met:?}");
    }
    label(&omni, "beta").await;
    let met = omni
        .call("PUT", "/api/v1/labels/beta", Some(json!({"name": "stable"})))
        .await;
    assert_eq!(met.0, 409);
    change(&omni, "12db1a0a", json!({"add": ["stable"]})).await;
    let renamed = json!({"name": "Current", "color": null});
    let renamed = omni.done("PUT", "/api/v1/labels/stable", Some(renamed)).await;
    assert_eq!(
        (
            &renamed["name"],
            &renamed["color"],
            &renamed["usage_count"],
            &renamed["verified"]
        ),
        (&json!("Current"), &json!(null), &json!(1), &json!(true))
    );
    assert_eq!(omni.get("/api/v1/labels/stable").await.0, 404);
    assert_eq!(
        named(&omni, "labels=current").await,
        ["12db1a0a"],
        "a document keeps it under its new name"
    );
    assert_eq!(
        omni.call("DELETE", "/api/v1/labels/current", None).await.0,
        409,
        "it is in use"
    );
    change(&omni, "12db1a0a", json!({"remove": ["current"]})).await;
    assert_eq!(
        omni.call("DELETE", "/api/v1/labels/CURRENT", None).await,
        (204, json!(""))
    );
    assert_eq!(omni.call("DELETE", "/api/v1/labels/current", None).await.0, 404);
    omni.key = "omni_pat_simulator".to_owned();
    assert_eq!(omni.post("/api/v1/labels", json!({"name": "mine"})).await.0, 201);
    let marked = json!({"name": "ours", "homepage": true});
    assert_eq!(omni.post("/api/v1/labels", marked).await.0, 403, "that takes an admin");
}

#[tokio::test]
async fn documents_are_labelled_one_by_one_and_in_bulk() {
    let omni = Omni::start().await;
    label(&omni, "Stable").await;
    label(&omni, "beta").await;
    let both = change(&omni, "12db1a0a", json!({"add": ["stable", "beta"]})).await;
    assert_eq!(both, (200, json!({"labels": ["Stable", "beta"]})));
    let one = change(&omni, "12db1a0a", json!({"add": ["beta"], "remove": ["stable"]})).await;
    assert_eq!(one.1, json!({"labels": ["beta"]}));
    assert_eq!(change(&omni, "12db1a0a", json!({"add": [], "remove": []})).await.0, 400);
    assert_eq!(change(&omni, "12db1a0a", json!({"add": ["gone"]})).await.0, 404);
    assert_eq!(change(&omni, "nothing", json!({"add": ["beta"]})).await.0, 404);
    assert_eq!(change(&omni, "12db1a0a", json!({"set": ["beta"]})).await.0, 400);
    let path = "/api/v1/documents/5e07c1d2/labels/stable";
    for method in ["PUT", "PUT", "DELETE", "DELETE"] {
        let labels = || omni.simulator.state()["documents"].clone();
        assert_eq!(omni.call(method, path, None).await.0, 204, "however it was");
        let mut documents = labels().as_array().unwrap().clone().into_iter();
        let risk = documents.find(|it| it["identifier"] == "5e07c1d2").unwrap();
        assert_eq!(risk["labels"] == json!(["Stable"]), method == "PUT");
    }
}

#[tokio::test]
async fn lists_show_labels_when_asked_and_filter_by_them() {
    let omni = Omni::start().await;
    label(&omni, "Stable").await;
    label(&omni, "beta").await;
    label(&omni, "unused").await;
    change(&omni, "12db1a0a", json!({"add": ["stable"]})).await;
    change(&omni, "f16b28a5", json!({"add": ["beta"]})).await;
    assert_eq!(named(&omni, "labels=STABLE,beta").await, ["f16b28a5", "12db1a0a"]);
    assert_eq!(named(&omni, "labels=unused").await, [""; 0]);
    let met = omni.get("/api/v1/documents?labels=gone").await;
    assert_eq!((met.0, detail(&met)), (400, "Bad Request: labels: Unknown label gone"));
    let shown = async |query: &str| {
        let listed = omni
            .done("GET", &format!("/api/v1/documents?labels=stable{query}"), None)
            .await;
        listed["records"][0]["labels"].clone()
    };
    assert_eq!(shown("").await, Value::Null);
    assert_eq!(shown("&include=labels").await, json!(["Stable"]));
    omni.simulator
        .turn(|knobs| knobs.document_labels = DocumentLabels::Objects);
    assert_eq!(
        shown("&include=labels").await,
        json!([{"name": "Stable", "verified": false}])
    );
    let validated = |labels: &'static str| {
        let path = format!("/api/v1/models/{CLINICAL}/content-validator?labels={labels}");
        let omni = &omni;
        async move { omni.get(&path).await }
    };
    let found = validated("beta").await.1;
    let found = found["content"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["identifier"]), (1, &json!("f16b28a5")));
    assert_eq!(validated("gone").await.0, 400);
}

#[tokio::test]
async fn a_copy_begins_without_labels() {
    let omni = Omni::start().await;
    label(&omni, "Stable").await;
    change(&omni, "12db1a0a", json!({"add": ["stable"]})).await;
    let export = omni.export("12db1a0a").await;
    assert!(!export.to_string().contains("Stable"), "no export carries them");
    assert_eq!(omni.import(&export, CLINICAL, "copy").await.0, 201);
    assert_eq!(named(&omni, "labels=stable").await, ["12db1a0a"]);
}
