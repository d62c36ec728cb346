//! Watches of one kind: into the store, and from there to the passes that a change asks for.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use tracing::{info, warn};

use super::health::Gates;
use super::passes::Askers;
use super::status::is_absent;
use super::store::{Store, Stored};
use super::table::Scope;
use super::triggers::Triggers;
use super::watched::Watched;
use crate::resources::GROUP;

/// Watches until it is dropped. The gate of this list is open once every object has been seen.
///
/// Only what the store needs of an object is kept, so the last applied manifest ends here, and managed fields before.
pub(super) async fn watch<K: Triggers + Stored>(
    client: kube::Client,
    scope: Scope,
    store: Arc<Store>,
    askers: Arc<Askers>,
    gates: Gates,
) {
    // One object that does not parse is an entry of its own, not the end of the list.
    let objects: Api<Watched<K>> = match &scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let gate = gate::<K>(&scope);
    let events = watch_objects(objects, watcher::Config::default()).backoff(Patience::default());
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let why = explain::<K>(&scope, &error);
                warn!(kind = K::NAME.as_str(), why, "the watch failed and is begun again");
                gates.still_shut(&gate, why);
                continue;
            }
        };
        let listed = matches!(event, Event::InitDone);
        for change in store.take_in::<K>(&scope, event) {
            K::triggers(&change, &store).into_iter().for_each(|key| askers.ask(key));
        }
        if listed {
            info!(
                kind = K::NAME.as_str(),
                namespace = scope.as_deref().unwrap_or("*"),
                "every object seen"
            );
            gates.open(&gate);
        }
    }
}

/// The name of the gate that a first list opens.
pub(super) fn gate<K: kube::Resource<DynamicType = ()>>(scope: &Scope) -> String {
    match scope {
        Some(namespace) => format!("initial list of {} in namespace {namespace}", K::plural(&())),
        None => format!("initial list of {}", K::plural(&())),
    }
}

/// What a failed watch means to whoever installs Wavepin.
fn explain<K: kube::Resource<DynamicType = ()>>(scope: &Scope, error: &watcher::Error) -> String {
    let plural = K::plural(&());
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return chain(other),
    };
    if is_absent(status) {
        return format!("CRD {plural}.{GROUP} is not established; apply what `wavepin crds` prints");
    }
    if status.is_forbidden() {
        let place = scope.as_deref().map_or_else(
            || "cluster-wide, or name the namespaces with --namespace".to_owned(),
            |namespace| {
                format!("in namespace {namespace}, or take the namespace out of --namespace if it is gone for good")
            },
        );
        return format!(
            "{}; grant Wavepin's ServiceAccount get, list and watch on {plural}.{GROUP} {place}",
            status.message
        );
    }
    chain(error)
}

/// An error with what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Many errors repeat their cause's words.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// From a quarter of a second to 10 seconds: CRDs may be applied after the controller, and are then soon noticed.
pub(super) struct Patience {
    pause: Duration,
    last: Option<Instant>,
}

impl Patience {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Self::FIRST,
            last: None,
        }
    }
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        // Well for a minute is well again; a watch that begins and breaks at once is not.
        if self.last.is_none_or(|last| now - last > Duration::from_secs(60)) {
            self.pause = Self::FIRST;
        }
        self.last = Some(now);
        let pause = self.pause;
        self.pause = (pause * 2).min(Self::LONGEST);
        Some(pause)
    }
}

impl Backoff for Patience {
    // One good event resets others; here time does, see `next`.
    fn reset(&mut self) {}
}
