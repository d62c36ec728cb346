//! Requests and answers as plain values, and the strictness that Omni's routes share.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// What a call comes to: an answer, or a refusal, which is an answer too.
pub(super) type Reply = Result<Answer, Answer>;

/// One request, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path as it came, percent-encoded.
    pub(super) path: String,
    /// The decoded segments below `/api`.
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) query_text: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn new(method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Self {
        let path = uri.path().to_owned();
        let segments = path
            .trim_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let query_text = uri.query().unwrap_or_default().to_owned();
        let query = url::form_urlencoded::parse(query_text.as_bytes())
            .into_owned()
            .collect();
        let authorization = headers
            .get("authorization")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            method,
            path,
            segments,
            query,
            query_text,
            authorization,
            body,
        }
    }

    /// The first value of a query parameter; an empty one counts as absent.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Whether a boolean query parameter says yes.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.param(name), Some("true" | "1"))
    }

    /// Refuses query parameters that the route does not have, as Omni's strict routes do.
    pub(super) fn only_params(&self, allowed: &[&str]) -> Result<(), Answer> {
        match self.query.iter().find(|(key, _)| !allowed.contains(&key.as_str())) {
            Some((key, _)) => Err(Answer::refusal(400, unrecognized(key))),
            None => Ok(()),
        }
    }

    /// The body as an object that holds no key but the allowed ones.
    pub(super) fn body(&self, allowed: &[&str]) -> Result<Object, Answer> {
        let object = self.any_body()?;
        match object.keys().find(|key| !allowed.contains(&key.as_str())) {
            Some(key) => Err(Answer::refusal(400, unrecognized(key))),
            None => Ok(object),
        }
    }

    /// The body as an object with whatever keys.
    pub(super) fn any_body(&self) -> Result<Object, Answer> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => Err(Answer::bad(
                "body",
                format!("Expected object, received {}", kind_of(&other)),
            )),
            Err(_) => Err(Answer::refusal(400, "Bad Request: Invalid JSON body")),
        }
    }

    /// The names of the body's top-level keys, for the log; nothing where the body is no object.
    pub(super) fn body_keys(&self) -> Option<Vec<String>> {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(Value::Object(object)) => Some(object.keys().cloned().collect()),
            _ => None,
        }
    }

    /// The page asked for: how many records, and from which on.
    pub(super) fn page(&self, default_size: usize) -> Result<(usize, usize), Answer> {
        let size = match self.param("pageSize") {
            None => default_size,
            Some(text) => text
                .parse()
                .map_err(|_| Answer::bad("pageSize", "Expected number, received nan"))?,
        };
        if size < 1 {
            return Err(Answer::bad("pageSize", "Page size must be at least 1"));
        }
        if size > 100 {
            return Err(Answer::bad("pageSize", "Page size cannot exceed 100"));
        }
        let from = match self.param("cursor") {
            None => 0,
            Some(text) => decode_cursor(text)
                .ok_or_else(|| Answer::json(400, json!({"error": "Invalid cursor", "success": false})))?,
        };
        Ok((size, from))
    }
}

fn unrecognized(key: &str) -> String {
    format!("Unrecognized key(s) in object: '{key}'")
}

/// Cuts one page out of all records, in Omni's envelope.
pub(super) fn paged(records: Vec<Value>, size: usize, from: usize) -> Answer {
    paged_as("records", records, size, from)
}

/// The same under another name of the list.
pub(super) fn paged_as(list: &str, records: Vec<Value>, size: usize, from: usize) -> Answer {
    let total = records.len();
    let end = (from + size).min(total);
    let page: Vec<Value> = records.into_iter().skip(from).take(size).collect();
    let next = (end < total).then(|| encode_cursor(end));
    Answer::ok(json!({
        list: page,
        "pageInfo": {"hasNextPage": next.is_some(), "nextCursor": next, "pageSize": size, "totalRecords": total},
    }))
}

/// Cursors are opaque to callers; this one hides an offset, so that nobody is tempted to count.
fn encode_cursor(offset: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("after:{offset}"))
}

fn decode_cursor(text: &str) -> Option<usize> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("after:")?.parse().ok()
}

/// What is sent back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json",
            body: body.to_string(),
        }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// 204, without a body.
    pub(super) fn empty() -> Self {
        Self {
            body: String::new(),
            ..Self::json(204, Value::Null)
        }
    }

    /// An error in the usual shape, `{"detail", "status"}`.
    pub(super) fn refusal(status: u16, detail: impl Into<String>) -> Self {
        Self::json(status, json!({"detail": detail.into(), "status": status}))
    }

    /// A 400 about one field, worded as Omni's validation words it.
    pub(super) fn bad(field: &str, reason: impl AsRef<str>) -> Self {
        Self::refusal(400, format!("Bad Request: {field}: {}", reason.as_ref()))
    }

    /// An error of the authentication layer, which has a shape of its own.
    pub(super) fn auth(status: u16, message: &str) -> Self {
        Self::json(status, json!({"error": {"code": status, "message": message}}))
    }

    /// A 422, which has a third shape.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::json(422, json!({"error": message.into()}))
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::refusal(404, detail)
    }

    pub(super) fn lines(lines: &[Value]) -> Self {
        let body = lines.iter().map(|line| format!("{line}\n")).collect();
        Self {
            status: 200,
            headers: Vec::new(),
            content_type: "text/ndjson",
            body,
        }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Reads one text field that must be there.
pub(super) fn required_text<'a>(object: &'a Object, field: &str) -> Result<&'a str, Answer> {
    optional_text(object, field)?.ok_or_else(|| Answer::bad(field, "Required"))
}

/// Reads one text field that may be absent; `null` is refused as Omni refuses it.
pub(super) fn optional_text<'a>(object: &'a Object, field: &str) -> Result<Option<&'a str>, Answer> {
    match object.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Answer::bad(
            field,
            format!("Expected string, received {}", kind_of(other)),
        )),
    }
}

/// Reads one boolean that may be absent.
pub(super) fn optional_flag(object: &Object, field: &str) -> Result<Option<bool>, Answer> {
    match object.get(field) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Answer::bad(
            field,
            format!("Expected boolean, received {}", kind_of(other)),
        )),
    }
}

/// Reads a list of texts that may be absent.
pub(super) fn optional_texts(object: &Object, field: &str) -> Result<Vec<String>, Answer> {
    match object.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| Answer::bad(field, "Expected string"))
            })
            .collect(),
        Some(other) => Err(Answer::bad(
            field,
            format!("Expected array, received {}", kind_of(other)),
        )),
    }
}

/// Refuses a text that is no UUID.
pub(super) fn uuid(field: &str, text: &str) -> Result<(), Answer> {
    match uuid::Uuid::try_parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Answer::bad(field, "Invalid uuid")),
    }
}

/// The word that validation texts use for a JSON value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
