//! The manifests of `examples/argocd` and `examples/flux`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::bed::WAVES;

/// A file of the examples.
#[track_caller]
fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Application that every test here is synced by.
#[track_caller]
pub(super) fn application() -> String {
    example("argocd/application.yaml")
}

/// The page about GitOps.
fn page() -> String {
    example("../docs/gitops.md")
}

#[test]
fn the_application_and_the_page_say_the_waves_that_the_tests_sync_by() {
    for (kind, wave) in WAVES {
        let article = if kind.starts_with('O') { "an" } else { "a" };
        let told = format!("`\"{wave}\"` for {article} {kind}");
        assert!(page().contains(&told), "docs/gitops.md lacks {told}");
        let told = format!("#   {kind:<16}argocd.argoproj.io/sync-wave: \"{wave}\"\n");
        assert!(application().contains(&told), "application.yaml lacks {told}");
    }
}

#[test]
fn every_action_is_offered_defined_and_documented() {
    for (kind, _) in WAVES {
        let text = example(&format!("../charts/wavepin/files/argocd/actions/{kind}.yaml"));
        let actions: Value = serde_saphyr::from_str(&text).expect("YAML");
        let discovery = actions["discovery.lua"].as_str().expect("it offers some");
        let defined = actions["definitions"].as_array().expect("a list");
        let defined: BTreeSet<&str> = defined.iter().filter_map(|it| it["name"].as_str()).collect();
        let offered = discovery.split("[\"").skip(1).filter_map(|rest| rest.split('"').next());
        assert_eq!(offered.collect::<BTreeSet<_>>(), defined, "{kind}");
        for action in defined {
            assert!(page().contains(&format!("`{action}`")), "docs/gitops.md lacks {action}");
        }
    }
}

/// What the schemas of tests/chart do not see: the names by which one object leads to another.
#[test]
fn the_examples_of_flux_lead_to_what_is_there() {
    let kinds = |file: &str| -> Vec<Value> {
        let text = example(file);
        let documents = text.split("\n---\n");
        documents.map(|it| serde_saphyr::from_str(it).expect("YAML")).collect()
    };
    let kustomization = kinds("flux/kustomization.yaml");
    assert_eq!(kustomization[0]["kind"], "GitRepository");
    assert_eq!(
        kustomization[1]["spec"]["sourceRef"]["name"],
        kustomization[0]["metadata"]["name"]
    );
    assert_eq!(kustomization[1]["spec"]["wait"], true);
    let release = kinds("flux/helmrelease.yaml");
    let chart = &release[1]["spec"]["chart"]["spec"];
    assert_eq!(chart["sourceRef"]["name"], release[0]["metadata"]["name"]);
    let chart = chart["chart"].as_str().expect("a path");
    assert!(example(&format!("../{chart}/Chart.yaml")).contains("name: wavepin\n"));
}
