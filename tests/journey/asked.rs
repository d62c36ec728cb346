//! What people ask of a cluster, with their own rights: `wavepin explain`, `history` and `rollout status` without a folder.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::bed::{Bed, FILES};
use crate::cluster::condition;

/// A rollout of three tenants, the first of which rests as long as this.
fn rollout(version: i32, soak: &str) -> String {
    let canary = json!({"matchLabels": {"tier": "canary"}});
    json!({
        "apiVersion": "wavepin.dev/v1alpha1", "kind": "VersionRollout", "metadata": {"name": "live"},
        "spec": {"instanceRef": {"name": "clinical"}, "environment": "live", "version": version, "waves": [
            {"name": "canary", "selector": canary, "soak": soak}, {"name": "rest"},
        ]},
    })
    .to_string()
}

fn pins() -> String {
    let pins = [("first", "canary"), ("second", "late"), ("third", "late")].map(|(name, tier)| {
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
            "metadata": {"name": name, "labels": {"tier": tier}},
            "spec": {"instanceRef": {"name": "clinical"}, "tenant": name, "environment": "live"},
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": pins}).to_string()
}

/// Who may list what is ours, and nothing else.
fn reader() -> String {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": ["wavepin.dev"], "resources": ["*"], "verbs": ["list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader"}],
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}});
    json!({"apiVersion": "v1", "kind": "List", "items": [account, role, binding]}).to_string()
}

/// Asks with the rights of a kubeconfig; gives how that ended and what it printed.
pub(super) fn ask(
    bed: &Bed,
    kubeconfig: &std::path::Path,
    database: Option<&str>,
    words: &[&str],
) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavepin"));
    command
        .args(words)
        .args(["-n", &bed.cluster.namespace])
        .env("KUBECONFIG", kubeconfig);
    command.env_remove("WAVEPIN_DATABASE_URL");
    if let Some(url) = database {
        command.env("WAVEPIN_DATABASE_URL", url);
    }
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| command.output()).unwrap();
    let [said, told] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code(), said, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_ask_of_a_cluster_is_answered_with_their_own_rights() {
    let bed = Bed::new("asked").await;
    let controller = bed.controller("controller");
    for file in FILES {
        bed.cluster.apply(&bed.manifest(file));
    }
    bed.all_ready("60s");
    bed.cluster.apply(&pins());
    bed.cluster.apply(&rollout(1, "0s"));
    bed.cluster
        .kubectl(&["wait", "--for=condition=Complete", "vro/live", "--timeout=60s"]);
    bed.cluster.apply(&rollout(2, "24h"));
    let status = bed.told("vro/live", "Waiting", "Soaking");

    let admin = bed.cluster.api_server.kubeconfig();
    let tenant = ["explain", "tenant", "third"];
    let (code, said, told) = ask(&bed, &admin, None, &tenant);
    assert_eq!(code, Some(3), "{said}{told}");
    let until = status.rsplit_once("soaks until ").unwrap().1;
    for part in [
        "  1. its row holds version 1 since ",
        "VersionRollout",
        &format!("Soaking: wave canary comes before it: wave canary soaks until {until}"),
        "Ends by itself at ",
    ] {
        assert!(said.contains(part), "{part:?} in\n{said}");
    }
    // The same as the status, word for word.
    let (code, said, _) = ask(&bed, &admin, None, &["rollout", "status", "live", "-o", "json"]);
    assert_eq!(code, Some(3), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let object = bed.cluster.object("vro/live");
    assert_eq!(told["waves"][0]["openedAt"], object["status"]["waves"][0]["openedAt"]);
    let message = condition(&object, "Waiting").unwrap()["message"].as_str().unwrap();
    let last = told["causes"].as_array().unwrap().last().unwrap();
    assert!(message.ends_with(last["what"].as_str().unwrap()), "{message}\n{last}");
    let (code, said, _) = ask(
        &bed,
        &admin,
        None,
        &["history", "--rollout", "live", "--environment", "live"],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("wave canary opened, with 1 tenants"), "{said}");

    // Who may not read the Secret with the URL is told so, and can give one.
    bed.cluster.apply(&reader());
    let token = bed.cluster.kubectl(&["create", "token", "reader"]);
    let reader = bed.cluster.api_server.kubeconfig_of(token.trim());
    let (code, said, told) = ask(&bed, &reader, None, &tenant);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{told}");
    assert!(
        told.contains("forbidden") && told.contains("--database-url") && !told.contains(&bed.database.url),
        "{told}"
    );
    let (code, said, told) = ask(&bed, &reader, Some(&bed.database.url), &tenant);
    assert_eq!(code, Some(3), "{said}{told}");
    assert!(said.contains("Soaking: wave canary comes before it"), "{said}");
    bed.cluster.kubectl(&["delete", "rolebinding", "reader"]);
    let (code, _, told) = ask(&bed, &reader, Some(&bed.database.url), &tenant);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("omniinstances in namespace") && told.contains("have the verb `list` on them granted to you"),
        "{told}"
    );

    // Followed to its end.
    bed.cluster.apply(&rollout(2, "1s"));
    let follow = ["rollout", "status", "live", "--watch"];
    let (code, said, told) = ask(&bed, &admin, None, &follow);
    assert_eq!(code, Some(0), "{said}{told}");
    assert!(
        said.ends_with("RolledOut: tenants of clinical in live, to version 2: every wave has ended\n"),
        "{said}"
    );
    bed.cluster.end("controller", controller);
    bed.simulator.shutdown().await;
}
