//! Folders and what groups and users may do in them.

use serde_json::json;

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::{Call, found};
use crate::ports::{FolderPermit, FolderRecord, OmniError, Reservation};

impl OmniClient {
    pub(super) async fn find_folder(&self, path: &str) -> Result<Option<FolderRecord>, OmniError> {
        let path = path.trim_matches('/');
        let call = Call::new("GET /v1/folders", format!("folder {path}"))
            .query("path", path)
            .query("sortField", "path")
            .query("sortDirection", "asc")
            .query("pageSize", "100");
        let Some(answer) = self.send_for_option(&call).await? else {
            return Ok(None);
        };
        let folders: Vec<FolderRecord> = answer.read(&call, |root| {
            root.need("records")?.items()?.iter().map(record).collect()
        })?;
        Ok(folders.into_iter().find(|folder| folder.path == path))
    }

    /// Omni makes the path from the names, and adds a number where the path is taken: the answer tells which it is.
    pub(super) async fn post_folder(
        &self,
        name: &str,
        parent_id: Option<&str>,
        place: Reservation,
    ) -> Result<FolderRecord, OmniError> {
        let mut body = json!({"name": name, "scope": "organization"});
        if let Some(parent_id) = parent_id {
            body["parentFolderId"] = parent_id.into();
        }
        let call = Call::new("POST /v1/folders", format!("folder {name}")).body(body);
        let answer = self.send_reserved(&call, place).await?;
        answer.read(&call, record)
    }

    pub(super) async fn get_folder_permits(&self, folder_id: &str) -> Result<Vec<FolderPermit>, OmniError> {
        let call = Call::new("GET /v1/folders/{id}/permissions", format!("folder {folder_id}")).segment(folder_id);
        let answer = self.send(&call).await?;
        answer.read(&call, permits)
    }

    pub(super) async fn post_folder_permit(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<(), OmniError> {
        let object = format!("{role} for user group {user_group} in folder {folder_id}");
        let call = Call::new("POST /v1/folders/{id}/permissions", object)
            .segment(folder_id)
            .body(json!({"role": role, "userGroupIds": [user_group]}));
        self.send_reserved(&call, place).await?;
        Ok(())
    }

    /// Leaves the boost out: an update that names it, or one that defaults it, would turn it off or on. What the list
    /// shows may be the parent's: then there is nothing here to change yet.
    pub(super) async fn patch_folder_permit(
        &self,
        folder_id: &str,
        user_group: &str,
        role: &str,
        place: Reservation,
    ) -> Result<bool, OmniError> {
        let object = format!("{role} for user group {user_group} in folder {folder_id}");
        let call = Call::new("PATCH /v1/folders/{id}/permissions", object)
            .segment(folder_id)
            .body(json!({"role": role, "userGroupIds": [user_group]}));
        Ok(found(self.send_reserved(&call, place).await)?.is_some())
    }

    pub(super) async fn delete_folder_permit(&self, folder_id: &str, user_group: &str) -> Result<(), OmniError> {
        let object = format!("user group {user_group} in folder {folder_id}");
        let call = Call::new("DELETE /v1/folders/{id}/permissions", object)
            .segment(folder_id)
            .body(json!({"userGroupIds": [user_group]}));
        self.send_for_option(&call).await?;
        Ok(())
    }
}

fn record(folder: &Field<'_>) -> Result<FolderRecord, Drift> {
    Ok(FolderRecord {
        id: folder.need_text("id")?,
        path: folder.need_text("path")?.trim_matches('/').to_owned(),
    })
}

/// The specification has `{permits: [{role, userGroupId?, userId?}]}`; the documentation has entries
/// `{id, type, direct: {role}}`, as a list under `principals` or one alone.
fn permits(root: &Field<'_>) -> Result<Vec<FolderPermit>, Drift> {
    let entries = match root.get("permits").or_else(|| root.get("principals")) {
        Some(list) => list.items()?,
        None if root.value().is_array() => root.items()?,
        None if root.get("direct").is_some() => vec![root.clone()],
        None => return Err(Drift("permits".to_owned())),
    };
    let mut permits = Vec::new();
    for entry in &entries {
        permits.extend(permit(entry)?);
    }
    Ok(permits)
}

fn permit(entry: &Field<'_>) -> Result<Option<FolderPermit>, Drift> {
    if let Some(role) = entry.text("role")? {
        return Ok(Some(FolderPermit {
            user_group: entry.text("userGroupId")?,
            user: entry.text("userId")?,
            role,
        }));
    }
    // Whose it is in the specification's shape, which has a role in every entry: one without it could hide who sees in.
    if entry.get("userGroupId").or_else(|| entry.get("userId")).is_some() {
        entry.need("role")?;
    }
    // No permit of its own: what it may do comes from elsewhere.
    let Some(direct) = entry.get("direct") else {
        return Ok(None);
    };
    let id = entry.need_text("id")?;
    let is_group = entry.need_text("type")?.to_lowercase().contains("group");
    let (user_group, user) = if is_group { (Some(id), None) } else { (None, Some(id)) };
    let role = direct.need_text("role")?;
    Ok(Some(FolderPermit { user_group, user, role }))
}
