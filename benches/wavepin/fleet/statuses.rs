//! The plain loop: nothing but the patches of statuses that the operator had to send, as many at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Map, Value, json};

/// How many statuses the operator writes at once, and so the loop.
pub(super) const AT_ONCE: usize = 16;

/// The status of each pin, by the pin's name.
pub(super) type Statuses = BTreeMap<String, Value>;

/// What the loop took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looped {
    /// To list the pins.
    pub(super) list: Duration,
    /// To patch them all.
    pub(super) patches: Duration,
}

/// The statuses as they are.
pub(super) async fn read(pins: &Api<DynamicObject>) -> Statuses {
    let list = pins.list(&ListParams::default()).await.expect("the pins are there");
    let statuses = list.items.into_iter();
    let statuses = statuses.filter_map(|pin| Some((pin.metadata.name?, pin.data.get("status")?.clone())));
    statuses.collect()
}

/// Gives every pin this status: the smallest merge patch for the state that was listed, as the operator sends it.
pub(super) async fn write(pins: &Api<DynamicObject>, statuses: &Statuses) -> Looped {
    let params = PatchParams::default();
    let begun = Instant::now();
    let listed = pins.list(&ListParams::default()).await.expect("the pins are there");
    let list = begun.elapsed();
    let written = futures::stream::iter(listed.items)
        .map(async |pin| {
            let name = pin.metadata.name.unwrap_or_default();
            let status = difference(&pin.data["status"], &statuses[&name]).expect("the status is another one");
            let patch = json!({"metadata": {"resourceVersion": pin.metadata.resource_version}, "status": status});
            pins.patch_status(&name, &params, &Patch::Merge(patch)).await
        })
        .buffer_unordered(AT_ONCE);
    let written: Vec<DynamicObject> = written.try_collect().await.expect("the API server takes every status");
    let patches = begun.elapsed() - list;
    assert_eq!(written.len(), statuses.len());
    Looped { list, patches }
}

/// The merge patch that turns one value into another.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Some(after.clone());
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut patch: Map<String, Value> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, now) in after {
        let changed = match before.get(key) {
            Some(was) => difference(was, now),
            None => Some(now.clone()),
        };
        patch.extend(changed.map(|changed| (key.clone(), changed)));
    }
    Some(Value::Object(patch))
}

/// Holds every pin to its version and to `Ready`.
pub(super) fn hold_right(statuses: &Statuses, how_many: usize, version: i32) {
    let right = statuses.values().filter(|status| is_right(status, version)).count();
    assert_eq!(right, how_many, "pins are ready on version {version}");
}

fn is_right(status: &Value, version: i32) -> bool {
    status["version"] == version && is_ready(status)
}

/// Whether a status says `Ready`, and that nothing is awaited.
pub(super) fn is_ready(status: &Value) -> bool {
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    let holds = |name: &str| conditions().any(|it| it["type"] == name && it["status"] == "True");
    holds("Ready") && holds("Pinned") && !holds("Waiting")
}
