//! Folders, and who may see into them. A folder shows the permits of those above it too, as Omni's description has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, State, is_tried, text};
use crate::ports::OmniErrorKind;

/// One folder.
#[derive(Default)]
pub(super) struct Place {
    path: String,
    /// The folder above one that was made.
    parent: Option<String>,
    /// What was granted, by user group; nothing where it was taken away.
    permits: BTreeMap<String, Option<String>>,
}

impl Place {
    pub(super) fn set_path(&mut self, path: String) {
        self.path = path;
    }
}

impl State {
    /// The folder at this path, where it was made.
    pub(super) fn folder_at(&self, path: &str) -> Option<Value> {
        let mut made = self.folders.iter().filter(|(id, _)| is_tried(id));
        let (id, place) = made.find(|(_, place)| place.path == path)?;
        Some(json!({"records": [{"id": id, "path": place.path}]}))
    }

    pub(super) fn keep_folders(&mut self, list: &Value) {
        for record in list["records"].as_array().into_iter().flatten() {
            let path = text(record, "path").trim_matches('/').to_owned();
            self.folders
                .entry(text(record, "id").to_owned())
                .or_default()
                .set_path(path);
        }
    }

    pub(super) fn create_folder(&mut self, body: &Value) -> Value {
        let (name, parent) = (text(body, "name"), body["parentFolderId"].as_str());
        let above = parent.and_then(|id| Some(&self.folders.get(id)?.path));
        let path = above.map_or_else(|| name.to_owned(), |above| format!("{above}/{name}"));
        let id = format!("{{folder {path}}}");
        let answer = json!({"id": id, "name": name, "path": path});
        let place = Place {
            path,
            parent: parent.map(ToOwned::to_owned),
            ..Place::default()
        };
        self.folders.insert(id, place);
        answer
    }

    /// The folder that is there and nearest above one that was made.
    pub(super) fn above_what_is_new(&self, id: &str) -> Option<Vec<String>> {
        let mut above = id;
        while is_tried(above) {
            above = self.folders.get(above)?.parent.as_deref()?;
        }
        (above != id).then(|| vec![above.to_owned()])
    }

    /// The permits of a folder that was made, and all those above it too.
    pub(super) fn permits_of_the_top(&self, id: &str) -> Option<Value> {
        if !is_tried(id) || self.above_what_is_new(id).is_some() {
            return None;
        }
        let mut answer = json!({"permits": []});
        self.amend_permits(id, &mut answer);
        Some(answer)
    }

    /// Every change from the folder that is there down to the one that is asked for.
    pub(super) fn amend_permits(&self, id: &str, answer: &mut Value) {
        let mut way = Vec::new();
        let mut next = Some(id);
        while let Some(place) = next.and_then(|id| self.folders.get(id)) {
            way.push(place);
            next = place.parent.as_deref();
        }
        let list = if answer["principals"].is_array() {
            "principals"
        } else {
            "permits"
        };
        let Some(entries) = answer[list].as_array_mut() else {
            return;
        };
        let changes = way.into_iter().rev().flat_map(|place| &place.permits);
        for (group, role) in changes {
            entries.retain(|it| text(it, "userGroupId") != group && text(it, "id") != group);
            match role {
                Some(role) if list == "principals" => {
                    entries.push(json!({"id": group, "type": "userGroup", "direct": {"role": role}}));
                }
                Some(role) => entries.push(json!({"userGroupId": group, "role": role})),
                None => {}
            }
        }
    }

    pub(super) fn permit(&mut self, id: &str, body: &Value) -> Value {
        let place = self.folders.entry(id.to_owned()).or_default();
        for group in groups(body) {
            place.permits.insert(group, Some(text(body, "role").to_owned()));
        }
        json!({"success": true})
    }

    /// Of a folder that was made, only what was granted there can be changed.
    pub(super) fn change_permit(&mut self, id: &str, body: &Value) -> Answer {
        let own = self.folders.get(id).map(|place| &place.permits);
        let has = |group: &String| own.is_some_and(|own| own.get(group).is_some_and(Option::is_some));
        if is_tried(id) && !groups(body).iter().all(has) {
            return Err(OmniErrorKind::NotFound {
                detail: "it is granted in a folder above".to_owned(),
            });
        }
        Ok(self.permit(id, body))
    }

    pub(super) fn revoke(&mut self, id: &str, body: &Value) -> Value {
        let place = self.folders.entry(id.to_owned()).or_default();
        for group in groups(body) {
            // In a folder that was made, what was granted above shows again.
            if is_tried(id) {
                place.permits.remove(&group);
            } else {
                place.permits.insert(group, None);
            }
        }
        json!({"success": true})
    }

    /// The path of a folder that is known by its id.
    pub(super) fn path_of(&self, id: &str) -> Option<&str> {
        self.folders.get(id).map(|place| place.path.as_str())
    }
}

fn groups(body: &Value) -> Vec<String> {
    let groups = body["userGroupIds"].as_array().into_iter().flatten();
    groups.filter_map(|it| it.as_str().map(ToOwned::to_owned)).collect()
}
