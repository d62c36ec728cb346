//! Lists of documents, and moving one.

use std::collections::BTreeSet;

use serde_json::json;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::paging::PAGE_SIZE;
use super::transport::Call;
use crate::ports::{DocumentRecord, OmniError, OmniErrorKind};

impl OmniClient {
    pub(super) async fn list_documents(&self, folder_id: &str) -> Result<Vec<DocumentRecord>, OmniError> {
        let call = sorted(format!("folder {folder_id}"))
            .query("folderId", folder_id)
            .query("include", "_count,labels");
        let mut documents = self.all_pages(&call, record).await?;
        documents.retain(|document| !document.deleted);
        Ok(once_each(documents))
    }

    pub(super) async fn list_all_documents(&self, most_pages: usize) -> Result<Option<Vec<DocumentRecord>>, OmniError> {
        let call = sorted("the organisation".to_owned()).query("include", "includeDeleted,_count,labels");
        let first = self.page(&call, None, record).await?;
        let mut documents = first.records;
        if let Some(cursor) = first.next {
            let total = first.total.and_then(|total| usize::try_from(total).ok());
            if total.is_some_and(|total| total.div_ceil(PAGE_SIZE) > most_pages) {
                return Ok(None);
            }
            let most_left = most_pages.saturating_sub(1);
            match self.pages_from(&call, Some(cursor), most_left, record).await? {
                Some(rest) => documents.extend(rest),
                None => return Ok(None),
            }
        }
        Ok(Some(once_each(documents)))
    }

    /// Adding is by name and takes nothing away, so that twice is once.
    pub(super) async fn patch_labels(&self, identifier: &str, labels: &BTreeSet<String>) -> Result<(), OmniError> {
        let call = Call::new(
            "PATCH /v1/documents/{identifier}/labels",
            format!("labels of document {identifier}"),
        )
        .segment(identifier)
        .body(json!({"add": labels}));
        self.send(&call).await.map(drop)
    }

    /// `PUT` is what live instances take, `POST` what the specification has had; moving twice is moving once.
    pub(super) async fn put_move(&self, identifier: &str, folder_path: &str) -> Result<(), OmniError> {
        let object = format!("document {identifier} to folder {folder_path}");
        let put = Call::new("PUT /v1/documents/{identifier}/move", object.clone());
        let post = Call::new("POST /v1/documents/{identifier}/move", object);
        let [put, post] = [put, post].map(|call| call.segment(identifier).body(json!({"folderPath": folder_path})));
        match self.send(&put).await {
            // It may be the method that is not found: only both tell that it is the document or the folder.
            Err(error) if is_unserved(&error.kind) => self.send(&post).await.map_err(|_| error)?,
            other => other?,
        };
        Ok(())
    }
}

/// Whether the answer is one to a method that a path does not have.
fn is_unserved(kind: &OmniErrorKind) -> bool {
    matches!(
        kind,
        OmniErrorKind::NotFound { .. } | OmniErrorKind::Refused { status: 405, .. }
    )
}

/// By name, since a time of change moves documents between pages while they are walked.
fn sorted(object: String) -> Call {
    Call::new("GET /v1/documents", object)
        .query("sortField", "name")
        .query("sortDirection", "asc")
}

/// A document that was renamed while the pages were walked may stand on two of them.
fn once_each(mut documents: Vec<DocumentRecord>) -> Vec<DocumentRecord> {
    let mut seen = std::collections::BTreeSet::new();
    documents.retain(|document| seen.insert(document.identifier.clone()));
    documents
}

fn record(document: &Field<'_>) -> Result<DocumentRecord, Drift> {
    let folder_path = match document.get("folder") {
        Some(folder) => folder.text("path")?,
        None => None,
    };
    Ok(DocumentRecord {
        identifier: document.need_text("identifier")?,
        name: document.need_text("name")?,
        folder_path: folder_path.map(|path| path.trim_matches('/').to_owned()),
        updated_at: document.text("updatedAt")?,
        deleted: document.flag("deleted")?.unwrap_or(false),
        has_dashboard: document.flag("hasDashboard")?.unwrap_or(true),
        labels: match document.get("labels") {
            Some(labels) => labels.items()?.iter().map(label).collect::<Result<_, _>>()?,
            None => BTreeSet::new(),
        },
        description: document.text("description")?.filter(|it| !it.is_empty()),
        // People's own marks: an answer without them is no worse.
        favorites: document
            .at(&["_count", "favorites"])
            .and_then(|it| it.as_count().ok())
            .unwrap_or(0),
    })
}

/// By its name, which may stand in an object that says more.
fn label(label: &Field<'_>) -> Result<String, Drift> {
    label.as_text().or_else(|_| label.need_text("name"))
}
