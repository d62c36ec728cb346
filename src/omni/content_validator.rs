//! Omni's content validation: the saved documents of a shared model, held against it.

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{ContentIssue, DocumentFindings, OmniError};

impl OmniClient {
    /// In full: on much content Omni else checks names alone and plans no query, so that "clean" would say little. Not by
    /// folder: sources disagree whether a path begins with a slash, and an empty answer would look clean too.
    pub(super) async fn get_content_validation(&self, model_id: &str) -> Result<Vec<DocumentFindings>, OmniError> {
        let call = Call::new("GET /v1/models/{id}/content-validator", format!("model {model_id}"))
            .segment(model_id)
            .query("content_filter_mode", "ALL")
            .query("force_full_validation", "true")
            .long();
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            root.need("content")?.items()?.iter().map(findings).collect()
        })
    }
}

fn findings(document: &Field<'_>) -> Result<DocumentFindings, Drift> {
    let mut issues = Vec::new();
    for query in document.need("queries_and_issues")?.items()? {
        let tile = query.text("query_name")?;
        for issue in query.need("issues")?.items()? {
            let tile = Some(tile.clone().unwrap_or_default());
            issues.push(ContentIssue {
                tile,
                message: words(&issue)?,
            });
        }
    }
    // Besides those of its queries: of its filters, and what Omni's description calls errors of the document, by no name.
    for (name, field) in document.entries()? {
        if name != "dashboard_filter_issues" && !name.contains("error") {
            continue;
        }
        for message in all_words(&field)? {
            issues.push(ContentIssue { tile: None, message });
        }
    }
    Ok(DocumentFindings {
        identifier: document.need_text("identifier")?,
        issues,
    })
}

/// A field that may hold one finding, several, or none: nothing, no, an empty text, or a count of none.
fn all_words(field: &Field<'_>) -> Result<Vec<String>, Drift> {
    let value = field.value();
    let is_none = value.is_null() || value == false || value == "" || value == 0;
    match field.items() {
        Ok(items) => items.iter().map(words).collect(),
        Err(_) if is_none => Ok(Vec::new()),
        Err(_) if value.is_string() || value.is_object() => Ok(vec![words(field)?]),
        Err(_) => Ok(vec![value.to_string()]),
    }
}

/// One finding's words: a text, or an object that has one; an object without is kept as it is, since it is a finding all
/// the same.
fn words(issue: &Field<'_>) -> Result<String, Drift> {
    if let Ok(text) = issue.as_text() {
        return Ok(text);
    }
    if !issue.value().is_object() {
        return Err(issue.drift());
    }
    Ok(issue.text("message")?.unwrap_or_else(|| issue.value().to_string()))
}
