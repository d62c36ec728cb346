//! Queries in the name of embed users: who they are, where they are led, what their text says, how they run.

use super::*;

const PATIENTS: &str =
    r#"{"modelId": "3fb59130-54fc-4848-832f-d22f61933485", "table": "patients", "fields": ["patients.count"]}"#;

/// A model file with a virtual schema that each tenant has of its own.
const DYNAMIC: &str = "dynamic_schemas:\n  tenant:\n    from_schema: CLINICAL\n    user_attribute: tenant_id\n";

fn patients() -> Value {
    serde_json::from_str(PATIENTS).unwrap()
}

/// The lines of an answer; one line alone is JSON as it is.
fn lines(answer: &Value) -> Vec<Value> {
    match answer.as_str() {
        Some(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        None => vec![answer.clone()],
    }
}

impl Omni {
    /// The membership id of an embed user.
    async fn member(&self, external_id: &str) -> String {
        let found = self.embed_users(&format!("embedExternalId eq \"{external_id}\"")).await;
        assert_eq!(found["totalResults"], 1, "{external_id}: {found}");
        found["Resources"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn embed_users(&self, filter: &str) -> Value {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        self.done("GET", &format!("/api/scim/v2/embed/users?filter={filter}"), None)
            .await
    }

    /// The plan of a query as an embed user: the line of its job.
    async fn plan_as(&self, external_id: &str, query: &Value) -> Met {
        let path = format!("/api/v1/query/run?userId={}", self.member(external_id).await);
        let (status, answer) = self.post(&path, json!({"query": query, "planOnly": true})).await;
        match answer {
            Value::String(_) => (status, lines(&answer)[1].clone()),
            other => (status, other),
        }
    }

    async fn sql_as(&self, external_id: &str, query: &Value) -> String {
        let (status, line) = self.plan_as(external_id, query).await;
        assert_eq!((status, &line["status"]), (200, &json!("PLANNED")), "{line}");
        line["summary"]["display_sql"].as_str().unwrap().to_owned()
    }

    async fn hand(&self, body: Value) -> Met {
        self.post("/_simulator/hands", body).await
    }
}

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
async fn a_run_answers_with_rows_that_are_made_up() {
    let omni = Omni::start().await;
    let answer = omni
        .done("POST", "/api/v1/query/run", Some(json!({"query": patients()})))
        .await;
    let lines = lines(&answer);
    let [submitted, done, last] = &lines[..] else {
        panic!("three lines: {answer}")
    };
    let job = done["job_id"].as_str().unwrap();
    assert_eq!(submitted["jobs_submitted"][job], done["client_result_id"]);
    assert_eq!(
        (&done["status"], &done["cache_metadata"]["num_rows"]),
        (&json!("COMPLETE"), &json!(1))
    );
    assert!(
        done["result"].is_string() && done["summary"]["missing_fields"] == json!([]),
        "{done}"
    );
    assert_eq!(last, &json!({"remaining_job_ids": [], "timed_out": "false"}));
    let mut wards = json!({"modelId": CLINICAL, "table": "wards", "fields": ["wards.code", "wards.floor"], "limit": 3});
    let run = async |query: &Value, kind: &str| {
        omni.post("/api/v1/query/run", json!({"query": query, "resultType": kind}))
            .await
    };
    let rows = run(&wards, "json").await.1;
    assert_eq!(
        rows,
        json!([{"wards.code": null, "wards.floor": null}, {"wards.code": null, "wards.floor": null}, {"wards.code": null, "wards.floor": null}])
    );
    assert_eq!(
        run(&wards, "csv").await.1,
        json!("wards.code,wards.floor\r\n,\r\n,\r\n,\r\n")
    );
    wards["table"] = json!("nope");
    let failed = run(&wards, "csv").await.1;
    assert!(
        failed.as_str().unwrap().contains("\"ERROR\""),
        "200, and the failure inside: {failed}"
    );
}

#[tokio::test]
async fn a_run_that_times_out_is_done_while_it_is_waited_for() {
    let omni = Omni::start().await;
    omni.simulator.turn(|knobs| knobs.run_timeouts = 2);
    let first = lines(
        &omni
            .done("POST", "/api/v1/query/run", Some(json!({"query": patients()})))
            .await,
    );
    assert_eq!((first.len(), &first[1]["timed_out"]), (2, &json!("true")));
    let job = first[1]["remaining_job_ids"][0].as_str().unwrap().to_owned();
    let wait = format!("/api/v1/query/wait?jobIds={job}");
    let second = lines(&omni.done("GET", &wait, None).await);
    assert_eq!(second, [json!({"remaining_job_ids": [job], "timed_out": "true"})]);
    let by_list: String = url::form_urlencoded::byte_serialize(json!([job]).to_string().as_bytes()).collect();
    let third = lines(
        &omni
            .done("GET", &format!("/api/v1/query/wait?job_ids={by_list}"), None)
            .await,
    );
    assert_eq!(
        (&third[0]["status"], &third[0]["job_id"]),
        (&json!("COMPLETE"), &json!(job))
    );
    assert_eq!(third[1], json!({"remaining_job_ids": [], "timed_out": "false"}));
    assert_eq!(omni.get(&wait).await.0, 404, "results appear once");
    assert_eq!(omni.get("/api/v1/query/wait").await.0, 400);
    let csv = omni
        .post("/api/v1/query/run", json!({"query": patients(), "resultType": "csv"}))
        .await;
    assert_eq!(
        (csv.0, &csv.1["timed_out"], detail(&csv)),
        (408, &json!(true), "Query timed out")
    );
    assert_eq!(
        omni.plan_as("acme-corp", &patients()).await.1["status"],
        "PLANNED",
        "a plan takes no time"
    );
}

#[tokio::test]
async fn a_query_body_is_strict() {
    let omni = Omni::start().await;
    let plan = async |change: Value| {
        let mut body = json!({"query": patients(), "planOnly": true});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let met = omni.post("/api/v1/query/run", body).await;
        (met.0, detail(&met).to_owned())
    };
    for cache in ["Standard", "SkipRequery", "SkipCache", "SkipCacheAndRebuildExtracts"] {
        assert_eq!(plan(json!({"cache": cache})).await.0, 200);
    }
    let limited = |limit: Value| {
        let mut query = patients();
        query["limit"] = limit;
        json!({"query": query})
    };
    assert_eq!(plan(limited(json!(75_000))).await.0, 200);
    assert_eq!(plan(limited(Value::Null)).await.0, 200);
    for (change, why) in [
        (json!({"cache": "normal"}), "Bad Request: cache: Invalid enum value."),
        (
            json!({"resultType": "xml"}),
            "Bad Request: resultType: Invalid enum value.",
        ),
        (
            json!({"formatResults": "yes"}),
            "Bad Request: formatResults: Expected boolean",
        ),
        (json!({"modelId": CLINICAL}), "Unrecognized key(s) in object: 'modelId'"),
        (
            limited(json!(75_001)),
            "Bad Request: query.limit: Number must be less than or equal to 75000",
        ),
        (
            limited(json!(0)),
            "Bad Request: query.limit: Number must be greater than 0",
        ),
        (limited(json!("ten")), "Bad Request: query.limit: Expected number"),
    ] {
        let (status, said) = plan(change.clone()).await;
        assert!(status == 400 && said.starts_with(why), "{change}: {status} {said}");
    }
}
