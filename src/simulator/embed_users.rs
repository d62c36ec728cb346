//! Embed users: whom an embed sign-in made, with their attributes; SCIM's list of them, and a person's hand on them.

use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::http::{Answer, Call, Object, Reply, kind_of, optional_text, required_text};
use super::identity::KeyScope;
use super::organisation::Organisation;
use super::see::EMBED_GROUP;
use super::viewpoint::Attributes;

static FILTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s*(?i:(username|embedexternalid))\s+(?i:(eq|co))\s+"([^"]*)"\s*$"#).expect("a fixed pattern")
});

/// One embed user.
#[derive(Debug, Clone)]
pub(super) struct EmbedUser {
    /// The membership id, which is SCIM's id too.
    pub(super) id: String,
    pub(super) external_id: String,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) attributes: Attributes,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl EmbedUser {
    /// Whose id is by the external id alone, so that it is the same in every run.
    pub(super) fn new(external_id: &str, name: &str, attributes: Attributes, now: Timestamp) -> Self {
        const SPACE: Uuid = Uuid::from_u128(0x51c3_0d7f_8e2a_4b96_a1d4_7f06_3b9c_e582);
        Self {
            id: Uuid::new_v5(&SPACE, external_id.as_bytes()).to_string(),
            external_id: external_id.to_owned(),
            name: name.to_owned(),
            active: true,
            attributes,
            created_at: now,
            updated_at: now,
        }
    }

    /// The address that Omni makes up for whoever signs in by an embed.
    fn user_name(&self) -> String {
        use base64::Engine as _;
        let digest = Sha256::digest(&self.external_id);
        let hidden = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
        format!("embed-user-{hidden}@simulator.embed-exploreomni.co")
    }

    fn matches(&self, attribute: &str, operator: &str, wanted: &str) -> bool {
        let contains = operator.eq_ignore_ascii_case("co");
        // External ids are told apart by their case, addresses are not.
        let (own, wanted) = match attribute.eq_ignore_ascii_case("username") {
            true => (self.user_name().to_lowercase(), wanted.to_lowercase()),
            false => (self.external_id.clone(), wanted.to_owned()),
        };
        if contains { own.contains(&wanted) } else { own == wanted }
    }
}

/// An error in SCIM's shape.
pub(super) fn scim_refusal(status: u16, detail: &str) -> Answer {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
    Answer::json(
        status,
        json!({"detail": detail, "schemas": schemas, "status": status.to_string()}),
    )
}

/// Where a page of SCIM begins, counted from one, and how much it holds at most.
pub(super) fn scim_page(call: &Call) -> Result<(usize, usize), Answer> {
    let number = |name: &str, default: usize| match call.param(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| scim_refusal(400, &format!("{name} is no number"))),
    };
    Ok((number("startIndex", 1)?.max(1), number("count", 100)?))
}

impl Organisation {
    pub(super) fn embed_user(&self, membership_id: &str) -> Option<&EmbedUser> {
        self.embed_users.iter().find(|user| user.id == membership_id)
    }

    pub(super) fn embed_user_named(&self, external_id: &str) -> Option<&EmbedUser> {
        self.embed_users.iter().find(|user| user.external_id == external_id)
    }

    /// Whether a membership id is somebody's.
    pub(super) fn is_member(&self, membership_id: &str) -> bool {
        membership_id == self.owner.membership_id || self.embed_user(membership_id).is_some()
    }

    /// `GET /scim/v2/embed/users`, in the order in which they came.
    pub(super) fn list_embed_users(&self, call: &Call, scope: KeyScope) -> Reply {
        if scope == KeyScope::Personal {
            return Err(scim_refusal(
                403,
                "User-scoped API keys are not allowed to access the SCIM API.",
            ));
        }
        let (start, count) = scim_page(call)?;
        let found: Vec<&EmbedUser> = match call.param("filter") {
            None => self.embed_users.iter().collect(),
            Some(text) => {
                let filter = FILTER.captures(text);
                let filter = filter.ok_or_else(|| scim_refusal(400, &format!("Invalid filter: {text}")))?;
                let matching = |user: &&EmbedUser| user.matches(&filter[1], &filter[2], &filter[3]);
                self.embed_users.iter().filter(matching).collect()
            }
        };
        let page = found.iter().skip(start - 1).take(count);
        let page: Vec<Value> = page.map(|user| self.embed_user_record(user)).collect();
        Ok(Answer::ok(json!({
            "Resources": page, "itemsPerPage": page.len(), "startIndex": start, "totalResults": found.len(),
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        })))
    }

    fn embed_user_record(&self, user: &EmbedUser) -> Value {
        let groups = self.group_named(EMBED_GROUP);
        let groups: Vec<Value> = groups
            .map(|group| json!({"display": group.name, "value": group.mini_uuid}))
            .into_iter()
            .collect();
        json!({
            "active": user.active, "displayName": user.name, "id": user.id, "userName": user.user_name(),
            "emails": [{"primary": true, "value": user.user_name()}], "groups": groups,
            "meta": {
                "created": user.created_at.to_string(), "lastModified": user.updated_at.to_string(),
                "resourceType": "User",
            },
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "embedEmail": null, "embedEntity": "", "embedExternalId": user.external_id,
        })
    }

    /// Makes an embed user or changes one: its name, and those of its attributes that are named, away with `null`.
    pub(super) fn hand_set_user(&mut self, body: &Object) -> Reply {
        let external_id = required_text(body, "external_id")?.to_owned();
        let name = optional_text(body, "name")?.map(str::to_owned);
        let changes = self.attribute_changes(body)?;
        let now = self.clock.stamp();
        let known = self.embed_users.iter().position(|user| user.external_id == external_id);
        let at = known.unwrap_or_else(|| {
            let user = EmbedUser::new(&external_id, &external_id, Attributes::new(), now);
            self.embed_users.push(user);
            self.embed_users.len() - 1
        });
        let user = &mut self.embed_users[at];
        user.updated_at = now;
        if let Some(name) = name {
            user.name = name;
        }
        for (attribute, value) in changes {
            match value {
                Some(value) => user.attributes.insert(attribute, value),
                None => user.attributes.remove(&attribute),
            };
        }
        Ok(Answer::ok(json!({"success": true, "id": user.id})))
    }

    /// The attributes of a hand, which must be defined, as an embed sign-in has it too.
    fn attribute_changes(&self, body: &Object) -> Result<Vec<(String, Option<String>)>, Answer> {
        let given = match body.get("attributes") {
            None => return Ok(Vec::new()),
            Some(Value::Object(given)) => given,
            Some(other) => {
                let why = format!("Expected object, received {}", kind_of(other));
                return Err(Answer::bad("attributes", why));
            }
        };
        let read = given.iter().map(|(name, value)| {
            self.check_attribute(name)?;
            match value {
                Value::Null => Ok((name.clone(), None)),
                Value::String(text) => Ok((name.clone(), Some(text.clone()))),
                other => {
                    let why = format!("Expected string or null, received {}", kind_of(other));
                    Err(Answer::bad(&format!("attributes.{name}"), why))
                }
            }
        });
        read.collect()
    }

    fn check_attribute(&self, name: &str) -> Result<(), Answer> {
        let mut defined = self.attributes.iter().filter_map(|it| it["name"].as_str());
        if defined.any(|known| known == name) {
            return Ok(());
        }
        let defined: Vec<&str> = self.attributes.iter().filter_map(|it| it["name"].as_str()).collect();
        let why = format!("there is no {name}; there are {}", defined.join(", "));
        Err(Answer::bad("attribute", why))
    }

    fn hand_on_user(&mut self, body: &Object) -> Result<usize, Answer> {
        let external_id = required_text(body, "external_id")?;
        let found = self.embed_users.iter().position(|user| user.external_id == external_id);
        found.ok_or_else(|| Answer::bad("external_id", format!("there is no {external_id}")))
    }

    /// Takes an attribute's value away, as when it was never given.
    pub(super) fn hand_remove_attribute(&mut self, body: &Object) -> Reply {
        let attribute = required_text(body, "attribute")?;
        self.check_attribute(attribute)?;
        let at = self.hand_on_user(body)?;
        let now = self.clock.stamp();
        self.embed_users[at].attributes.remove(attribute);
        self.embed_users[at].updated_at = now;
        Ok(Answer::ok(json!({"success": true})))
    }

    /// Removes an embed user, as when nobody ever signed in by that name.
    pub(super) fn hand_remove_user(&mut self, body: &Object) -> Reply {
        let at = self.hand_on_user(body)?;
        self.embed_users.remove(at);
        Ok(Answer::ok(json!({"success": true})))
    }
}
