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
use axum::body::Bytes;
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
mod differences;
mod document_access;
mod documents;
mod documents_v2;
mod embed_users;
mod export;
mod faults;
mod folders;
mod git_settings;
mod hands;
mod http;
mod identity;
mod ids;
mod import;
mod knobs;
mod labels;
mod layers;
mod line;
mod metadata;
mod models;
mod organisation;
mod query;
mod renew;
mod repository;
mod roles;
mod routes;
mod run;
mod schedules;
mod see;
mod seed;
mod sending;
mod sql;
mod state;
#[cfg(test)]
mod tests;
mod validate;
mod viewpoint;
mod world;
mod yaml;

pub use contract::SERVED;
pub use differences::{DIFFERENCES, Difference};
pub use faults::{Fault, FaultKind};
pub use knobs::{
    DocumentDefaults, DocumentLabels, EnvironmentsAnswer, FolderClash, GitFirstSync, IdentifierClash, ImportAnswer,
    ImportFolder, Knobs, OpenapiDocument, PermissionsAnswer, SchemaModel, UnsetSchemaAttribute, ValidateAnswer,
};
pub use seed::Seed;
pub use world::{Exchange, LoggedRequest};

use http::{Answer, Call};
use line::{Scissors, Switchboard};
use sending::{send, through_faults};
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
    /// The faults that are armed at first, oldest first.
    pub faults: Vec<Fault>,
    /// Whether whole exchanges are kept for [`Simulator::exchanges`]: bodies and answers too, so memory grows.
    pub keep_exchanges: bool,
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
            faults: Vec::new(),
            keep_exchanges: false,
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

    /// All exchanges over the API since the start or the last reset, those without an answer last; none where the options
    /// did not ask to keep them.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.world().exchanges()
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
    ///
    /// # Panics
    /// The fault makes no sense, as one that [`Fault::from_json`] refuses; says why.
    pub fn arm(&self, fault: Fault) {
        if let Err(why) = Fault::from_json(&fault.to_json()) {
            panic!("a fault that makes no sense: {why}");
        }
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

    /// Back to how it began: seed, knobs, faults, budget and log.
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
