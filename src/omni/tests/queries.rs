//! Queries and embed users: lines of JSON, and what a success hides.

use serde_json::{Value, json};

use super::canned::{Act, Canned, json as answer, last, serving};
use crate::ports::{Omni as _, QueryAnswer, QueryAsk};

fn lines(lines: &[Value]) -> Act {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Act::Answer(200, vec![("content-type", "text/ndjson".to_owned())], text)
}

fn begun() -> Value {
    json!({"jobs_submitted": {"j": "c"}})
}

fn ended() -> Value {
    json!({"remaining_job_ids": [], "timed_out": "false"})
}

fn ask(user: Option<&str>, run: bool) -> QueryAsk {
    QueryAsk {
        name: "wards, tile \"Beds\"".to_owned(),
        query: json!({"table": "wards", "fields": ["wards.beds"], "limit": 500}),
        user: user.map(str::to_owned),
        run,
    }
}

fn failure(why: &str) -> QueryAnswer {
    QueryAnswer {
        failure: Some(why.to_owned()),
        ..QueryAnswer::default()
    }
}

#[tokio::test]
async fn what_a_success_hides_is_read() {
    let planned = |summary: Value| {
        lines(&[
            begun(),
            json!({"job_id": "j", "status": "PLANNED", "summary": summary}),
            ended(),
        ])
    };
    let server = Canned::new([
        planned(json!({"display_sql": "SELECT 1", "missing_fields": [], "invalid_calculations": {}})),
        planned(json!({"display_sql": "", "missing_fields": ["a.b"], "invalid_calculations": {"calc_1": "no"}})),
        planned(json!({"display_sql": "Failed to plan query: no view"})),
        lines(&[
            begun(),
            json!({"job_id": "j", "status": "ERROR", "error_message": "no right"}),
            ended(),
        ]),
        lines(&[begun(), json!({"job_id": "j", "status": "FAILED"}), ended()]),
        answer(400, json!({"detail": "Bad Request: query: no such field: a.b"})),
        answer(403, json!({"error": "Permission denied"})),
        answer(404, json!({"detail": "User with id u does not exist"})),
        answer(
            400,
            json!({"detail": "This connection uses dynamic environments and you don't have a value set for the required user attribute"}),
        ),
    ]);
    let client = server.client();
    let whole = client.query(&ask(Some("u 1"), false)).await.unwrap();
    let sql = Some("SELECT 1".to_owned());
    assert_eq!(
        whole,
        QueryAnswer {
            sql,
            ..QueryAnswer::default()
        }
    );
    let (line, body) = last(&server);
    assert_eq!(line, "POST /api/v1/query/run?userId=u+1");
    assert_eq!(body, json!({"query": ask(None, false).query, "planOnly": true}));

    let partly = client.query(&ask(None, false)).await.unwrap();
    assert_eq!(
        (partly.missing_fields, partly.invalid_calculations),
        (vec!["a.b".to_owned()], vec!["calc_1".to_owned()])
    );
    assert_eq!(partly.sql, None);
    assert_eq!(last(&server).0, "POST /api/v1/query/run");
    let unplanned = client.query(&ask(None, false)).await.unwrap();
    assert_eq!(unplanned.failure.as_deref(), Some("Failed to plan query: no view"));
    for why in [
        "no right",
        "FAILED",
        "Bad Request: query: no such field: a.b",
        "Permission denied",
        "User with id u does not exist",
    ] {
        assert_eq!(client.query(&ask(None, false)).await.unwrap(), failure(why));
    }
    let attribute = client.query(&ask(None, false)).await.unwrap().failure.unwrap();
    assert!(attribute.contains("required user attribute"), "{attribute}");
}

#[tokio::test]
async fn a_run_reads_one_row_and_is_waited_for() {
    let server = Canned::new([
        lines(&[begun(), json!({"remaining_job_ids": ["j"], "timed_out": "true"})]),
        lines(&[json!({"remaining_job_ids": ["j"], "timed_out": "true"})]),
        lines(&[
            json!({"job_id": "j", "status": "COMPLETE", "summary": {"display_sql": "SELECT 2"}}),
            ended(),
        ]),
    ]);
    let client = server.client();
    let answer = client.query(&ask(None, true)).await.unwrap();
    assert_eq!((answer.sql.as_deref(), answer.failure), (Some("SELECT 2"), None));
    let asked = server.asked();
    assert_eq!(
        asked[0].body,
        json!({"query": {"table": "wards", "fields": ["wards.beds"], "limit": 1}})
    );
    assert_eq!(asked[2].line, "GET /api/v1/query/wait?jobIds=j");
}

#[tokio::test]
async fn an_answer_about_a_query_that_is_not_understood_does_not_pass() {
    let server = Canned::new([
        lines(&[begun(), ended()]),
        lines(&[json!({"job_id": "j", "status": "DREAMT"})]),
        lines(&[json!({"job_id": "j", "status": "PLANNED", "summary": {"missing_fields": 7}})]),
        Act::Answer(200, Vec::new(), "{\"jobs_submitted\":".to_owned()),
    ]);
    let client = server.client();
    for place in ["status", "status", "missing_fields", "the answer itself"] {
        let error = client.query(&ask(None, false)).await.unwrap_err().to_string();
        assert!(
            error.contains("lacks what is needed at") && error.contains(place),
            "{error}"
        );
        assert!(error.contains("wards, tile"), "{error}");
    }
}

#[tokio::test]
async fn an_embed_user_is_the_one_with_that_very_external_id() {
    let extension = "urn:omni:params:1.0:EmbedUser";
    let users = json!({"totalResults": 3, "Resources": [
        {"id": "m-1", "embedExternalId": "globex"},
        {"id": "m-2", extension: {"embedExternalId": "acme \"corp\""}},
    ]});
    let (server, client) = serving([users.clone(), users, json!({})]);
    assert_eq!(
        client.embed_user("acme \"corp\"").await.unwrap().as_deref(),
        Some("m-2")
    );
    let (line, _) = last(&server);
    assert_eq!(
        line,
        "GET /api/scim/v2/embed/Users?filter=embedExternalId+eq+%22acme+%5C%22corp%5C%22%22&count=100"
    );
    // An instance that does not know the filter lists everybody.
    assert_eq!(client.embed_user("initech").await.unwrap(), None);
    let error = client.embed_user("initech").await.unwrap_err().to_string();
    assert!(error.contains("lacks what is needed at Resources"), "{error}");
}
