//! The files of models, and Omni's findings about them.
//!
//! `mode` goes with every call, and `extension` (what people wrote) with all but one: the default, `combined`, has the schema
//! layer too, and would take a written view as the whole of it and hide every field that it does not name.

use std::collections::BTreeMap;

use serde_json::json;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{ModelFile, ModelFiles, OmniError, ValidationIssue};

impl OmniClient {
    pub(super) async fn get_yaml(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        mode: &str,
    ) -> Result<ModelFiles, OmniError> {
        let call = Call::new("GET /v1/models/{id}/yaml", layer(model_id, branch_id))
            .long()
            .segment(model_id)
            .query("mode", mode)
            .query("includeChecksums", "true")
            .query_if_some("branchId", branch_id);
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let checksums = root.get("checksums");
            let mut files = BTreeMap::new();
            for (name, yaml) in root.need("files")?.entries()? {
                let checksum = match &checksums {
                    Some(checksums) => checksums.text(name)?,
                    None => None,
                };
                let yaml = yaml.as_text()?;
                files.insert(name.to_owned(), ModelFile { yaml, checksum });
            }
            Ok(ModelFiles { files })
        })
    }

    pub(super) async fn post_yaml(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
        file_name: &str,
        file: &ModelFile,
    ) -> Result<(), OmniError> {
        let verb = if file.yaml.is_empty() { "Remove" } else { "Write" };
        let mut body = json!({
            "fileName": file_name,
            "yaml": file.yaml,
            "mode": "extension",
            // Models that are kept in git want one.
            "commitMessage": format!("{verb} {file_name}"),
        });
        if let Some(branch_id) = branch_id {
            body["branchId"] = branch_id.into();
        }
        if let Some(checksum) = &file.checksum {
            body["previousChecksum"] = checksum.as_str().into();
        }
        let object = format!("file {file_name} of {}", layer(model_id, branch_id));
        let call = Call::new("POST /v1/models/{id}/yaml", object)
            .segment(model_id)
            .body(body);
        self.send(&call).await?;
        Ok(())
    }

    /// Live instances answer with a bare list, the specification has an object.
    pub(super) async fn get_validation(
        &self,
        model_id: &str,
        branch_id: Option<&str>,
    ) -> Result<Vec<ValidationIssue>, OmniError> {
        let call = Call::new("GET /v1/models/{id}/validate", layer(model_id, branch_id))
            .segment(model_id)
            .query_if_some("branchId", branch_id);
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            if root.value().is_array() {
                return root.items()?.iter().map(issue).collect();
            }
            let mut issues = root
                .need("issues")?
                .items()?
                .iter()
                .map(issue)
                .collect::<Result<Vec<_>, _>>()?;
            if root.flag("valid")? == Some(false) && !issues.iter().any(|issue| issue.is_error) {
                issues.push(ValidationIssue {
                    message: "Omni says that the model is not valid, and lists no error".to_owned(),
                    place: None,
                    is_error: true,
                });
            }
            Ok(issues)
        })
    }
}

fn layer(model_id: &str, branch_id: Option<&str>) -> String {
    match branch_id {
        Some(branch_id) => format!("branch {branch_id} of model {model_id}"),
        None => format!("model {model_id}"),
    }
}

/// An issue blocks unless Omni says in a known word that it does not.
fn issue(issue: &Field<'_>) -> Result<ValidationIssue, Drift> {
    let harmless_word = |word: String| matches!(word.to_lowercase().as_str(), "warning" | "info" | "hint");
    let is_error = match issue.flag("is_warning")? {
        Some(is_warning) => !is_warning,
        None => !issue.text("severity")?.is_some_and(harmless_word),
    };
    Ok(ValidationIssue {
        message: issue.need_text("message")?,
        place: place(issue)?,
        is_error,
    })
}

fn place(issue: &Field<'_>) -> Result<Option<String>, Drift> {
    if let Some(path) = issue.get("yaml_path") {
        // A path comes as one text or as its steps.
        let steps = match path.items() {
            Ok(steps) => steps,
            Err(_) => return path.as_text().map(Some),
        };
        let step = |step: &Field<'_>| step.as_text().unwrap_or_else(|_| step.value().to_string());
        let steps: Vec<_> = steps.iter().map(step).collect();
        return Ok((!steps.is_empty()).then(|| steps.join(".")));
    }
    Ok(match (issue.text("view")?, issue.text("field")?) {
        (Some(view), Some(field)) => Some(format!("{view}.{field}")),
        (view, field) => view.or(field),
    })
}
