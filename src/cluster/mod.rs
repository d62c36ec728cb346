//! The Kubernetes front: what the operator does in a cluster.
//!
//! ```text
//! watches ──▶ store ──▶ triggers ──▶ queues ──▶ passes (the reconcilers) ──▶ status writer ──▶ API server
//!                ▲                                                              │      └─────▶ events
//!                └──────────────────── what was written ────────────────────────┘
//! ```
//!
//! 1. One replica leads, by a Lease; the others wait and are ready.
//! 2. The leader watches the kinds. The gates of `/readyz` name what is missing until every list is complete.
//! 3. Each change asks for the passes that build on what it changed, and for no others.
//! 4. Instances, versions and environments have a queue each, so that long cuts do not keep pins waiting.
//! 5. Statuses are written where they differ, new and changed objects first.
//! 6. At the end no new pass begins, running ones end after their present effect, statuses are flushed, and the lead
//!    is handed over. Losing the lead ends the process at once: another replica may be working already.

mod admission;
mod census;
mod commands;
mod config_maps;
mod definitions;
mod events;
mod followed;
mod health;
mod in_use;
mod kind;
mod lanes;
mod lead;
mod listed;
mod measured;
mod merge;
mod passes;
mod queue;
mod report;
mod secrets;
mod standby;
mod status;
mod store;
mod table;
mod triggers;
mod validation;
mod watch;
mod watched;
mod work;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use snafu::{ResultExt, Snafu};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use followed::{Followed, LOGS_OF_WATCHES, follow_rollout};
pub use lead::LeaseOptions;
pub use listed::{Listed, list_objects};
pub use secrets::ClusterSecrets;

use crate::ports::Clients;
use crate::telemetry::{LogLevel, Measures};
use health::Gates;

/// How the controller runs.
pub struct ControllerOptions {
    /// The namespaces to watch; none: all of them.
    pub namespaces: Vec<String>,
    /// Where `/livez`, `/readyz`, `/metrics` and `/log-level` answer.
    pub health_address: SocketAddr,
    /// The ValidatingAdmissionPolicy, and its binding of the same name, by which nobody approves as another; none: no
    /// approval is verified.
    pub approval_policy: Option<String>,
    /// The Lease that the lead is held by.
    pub lease: LeaseOptions,
    /// How long one pass may work before it reports and lets others go on.
    pub slice: Duration,
    /// The time-out of one request to Omni.
    pub request_timeout: Duration,
    /// What `/metrics` tells.
    pub measures: Arc<Measures>,
    /// What `/log-level` tells and changes.
    pub logs: LogLevel,
}

/// Why the controller ended before it was told to.
#[derive(Debug, Snafu)]
pub enum RunError {
    /// The address for probes is not free, or not ours.
    #[snafu(display("cannot listen on {address} for /livez and /readyz; choose another with --health-address"))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Another replica has the lead, or the API server cannot be reached for too long.
    #[snafu(display("the Lease {lease} is lost: another replica has it, or the API server cannot be reached"))]
    LeadLost {
        /// Namespace and name.
        lease: String,
    },
    /// A part of the controller ended by itself.
    #[snafu(display("{part} ended, which is a bug; please report it with the log"))]
    PartEnded {
        /// Which.
        part: &'static str,
    },
    /// A part of the controller panicked.
    #[snafu(display("the controller panicked, which is a bug; please report it with the log"))]
    Panicked {
        /// Where.
        source: tokio::task::JoinError,
    },
}

/// Runs the controller until the token is cancelled.
///
/// # Errors
/// The probes' address cannot be listened on, the lead is lost, or a part of the controller ended by itself.
pub async fn run(
    client: kube::Client,
    clients: Arc<dyn Clients>,
    options: ControllerOptions,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let gates = Gates::default();
    let address = options.health_address;
    let listener = health::listen(address).await.context(ListenSnafu { address })?;
    let bound = listener.local_addr().context(ListenSnafu { address })?;
    info!("probes answer on http://{bound}/livez and http://{bound}/readyz");
    let ended = CancellationToken::new();
    let probes = tokio::spawn(health::serve(
        listener,
        gates.clone(),
        Arc::clone(&options.measures),
        options.logs.clone(),
        ended.clone(),
    ));

    let work = work::work(client.clone(), clients, &options, gates.clone(), shutdown.clone());
    let measures = &options.measures;
    let outcome = lead::lead(client, &options.lease, &gates, work, &shutdown, measures).await;
    gates.end();
    ended.cancel();
    // What they say at the very end helps nobody; their end is only waited for.
    let _ = probes.await;
    match outcome {
        lead::Led::Done(outcome) => outcome,
        lead::Led::Never => Ok(()),
        lead::Led::Lost => LeadLostSnafu {
            lease: options.lease.to_string(),
        }
        .fail(),
    }
}
