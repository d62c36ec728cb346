//! What the simulator serves of Omni's API, and the document at `GET /openapi.json` that says so.
//!
//! `openapi.json` beside this file is Omni's published contract (`tests/contract/openapi.json`; Copyright (c) 2026 Omni
//! Analytics, Inc., MIT, whose text is in `openapi.LICENSE`), reduced to the calls of [`SERVED`] and to what these refer
//! to. `make generated` writes it; a test fails when it is not what comes of that.

use serde_json::Value;

use super::http::{Answer, Call, Reply};
use super::knobs::{Knobs, OpenapiDocument};

/// The calls that the simulator serves: method and path, with parameters named as Omni's contract names them. A test
/// holds that the router answers these and no other call of the contract.
pub const SERVED: [(&str, &str); 65] = [
    ("GET", "/api/v1/models"),
    ("POST", "/api/v1/models"),
    ("GET", "/api/v1/models/{modelId}/yaml"),
    ("POST", "/api/v1/models/{modelId}/yaml"),
    ("DELETE", "/api/v1/models/{modelId}/yaml"),
    ("GET", "/api/v1/models/{modelId}/validate"),
    ("GET", "/api/v1/models/{modelId}/content-validator"),
    ("GET", "/api/v1/models/{modelId}/git"),
    ("POST", "/api/v1/models/{modelId}/git"),
    ("PATCH", "/api/v1/models/{modelId}/git"),
    ("DELETE", "/api/v1/models/{modelId}/git"),
    ("POST", "/api/v1/models/{modelId}/git/sync"),
    ("POST", "/api/v1/models/{modelId}/migrate"),
    ("POST", "/api/v1/models/{modelId}/branch/{branchName}/merge"),
    ("DELETE", "/api/v1/models/{modelId}/branch/{branchName}"),
    ("GET", "/api/unstable/models/{modelId}/yaml"),
    ("POST", "/api/unstable/models/{modelId}/yaml"),
    ("DELETE", "/api/unstable/models/{modelId}/yaml"),
    ("GET", "/api/v1/folders"),
    ("POST", "/api/v1/folders"),
    ("DELETE", "/api/v1/folders/{folderId}"),
    ("GET", "/api/v1/folders/{folderId}/permissions"),
    ("POST", "/api/v1/folders/{folderId}/permissions"),
    ("PATCH", "/api/v1/folders/{folderId}/permissions"),
    ("DELETE", "/api/v1/folders/{folderId}/permissions"),
    ("GET", "/api/v1/documents"),
    ("GET", "/api/v1/documents/{identifier}"),
    ("DELETE", "/api/v1/documents/{identifier}"),
    ("GET", "/api/v1/documents/{identifier}/permissions"),
    ("PUT", "/api/v1/documents/{identifier}/permissions"),
    ("POST", "/api/v1/documents/{identifier}/permissions"),
    ("PATCH", "/api/v1/documents/{identifier}/permissions"),
    ("DELETE", "/api/v1/documents/{identifier}/permissions"),
    ("GET", "/api/v1/documents/{identifier}/access-list"),
    ("PUT", "/api/v1/documents/{identifier}/favorite"),
    ("DELETE", "/api/v1/documents/{identifier}/favorite"),
    ("PATCH", "/api/v1/documents/{identifier}/labels"),
    ("PUT", "/api/v1/documents/{identifier}/labels/{labelName}"),
    ("DELETE", "/api/v1/documents/{identifier}/labels/{labelName}"),
    ("GET", "/api/v1/labels"),
    ("POST", "/api/v1/labels"),
    ("GET", "/api/v1/labels/{name}"),
    ("PUT", "/api/v1/labels/{name}"),
    ("DELETE", "/api/v1/labels/{name}"),
    ("GET", "/api/v1/documents/{identifier}/queries"),
    ("PUT", "/api/v1/documents/{identifier}/move"),
    ("POST", "/api/v1/documents/{identifier}/move"),
    ("GET", "/api/unstable/documents/{identifier}/export"),
    ("POST", "/api/unstable/documents/import"),
    ("GET", "/api/v2/documents/{identifier}"),
    ("POST", "/api/v2/documents"),
    ("GET", "/api/v1/whoami"),
    ("GET", "/api/v1/connections"),
    ("GET", "/api/v1/connection-environments"),
    ("GET", "/api/v1/user-attributes"),
    ("GET", "/api/v1/schedules"),
    ("GET", "/api/scim/v2/Groups"),
    ("GET", "/api/scim/v2/embed/Users"),
    ("GET", "/api/scim/v2/embed/users"),
    ("POST", "/api/v1/query/run"),
    ("GET", "/api/v1/query/wait"),
    ("GET", "/api/v1/user-groups/{id}/model-roles"),
    ("POST", "/api/v1/user-groups/{id}/model-roles"),
    ("GET", "/api/v1/users/{id}/model-roles"),
    ("POST", "/api/v1/users/{id}/model-roles"),
];

/// The document as it is kept: generated, never edited.
const DOCUMENT: &str = include_str!("openapi.json");

/// Answers `GET /openapi.json` as the knobs have it.
pub(super) fn answer(call: &Call, knobs: &Knobs) -> Reply {
    if call.method != "GET" || knobs.openapi == OpenapiDocument::Absent {
        return Err(Answer::not_found("Not Found"));
    }
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("a generated file is JSON");
    if let Some(patch) = &knobs.openapi_patch {
        merge_patch(&mut document, patch);
    }
    Ok(Answer::ok(document))
}

/// Applies a JSON merge patch (RFC 7396): objects are merged, `null` removes, everything else replaces.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge_patch(fields.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The appendix of RFC 7396.
    #[test]
    fn a_merge_patch_does_what_its_specification_shows() {
        let shown = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c"]), json!(["c"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, wanted) in shown {
            merge_patch(&mut target, &patch);
            assert_eq!(target, wanted, "{patch}");
        }
    }
}
