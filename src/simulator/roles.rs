//! User groups, and roles on models and connections.

use serde_json::{Value, json};

use super::embed_users::{scim_page, scim_refusal};
use super::http::{Answer, Call, Object, Reply, optional_text, required_text, uuid};
use super::identity::KeyScope;
use super::organisation::{ModelKind, Organisation, Principal, RoleGrant, UserGroup};
use super::see::EMBED_GROUP;

/// The roles on models, weakest first.
const MODEL_ROLES: [&str; 6] = [
    "NO_ACCESS",
    "VIEWER",
    "QUERY_TOPICS",
    "QUERIER",
    "MODELER",
    "CONNECTION_ADMIN",
];

/// How much a role allows; a connection's base role has one name of its own.
fn rank(role: &str) -> usize {
    let role = if role == "RESTRICTED_QUERIER" {
        "QUERY_TOPICS"
    } else {
        role
    };
    MODEL_ROLES.iter().position(|known| *known == role).unwrap_or(0)
}

impl Organisation {
    /// `GET /scim/v2/Groups`, in the order in which they came.
    pub(super) fn list_groups(&self, call: &Call, scope: KeyScope) -> Reply {
        if scope == KeyScope::Personal {
            let why = "User-scoped API keys are not allowed to access the SCIM API.";
            return Err(scim_refusal(403, why));
        }
        let mut found: Vec<&UserGroup> = self.groups.iter().collect();
        if let Some(filter) = call.param("filter") {
            let name = filter
                .strip_prefix("displayName eq \"")
                .and_then(|it| it.strip_suffix('"'));
            let name = name.ok_or_else(|| scim_refusal(400, &format!("Invalid filter: {filter}")))?;
            found.retain(|group| group.name == name);
        }
        let (start, count) = scim_page(call)?;
        let with_members = call.param("excludedAttributes") != Some("members");
        let page = found.iter().skip(start - 1).take(count);
        let page: Vec<Value> = page.map(|group| self.group_record(group, with_members)).collect();
        Ok(Answer::ok(json!({
            "Resources": page, "itemsPerPage": page.len(), "startIndex": start, "totalResults": found.len(),
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        })))
    }

    fn group_record(&self, group: &UserGroup, with_members: bool) -> Value {
        let mut record = json!({
            "id": group.mini_uuid, "displayName": group.name, "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        });
        if with_members {
            let is_embed = group.name == EMBED_GROUP;
            let members = self.embed_users.iter().filter(|_| is_embed);
            let members = members.map(|user| json!({"display": user.name, "value": user.id}));
            record["members"] = members.collect();
        }
        record
    }

    fn principal_of(&self, is_group: bool, id: &str) -> Result<Principal, Answer> {
        if is_group {
            if !self.groups.iter().any(|group| group.mini_uuid == id) {
                return Err(Answer::not_found(format!("User group with id {id} does not exist")));
            }
            return Ok(Principal::Group(id.to_owned()));
        }
        uuid("id", id)?;
        if !self.is_member(id) {
            return Err(Answer::not_found(format!("User with id {id} does not exist")));
        }
        Ok(Principal::User(id.to_owned()))
    }

    pub(super) fn assign_role(&mut self, call: &Call, is_group: bool, id: &str) -> Reply {
        let body = call.body(&["roleName", "modelId", "connectionId"])?;
        let role = required_text(&body, "roleName")?.to_owned();
        let model_id = optional_text(&body, "modelId")?.map(str::to_owned);
        let connection_id = optional_text(&body, "connectionId")?.map(str::to_owned);
        if !self.knobs.connection_admin {
            return Err(Answer::refusal(403, "Forbidden"));
        }
        let principal = self.principal_of(is_group, id)?;
        let connection_id = match (&model_id, connection_id) {
            (Some(model_id), _) => {
                uuid("modelId", model_id)?;
                let model = self.model(model_id)?;
                if !matches!(model.kind, ModelKind::Shared | ModelKind::SharedExtension) {
                    return Err(Answer::not_found(format!("Model with id {model_id} does not exist")));
                }
                model.connection_id.clone()
            }
            (None, Some(connection_id)) => {
                uuid("connectionId", &connection_id)?;
                let found = self.connection(&connection_id);
                let missing = || Answer::not_found(format!("Connection with id {connection_id} does not exist"));
                found.ok_or_else(missing)?.id.clone()
            }
            (None, None) => return Err(Answer::refusal(400, "Bad Request: connectionId or modelId required")),
        };
        if !MODEL_ROLES.contains(&role.as_str()) {
            return Err(Answer::unprocessable("Invalid role"));
        }
        let grant = RoleGrant {
            principal,
            role: role.clone(),
            connection_id: connection_id.clone(),
            model_id,
        };
        let mut echo = Object::new();
        let key = if is_group { "userGroupId" } else { "membershipId" };
        echo.insert(key.into(), json!(id));
        echo.insert("roleName".into(), json!(role));
        echo.insert("connectionId".into(), json!(connection_id));
        echo.insert("modelId".into(), json!(self.model_of_grant(&grant)));
        self.grant(grant);
        Ok(Answer::ok(Value::Object(echo)))
    }

    /// The model that an answer names for a role: for one on a whole connection, its schema model.
    fn model_of_grant(&self, grant: &RoleGrant) -> Option<String> {
        let schema = || {
            let mut models = self.models.values();
            models.find(|model| model.kind == ModelKind::Schema && model.connection_id == grant.connection_id)
        };
        grant
            .model_id
            .clone()
            .or_else(|| schema().map(|model| model.id.clone()))
    }

    /// Gives a role; a second one for the same principal and object takes the first one's place.
    pub(super) fn grant(&mut self, grant: RoleGrant) {
        self.roles.retain(|old| {
            old.principal != grant.principal
                || old.model_id != grant.model_id
                || old.connection_id != grant.connection_id
        });
        self.roles.push(grant);
    }

    pub(super) fn read_roles(&self, call: &Call, is_group: bool, id: &str) -> Reply {
        call.only_params(&["modelId", "connectionId"])?;
        let principal = self.principal_of(is_group, id)?;
        let from = match &principal {
            Principal::User(_) => json!({"type": "USER"}),
            Principal::Group(group) => {
                let name = self
                    .groups
                    .iter()
                    .find(|known| &known.mini_uuid == group)
                    .map(|known| &known.name);
                json!({"type": "GROUP", "miniUuid": group, "name": name, "depth": 0})
            }
        };
        let results: Vec<Value> = self
            .roles
            .iter()
            .filter(|grant| grant.principal == principal)
            .filter(|grant| {
                call.param("modelId")
                    .is_none_or(|id| grant.model_id.as_deref() == Some(id))
            })
            .filter(|grant| call.param("connectionId").is_none_or(|id| grant.connection_id == id))
            .map(|grant| {
                let mut entry = json!({
                    "roleName": grant.role, "baseRole": grant.role, "connectionId": grant.connection_id,
                    "from": from, "priority": 1,
                });
                entry["modelId"] = json!(self.model_of_grant(grant));
                if !is_group {
                    entry["resolved"] = json!(true);
                }
                entry
            })
            .collect();
        let key = if is_group { "userGroupId" } else { "membershipId" };
        Ok(Answer::ok(json!({"results": results, key: id})))
    }

    /// Whether members of a group may see what is built on a model.
    pub(super) fn group_may_view(&self, group: &str, model_id: &str) -> bool {
        let Some(model) = self.models.get(model_id) else {
            return false;
        };
        let base = self
            .connection(&model.connection_id)
            .map_or(0, |connection| rank(&connection.base_role));
        let granted = self
            .roles
            .iter()
            .filter(|grant| grant.principal == Principal::Group(group.to_owned()))
            .filter(|grant| match &grant.model_id {
                Some(id) => id == model_id,
                None => grant.connection_id == model.connection_id,
            })
            .map(|grant| rank(&grant.role))
            .max();
        base.max(granted.unwrap_or(0)) >= rank("VIEWER")
    }
}
