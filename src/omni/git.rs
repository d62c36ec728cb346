//! Git settings of shared models, their synchronisation, and the migration of a definition.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{GitLink, GitSettings, GitSync, Migration, OmniError, OmniErrorKind, Reservation};

impl OmniClient {
    pub(super) async fn get_git(&self, model_id: &str) -> Result<Option<GitSettings>, OmniError> {
        let call = Call::new("GET /v1/models/{id}/git", format!("git settings of model {model_id}")).segment(model_id);
        match self.send_for_option(&call).await? {
            Some(answer) => answer.read(&call, settings).map(Some),
            None => Ok(None),
        }
    }

    /// A model has settings once: whoever comes second is told so, which makes a repeat harmless.
    pub(super) async fn post_git(&self, model_id: &str, link: &GitLink) -> Result<bool, OmniError> {
        let call = Call::new("POST /v1/models/{id}/git", format!("git settings of model {model_id}"))
            .segment(model_id)
            .body(body(link));
        match self.send(&call).await {
            Ok(_) => Ok(true),
            Err(OmniError {
                kind: OmniErrorKind::Conflict { .. },
                ..
            }) => Ok(false),
            Err(error) => Err(without(link.token.as_ref(), error)),
        }
    }

    /// 200 also where the two are in conflict, which the body tells.
    pub(super) async fn post_git_sync(&self, model_id: &str, message: &str) -> Result<GitSync, OmniError> {
        let call = Call::new(
            "POST /v1/models/{id}/git/sync",
            format!("repository of model {model_id}"),
        )
        .segment(model_id)
        .body(json!({"commitMessage": message}));
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let in_sync = root.flag("inSync")?.ok_or_else(|| Drift("inSync".to_owned()))?;
            let message = root.text("message")?.unwrap_or_default();
            Ok(GitSync { in_sync, message })
        })
    }

    pub(super) async fn post_migration(
        &self,
        source_id: &str,
        migration: &Migration,
        place: Reservation,
    ) -> Result<(), OmniError> {
        let Migration {
            target,
            git_ref,
            branch,
            message,
        } = migration;
        let mut body = json!({"targetModelId": target, "gitRef": git_ref});
        if let Some(branch) = branch {
            body["branchName"] = json!(branch);
            body["commitMessage"] = json!(message);
        }
        let object = format!("model {source_id} at {git_ref} to model {target}");
        let call = Call::new("POST /v1/models/{id}/migrate", object)
            .segment(source_id)
            .body(body);
        self.send_reserved(&call, place).await.map(drop)
    }
}

/// An answer may repeat what was sent, and no error may hold a token.
fn without(token: Option<&SecretString>, mut error: OmniError) -> OmniError {
    let Some(token) = token else {
        return error;
    };
    match &mut error.kind {
        OmniErrorKind::Refused { detail: text, .. }
        | OmniErrorKind::KeyRefused { detail: text, .. }
        | OmniErrorKind::NotFound { detail: text }
        | OmniErrorKind::CallerAttributeMissing { detail: text }
        | OmniErrorKind::AnswerLost { why: text }
        | OmniErrorKind::ContractDrift { excerpt: text, .. } => {
            *text = text.replace(token.expose_secret(), "[redacted]")
        }
        _ => {}
    }
    error
}

fn body(link: &GitLink) -> Value {
    let settings = &link.settings;
    let mut body = json!({
        "cloneUrl": settings.clone_url,
        "authMethod": settings.auth_method,
        "baseBranch": settings.base_branch,
        "requirePullRequest": settings.require_pull_request,
    });
    let optional = [
        ("modelPath", &settings.model_path),
        ("gitServiceProvider", &settings.provider),
        ("webUrl", &settings.web_url),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(token) = &link.token {
        body["token"] = json!(token.expose_secret());
    }
    body
}

fn settings(root: &Field<'_>) -> Result<GitSettings, Drift> {
    let clone_url = match root.text("cloneUrl")? {
        Some(address) => address,
        // The older name of the same.
        None => root.text("sshUrl")?.ok_or_else(|| Drift("cloneUrl".to_owned()))?,
    };
    Ok(GitSettings {
        clone_url,
        auth_method: root.need_text("authMethod")?,
        base_branch: root.need_text("baseBranch")?,
        model_path: root.text("modelPath")?,
        provider: root.text("gitServiceProvider")?,
        require_pull_request: root.need_text("requirePullRequest")?,
        follower: root.flag("gitFollower")?.unwrap_or(false),
        web_url: root.text("webUrl")?,
    })
}
