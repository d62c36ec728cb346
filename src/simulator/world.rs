//! The world of one simulator: the organisation, and what is kept about the requests to it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::budget::{Budget, too_many};
use super::faults::{FaultKind, Faults};
use super::http::{Answer, Call};
use super::identity::authenticate;
use super::organisation::Organisation;
use super::{SimulatorOptions, contract, routes, seed};

/// One request to the API, as the log keeps it; never the key that it came with.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedRequest {
    /// Its number, from 1, in the order of arrival.
    pub n: u64,
    /// The method.
    pub method: String,
    /// The path as it came, percent-encoded, without the query.
    pub path: String,
    /// The query as it came, empty if there was none.
    pub query: String,
    /// The status that was answered; none while it is answered, or if no answer was sent.
    pub status: Option<u16>,
    /// When it came, by the organisation's clock.
    pub at: String,
    /// The top-level keys of the body, where it was a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_keys: Option<Vec<String>>,
    /// The fault that befell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultKind>,
}

/// One request and its answer, whole; never the key.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    /// The request as the log has it, with the status and the fault.
    pub request: LoggedRequest,
    /// The request's body, empty if there was none.
    pub body: String,
    /// The answer's media type, empty if there was no answer.
    pub content_type: String,
    /// The answer's body, as Omni would send it, empty if there was none: a fault that spoils only the sending is not in it.
    pub answer: String,
}

/// Everything that a simulator holds.
#[derive(Debug)]
pub(super) struct World {
    options: SimulatorOptions,
    pub(super) organisation: Organisation,
    pub(super) faults: Faults,
    budget: Budget,
    pub(super) log: Vec<LoggedRequest>,
    exchanges: Vec<Exchange>,
    /// Bodies of requests that are not answered yet, where exchanges are kept.
    open: BTreeMap<u64, String>,
}

impl World {
    pub(super) fn new(options: &SimulatorOptions) -> Self {
        Self {
            organisation: seed::organisation(options),
            options: options.clone(),
            faults: Faults(options.faults.clone()),
            budget: Budget::default(),
            log: Vec::new(),
            exchanges: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Everything back to how it began: organisation, knobs, faults, budget and log.
    pub(super) fn reset(&mut self) {
        *self = Self::new(&self.options.clone());
    }

    pub(super) fn state(&self) -> Value {
        let mut state = self.organisation.state();
        state["requestsOverBudget"] = self.budget.refused.into();
        state
    }

    /// Writes a request down as it arrives. Gives its place in the log and the fault that befalls it.
    pub(super) fn arrive(&mut self, call: &Call) -> (u64, Option<FaultKind>) {
        let n = self.log.last().map_or(0, |last| last.n) + 1;
        let fault = self.faults.strike(call.method.as_str(), &call.path);
        self.log.push(LoggedRequest {
            n,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query_text.clone(),
            status: None,
            at: self.organisation.clock.now().to_string(),
            body_keys: call.body_keys(),
            fault: fault.clone(),
        });
        if self.options.keep_exchanges {
            self.open.insert(n, String::from_utf8_lossy(&call.body).into_owned());
        }
        (n, fault)
    }

    /// Notes how a request was answered.
    pub(super) fn answered(&mut self, n: u64, answer: &Answer) {
        let Some(entry) = self.log.iter_mut().rev().find(|entry| entry.n == n) else {
            return;
        };
        entry.status = Some(answer.status);
        if let Some(body) = self.open.remove(&n) {
            self.exchanges.push(Exchange {
                request: entry.clone(),
                body,
                content_type: answer.content_type.to_owned(),
                answer: answer.body.clone(),
            });
        }
    }

    /// Every exchange that is kept, in the order of answers; then the requests that have none, or never get one.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        let unanswered = self.open.iter().filter_map(|(n, body)| {
            let request = self.log.iter().find(|entry| entry.n == *n)?.clone();
            Some(Exchange {
                request,
                body: body.clone(),
                content_type: String::new(),
                answer: String::new(),
            })
        });
        self.exchanges.iter().cloned().chain(unanswered).collect()
    }

    /// Answers a call: budget first, as the firewall stands in front of Omni, then the key, then the call itself.
    /// The document at `/openapi.json` is for everybody.
    pub(super) fn serve(&mut self, call: &Call) -> Answer {
        let key = call.authorization.as_deref().unwrap_or_default();
        let document = call.path == "/openapi.json";
        let admitted = self.budget.admit(key, Instant::now(), &self.organisation.knobs);
        admitted
            .and_then(|()| match document {
                true => contract::answer(call, &self.organisation.knobs),
                false => authenticate(call, &self.options.api_key, &self.organisation)
                    .and_then(|scope| routes::answer(&mut self.organisation, call, scope)),
            })
            .unwrap_or_else(|refusal| refusal)
    }
}

/// The answer that a fault gives in place of Omni's, where nothing happens before it.
pub(super) fn instead(fault: &FaultKind, call: &Call) -> Option<Answer> {
    let html = |status, body: &str| Answer {
        content_type: "text/html",
        body: body.to_owned(),
        ..Answer::refusal(status, "")
    };
    Some(match fault {
        FaultKind::Status429 { retry_after } => too_many(*retry_after),
        FaultKind::Status { code } => Answer::refusal(*code, "Injected"),
        FaultKind::Status500Before => Answer::refusal(500, "Internal Server Error"),
        FaultKind::FailureInside => Answer::ok(json!({"success": false, "error": "Injected"})),
        FaultKind::Missing => html(
            404,
            "<!DOCTYPE html><title>Not found</title><p>There is nothing here.</p>\n",
        ),
        FaultKind::Gone { successor } => {
            let version = if call.path.starts_with("/api/unstable/") {
                "unstable"
            } else {
                "v1"
            };
            let newer = || call.path.replacen(&format!("/api/{version}/"), "/api/v2/", 1);
            routes::gone("2026-11-30", &successor.clone().unwrap_or_else(newer))
        }
        FaultKind::Forbidden => Answer::refusal(403, "Forbidden"),
        FaultKind::NotJson => html(
            200,
            "<!DOCTYPE html><title>Sign in</title><form method=\"post\"><input name=\"user\"></form>\n",
        ),
        FaultKind::Redirect { to } => Answer {
            content_type: "text/plain",
            body: String::new(),
            ..Answer::refusal(307, "")
        }
        .with_header("location", to.as_str()),
        _ => return None,
    })
}
