//! What the chart lets the operator do, and what the API server saw it do.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use super::Installation;
use crate::parts::helm::{Helm, chart};

/// A verb on a resource, subresource included.
pub(crate) type Right = (String, String);

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> impl Iterator<Item = String> {
    let all = value.as_array().into_iter().flatten();
    all.map(|text| text.as_str().expect("a list of texts").to_owned())
}

/// All that the chart's Roles grant.
pub(crate) fn granted() -> &'static BTreeSet<Right> {
    static GRANTED: OnceLock<BTreeSet<Right>> = OnceLock::new();
    GRANTED.get_or_init(|| rendered("templates/rbac.yaml", "rbac.create=true"))
}

/// What the Roles of one of its templates grant.
fn rendered(template: &str, values: &str) -> BTreeSet<Right> {
    let image = "image.repository=registry.example.com/wavepin";
    let show = format!("--show-only={template}");
    let chart = chart("wavepin");
    let args = ["template", "wavepin", &chart, &show, "--set", image, "--set", values];
    let rendered = Helm::Three.run(&args).success();
    let mut rights = BTreeSet::new();
    for document in rendered.split("\n---\n") {
        let role: Value = serde_saphyr::from_str(document.trim_start_matches("---\n")).expect("YAML");
        for rule in role["rules"].as_array().into_iter().flatten() {
            for verb in texts(&rule["verbs"]) {
                rights.extend(texts(&rule["resources"]).map(|resource| (verb.clone(), resource)));
            }
        }
    }
    rights
}

/// All that they grant where the operator may see by itself that nobody approves as another.
pub(crate) fn grantable() -> &'static BTreeSet<Right> {
    static GRANTABLE: OnceLock<BTreeSet<Right>> = OnceLock::new();
    GRANTABLE.get_or_init(|| {
        let more = rendered("templates/approvals.yaml", "approvals.policy.enabled=true");
        granted().union(&more).cloned().collect()
    })
}

/// The rights that the requests of an installation's ServiceAccount took, as the API server wrote them down, and the
/// requests that it refused.
pub(crate) fn used(cluster: &Installation) -> (BTreeSet<Right>, Vec<String>) {
    let log = std::fs::read_to_string(cluster.api_server.audit_log()).expect("the API server writes it");
    let account = format!("system:serviceaccount:{}:wavepin", cluster.home);
    let (mut rights, mut refused) = (BTreeSet::new(), Vec::new());
    for line in log.lines().filter(|line| line.contains(&account)) {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let object = &event["objectRef"];
        // What everyone may ask, such as the published schemas, is about no object.
        if event["user"]["username"] != account || !object.is_object() {
            continue;
        }
        let mut resource = object["resource"]
            .as_str()
            .expect("an object is of a resource")
            .to_owned();
        if let Some(part) = object["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
            refused.push(line.to_owned());
        }
        rights.insert((
            event["verb"].as_str().expect("a request has a verb").to_owned(),
            resource,
        ));
    }
    (rights, refused)
}
