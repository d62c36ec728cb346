//! Sending one call: its turn in the budget, the request, and what the answer means.

use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::limiter::Slot;
use super::redact::{LOOKED_AT, redact};
use super::refusal::{refusal, retry_after, words};
use crate::ports::{Met, OmniError, OmniErrorKind, Rehearsal, Request, Reservation};

/// How often a call that drew a 429 is sent again.
const REPEATS_AFTER_429: u32 = 5;

/// How much of Omni's words an error keeps, in bytes.
const DETAIL_LIMIT: usize = 2048;

/// How much of an answer that is not understood an error keeps, in bytes.
const EXCERPT_LIMIT: usize = 197;

/// Answers that hold no files may be so much shorter than the longest: 8 of 64 MiB.
const ORDINARY_SHARE: usize = 8;

/// What may stand in a path segment as it is: the unreserved characters of a URL.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One call: what is asked, and what it is about.
#[derive(Debug, Clone)]
pub(super) struct Call {
    operation: &'static str,
    object: String,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    below: &'static str,
    is_long: bool,
    is_lines: bool,
}

impl Call {
    /// A call by its method and path pattern below `/api`, `GET /v1/models/{id}/yaml`; `object` is what errors name.
    pub(super) fn new(operation: &'static str, object: impl Into<String>) -> Self {
        Self {
            operation,
            object: object.into(),
            segments: Vec::new(),
            query: Vec::new(),
            body: None,
            below: "/api",
            is_long: false,
            is_lines: false,
        }
    }

    /// The path is one of the server, not of its API.
    pub(super) const fn at_the_root(mut self) -> Self {
        self.below = "";
        self
    }

    /// The answer may be as long as any: it holds files.
    pub(super) const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// The answer is a line of JSON after the other, read as a list of them.
    pub(super) const fn lines(mut self) -> Self {
        self.is_lines = true;
        self
    }

    /// Fills the next `{…}` of the pattern.
    pub(super) fn segment(mut self, value: &str) -> Self {
        self.segments.push(value.to_owned());
        self
    }

    /// Adds a query parameter.
    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a query parameter if there is a value for it.
    pub(super) fn query_if_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Sets the JSON body.
    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The error of this call.
    pub(super) fn error(&self, kind: OmniErrorKind) -> OmniError {
        OmniError {
            operation: self.operation,
            object: self.object.clone(),
            kind,
        }
    }

    /// That the answers of this call, taken together, are not what is needed.
    pub(super) fn drift(&self, field: &str, excerpt: &str) -> OmniError {
        self.error(OmniErrorKind::ContractDrift {
            field: field.to_owned(),
            excerpt: excerpt.to_owned(),
        })
    }

    fn method(&self) -> Method {
        let word = self.operation.split(' ').next().unwrap_or_default();
        Method::from_bytes(word.as_bytes()).unwrap_or(Method::GET)
    }

    /// The path below the place that the call has. A value that a URL would take for another path than a segment is refused here.
    fn path(&self) -> Result<String, OmniErrorKind> {
        let pattern = self.operation.split(' ').next_back().unwrap_or_default();
        let mut values = self.segments.iter();
        let mut path = String::new();
        for segment in pattern.split('/').skip(1) {
            path.push('/');
            if !segment.starts_with('{') {
                path.push_str(segment);
                continue;
            }
            let value = values.next().map(String::as_str).unwrap_or_default();
            if matches!(value, "" | "." | "..") {
                return Err(OmniErrorKind::NotFound {
                    detail: format!("{value:?} can be the name of nothing"),
                });
            }
            path.extend(utf8_percent_encode(value, SEGMENT));
        }
        Ok(path)
    }
}

/// A place in a budget that is only counted with.
pub(super) struct Rehearsed;

/// A 2xx answer that is JSON, or nothing.
#[derive(Debug)]
pub(super) struct Answer {
    body: Value,
    excerpt: String,
}

impl Answer {
    /// Takes out of the answer what is needed, or says what it lacks.
    pub(super) fn read<T>(
        &self,
        call: &Call,
        read: impl FnOnce(&Field<'_>) -> Result<T, Drift>,
    ) -> Result<T, OmniError> {
        read(&Field::root(&self.body)).map_err(|Drift(field)| {
            call.error(OmniErrorKind::ContractDrift {
                field,
                excerpt: self.excerpt.clone(),
            })
        })
    }

    /// The whole body.
    pub(super) fn into_body(self) -> Value {
        self.body
    }
}

/// Takes Omni's word that something is not there for an answer.
pub(super) fn found(answer: Result<Answer, OmniError>) -> Result<Option<Answer>, OmniError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(OmniError {
            kind: OmniErrorKind::NotFound { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How one sending ended without an answer that helps.
enum Failure {
    /// The server asked for fewer requests; it did nothing.
    Throttled { retry_after: Option<Duration> },
    /// The connection failed, before the request was sent or after it.
    Broken(OmniErrorKind),
    /// Sending it again would not help, or could do harm.
    Final(OmniErrorKind),
}

impl OmniClient {
    /// Sends a call and returns its answer. It is sent again only after a 429, which has no effect, and a read once
    /// after a broken connection.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, OmniError> {
        self.admit(call)?;
        if let Some(rehearsal) = &self.rehearsal {
            return self.rehearse(&**rehearsal, call, false).await;
        }
        self.send_on(call).await
    }

    async fn send_on(&self, call: &Call) -> Result<Answer, OmniError> {
        let path = call.path().map_err(|kind| call.error(kind))?;
        let mut repeats_after_429 = REPEATS_AFTER_429;
        let mut repeats_after_break = u32::from(call.method() == Method::GET);
        loop {
            let kind = match self.send_once(call, &path).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Throttled { .. }) if repeats_after_429 > 0 => {
                    repeats_after_429 -= 1;
                    continue;
                }
                Err(Failure::Broken(_)) if repeats_after_break > 0 => {
                    repeats_after_break -= 1;
                    continue;
                }
                Err(Failure::Throttled { retry_after }) => OmniErrorKind::RateLimited { retry_after },
                Err(Failure::Broken(kind) | Failure::Final(kind)) => kind,
            };
            return Err(call.error(kind));
        }
    }

    /// Refuses a call that the standing does not admit, before it costs a place in the budget.
    fn admit(&self, call: &Call) -> Result<(), OmniError> {
        self.standing.admits(call.operation).map_err(|kind| call.error(kind))
    }

    /// Sends a call in the place that was kept for it: once, whatever comes of it. An own place is taken where
    /// another client kept it.
    pub(super) async fn send_reserved(&self, call: &Call, place: Reservation) -> Result<Answer, OmniError> {
        self.admit(call)?;
        if let Some(rehearsal) = &self.rehearsal {
            let placed = place.place::<Rehearsed>().is_some();
            return self.rehearse(&**rehearsal, call, placed).await;
        }
        let path = call.path().map_err(|kind| call.error(kind))?;
        let slot = match place.place::<Slot>() {
            Some(slot) => slot.fresh().map(|()| slot),
            None => self.limiter.slot(self.urgency).await,
        };
        let slot = slot.map_err(|source| call.error(OmniErrorKind::NoPlace { source }))?;
        self.send_in(slot, call, &path).await.map_err(|failure| {
            call.error(match failure {
                Failure::Throttled { retry_after } => OmniErrorKind::RateLimited { retry_after },
                Failure::Broken(kind) | Failure::Final(kind) => kind,
            })
        })
    }

    /// Meets a call as the rehearsal says. Whatever it says, nothing but a read is sent.
    async fn rehearse(&self, rehearsal: &dyn Rehearsal, call: &Call, placed: bool) -> Result<Answer, OmniError> {
        call.path().map_err(|kind| call.error(kind))?;
        let request = Request {
            operation: call.operation,
            below: call.below,
            segments: &call.segments,
            query: &call.query,
            body: call.body.as_ref(),
            object: &call.object,
            placed,
        };
        let answer = match rehearsal.meet(&request) {
            Met::Answered(answer) => answer,
            Met::Read(_) if call.method() != Method::GET => Err(OmniErrorKind::Refused {
                status: 501,
                detail: "a rehearsal sends nothing but reads".to_owned(),
            }),
            Met::Read(elsewhere) => {
                let mut sent = call.clone();
                sent.segments = elsewhere.unwrap_or(sent.segments);
                let answer = self.send_on(&sent).await.map(Answer::into_body);
                rehearsal.read(&request, answer.map_err(|error| error.kind))
            }
        };
        let answer = answer.map_err(|kind| call.error(kind))?;
        self.success(StatusCode::OK, Some(answer), false, String::new())
            .map_err(|kind| call.error(kind))
    }

    /// Sends a call about something that may be absent. A 404 counts as absence only in Omni's own words: one that is no
    /// JSON comes from something else on the way, and a thing that it hides would be made a second time.
    pub(super) async fn send_for_option(&self, call: &Call) -> Result<Option<Answer>, OmniError> {
        found(self.send(call).await)
    }

    async fn send_once(&self, call: &Call, path: &str) -> Result<Answer, Failure> {
        let slot = self.limiter.slot(self.urgency).await;
        let slot = slot.map_err(|source| Failure::Final(OmniErrorKind::NoPlace { source }))?;
        self.send_in(slot, call, path).await
    }

    async fn send_in(&self, mut slot: Slot, call: &Call, path: &str) -> Result<Answer, Failure> {
        // Once more: a place may be long in coming, and meanwhile another organisation may have been found.
        self.standing.admits(call.operation).map_err(Failure::Final)?;
        let started = Instant::now();
        let outcome = self.exchange(call, path).await;
        let status = outcome.as_ref().map_or(0, |received| received.status.as_u16());
        let took = started.elapsed();
        self.measures.request(call.operation, word(&outcome), took);
        let millis = took.as_millis();
        tracing::debug!(operation = call.operation, status, millis, "asked Omni");
        let received = outcome.map_err(|broken| {
            let kind = self.broken(&broken);
            if broken.timed_out {
                Failure::Final(kind)
            } else {
                Failure::Broken(kind)
            }
        })?;
        if received.status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(&received.headers);
            slot.throttled(retry_after);
            return Err(Failure::Throttled { retry_after });
        }
        slot.accepted();
        drop(slot);
        self.classify(received, call.is_lines).map_err(Failure::Final)
    }

    fn request(&self, call: &Call, path: &str) -> RequestBuilder {
        let url = format!("{}{}{path}", self.base_url, call.below);
        let request = self.http.request(call.method(), url);
        let request = if call.query.is_empty() {
            request
        } else {
            request.query(&call.query)
        };
        match &call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn exchange(&self, call: &Call, path: &str) -> Result<Received, Broken> {
        let mut response: Response = self.request(call, path).send().await.map_err(Broken::new)?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let limit = self.limit(call);
        let too_long = |headers| Received {
            status,
            headers,
            body: Body::LongerThan(limit),
        };
        // What is announced as too long is not begun.
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Ok(too_long(headers));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Broken::new)? {
            if bytes.len() + chunk.len() > limit {
                return Ok(too_long(headers));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Received {
            status,
            headers,
            body: Body::Whole(bytes),
        })
    }

    const fn limit(&self, call: &Call) -> usize {
        if call.is_long {
            self.answer_limit
        } else {
            self.answer_limit / ORDINARY_SHARE
        }
    }

    fn broken(&self, broken: &Broken) -> OmniErrorKind {
        let why = redact(&broken.why, &self.api_key, DETAIL_LIMIT);
        if broken.before_sending {
            OmniErrorKind::Unreachable { why }
        } else {
            OmniErrorKind::AnswerLost { why }
        }
    }

    fn classify(&self, received: Received, is_lines: bool) -> Result<Answer, OmniErrorKind> {
        let Received { status, headers, body } = received;
        let bytes = match body {
            Body::Whole(bytes) => bytes,
            Body::LongerThan(limit) => {
                return Err(OmniErrorKind::ContractDrift {
                    field: "the answer itself".to_owned(),
                    excerpt: format!("it is longer than {limit} bytes and was not read to its end"),
                });
            }
        };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT)]);
        let excerpt = redact(&text, &self.api_key, EXCERPT_LIMIT);
        if is_lines && status.is_success() {
            let lines = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
            let lines = lines.collect::<Result<Vec<_>, _>>().ok();
            return self.success(status, lines.map(Value::Array), false, excerpt);
        }
        let json = serde_json::from_slice::<Value>(&bytes).ok();
        if status.is_success() {
            return self.success(status, json, bytes.is_empty(), excerpt);
        }
        let words = json.as_ref().and_then(words).unwrap_or_else(|| text.into_owned());
        let detail = redact(&words, &self.api_key, DETAIL_LIMIT);
        Err(refusal(status, &headers, json.is_some(), detail, excerpt))
    }

    fn success(
        &self,
        status: StatusCode,
        json: Option<Value>,
        empty: bool,
        excerpt: String,
    ) -> Result<Answer, OmniErrorKind> {
        let body = match json {
            Some(body) => body,
            None if empty => Value::Null,
            None => {
                return Err(OmniErrorKind::ContractDrift {
                    field: "the answer itself, which is no whole JSON".to_owned(),
                    excerpt,
                });
            }
        };
        // Some calls answer 200 with the failure inside.
        if body.get("success") == Some(&Value::Bool(false)) {
            let words = words(&body).unwrap_or_else(|| "success is false".to_owned());
            return Err(OmniErrorKind::Refused {
                status: status.as_u16(),
                detail: redact(&words, &self.api_key, DETAIL_LIMIT),
            });
        }
        Ok(Answer { body, excerpt })
    }
}

/// How a request ended, in measures.
fn word(outcome: &Result<Received, Broken>) -> &'static str {
    match outcome {
        Err(broken) if broken.before_sending => "unreachable",
        Err(_) => "lost",
        Ok(received) => match received.status.as_u16() {
            429 => "throttled",
            200..=299 => "accepted",
            500.. => "failed",
            _ => "refused",
        },
    }
}

struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

enum Body {
    Whole(Vec<u8>),
    LongerThan(usize),
}

struct Broken {
    before_sending: bool,
    timed_out: bool,
    why: String,
}

impl Broken {
    fn new(error: reqwest::Error) -> Self {
        let before_sending = error.is_connect() || error.is_builder();
        let timed_out = error.is_timeout();
        // The URL is dropped, since its query may hold names; the causes are what tells a person what happened.
        let error = error.without_url();
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            why.push_str(": ");
            why.push_str(&error.to_string());
            cause = error.source();
        }
        Self {
            before_sending,
            timed_out,
            why,
        }
    }
}
