//! Roles of user groups on models. Omni can give them and overwrite them, not take them back.

use serde_json::json;

use super::OmniClient;
use super::transport::Call;
use crate::ports::{OmniError, RoleGrant};

impl OmniClient {
    pub(super) async fn get_group_roles(&self, user_group: &str) -> Result<Vec<RoleGrant>, OmniError> {
        let call = Call::new(
            "GET /v1/user-groups/{id}/model-roles",
            format!("user group {user_group}"),
        )
        .segment(user_group);
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let grants = root.need("results")?.items()?;
            let grant = grants.iter().map(|grant| {
                Ok(RoleGrant {
                    role: grant.need_text("roleName")?,
                    model_id: grant.text("modelId")?,
                })
            });
            grant.collect()
        })
    }

    pub(super) async fn post_group_role(&self, user_group: &str, model_id: &str, role: &str) -> Result<(), OmniError> {
        let object = format!("role {role} of user group {user_group} on model {model_id}");
        let call = Call::new("POST /v1/user-groups/{id}/model-roles", object)
            .segment(user_group)
            .body(json!({"roleName": role, "modelId": model_id}));
        self.send(&call).await?;
        Ok(())
    }
}
