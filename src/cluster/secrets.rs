//! Secrets by name, with `get` alone: a role that names each Secret is enough, and nothing of others is ever held.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use kube::api::{GetParams, Request};
use secrecy::SecretString;

use super::status::{CallError, within};
use crate::ports::{SecretError, SecretRecord, Secrets};
use crate::resources::{ANNOTATION_PREFIX, annotations};

/// The Secrets of the cluster.
pub struct ClusterSecrets {
    client: kube::Client,
}

impl ClusterSecrets {
    /// Reads with this client's rights.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Secrets for ClusterSecrets {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretRecord>, SecretError> {
        let failed = |why: String| SecretError {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            why,
        };
        // As text: the client would log an answer that does not parse, and this one may hold a key.
        let request = Request::new(Secret::url_path(&(), Some(namespace)))
            .get(name, &GetParams::default())
            .map_err(|error| failed(error.to_string()))?;
        let answer = match within(self.client.request_text(request)).await {
            Err(CallError::Api(kube::Error::Api(status))) if status.is_not_found() => return Ok(None),
            Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => {
                return Err(failed(format!(
                    "{}; grant Wavepin's ServiceAccount the verb `get` on it",
                    status.message
                )));
            }
            answer => answer.map_err(|error| failed(error.to_string()))?,
        };
        // The parser's words may quote the answer.
        let secret =
            serde_json::from_str(&answer).map_err(|_| failed("the API server's answer is no Secret".to_owned()))?;
        Ok(Some(record(secret)))
    }
}

fn record(secret: Secret) -> SecretRecord {
    let (mut values, mut binary) = (BTreeMap::new(), BTreeSet::new());
    for (key, value) in secret.data.unwrap_or_default() {
        match String::from_utf8(value.0) {
            Ok(text) => drop(values.insert(key, SecretString::from(text))),
            Err(_) => drop(binary.insert(key)),
        }
    }
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let hosts = annotations.get(&format!("{ANNOTATION_PREFIX}{}", annotations::HOSTS));
    let hosts = hosts.map(|hosts| {
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        hosts.map(str::to_owned).collect()
    });
    SecretRecord { values, binary, hosts }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_decoded_and_hosts_are_split() {
        let secret = serde_json::from_value(json!({
            "metadata": {"annotations": {"wavepin.dev/hosts": "acme.omniapp.co, db.internal,"}},
            "data": {"api-key": "b21uaQ==", "binary": "/w=="},
        }))
        .unwrap();
        let record = record(secret);
        assert_eq!(record.values["api-key"].expose_secret(), "omni");
        assert!(!record.values.contains_key("binary"), "no text, no credential");
        assert!(record.binary.contains("binary"));
        assert_eq!(record.hosts.unwrap(), ["acme.omniapp.co", "db.internal"]);
    }

    #[test]
    fn an_annotation_without_hosts_allows_none_and_its_absence_is_told_apart() {
        let with = serde_json::from_value(json!({"metadata": {"annotations": {"wavepin.dev/hosts": " "}}})).unwrap();
        assert_eq!(record(with).hosts, Some(Vec::new()));
        assert_eq!(record(Secret::default()).hosts, None);
    }
}
