//! The smallest merge patch from one status to another.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The patch that turns `before` into `after` on exactly this resource version; `None` where nothing differs.
///
/// A field that is gone becomes null, which a merge patch takes for "remove"; lists are replaced whole.
pub(super) fn status_patch<S: Serialize>(before: &S, after: &S, resource_version: &str) -> Option<Value> {
    let [before, after] =
        [before, after].map(|status| serde_json::to_value(status).expect("a status is plain data with string keys"));
    let status = difference(&before, &after)?;
    Some(json!({"metadata": {"resourceVersion": resource_version}, "status": status}))
}

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
        if let Some(changed) = changed {
            patch.insert(key.clone(), changed);
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_not_sent_and_what_is_gone_is_null() {
        let before = json!({"version": 2, "previousVersion": 1, "conditions": [{"type": "Ready"}, {"type": "Waiting"}],
            "dashboards": {"desired": 5, "ready": 3, "failing": ["one"]}});
        let after = json!({"version": 2, "conditions": [{"type": "Ready"}],
            "dashboards": {"desired": 5, "ready": 5}});
        let patch = status_patch(&before, &after, "17").unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {"resourceVersion": "17"}, "status": {
                "previousVersion": null,
                "conditions": [{"type": "Ready"}],
                "dashboards": {"ready": 5, "failing": null},
            }})
        );
    }

    #[test]
    fn no_difference_is_no_patch() {
        let status = json!({"version": 2, "conditions": []});
        assert_eq!(status_patch(&status, &status, "17"), None);
    }
}
