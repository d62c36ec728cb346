//! The alerts: well-formed, and each with an entry in the runbook.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

use crate::parts::promtool;

/// One alert of the chart.
#[derive(Debug)]
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) expr: String,
    pub(super) hold: String,
    pub(super) severity: String,
    annotations: Value,
}

pub(super) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/wavepin/files/alerts.yaml")
}

/// Every alert, in the order of the file.
pub(super) fn alerts() -> Vec<Alert> {
    let text = std::fs::read_to_string(file()).unwrap();
    let groups: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = groups["groups"].as_array().unwrap().iter();
    let rules = rules.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{value} is no text"))
            .to_owned()
    };
    rules
        .map(|rule| Alert {
            name: text(&rule["alert"]),
            expr: text(&rule["expr"]),
            hold: text(&rule["for"]),
            severity: text(&rule["labels"]["severity"]),
            annotations: rule["annotations"].clone(),
        })
        .collect()
}

#[test]
fn the_rules_are_as_prometheus_wants_them() {
    promtool::check_rules(&file());
}

#[test]
fn every_alert_says_what_it_means_and_has_an_entry_in_the_runbook_and_no_other_has() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let sections: Vec<(&str, &str)> = page
        .split("\n## ")
        .skip(1)
        .filter_map(|it| it.split_once('\n'))
        .collect();
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let annotation = |name: &str| alert.annotations[name].as_str().unwrap_or_default().to_owned();
        for name in ["summary", "description"] {
            assert!(annotation(name).len() > 20, "{} has no {name}", alert.name);
        }
        let anchor = format!("/docs/runbook.md#{}", alert.name.to_lowercase());
        assert!(
            annotation("runbook_url").ends_with(&anchor),
            "{}",
            annotation("runbook_url")
        );
        assert!(
            ["critical", "warning", "info"].contains(&alert.severity.as_str()),
            "{alert:?}"
        );
        let section = sections.iter().find(|(heading, _)| *heading == alert.name);
        let (_, text) = section.unwrap_or_else(|| panic!("docs/runbook.md has no entry {}", alert.name));
        for part in ["Meaning", "Impact on tenants", "How to look", "How to mend"] {
            assert!(text.contains(&format!("**{part}.**")), "{} lacks: {part}", alert.name);
        }
        assert!(names.insert(alert.name.clone()), "{} stands there twice", alert.name);
    }
    let headings: BTreeSet<String> = sections.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    assert_eq!(headings, names, "an entry of an alert that is gone");
}

#[test]
fn what_the_runbook_says_of_measures_is_there() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let measures = wavepin::telemetry::Measures::default();
    let known = |name: &str| measures.described().iter().any(|it| it.name == name);
    for name in Regex::new(r"\bwavepin_[a-z_]+").unwrap().find_iter(&page) {
        assert!(known(name.as_str()), "there is no {}", name.as_str());
    }
}
