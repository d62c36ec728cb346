//! Whether a spec may be acted on at all. Pure.

use std::net::Ipv4Addr;

use url::{Host, Url};

use crate::resources::OmniInstanceSpec;

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
    url_refusal(&spec.base_url)
}

fn url_refusal(base_url: &str) -> Option<String> {
    let like = "write it like https://acme.omniapp.co";
    let url = match Url::parse(base_url) {
        Ok(url) => url,
        Err(error) => return Some(format!("spec.baseUrl is no URL ({error}); {like}")),
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    match (url.scheme(), url.host()) {
        ("https" | "http", Some(_)) if !bare => Some(format!(
            "spec.baseUrl holds more than a host; {like}, without path, user, query or fragment"
        )),
        ("https", Some(_)) => None,
        ("http", Some(host)) if is_loopback(&host) => None,
        ("http", Some(host)) => Some(format!(
            "spec.baseUrl is plain http to {host}: the API key would go over the network in clear; use https"
        )),
        _ => Some(format!("spec.baseUrl must be https; {like}")),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => Ipv4Addr::is_loopback(address),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn is_plain_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    text.len() <= 63
        && first.is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}
