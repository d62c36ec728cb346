//! What validation found in a version, as a ConfigMap beside it: the ledger has it for programs, this is for people with
//! `kubectl`. It goes with its version, by its owner reference.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tracing::warn;

use super::kind::ObjectName;
use super::status::{CallError, FIELD_MANAGER, within};
use crate::ports::{FoundLine, FoundSummary, Mapping};
use crate::resources::{ANNOTATION_PREFIX, ModelVersion};

/// So many findings stand in the ConfigMap: whole ones may be longer than an object may be.
const WORST: usize = 500;
/// The key of the findings in `binaryData`.
const FILE: &str = "findings.txt.gz";
/// The annotation that says which findings they are.
const FOUND: &str = "found";
/// The longest name that an object may have.
const LONGEST_NAME: usize = 253;

/// A version and what was found in it.
pub(super) struct Published<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) uid: &'a str,
    pub(super) version: i32,
    pub(super) found: &'a FoundSummary,
}

impl Published<'_> {
    /// Writes the ConfigMap where it does not say so yet. What fails is told in the log, and tried again with the next
    /// pass: no version waits for it.
    pub(super) async fn keep(&self, client: &kube::Client, mapping: &dyn Mapping) {
        if let Err(why) = self.written(client, mapping).await {
            let name = self.config_map();
            warn!(version = %self.name, config_map = name, why, "failed to write what validation found; the ledger has it");
        }
    }

    fn config_map(&self) -> String {
        format!("{}-validation", self.name.name)
    }

    async fn written(&self, client: &kube::Client, mapping: &dyn Mapping) -> Result<(), String> {
        let name = self.config_map();
        if name.len() > LONGEST_NAME {
            return Err(format!("no object may have a name of more than {LONGEST_NAME} letters"));
        }
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &self.name.namespace);
        let present = within(config_maps.get_opt(&name))
            .await
            .map_err(|error| told(&error, "get"))?;
        if present.as_ref().is_some_and(|it| self.is_said(it)) {
            return Ok(());
        }
        if present.as_ref().is_some_and(|it| !self.is_own(it)) {
            return Err(format!(
                "there is a ConfigMap {name} that is not this version's; give that one another name"
            ));
        }
        let lines = mapping.found(self.version).await.map_err(|error| error.to_string())?;
        let wanted = self.wanted(&lines);
        match present {
            None => {
                let made = within(config_maps.create(&PostParams::default(), &wanted)).await;
                made.map_err(|error| told(&error, "create"))?;
            }
            Some(present) => {
                let patch = json!({
                    "metadata": {
                        "resourceVersion": present.metadata.resource_version,
                        "annotations": wanted.metadata.annotations,
                    },
                    "data": wanted.data, "binaryData": wanted.binary_data,
                });
                let params = PatchParams::apply(FIELD_MANAGER);
                let patched = within(config_maps.patch(&name, &params, &Patch::Merge(&patch))).await;
                patched.map_err(|error| told(&error, "patch"))?;
            }
        }
        Ok(())
    }

    fn is_own(&self, present: &ConfigMap) -> bool {
        let mut owners = present.metadata.owner_references.iter().flatten();
        owners.any(|owner| owner.uid == self.uid)
    }

    fn is_said(&self, present: &ConfigMap) -> bool {
        let mut annotations = present.metadata.annotations.iter().flatten();
        let says = |(key, word): (&String, &String)| *key == annotation() && *word == self.found.digest;
        self.is_own(present) && annotations.any(says)
    }

    fn wanted(&self, lines: &[FoundLine]) -> ConfigMap {
        let FoundSummary {
            digest,
            blocking,
            passed,
            ..
        } = self.found;
        let shown = lines.len().min(WORST);
        let all = u64::from(*blocking) + u64::from(*passed);
        let summary = format!(
            "{blocking} findings keep version {} from tenants who are not on it, {passed} were let pass; {shown} of {all} stand in {FILE}\n",
            self.version
        );
        let owner = OwnerReference {
            api_version: ModelVersion::api_version(&()).into_owned(),
            kind: ModelVersion::kind(&()).into_owned(),
            name: self.name.name.clone(),
            uid: self.uid.to_owned(),
            ..OwnerReference::default()
        };
        let managed = ("app.kubernetes.io/managed-by".to_owned(), FIELD_MANAGER.to_owned());
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.config_map()),
                namespace: Some(self.name.namespace.clone()),
                labels: Some(BTreeMap::from([managed])),
                annotations: Some(BTreeMap::from([(annotation(), digest.clone())])),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([("summary".to_owned(), summary)])),
            binary_data: Some(BTreeMap::from([(FILE.to_owned(), ByteString(zipped(&lines[..shown])))])),
            ..ConfigMap::default()
        }
    }
}

fn annotation() -> String {
    format!("{ANNOTATION_PREFIX}{FOUND}")
}

fn zipped(lines: &[FoundLine]) -> Vec<u8> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    for line in lines {
        // Into memory nothing fails.
        let _ = writeln!(zipped, "{}", line.told());
    }
    zipped.finish().unwrap_or_default()
}

fn told(error: &CallError, verb: &str) -> String {
    match error {
        CallError::Api(kube::Error::Api(status)) if status.is_forbidden() => {
            format!(
                "{}; grant Wavepin's ServiceAccount get, create and patch on ConfigMaps",
                status.message
            )
        }
        error => format!("{verb}: {error}"),
    }
}
