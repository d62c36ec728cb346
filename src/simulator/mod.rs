//! An Omni organisation in memory, over HTTP: for demos, tests and users' own CI.
//!
//! It answers Omni's calls as Omni does, as far as that is known, traps included: strict bodies, layers, canonical
//! re-serialising at merge, copies with ids of their own, QUERY models that an import leaves empty, folders whose
//! look-up is a 404. Where sources disagree, a [`Knobs`] field chooses. Below `/_simulator` are routes to look inside
//! it, to break it, and to play a person's edits. It knows nothing of the operator.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod budget;
mod canonical;
mod content_validator;
mod contract;
mod control;
mod documents;
mod export;
mod faults;
mod folders;
mod hands;
mod http;
mod identity;
mod import;
mod knobs;
mod layers;
mod line;
mod models;
mod organisation;
mod query;
mod renew;
mod roles;
mod routes;
mod see;
mod seed;
mod state;
#[cfg(test)]
mod tests;
mod validate;
mod world;
mod yaml;

pub use contract::SERVED;
pub use faults::{Fault, FaultKind};
pub use knobs::{IdentifierClash, ImportAnswer, ImportFolder, Knobs, OpenapiDocument, ValidateAnswer};
pub use seed::Seed;
pub use world::LoggedRequest;

use http::{Answer, Call};
use line::{Scissors, Switchboard};
use world::World;

/// The main key of a simulator that is not told another.
pub const DEFAULT_API_KEY: &str = "omni_osk_simulator";

/// The largest body that is read: exports carry whole uploaded files.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// How long a shutdown waits for answers that are being sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a simulator holds at first, and where it listens.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The organization key that it accepts. `omni_pat_simulator` is always accepted as a personal key.
    pub api_key: String,
    /// What the organisation holds at first.
    pub seed: Seed,
    /// How many dashboards the seed has; above five, variants of the five are added.
    pub dashboards: usize,
    /// Requests a key may make in one window; none is no budget.
    pub requests_per_minute: Option<u32>,
    /// The window of the budget: a minute, as Omni has it, or less for impatient tests.
    pub budget_window: Duration,
    /// Whether the seed's tab uses raw columns of its query view, which a copy made from YAML does not have.
    pub raw_query_columns: bool,
    /// Where Omni is known to answer in more than one way. The budget's two knobs are taken from the fields above.
    pub knobs: Knobs,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: DEFAULT_API_KEY.to_owned(),
            seed: Seed::Clinical,
            dashboards: 5,
            requests_per_minute: None,
            budget_window: Duration::from_secs(60),
            raw_query_columns: false,
            knobs: Knobs::default(),
        }
    }
}

/// A running simulator. Dropping it ends it at once; [`Simulator::shutdown`] lets answers finish.
#[derive(Debug)]
pub struct Simulator {
    base_url: String,
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    stop: CancellationToken,
}

impl Shared {
    /// The world. A panic in one request does not make it useless for the next: a call changes it in single steps.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Listens and answers until it is shut down or dropped.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: SimulatorOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let addr = listener.local_addr()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(&options)),
            stop: stop.clone(),
        });
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(Arc::clone(&shared));
        let service = router.into_make_service_with_connect_info::<Scissors>();
        let serving = axum::serve(Switchboard(listener), service).with_graceful_shutdown(stop.cancelled_owned());
        let server = tokio::spawn(async move { serving.await });
        Ok(Self {
            base_url: format!("http://{addr}"),
            addr,
            shared,
            server: Some(server),
        })
    }

    /// `http://<address>`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The whole organisation, in a stable order: what `GET /_simulator/state` answers.
    pub fn state(&self) -> Value {
        self.shared.world().state()
    }

    /// All requests to the API since the start or the last reset.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.world().log.clone()
    }

    /// What an embed user sees in an environment: what `GET /_simulator/see` answers. An environment that
    /// is not known looks at the base connection.
    pub fn see(&self, external_id: &str, environment: &str) -> Value {
        let world = self.shared.world();
        world.organisation.see(external_id, environment)
    }

    /// Plays a person's edit, as `POST /_simulator/hands` does.
    ///
    /// # Errors
    /// There is no such action, or what it names does not exist; says which.
    pub fn play(&self, action: &Value) -> Result<Value, String> {
        let body = action.as_object().cloned().unwrap_or_default();
        let reply = self.shared.world().organisation.play_hand(&body);
        match reply {
            Ok(answer) => Ok(serde_json::from_str(&answer.body).unwrap_or_default()),
            Err(refusal) => Err(refusal.body),
        }
    }

    /// Moves the organisation's time.
    pub fn advance(&self, by: Duration) {
        self.shared
            .world()
            .organisation
            .clock
            .advance(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
    }

    /// The knobs as they are turned.
    pub fn knobs(&self) -> Knobs {
        self.shared.world().organisation.knobs.clone()
    }

    /// Arms a fault.
    pub fn arm(&self, fault: Fault) {
        self.shared.world().faults.0.push(fault);
    }

    /// Disarms all faults.
    pub fn disarm(&self) {
        self.shared.world().faults.0.clear();
    }

    /// Turns knobs.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.shared.world().organisation.knobs);
    }

    /// Back to the seed: organisation, knobs, faults, budget and log.
    pub fn reset(&self) {
        self.shared.world().reset();
    }

    /// Ends it: no new connections, answers that are being sent are sent to their end.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(PATIENCE, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// Takes one request: to the control routes, or through the faults to Omni's.
async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call::new(method, &uri, &headers, body);
    match call.segments.first().map(String::as_str) {
        Some("_simulator") => {
            let reply = shared.world().control(&call);
            send(reply.unwrap_or_else(|refusal| refusal))
        }
        Some("api" | "openapi.json") => through_faults(&shared, &scissors, &call).await,
        _ => send(Answer::not_found("Not Found")),
    }
}

async fn through_faults(shared: &Shared, scissors: &Scissors, call: &Call) -> Response {
    let (n, fault) = shared.world().arrive(call);
    let sent = |answer: Answer| {
        shared.world().answered(n, answer.status);
        send(answer)
    };
    if let Some(answer) = fault.as_ref().and_then(world::instead) {
        return sent(answer);
    }
    match fault {
        Some(FaultKind::DropBefore) => {
            scissors.cut();
            return send(Answer::refusal(500, "never sent"));
        }
        Some(FaultKind::Hang) => {
            shared.stop.cancelled().await;
            scissors.cut();
            return send(Answer::refusal(500, "never sent"));
        }
        Some(FaultKind::Slow { millis }) => tokio::time::sleep(Duration::from_millis(millis)).await,
        _ => {}
    }
    let answer = shared.world().serve(call);
    match fault {
        Some(FaultKind::LostAnswer) => {
            scissors.cut();
            send(answer)
        }
        Some(FaultKind::Status500After) => sent(Answer::refusal(500, "Internal Server Error")),
        Some(FaultKind::WrongJson) => sent(Answer::ok(serde_json::json!({"unexpected": true}))),
        Some(FaultKind::Truncated) => cut_short(answer),
        _ => sent(answer),
    }
}

fn send(answer: Answer) -> Response {
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(answer.body))
        .expect("statuses and header values are written in this file's neighbours")
}

/// Half of an answer that promised to be whole.
fn cut_short(answer: Answer) -> Response {
    let length = answer.body.len();
    let half = Bytes::copy_from_slice(&answer.body.as_bytes()[..length / 2]);
    let body = futures::stream::unfold(Some(half), |half| async {
        match half {
            Some(half) => Some((Ok(half), None)),
            None => {
                // The first half leaves before the line is cut.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
        }
    });
    Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("content-length", length)
        .body(Body::from_stream(body))
        .expect("a status, a type and a length are valid")
}
