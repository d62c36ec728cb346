//! What a document consists of, as a hash that stays the same while nobody edits it: Omni's `updatedAt` moves for less.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::compare::{local_model, mapped, whole};
use super::pairing::settled_ids;
use crate::ports::{DocumentState, Exported};

/// A document as it is now.
#[must_use]
pub fn of(export: &Exported) -> DocumentState {
    DocumentState {
        updated_at: export.updated_at.clone(),
        name: export.name.clone(),
        content: hash(&export.body),
    }
}

/// A hash of the places of [`super::compare::compare`], the ids that Omni makes anew taken out.
fn hash(body: &Value) -> String {
    let ids = settled_ids(body);
    let models = body["queryModels"].as_object();
    let local: serde_json::Map<String, Value> = models
        .into_iter()
        .flatten()
        .map(|(id, model)| {
            let id = ids.get(id).unwrap_or(id).clone();
            (id, local_model(&mapped(model, &ids)))
        })
        .collect();
    let parts = [
        whole(body, |value| mapped(value, &ids)),
        local_model(&mapped(&body["workbookModel"], &ids)),
        Value::Object(local),
    ];
    let mut digest = Sha256::new();
    for part in &parts {
        digest.update(part.to_string());
        digest.update([0]);
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({
            "document": {"name": "D", "identifier": "12db1a0a", "documentId": "wb-1", "updatedAt": "1"},
            "dashboard": {
                "id": "d-1", "name": "D", "model": {"id": "model-1"},
                "metadata": {"textTiles": [{"id": "text-1", "markdown": "Hello"}]},
                "queryPresentationCollection": {"id": "c-1",
                    "queryPresentationCollectionMemberships": [{"queryPresentation": {
                        "miniUuid": "tile0001", "type": "query", "name": "T", "updatedAt": "1",
                        "query": {"id": "q-1", "jsonHash": "h1", "queryJson": {"table": "a", "fields": ["a.b"],
                            "modelId": "model-1", "model_extension_id": "tab-1"}},
                        "visConfig": {"visType": "basic", "spec": {"y": 1}}}}]},
            },
            "workbookModel": {"id": "model-1", "views": [{"name": "a", "extension_model_id": "model-1"}]},
            "queryModels": {"tab-1": {"id": "tab-1", "base_model_id": "model-1", "views": [{"name": "cte"}]}},
            "fileUploads": {},
        })
    }

    fn with(changes: &[(&str, &str)]) -> Value {
        let text = changes
            .iter()
            .fold(body().to_string(), |text, (from, to)| text.replace(from, to));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn it_stays_when_omni_makes_ids_and_times_anew() {
        let published = with(&[
            ("model-1", "model-2"),
            ("q-1", "q-2"),
            ("h1", "h2"),
            (r#""updatedAt":"1""#, r#""updatedAt":"2""#),
        ]);
        assert_ne!(published, body());
        assert_eq!(hash(&published), hash(&body()));
    }

    #[test]
    fn it_moves_with_everything_that_somebody_may_edit() {
        for change in [
            (r#""name":"T""#, r#""name":"U""#),
            ("a.b", "a.c"),
            ("Hello", "Goodbye"),
            (r#""y":1"#, r#""y":2"#),
            (r#""name":"cte""#, r#""name":"ctf""#),
            (r#""name":"a""#, r#""name":"b""#),
            (r#""name":"D""#, r#""name":"E""#),
        ] {
            assert_ne!(with(&[change]), body(), "{change:?}");
            assert_ne!(hash(&with(&[change])), hash(&body()), "{change:?}");
        }
    }
}
