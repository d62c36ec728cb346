//! Reading a fault's text, and refusing what makes no sense with the field's name and what it may hold.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{Fault, FaultKind};
use crate::simulator::http::kind_of;

/// What a field of a kind may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed {
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A text that is not empty.
    Name,
    /// A URL of http or https, or a path.
    Location,
    /// A path.
    Path,
    /// Any JSON.
    Any,
}

/// One field of a kind: its name, what it may hold, and whether it must be there.
type FieldOfKind = (&'static str, Allowed, bool);

/// Every kind with its fields.
pub(super) const KINDS: [(&str, &[FieldOfKind]); 24] = [
    ("status_429", &[("retry_after", Allowed::Number(0, 86_400), false)]),
    ("status", &[("code", Allowed::Number(200, 599), true)]),
    ("status_500_before", &[]),
    ("status_500_after", &[]),
    ("lost_answer", &[]),
    ("drop_before", &[]),
    ("doubled", &[]),
    ("slow", &[("millis", Allowed::Number(1, 3_600_000), true)]),
    ("slow_body", &[("millis", Allowed::Number(1, 60_000), false)]),
    ("truncated", &[]),
    ("wrong_json", &[]),
    (
        "renamed_field",
        &[("from", Allowed::Name, true), ("to", Allowed::Name, true)],
    ),
    (
        "changed_field",
        &[("name", Allowed::Name, true), ("to", Allowed::Any, true)],
    ),
    ("failure_inside", &[]),
    ("missing", &[]),
    ("gone", &[("successor", Allowed::Path, false)]),
    ("forbidden", &[]),
    ("not_json", &[]),
    ("redirect", &[("to", Allowed::Location, true)]),
    ("huge", &[("bytes", Allowed::Number(1, 1 << 40), true)]),
    ("endless", &[]),
    ("nested", &[("depth", Allowed::Number(1, 10_000_000), true)]),
    ("invalid_utf8", &[]),
    ("hang", &[]),
];

/// The methods that a request may have.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Reads a fault.
pub(super) fn read(value: &Value) -> Result<Fault, String> {
    let fields = object("the fault", value)?;
    only("the fault", fields, &["match", "fault", "times", "after"])?;
    let (method, path) = match fields.get("match") {
        None => (None, Regex::new("").map_err(|error| error.to_string())?),
        Some(matching) => read_match(matching)?,
    };
    let kind = fields
        .get("fault")
        .ok_or_else(|| format!("fault is missing; it is one of {}", names()))?;
    Ok(Fault {
        method,
        path,
        kind: read_kind(kind)?,
        times: count(fields, "times", 1, 1)?,
        after: count(fields, "after", 0, 0)?,
    })
}

fn read_match(value: &Value) -> Result<(Option<String>, Regex), String> {
    let fields = object("match", value)?;
    only("match", fields, &["method", "path"])?;
    let method = match fields.get("method") {
        None | Some(Value::Null) => None,
        Some(Value::String(method)) if METHODS.iter().any(|known| known.eq_ignore_ascii_case(method)) => {
            Some(method.clone())
        }
        Some(other) => {
            return Err(format!(
                "match.method: {other} is no HTTP method; {} are, or leave it out for any",
                METHODS.join(", ")
            ));
        }
    };
    let path = match fields.get("path") {
        None => "",
        Some(Value::String(path)) => path,
        Some(other) => return Err(format!("match.path: {other} is no text; it is a regular expression")),
    };
    let path = Regex::new(path).map_err(|error| format!("match.path is no regular expression: {error}"))?;
    Ok((method, path))
}

fn read_kind(value: &Value) -> Result<FaultKind, String> {
    let mut fields = match value {
        Value::String(name) => Map::from_iter([("kind".to_owned(), json!(name))]),
        Value::Object(fields) => fields.clone(),
        other => {
            return Err(format!(
                "fault: {} is neither a name nor an object with a kind; the kinds are {}",
                kind_of(other),
                names()
            ));
        }
    };
    let name = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
    let name = if name == "refuse_connection" {
        "drop_before"
    } else {
        name
    }
    .to_owned();
    let Some((_, allowed)) = KINDS.iter().find(|(known, _)| *known == name) else {
        let given = fields.get("kind").unwrap_or(&Value::Null);
        return Err(format!("fault.kind: there is no {given}; the kinds are {}", names()));
    };
    fields.insert("kind".to_owned(), json!(name));
    let known: Vec<&str> = ["kind"].into_iter().chain(allowed.iter().map(|it| it.0)).collect();
    only(&format!("fault {name}"), &fields, &known)?;
    for (field, allowed, needed) in *allowed {
        match fields.get(*field) {
            None if *needed => return Err(format!("fault.{field} is missing; {name} needs {}", allowed.words())),
            None => {}
            Some(value) if allowed.allows(value) => {}
            Some(value) => return Err(format!("fault.{field}: {value} is not {}", allowed.words())),
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("fault: {error}"))
}

impl Allowed {
    fn allows(self, value: &Value) -> bool {
        match self {
            Self::Number(from, to) => value.as_u64().is_some_and(|number| (from..=to).contains(&number)),
            Self::Name => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Path => value.as_str().is_some_and(is_path),
            Self::Location => value.as_str().is_some_and(|text| is_path(text) || is_web_url(text)),
            Self::Any => true,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Number(from, to) => format!("a whole number from {from} to {to}"),
            Self::Name => "a text that is not empty".to_owned(),
            Self::Path => "a path such as /api/v2/documents".to_owned(),
            Self::Location => "an http or https URL, or a path".to_owned(),
            Self::Any => "any JSON".to_owned(),
        }
    }
}

/// A path that can stand in a header.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_web_url(text: &str) -> bool {
    let known = url::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    known && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn object<'a>(what: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{what}: {} is no JSON object", kind_of(value)))
}

fn only(what: &str, fields: &Map<String, Value>, allowed: &[&str]) -> Result<(), String> {
    match fields.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(format!("{what} has no field {key}; it has {}", allowed.join(", "))),
        None => Ok(()),
    }
}

fn count(fields: &Map<String, Value>, name: &str, default: u32, least: u32) -> Result<u32, String> {
    let Some(value) = fields.get(name) else {
        return Ok(default);
    };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| *number >= least)
        .ok_or_else(|| format!("{name}: {value} is not a whole number from {least} to {}", u32::MAX))
}

fn names() -> String {
    FaultKind::names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fault of this kind with values that its fields may hold.
    fn sample(name: &str, fields: &[FieldOfKind]) -> Value {
        let mut kind = json!({"kind": name});
        for (field, allowed, _) in fields {
            kind[*field] = match allowed {
                Allowed::Number(from, _) => json!(from),
                Allowed::Name => json!("name"),
                Allowed::Location | Allowed::Path => json!("/elsewhere"),
                Allowed::Any => json!([null]),
            };
        }
        json!({"fault": kind})
    }

    #[test]
    fn the_table_has_every_kind_and_every_field() {
        for (name, fields) in KINDS {
            let text = sample(name, fields);
            let fault = Fault::from_json(&text).unwrap();
            assert_eq!(fault.to_json()["fault"], text["fault"]);
        }
        let unknown = serde_json::from_value::<FaultKind>(json!({"kind": "none"})).unwrap_err();
        let known: Vec<String> = FaultKind::names().map(|name| format!("`{name}`")).collect();
        assert!(
            unknown.to_string().ends_with(&format!("one of {}", known.join(", "))),
            "{unknown}"
        );
    }

    #[track_caller]
    fn refused_as(text: &Value, wanted: &str) {
        let why = Fault::from_json(text).expect_err(&text.to_string());
        assert!(why.contains(wanted), "{text}\n is refused as {why}\n not as   {wanted}");
    }

    #[test]
    fn nonsense_around_a_kind_is_refused_with_the_field_and_what_is_allowed() {
        let hang = |field: &str, value: Value| json!({"fault": "hang", field: value});
        refused_as(&json!([]), "the fault: array is no JSON object");
        refused_as(&json!({}), "fault is missing; it is one of status_429, status");
        let whole = "is not a whole number from";
        refused_as(
            &hang("time", json!(2)),
            "the fault has no field time; it has match, fault, times, after",
        );
        refused_as(&hang("times", json!(0)), &format!("times: 0 {whole} 1 to 4294967295"));
        refused_as(&hang("after", json!(-1)), &format!("after: -1 {whole} 0 to 4294967295"));
        refused_as(
            &hang("times", json!(1.5)),
            &format!("times: 1.5 {whole} 1 to 4294967295"),
        );
        refused_as(
            &hang("match", json!({"method": "GTE"})),
            "match.method: \"GTE\" is no HTTP method; GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS are",
        );
        refused_as(
            &hang("match", json!({"path": "("})),
            "match.path is no regular expression",
        );
        refused_as(
            &hang("match", json!({"paht": "/"})),
            "match has no field paht; it has method, path",
        );
        assert!(Fault::from_text("{").unwrap_err().contains("no JSON"));
    }

    #[test]
    fn nonsense_in_a_kind_is_refused_with_the_field_and_what_is_allowed() {
        let kind = |kind: Value| json!({"fault": kind});
        let code = |code: u16| kind(json!({"kind": "status", "code": code}));
        refused_as(
            &kind(json!("lost_anser")),
            "fault.kind: there is no \"lost_anser\"; the kinds are status_429",
        );
        refused_as(
            &kind(json!(3)),
            "fault: number is neither a name nor an object with a kind",
        );
        refused_as(&code(99), "fault.code: 99 is not a whole number from 200 to 599");
        refused_as(&code(600), "fault.code: 600 is not a whole number from 200 to 599");
        refused_as(
            &kind(json!("status")),
            "fault.code is missing; status needs a whole number from 200 to 599",
        );
        refused_as(
            &kind(json!({"kind": "slow", "millis": -5})),
            "fault.millis: -5 is not a whole number from 1",
        );
        refused_as(
            &kind(json!({"kind": "slow", "milis": 5})),
            "fault slow has no field milis; it has kind, millis",
        );
        for to in ["ftp://elsewhere", "/a\r\nb: c", ""] {
            refused_as(
                &kind(json!({"kind": "redirect", "to": to})),
                "is not an http or https URL, or a path",
            );
        }
        refused_as(
            &kind(json!({"kind": "renamed_field", "from": "", "to": "x"})),
            "fault.from: \"\" is not a text that",
        );
        refused_as(&kind(json!("changed_field")), "fault.name is missing");
        let slow = Fault::from_text(r#"{"fault": {"kind": "slow", "millis": 5}}"#).unwrap();
        assert_eq!(slow.kind, FaultKind::Slow { millis: 5 });
        let dropped = Fault::from_text(r#"{"fault": "refuse_connection"}"#).unwrap();
        assert_eq!(dropped.kind, FaultKind::DropBefore);
    }
}
