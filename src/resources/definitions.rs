//! The custom resource definitions, and what older ones lack.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::conditions::{READY, Reason};
use super::{ModelVersion, OmniInstance, PENDING_MESSAGE, TenantPin, VersionRollout, WaveApproval};

/// Every definition as it is applied: that of the type, plus the status that an object has before it was looked at.
#[must_use]
pub fn definitions() -> Vec<Value> {
    [
        OmniInstance::crd(),
        ModelVersion::crd(),
        TenantPin::crd(),
        VersionRollout::crd(),
        WaveApproval::crd(),
    ]
    .iter()
    .map(with_status_default)
    .collect()
}

/// Without this default an unseen object has no conditions, and tools that wait take it for a finished one.
fn with_status_default(crd: &CustomResourceDefinition) -> Value {
    let mut crd = serde_json::to_value(crd).expect("a definition is plain data");
    let condition = json!({
        "type": READY,
        "status": "Unknown",
        "reason": Reason::Pending.as_str(),
        "message": PENDING_MESSAGE,
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    });
    if let Some(versions) = crd["spec"]["versions"].as_array_mut() {
        for version in versions {
            version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"] =
                json!({"observedGeneration": -1, "conditions": [condition]});
        }
    }
    crd
}

/// What a cluster's definitions lack of ours: fields by their paths, each after its kind; and kinds. A field that a
/// definition does not know is dropped from every object that is applied, without a word.
///
/// `published`: the document that the API server gives at `/openapi/v3/apis/wavepin.dev/v1alpha1`.
#[must_use]
pub fn lacking(published: &Value) -> Vec<String> {
    let theirs = published["components"]["schemas"].as_object();
    let mut lacks = Vec::new();
    for ours in definitions() {
        let kind = &ours["spec"]["names"]["kind"];
        let is_it = |schema: &&Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|known| known["kind"] == *kind))
        };
        let name = kind.as_str().unwrap_or_default();
        match theirs.and_then(|schemas| schemas.values().find(is_it)) {
            None => lacks.push(name.to_owned()),
            Some(theirs) => {
                for version in ours["spec"]["versions"].as_array().into_iter().flatten() {
                    compare(&version["schema"]["openAPIV3Schema"], theirs, name, &mut lacks);
                }
            }
        }
    }
    lacks
}

fn compare(ours: &Value, theirs: &Value, path: &str, lacks: &mut Vec<String>) {
    for (name, field) in ours["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match theirs["properties"].get(name) {
            Some(theirs) => compare(field, theirs, &path, lacks),
            // What keeps unknown fields drops none.
            None if theirs["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => lacks.push(path),
        }
    }
    for inner in ["items", "additionalProperties"] {
        if ours[inner].is_object() {
            compare(&ours[inner], &theirs[inner], path, lacks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Value {
        let schemas = definitions().into_iter().map(|definition| {
            let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            let kind = &definition["spec"]["names"]["kind"];
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": "wavepin.dev", "kind": kind, "version": "v1alpha1"}]);
            (format!("dev.wavepin.v1alpha1.{}", kind.as_str().unwrap()), schema)
        });
        json!({"components": {"schemas": schemas.collect::<serde_json::Map<_, _>>()}})
    }

    #[test]
    fn definitions_of_this_release_lack_nothing_and_newer_ones_may_have_more() {
        let mut published = published();
        assert_eq!(lacking(&published), Vec::<String>::new());
        let pins = &mut published["components"]["schemas"]["dev.wavepin.v1alpha1.TenantPin"];
        pins["properties"]["spec"]["properties"]["tomorrow"] = json!({"type": "string"});
        assert_eq!(lacking(&published), Vec::<String>::new());
    }

    #[test]
    fn an_older_definition_is_named_by_the_fields_that_it_would_drop() {
        let mut published = published();
        let schemas = &mut published["components"]["schemas"];
        let take = |schemas: &mut Value, kind: &str, pointer: &str, name: &str| {
            let schema = &mut schemas[format!("dev.wavepin.v1alpha1.{kind}")];
            let properties = schema.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
            properties.remove(name).unwrap();
        };
        take(schemas, "TenantPin", "/properties/spec/properties", "hold");
        let edits = "/properties/spec/properties/model/properties/edits/items/properties";
        take(schemas, "ModelVersion", edits, "yaml");
        schemas
            .as_object_mut()
            .unwrap()
            .remove("dev.wavepin.v1alpha1.OmniInstance");
        assert_eq!(
            lacking(&published),
            [
                "OmniInstance",
                "ModelVersion.spec.model.edits.yaml",
                "TenantPin.spec.hold"
            ]
        );
    }
}
