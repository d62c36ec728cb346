//! The parts do what the other tests take for granted.

use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};

use super::{ApiServer, Family, Postgres};

/// Waits for what another process does in its own time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn kubectl_and_api_server_tell_their_versions() {
    let versions = ApiServer::shared().kubectl(&["version", "--output=json"]).success();
    let versions: serde_json::Value = serde_json::from_str(&versions).expect("kubectl prints JSON");
    for side in ["clientVersion", "serverVersion"] {
        let version = versions[side]["gitVersion"].as_str().expect("both have a version");
        // One built without its version says v0.0.0, and kubectl then warns about the difference.
        assert!(version.starts_with("v1."), "{side} is {version}");
    }
}

#[tokio::test]
async fn a_client_sees_what_kubectl_applied_in_a_fresh_namespace() {
    let api_server = ApiServer::shared();
    let namespace = api_server.namespace("smoke");
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: greeting}, data: {word: hello}}";
    api_server
        .kubectl_stdin(&["apply", "-n", &namespace, "-f", "-"], manifest)
        .success();

    let config_maps: Api<ConfigMap> = Api::namespaced(api_server.client(), &namespace);
    let listed = config_maps
        .list(&ListParams::default())
        .await
        .expect("the administrator may list");
    let greeting = listed
        .items
        .iter()
        .find(|map| map.metadata.name.as_deref() == Some("greeting"));
    let data = greeting.and_then(|map| map.data.as_ref()).expect("it was applied");
    assert_eq!(data["word"], "hello");
}

#[test]
fn a_token_that_nobody_gave_is_refused() {
    let api_server = ApiServer::shared();
    let kubeconfig = api_server.kubeconfig_of("made-up");
    let kubeconfig = kubeconfig.to_str().expect("temporary folders have plain names");
    let refusal = api_server
        .kubectl(&["--kubeconfig", kubeconfig, "get", "namespaces"])
        .failure();
    assert!(refusal.contains("must be logged in"), "{refusal}");
}

#[test]
fn a_service_account_may_do_what_rbac_gives_it_and_no_more() {
    let api_server = ApiServer::shared();
    let namespace = api_server.namespace("rbac");
    let run = |args: &[&str]| api_server.kubectl(&[&["-n", &namespace], args].concat());
    run(&["create", "serviceaccount", "reader"]).success();
    run(&["create", "role", "reader", "--verb=list", "--resource=configmaps"]).success();
    let subject = format!("--serviceaccount={namespace}:reader");
    run(&["create", "rolebinding", "reader", "--role=reader", &subject]).success();
    let token = run(&["create", "token", "reader"]).success();

    let kubeconfig = api_server.kubeconfig_of(token.trim());
    let kubeconfig = kubeconfig.to_str().expect("temporary folders have plain names");
    run(&["--kubeconfig", kubeconfig, "get", "configmaps"]).success();
    let refusal = run(&["--kubeconfig", kubeconfig, "get", "secrets"]).failure();
    assert!(refusal.contains("secrets is forbidden"), "{refusal}");
}

#[test]
fn a_deleted_namespace_goes_with_what_is_in_it() {
    let api_server = ApiServer::shared();
    let namespace = api_server.namespace("short-lived");
    api_server
        .kubectl(&["-n", &namespace, "create", "configmap", "greeting"])
        .success();
    api_server
        .kubectl(&["delete", "namespace", &namespace, "--timeout=60s"])
        .success();
    let gone = api_server
        .kubectl(&["-n", &namespace, "get", "configmap", "greeting"])
        .failure();
    assert!(gone.contains("NotFound"), "{gone}");
}

#[test]
fn the_audit_log_tells_who_did_what() {
    let api_server = ApiServer::shared();
    let namespace = api_server.namespace("audited");
    eventually("the creation is in the audit log", || {
        let log = std::fs::read_to_string(api_server.audit_log()).expect("the API server writes it");
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut created = events.filter(|event| event["objectRef"]["name"] == namespace && event["verb"] == "create");
        created.any(|event| event["user"]["username"] == "admin" && event["responseStatus"]["code"] == 201)
    });
}

#[test]
fn every_test_has_a_database_of_its_own() {
    let [one, other] = ["smoke", "smoke"].map(|prefix| Postgres::shared().database(prefix));
    one.psql("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('hello')");
    assert_eq!(one.psql("SELECT word, 1 FROM kept"), "hello|1\n");
    let refusal = other.try_psql("SELECT word FROM kept").failure();
    assert!(refusal.contains(r#"relation "kept" does not exist"#), "{refusal}");
    assert_ne!(one.name, other.name);
}

#[tokio::test]
async fn the_url_of_a_database_is_one_for_sqlx() {
    let database = Postgres::shared().database("smoke");
    let pool = sqlx::PgPool::connect(&database.url).await.expect("the server is up");
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&pool)
        .await
        .expect("it answers");
    assert_eq!(name, database.name);
}

#[test]
fn a_family_ends_with_its_owner_and_leaves_nothing() {
    let family = Family::new("smoke").expect("a shell is everywhere");
    let mut asked = family
        .spawn("asked", Command::new("sleep").arg("600"))
        .expect("it starts");
    let mut left = family
        .spawn("left", Command::new("sleep").arg("600"))
        .expect("it starts");
    assert!(asked.ended().is_none());
    assert!(!asked.terminate().success());

    let home = family.home().to_owned();
    assert!(family.log("left").starts_with(&home) && home.exists());
    // Left running, as by a test binary that is killed: only the pipe to the watchdog closes.
    std::thread::scope(|scope| {
        scope.spawn(|| drop(family));
        eventually("the process that was left ends", || left.ended().is_some());
    });
    assert!(!home.exists(), "{} is still there", home.display());
}
