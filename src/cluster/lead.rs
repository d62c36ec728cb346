//! The lead, held by a Lease.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_controller::LeaderElection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::health::Gates;
use super::standby::look_out;
use crate::telemetry::Measures;

/// Which Lease, and how long it lasts.
#[derive(Debug, Clone)]
pub struct LeaseOptions {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long others wait for a leader that is silent; at least one second. The leader gives up after two thirds
    /// of it without an answer of the API server.
    pub duration: Duration,
    /// The name of this replica, unlike any other's.
    pub identity: String,
}

impl std::fmt::Display for LeaseOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// How a lead ended.
pub(super) enum Led<T> {
    /// The work came to its end, and the lead was handed over.
    Done(T),
    /// The process was to end before it had the lead.
    Never,
    /// The lead was lost and the work dropped where it stood.
    Lost,
}

/// Waits for the lead, then works. Whoever is told to end while waiting ends at once; the work itself sees to its
/// own end.
pub(super) async fn lead<T>(
    client: kube::Client,
    options: &LeaseOptions,
    gates: &Gates,
    work: impl Future<Output = T>,
    shutdown: &CancellationToken,
    measures: &Measures,
) -> Led<T> {
    let duration = options.duration.max(Duration::from_secs(1));
    let election = LeaderElection::new(client.clone(), &options.namespace, &options.name, &options.identity)
        .with_lease_duration(duration)
        .with_renew_deadline(duration * 2 / 3)
        .with_retry_period(duration * 2 / 15);
    let waits = CancellationToken::new();
    let leads = AtomicBool::new(false);
    let work = async {
        leads.store(true, Ordering::SeqCst);
        waits.cancel();
        measures.lease("acquired");
        work.await
    };
    let waiting = async {
        let looking = look_out(client, options, duration * 2 / 15, gates);
        // Whoever leads renews the Lease, which is look enough.
        let _ = waits.run_until_cancelled(looking).await;
        std::future::pending::<()>().await;
    };
    let mut led = pin!(election.with_lease(work));
    let ended = tokio::select! {
        biased;
        ended = &mut led => Some(ended),
        () = shutdown.cancelled() => None,
        () = waiting => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None if leads.load(Ordering::SeqCst) => led.await,
        None => {
            // A try that was under way may have succeeded; without an answer the Lease runs out by itself.
            let _ = timeout(Duration::from_secs(2), election.release()).await;
            info!("told to end before it had the lead");
            return Led::Never;
        }
    };
    measures.lease(if ended.is_some() { "released" } else { "lost" });
    ended.map_or(Led::Lost, Led::Done)
}
