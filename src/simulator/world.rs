//! The world of one simulator: the organisation, and what is kept about the requests to it.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

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

/// Everything that a simulator holds.
#[derive(Debug)]
pub(super) struct World {
    options: SimulatorOptions,
    pub(super) organisation: Organisation,
    pub(super) faults: Faults,
    budget: Budget,
    pub(super) log: Vec<LoggedRequest>,
}

impl World {
    pub(super) fn new(options: &SimulatorOptions) -> Self {
        Self {
            organisation: seed::organisation(options),
            options: options.clone(),
            faults: Faults::default(),
            budget: Budget::default(),
            log: Vec::new(),
        }
    }

    /// Everything back to the seed: organisation, knobs, faults, budget and log.
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
        (n, fault)
    }

    /// Notes with which status a request was answered.
    pub(super) fn answered(&mut self, n: u64, status: u16) {
        if let Some(entry) = self.log.iter_mut().rev().find(|entry| entry.n == n) {
            entry.status = Some(status);
        }
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
pub(super) fn instead(fault: &FaultKind) -> Option<Answer> {
    match fault {
        FaultKind::Status429 { retry_after } => Some(too_many(*retry_after)),
        FaultKind::Status { code } => Some(Answer::refusal(*code, "Injected")),
        FaultKind::Status500Before => Some(Answer::refusal(500, "Internal Server Error")),
        _ => None,
    }
}
