//! What the charts render, held to schemas for every combination of values that changes their shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{IMAGE, documents, render, schemas, template};
use crate::parts::generated;
use crate::parts::helm::{Helm, chart, tool};

/// Axes of the matrix: every choice of an axis is rendered with every choice of the two next to it.
const AXES: [&[&str]; 9] = [
    &["", "replicas=1", "replicas=3,podDisruptionBudget.enabled=false"],
    &["", "watch.namespaces={apps,bi}", "watch.allNamespaces=true"],
    &[
        "",
        "secrets.names={omni,app-database},configMaps.names={edits},configMaps.reports=false",
        "secrets.requireHosts=false",
    ],
    &[
        "",
        "replicas=1,database.sqlite.enabled=true",
        "replicas=1,database.sqlite.enabled=true,database.sqlite.existingClaim=old",
        "database.urlSecret.name=app-database",
    ],
    &["", "crds.keep=false", "crds.enabled=false"],
    &[
        "",
        "serviceAccount.create=false",
        "serviceAccount.name=other,serviceAccount.annotations.a=b",
        "rbac.create=false",
    ],
    &[
        "",
        "networkPolicy.enabled=false,argocd.configMap.enabled=true",
        "approvals.policy.enabled=true,approvals.approverRole.create=true",
        "networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus,networkPolicy.checkPorts={9090},networkPolicy.notifyPorts={8080},networkPolicy.extraEgress[0].ports[0].port=3128",
    ],
    &[
        "",
        "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef,imagePullSecrets[0].name=pull",
        "nodeSelector.disk=ssd,tolerations[0].operator=Exists,priorityClassName=high,extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128,extraVolumes[0].name=ca,extraVolumes[0].configMap.name=ca,extraVolumeMounts[0].name=ca,extraVolumeMounts[0].mountPath=/ca,extraArgs={--database-url=}",
        "commonLabels.team=bi,podLabels.team=bi,podAnnotations.a=b,extraObjects[0].apiVersion=v1,extraObjects[0].kind=ConfigMap,extraObjects[0].metadata.name=more",
    ],
    &[
        "",
        "metrics.podMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true",
        "metrics.podMonitor.enabled=true,metrics.podMonitor.interval=1m,metrics.podMonitor.labels.release=prometheus",
    ],
];

/// Every pair of neighbouring choices, and each choice alone.
fn combinations() -> Vec<Vec<&'static str>> {
    let mut combinations = Vec::new();
    for (at, axis) in AXES.iter().enumerate() {
        let next = AXES[(at + 1) % AXES.len()];
        for one in *axis {
            for other in next {
                let both = [*one, *other].into_iter().filter(|it| !it.is_empty());
                combinations.push(both.collect());
            }
        }
    }
    combinations.sort_unstable();
    combinations.dedup();
    // SQLite with the replicas of another axis contradicts itself, which refusals.rs shows.
    combinations.retain(|set: &Vec<&str>| {
        let sqlite = set.iter().any(|it| it.contains("sqlite"));
        !(sqlite && set.iter().any(|it| it.contains("replicas=3")))
    });
    combinations
}

#[test]
fn every_combination_of_values_renders_what_the_schemas_of_kubernetes_and_of_the_definitions_allow() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas::write(folder.path());
    let combinations = combinations();
    assert!(combinations.len() > 60, "{}", combinations.len());
    let mut everything = String::new();
    for set in &combinations {
        let mut args = vec!["--set", IMAGE];
        for values in set {
            args.extend(["--set", values]);
        }
        let rendered = render("wavepin", &args);
        assert!(rendered.contains("kind: Deployment"), "{set:?}:\n{rendered}");
        everything += &rendered;
    }
    let example = format!("{}/examples/values/resources.yaml", env!("CARGO_MANIFEST_DIR"));
    everything += &render("wavepin-resources", &["--values", &example]);
    let approval = r#"{"rest-1": {"spec": {"rolloutRef": {"name": "production"}, "wave": "rest",
        "plan": "1-0123456789abcdef-1", "approver": "jane"}}}"#;
    let approvals = format!("approvals={approval}");
    let approved = render("wavepin-resources", &["--values", &example, "--set-json", &approvals]);
    assert!(approved.contains("kind: WaveApproval"), "{approved}");
    everything += &approved;
    let told = tool(
        "kubeconform",
        &["-strict", "-summary", "-output=json", "-schema-location", &schemas, "-"],
        &everything,
    );
    let told = told.success();
    let told: Value = serde_json::from_str(&told).unwrap();
    let count = |what: &str| told["summary"][what].as_u64().unwrap();
    assert_eq!(
        (count("invalid"), count("errors"), count("skipped")),
        (0, 0, 0),
        "{told}"
    );
    // Each has a Deployment, a Role and a binding at least.
    assert!(count("valid") > 3 * combinations.len() as u64, "{told}");
}

#[test]
fn what_no_schema_allows_is_seen_by_the_same_check() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas::write(folder.path());
    let check = |manifest: &str| tool("kubeconform", &["-strict", "-schema-location", &schemas, "-"], manifest);
    let pin = "apiVersion: wavepin.dev/v1alpha1\nkind: TenantPin\nmetadata: {name: a}\nspec: {instanceRef: {name: a}, tenant: a, environment: b, version: 1";
    check(&format!("{pin}}}")).success();
    assert!(!check(&format!("{pin}, versoin: 2}}")).status.success());
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{verbs: [get]";
    check(&format!("{role}}}]")).success();
    assert!(!check(&format!("{role}, verb: get}}]")).status.success());
}

#[test]
fn the_examples_of_flux_are_what_its_definitions_allow() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = schemas::write(folder.path());
    let check = |manifest: &str| tool("kubeconform", &["-strict", "-schema-location", &schemas, "-"], manifest);
    for file in ["helmrelease.yaml", "kustomization.yaml"] {
        let path = format!("{}/examples/flux/{file}", env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(path).unwrap();
        check(&manifest).success();
        for field in ["interval:", "sourceRef:"] {
            let misspelt = manifest.replacen(field, &format!("x{field}"), 2);
            assert!(!check(&misspelt).status.success(), "{file}: {field}");
        }
    }
}

#[test]
fn lint_finds_nothing_with_either_helm() {
    for helm in Helm::BOTH {
        for (name, values) in [("wavepin", IMAGE), ("wavepin-resources", "keep=true")] {
            let said = helm.run(&["lint", "--strict", "--set", values, &chart(name)]).success();
            assert!(said.contains("0 chart(s) failed"), "{said}");
        }
    }
}

#[test]
fn the_default_render_is_what_was_reviewed_and_the_same_with_either_helm() {
    let [three, four] = Helm::BOTH.map(|helm| {
        let args = ["--set", IMAGE, "--set", "crds.enabled=false"];
        template(helm, "wavepin", &args).success()
    });
    let of_kind = |text: &str| {
        let mut all: BTreeMap<String, Value> = BTreeMap::new();
        for document in documents(text) {
            all.insert(
                format!("{} {}", document["kind"], document["metadata"]["name"]),
                document,
            );
        }
        all
    };
    assert_eq!(of_kind(&three), of_kind(&four));
    generated::holds("examples/kubectl/wavepin.yaml", &three);
}

#[test]
fn the_definitions_of_the_chart_are_those_of_the_folder_with_a_word_on_their_end() {
    for (keep, kept) in [("true", json!("keep")), ("false", Value::Null)] {
        let rendered = render("wavepin", &["--set", IMAGE, "--set", &format!("crds.keep={keep}")]);
        let mut definitions = documents(&rendered);
        definitions.retain(|document| document["kind"] == "CustomResourceDefinition");
        assert_eq!(definitions.len(), 5);
        for mut definition in definitions {
            let name = definition["spec"]["names"]["plural"].as_str().unwrap().to_owned();
            let file = format!("{}/crds/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let of_folder: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], kept);
            definition["metadata"] = of_folder["metadata"].clone();
            assert_eq!(definition, of_folder);
        }
    }
}

#[test]
fn what_the_values_say_stands_in_the_deployment() {
    let pod = |set: &str| {
        let rendered = render("wavepin", &["--set", IMAGE, "--set", set]);
        let documents = documents(&rendered);
        let deployment = documents.iter().find(|document| document["kind"] == "Deployment");
        deployment.unwrap()["spec"].clone()
    };
    let default = pod("replicas=2");
    let container = &default["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/wavepin:0.1.0");
    let args = [
        "controller",
        "--namespace=wavepin",
        "--lease-name=wavepin",
        "--request-timeout=60s",
        "--require-hosts",
    ];
    assert_eq!(container["args"], json!(args));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let sqlite = pod("replicas=1,database.sqlite.enabled=true");
    assert_eq!(sqlite["strategy"], json!({"type": "Recreate"}));
    let text = sqlite.to_string();
    assert!(
        text.contains("sqlite:/data/wavepin.sqlite") && text.contains(r#""claimName":"wavepin""#),
        "{text}"
    );
    let url = pod("database.urlSecret.name=app-database").to_string();
    assert!(
        url.contains(r#"{"secretKeyRef":{"key":"url","name":"app-database"}}"#),
        "{url}"
    );
    let verified = pod("approvals.policy.enabled=true").to_string();
    assert!(
        verified.contains(r#""--approval-policy=wavepin-wavepin-approver""#),
        "{verified}"
    );
    let argo = render("wavepin", &["--set", IMAGE, "--set", "argocd.configMap.enabled=true"]);
    let argo = documents(&argo)
        .into_iter()
        .find(|document| document["metadata"]["name"] == "argocd-cm")
        .unwrap();
    assert_eq!(argo["metadata"]["labels"]["app.kubernetes.io/part-of"], "argocd");
    let entries: Vec<&String> = argo["data"].as_object().unwrap().keys().collect();
    assert_eq!(entries.len(), 2 * 5, "{entries:?}");
    let health = argo["data"]["resource.customizations.health.wavepin.dev_TenantPin"]
        .as_str()
        .unwrap();
    assert!(
        health.trim_end().ends_with("return told(\"Healthy\", ready)"),
        "{health}"
    );
    let more = r#"extraObjects=[{"kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}]"#;
    let more = render("wavepin", &["--set", IMAGE, "--set-json", more]);
    assert!(
        more.contains("name: 'wavepin-more'") || more.contains("name: wavepin-more"),
        "{more}"
    );
    let many = pod("watch.namespaces={b,a}").to_string();
    assert!(
        many.contains(r#""--namespace=a","--namespace=b""#) && !many.contains("--namespace=wavepin"),
        "{many}"
    );
    let all = pod("watch.allNamespaces=true").to_string();
    assert!(!all.contains("--namespace"), "{all}");
}
