//! What connects a client where no front reads objects: one Secret, and an instance that is declared nowhere.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use wavepin::ports::{Object, SecretError, SecretRecord, Secrets};
use wavepin::resources::OmniInstanceSpec;

/// The one Secret, whatever it is called: it holds this API key.
pub(crate) struct OneSecret(pub(crate) &'static str);

#[async_trait]
impl Secrets for OneSecret {
    async fn secret(&self, _: &str, _: &str) -> Result<Option<SecretRecord>, SecretError> {
        let values = BTreeMap::from([("apiKey".to_owned(), SecretString::from(self.0))]);
        Ok(Some(SecretRecord {
            values,
            binary: BTreeSet::new(),
            hosts: None,
        }))
    }
}

/// An instance at this address, with the key of the one Secret.
pub(crate) fn bare_instance(name: &str, base_url: &str, requests_per_minute: u32) -> Object<OmniInstanceSpec> {
    let spec = json!({
        "baseUrl": base_url,
        "apiKeySecretRef": {"name": "omni", "key": "apiKey"},
        "requestsPerMinute": requests_per_minute,
    });
    Object {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        labels: BTreeMap::new(),
        requests: BTreeMap::new(),
        spec: serde_json::from_value(spec).expect("the spec is whole"),
        spec_hash: String::new(),
        first_seen: Timestamp::UNIX_EPOCH,
        deleting: false,
    }
}
