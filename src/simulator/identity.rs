//! Who the key is, and the connections, environments and attributes that it can see.

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply};
use super::knobs::EnvironmentsAnswer;
use super::organisation::{ModelKind, Organisation};

/// The personal key that the organisation knows besides its main key.
pub(super) const PERSONAL_KEY: &str = "omni_pat_simulator";

/// The connection of the organisation that `another_organisation` leads to.
const ANOTHER_CONNECTION: &str = "7d1e4a66-90c3-4f0e-8a57-2b6c1d9e0f35";

/// What kind of key a request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyScope {
    Organization,
    Personal,
}

/// Reads the key of a request.
///
/// # Errors
/// 400 for a header that is no bearer token, 403 for a token that is not known, or 401 as the knob has it.
pub(super) fn authenticate(call: &Call, api_key: &str, organisation: &Organisation) -> Result<KeyScope, Answer> {
    let token = call
        .authorization
        .as_deref()
        .and_then(|header| header.strip_prefix("Bearer "))
        .ok_or_else(|| Answer::auth(400, "Bad authorization header, must be formatted as Bearer <token>"))?;
    match token {
        PERSONAL_KEY => Ok(KeyScope::Personal),
        token if token == api_key && organisation.knobs.key_is_personal => Ok(KeyScope::Personal),
        token if token == api_key => Ok(KeyScope::Organization),
        _ => Err(Answer::auth(organisation.knobs.bad_key_status, "Invalid bearer token")),
    }
}

impl Organisation {
    pub(super) fn whoami(&self, call: &Call, scope: KeyScope) -> Reply {
        call.only_params(&["modelId"])?;
        let wanted: Vec<&str> = call
            .param("modelId")
            .map(|ids| ids.split(',').collect())
            .unwrap_or_default();
        let mut roles = Object::new();
        for model in self.models.values().filter(|model| model.deleted_at.is_none()) {
            if !matches!(model.kind, ModelKind::Shared | ModelKind::SharedExtension) {
                continue;
            }
            if wanted.is_empty() || wanted.contains(&model.id.as_str()) {
                roles.insert(model.id.clone(), self.owner_role(&model.connection_id));
            }
        }
        if let Some(unknown) = wanted.iter().find(|id| !roles.contains_key(**id)) {
            return Err(Answer::not_found(format!("Model with id {unknown} does not exist")));
        }
        let (scope, org_role) = match scope {
            KeyScope::Organization => ("organization", "ORG_ADMIN"),
            KeyScope::Personal => ("user", "MEMBER"),
        };
        Ok(Answer::ok(json!({
            "user": {"id": self.owner.user_id, "membershipId": self.owner.membership_id},
            "keyScope": scope, "orgRole": org_role, "rolesByModel": roles,
        })))
    }

    fn owner_role(&self, connection_id: &str) -> Value {
        let role = if self.knobs.connection_admin {
            "CONNECTION_ADMIN"
        } else {
            "MODELER"
        };
        json!({
            "roleName": role, "baseRole": role, "connectionId": connection_id,
            "permissions": ["QUERY_TOPICS", "QUERY_FULL_MODEL", "UPDATE", "USE_WORKBOOKS", "QUERY_SQL", "VIEW_SQL"],
        })
    }

    pub(super) fn list_connections(&self, call: &Call) -> Reply {
        let found = self
            .connections
            .iter()
            .filter(|connection| call.param("name").is_none_or(|name| connection.name == name))
            .filter(|connection| {
                call.param("database")
                    .is_none_or(|database| connection.database == database)
            })
            .filter(|_| call.param("dialect").is_none_or(|dialect| dialect == "snowflake"))
            .map(|connection| {
                let id = if self.knobs.another_organisation {
                    ANOTHER_CONNECTION
                } else {
                    &connection.id
                };
                json!({
                    "id": id, "name": connection.name, "dialect": "snowflake",
                    "database": connection.database, "defaultSchema": connection.default_schema,
                    "baseRole": connection.base_role, "deletedAt": null,
                    "branchConnectionEnvironmentOverridesUserAttr": false,
                    "environmentConnectionSwitchesSchemaModel": true,
                    "userAttributeNameForConnectionsEnvironments": connection.environment_attribute,
                    "userAttributeValuesForDefaultEnvironment": [],
                })
            })
            .collect::<Vec<_>>();
        Ok(Answer::ok(json!({"connections": found})))
    }

    pub(super) fn list_environments(&self) -> Reply {
        let answer = self.knobs.environments_answer;
        let found = self
            .environments
            .iter()
            .map(|environment| {
                let values = match answer {
                    EnvironmentsAnswer::ConnectionEnvironments => json!(environment.values),
                    EnvironmentsAnswer::Data => json!(environment.values.join(",")),
                };
                json!({
                    "id": environment.id, "baseConnectionId": environment.base_connection_id,
                    "connectionId": environment.connection_id, "userAttributeValues": values,
                })
            })
            .collect::<Vec<_>>();
        let list = match answer {
            EnvironmentsAnswer::ConnectionEnvironments => "connectionEnvironments",
            EnvironmentsAnswer::Data => "data",
        };
        Ok(Answer::ok(json!({list: found})))
    }

    pub(super) fn list_attributes(&self) -> Reply {
        Ok(Answer::ok(json!({"records": self.attributes})))
    }
}
