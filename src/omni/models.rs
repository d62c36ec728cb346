//! Models and branches; a branch is a model too.

use serde_json::{Value, json};

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{Branch, Merge, ModelKind, ModelRecord, NewModel, OmniError, Reservation};

impl OmniClient {
    pub(super) async fn find_model(&self, id: &str) -> Result<Option<ModelRecord>, OmniError> {
        let call = shared_models(format!("model {id}")).query("modelId", id);
        let models = self.all_pages(&call, record).await?;
        Ok(models.into_iter().find(|model| model.id == id))
    }

    pub(super) async fn list_shared_models(&self, connection_id: &str) -> Result<Vec<ModelRecord>, OmniError> {
        let call = shared_models(format!("connection {connection_id}")).query("connectionId", connection_id);
        self.all_pages(&call, record).await
    }

    /// Of every connection at once: a list serves all that versions sit on.
    pub(super) async fn list_schema_models(&self) -> Result<Vec<ModelRecord>, OmniError> {
        // They have no names to be sorted by.
        let call = Call::new("GET /v1/models", "generated models")
            .query("modelKind", "SCHEMA")
            .query("sortField", "createdAt")
            .query("sortDirection", "asc");
        self.all_pages(&call, record).await
    }

    /// A success is 200, and so is a failure that the body tells; names are not unique, so a repeat makes a twin.
    pub(super) async fn post_model(&self, model: &NewModel, place: Reservation) -> Result<String, OmniError> {
        let (object, body) = new_model(model);
        let call = Call::new("POST /v1/models", object).body(body);
        let answer = self.send_reserved(&call, place).await?;
        answer.read(&call, |root| root.need("model")?.need_text("id"))
    }

    /// The branch goes with the merge, so that a second merge of it finds nothing.
    pub(super) async fn post_merge(
        &self,
        model_id: &str,
        branch_name: &str,
        message: &str,
    ) -> Result<Merge, OmniError> {
        let object = format!("branch {branch_name} of model {model_id}");
        let call = Call::new("POST /v1/models/{id}/branch/{name}/merge", object)
            .segment(model_id)
            .segment(branch_name)
            .body(json!({"commit_message": message, "delete_branch": true}));
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let failed_drafts = root.need("failed_drafts_count")?.as_count()?;
            Ok(Merge { failed_drafts })
        })
    }
}

/// Busy organisations are full of nameless workbook models, so every list asks for one kind.
fn shared_models(object: String) -> Call {
    Call::new("GET /v1/models", object)
        .query("modelKind", "SHARED")
        .query("include", "activeBranches")
        .query("sortField", "name")
        .query("sortDirection", "asc")
}

fn new_model(model: &NewModel) -> (String, Value) {
    match model {
        NewModel::Shared { connection_id, name } => (
            format!("model {name}"),
            json!({"connectionId": connection_id, "modelKind": "SHARED", "modelName": name}),
        ),
        NewModel::Branch {
            connection_id,
            base_model_id,
            name,
        } => (
            format!("branch {name} of model {base_model_id}"),
            json!({
                "connectionId": connection_id,
                "modelKind": "BRANCH",
                "modelName": name,
                "baseModelId": base_model_id,
            }),
        ),
    }
}

fn record(model: &Field<'_>) -> Result<ModelRecord, Drift> {
    let branches = match model.get("branches") {
        Some(branches) => branches.items()?.iter().map(branch).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(ModelRecord {
        id: model.need_text("id")?,
        name: model.text("name")?,
        kind: kind(model.text("modelKind")?),
        connection_id: model.text("connectionId")?,
        base_model_id: model.text("baseModelId")?,
        updated_at: model.need_text("updatedAt")?,
        deleted: model.get("deletedAt").is_some(),
        branches,
    })
}

fn branch(branch: &Field<'_>) -> Result<Branch, Drift> {
    Ok(Branch {
        id: branch.need_text("id")?,
        name: branch.need_text("name")?,
    })
}

fn kind(word: Option<String>) -> ModelKind {
    match word.as_deref() {
        Some("SCHEMA") => ModelKind::Schema,
        Some("SHARED") => ModelKind::Shared,
        Some("BRANCH") => ModelKind::Branch,
        Some("WORKBOOK") => ModelKind::Workbook,
        Some("QUERY") => ModelKind::Query,
        _ => ModelKind::Other(word.unwrap_or_default()),
    }
}
