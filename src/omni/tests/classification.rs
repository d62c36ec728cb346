//! What comes back, and what it means.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::canned::{Act, Canned, KEY, client, json as answer};
use crate::ports::{NewModel, Omni, OmniError, OmniErrorKind as Kind, Reservation};

fn text(status: u16, body: &str) -> Act {
    Act::Answer(status, Vec::new(), body.to_owned())
}

fn new_model() -> NewModel {
    NewModel::Shared {
        connection_id: "c".to_owned(),
        name: "clinical-v2".to_owned(),
    }
}

/// The error of a write that meets this, having been sent exactly once.
async fn write_meets(act: Act) -> OmniError {
    let server = Canned::new([act]);
    let error = server
        .client()
        .create_model(&new_model(), Reservation::new(()))
        .await
        .unwrap_err();
    assert_eq!(server.asked().len(), 1, "{error}");
    let told = format!("{error} {error:?}");
    assert!(!told.contains("hunter"), "{told}");
    assert!(
        error.to_string().starts_with("POST /v1/models (model clinical-v2): "),
        "{error}"
    );
    error
}

#[rstest]
#[case::normal_shape(answer(400, json!({"detail": "Bad Request: modelId: Invalid uuid", "status": 400})), "refused (400): Bad Request: modelId: Invalid uuid")]
#[case::auth_shape(answer(403, json!({"error": {"code": 403, "message": "Permission denied"}})), "refused (403): Permission denied")]
#[case::short_shape(answer(422, json!({"error": "Invalid role"})), "refused (422): Invalid role")]
#[case::short_shape_with_message(answer(400, json!({"error": "Bad Request", "message": "no such cursor"})), "refused (400): Bad Request: no such cursor")]
#[case::no_json(text(403, "<html>blocked</html>"), "refused (403): <html>blocked</html>")]
#[case::bad_key(answer(403, json!({"error": {"code": 403, "message": "Invalid bearer token"}})), "refuses the API key (403): Invalid bearer token")]
#[case::no_key(answer(401, json!({"detail": "Unauthorized"})), "refuses the API key (401)")]
#[case::malformed_key(answer(400, json!({"detail": "Bad authorization header, must be formatted as Bearer <token>"})), "refuses the API key (400)")]
#[case::absent(answer(404, json!({"detail": "Connection with id c does not exist", "status": 404})), "not found: Connection with id c does not exist")]
#[case::conflict(answer(409, json!({"detail": "already in use"})), "someone else changed it in between (409): already in use")]
#[case::checksum(answer(400, json!({"detail": "File has been modified since it was fetched"})), "someone else changed it in between (400)")]
#[case::attribute(answer(400, json!({"detail": "This connection uses dynamic environments and you don't have a value set for the required user attribute"})), "dynamic environments")]
#[case::server_error(
    text(503, "upstream"),
    "no answer that tells whether it took effect: HTTP 503: upstream"
)]
#[case::gateway_time_out(text(408, ""), "no answer that tells whether it took effect: HTTP 408")]
#[case::failure_inside(answer(200, json!({"success": false, "error": "Shared model cannot be created"})), "refused (200): Shared model cannot be created")]
#[case::page_of_a_portal(
    text(200, "<html>log in</html>"),
    "lacks what is needed at the answer itself, which is no whole JSON: <html>log in</html>"
)]
#[case::whole_http_half_json(text(200, "{\"success\": tr"), "no whole JSON: {\"success\": tr")]
#[case::lacks_the_model(answer(200, json!({"success": true})), "lacks what is needed at model: {\"success\":true}")]
#[case::lacks_the_id(answer(200, json!({"success": true, "model": {"id": 7}})), "lacks what is needed at model.id")]
#[case::wrong_way(text(404, "Cannot POST /api/v1/models"), "lacks what is needed at an error in JSON")]
#[case::too_long(text(200, &" ".repeat(5000)), "it is longer than 512 bytes")]
#[case::closed(Act::Close, "no answer that tells whether it took effect")]
#[case::cut_short(Act::CutShort, "no answer that tells whether it took effect")]
#[case::hangs(Act::Hang, "no answer that tells whether it took effect")]
#[tokio::test]
async fn an_answer_to_a_write_is_told_apart(#[case] act: Act, #[case] told: &str) {
    let error = write_meets(act).await;
    assert!(error.to_string().contains(told), "{error}");
}

#[tokio::test]
async fn a_caller_without_the_attribute_is_a_kind_of_its_own() {
    let words =
        "This connection uses dynamic environments and you don't have a value set for the required user attribute";
    let error = write_meets(answer(403, json!({"detail": words}))).await;
    assert!(matches!(error.kind, Kind::CallerAttributeMissing { .. }), "{error:?}");
}

#[rstest]
#[case::error(text(500, "boom"), true)]
#[case::closed(Act::Close, true)]
#[case::half_json(text(200, "{"), true)]
#[case::refused(text(400, "no"), false)]
#[tokio::test]
async fn only_what_may_have_happened_is_said_to_be_unknown(#[case] act: Act, #[case] unknown: bool) {
    assert_eq!(write_meets(act).await.kind.effect_unknown(), unknown);
}

#[tokio::test]
async fn a_call_that_is_gone_names_its_successor() {
    let link = "<https://docs.omni.co/api/new>; rel=\"successor-version\"".to_owned();
    let error = write_meets(Act::Answer(410, vec![("Link", link)], String::new())).await;
    assert!(matches!(
        error.kind,
        Kind::Gone { successor: Some(it) } if it == "https://docs.omni.co/api/new"
    ));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_does_not_take_the_key_along() {
    let elsewhere = Canned::new([]);
    let location = format!("{}/login?token=abc", elsewhere.base_url());
    let error = write_meets(Act::Answer(307, vec![("Location", location)], String::new())).await;
    assert!(error.to_string().contains("redirects to 127.0.0.1"), "{error}");
    assert!(!error.to_string().contains("token"), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_there_did_nothing() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = client(&format!("http://{address}")).identity().await.unwrap_err();
    assert!(matches!(error.kind, Kind::Unreachable { .. }), "{error:?}");
    assert!(!error.kind.effect_unknown());
}

#[rstest]
#[case::closed(Act::Close)]
#[case::cut_short(Act::CutShort)]
#[tokio::test]
async fn a_read_is_repeated_once_after_a_broken_connection(#[case] act: Act) {
    let server = Canned::new([act, answer(200, json!({"keyScope": "organization"}))]);
    server.client().identity().await.unwrap();
    assert_eq!(server.asked().len(), 2);
    let server = Canned::new([Act::Close, Act::Close, Act::Close]);
    let error = server.client().identity().await.unwrap_err();
    assert!(matches!(error.kind, Kind::AnswerLost { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_429_is_waited_out_even_for_a_write_since_it_had_no_effect() {
    let moved = answer(200, json!({"success": true}));
    let server = Canned::new([text(429, ""), text(429, "slow down"), moved]);
    server.client().move_document("12db1a0a", "clinical/v2").await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_429_of_a_creating_call_is_told_at_once_since_its_mark_says_when_it_was_sent() {
    let server = Canned::new([text(429, "slow down")]);
    let call = server.client();
    let error = call
        .create_model(&new_model(), call.reserve().await.unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error.kind, Kind::RateLimited { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_only_ever_answers_429_is_given_up_on() {
    let refusals = (0..20).map(|_| Act::Answer(429, vec![("Retry-After", "0".to_owned())], String::new()));
    let server = Canned::new(refusals);
    let error = server.client().identity().await.unwrap_err();
    assert!(
        matches!(
            error.kind,
            Kind::RateLimited {
                retry_after: Some(Duration::ZERO)
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn no_secret_gets_out_of_the_client() {
    let echo = format!("who is {KEY}? Authorization: Bearer {KEY}; omni_osk_abcDEF123 omni_pat_xyz");
    for act in [
        text(400, &echo),
        text(500, &echo),
        text(200, &echo),
        answer(200, json!({"echo": echo})),
    ] {
        let error = write_meets(act).await;
        let told = format!("{error} {error:?}");
        assert!(!told.contains("abcDEF123") && !told.contains("xyz"), "{told}");
    }
    let client = client("http://127.0.0.1:1");
    assert!(!format!("{client:?}").contains("hunter"));
    assert!(
        !format!("{:?}", client.http).contains("hunter"),
        "the header is marked sensitive"
    );
}

#[tokio::test]
async fn omnis_words_are_kept_to_a_size() {
    let error = write_meets(text(400, &"x".repeat(4000))).await;
    assert!(error.to_string().len() < 2200);
    let error = write_meets(answer(200, json!({"rubbish": "x".repeat(3000)}))).await;
    let Kind::ContractDrift { excerpt, .. } = error.kind else {
        panic!("{error:?}");
    };
    assert!(excerpt.len() <= 200, "{}", excerpt.len());
}
