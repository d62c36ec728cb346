//! Embed users: who they are, and who may ask in their name.

use super::*;

#[tokio::test]
async fn embed_users_are_listed_and_found_by_what_they_are_called_outside() {
    let mut omni = Omni::start().await;
    let all = omni
        .done("GET", "/api/scim/v2/embed/Users?count=4&startIndex=3", None)
        .await;
    assert_eq!(
        (&all["totalResults"], &all["itemsPerPage"], &all["startIndex"]),
        (&json!(6), &json!(4), &json!(3))
    );
    assert_eq!(
        all["Resources"][0]["embedExternalId"], "initech",
        "in the order in which they came"
    );
    let found = omni.embed_users("embedexternalid EQ \"globex\"").await;
    let globex = &found["Resources"][0];
    assert_eq!(found["totalResults"], 1);
    assert_eq!(
        (&globex["embedExternalId"], &globex["active"]),
        (&json!("globex"), &json!(true))
    );
    assert_eq!(
        globex["groups"],
        json!([{"display": "embed-viewers", "value": EMBED_GROUP}])
    );
    assert!(uuid::Uuid::try_parse(globex["id"].as_str().unwrap()).is_ok());
    let name = globex["userName"].as_str().unwrap().to_uppercase();
    let by_name = omni.embed_users(&format!("userName eq \"{name}\"")).await;
    assert_eq!(by_name["Resources"][0]["id"], globex["id"], "addresses have no case");
    assert_eq!(
        omni.embed_users("embedExternalId eq \"GLOBEX\"").await["totalResults"],
        0
    );
    assert_eq!(
        omni.embed_users("embedExternalId co \"-staging\"").await["totalResults"],
        3
    );
    assert_eq!(
        omni.embed_users("embedExternalId eq \"umbrella\"").await["Resources"],
        json!([])
    );
    let (status, refused) = omni.get("/api/scim/v2/embed/users?filter=name").await;
    assert_eq!(
        (status, &refused["schemas"][0]),
        (400, &json!("urn:ietf:params:scim:api:messages:2.0:Error"))
    );
    omni.key = "omni_pat_simulator".to_owned();
    let refused = omni.get("/api/scim/v2/embed/users").await;
    assert_eq!(
        (refused.0, detail(&refused)),
        (403, "User-scoped API keys are not allowed to access the SCIM API.")
    );
}

#[tokio::test]
async fn hands_make_users_change_them_and_take_them_away() {
    let omni = Omni::start().await;
    let made = json!({"action": "set_user", "external_id": "umbrella", "name": "Umbrella", "attributes": {"environment": "staging"}});
    let (status, answer) = omni.hand(made).await;
    assert_eq!(
        (status, answer["id"].as_str().unwrap()),
        (200, omni.member("umbrella").await.as_str())
    );
    assert!(omni.sql_as("umbrella", &patients()).await.contains("CLINICAL_STAGING"));
    let change = json!({"action": "set_user", "external_id": "umbrella", "attributes": {"environment": null, "tenant_id": "umbrella"}});
    omni.hand(change).await;
    let state = omni.simulator.state();
    let mut users = state["embedUsers"].as_array().unwrap().iter();
    let umbrella = users.find(|user| user["externalId"] == "umbrella").unwrap();
    assert_eq!(umbrella["attributes"], json!({"tenant_id": "umbrella"}));
    assert_eq!(umbrella["name"], "Umbrella", "what is not named stays");
    for (body, why) in [
        (
            json!({"action": "set_user", "external_id": "x", "attributes": {"colour": "red"}}),
            "there is no colour",
        ),
        (
            json!({"action": "set_user", "external_id": "x", "attributes": {"tenant_id": 7}}),
            "received number",
        ),
        (
            json!({"action": "set_user", "external_id": "x", "attributes": []}),
            "Expected object",
        ),
        (json!({"action": "set_user"}), "external_id: Required"),
        (json!({"action": "remove_user", "external_id": "x"}), "there is no x"),
        (
            json!({"action": "remove_attribute", "external_id": "x", "attribute": "tenant_id"}),
            "there is no x",
        ),
    ] {
        let met = omni.hand(body.clone()).await;
        assert!(met.0 == 400 && detail(&met).contains(why), "{body}: {met:?}");
    }
    assert_eq!(
        omni.embed_users("embedExternalId eq \"x\"").await["totalResults"],
        0,
        "a refusal makes nobody"
    );
    omni.hand(json!({"action": "remove_user", "external_id": "umbrella"}))
        .await;
    assert_eq!(
        omni.embed_users("embedExternalId eq \"umbrella\"").await["totalResults"],
        0
    );
}

#[tokio::test]
async fn who_may_ask_in_whose_name() {
    let mut omni = Omni::start().await;
    let user = omni.member("acme-corp").await;
    let both = json!({"query": patients(), "planOnly": true, "userId": user});
    let answer = omni.done("POST", "/api/v1/query/run", Some(both.clone())).await;
    let sql = lines(&answer)[1]["summary"]["display_sql"].to_string();
    assert!(
        sql.contains("CLINICAL_PRODUCTION"),
        "the older place of userId counts as well: {sql}"
    );
    let path = format!("/api/v1/query/run?userId={user}");
    assert_eq!(omni.post(&path, both).await.0, 400, "in both places");
    let plan = json!({"query": patients(), "planOnly": true});
    let stranger = format!("/api/v1/query/run?userId={CLINICAL}");
    let met = omni.post(&stranger, plan.clone()).await;
    assert_eq!(
        (met.0, detail(&met)),
        (404, format!("User with id {CLINICAL} does not exist").as_str())
    );
    assert_eq!(
        omni.post("/api/v1/query/run?userId=acme-corp", plan.clone()).await.0,
        400
    );

    let copy = omni.copy_model("clinical v2").await;
    let mut on_copy = patients();
    on_copy["modelId"] = json!(copy);
    let met = omni.plan_as("acme-corp", &on_copy).await;
    assert_eq!(
        (met.0, detail(&met)),
        (403, "Permission denied"),
        "a new model is for nobody"
    );
    let role = json!({"roleName": "VIEWER", "modelId": copy});
    omni.done(
        "POST",
        &format!("/api/v1/user-groups/{EMBED_GROUP}/model-roles"),
        Some(role),
    )
    .await;
    assert_eq!(omni.plan_as("acme-corp", &on_copy).await.0, 200);

    omni.key = "omni_pat_simulator".to_owned();
    let met = omni.post(&path, plan).await;
    assert_eq!(
        (met.0, detail(&met)),
        (403, "User-scoped API keys cannot act on behalf of other users")
    );
}
