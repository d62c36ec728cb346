//! `GET /v1/models/{id}/content-validator`: the saved documents against the model.

use serde_json::{Value, json};

use super::documents::{tile_query, tiles};
use super::http::{Answer, Call, Reply};
use super::labels::has_one_of;
use super::layers::Layers;
use super::organisation::{Document, Model, ModelKind, Organisation};
use super::query::{Plan, plan};
use super::viewpoint::Viewpoint;

impl Organisation {
    pub(super) fn validate_content(&self, call: &Call, model_id: &str) -> Reply {
        let missing = || Answer::not_found(format!("Shared model with id {model_id} does not exist"));
        let model = self.model(model_id).map_err(|_| missing())?;
        if !matches!(model.kind, ModelKind::Shared | ModelKind::SharedExtension) {
            return Err(missing());
        }
        if call.param("find").is_some() != call.param("find_type").is_some() {
            return Err(Answer::refusal(
                400,
                "Both 'find' and 'find_type' parameters must be provided together",
            ));
        }
        let labels = self.wanted_labels(call)?;
        let branch = self.named_branch(model, call.param("branch_id"))?;
        let full = call.flag("force_full_validation");
        let folders: Vec<&str> = call
            .param("folder_paths")
            .map(|paths| paths.split(',').collect())
            .unwrap_or_default();
        let mut content = Vec::new();
        for document in self
            .documents
            .values()
            .filter(|document| document.shared_model_id == model.id)
        {
            let wanted = self.lies_in(document, &folders) && has_one_of(document, labels.as_deref());
            if document.deleted_at.is_some() || !wanted {
                continue;
            }
            let (record, has_issues) = self.content_record(document, branch, full)?;
            let wanted = match call.param("content_filter_mode").unwrap_or("ALL") {
                "ALL" => true,
                "WITH_ISSUES" => has_issues,
                "NO_ISSUES" => !has_issues,
                _ => return Err(Answer::bad("content_filter_mode", "Invalid enum value")),
            };
            if wanted {
                content.push(record);
            }
        }
        let branch = branch.map(|branch| json!({"id": branch.id, "name": branch.name}));
        Ok(Answer::ok(
            json!({"model_id": model_id, "branch": branch, "content": content}),
        ))
    }

    fn lies_in(&self, document: &Document, folders: &[&str]) -> bool {
        let path = document
            .folder_id
            .as_ref()
            .and_then(|id| self.folders.get(id))
            .map(|folder| folder.path.as_str());
        folders.is_empty() || path.is_some_and(|path| folders.iter().any(|folder| path.starts_with(folder)))
    }

    fn content_record(&self, document: &Document, branch: Option<&Model>, full: bool) -> Result<(Value, bool), Answer> {
        let workbook = self.model(&document.workbook_model_id)?;
        let own = self.layers(workbook, branch, Viewpoint::CALLER)?;
        let mut queries = Vec::new();
        for (index, tile) in tiles(&document.dashboard).enumerate() {
            let Some(query) = tile_query(tile) else { continue };
            let tab = query.get("model_extension_id").and_then(Value::as_str);
            let tab = tab.filter(|id| *id != workbook.id).and_then(|id| self.models.get(id));
            let plan = match tab {
                Some(tab) => plan(&self.layers(tab, branch, Viewpoint::CALLER)?, query),
                None => plan(&own, query),
            };
            queries.push(json!({
                "query_name": tile["name"], "query_presentation_id": tile["id"],
                "query_id_map_key": (index + 1).to_string(), "issues": issues_of(&plan, full),
            }));
        }
        let filters = filter_issues(document, &own);
        let has_issues = !filters.is_empty()
            || queries
                .iter()
                .any(|query| query["issues"].as_array().is_some_and(|i| !i.is_empty()));
        let record = json!({
            "name": document.name, "identifier": document.identifier, "document_id": document.id, "type": "document",
            "folder": self.folder_of(document),
            "owner": {"id": self.owner.membership_id, "name": self.owner.name},
            "updated_at": document.updated_at.to_string(), "require_pull_request_to_publish": false,
            "queries_and_issues": queries, "dashboard_filter_issues": filters,
        });
        Ok((record, has_issues))
    }
}

/// What the validator says of one query: references always, planning only where full validation was asked for.
fn issues_of(plan: &Plan, full: bool) -> Vec<String> {
    match plan {
        Plan::Planned {
            missing,
            invalid_calculations,
            ..
        } => missing
            .iter()
            .map(|field| format!("Field {field} does not exist"))
            .chain(
                invalid_calculations
                    .iter()
                    .map(|name| format!("Calculation {name} references a missing field")),
            )
            .collect(),
        Plan::Refused(reason) => vec![reason.clone()],
        Plan::Failed(reason) if full => vec![reason.clone()],
        Plan::Failed(_) | Plan::Unscoped(_) => Vec::new(),
    }
}

fn filter_issues(document: &Document, layers: &Layers) -> Vec<String> {
    let filters = document
        .dashboard
        .pointer("/queryPresentationCollection/filterConfig")
        .and_then(Value::as_object);
    filters
        .into_iter()
        .flatten()
        .map(|(name, filter)| filter.get("fieldName").and_then(Value::as_str).unwrap_or(name))
        .filter(|name| {
            name.split_once('.')
                .is_some_and(|(view, field)| !layers.has_field(view, field))
        })
        .map(|name| format!("Field {name} does not exist"))
        .collect()
}
