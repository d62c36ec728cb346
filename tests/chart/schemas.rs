//! JSON schemas for kubeconform: of Kubernetes' kinds as the API server publishes them, of ours and of other operators' as their
//! definitions say.

use std::path::Path;

use serde_json::{Value, json};

use crate::parts::ApiServer;

/// Where kubeconform looks for the schema of a kind, below the folder.
const LAYOUT: &str = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json";

/// Writes a schema a kind, and gives what kubeconform is told of where they are.
pub(super) fn write(folder: &Path) -> String {
    let api_server = ApiServer::shared();
    let published = api_server.kubectl(&["get", "--raw=/openapi/v2"]).success();
    let published: Value = serde_json::from_str(&published).unwrap();
    let mut definitions = published["definitions"].as_object().cloned().unwrap();
    definitions.values_mut().for_each(strict);
    let quantities = ["string", "number"];
    definitions.insert(
        "io.k8s.apimachinery.pkg.api.resource.Quantity".to_owned(),
        json!({"type": quantities}),
    );
    definitions.insert(
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString".to_owned(),
        json!({"type": ["string", "integer"]}),
    );
    let wanted = [
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding",
        "apps/v1/Deployment",
        "networking.k8s.io/v1/NetworkPolicy",
        "policy/v1/PodDisruptionBudget",
        "rbac.authorization.k8s.io/v1/ClusterRole",
        "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1/Role",
        "rbac.authorization.k8s.io/v1/RoleBinding",
        "v1/v1/ConfigMap",
        "v1/v1/PersistentVolumeClaim",
        "v1/v1/ServiceAccount",
        "apiextensions.k8s.io/v1/CustomResourceDefinition",
    ];
    for kind in wanted {
        let [group, version, kind] = kind.split('/').collect::<Vec<_>>().try_into().unwrap();
        let is_it = |definition: &&Value| {
            let kinds = definition["x-kubernetes-group-version-kind"].as_array();
            // kubeconform calls the group without a name after its version.
            let group = if group == version { "" } else { group };
            kinds.is_some_and(|kinds| kinds == &[json!({"group": group, "version": version, "kind": kind})])
        };
        let definition = definitions.values().find(is_it);
        let mut schema = definition.unwrap_or_else(|| panic!("no {kind}")).clone();
        schema["definitions"] = Value::Object(definitions.clone());
        write_one(folder, group, version, kind, &schema);
    }
    for definition in custom_resource_definitions() {
        let spec = &definition["spec"];
        for version in spec["versions"].as_array().unwrap() {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            strict(&mut schema);
            let [group, kind] = [&spec["group"], &spec["names"]["kind"]].map(|it| it.as_str().unwrap());
            write_one(folder, group, version["name"].as_str().unwrap(), kind, &schema);
        }
    }
    format!("{}/{LAYOUT}", folder.display())
}

/// Wavepin's own, and those that `tools/get` copied out of other operators' releases.
fn custom_resource_definitions() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["crds", "tools/bin/definitions"].map(|it| root.join(it));
    let files = folders
        .iter()
        .flat_map(|it| std::fs::read_dir(it).expect("tools/get fills it"));
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .map(|path| serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect()
}

fn write_one(folder: &Path, group: &str, version: &str, kind: &str, schema: &Value) {
    let file = format!("{group}_{version}_{}.json", kind.to_lowercase());
    std::fs::write(folder.join(file), schema.to_string()).unwrap();
}

/// Refuses what a schema does not name, and knows the ways in which Kubernetes' schemas differ from JSON's.
fn strict(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let open = object.contains_key("additionalProperties")
        || object.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if object.get("properties").is_some_and(Value::is_object) {
        if !open {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            // Of the root of a custom resource, where the API server knows them by itself.
            if properties.contains_key("spec") && properties.contains_key("status") {
                for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
                    properties.entry(name).or_insert_with(|| json!({"type": kind}));
                }
            }
            properties.values_mut().for_each(strict);
        }
    }
    if object.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        object.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if object.remove("nullable") == Some(Value::Bool(true))
        && let Some(Value::String(kind)) = object.get("type").cloned()
    {
        object.insert("type".to_owned(), json!([kind, "null"]));
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(name) {
            strict(inner);
        }
    }
}
