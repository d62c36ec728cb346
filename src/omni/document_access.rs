//! Permits and settings of single documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{DocumentPermit, Grantee, OmniError};

impl OmniClient {
    /// Without those of the folder, which the version's own folder has in its own way.
    pub(super) async fn list_document_permits(&self, identifier: &str) -> Result<Vec<DocumentPermit>, OmniError> {
        let call = Call::new(
            "GET /v1/documents/{identifier}/access-list",
            format!("document {identifier}"),
        )
        .segment(identifier)
        .query("accessSource", "direct");
        let permits = self.pages_of("principals", &call, None, usize::MAX, permit).await?;
        Ok(permits.into_iter().flatten().flatten().collect())
    }

    pub(super) async fn post_document_permits(
        &self,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError> {
        let operation = "POST /v1/documents/{identifier}/permissions";
        self.send_document_permits(operation, identifier, grantees, role).await
    }

    pub(super) async fn patch_document_permits(
        &self,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError> {
        let operation = "PATCH /v1/documents/{identifier}/permissions";
        self.send_document_permits(operation, identifier, grantees, role).await
    }

    /// The boost is left out: that it lets people see more than the model's topics is for a person to say of each copy.
    async fn send_document_permits(
        &self,
        operation: &'static str,
        identifier: &str,
        grantees: &BTreeSet<Grantee>,
        role: &str,
    ) -> Result<(), OmniError> {
        let call = Call::new(operation, format!("{role} on document {identifier}"));
        let call = call.segment(identifier).body(permit_body(grantees, role));
        self.send(&call).await.map(drop)
    }

    /// The specification wants a user and has permits alone; the documentation has the document's settings beside them.
    pub(super) async fn get_document_settings(
        &self,
        identifier: &str,
        membership_id: &str,
    ) -> Result<Option<BTreeMap<String, bool>>, OmniError> {
        let call = Call::new(
            "GET /v1/documents/{identifier}/permissions",
            format!("document {identifier}"),
        )
        .segment(identifier)
        .query("userId", membership_id);
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let Some(abilities) = root.get("abilities") else {
                // What has neither is no answer to this call.
                root.need("permits")?;
                return Ok(None);
            };
            let abilities = abilities.entries()?;
            let named = |(name, ability): (&str, Field<'_>)| Some((name.to_owned(), ability.value().as_bool()?));
            Ok(Some(abilities.into_iter().filter_map(named).collect()))
        })
    }

    pub(super) async fn put_document_settings(
        &self,
        identifier: &str,
        settings: &BTreeMap<String, bool>,
    ) -> Result<(), OmniError> {
        let call = Call::new(
            "PUT /v1/documents/{identifier}/permissions",
            format!("settings of document {identifier}"),
        )
        .segment(identifier)
        .body(json!(settings));
        self.send(&call).await.map(drop)
    }
}

fn permit_body(grantees: &BTreeSet<Grantee>, role: &str) -> Value {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for grantee in grantees {
        match grantee {
            Grantee::User(id) => users.push(id),
            Grantee::Group(id) => groups.push(id),
        }
    }
    json!({"role": role, "userIds": users, "userGroupIds": groups})
}

/// One entry; nothing for one of the folder's, where the filter was not heeded.
fn permit(entry: &Field<'_>) -> Result<Option<DocumentPermit>, Drift> {
    if entry.text("accessSource")?.is_some_and(|source| source == "folder") {
        return Ok(None);
    }
    let id = entry.need_text("id")?;
    let is_group = entry.need_text("type")?.to_lowercase().contains("group");
    Ok(Some(DocumentPermit {
        name: entry.text("name")?.unwrap_or_else(|| id.clone()),
        grantee: if is_group {
            Grantee::Group(id)
        } else {
            Grantee::User(id)
        },
        role: entry.need_text("role")?,
        is_boosted: entry.flag("accessBoost")?.unwrap_or(false),
        is_owner: entry.flag("isOwner")?.unwrap_or(false),
    }))
}
