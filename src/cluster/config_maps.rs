//! ConfigMaps by name, with `get` alone: nothing of others is ever held, and a role that names each is enough.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::status::{CallError, within};
use crate::ports::{ConfigMapError, ConfigMapRecord, ConfigMaps};

/// The ConfigMaps of the cluster.
pub(super) struct ClusterConfigMaps {
    client: kube::Client,
}

impl ClusterConfigMaps {
    /// Reads with this client's rights.
    pub(super) const fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl ConfigMaps for ClusterConfigMaps {
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMapRecord>, ConfigMapError> {
        let failed = |why: String| ConfigMapError {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            why,
        };
        let config_maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        match within(config_maps.get_opt(name)).await {
            Ok(found) => Ok(found.map(record)),
            Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => Err(failed(format!(
                "{}; grant Wavepin's ServiceAccount the verb `get` on it",
                status.message
            ))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn record(config_map: ConfigMap) -> ConfigMapRecord {
    ConfigMapRecord {
        values: config_map.data.unwrap_or_default(),
        binary: config_map.binary_data.unwrap_or_default().into_keys().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_what_is_none_are_told_apart() {
        let config_map = serde_json::from_value(json!({"data": {"a": "text"}, "binaryData": {"b": "/w=="}})).unwrap();
        let record = record(config_map);
        assert_eq!(record.values["a"], "text");
        assert_eq!(record.binary.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
