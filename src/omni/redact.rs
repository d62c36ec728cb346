//! Taking secrets and length out of what a server says, before any of it reaches an error, a log or a status.

use std::sync::LazyLock;

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// No more of a text than this is looked at, in bytes.
pub(super) const LOOKED_AT: usize = 64 * 1024;

/// Anything that looks like a credential, whosever it is: keys by their prefix, and what follows `Bearer` if it is too
/// long for a word of a sentence.
static CREDENTIAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"omni_[a-z]+_[A-Za-z0-9_-]+|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{12,}")
        .expect("the pattern is fixed and its test compiles it")
});

/// The start of a text, at most `limit` bytes, without the key and without anything that looks like one.
pub(crate) fn redact(text: &str, api_key: &SecretString, limit: usize) -> String {
    let text = text[..text.floor_char_boundary(LOOKED_AT)].trim();
    let mut clean = CREDENTIAL.replace_all(text, REDACTED).into_owned();
    let key = api_key.expose_secret();
    for written in written(key) {
        clean = clean.replace(&written, REDACTED);
    }
    if clean.len() > limit {
        clean.truncate(clean.floor_char_boundary(limit));
        clean.push_str("...");
    }
    clean
}

/// The key as a server may repeat it: as it is, in JSON, with JSON's escaped slashes, in a URL.
fn written(key: &str) -> Vec<String> {
    if key.is_empty() {
        return Vec::new();
    }
    let json = serde_json::Value::from(key).to_string();
    let json = json.trim_matches('"').to_owned();
    let slashes = json.replace('/', "\\/");
    let url = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
    vec![key.to_owned(), json, slashes, url]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_sentences_stay() {
        let key = SecretString::from("hunter2-hunter2");
        let clean = |text: &str| redact(text, &key, 200);
        assert_eq!(clean("key omni_osk_AbC123 no"), "key [redacted] no");
        assert_eq!(clean("omni_pat_x, hunter2-hunter2"), "[redacted], [redacted]");
        assert_eq!(
            clean("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.x"),
            "Authorization: [redacted]"
        );
        assert_eq!(clean("Invalid bearer token"), "Invalid bearer token");
    }

    #[test]
    fn a_key_goes_however_it_is_written() {
        let key = SecretString::from("hunter/\"2+2");
        for said in [
            r#"{"got": "hunter/\"2+2"}"#,
            r#"{"got": "hunter\/\"2+2"}"#,
            "?key=hunter%2F%222%2B2",
        ] {
            let clean = redact(said, &key, 200);
            assert!(clean.contains(REDACTED) && !clean.contains("hunter"), "{clean}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_after_its_secrets_are_gone() {
        let key = SecretString::from("hunter2-hunter2");
        let long = redact(&format!("{}hunter2-hunter2", "ü".repeat(95)), &key, 198);
        assert!(!long.contains("hunter"), "{long}");
        assert!(long.ends_with("...") && long.len() <= 201);
    }
}
