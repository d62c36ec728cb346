//! Secrets as manifests hold them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::config_maps::entries;
use super::manifests::Manifest;
use crate::ports::SecretRecord;
use crate::resources::{ANNOTATION_PREFIX, annotations};

/// Decodes `data` and lays `stringData` over it, as the API server does. No refusal holds a value.
pub(super) fn record(manifest: &Manifest) -> Result<SecretRecord, String> {
    let (mut values, mut binary) = (BTreeMap::new(), BTreeSet::new());
    for (key, value) in entries(&manifest.body, "data")? {
        let text = value
            .as_str()
            .ok_or_else(|| format!("data.{key} must be a text in base64"))?;
        let compact: String = text.split_whitespace().collect();
        let bytes = STANDARD
            .decode(compact)
            .map_err(|_| format!("data.{key} is no base64; write plain text under stringData"))?;
        // Certificates in binary form and the like are no credential of ours.
        match String::from_utf8(bytes) {
            Ok(text) => drop(values.insert(key.clone(), SecretString::from(text))),
            Err(_) => drop(binary.insert(key.clone())),
        }
    }
    for (key, value) in entries(&manifest.body, "stringData")? {
        let text = value
            .as_str()
            .ok_or_else(|| format!("stringData.{key} must be a text: write it in quotes"))?;
        binary.remove(key);
        values.insert(key.clone(), SecretString::from(text));
    }
    let hosts = manifest
        .annotations
        .get(&format!("{ANNOTATION_PREFIX}{}", annotations::HOSTS))
        .map(|hosts| {
            hosts
                .split(',')
                .map(|host| host.trim().to_owned())
                .filter(|host| !host.is_empty())
                .collect()
        });
    Ok(SecretRecord { values, binary, hosts })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::standalone::manifests::Reading;

    fn read(body: &str) -> Result<SecretRecord, String> {
        let mut reading = Reading::default();
        let text = format!("apiVersion: v1\nkind: Secret\n{body}");
        reading.add(Path::new("secret.yaml"), &text);
        record(&reading.manifests[0])
    }

    #[test]
    fn plain_text_lies_over_base64_and_hosts_are_a_list() {
        let record = read(
            "metadata: {name: omni, annotations: {wavepin.dev/hosts: 'acme.omniapp.co, db.acme.example'}}
data: {apiKey: b2xk, user: YWNtZQ==, binary: '/w=='}
stringData: {apiKey: new}
",
        )
        .unwrap();
        let values: Vec<_> = record
            .values
            .iter()
            .map(|(key, value)| (key.as_str(), value.expose_secret()))
            .collect();
        assert_eq!(values, [("apiKey", "new"), ("user", "acme")]);
        assert!(record.binary.contains("binary"));
        assert_eq!(record.hosts.unwrap(), ["acme.omniapp.co", "db.acme.example"]);
    }

    #[test]
    fn a_refusal_names_the_key_and_not_the_value() {
        for body in [
            "metadata: {name: a}\ndata: {apiKey: '!hidden!'}\n",
            "metadata: {name: a}\nstringData: {apiKey: [hidden]}\n",
        ] {
            let why = read(body).unwrap_err();
            assert!(why.contains("apiKey") && !why.contains("hidden"), "{why}");
        }
    }
}
