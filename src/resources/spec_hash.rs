//! A hash of a spec, the same wherever the object comes from.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first 16 hex digits of the SHA-256 of a spec's canonical JSON: keys sorted, defaults filled in.
///
/// It tells two specs of one object apart; 64 bits are plenty for that, and short enough to be shown.
pub fn spec_hash<S: Serialize>(spec: &S) -> String {
    let json = serde_json::to_value(spec).expect("a spec is plain data with string keys");
    let digest = Sha256::digest(sorted(json).to_string());
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// With its keys in order: whether JSON maps keep theirs sorted depends on what else is linked in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<_, _> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            map.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::TenantPinSpec;

    fn hash(spec: Value) -> String {
        spec_hash(&serde_json::from_value::<TenantPinSpec>(spec).unwrap())
    }

    #[test]
    fn order_and_written_defaults_do_not_matter_but_values_do() {
        let short = json!({"instanceRef": {"name": "acme"}, "tenant": "t", "environment": "staging", "version": 1});
        let long = json!({"deletionPolicy": "Retain", "version": 1, "environment": "staging", "tenant": "t",
            "instanceRef": {"name": "acme"}});
        let other = json!({"instanceRef": {"name": "acme"}, "tenant": "t", "environment": "staging", "version": 2});
        assert_eq!(hash(short.clone()), hash(long));
        assert_ne!(hash(short.clone()), hash(other));
        assert_eq!(hash(short).len(), 16);
    }
}
