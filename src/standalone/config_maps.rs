//! ConfigMaps as manifests hold them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::catalog::Id;
use super::manifests::Manifest;
use crate::ports::ConfigMapRecord;

/// The ConfigMaps that the versions among these manifests name. Others are somebody else's, and passed by.
pub(super) fn named(manifests: &[Manifest]) -> BTreeSet<Id> {
    let versions = manifests
        .iter()
        .filter(|it| it.kind == "ModelVersion" && it.api_version.starts_with("wavepin.dev/"));
    let of_version = |version: &Manifest| {
        let from = version.body["spec"]["model"]["editsFrom"].as_array().cloned();
        let names = from.unwrap_or_default().into_iter();
        let names = names.filter_map(|it| it["configMapRef"]["name"].as_str().map(str::to_owned));
        let namespace = version.namespace.clone();
        names.map(move |name| (namespace.clone(), name)).collect::<Vec<_>>()
    };
    versions.flat_map(of_version).collect()
}

/// What the API server would keep of it.
pub(super) fn record(manifest: &Manifest) -> Result<ConfigMapRecord, String> {
    let mut values = BTreeMap::new();
    for (key, value) in entries(&manifest.body, "data")? {
        let text = value
            .as_str()
            .ok_or_else(|| format!("data.{key} must be a text: write it in quotes, or as a block behind `|`"))?;
        values.insert(key.clone(), text.to_owned());
    }
    let binary = entries(&manifest.body, "binaryData")?;
    Ok(ConfigMapRecord {
        values,
        binary: binary.into_iter().map(|(key, _)| key.clone()).collect(),
    })
}

/// The entries of a map; none where it is absent.
pub(super) fn entries<'body>(body: &'body Value, field: &str) -> Result<Vec<(&'body String, &'body Value)>, String> {
    match &body[field] {
        Value::Null => Ok(Vec::new()),
        Value::Object(entries) => Ok(entries.iter().collect()),
        _ => Err(format!("{field} must be a map")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::standalone::manifests::Reading;

    fn manifests(text: &str) -> Vec<Manifest> {
        let mut reading = Reading::default();
        reading.add(Path::new("all.yaml"), text);
        assert_eq!(reading.refusals, []);
        reading.manifests
    }

    #[test]
    fn only_what_a_version_names_is_named() {
        let version = "apiVersion: wavepin.dev/v1alpha1\nkind: ModelVersion\nmetadata: {name: v2, namespace: apps}\n\
            spec: {model: {editsFrom: [{configMapRef: {name: one}}, {secretRef: {name: two}}, {configMapRef: {name: 3}}]}}\n";
        let other = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
        let named = named(&manifests(&format!("{version}{other}")));
        assert_eq!(named, BTreeSet::from([("apps".to_owned(), "one".to_owned())]));
    }

    #[test]
    fn texts_are_kept_and_what_is_none_is_named() {
        let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n";
        let read = |body: &str| record(&manifests(&format!("{head}{body}"))[0]);
        let kept = read("data: {a: text}\nbinaryData: {b: '/w=='}\n").unwrap();
        assert_eq!(kept.values["a"], "text");
        assert!(kept.binary.contains("b"));
        assert!(read("data: {a: [1]}\n").unwrap_err().contains("data.a must be a text"));
        assert!(read("data: text\n").unwrap_err().contains("data must be a map"));
    }
}
