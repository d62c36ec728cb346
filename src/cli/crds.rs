//! `wavepin crds`: the custom resource definitions.

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::json;

use super::Exit;
use crate::resources::conditions::{READY, Reason};
use crate::resources::{ModelVersion, OmniInstance, PENDING_MESSAGE, TenantPin};

/// Where the definitions go.
#[derive(Debug, Args)]
pub(super) struct CrdsArgs {
    /// Write one file a kind into this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    out: Option<std::path::PathBuf>,
}

pub(super) fn run(args: &CrdsArgs) -> Exit {
    for crd in definitions() {
        let yaml = match serde_saphyr::to_string(&crd) {
            Ok(yaml) => yaml,
            Err(error) => {
                eprintln!("wavepin: cannot write the definition as YAML: {error}");
                return Exit::Failed;
            }
        };
        let Some(dir) = &args.out else {
            print!("---\n{yaml}");
            continue;
        };
        let file = dir.join(format!(
            "{}.yaml",
            crd["spec"]["names"]["plural"].as_str().unwrap_or_default()
        ));
        if let Err(error) = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&file, yaml)) {
            eprintln!("wavepin: cannot write {}: {error}", file.display());
            return Exit::Failed;
        }
    }
    Exit::Done
}

/// Every definition as it is applied: that of the type, plus the status that an object has before it was looked at.
#[must_use]
pub fn definitions() -> Vec<serde_json::Value> {
    [OmniInstance::crd(), ModelVersion::crd(), TenantPin::crd()]
        .iter()
        .map(with_status_default)
        .collect()
}

/// Without this default an unseen object has no conditions, and tools that wait take it for a finished one.
fn with_status_default(crd: &CustomResourceDefinition) -> serde_json::Value {
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
