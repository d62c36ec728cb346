//! Queries that run: rows, time-outs, and what a body may hold.

use super::*;

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
