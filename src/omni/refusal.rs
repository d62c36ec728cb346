//! What an answer that is no success means, and how long it asks to wait.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LINK, LOCATION, RETRY_AFTER};
use serde_json::Value;

use crate::ports::OmniErrorKind;

/// The longest wait that is believed. A header may ask for more than any clock can count.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Omni's words in an error body: `{detail}`, `{error: {message}}`, `{error: "…"}`, `{message}`.
pub(super) fn words(body: &Value) -> Option<String> {
    let error = body.get("error");
    let mut said = Vec::new();
    for part in [
        text(body.get("detail")),
        text(error),
        text(error.and_then(|error| error.get("message"))),
        text(body.get("message")),
    ]
    .into_iter()
    .flatten()
    {
        if !said.contains(&part) {
            said.push(part);
        }
    }
    (!said.is_empty()).then(|| said.join(": "))
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// What an answer other than 2xx and 429 means.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    is_json: bool,
    detail: String,
    excerpt: String,
) -> OmniErrorKind {
    let lower = detail.to_lowercase();
    let says = |words: &str| lower.contains(words);
    let code = status.as_u16();
    if status.is_redirection() {
        return redirected(code, headers);
    }
    if says("dynamic environments and you don't have a value set") {
        return OmniErrorKind::CallerAttributeMissing { detail };
    }
    match code {
        401 => OmniErrorKind::KeyRefused { status: code, detail },
        403 if says("invalid bearer token") => OmniErrorKind::KeyRefused { status: code, detail },
        400 if says("bad authorization header") => OmniErrorKind::KeyRefused { status: code, detail },
        400 if says("file has been modified") => OmniErrorKind::Conflict { status: code, detail },
        404 if is_json => OmniErrorKind::NotFound { detail },
        404 => OmniErrorKind::ContractDrift {
            field: "an error in JSON, which a 404 of Omni has".to_owned(),
            excerpt,
        },
        409 => OmniErrorKind::Conflict { status: code, detail },
        410 => OmniErrorKind::Gone {
            successor: successor(headers),
        },
        408 | 500.. => OmniErrorKind::AnswerLost {
            why: format!("HTTP {code}: {detail}"),
        },
        _ => OmniErrorKind::Refused { status: code, detail },
    }
}

/// A redirect is never followed, since the key would go with it. Only the host is told: a path may hold a token.
fn redirected(status: u16, headers: &HeaderMap) -> OmniErrorKind {
    let host = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| url::Url::parse(location).ok())
        .and_then(|location| location.host_str().map(str::to_owned));
    let detail = match host {
        Some(host) => format!(
            "the address redirects to {host}; redirects are not followed, so set baseUrl to where the API answers"
        ),
        None => "the address redirects; redirects are not followed, so set baseUrl to where the API answers".to_owned(),
    };
    OmniErrorKind::Refused { status, detail }
}

/// The address in a `Link` header, `<…>; rel="successor-version"`.
fn successor(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (_, rest) = link.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some(address.to_owned())
}

/// How long the server asks to wait, a month at most: seconds, or the time until an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let left = at.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT")),
            Some(Duration::ZERO)
        );
        let in_a_minute = jiff::Timestamp::now() + Duration::from_secs(60);
        let date = in_a_minute.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let wait = retry_after(&headers(&date)).unwrap();
        assert!(
            wait > Duration::from_secs(57) && wait <= Duration::from_secs(60),
            "{wait:?}"
        );
        for ages in [&u64::MAX.to_string(), "Mon, 01 Jan 9990 00:00:00 GMT"] {
            assert_eq!(retry_after(&headers(ages)), Some(LONGEST_WAIT));
        }
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
