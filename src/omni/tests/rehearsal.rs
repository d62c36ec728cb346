//! A client that only rehearses.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::canned::{one_page, serving};
use crate::ports::{Met, NewModel, Omni, OmniErrorKind, Rehearsal, Request};

/// Lets everything pass, and keeps what was asked.
#[derive(Default)]
struct Careless {
    asked: Mutex<Vec<(&'static str, bool)>>,
}

impl Rehearsal for Careless {
    fn reserve(&self) {}

    fn meet(&self, request: &Request<'_>) -> Met {
        self.asked.lock().unwrap().push((request.operation, request.placed));
        Met::Read(None)
    }

    fn read(&self, _: &Request<'_>, answer: Result<Value, OmniErrorKind>) -> Result<Value, OmniErrorKind> {
        answer
    }
}

#[tokio::test]
async fn nothing_but_reads_is_sent_whatever_the_rehearsal_says() {
    let (server, client) = serving([one_page(json!([]))]);
    let rehearsal = Arc::new(Careless::default());
    let client = client.rehearsing(Arc::clone(&rehearsal) as _);
    let model = NewModel::Shared {
        connection_id: "c".to_owned(),
        name: "n".to_owned(),
    };
    let place = client.reserve().await.unwrap();
    let refused = client.create_model(&model, place).await.unwrap_err();
    assert!(
        matches!(refused.kind, OmniErrorKind::Refused { status: 501, .. }),
        "{refused}"
    );
    for refused in [
        client.move_document("d", "f").await,
        client.label_document("d", &["l".to_owned()].into()).await,
        client.revoke_folder("f", "g").await,
        client.grant_role("g", "m", "VIEWER").await,
    ] {
        assert!(matches!(
            refused.unwrap_err().kind,
            OmniErrorKind::Refused { status: 501, .. }
        ));
    }
    assert!(server.asked().is_empty(), "nothing that writes is sent");
    assert!(client.shared_models("c").await.unwrap().is_empty());
    let lines: Vec<String> = server.asked().into_iter().map(|it| it.line).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("GET /api/v1/models?"),
        "{lines:?}"
    );
    let asked = rehearsal.asked.lock().unwrap();
    assert_eq!(asked[0], ("POST /v1/models", true), "its place was taken before");
    assert_eq!(asked.last(), Some(&("GET /v1/models", false)));
}
