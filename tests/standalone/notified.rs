//! Tenants that move by waves, and who is told of it over HTTP: with one process after the other.

use std::io::Read as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::bench::Bench;
use super::rollout::following;
use crate::parts::Site;

/// A word of an address that nobody shall read anywhere.
const HIDDEN: &str = "T0B0-hunter2";

/// The rollout of two waves, done for version 1, without soaks; nobody is told of it.
async fn at_rest() -> Bench {
    let bench = following().await;
    bench.edit("rollout.yaml", ", soak: 24h", "");
    bench.apply(&[]).ended_with(0);
    bench
}

/// Sets the target to 2, with a channel of CloudEvents.
fn roll_out_telling(bench: &Bench, url: &str) {
    let notify = format!("  notify: [{{name: ops, cloudEvents: {{url: \"{url}\"}}}}]");
    bench.edit("rollout.yaml", "  version: 1", &format!("  version: 2\n{notify}"));
}

/// The types and subjects of the events that came, and their ids.
fn events(bodies: &[(String, String)]) -> (Vec<String>, Vec<String>) {
    let events = bodies
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
    let events: Vec<Value> = events.collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let types = events
        .iter()
        .map(|event| format!("{} {}", text(&event["type"]), text(&event["subject"])));
    let types = types.map(|it| it.trim().to_owned()).collect();
    (types, events.iter().map(|event| text(&event["id"])).collect())
}

fn fields(object: &Value) -> Vec<&String> {
    let mut fields: Vec<_> = object.as_object().unwrap().keys().collect();
    fields.sort();
    fields
}

const ALL: [&str; 4] = [
    "dev.wavepin.rollout.started.v1",
    "dev.wavepin.rollout.wave.completed.v1 canary",
    "dev.wavepin.rollout.wave.completed.v1 rest",
    "dev.wavepin.rollout.completed.v1",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_of_two_waves_tells_each_once_and_nothing_of_before() {
    let bench = at_rest().await;
    let site = Site::saying(json!({})).await;
    roll_out_telling(&bench, &site.url);
    bench.look("plan", &["--ledger-only"]).ended_with(0);
    assert!(site.asked().is_empty(), "a plan tells nobody");
    bench.apply(&[]).ended_with(0);
    let (types, _) = events(&site.asked());
    assert_eq!(types, ALL);
    let event: Value = serde_json::from_str(&site.asked()[1].1).unwrap();
    assert_eq!(
        event["source"],
        "/apis/wavepin.dev/v1alpha1/namespaces/default/versionrollouts/production"
    );
    assert_eq!(
        event["data"]["wave"],
        json!({"name": "canary", "tenants": 1, "moved": 1})
    );
    assert_eq!(event["data"]["version"], 2);
    let page = include_str!("../../docs/notifications.md");
    let shown = page
        .split("```json\n")
        .nth(1)
        .and_then(|it| it.split("```").next())
        .unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(
        (fields(&shown), fields(&shown["data"])),
        (fields(&event), fields(&event["data"]))
    );

    let contents = bench.contents().await;
    bench.apply(&[]).ended_with(0);
    assert_eq!((site.asked().len(), bench.contents().await), (ALL.len(), contents));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tells_its_webhook_of_both_waves_and_slack_of_nothing_that_needs_no_person() {
    let bench = at_rest().await;
    let site = Site::saying(json!({})).await;
    let example = include_str!("../../examples/notify/rollout.yaml");
    bench.write("rollout.yaml", &example.replace("http://127.0.0.1:8080", &site.url));
    bench.apply(&[]).ended_with(0);
    assert_eq!(events(&site.asked()).0, ALL);
    assert!(site.asked().iter().all(|(path, _)| path == "/wavepin"));
    let channels = bench
        .ask("SELECT name, tries FROM wavepin_rollout_channel ORDER BY name")
        .await;
    assert_eq!(channels, ["on-call|0", "pipeline|0"]);
}

/// Takes one request, whole, and keeps the other side waiting for an answer.
fn taken(listener: &TcpListener) -> (std::net::TcpStream, String) {
    let (mut connection, _) = listener.accept().expect("it is asked");
    let (mut request, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let read = connection.read(&mut buffer).expect("it sends a request");
        assert!(read > 0, "it ended early: {request}");
        request.push_str(&String::from_utf8_lossy(&buffer[..read]));
        if let Some((_, body)) = request.split_once("\r\n\r\n")
            && serde_json::from_str::<Value>(body).is_ok()
        {
            let body = body.to_owned();
            return (connection, body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_before_it_knows_that_it_told_tells_it_again_with_the_same_id() {
    let bench = at_rest().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    roll_out_telling(&bench, &url);
    let mut process = bench.command(&[]).spawn().unwrap();
    let (connection, first) = taken(&listener);
    process.kill().unwrap();
    process.wait().unwrap();
    drop(connection);
    let rows = bench.rows().await;
    let moved = ["acme-corp|production|2", "globex|production|2"];
    assert!(
        moved.iter().all(|row| rows.iter().any(|it| it == row)),
        "everybody has moved before anybody is told: {rows:?}"
    );

    let site = Site::saying(json!({})).await;
    bench.edit("rollout.yaml", &url, &site.url);
    bench.apply(&[]).ended_with(0);
    let (types, ids) = events(&site.asked());
    let (_, again) = events(&[(String::new(), first)]);
    assert_eq!(types, ALL);
    assert_eq!(ids[0], again[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_down_holds_nobody_and_is_told_all_of_it_once_it_is_up() {
    let bench = at_rest().await;
    let away = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", away.local_addr().unwrap());
    drop(away);
    roll_out_telling(&bench, &url);
    let done = bench.apply(&[]).ended_with(0);
    assert!(done.stdout.contains("3/3"), "{}", done.stdout);
    assert!(
        done.stderr
            .contains("VersionRollout/production  ReceiverFailing: channel ops cannot be told"),
        "{}",
        done.stderr
    );
    let why = "SELECT why FROM wavepin_rollout_channel WHERE tries = 1 AND retry_at > failing_since";
    let why = bench.ask(why).await;
    assert!(why.len() == 1 && why[0].contains("error sending request"), "{why:?}");
    bench.apply(&[]).ended_with(0);
    let tries = bench.ask("SELECT tries FROM wavepin_rollout_channel").await;
    assert_eq!(tries, ["1"], "it is not tried before its pause has passed");

    // A channel that is declared otherwise is tried at once.
    let site = Site::saying(json!({})).await;
    bench.edit("rollout.yaml", &url, &site.url);
    bench.apply(&[]).ended_with(0);
    assert_eq!(events(&site.asked()).0, ALL);
    let left = "SELECT tries || ' ' || why FROM wavepin_rollout_channel";
    assert_eq!(bench.ask(left).await, ["0 "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_slack_is_told_to_nobody_whatever_it_answers() {
    let bench = at_rest().await;
    let site = Site::saying(json!({"page": format!("log in to {HIDDEN}")})).await;
    let address = format!("{}/services/{HIDDEN}", site.url);
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: slack\n  annotations: {{wavepin.dev/hosts: \"127.0.0.1\"}}\n\
         stringData: {{url: \"{address}\"}}\n"
    );
    let notify = "  notify: [{name: chat, slack: {secretRef: {name: slack, key: url}}}]";
    bench.edit("rollout.yaml", "  version: 1", &format!("  version: 2\n{notify}"));

    // Without the Secret the rollout goes on, and says what is lacking.
    let done = bench.apply(&[]).ended_with(0);
    assert!(done.stdout.contains("3/3"), "{}", done.stdout);
    let lacking = bench.ask("SELECT why FROM wavepin_rollout_channel").await;
    assert!(lacking[0].contains("Secret default/slack is not there"), "{lacking:?}");

    bench.write("slack.yaml", &secret);
    bench.by_hand("UPDATE wavepin_rollout_channel SET retry_at = 0").await;
    let ran = bench.apply(&["--log", "trace"]).ended_with(0);
    assert_eq!(site.asked().len(), 1);
    assert_eq!(site.asked()[0].0, format!("/services/{HIDDEN}"));
    let body: Value = serde_json::from_str(&site.asked()[0].1).unwrap();
    assert!(
        body["text"]
            .as_str()
            .unwrap()
            .contains("to version 2: the rollout begins"),
        "{body}"
    );
    let why = bench.ask("SELECT why FROM wavepin_rollout_channel").await;
    assert!(why[0].contains("not \"ok\""), "{why:?}");
    let kept = bench.contents().await.join("\n");
    for (told, what) in [
        (&ran.stdout, "stdout"),
        (&ran.stderr, "stderr"),
        (&kept, "the database"),
    ] {
        assert!(!told.contains(HIDDEN), "{what} tells the address:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_can_tell_nobody_are_refused_before_anything_moves() {
    let bench = at_rest().await;
    let rows = bench.rows().await;
    for (notify, told) in [
        ("[{name: a}]", "spec.notify[0] tells nobody"),
        (
            "[{name: a, cloudEvents: {url: \"http://hooks.example\"}}]",
            "spec.notify[0].cloudEvents.url is plain http",
        ),
        (
            "[{name: a, cloudEvents: {url: \"https://a.example\"}}, {name: a, cloudEvents: {url: \"https://b.example\"}}]",
            "spec.notify has \"a\" twice",
        ),
    ] {
        let line = format!("  version: 2\n  notify: {notify}");
        bench.edit("rollout.yaml", "  version: 1", &line);
        let refused = bench.apply(&[]).ended_with(2);
        assert!(
            refused.stdout.contains(told) || refused.stderr.contains(told),
            "{told}: {refused:?}"
        );
        assert_eq!(bench.rows().await, rows);
        bench.edit("rollout.yaml", &line, "  version: 1");
    }
}
