//! One VersionRollout, watched for a person: with that person's rights, and nothing is kept.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Client};

use super::watch::{Patience, chain};
use crate::resources::VersionRollout;

/// What the parts log of a watch by themselves, by target: every attempt of one that broke, which [`Followed`] tells too.
pub const LOGS_OF_WATCHES: &str = "kube_runtime";

/// What a watch shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// The object, as it is now.
    Seen(Box<VersionRollout>),
    /// There is none of the name, or none any more.
    Absent,
    /// The API server cannot be reached, or the connection broke: it is tried again with growing pauses, and goes on from
    /// where it was. Why.
    Broken(String),
    /// The API server refuses it: why, and what a person can do. It is tried again.
    Refused(String),
}

/// Watches one rollout for as long as it is asked for the next: at first what there is, then every change.
pub fn follow_rollout(client: Client, namespace: &str, name: &str) -> Pin<Box<dyn Stream<Item = Followed> + Send>> {
    let place = format!("VersionRollout {namespace}/{name}");
    let rollouts: Api<VersionRollout> = Api::namespaced(client, namespace);
    let events = watch_object(rollouts, name).backoff(Patience::default());
    Box::pin(events.map(move |event| match event {
        Ok(Some(rollout)) => Followed::Seen(Box::new(rollout)),
        Ok(None) => Followed::Absent,
        Err(error) => told(&place, &error),
    }))
}

fn told(place: &str, error: &watcher::Error) -> Followed {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return Followed::Broken(format!("{place} cannot be watched: {}", chain(other))),
    };
    let why = format!("{place} cannot be watched: {}", status.message);
    match status.code {
        403 => Followed::Refused(format!(
            "{why}; have the verbs `list` and `watch` on versionrollouts granted to you"
        )),
        401 => Followed::Refused(format!("{why}; log in anew, or name another kubeconfig in KUBECONFIG")),
        404 => Followed::Refused(format!("{why}; Wavepin is not installed in this cluster")),
        _ => Followed::Broken(why),
    }
}
