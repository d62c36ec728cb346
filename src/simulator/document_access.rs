//! Who may do what with one document: its own permits, those of its folder, and its settings.

use serde_json::{Value, json};

use super::embed_users::EmbedUser;
use super::folders::CONTENT_ROLES;
use super::http::{Answer, Call, Object, Reply, optional_flag, optional_text, paged_as};
use super::organisation::{Document, Organisation, Permit, Principal};

/// The settings that are on or off, as a document has them that nobody set.
const SETTINGS: [(&str, bool); 8] = [
    ("canDownload", true),
    ("canDrill", true),
    ("canSchedule", true),
    ("canUpload", false),
    ("canUseDashboardAi", true),
    ("canViewWorkbook", true),
    ("organizationAccessBoost", false),
    ("requirePullRequestToPublish", false),
];

const ORGANIZATION_ROLES: [&str; 4] = ["viewer", "editor", "manager", "no_access"];

/// One grant of access to a document: whose, which, and whether it is the folder's.
struct Grant {
    principal: Principal,
    permit: Permit,
    is_owner: bool,
    of_folder: bool,
}

/// A body about permits.
struct PermitBody {
    role: Option<String>,
    access_boost: Option<bool>,
    principals: Vec<Principal>,
}

impl Organisation {
    /// All grants: the owner's, the document's own, and those in effect in its folder. One principal may have two.
    fn grants(&self, document: &Document) -> Vec<Grant> {
        let manager = Permit {
            role: "MANAGER".to_owned(),
            access_boost: false,
        };
        let owner = Principal::User(self.owner.membership_id.clone());
        let grant = |(principal, permit), is_owner, of_folder| Grant {
            principal,
            permit,
            is_owner,
            of_folder,
        };
        let own = document.metadata.permits.clone().into_iter();
        let folder = document.folder_id.as_deref().map(|id| self.permits_in_effect(id));
        std::iter::once(grant((owner, manager), true, false))
            .chain(own.map(|it| grant(it, false, false)))
            .chain(folder.into_iter().flatten().map(|it| grant(it, false, true)))
            .collect()
    }

    fn name_of(&self, principal: &Principal) -> (String, &'static str) {
        let (name, kind) = match principal {
            Principal::User(id) => (self.embed_user(id).map_or(&self.owner.name, |user| &user.name), "user"),
            Principal::Group(id) => {
                let group = self.groups.iter().find(|group| group.mini_uuid == *id);
                (group.map_or(id, |group| &group.name), "userGroup")
            }
        };
        (name.clone(), kind)
    }

    /// `GET …/permissions`: the grants that reach a user, or all of them, and what the settings allow.
    pub(super) fn read_document_permits(&self, call: &Call, identifier: &str) -> Reply {
        self.check_member(call)?;
        let document = self.document(identifier)?;
        let user = call.param("userId");
        let reaches = |grant: &Grant| match (&grant.principal, user) {
            (_, None) => true,
            (Principal::User(id), Some(user)) => id == user,
            (Principal::Group(id), Some(user)) => {
                self.embed_user(user).is_some() && self.embed_group().is_some_and(|group| group == id)
            }
        };
        let grants = self.grants(document).into_iter().filter(reaches);
        let permits = grants.map(|grant| {
            let (name, kind) = self.name_of(&grant.principal);
            let (Principal::User(id) | Principal::Group(id)) = &grant.principal;
            let mut entry = json!({"id": id, "name": name, "type": kind, "description": name});
            let place = if grant.of_folder { "folder" } else { "direct" };
            entry[place] = json!({
                "accessBoost": grant.permit.access_boost, "isOwner": grant.is_owner, "role": grant.permit.role,
            });
            entry
        });
        let permits: Vec<Value> = permits.collect();
        let settings = &document.metadata.settings;
        let abilities: Object = SETTINGS
            .iter()
            .filter(|(name, _)| name.starts_with("can"))
            .map(|(name, unset)| ((*name).to_owned(), settings.get(*name).cloned().unwrap_or(json!(unset))))
            .collect();
        Ok(Answer::ok(json!({"permits": permits, "abilities": abilities})))
    }

    /// `GET …/access-list`: every grant, in pages.
    pub(super) fn list_document_access(&self, call: &Call, identifier: &str) -> Reply {
        let (size, from) = call.page(20)?;
        let document = self.document(identifier)?;
        let source = one_of(call, "accessSource", &["direct", "folder"])?;
        let wanted = one_of(call, "type", &["user", "userGroup"])?;
        let folder = self.folder_of(document);
        let mut listed: Vec<Value> = Vec::new();
        for grant in self.grants(document) {
            let (name, kind) = self.name_of(&grant.principal);
            let place = if grant.of_folder { "folder" } else { "direct" };
            if source.is_some_and(|source| source != place) || wanted.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let (Principal::User(id) | Principal::Group(id)) = &grant.principal;
            let mut entry = json!({
                "id": id, "name": name, "type": kind, "role": grant.permit.role,
                "accessBoost": grant.permit.access_boost, "accessSource": place,
            });
            if kind == "user" {
                entry["isOwner"] = json!(grant.is_owner);
            }
            if grant.of_folder {
                entry["folderInfo"] = json!({"id": folder["id"], "name": folder["name"], "path": folder["path"]});
            }
            listed.push(entry);
        }
        listed.sort_by_key(|entry| entry["name"].to_string());
        if call.param("sortDirection") == Some("desc") {
            listed.reverse();
        }
        Ok(paged_as("principals", listed, size, from))
    }

    /// `PUT …/permissions`: settings for all who may open it.
    pub(super) fn set_document_settings(&mut self, call: &Call, identifier: &str) -> Reply {
        let known: Vec<&str> = SETTINGS
            .iter()
            .map(|(name, _)| *name)
            .chain(["organizationRole"])
            .collect();
        let body = call.body(&known)?;
        for (name, _) in SETTINGS {
            optional_flag(&body, name)?;
        }
        if let Some(role) = optional_text(&body, "organizationRole")?.filter(|it| !ORGANIZATION_ROLES.contains(it)) {
            return Err(Answer::bad(
                "organizationRole",
                format!("Invalid enum value. Received '{role}'"),
            ));
        }
        self.with_metadata(identifier, |metadata| metadata.settings.extend(body))
    }

    fn with_metadata(&mut self, identifier: &str, change: impl FnOnce(&mut super::metadata::Metadata)) -> Reply {
        let id = self.document(identifier)?.id.clone();
        if let Some(document) = self.documents.get_mut(&id) {
            change(&mut document.metadata);
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    fn document_permit_body(&self, call: &Call) -> Result<PermitBody, Answer> {
        let body = call.body(&["role", "userIds", "userGroupIds", "accessBoost"])?;
        let role = optional_text(&body, "role")?.map(str::to_owned);
        if let Some(role) = role.as_ref().filter(|role| !CONTENT_ROLES.contains(&role.as_str())) {
            return Err(Answer::bad("role", format!("Invalid enum value. Received '{role}'")));
        }
        Ok(PermitBody {
            role,
            access_boost: optional_flag(&body, "accessBoost")?,
            principals: self.principals(&body)?,
        })
    }

    /// `POST …/permissions`. Who has a permit keeps it as it is, as in a folder.
    pub(super) fn add_document_permits(&mut self, call: &Call, identifier: &str) -> Reply {
        let body = self.document_permit_body(call)?;
        let role = body.role.ok_or_else(|| Answer::bad("role", "Required"))?;
        let access_boost = body.access_boost.unwrap_or(false);
        self.with_metadata(identifier, |metadata| {
            for principal in body.principals {
                let role = role.clone();
                let permit = || Permit { role, access_boost };
                metadata.permits.entry(principal).or_insert_with(permit);
            }
        })
    }

    /// `PATCH …/permissions`. What is left out stays.
    pub(super) fn change_document_permits(&mut self, call: &Call, identifier: &str) -> Reply {
        let body = self.document_permit_body(call)?;
        let own = &self.document(identifier)?.metadata.permits;
        if body.principals.iter().any(|principal| !own.contains_key(principal)) {
            return Err(Answer::not_found("Permission does not exist"));
        }
        self.with_metadata(identifier, |metadata| {
            for principal in &body.principals {
                if let Some(permit) = metadata.permits.get_mut(principal) {
                    permit.role = body.role.clone().unwrap_or_else(|| permit.role.clone());
                    permit.access_boost = body.access_boost.unwrap_or(permit.access_boost);
                }
            }
        })
    }

    /// `DELETE …/permissions`.
    pub(super) fn revoke_document_permits(&mut self, call: &Call, identifier: &str) -> Reply {
        let body = call.body(&["userIds", "userGroupIds"])?;
        let principals = self.principals(&body)?;
        self.with_metadata(identifier, |metadata| {
            metadata.permits.retain(|principal, _| !principals.contains(principal));
        })
    }

    /// Whether an embed user may open a document: by its own permits, else by those of its folder, and by a role on
    /// the model below it.
    pub(super) fn embed_user_may_open(&self, document: &Document, user: Option<&EmbedUser>) -> bool {
        let Some(group) = self.embed_group() else {
            return false;
        };
        let Some(folder) = document.folder_id.as_deref().filter(|_| document.deleted_at.is_none()) else {
            return false;
        };
        let inherited = self.permits_in_effect(folder);
        let own = &document.metadata.permits;
        let whose = user.map(|user| Principal::User(user.id.clone()));
        let mut permits = whose
            .into_iter()
            .chain([Principal::Group(group.to_owned())])
            .filter_map(|principal| own.get(&principal).or_else(|| inherited.get(&principal)));
        permits.any(|permit| permit.role != "NO_ACCESS") && self.group_may_view(group, &document.shared_model_id)
    }
}

/// A parameter that takes one of a few words.
fn one_of<'a>(call: &'a Call, name: &str, known: &[&str]) -> Result<Option<&'a str>, Answer> {
    match call.param(name) {
        Some(other) if !known.contains(&other) => {
            Err(Answer::bad(name, format!("Invalid enum value. Received '{other}'")))
        }
        given => Ok(given),
    }
}
