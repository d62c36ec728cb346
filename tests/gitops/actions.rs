//! What a person may ask of an object in Argo CD, asked by way of its own API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::bed::GitOps;
use crate::cluster::{condition, eventually};

/// One object of ours.
#[derive(Debug, Clone, Copy)]
struct Target {
    kind: &'static str,
    plural: &'static str,
    name: &'static str,
}

const INSTANCE: Target = Target {
    kind: "OmniInstance",
    plural: "omniinstances",
    name: "clinical",
};
const VERSION: Target = Target {
    kind: "ModelVersion",
    plural: "modelversions",
    name: "clinical-v1",
};
const PIN: Target = Target {
    kind: "TenantPin",
    plural: "tenantpins",
    name: "acme-corp-staging",
};

impl Target {
    fn object(self, it: &GitOps) -> Value {
        it.bed.cluster.object(&format!("{}/{}", self.plural, self.name))
    }
}

/// The object as the API's calls name it.
fn named(it: &GitOps, target: Target) -> [(&'static str, String); 7] {
    [
        ("appNamespace", it.argo_cd.namespace.clone()),
        ("project", "default".to_owned()),
        ("namespace", it.name().to_owned()),
        ("resourceName", target.name.to_owned()),
        ("version", "v1alpha1".to_owned()),
        ("group", "wavepin.dev".to_owned()),
        ("kind", target.kind.to_owned()),
    ]
}

/// Which actions are offered, each with whether it may be used now.
async fn offered(it: &GitOps, target: Target) -> BTreeMap<String, bool> {
    let url = format!("{}/applications/{}/resource/actions", it.argo_cd.api_url(), it.name());
    let query = reqwest::Client::new().get(url).query(&named(it, target));
    let answer = query.send().await.expect("Argo CD's API answers");
    let (status, text) = (answer.status(), answer.text().await.expect("a whole answer"));
    assert!(status.is_success(), "{status}: {text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let actions = answer["actions"].as_array().expect("a list");
    let offer = |it: &Value| (it["name"].as_str().expect("a name").to_owned(), it["disabled"] != true);
    actions.iter().map(offer).collect()
}

/// Waits until exactly these of all that are offered may be used: the API sees an object moments later.
async fn may_be_used(it: &GitOps, target: Target, usable: &[&str], unusable: &[&str]) {
    let usable = usable.iter().map(|name| ((*name).to_owned(), true));
    let unusable = unusable.iter().map(|name| ((*name).to_owned(), false));
    let wanted: BTreeMap<String, bool> = usable.chain(unusable).collect();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let now = offered(it, target).await;
        if now == wanted {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{target:?}: {now:?}, and not {wanted:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs an action as the button does.
async fn run(it: &GitOps, target: Target, action: &str) {
    let url = format!(
        "{}/applications/{}/resource/actions/v2",
        it.argo_cd.api_url(),
        it.name()
    );
    let mut body = json!({"name": it.name(), "action": action});
    for (field, value) in named(it, target) {
        body[field] = value.into();
    }
    let answer = reqwest::Client::new().post(url).json(&body).send().await;
    let answer = answer.expect("Argo CD's API answers");
    let (status, text) = (answer.status(), answer.text().await.expect("a whole answer"));
    assert!(status.is_success(), "{action} of {target:?}: {status}: {text}");
}

#[track_caller]
fn comes_to(it: &GitOps, target: Target, what: &str, holds: impl Fn(&Value) -> bool) {
    eventually(&format!("{target:?} {what}"), Duration::from_secs(30), || {
        holds(&target.object(it))
    });
}

fn is_ready(object: &Value) -> bool {
    let is_observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    is_observed && condition(object, "Ready").is_some_and(|ready| ready["status"] == "True")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_works_by_argo_cds_own_api_and_is_disabled_where_it_makes_no_sense() {
    let it = GitOps::new("gitops-actions").await;
    let controller = it.bed.controller("controller");
    let first = it.commit_the_first();
    it.hand_over();
    it.settles(&first, "Healthy");
    let before = it.record.len();

    for target in [INSTANCE, VERSION, PIN] {
        run(&it, target, "reconcile").await;
        comes_to(&it, target, "acknowledges the request", |object| {
            let request = &object["metadata"]["annotations"]["wavepin.dev/reconcile-requested-at"];
            request.is_string() && object["status"]["lastHandledReconcileAt"] == *request
        });
    }
    for target in [VERSION, INSTANCE] {
        may_be_used(&it, target, &["reconcile", "suspend"], &["resume"]).await;
        run(&it, target, "suspend").await;
        it.is_taken_for(target.kind, target.name, "Suspended");
        may_be_used(&it, target, &["resume"], &["reconcile", "suspend"]).await;
        if target.kind == INSTANCE.kind {
            // All that is of it rests too, and only it can be resumed.
            it.is_taken_for(PIN.kind, PIN.name, "Suspended");
            may_be_used(&it, PIN, &["hold"], &["reconcile", "release"]).await;
            may_be_used(&it, VERSION, &["suspend"], &["reconcile", "resume"]).await;
        }
        run(&it, target, "resume").await;
        comes_to(&it, target, "is ready again", is_ready);
    }
    a_pin_is_held_and_released(&it).await;
    // Git says nothing of what was asked for: it is no difference, and nobody heals it away.
    it.stays_in_sync(before);
    nothing_may_be_asked_of_what_is_being_deleted(&it).await;
    it.bed.cluster.end("controller", controller);
    it.bed.simulator.shutdown().await;
}

async fn a_pin_is_held_and_released(it: &GitOps) {
    may_be_used(it, PIN, &["reconcile", "hold"], &["release"]).await;
    run(it, PIN, "hold").await;
    comes_to(it, PIN, "is held", |object| {
        object["spec"]["hold"]["reason"] == "held in Argo CD"
    });
    may_be_used(it, PIN, &["reconcile", "release"], &["hold"]).await;
    run(it, PIN, "release").await;
    comes_to(it, PIN, "is released", |object| object["spec"]["hold"].is_null());
}

/// A finalizer of somebody else keeps them there.
async fn nothing_may_be_asked_of_what_is_being_deleted(it: &GitOps) {
    let cases: [(Target, &[&str]); 3] = [
        (INSTANCE, &["reconcile", "suspend", "resume"]),
        (VERSION, &["reconcile", "suspend", "resume"]),
        (PIN, &["reconcile", "hold", "release"]),
    ];
    let finalizers = |list: &str| format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
    for (target, actions) in cases {
        let patch = |list: &str| {
            let patch = finalizers(list);
            let args = ["patch", target.plural, target.name, "--type=merge", "--patch", &patch];
            it.bed.cluster.kubectl(&args);
        };
        patch("[\"example.com/keep\"]");
        it.bed
            .cluster
            .kubectl(&["delete", target.plural, target.name, "--wait=false"]);
        it.is_taken_for(target.kind, target.name, "Progressing");
        may_be_used(it, target, &[], actions).await;
        patch("null");
    }
}
