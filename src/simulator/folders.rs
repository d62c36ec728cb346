//! Folders and their permits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::{
    Answer, Call, Object, Reply, optional_flag, optional_text, optional_texts, paged, required_text, uuid,
};
use super::knobs::{FolderClash, PermissionsAnswer};
use super::organisation::{Folder, Organisation, Permit, Principal};

/// The roles on content, weakest first.
pub(super) const CONTENT_ROLES: [&str; 5] = ["NO_ACCESS", "VIEWER", "EXPLORER", "EDITOR", "MANAGER"];

const DEEPEST: usize = 7;

/// The path segment that a folder's name gives.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        if letter.is_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}

impl Organisation {
    pub(super) fn list_folders(&self, call: &Call) -> Reply {
        let (size, from) = call.page(20)?;
        let scope = call.param("scope");
        if scope == Some("restricted") && call.param("ownerId").is_none() {
            return Err(Answer::bad("ownerId", "ownerId is required when scope is 'restricted'"));
        }
        let mut found: Vec<&Folder> = self
            .folders
            .values()
            .filter(|folder| self.listed(folder.created_at))
            .collect();
        if let Some(path) = call.param("path") {
            found.retain(|folder| matches_path(&folder.path, path));
            if found.is_empty() {
                return Err(Answer::not_found(format!("Folder with path {path} does not exist")));
            }
            if path.trim_end_matches('*').contains('*') {
                return Err(Answer::refusal(
                    400,
                    "Invalid path pattern. Only a single wildcard (*) is allowed at the end of the pattern",
                ));
            }
        }
        found.retain(|folder| scope.is_none_or(|scope| folder.scope == scope));
        found.retain(|_| {
            call.param("ownerId")
                .is_none_or(|owner| owner == self.owner.membership_id)
        });
        found.sort_by(|a, b| a.path.cmp(&b.path));
        if call.param("sortDirection") == Some("desc") {
            found.reverse();
        }
        let counted = call
            .param("include")
            .is_some_and(|list| list.split(',').any(|item| item == "_count"));
        Ok(paged(
            found.iter().map(|folder| self.folder_record(folder, counted)).collect(),
            size,
            from,
        ))
    }

    fn folder_record(&self, folder: &Folder, counted: bool) -> Value {
        let mut record = json!({
            "id": folder.id, "name": folder.name, "path": folder.path, "scope": folder.scope,
            "ownerId": self.owner.membership_id, "url": format!("/f/{}", folder.path),
        });
        if counted {
            let documents = self.live_documents_in(&folder.id).count();
            record["_count"] = json!({"documents": documents, "favorites": 0});
        }
        record
    }

    pub(super) fn create_folder(&mut self, call: &Call) -> Reply {
        let body = call.body(&["name", "parentFolderId", "scope", "userId"])?;
        let name = required_text(&body, "name")?.to_owned();
        if slug(&name).is_empty() {
            return Err(Answer::bad("name", "String must contain at least 1 character(s)"));
        }
        if let Some(user) = optional_text(&body, "userId")?.filter(|user| *user != self.owner.membership_id) {
            return Err(Answer::not_found(format!("User with id {user} does not exist")));
        }
        let parent = optional_text(&body, "parentFolderId")?.map(str::to_owned);
        let scope = optional_text(&body, "scope")?.unwrap_or("organization").to_owned();
        if !["organization", "restricted"].contains(&scope.as_str()) {
            return Err(Answer::bad("scope", "Invalid enum value"));
        }
        let folder = self.add_folder(&name, parent.as_deref(), &scope)?;
        Ok(Answer::json(
            201,
            json!({
                "id": folder.id, "name": folder.name, "path": folder.path, "scope": folder.scope,
                "ownerId": self.owner.membership_id,
            }),
        ))
    }

    /// Makes a folder; what becomes of a path that is taken is a knob's.
    pub(super) fn add_folder(&mut self, name: &str, parent: Option<&str>, scope: &str) -> Result<Folder, Answer> {
        let mut prefix = String::new();
        if let Some(parent) = parent {
            uuid("parentFolderId", parent)?;
            let found = self
                .folders
                .get(parent)
                .ok_or_else(|| Answer::not_found(format!("Parent folder with id {parent} does not exist")))?;
            if found.scope != scope {
                return Err(Answer::bad(
                    "scope",
                    "Child folder scope must match parent folder scope",
                ));
            }
            if found.path.split('/').count() >= DEEPEST {
                return Err(Answer::refusal(
                    400,
                    "Bad Request: Maximum folder nesting depth reached",
                ));
            }
            prefix = format!("{}/", found.path);
        }
        let plain = format!("{prefix}{}", slug(name));
        let suffixed = (1..).map(|number| format!("{plain}-{number}"));
        let path = match self.knobs.folder_clash {
            FolderClash::Reject if self.folder_at(&plain).is_some() => {
                return Err(Answer::bad("name", format!("Folder with path {plain} already exists")));
            }
            FolderClash::Reject | FolderClash::Twin => plain,
            FolderClash::Suffix => std::iter::once(plain.clone())
                .chain(suffixed)
                .find(|path| self.folder_at(path).is_none())
                .unwrap_or(plain),
        };
        let folder = Folder {
            id: self.ids.uuid(),
            name: name.to_owned(),
            path,
            parent_id: parent.map(str::to_owned),
            scope: scope.to_owned(),
            created_at: self.clock.stamp(),
            permits: BTreeMap::new(),
        };
        self.folders.insert(folder.id.clone(), folder.clone());
        Ok(folder)
    }

    fn folder(&self, id: &str) -> Result<&Folder, Answer> {
        uuid("folderId", id)?;
        self.folders
            .get(id)
            .ok_or_else(|| Answer::not_found(format!("Folder with id {id} does not exist")))
    }

    pub(super) fn delete_folder(&mut self, call: &Call, id: &str) -> Reply {
        self.remove_folder(id, call.flag("force"))
    }

    /// Removes a folder; by force also one that is not empty, with what is in it.
    pub(super) fn remove_folder(&mut self, id: &str, force: bool) -> Reply {
        let folder = self.folder(id)?;
        let below = format!("{}/", folder.path);
        let children: Vec<String> = self
            .folders
            .values()
            .filter(|other| other.path.starts_with(&below))
            .map(|other| other.id.clone())
            .collect();
        let documents: Vec<String> = std::iter::once(&id.to_owned())
            .chain(&children)
            .flat_map(|folder| self.live_documents_in(folder).map(|document| document.id.clone()))
            .collect();
        if !force {
            if !documents.is_empty() {
                return Err(Answer::refusal(400, "Folders with documents cannot be deleted"));
            }
            if !children.is_empty() {
                return Err(Answer::refusal(400, "Only empty folders can be deleted"));
            }
        }
        if documents.len() + children.len() > 100 {
            return Err(Answer::refusal(
                400,
                "Bad Request: Folders with more than 100 items cannot be deleted",
            ));
        }
        for document in documents {
            self.trash_document(&document);
        }
        for folder in children.iter().map(String::as_str).chain([id]) {
            self.folders.remove(folder);
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// The permits in effect in a folder: of every principal the one of the nearest folder.
    pub(super) fn permits_in_effect(&self, folder_id: &str) -> BTreeMap<Principal, Permit> {
        let mut permits = BTreeMap::new();
        let mut next = self.folders.get(folder_id);
        while let Some(folder) = next {
            for (principal, permit) in &folder.permits {
                permits.entry(principal.clone()).or_insert_with(|| permit.clone());
            }
            next = folder.parent_id.as_ref().and_then(|parent| self.folders.get(parent));
        }
        permits
    }

    pub(super) fn read_permits(&self, call: &Call, id: &str) -> Reply {
        let folder = self.folder(id)?;
        let wanted = call.param("userId");
        let as_principals = self.knobs.permissions_answer == PermissionsAnswer::Principals;
        let permits = if as_principals || !self.knobs.permissions_show_inherited {
            folder.permits.clone()
        } else {
            self.permits_in_effect(id)
        };
        let permits: Vec<Value> = permits
            .into_iter()
            .filter(|(principal, _)| wanted.is_none_or(|id| *principal == Principal::User(id.to_owned())))
            .map(|(principal, permit)| match as_principals {
                true => self.as_principal(&principal, &permit),
                false => as_permit(&principal, &permit),
            })
            .collect();
        let list = if as_principals { "principals" } else { "permits" };
        Ok(Answer::ok(json!({list: permits})))
    }

    /// A permit as the documentation shows it.
    fn as_principal(&self, principal: &Principal, permit: &Permit) -> Value {
        let (id, name, kind) = match principal {
            Principal::User(id) => (id, Some(&self.owner.name), "user"),
            Principal::Group(id) => {
                let group = self.groups.iter().find(|group| group.mini_uuid == *id);
                (id, group.map(|group| &group.name), "userGroup")
            }
        };
        let direct = json!({"role": permit.role, "isOwner": false, "accessBoost": permit.access_boost});
        json!({"id": id, "name": name, "type": kind, "direct": direct})
    }

    /// Adds permits. Who has one keeps it as it is: nothing says that an addition changes anything, and whoever takes
    /// it for a change shall notice.
    pub(super) fn add_permits(&mut self, call: &Call, id: &str) -> Reply {
        let (role, access_boost, principals) = self.read_permit_body(call, id)?;
        let role = role.ok_or_else(|| Answer::bad("role", "Required"))?;
        if let Some(folder) = self.folders.get_mut(id) {
            for principal in principals {
                let role = role.clone();
                let permit = || Permit { role, access_boost };
                folder.permits.entry(principal).or_insert_with(permit);
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Changes permits; who has none of its own on this folder has nothing to change.
    pub(super) fn change_permits(&mut self, call: &Call, id: &str) -> Reply {
        let (role, access_boost, principals) = self.read_permit_body(call, id)?;
        if let Some(folder) = self.folders.get_mut(id) {
            if principals
                .iter()
                .any(|principal| !folder.permits.contains_key(principal))
            {
                return Err(Answer::not_found("Permission does not exist"));
            }
            for principal in principals {
                let Some(permit) = folder.permits.get_mut(&principal) else {
                    continue;
                };
                if let Some(role) = &role {
                    permit.role.clone_from(role);
                }
                // A change that leaves the boost out turns it off, as a default does.
                permit.access_boost = access_boost;
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    fn read_permit_body(&self, call: &Call, id: &str) -> Result<(Option<String>, bool, Vec<Principal>), Answer> {
        let body = call.body(&["role", "userIds", "userGroupIds", "accessBoost"])?;
        let role = optional_text(&body, "role")?.map(str::to_owned);
        if role
            .as_ref()
            .is_some_and(|role| !CONTENT_ROLES.contains(&role.as_str()))
        {
            return Err(Answer::bad("role", "Invalid enum value"));
        }
        let boost = optional_flag(&body, "accessBoost")?.unwrap_or(false);
        self.folder(id)?;
        Ok((role, boost, self.principals(&body)?))
    }

    pub(super) fn revoke_permits(&mut self, call: &Call, id: &str) -> Reply {
        let body = call.body(&["userIds", "userGroupIds"])?;
        self.folder(id)?;
        for principal in self.principals(&body)? {
            if let Some(folder) = self.folders.get_mut(id) {
                folder.permits.remove(&principal);
            }
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    pub(super) fn principals(&self, body: &Object) -> Result<Vec<Principal>, Answer> {
        let users = optional_texts(body, "userIds")?;
        let groups = optional_texts(body, "userGroupIds")?;
        if users.is_empty() && groups.is_empty() {
            return Err(Answer::refusal(
                400,
                "Bad Request: userIds or userGroupIds must be provided",
            ));
        }
        for user in &users {
            uuid("userIds", user)?;
            if !self.is_member(user) {
                return Err(Answer::not_found(format!("User with id {user} does not exist")));
            }
        }
        if let Some(unknown) = groups
            .iter()
            .find(|id| !self.groups.iter().any(|group| group.mini_uuid == **id))
        {
            return Err(Answer::not_found(format!(
                "User group with id {unknown} does not exist"
            )));
        }
        Ok(users
            .into_iter()
            .map(Principal::User)
            .chain(groups.into_iter().map(Principal::Group))
            .collect())
    }
}

/// A permit as the specification has it.
fn as_permit(principal: &Principal, permit: &Permit) -> Value {
    let mut entry = Object::new();
    match principal {
        Principal::User(id) => entry.insert("userId".into(), json!(id)),
        Principal::Group(id) => entry.insert("userGroupId".into(), json!(id)),
    };
    entry.insert("role".into(), json!(permit.role));
    entry.insert("accessBoost".into(), json!(permit.access_boost));
    Value::Object(entry)
}

/// Whether a folder's path is meant by a look-up, which may end in one or two stars.
fn matches_path(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix("/**") {
        Some(prefix) => path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
        None => match pattern.strip_suffix('*') {
            Some(prefix) => path.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/')),
            None => path == pattern,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_path_segments() {
        assert_eq!(slug("v2"), "v2");
        assert_eq!(slug("Sales & Marketing (EU)"), "sales-marketing-eu");
    }

    #[test]
    fn one_star_stays_on_its_level() {
        assert!(matches_path("clinical/v1", "clinical/*"));
        assert!(!matches_path("clinical/v1/old", "clinical/*"));
        assert!(matches_path("clinical/v1/old", "clinical/**"));
        assert!(!matches_path("clinical", "clinical/**"));
    }
}
