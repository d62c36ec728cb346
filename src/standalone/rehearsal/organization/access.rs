//! Permits and settings of documents that were made.

use serde_json::{Value, json};

use super::{State, segment, text};
use crate::ports::Request;

/// The settings of a document that nobody set, as Omni has them.
const UNSET: [(&str, bool); 6] = [
    ("canDownload", true),
    ("canDrill", true),
    ("canSchedule", true),
    ("canUpload", false),
    ("canUseDashboardAi", true),
    ("canViewWorkbook", true),
];

/// What a document that was made was given of its own.
#[derive(Default)]
pub(super) struct Access {
    /// Role by grantee, whose kind stands before the id.
    roles: Vec<(&'static str, String, String)>,
    settings: Vec<(String, bool)>,
}

impl State {
    pub(super) fn own_permits(&self, request: &Request<'_>) -> Option<Value> {
        let access = &self.documents.get(segment(request, 0))?.access;
        let entry = |(kind, id, role): &(&str, String, String)| json!({"id": id, "name": id, "type": kind, "role": role, "accessSource": "direct", "accessBoost": false});
        let principals: Vec<Value> = access.roles.iter().map(entry).collect();
        Some(json!({"principals": principals, "pageInfo": {"hasNextPage": false}}))
    }

    pub(super) fn settings(&self, request: &Request<'_>) -> Option<Value> {
        let access = &self.documents.get(segment(request, 0))?.access;
        let mut abilities = json!({});
        for (name, value) in UNSET {
            abilities[name] = json!(value);
        }
        for (name, value) in &access.settings {
            abilities[name.as_str()] = json!(value);
        }
        Some(json!({"permits": [], "abilities": abilities}))
    }

    /// Gives a role, or changes it.
    pub(super) fn give_on_document(&mut self, identifier: &str, body: &Value) -> Value {
        let of = |list: &str| body[list].as_array().cloned().unwrap_or_default();
        let users = of("userIds").into_iter().map(|id| ("USER", id));
        let groups = of("userGroupIds").into_iter().map(|id| ("USER_GROUP", id));
        if let Some(document) = self.documents.get_mut(identifier) {
            for (kind, id) in users.chain(groups) {
                let id = id.as_str().unwrap_or_default().to_owned();
                let roles = &mut document.access.roles;
                roles.retain(|(_, other, _)| *other != id);
                roles.push((kind, id, text(body, "role").to_owned()));
            }
        }
        json!({"success": true})
    }

    pub(super) fn set_on_document(&mut self, identifier: &str, body: &Value) -> Value {
        if let Some(document) = self.documents.get_mut(identifier) {
            let set = body.as_object().into_iter().flatten();
            let set = set.filter_map(|(name, value)| Some((name.clone(), value.as_bool()?)));
            document.access.settings.extend(set);
        }
        json!({"success": true})
    }
}
