//! The newer documents API: reading a published document, and creating one in one call.

use serde_json::{Map, Value};

use super::OmniClient;
use super::transport::Call;
use crate::ports::{DocumentRequest, OmniError, OmniErrorKind, PublishedDocument, PublishedRead, Reservation};

impl OmniClient {
    /// What this API cannot read it refuses, a classic layout with 422: that is an answer about the document.
    pub(super) async fn get_published(&self, identifier: &str) -> Result<Option<PublishedRead>, OmniError> {
        let call = Call::new("GET /v2/documents/{identifier}", format!("document {identifier}"))
            .segment(identifier)
            .long();
        let answer = match self.send_for_option(&call).await {
            Err(OmniError {
                kind: OmniErrorKind::Refused { detail, .. },
                ..
            }) => return Ok(Some(PublishedRead::Refused(detail))),
            other => other?,
        };
        let Some(answer) = answer else {
            return Ok(None);
        };
        let mut document = answer.read(&call, |root| {
            root.need("queryPresentations")?;
            Ok(PublishedDocument {
                shared_model_id: root.need_text("modelId")?,
                workbook_model_id: root.need_text("workbookModelId")?,
                body: Value::Null,
            })
        })?;
        document.body = answer.into_body();
        Ok(Some(PublishedRead::Document(Box::new(document))))
    }

    /// Of an answer that does not name the document nothing is taken: only the document itself proves what was made.
    pub(super) async fn post_published(
        &self,
        request: &DocumentRequest,
        place: Reservation,
    ) -> Result<Option<String>, OmniError> {
        let mut body = match &request.body {
            Value::Object(body) => body.clone(),
            _ => Map::new(),
        };
        for (name, value) in [
            ("modelId", &request.model_id),
            ("identifier", &request.identifier),
            ("folderId", &request.folder_id),
        ] {
            body.insert(name.to_owned(), Value::String(value.clone()));
        }
        let call =
            Call::new("POST /v2/documents", format!("document {}", request.identifier)).body(Value::Object(body));
        let answer = self.send_reserved(&call, place).await?;
        answer.read(&call, |root| {
            Ok(root.get("identifier").and_then(|it| it.as_text().ok()))
        })
    }
}
