//! `/livez` and `/readyz`: whether the process lives, and which gate is shut. `/metrics`: what it measures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Measures;

/// The format that Prometheus scrapes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this replica does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It waits for the lead: ready to take it, and idle.
    Standby,
    /// It has the lead.
    Leading,
    /// It ends.
    Ending,
}

#[derive(Debug)]
struct Condition {
    role: Role,
    /// What keeps it from taking the lead, while it waits.
    useless: Option<String>,
    /// The gates that are shut, each with the reason.
    shut: BTreeMap<String, String>,
}

/// The gates between the start and the first pass.
#[derive(Debug, Clone)]
pub(super) struct Gates {
    condition: Arc<watch::Sender<Condition>>,
}

impl Default for Gates {
    fn default() -> Self {
        let condition = Condition {
            role: Role::Standby,
            useless: None,
            shut: BTreeMap::new(),
        };
        Self {
            condition: Arc::new(watch::Sender::new(condition)),
        }
    }
}

impl Gates {
    /// What keeps this replica from taking the lead; `None`: nothing, as far as can be seen.
    pub(super) fn standby(&self, useless: Option<String>) {
        self.condition.send_modify(|condition| condition.useless = useless);
    }

    /// The lead is here; work begins once these gates are open.
    pub(super) fn lead(&self, gates: impl IntoIterator<Item = String>) {
        self.condition.send_modify(|condition| {
            condition.role = Role::Leading;
            let not_yet = "not complete yet".to_owned();
            condition.shut = gates.into_iter().map(|gate| (gate, not_yet.clone())).collect();
        });
    }

    /// The process ends: no longer ready.
    pub(super) fn end(&self) {
        self.condition.send_modify(|condition| condition.role = Role::Ending);
    }

    /// Opens a gate.
    pub(super) fn open(&self, gate: &str) {
        self.condition.send_modify(|condition| {
            condition.shut.remove(gate);
        });
    }

    /// Says why a gate is still shut. One that was open stays so.
    pub(super) fn still_shut(&self, gate: &str, why: String) {
        self.condition.send_modify(|condition| {
            if let Some(reason) = condition.shut.get_mut(gate) {
                *reason = why;
            }
        });
    }

    /// Waits until every gate is open.
    pub(super) async fn all_open(&self) {
        let mut condition = self.condition.subscribe();
        // The sender lives in `self`, so the wait ends by what it waits for only.
        let _ = condition.wait_for(|condition| condition.shut.is_empty()).await;
    }

    fn readiness(&self) -> (StatusCode, String) {
        let condition = self.condition.borrow();
        match condition.role {
            Role::Ending => (StatusCode::SERVICE_UNAVAILABLE, "ending\n".to_owned()),
            Role::Standby if let Some(why) = &condition.useless => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("shut: lead: {why}\n"))
            }
            Role::Standby => (StatusCode::OK, "ok: standby, another replica leads\n".to_owned()),
            Role::Leading if condition.shut.is_empty() => (StatusCode::OK, "ok: leading\n".to_owned()),
            Role::Leading => {
                let shut = condition.shut.iter();
                let lines = shut.map(|(gate, why)| format!("shut: {gate}: {why}\n")).collect();
                (StatusCode::SERVICE_UNAVAILABLE, lines)
            }
        }
    }
}

/// Answers on this listener until the token is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    gates: Gates,
    measures: Arc<Measures>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let metrics = async move || ([(CONTENT_TYPE, OPEN_METRICS)], measures.text());
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async |State(gates): State<Gates>| gates.readiness()))
        .route("/metrics", get(metrics))
        .with_state(gates);
    let ended = async move { stop.cancelled().await };
    axum::serve(listener, router).with_graceful_shutdown(ended).await
}

/// Listens for probes.
pub(super) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_is_who_waits_for_the_lead_and_who_leads_with_every_gate_open() {
        let gates = Gates::default();
        assert_eq!(gates.readiness().0, StatusCode::OK);
        gates.standby(Some("no right to it".to_owned()));
        assert_eq!(
            gates.readiness(),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "shut: lead: no right to it\n".to_owned()
            )
        );
        gates.lead(["pins".to_owned(), "versions".to_owned()]);
        gates.open("versions");
        gates.still_shut("pins", "CRD is missing".to_owned());
        let (status, text) = gates.readiness();
        assert_eq!(
            (status, text.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "shut: pins: CRD is missing\n")
        );
        gates.open("pins");
        gates.all_open().await;
        gates.still_shut("pins", "the watch broke".to_owned());
        assert_eq!(
            gates.readiness().0,
            StatusCode::OK,
            "a broken watch is begun again behind an open gate"
        );
        gates.end();
        assert_eq!(gates.readiness().0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
