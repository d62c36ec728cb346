//! Edits that stand in objects of their own: too large for the version's, shared, or not for everybody to read.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object in the version's namespace that holds edits: exactly one of `configMapRef` and `secretRef`. The value of each of its keys is a list in YAML, of edits as they stand in `edits`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.configMapRef) != has(self.secretRef)").message("give one of configMapRef and secretRef"))]
pub struct EditsFrom {
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<EditsRef>,
    /// A Secret, for edits that not everybody may read who may read this object. Nothing of it is told in a status, an event, a log or a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<EditsRef>,
}

/// An object in the version's namespace, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditsRef {
    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// True: where it is not there when the version is cut, there are no edits of it. Else it is waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}
