//! A front before the API server that knows which request writes a status or an event.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use axum::http::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use super::trap::{Met, Moment, Trap};

/// How the name of a status' write begins; its kind follows.
pub(super) const STATUS: &str = "status of ";

/// How the name of an event's write begins.
pub(super) const EVENT: &str = "event ";

/// What a process is told that nobody listens to any more.
const DEAD: &str = "the one who asked is dead";

/// Larger than any object of the tests.
const MOST: usize = 4 << 20;

/// Answers on the loopback, in the clear, as `kubectl proxy` does: with the administrator's rights.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) port: u16,
    _serving: JoinSet<()>,
}

impl Front {
    pub(super) async fn before(api_server: kube::Client, trap: Arc<Trap>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Router::new().fallback(pass).with_state((api_server, trap));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            port,
            _serving: serving,
        }
    }
}

/// One request. A watch's answer goes on as it comes.
async fn pass(State((api_server, trap)): State<(kube::Client, Arc<Trap>)>, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, MOST).await.unwrap();
    let what = written(&head.method, head.uri.path(), &body);
    let point = match what.map_or(Met::Goes, |what| trap.meets(&what)) {
        Met::Goes => None,
        Met::Dies(point) if point.moment == Moment::After => Some(point),
        Met::Dies(point) => {
            trap.hold(point).await;
            return refused(DEAD.to_owned());
        }
        Met::Dead => {
            trap.burial().await;
            return refused(DEAD.to_owned());
        }
    };
    for header in [AUTHORIZATION, HOST, CONTENT_LENGTH] {
        head.headers.remove(header);
    }
    let asked = axum::http::Request::from_parts(head, kube::client::Body::from(body));
    let answer = api_server.send(asked).await;
    if let Some(point) = point {
        // It is done once the API server has said so.
        if let Ok(answer) = answer {
            let _ = to_bytes(Body::new(answer.into_body()), MOST).await;
        }
        trap.hold(point).await;
        return refused(DEAD.to_owned());
    }
    answer.map_or_else(|error| refused(error.to_string()), |answer| answer.map(Body::new))
}

fn refused(why: String) -> Response<Body> {
    let mut refused = Response::new(Body::from(why));
    *refused.status_mut() = StatusCode::BAD_GATEWAY;
    refused
}

/// What is counted: statuses by their kind, events by their object's kind and their reason.
fn written(method: &Method, path: &str, body: &Bytes) -> Option<String> {
    if ![Method::POST, Method::PUT, Method::PATCH].contains(method) {
        return None;
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["apis", "wavepin.dev", _, "namespaces", _, kind, _, "status"] => Some(format!("{STATUS}{kind}")),
        ["apis", "events.k8s.io", _, "namespaces", _, "events", ..] => {
            let event: Value = serde_json::from_slice(body).unwrap_or_default();
            // Of one that is told again only the count is sent.
            let words = ["/regarding/kind", "/reason"].map(|at| event.pointer(at).and_then(Value::as_str));
            Some(match words {
                [Some(kind), Some(reason)] => format!("{EVENT}{kind} {reason}"),
                _ => format!("{EVENT}again"),
            })
        }
        _ => None,
    }
}
