//! What a document has that no export carries, so that a copy begins without it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply, optional_text, required_text, uuid};
use super::organisation::{Organisation, Permit, Principal};

/// All of it, of one document.
#[derive(Debug, Clone, Default)]
pub(super) struct Metadata {
    pub(super) description: Option<String>,
    /// By their names as the labels are spelt.
    pub(super) labels: BTreeSet<String>,
    /// Its own permits; those of its folder come besides.
    pub(super) permits: BTreeMap<Principal, Permit>,
    /// What was set of it of `PUT …/permissions`.
    pub(super) settings: Object,
    /// The membership ids of those who marked it.
    pub(super) favorites: BTreeSet<String>,
}

impl Organisation {
    /// Refuses a `userId` that is nobody's.
    pub(super) fn check_member(&self, call: &Call) -> Result<(), Answer> {
        match call.param("userId").filter(|id| !self.is_member(id)) {
            Some(id) => {
                uuid("userId", id)?;
                Err(Answer::not_found(format!("User with id {id} does not exist")))
            }
            None => Ok(()),
        }
    }

    /// `PUT` and `DELETE …/favorite` of a document.
    pub(super) fn mark_favorite(&mut self, call: &Call, identifier: &str, on: bool) -> Reply {
        self.check_member(call)?;
        let id = self.document(identifier)?.id.clone();
        let who = call.param("userId").unwrap_or(&self.owner.membership_id).to_owned();
        if let Some(document) = self.documents.get_mut(&id) {
            match on {
                true => document.metadata.favorites.insert(who),
                false => document.metadata.favorites.remove(&who),
            };
        }
        Ok(Answer::empty())
    }

    /// Describes a document, as a person does in its settings; without `description` it has none.
    pub(super) fn hand_describe(&mut self, body: &Object) -> Reply {
        let id = self.document(required_text(body, "identifier")?)?.id.clone();
        let description = optional_text(body, "description")?.map(str::to_owned);
        let now = self.clock.stamp();
        if let Some(document) = self.documents.get_mut(&id) {
            document.metadata.description = description;
            document.updated_at = now;
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// It all, for assertions.
    pub(super) fn metadata_state(&self, metadata: &Metadata) -> Value {
        let permits = metadata.permits.iter();
        json!({
            "description": metadata.description, "labels": metadata.labels, "settings": metadata.settings,
            "favorites": metadata.favorites,
            "permits": permits.map(|(principal, permit)| self.permit_state(principal, permit)).collect::<Vec<_>>(),
        })
    }
}
