//! An object as watches and answers bring it, and no more of it than is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::kind::Kind;

/// An object of a kind, which may not parse: one that does not is told so, and keeps nobody from seeing the others.
///
/// Managed fields, which are most of a small object, are passed over while it is read: kube's own guard makes an owned copy
/// of everything first, two where it parses, and a list of thousands is read at every start.
#[derive(Debug, Clone)]
pub(super) struct Watched<K: Kind> {
    metadata: ObjectMeta,
    parsed: Parsed<K>,
}

/// Spec and status, or why they cannot be read.
pub(super) type Parsed<K, E = String> = Result<(<K as Kind>::Spec, <K as Kind>::Status), E>;

impl<K: Kind> Watched<K> {
    /// Its metadata, and the rest.
    pub(super) fn into_parts(self) -> (ObjectMeta, Parsed<K>) {
        (self.metadata, self.parsed)
    }
}

/// What is read of an object at once.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<Value>,
    status: Option<Value>,
}

/// What is kept of an object's metadata.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    finalizers: Option<Vec<String>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

impl From<Metadata> for ObjectMeta {
    fn from(kept: Metadata) -> Self {
        Self {
            name: kept.name,
            namespace: kept.namespace,
            uid: kept.uid,
            resource_version: kept.resource_version,
            generation: kept.generation,
            labels: kept.labels,
            annotations: kept.annotations,
            finalizers: kept.finalizers,
            creation_timestamp: kept.creation_timestamp,
            deletion_timestamp: kept.deletion_timestamp,
            ..Self::default()
        }
    }
}

fn parsed<K: Kind>(spec: Option<Value>, status: Option<Value>) -> Parsed<K, serde_json::Error> {
    let spec = spec.ok_or_else(|| de::Error::missing_field("spec"))?;
    let status = status.map(serde_json::from_value).transpose()?;
    Ok((serde_json::from_value(spec)?, status.unwrap_or_default()))
}

impl<'de, K: Kind> Deserialize<'de> for Watched<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { metadata, spec, status } = Parts::deserialize(deserializer)?;
        Ok(Self {
            metadata: metadata.into(),
            parsed: parsed::<K>(spec, status).map_err(|error| error.to_string()),
        })
    }
}

impl<K: Kind> Resource for Watched<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::WatchEvent;
    use serde_json::json;

    use super::*;
    use crate::resources::TenantPin;

    fn pin() -> Value {
        json!({
            "apiVersion": "wavepin.dev/v1alpha1", "kind": "TenantPin",
            "metadata": {"name": "p", "namespace": "n", "resourceVersion": "7", "labels": {"tier": "canary"},
                "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"instanceRef": {"name": "acme"}, "tenant": "t", "environment": "staging", "version": 2},
            "status": {"version": 1, "conditions": []},
        })
    }

    #[test]
    fn what_is_kept_is_read_whatever_comes_first() {
        let text = format!(r#"{{"object": {}, "type": "MODIFIED"}}"#, pin());
        let event: WatchEvent<Watched<TenantPin>> = serde_json::from_str(&text).unwrap();
        let WatchEvent::Modified(pin) = event else {
            panic!("{event:?}");
        };
        let (metadata, parsed) = pin.into_parts();
        let (spec, status) = parsed.unwrap();
        assert_eq!(
            (spec.tenant.as_str(), spec.version, status.version),
            ("t", Some(2), Some(1))
        );
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(metadata.labels.unwrap()["tier"], "canary");
        assert_eq!(metadata.managed_fields, None);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_its_name_is_known() {
        for (field, with, why) in [
            ("spec", Value::Null, "missing field `spec`"),
            ("spec", json!({"tenant": 7}), "invalid type"),
            ("status", json!({"version": "two"}), "invalid type"),
        ] {
            let mut broken = pin();
            broken[field] = with;
            let broken: Watched<TenantPin> = serde_json::from_value(broken).unwrap();
            let (metadata, parsed) = broken.into_parts();
            assert_eq!(metadata.name.as_deref(), Some("p"));
            let told = parsed.unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
