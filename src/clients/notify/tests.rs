//! Channels against a real HTTP server on this machine that answers as the test says.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clients::checks::tests::Site;
use crate::clients::tests::FakeSecrets;
use crate::clients::{ClientOptions, ClientRegistry};
use crate::ports::{Clients as _, Delivery, News, Notice};
use crate::resources::NotifyOn;

fn notice(channel: Value) -> Notice {
    Notice {
        channel: serde_json::from_value(channel).unwrap(),
        namespace: "apps".to_owned(),
        rollout: "main".to_owned(),
        instance: "omni".to_owned(),
        environment: "production".to_owned(),
        news: News {
            id: "1-abc-4_canary_wave-completed".to_owned(),
            at: Timestamp::from_second(1_700_000_000).unwrap(),
            of: NotifyOn::WaveCompleted,
            attempt: 4,
            plan: "1-abc-4".to_owned(),
            version: 2,
            wave: Some("canary".to_owned()),
            tenants: Some(12),
            moved: Some(11),
            message: String::new(),
        },
        through: 7,
    }
}

fn cloud_events(url: &str) -> Value {
    json!({"name": "ops", "cloudEvents": {"url": url}})
}

fn signed(url: &str) -> Value {
    json!({"name": "ops", "cloudEvents": {"url": url, "secretRef": {"name": "hooks", "key": "signing"}}})
}

fn slack() -> Value {
    json!({"name": "chat", "slack": {"secretRef": {"name": "hooks", "key": "url"}}})
}

fn registry(secrets: &Arc<FakeSecrets>) -> ClientRegistry {
    ClientRegistry::new(Arc::clone(secrets) as _, ClientOptions::default())
}

async fn told(secrets: &Arc<FakeSecrets>, channel: Value) -> Delivery {
    registry(secrets).notify(&notice(channel)).await
}

fn why(delivery: &Delivery) -> &str {
    match delivery {
        Delivery::Failed { why, .. } | Delivery::Gone { why } => why,
        Delivery::Told => panic!("it was told"),
    }
}

#[tokio::test]
async fn a_cloud_event_says_what_happened_where_and_when_with_an_id_that_stays() {
    let site = Site::answering(204, "").await;
    let secrets = FakeSecrets::new([]);
    for _ in 0..2 {
        assert_eq!(told(&secrets, cloud_events(&site.url())).await, Delivery::Told);
    }
    let seen = site.seen();
    assert_eq!(
        seen[0].header("content-type"),
        Some("application/cloudevents+json; charset=utf-8")
    );
    assert_eq!(seen[0].header("webhook-signature"), None);
    assert_eq!(seen[0].body, seen[1].body);
    let event: Value = serde_json::from_str(&seen[0].body).unwrap();
    let expected = json!({
        "specversion": "1.0",
        "id": "1-abc-4_canary_wave-completed",
        "source": "/apis/wavepin.dev/v1alpha1/namespaces/apps/versionrollouts/main",
        "type": "dev.wavepin.rollout.wave.completed.v1",
        "subject": "canary",
        "time": "2023-11-14T22:13:20Z",
        "datacontenttype": "application/json",
        "data": {
            "rollout": "apps/main", "instance": "omni", "environment": "production", "version": 2, "attempt": 4,
            "plan": "1-abc-4", "what": "WaveCompleted", "wave": {"name": "canary", "tenants": 12, "moved": 11},
        },
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn with_a_secret_the_whole_event_is_signed_as_standard_webhooks_have_it() {
    let site = Site::answering(200, "<html>whatever</html>").await;
    let secrets = FakeSecrets::new([("signing", "whsec_c2VjcmV0")]);
    secrets.allow(&["127.0.0.1"]);
    assert_eq!(told(&secrets, signed(&site.url())).await, Delivery::Told);
    let seen = &site.seen()[0];
    let (id, at) = (
        seen.header("webhook-id").unwrap(),
        seen.header("webhook-timestamp").unwrap(),
    );
    assert_eq!(id, "1-abc-4_canary_wave-completed");
    let mut hmac: Hmac<Sha256> = Hmac::new_from_slice(b"secret").unwrap();
    hmac.update(format!("{id}.{at}.{}", seen.body).as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()));
    assert_eq!(seen.header("webhook-signature"), Some(signature.as_str()));
}

#[tokio::test]
async fn slack_gets_one_text_without_mentions_at_the_address_of_the_secret() {
    let site = Site::answering(200, "ok").await;
    let address = format!("{}/services/T0/B0/hunter2", site.url());
    let secrets = FakeSecrets::new([("url", address.as_str())]);
    let mut notice = notice(slack());
    notice.news.of = NotifyOn::RolledBack;
    notice.news.message = "anna: <!channel> & others".to_owned();
    assert_eq!(registry(&secrets).notify(&notice).await, Delivery::Told);
    let seen = &site.seen()[0];
    assert_eq!(seen.uri.path(), "/services/T0/B0/hunter2");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let text = body["text"].as_str().unwrap();
    for part in [
        "*production* of omni, to version 2: wave canary was stopped",
        "> anna: &lt;!channel&gt; &amp; others",
        "apps/main, attempt 4",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[rstest]
#[case::refused(400, vec![], "it answers 400", None)]
#[case::forbidden(403, vec![], "see that secretRef names what it takes", None)]
#[case::a_redirect(302, vec![("location", "https://elsewhere.example/hunter2".to_owned())], "no redirect is followed", None)]
#[case::broken(500, vec![], "it answers 500", None)]
#[case::too_many(429, vec![("retry-after", "90".to_owned())], "it answers 429", Some(90))]
#[tokio::test]
async fn what_is_not_taken_is_tried_again_when_the_other_side_wants_it(
    #[case] status: u16,
    #[case] headers: Vec<(&'static str, String)>,
    #[case] told_so: &str,
    #[case] wait: Option<i64>,
) {
    let site = Site::saying(move |_| (status, headers.clone(), "s3cret".to_owned())).await;
    let delivery = told(&FakeSecrets::new([]), cloud_events(&site.url())).await;
    let said = why(&delivery).to_owned();
    assert!(
        said.contains(told_so) && !said.contains("s3cret") && !said.contains("hunter2"),
        "{said}"
    );
    let wait = wait.map(SignedDuration::from_secs);
    assert_eq!(delivery, Delivery::Failed { why: said, wait });
    assert_eq!(site.seen().len(), 1, "nothing is sent twice in one try");
}

#[tokio::test]
async fn who_says_that_it_is_gone_is_believed() {
    let site = Site::answering(410, "").await;
    let delivery = told(&FakeSecrets::new([]), cloud_events(&site.url())).await;
    assert_eq!(
        delivery,
        Delivery::Gone {
            why: "it answers 410 Gone".to_owned()
        }
    );
}

#[tokio::test]
async fn who_takes_too_long_is_not_waited_for() {
    // It takes the connection, and never answers.
    let deaf = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let options = ClientOptions {
        request_timeout: std::time::Duration::from_millis(100),
        ..ClientOptions::default()
    };
    let registry = ClientRegistry::new(FakeSecrets::new([]) as _, options);
    let delivery = registry.notify(&notice(cloud_events(&url))).await;
    assert!(why(&delivery).contains("no whole answer within 100ms"), "{delivery:?}");
}

#[tokio::test]
async fn nothing_of_slacks_address_is_in_what_is_said_whatever_goes_wrong() {
    let away = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gone = format!("http://{}/services/hunter2", away.local_addr().unwrap());
    drop(away);
    let page = Site::answering(200, "<html>log in first: hunter2</html>").await;
    let page = format!("{}/services/hunter2", page.url());
    for (address, told_so) in [
        (gone.as_str(), "error sending request"),
        (page.as_str(), "not \"ok\""),
        ("hunter2", "is no address of an incoming webhook"),
        (
            "http://hunter2.example/services",
            "is no address of an incoming webhook",
        ),
        ("postgres://hunter2@db/app", "is no address of an incoming webhook"),
    ] {
        let secrets = FakeSecrets::new([("url", address)]);
        let delivery = told(&secrets, slack()).await;
        let said = why(&delivery);
        assert!(said.contains(told_so) && !said.contains("hunter2"), "{said}");
        assert!(!format!("{delivery:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_secret_goes_to_its_hosts_alone_and_one_that_is_absent_is_said() {
    let site = Site::answering(200, "ok").await;
    let address = format!("{}/services/hunter2", site.url());
    let secrets = FakeSecrets::new([("url", address.as_str()), ("signing", "hunter2")]);
    secrets.allow(&["hooks.slack.com"]);
    for channel in [slack(), signed(&site.url())] {
        let delivery = told(&secrets, channel).await;
        assert!(
            why(&delivery).contains("may not be sent to \"127.0.0.1\""),
            "{delivery:?}"
        );
    }
    assert!(site.seen().is_empty());

    let options = ClientOptions {
        require_hosts: true,
        ..ClientOptions::default()
    };
    let unsaid = FakeSecrets::new([("url", address.as_str())]);
    let strict = ClientRegistry::new(unsaid as _, options);
    let delivery = strict.notify(&notice(slack())).await;
    assert!(why(&delivery).contains("wavepin.dev/hosts"), "{delivery:?}");

    secrets.remove();
    let delivery = told(&secrets, slack()).await;
    assert!(
        why(&delivery).contains("Secret apps/hooks is not there; slack.secretRef of channel chat"),
        "{delivery:?}"
    );
    assert!(site.seen().is_empty());
}
