//! User groups, and their roles on models. Omni can give and overwrite these, not take them back.

use std::collections::BTreeSet;

use serde_json::json;

use super::OmniClient;
use super::paging::PAGE_SIZE;
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
                    connection_id: grant.text("connectionId")?,
                    is_own: match grant.at(&["from", "depth"]) {
                        Some(depth) => depth.as_count()? == 0,
                        None => true,
                    },
                })
            });
            grant.collect()
        })
    }

    /// By index and count, as SCIM lists are walked.
    pub(super) async fn list_user_groups(&self) -> Result<BTreeSet<String>, OmniError> {
        let mut groups = BTreeSet::new();
        loop {
            let next = groups.len() + 1;
            let call = Call::new("GET /scim/v2/Groups", "the user groups of the organisation")
                .query("excludedAttributes", "members")
                .query("startIndex", next.to_string())
                .query("count", PAGE_SIZE.to_string());
            let answer = self.send(&call).await?;
            let (page, total) = answer.read(&call, |root| {
                let groups = root.need("Resources")?.items()?;
                let ids: BTreeSet<String> = groups.iter().map(|it| it.need_text("id")).collect::<Result<_, _>>()?;
                Ok((ids, root.need("totalResults")?.as_count()?))
            })?;
            let before = groups.len();
            groups.extend(page);
            let whole = usize::try_from(total).is_ok_and(|total| groups.len() >= total);
            // A page that brings nothing new will not be followed by one that does.
            if whole || groups.len() == before {
                return Ok(groups);
            }
        }
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
