//! The chart hands Prometheus and Grafana what the tests beside this one have held to a real run.

use serde_json::Value;

use super::rules;
use crate::parts::helm::{Helm, chart};

/// What is switched, and the kind of what it makes.
const SWITCHES: [(&str, &str); 3] = [
    ("podMonitor", "PodMonitor"),
    ("prometheusRule", "PrometheusRule"),
    ("dashboard", "ConfigMap"),
];

/// Every document that Helm renders with these switched on, each with a label of the user's.
fn rendered(helm: Helm, on: &[&str]) -> Vec<Value> {
    let chart = chart("wavepin");
    let own = ["image.repository=registry.example.com/wavepin", "crds.enabled=false"].map(str::to_owned);
    let switches = on.iter().flat_map(|it| {
        let enabled = format!("metrics.{it}.enabled=true");
        [enabled, format!("metrics.{it}.labels.mine=yes")]
    });
    let sets: Vec<String> = own.into_iter().chain(switches).collect();
    let mut args = vec!["template", "watched", &chart, "--namespace", "monitored"];
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    let text = helm.run(&args).success();
    let documents = text.split("\n---\n").map(|it| serde_saphyr::from_str(it).unwrap());
    documents.filter(|it: &Value| it.is_object()).collect()
}

fn one<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|it| it["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    one
}

#[test]
fn each_is_made_where_it_is_switched_on_alone() {
    let kinds = |on: &[&str]| {
        let documents = rendered(Helm::Three, on).into_iter();
        let kinds = documents.filter_map(|it| it["kind"].as_str().map(str::to_owned));
        let made = |kind: &String| SWITCHES.iter().any(|(_, made)| made == kind);
        kinds.filter(made).collect::<Vec<_>>()
    };
    assert!(kinds(&[]).is_empty());
    for (switch, kind) in SWITCHES {
        assert_eq!(kinds(&[switch]), [kind]);
    }
}

#[test]
fn both_helms_hand_on_the_rules_and_the_dashboard_as_they_are() {
    let folder = rules::file();
    let file = |name: &str| std::fs::read_to_string(folder.with_file_name(name)).unwrap();
    for helm in Helm::BOTH {
        let documents = rendered(helm, &SWITCHES.map(|(switch, _)| switch));
        for (_, kind) in SWITCHES {
            assert_eq!(one(&documents, kind)["metadata"]["labels"]["mine"], "yes", "{kind}");
        }
        let rules: Value = serde_saphyr::from_str(&file("alerts.yaml")).unwrap();
        assert_eq!(one(&documents, "PrometheusRule")["spec"], rules);
        let board = one(&documents, "ConfigMap");
        assert_eq!(board["metadata"]["labels"]["grafana_dashboard"], "1");
        let handed_on: Value = serde_json::from_str(board["data"]["wavepin.json"].as_str().unwrap()).unwrap();
        assert_eq!(
            handed_on,
            serde_json::from_str::<Value>(&file("dashboard.json")).unwrap()
        );
    }
}

#[test]
fn the_pods_of_the_deployment_are_the_ones_that_are_scraped() {
    let documents = rendered(Helm::Three, &["podMonitor"]);
    let (monitor, deployment) = (one(&documents, "PodMonitor"), one(&documents, "Deployment"));
    let template = &deployment["spec"]["template"];
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&template["metadata"]["labels"][label], value, "{label}");
    }
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let mut ports = template["spec"]["containers"][0]["ports"].as_array().unwrap().iter();
    assert!(ports.any(|port| port["name"] == endpoint["port"]), "{endpoint}");
    assert_eq!(monitor["spec"]["namespaceSelector"]["matchNames"][0], "monitored");
}
