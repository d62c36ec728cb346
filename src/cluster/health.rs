//! `/livez` and `/readyz`: whether the process lives, and which gate is shut. `/metrics`: what it measures.
//! `/log-level`: what it logs, and another filter for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::telemetry::{LogLevel, Measures};

/// The format that Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text";

/// The format for whoever asks for none.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// More than any filter needs.
const FILTER_LIMIT: usize = 4096;

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

    /// How many are shut; what keeps a replica from taking the lead is one.
    fn shut(&self) -> usize {
        let condition = self.condition.borrow();
        match condition.role {
            Role::Standby => usize::from(condition.useless.is_some()),
            Role::Leading | Role::Ending => condition.shut.len(),
        }
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
    logs: LogLevel,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = router(gates, measures, logs).into_make_service_with_connect_info::<SocketAddr>();
    let ended = async move { stop.cancelled().await };
    axum::serve(listener, router).with_graceful_shutdown(ended).await
}

fn router(gates: Gates, measures: Arc<Measures>, logs: LogLevel) -> Router {
    let scraped = gates.clone();
    let metrics = async move |headers: HeaderMap| {
        measures.shut_gates(scraped.shut());
        scrape(&headers, &measures)
    };
    let told = logs.clone();
    let level = get(async move || format!("{}\n", told.filter()))
        .put(async move |filter: String| change(&logs, &filter))
        .layer(DefaultBodyLimit::max(FILTER_LIMIT))
        .layer(from_fn(from_this_machine));
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async |State(gates): State<Gates>| gates.readiness()))
        .route("/metrics", get(metrics))
        .route("/log-level", level)
        .with_state(gates)
}

fn scrape(headers: &HeaderMap, measures: &Measures) -> Response {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    if accepted.any(|accept| accept.contains(OPEN_METRICS)) {
        let kind = format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8");
        return ([(CONTENT_TYPE, kind)], measures.text()).into_response();
    }
    ([(CONTENT_TYPE, CLASSIC)], measures.classic_text()).into_response()
}

fn change(logs: &LogLevel, filter: &str) -> (StatusCode, String) {
    let before = logs.filter();
    match logs.change(filter) {
        Ok(()) => {
            let now = logs.filter();
            warn!(
                before,
                now, "the log level was changed, until it is changed again or the process ends"
            );
            (StatusCode::OK, format!("{now}\n"))
        }
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

/// The port is on the Pod's network, for the kubelet and Prometheus: what changes the process is for those alone who
/// may open a port of the Pod, by `kubectl port-forward`, which arrives from the loopback.
async fn from_this_machine(ConnectInfo(caller): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    if caller.ip().to_canonical().is_loopback() {
        return next.run(request).await;
    }
    let why = "/log-level answers callers on the loopback alone: use kubectl port-forward\n";
    (StatusCode::FORBIDDEN, why).into_response()
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
        assert_eq!(gates.shut(), 2);
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

    /// Where the probes answer callers as if they came from there.
    async fn called_from(caller: &str) -> String {
        let caller: SocketAddr = caller.parse().unwrap();
        let router = router(Gates::default(), Arc::default(), LogLevel::default());
        let router = router.layer(axum::extract::connect_info::MockConnectInfo(caller));
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn the_log_level_is_for_callers_on_the_loopback_alone() {
        let client = reqwest::Client::new();
        for (caller, allowed) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.1.2.3:1", false),
            ("[::ffff:10.1.2.3]:1", false),
            ("[fd00::3]:1", false),
        ] {
            let url = format!("{}/log-level", called_from(caller).await);
            let change = client.put(&url).body("wavepin=debug").send().await.unwrap().status();
            let told = client.get(&url).send().await.unwrap();
            let expected = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!((change, told.status()), (expected, expected), "{caller}");
            assert_eq!(
                told.text().await.unwrap().contains("wavepin=debug"),
                allowed,
                "{caller}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_filter_or_too_long_for_one_is_refused() {
        let url = format!("{}/log-level", called_from("127.0.0.1:1").await);
        let client = reqwest::Client::new();
        for (body, status) in [
            ("loud=loud".to_owned(), StatusCode::BAD_REQUEST),
            (String::new(), StatusCode::BAD_REQUEST),
            ("wavepin=info,".repeat(FILTER_LIMIT), StatusCode::PAYLOAD_TOO_LARGE),
        ] {
            assert_eq!(client.put(&url).body(body).send().await.unwrap().status(), status);
        }
        assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "off\n");
    }

    #[tokio::test]
    async fn a_scrape_gets_the_format_that_it_asks_for() {
        let url = format!("{}/metrics", called_from("10.1.2.3:1").await);
        let client = reqwest::Client::new();
        let asking = client
            .get(&url)
            .header(ACCEPT, "text/plain;q=0.5,application/openmetrics-text;q=0.9");
        for (request, kind, end) in [(asking, OPEN_METRICS, true), (client.get(&url), "text/plain", false)] {
            let answer = request.send().await.unwrap();
            assert!(answer.headers()[CONTENT_TYPE].to_str().unwrap().starts_with(kind));
            assert_eq!(answer.text().await.unwrap().ends_with("# EOF\n"), end);
        }
    }
}
