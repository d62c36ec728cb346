//! Whether a spec may be acted on at all. Pure.

use crate::resources::{BaseUrl, OmniInstanceSpec};

/// What is wrong with a spec, if anything: files bypass the schema of the API server. No text repeats the URL, which
/// may hold a password by mistake.
pub(super) fn refusal(spec: &OmniInstanceSpec) -> Option<String> {
    let secret = &spec.api_key_secret_ref;
    if secret.name.is_empty() || secret.key.is_empty() {
        return Some("spec.apiKeySecretRef needs a name and a key".to_owned());
    }
    if !(1..=1000).contains(&spec.requests_per_minute) {
        let rate = spec.requests_per_minute;
        return Some(format!("spec.requestsPerMinute is {rate}; it must be from 1 to 1000"));
    }
    if spec.interval.0.is_zero() {
        return Some("spec.interval is 0s; it must be longer, like 5m".to_owned());
    }
    if spec
        .mapping
        .schema
        .as_deref()
        .is_some_and(|schema| !is_plain_name(schema))
    {
        return Some(
            "spec.mapping.schema must be a plain PostgreSQL name: lower-case letters, digits and _, at most 63"
                .to_owned(),
        );
    }
    BaseUrl::parse(&spec.base_url).err()
}

fn is_plain_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    text.len() <= 63
        && first.is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}
