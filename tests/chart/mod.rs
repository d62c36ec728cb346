//! The charts: what they render, what they refuse, and that their pages say so.

mod pages;
mod refusals;
mod render;
mod schemas;

use crate::parts::Output;
use crate::parts::helm::{Helm, chart};

/// The least that a user must set.
const IMAGE: &str = "image.repository=registry.example.com/wavepin";

/// Renders a chart with Helm 3 as a release `wavepin` in the namespace `wavepin`.
#[track_caller]
fn render(name: &str, args: &[&str]) -> String {
    template(Helm::Three, name, args).success()
}

fn template(helm: Helm, name: &str, args: &[&str]) -> Output {
    let chart = chart(name);
    let template = ["template", "wavepin", &chart, "--namespace", "wavepin"];
    helm.run(&[&template, args].concat())
}

/// The documents of a stream of YAML.
fn documents(yaml: &str) -> Vec<serde_json::Value> {
    let documents = yaml.split("\n---\n").map(|text| text.trim_start_matches("---\n"));
    let parsed = documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|why| panic!("{why}:\n{text}")));
    parsed
        .filter(|document: &serde_json::Value| !document.is_null())
        .collect()
}
