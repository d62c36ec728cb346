//! The rights of the chart: each is used, no other is asked for, and what happens without it is said where a person looks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use wavepin::resources::{ModelVersion, WaveApproval};

use super::bed::{Bed, FILES};
use crate::cluster::rights::{granted, texts, used};
use crate::cluster::{Installation, condition, eventually};

const PATIENCE: Duration = Duration::from_secs(45);

/// The Roles of the chart in the namespaces of an installation.
fn roles(cluster: &Installation) -> Vec<Value> {
    let namespaces = BTreeSet::from([&cluster.home, &cluster.namespace]);
    let lists = namespaces.into_iter().map(|namespace| {
        let get = ["-n", namespace, "get", "roles", "--output=json"];
        let list: Value = serde_json::from_str(&cluster.api_server.kubectl(&get).success()).unwrap();
        list["items"].as_array().cloned().unwrap()
    });
    lists.flatten().collect()
}

/// A rollout that nobody follows.
const ROLLOUT: &str = "
apiVersion: wavepin.dev/v1alpha1
kind: VersionRollout
metadata: {name: production}
spec: {instanceRef: {name: clinical}, environment: production, version: 1, waves: [{name: all}]}
---
apiVersion: wavepin.dev/v1alpha1
kind: WaveApproval
metadata: {name: early}
spec: {rolloutRef: {name: production}, wave: all, plan: 1-0123456789abcdef-7, approver: admin}
";

/// Says so when it goes.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Writes to an object as fast as the API server takes it: a `kubectl` for each write would rarely meet the moment between
/// a look and the writing of a status.
async fn label_on_and_on<K>(objects: Api<K>, name: &str)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    for n in 0_u64.. {
        let label = Patch::Merge(json!({"metadata": {"labels": {"often": format!("n{n}")}}}));
        objects.patch(name, &PatchParams::default(), &label).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_of_the_chart_is_used_and_no_other_is_asked_for() {
    let bed = Bed::on(Installation::apart("rights"), "rights").await;
    let cluster = &bed.cluster;
    // Something that version 2 has of its source, and that is let pass: there is something to tell of it.
    bed.old_issue();
    let controller = bed.controller("controller");
    cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: more}, data: {edits.yaml: '[]'}}");
    for file in FILES {
        let from = "    editsFrom: [{configMapRef: {name: more}}]\n    edits:\n";
        cluster.apply(&bed.manifest(file).replace("    edits:\n", from));
    }
    cluster.apply(ROLLOUT);
    // Somebody else writes to the objects all the while, so that a status meets a newer object and reads it again.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also where what follows fails: a scope waits for its threads.
        let _done = Done(&done);
        scope.spawn(|| {
            for n in 0.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                cluster.kubectl(&[
                    "label",
                    "--overwrite",
                    "omni,mv,tpin,wapp",
                    "--all",
                    &format!("count=n{n}"),
                ]);
            }
        });
        bed.all_ready("60s");
        cluster.kubectl(&["wait", "--for=condition=Complete", "vro/production", "--timeout=60s"]);
        let read_again = |kind: &str| used(cluster).0.contains(&("get".to_owned(), kind.to_owned()));
        let mut asked = 0;
        let client = cluster.api_server.client();
        let versions: Api<ModelVersion> = Api::namespaced(client.clone(), &cluster.namespace);
        let approvals: Api<WaveApproval> = Api::namespaced(client, &cluster.namespace);
        let hands = [
            tokio::spawn(label_on_and_on(versions, "clinical-v2")),
            tokio::spawn(label_on_and_on(approvals, "early")),
        ];
        eventually(
            "the status of a version and of an approval met a newer object",
            PATIENCE,
            || {
                asked += 1;
                bed.look_again(&format!("again-{asked}"));
                read_again("modelversions") && read_again("waveapprovals")
            },
        );
        hands.iter().for_each(tokio::task::JoinHandle::abort);
    });
    // What was found is written again where a ConfigMap says something else.
    let found = "configmap/clinical-v2-validation";
    cluster.kubectl(&["annotate", "--overwrite", found, "wavepin.dev/found=other"]);
    bed.ask_for_passes("found");
    eventually("the ConfigMap says what was found", PATIENCE, || {
        cluster.object(found)["metadata"]["annotations"]["wavepin.dev/found"] != "other"
    });
    // What is told once more is counted on the event that is there.
    let held = r#"{"spec": {"hold": {"reason": "quarter close"}, "version": 2}}"#;
    let free = r#"{"spec": {"hold": null, "version": 1}}"#;
    for time in ["first", "second"] {
        cluster.kubectl(&["patch", "tpin", "globex-production", "--type=merge", "-p", held]);
        bed.told("tpin/globex-production", "Waiting", "Held");
        cluster.kubectl(&["patch", "tpin", "globex-production", "--type=merge", "-p", free]);
        eventually(time, PATIENCE, || {
            condition(&cluster.object("tpin/globex-production"), "Waiting").is_none()
        });
    }
    // What the definitions take and the types do not is read by itself.
    cluster.kubectl(&[
        "patch",
        "omni",
        "clinical",
        "--type=merge",
        "-p",
        r#"{"spec": {"interval": "87601h"}}"#,
    ]);
    let never = r#"{"spec": {"requires": {"environment": "staging", "soak": "87601h"}}}"#;
    cluster.kubectl(&["patch", "tpin", "initech-production", "--type=merge", "-p", never]);
    let never = r#"{"spec": {"waves": [{"name": "all", "soak": "87601h"}]}}"#;
    cluster.kubectl(&["patch", "vro", "production", "--type=merge", "-p", never]);
    bed.told("vro/production", "Stalled", "Invalid");
    bed.told("omni/clinical", "Stalled", "Invalid");
    bed.told("tpin/initech-production", "Stalled", "Invalid");
    cluster.end("controller", controller);

    let (used, refused) = used(cluster);
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(used, *granted());
    let secrets = roles(cluster)
        .into_iter()
        .flat_map(|role| role["rules"].as_array().cloned().unwrap());
    let mut secrets = secrets.filter(|rule| rule["resources"] == json!(["secrets"]));
    assert_eq!(secrets.next().unwrap()["resourceNames"], json!(["omni"]));
    bed.simulator.shutdown().await;
}

/// Where a person is told that a right is missing.
enum Told {
    /// By `/readyz`.
    Gate,
    /// By a condition of the OmniInstance.
    Instance,
    /// By the log.
    Log,
}

/// A right, where its absence is told, what is said of it, and whether the rest of the work goes on.
const WITHOUT: [(&str, &str, Told, &str, bool); 12] = [
    (
        "list",
        "tenantpins",
        Told::Gate,
        "get, list and watch on tenantpins.wavepin.dev in namespace",
        false,
    ),
    (
        "list",
        "modelversions",
        Told::Gate,
        "get, list and watch on modelversions.wavepin.dev",
        false,
    ),
    (
        "list",
        "omniinstances",
        Told::Gate,
        "get, list and watch on omniinstances.wavepin.dev",
        false,
    ),
    ("get", "secrets", Told::Instance, "the verb `get` on it", true),
    (
        "patch",
        "tenantpins/status",
        Told::Log,
        "grant Wavepin's ServiceAccount patch on it",
        true,
    ),
    (
        "patch",
        "modelversions/status",
        Told::Log,
        "grant Wavepin's ServiceAccount patch on it",
        true,
    ),
    (
        "patch",
        "omniinstances/status",
        Told::Log,
        "grant Wavepin's ServiceAccount patch on it",
        true,
    ),
    (
        "get",
        "tenantpins",
        Told::Log,
        "cannot get resource \"tenantpins\"",
        true,
    ),
    ("create", "events", Told::Log, "cannot create resource \"events\"", true),
    (
        "get",
        "leases",
        Told::Gate,
        "get, create and update on leases.coordination.k8s.io",
        false,
    ),
    (
        "create",
        "leases",
        Told::Gate,
        "get, create and update on leases.coordination.k8s.io",
        false,
    ),
    (
        "update",
        "leases",
        // It makes the Lease, leads, cannot renew it, and ends; what comes after it cannot take it.
        Told::Log,
        "cannot update resource \"leases\"",
        false,
    ),
];

/// Takes a right out of the Roles of an installation.
pub(super) fn take(cluster: &Installation, verb: &str, resource: &str) {
    let mut taken = 0;
    for role in roles(cluster) {
        let mut rules = Vec::new();
        for rule in role["rules"].as_array().unwrap() {
            // A rule of many resources and verbs as one a resource, of which one loses the verb.
            for of in texts(&rule["resources"]) {
                let mut one = rule.clone();
                one["resources"] = json!([of]);
                if of == resource && texts(&rule["verbs"]).any(|it| it == verb) {
                    one["verbs"] = texts(&rule["verbs"]).filter(|it| it != verb).collect();
                    taken += 1;
                }
                if one["verbs"] != json!([]) {
                    rules.push(one);
                }
            }
        }
        let [namespace, name] = ["namespace", "name"].map(|it| role["metadata"][it].as_str().unwrap());
        let patch = json!({"rules": rules}).to_string();
        let args = ["-n", namespace, "patch", "role", name, "--type=merge", "-p", &patch];
        cluster.api_server.kubectl(&args).success();
    }
    assert!(taken > 0, "the chart does not grant {verb} on {resource}");
}

const OBJECTS: &str = r#"
apiVersion: wavepin.dev/v1alpha1
kind: OmniInstance
metadata: {name: acme}
spec: {baseUrl: "https://acme.example.com", apiKeySecretRef: {name: omni, key: key}, mapping: {urlSecretRef: {name: omni, key: url}}}
---
apiVersion: wavepin.dev/v1alpha1
kind: ModelVersion
metadata: {name: v1}
spec: {instanceRef: {name: acme}, version: 1, source: {adopt: {modelId: m, folderPath: f, dashboards: [{slug: s, identifier: 12db1a0a}]}}}
---
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: one}
spec: {instanceRef: {name: acme}, tenant: one, environment: staging, version: 1}
---
apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: unreadable}
spec: {instanceRef: {name: acme}, tenant: two, environment: staging, version: 1, requires: {environment: other, soak: 87601h}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_it_is_said_which_and_the_rest_goes_on() {
    // Some at once: two thirds of the time is waiting.
    for some in WITHOUT.chunks(4) {
        std::thread::scope(|scope| {
            for case in some {
                scope.spawn(move || without(case));
            }
        });
    }
}

fn without((verb, resource, told, words, goes_on): &(&str, &str, Told, &str, bool)) {
    let cluster = Installation::new("without");
    take(&cluster, verb, resource);
    cluster.apply(OBJECTS);
    let controller = cluster.start("controller", cluster.controller().args(["--lease", "4s"]));
    let what = format!("without {verb} on {resource} it says {words}");
    eventually(&what, PATIENCE, || match told {
        Told::Gate => cluster
            .readiness("controller")
            .is_some_and(|(status, text)| status == 503 && text.contains(words)),
        Told::Instance => cluster.object("omni/acme")["status"].to_string().contains(words),
        Told::Log => cluster.log("controller").contains(words),
    });
    let kinds = [
        ("omni/acme", "omniinstances"),
        ("mv/v1", "modelversions"),
        ("tpin/one", "tenantpins"),
    ];
    for (object, kind) in kinds.iter().filter(|_| *goes_on) {
        if resource.strip_suffix("/status") != Some(kind) {
            eventually(&format!("{object} is looked at {what}"), PATIENCE, || {
                cluster.object(object)["status"]["observedGeneration"] == 1
            });
        }
    }
    if *goes_on {
        cluster.end("controller", controller);
    }
}
