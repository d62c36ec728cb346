//! Whether the cluster's definitions have every field of this release: a gate of `/readyz`.
//!
//! An older definition drops what it does not know from every object that is applied: a pin would lose its hold and move.
//! So no pass begins on objects that it has cut down.

use kube::api::GetParams;
use kube::core::Request;
use serde_json::Value;
use tokio::time::sleep;
use tracing::{info, warn};

use super::health::Gates;
use super::status::{CallError, is_absent, within};
use super::watch::Patience;
use crate::resources::GROUP;
use crate::resources::definitions::lacking;

/// The gate.
pub(super) const GATE: &str = "definitions of this release";

/// What the API server tells of definitions to whoever may talk to it at all: no right of a chart is needed.
const PUBLISHED: &str = "/openapi/v3/apis/wavepin.dev";

/// How many missing fields are named.
const NAMED: usize = 5;

/// Looks until nothing is missing, and opens the gate. Never ends by itself: a controller's parts do not.
pub(super) async fn look(client: kube::Client, gates: Gates) {
    for pause in Patience::default() {
        let why = match published(&client).await {
            Ok(published) => match words(&lacking(&published)) {
                None => break,
                Some(why) => why,
            },
            Err(why) => why,
        };
        warn!(why, "the definitions are not those of this release yet");
        gates.still_shut(GATE, why);
        sleep(pause).await;
    }
    info!("the definitions have every field of this release");
    gates.open(GATE);
    std::future::pending().await
}

async fn published(client: &kube::Client) -> Result<Value, String> {
    let request = Request::new(PUBLISHED)
        .get("v1alpha1", &GetParams::default())
        .map_err(|error| error.to_string())?;
    match within(client.request::<Value>(request)).await {
        Ok(published) => Ok(published),
        Err(CallError::Api(kube::Error::Api(status))) if is_absent(&status) => Ok(Value::Null),
        Err(CallError::Api(kube::Error::Api(status))) if status.is_forbidden() => Err(format!(
            "{}; bind the ClusterRole system:discovery, which every cluster has, to Wavepin's ServiceAccount",
            status.message
        )),
        Err(error) => Err(format!("what the API server tells of {GROUP} cannot be read: {error}")),
    }
}

/// What is missing, and what to do; `None` where nothing is.
fn words(lacking: &[String]) -> Option<String> {
    if lacking.is_empty() {
        return None;
    }
    let named = lacking
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = match lacking.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "the cluster's definitions are missing or older than this release: they lack {named}{more}; apply those of this \
         release (`wavepin crds | kubectl apply --server-side -f -`, or the chart with crds.enabled)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_as_far_as_a_person_reads() {
        assert_eq!(words(&[]), None);
        let many: Vec<String> = (1..=7).map(|n| format!("TenantPin.spec.f{n}")).collect();
        let words = words(&many).unwrap();
        assert!(words.contains("TenantPin.spec.f5 and 2 more; apply those"), "{words}");
    }
}
