//! Queries in the name of embed users: where they are led, and what their text says.

use super::*;

/// A model file with a virtual schema that each tenant has of its own.
const DYNAMIC: &str = "dynamic_schemas:\n  tenant:\n    from_schema: CLINICAL\n    user_attribute: tenant_id\n";

#[tokio::test]
async fn a_query_as_a_user_reads_the_environment_of_the_users_attribute() {
    let omni = Omni::start().await;
    let at = |database: &str| {
        format!("SELECT COUNT(*) AS \"patients.count\" FROM \"{database}\".\"CLINICAL\".\"PATIENTS\" AS \"patients\"")
    };
    assert_eq!(omni.sql_as("acme-corp", &patients()).await, at("CLINICAL_PRODUCTION"));
    assert_eq!(
        omni.sql_as("acme-corp-staging", &patients()).await,
        at("CLINICAL_STAGING")
    );
    let legacy =
        json!({"modelId": CLINICAL, "table": "encounters", "fields": ["encounters.count", "encounters.legacy_code"]});
    let missing = |line: Met| line.1["summary"]["missing_fields"].clone();
    assert_eq!(missing(omni.plan_as("globex", &legacy).await), json!([]));
    assert_eq!(
        missing(omni.plan_as("globex-staging", &legacy).await),
        json!(["encounters.legacy_code"]),
        "the tables are the environment's too"
    );

    omni.hand(json!({"action": "set_user", "external_id": "globex", "attributes": {"environment": "qa"}}))
        .await;
    assert_eq!(
        omni.sql_as("globex", &patients()).await,
        at("CLINICAL"),
        "no environment has it: the base"
    );
    let removed = json!({"action": "remove_attribute", "external_id": "globex", "attribute": "environment"});
    assert_eq!(omni.hand(removed).await.0, 200);
    let met = omni.plan_as("globex", &patients()).await;
    assert!(
        met.0 == 400 && detail(&met).ends_with("required user attribute: environment"),
        "{met:?}"
    );

    omni.simulator.turn(|knobs| knobs.query_user_routes = false);
    assert_eq!(
        omni.sql_as("acme-corp", &patients()).await,
        at("CLINICAL_STAGING"),
        "as the key's owner is led"
    );
    assert_eq!(omni.sql_as("globex", &patients()).await, at("CLINICAL_STAGING"));
    omni.simulator.turn(|knobs| knobs.caller_attribute = None);
    assert_eq!(omni.plan_as("acme-corp", &patients()).await.0, 400);
}

#[tokio::test]
async fn an_environment_that_is_asked_for_counts_more_than_the_users() {
    let omni = Omni::start().await;
    let listed = omni.done("GET", "/api/v1/connection-environments", None).await;
    let staging = &listed["connectionEnvironments"][0];
    let user = omni.member("acme-corp").await;
    let body = json!({"query": patients(), "planOnly": true, "connectionEnvironmentId": staging["id"]});
    let answer = omni
        .done("POST", &format!("/api/v1/query/run?userId={user}"), Some(body))
        .await;
    let sql = lines(&answer)[1]["summary"]["display_sql"].to_string();
    assert!(sql.contains("CLINICAL_STAGING"), "{sql}");
    let body = json!({"query": patients(), "planOnly": true, "connectionEnvironmentId": user});
    assert_eq!(omni.post("/api/v1/query/run", body).await.0, 404);
}

#[tokio::test]
async fn the_text_names_every_table_that_fields_filters_and_sorts_need() {
    let omni = Omni::start().await;
    let query = json!({
        "modelId": CLINICAL, "table": "encounters", "join_paths_from_topic_name": "encounters", "limit": 20,
        "fields": ["patients.full_name", "encounters.bed_days", "readmissions.frequent"],
        "filters": {"beds.occupied": {"kind": "EQUALS", "type": "boolean", "is_negative": false}},
        "sorts": [{"column_name": "physicians.specialty", "sort_descending": false}],
    });
    let sql = omni.sql_as("acme-corp", &query).await;
    let wanted = [
        "SELECT \"patients\".\"full_name\" AS \"patients.full_name\"",
        "SUM(\"encounters\".\"bed_days\") AS \"encounters.bed_days\"",
        "FROM \"CLINICAL_PRODUCTION\".\"CLINICAL\".\"ENCOUNTERS\" AS \"encounters\"",
        "LEFT JOIN \"CLINICAL_PRODUCTION\".\"CLINICAL\".\"PATIENTS\" AS \"patients\" ON \"encounters\".\"patient_id\" = \"patients\".\"id\"",
        "LEFT JOIN \"CLINICAL_PRODUCTION\".\"CLINICAL\".\"WARDS\" AS \"wards\"",
        "LEFT JOIN \"CLINICAL_PRODUCTION\".\"CLINICAL\".\"BEDS\" AS \"beds\" ON \"wards\".\"id\" = \"beds\".\"ward_id\"",
        "LEFT JOIN \"CLINICAL_PRODUCTION\".\"CLINICAL\".\"PHYSICIANS\" AS \"physicians\"",
        "LEFT JOIN (SELECT \"encounters\".\"patient_id\" AS \"encounters.patient_id\", COUNT(*) AS \"encounters.readmitted_30d\" FROM ",
        " LIMIT 20",
    ];
    for part in wanted {
        assert!(sql.contains(part), "{part} in {sql}");
    }
    assert!(
        sql.find("AS \"wards\"") < sql.find("AS \"beds\""),
        "a table comes after what it is joined to: {sql}"
    );
    for absent in ["VITALS", "DIAGNOSES", "PAYERS"] {
        assert!(!sql.contains(absent), "{absent} is not needed: {sql}");
    }
    let by_hand = json!({"modelId": CLINICAL, "table": "", "fields": [], "userEditedSQL": "select 1"});
    assert_eq!(omni.sql_as("acme-corp", &by_hand).await, "select 1");
}

#[tokio::test]
async fn a_dynamic_schema_reads_the_tables_of_the_tenant_that_asks() {
    let omni = Omni::start().await;
    omni.hand(json!({"action": "edit_model_file", "model": "clinical", "file_name": "model", "yaml": DYNAMIC}))
        .await;
    let view = "label: The tenant's patients\nmeasures:\n  old: {aggregate_type: count_distinct, sql: '${tenant__patients.dob}'}\n";
    omni.write(CLINICAL, None, "tenant/patients.view", view).await;
    let issues = omni
        .done("GET", &format!("/api/v1/models/{CLINICAL}/validate"), None)
        .await;
    assert_eq!(issues, json!([]), "its views are there for every layer above");
    let query = json!({"modelId": CLINICAL, "table": "tenant__patients", "fields": ["tenant__patients.dob", "tenant__patients.old"]});
    let from = |schema: &str| format!("FROM \"CLINICAL_PRODUCTION\".\"{schema}\".\"PATIENTS\" AS \"tenant__patients\"");
    for tenant in ["acme-corp", "globex"] {
        let sql = omni.sql_as(tenant, &query).await;
        assert!(sql.contains(&from(tenant)), "{sql}");
    }
    let plain = omni.sql_as("acme-corp", &patients()).await;
    assert!(
        plain.contains("\"CLINICAL\".\"PATIENTS\""),
        "only its own views are led elsewhere: {plain}"
    );

    omni.hand(json!({"action": "remove_attribute", "external_id": "globex", "attribute": "tenant_id"}))
        .await;
    let sql = omni.sql_as("globex", &query).await;
    assert!(sql.contains(&from("CLINICAL")), "everybody's, without a word: {sql}");
    omni.simulator
        .turn(|knobs| knobs.unset_schema_attribute = UnsetSchemaAttribute::Fails);
    let (status, line) = omni.plan_as("globex", &query).await;
    assert_eq!((status, &line["status"]), (200, &json!("ERROR")));
    let said = line["summary"]["display_sql"].as_str().unwrap();
    assert!(
        said.contains("Failed to plan query") && said.contains("tenant_id"),
        "{said}"
    );
    assert_eq!(omni.plan_as("globex", &patients()).await.1["status"], "PLANNED");
    let issues = omni
        .done("GET", &format!("/api/v1/models/{CLINICAL}/validate"), None)
        .await;
    assert_eq!(issues, json!([]), "no validation minds");
}

#[tokio::test]
async fn what_an_embed_user_sees_of_a_dynamic_schema_is_by_that_users_attribute() {
    let omni = Omni::start().await;
    omni.simulator
        .turn(|knobs| knobs.unset_schema_attribute = UnsetSchemaAttribute::Fails);
    omni.hand(json!({"action": "edit_model_file", "model": "clinical", "file_name": "model", "yaml": DYNAMIC}))
        .await;
    let document = json!({"action": "create_document", "name": "Mine", "model": "clinical", "identifier": "mine",
        "folder_path": "clinical/v1", "fields": ["tenant__patients.count"]});
    assert_eq!(omni.hand(document).await.0, 200);
    let compiles = async |who: &str| {
        let seen = omni.done("GET", &format!("/_simulator/see?as={who}"), None).await;
        let mut documents = seen["documents"].as_array().unwrap().iter();
        documents.find(|it| it["identifier"] == "mine").unwrap()["tiles"][0]["compiles"].clone()
    };
    assert_eq!(compiles("acme-corp").await, true);
    assert_eq!(
        compiles("umbrella").await,
        false,
        "who never signed in has no attribute"
    );
    let path = format!(
        "/api/v1/models/{CLINICAL}/content-validator?force_full_validation=true&content_filter_mode=WITH_ISSUES"
    );
    assert_eq!(omni.done("GET", &path, None).await["content"], json!([]));
}
