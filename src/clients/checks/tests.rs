//! Checks against a real HTTP server on this machine that answers as the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clients::tests::FakeSecrets;
use crate::clients::{ClientOptions, ClientRegistry};
use crate::ports::fakes::question;
use crate::ports::{Answer, CheckOutcome, Clients as _};

const TOKEN: &str = "hunter2-hunter2";

/// One request as it came.
#[derive(Debug, Clone)]
pub(in crate::clients) struct Seen {
    pub(in crate::clients) uri: Uri,
    headers: HeaderMap,
    pub(in crate::clients) body: String,
}

impl Seen {
    pub(in crate::clients) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What each request is answered, by how many came before.
type Reply = Box<dyn Fn(usize) -> (u16, Vec<(&'static str, String)>, String) + Send + Sync>;

/// A server, for as long as it is kept.
pub(in crate::clients) struct Site {
    pub(in crate::clients) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Site {
    pub(in crate::clients) async fn saying(
        reply: impl Fn(usize) -> (u16, Vec<(&'static str, String)>, String) + Send + Sync + 'static,
    ) -> Self {
        let reply: Arc<Reply> = Arc::new(Box::new(reply));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (reply, kept) = (Arc::clone(&reply), Arc::clone(&kept));
            async move {
                let body = String::from_utf8_lossy(&body).into_owned();
                let before = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Seen { uri, headers, body });
                    kept.len() - 1
                };
                let (status, headers, body) = reply(before);
                let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
                for (name, value) in headers {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                answer
            }
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, seen, serving }
    }

    pub(in crate::clients) async fn answering(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::saying(move |_| (status, Vec::new(), body.clone())).await
    }

    pub(in crate::clients) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(in crate::clients) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn prometheus(url: &str) -> Value {
    json!({"name": "errors", "prometheus": {"url": url, "query": "errors > 0", "max": 0.5}})
}

fn webhook(url: &str) -> Value {
    json!({"name": "smoke", "webhook": {"url": url}})
}

fn with_secret(mut check: Value, kind: &str) -> Value {
    check[kind]["secretRef"] = json!({"name": "omni", "key": "token"});
    check
}

fn registry(secrets: &Arc<FakeSecrets>) -> ClientRegistry {
    ClientRegistry::new(Arc::clone(secrets) as _, ClientOptions::default())
}

async fn asked(check: Value) -> Answer {
    let registry = registry(&FakeSecrets::new([]));
    registry.ask_check(&question(check)).await
}

fn vector(samples: &[(Option<&str>, &str)]) -> String {
    let result = samples.iter().map(|(tenant, value)| {
        let metric: BTreeMap<&str, &str> = tenant.iter().map(|tenant| ("tenant", *tenant)).collect();
        json!({"metric": metric, "value": [1_700_000_000.123, value]})
    });
    json!({"status": "success", "data": {"resultType": "vector", "result": result.collect::<Vec<_>>()}}).to_string()
}

fn result_of(kind: &str, result: &Value) -> String {
    json!({"status": "success", "data": {"resultType": kind, "result": result}}).to_string()
}

/// As Thanos answers while a store is away.
fn not_whole() -> String {
    let mut whole: Value = serde_json::from_str(&vector(&[(Some("a"), "0")])).unwrap();
    whole["warnings"] = json!(["store-1 is away"]);
    whole.to_string()
}

#[rstest]
#[case::all_below(vector(&[(Some("a"), "0.1"), (Some("b"), "0.5")]), CheckOutcome::Passed, &[], "")]
#[case::one_above(vector(&[(Some("a"), "0.6"), (Some("b"), "0")]), CheckOutcome::Failed, &["a"], "above 0.5")]
#[case::infinite(vector(&[(Some("b"), "+Inf")]), CheckOutcome::Failed, &["b"], "above 0.5")]
#[case::one_of_a_wave_before(vector(&[(Some("a"), "0"), (Some("old"), "7")]), CheckOutcome::Failed, &["old"], "above 0.5")]
#[case::who_has_not_moved(vector(&[(Some("a"), "0"), (Some("other"), "7")]), CheckOutcome::Passed, &[], "")]
#[case::without_the_label(vector(&[(None, "7")]), CheckOutcome::Failed, &[], "without the label tenant")]
#[case::empty(vector(&[]), CheckOutcome::Unknown, &[], "no sample for a tenant of the wave")]
#[case::only_of_others(vector(&[(Some("other"), "7")]), CheckOutcome::Unknown, &[], "no sample for a tenant of the wave")]
#[case::no_number(vector(&[(Some("a"), "NaN"), (Some("b"), "0")]), CheckOutcome::Unknown, &[], "NaN")]
#[case::above_and_no_number(vector(&[(Some("a"), "NaN"), (Some("b"), "1")]), CheckOutcome::Failed, &["b"], "above")]
#[case::a_scalar(result_of("scalar", &json!([1.5, "0.25"])), CheckOutcome::Passed, &[], "")]
#[case::a_scalar_above(result_of("scalar", &json!([1.5, "0.75"])), CheckOutcome::Failed, &[], "above 0.5")]
#[case::a_scalar_that_is_none(result_of("scalar", &json!([1.5, "NaN"])), CheckOutcome::Unknown, &[], "NaN")]
#[case::a_matrix(result_of("matrix", &json!([])), CheckOutcome::Unknown, &[], "gives a matrix")]
#[case::another_shape(result_of("vector", &json!({"s3cret": 1})), CheckOutcome::Unknown, &[], "another shape")]
#[case::no_sample_at_all(vector(&[(Some("a"), "s3cret")]), CheckOutcome::Unknown, &[], "no number")]
#[case::not_whole(not_whole(), CheckOutcome::Unknown, &[], "not whole, as it says itself: store-1 is away")]
#[case::rubbish("<html>s3cret</html>".to_owned(), CheckOutcome::Unknown, &[], "none of Prometheus's")]
#[tokio::test]
async fn samples_say_who_fails_and_what_cannot_be_used_is_unknown(
    #[case] body: String,
    #[case] outcome: CheckOutcome,
    #[case] failing: &[&str],
    #[case] told: &str,
) {
    let site = Site::answering(200, body).await;
    let answer = asked(prometheus(&format!("{}/prom/", site.url()))).await;
    assert_eq!(answer.outcome, outcome, "{answer:?}");
    assert_eq!(answer.failing.iter().collect::<Vec<_>>(), failing, "{answer:?}");
    assert!(
        answer.message.contains(told) && !answer.message.contains("s3cret"),
        "{answer:?}"
    );
    let seen = site.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].uri, "/prom/api/v1/query?query=errors+%3E+0");
}

#[tokio::test]
async fn another_label_may_name_the_tenant_and_errors_are_told() {
    let body = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"customer": "a"}, "value": [1, "9"]}]}});
    let site = Site::answering(200, body.to_string()).await;
    let mut check = prometheus(&site.url());
    check["prometheus"]["tenantLabel"] = json!("customer");
    assert_eq!(asked(check).await.failing, BTreeSet::from(["a".to_owned()]));

    let refusal = json!({"status": "error", "errorType": "bad_data", "error": "1:7: parse error: unexpected end"});
    let site = Site::answering(400, refusal.to_string()).await;
    let answer = asked(prometheus(&site.url())).await;
    assert_eq!(answer.outcome, CheckOutcome::Unknown);
    assert!(answer.message.contains("parse error"), "{answer:?}");

    let address = site.url();
    drop(site);
    let answer = asked(prometheus(&address)).await;
    assert_eq!(answer.outcome, CheckOutcome::Unknown, "{answer:?}");
    assert!(!answer.message.is_empty());
}

#[tokio::test]
async fn a_token_goes_to_the_hosts_of_its_secret_and_no_redirect_carries_it_on() {
    let far = Site::answering(200, vector(&[(Some("a"), "0")])).await;
    let to = format!("{}/", far.url());
    let near = Site::saying(move |_| (307, vec![("location", to.clone())], String::new())).await;
    let secrets = FakeSecrets::new([("token", TOKEN)]);
    let registry = registry(&secrets);
    let ask = async |site: &Site| {
        registry
            .ask_check(&question(with_secret(prometheus(&site.url()), "prometheus")))
            .await
    };

    assert_eq!(ask(&far).await.outcome, CheckOutcome::Passed);
    assert_eq!(far.seen()[0].header("authorization"), Some("Bearer hunter2-hunter2"));
    let redirected = ask(&near).await;
    assert_eq!(redirected.outcome, CheckOutcome::Unknown);
    assert!(redirected.message.contains("no redirect is followed"), "{redirected:?}");
    assert_eq!((near.seen().len(), far.seen().len()), (1, 1));

    secrets.allow(&["metrics.example"]);
    registry.credentials.forget("apps", "omni");
    let refused = ask(&far).await;
    assert!(
        refused.message.contains("may not be sent to \"127.0.0.1\""),
        "{refused:?}"
    );
    assert_eq!(far.seen().len(), 1, "nothing was sent");
    secrets.remove();
    registry.credentials.forget("apps", "omni");
    let missing = ask(&far).await;
    assert!(
        missing
            .message
            .contains("Secret apps/omni is not there; secretRef of check errors"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn what_prometheus_says_is_told_without_the_token_and_a_refused_one_is_read_again() {
    let body = json!({"status": "error", "error": format!("token {TOKEN} is revoked")});
    let site = Site::answering(401, body.to_string()).await;
    let secrets = FakeSecrets::new([("token", TOKEN)]);
    let registry = registry(&secrets);
    let check = question(with_secret(prometheus(&site.url()), "prometheus"));
    let told = registry.ask_check(&check).await;
    assert!(
        told.message.contains("is revoked") && !told.message.contains(TOKEN),
        "{told:?}"
    );
    secrets.set([("token", "rotated-rotated")]);
    registry.ask_check(&check).await;
    assert_eq!(site.seen()[1].header("authorization"), Some("Bearer rotated-rotated"));
}

#[tokio::test]
async fn a_webhook_is_told_who_has_moved_signed_and_sent_again_under_one_id() {
    let site = Site::saying(|before| match before {
        0 => (503, Vec::new(), "busy".to_owned()),
        _ => (
            200,
            Vec::new(),
            r#"{"passed": false, "failing": ["b"], "message": "two\nlines"}"#.to_owned(),
        ),
    })
    .await;
    let secrets = FakeSecrets::new([("token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
    let check = question(with_secret(webhook(&format!("{}/wave?team=x", site.url())), "webhook"));
    let answer = registry(&secrets).ask_check(&check).await;
    assert_eq!(
        answer,
        Answer::failed(BTreeSet::from(["b".to_owned()]), "two lines".to_owned())
    );

    let seen = site.seen();
    let [first, second] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(second.uri, "/wave?team=x");
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    let body: Value = serde_json::from_str(&second.body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "wavepin.rollout.check", "rollout": "apps/main", "environment": "production", "plan": "1-abc-4",
            "wave": "canary", "check": "smoke", "version": 2, "tenantCount": 2, "tenants": ["a", "b"],
        })
    );
    let (id, at) = (
        second.header("webhook-id").unwrap(),
        second.header("webhook-timestamp").unwrap(),
    );
    let seconds: i64 = at.parse().unwrap();
    assert!((Timestamp::now().as_second() - seconds).abs() < 60);
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    hmac.update(format!("{id}.{at}.{}", second.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()));
    assert_eq!(second.header("webhook-signature"), Some(signature.as_str()));
}

#[rstest]
#[case::passed(200, r#"{"passed": true, "more": 1}"#, CheckOutcome::Passed, "")]
#[case::all_fail(201, r#"{"passed": false}"#, CheckOutcome::Failed, "")]
#[case::foreign(
    200,
    r#"{"passed": false, "failing": ["a", "s3cret-tenant", "old"]}"#,
    CheckOutcome::Unknown,
    "names 2 as failing that are not among"
)]
#[case::both(
    200,
    r#"{"passed": true, "failing": ["a"]}"#,
    CheckOutcome::Unknown,
    "passed, and names failing"
)]
#[case::rubbish(200, "s3cret-page", CheckOutcome::Unknown, "not as agreed")]
#[case::other_json(200, r#"{"ok": "s3cret-page"}"#, CheckOutcome::Unknown, "not as agreed")]
#[case::nothing(204, "", CheckOutcome::Unknown, "not as agreed")]
#[case::refused(403, "s3cret-page", CheckOutcome::Unknown, "403")]
#[case::absent(404, "s3cret-page", CheckOutcome::Unknown, "404")]
#[tokio::test]
async fn what_a_webhook_says_is_held_to_what_was_agreed(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] outcome: CheckOutcome,
    #[case] told: &str,
) {
    let site = Site::answering(status, body).await;
    let answer = asked(webhook(&site.url())).await;
    assert_eq!(answer.outcome, outcome, "{answer:?}");
    assert!(
        answer.message.contains(told) && !answer.message.contains("s3cret-page"),
        "{answer:?}"
    );
    assert_eq!(site.seen().len(), 1, "what will not pass by itself is not sent again");
    assert_eq!(site.seen()[0].header("webhook-signature"), None);
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_does_not_come_is_unknown_in_time() {
    let site = Site::answering(200, "x".repeat(super::ANSWER_LIMIT + 1)).await;
    let answer = asked(webhook(&site.url())).await;
    assert!(answer.message.contains("longer than"), "{answer:?}");

    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut check = webhook(&format!("http://{}", silent.local_addr().unwrap()));
    check["timeout"] = json!("100ms");
    let answer = asked(check).await;
    assert_eq!(
        answer,
        Answer::unknown("there was no whole answer within 100ms".to_owned())
    );

    let busy = Site::answering(503, "").await;
    let answer = asked(webhook(&busy.url())).await;
    assert_eq!(
        (answer.outcome, busy.seen().len()),
        (CheckOutcome::Unknown, 4),
        "{answer:?}"
    );
    assert!(answer.message.contains("503"), "{answer:?}");
}

#[tokio::test]
async fn answers_are_counted_by_what_was_asked() {
    let site = Site::answering(200, r#"{"passed": true}"#).await;
    let options = ClientOptions::default();
    let measures = Arc::clone(&options.measures);
    let registry = ClientRegistry::new(FakeSecrets::new([]) as _, options);
    registry.ask_check(&question(webhook(&site.url()))).await;
    registry.ask_check(&question(prometheus(&site.url()))).await;
    let text = measures.text();
    for line in [
        r#"wavepin_rollout_checks_total{kind="webhook",result="passed"} 1"#,
        r#"wavepin_rollout_checks_total{kind="prometheus",result="unknown"} 1"#,
        r#"wavepin_rollout_checks_total{kind="prometheus",result="failed"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
}

#[tokio::test]
async fn of_many_tenants_20_000_are_named_and_all_are_counted() {
    let site = Site::answering(200, r#"{"passed": true}"#).await;
    let mut all = question(webhook(&site.url()));
    all.tenants = (0..20_001).map(|it| format!("tenant-{it:05}")).collect();
    let answer = registry(&FakeSecrets::new([])).ask_check(&all).await;
    assert_eq!(answer.outcome, CheckOutcome::Passed, "{answer:?}");
    let body: Value = serde_json::from_str(&site.seen()[0].body).unwrap();
    assert_eq!(
        (body["tenantCount"].as_u64(), body["tenants"].as_array().unwrap().len()),
        (Some(20_001), 20_000)
    );
}

#[tokio::test]
async fn a_secret_that_must_say_its_hosts_is_not_used_without_them() {
    let site = Site::answering(200, r#"{"passed": true}"#).await;
    let options = ClientOptions {
        require_hosts: true,
        ..ClientOptions::default()
    };
    let registry = ClientRegistry::new(FakeSecrets::new([("token", TOKEN)]) as _, options);
    let answer = registry
        .ask_check(&question(with_secret(webhook(&site.url()), "webhook")))
        .await;
    assert!(answer.message.contains("wavepin.dev/hosts"), "{answer:?}");
    assert_eq!(site.seen().len(), 0);
}
