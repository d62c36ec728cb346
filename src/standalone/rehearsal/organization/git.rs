//! Git settings, what a synchronisation and a migration bring, and directories that were only tried.

use serde_json::{Value, json};

use super::{Answer, State, is_tried, segment, text};
use crate::ports::{OmniErrorKind, Request};

/// The tree of a directory that Omni would write.
const WRITTEN: &str = "written by Omni";

impl State {
    /// The settings of a model that was linked here; none of one that was only made. What a real model has is read.
    pub(super) fn git_settings(&mut self, request: &Request<'_>) -> Option<Answer> {
        let id = segment(request, 0);
        if let Some(settings) = self.linked.get(id) {
            return Some(Ok(settings.clone()));
        }
        if is_tried(id) {
            let detail = "Git configuration not found for this model".to_owned();
            return Some(Err(OmniErrorKind::NotFound { detail }));
        }
        // Whoever copies by Git asks for the source's settings first.
        self.git_source = Some(id.to_owned());
        None
    }

    pub(super) fn link_git(&mut self, model: &str, body: &Value) -> Value {
        let settings = json!({
            "cloneUrl": body["cloneUrl"], "authMethod": body["authMethod"], "baseBranch": body["baseBranch"],
            "requirePullRequest": body["requirePullRequest"], "modelPath": body["modelPath"],
            "gitServiceProvider": body["gitServiceProvider"], "webUrl": body["webUrl"], "gitFollower": false,
        });
        self.linked.insert(model.to_owned(), settings.clone());
        settings
    }

    /// A model without files takes those of a directory that was copied for it, which are the source's; else Omni writes
    /// what the model has.
    pub(super) fn sync_git(&mut self, model: &str) -> Value {
        let main = (model.to_owned(), None);
        let directory = self.linked.get(model).map(directory);
        if directory.as_ref().is_some_and(|it| self.directories.contains_key(it)) {
            let source = self.git_source.clone().map(|source| (source, None));
            let files = source.and_then(|source| self.files.get(&source)).cloned();
            if let (Some(files), true) = (files, is_empty(self.files.get(&main))) {
                self.files.insert(main.clone(), files);
                self.written.insert(main);
            }
        }
        if let Some(directory) = directory {
            self.directories.entry(directory).or_insert_with(|| WRITTEN.to_owned());
        }
        json!({"didSync": true, "inSync": true, "gitSha": null, "message": "as it should be"})
    }

    pub(super) fn migrate(&mut self, source: &str, body: &Value) -> Value {
        let target = text(body, "targetModelId").to_owned();
        let branch = body["branchName"]
            .as_str()
            .and_then(|name| self.branch_id(&target, name));
        if let Some(files) = self.files.get(&(source.to_owned(), None)).cloned() {
            self.files.insert((target.clone(), branch.clone()), files);
            self.written.insert((target, branch));
        }
        json!({"success": true})
    }
}

fn is_empty(files: Option<&Value>) -> bool {
    let files = files.and_then(|it| it["files"].as_object());
    files.is_none_or(|files| files.is_empty())
}

/// Where Omni keeps a model with these settings (`API.md` §6.1).
fn directory(settings: &Value) -> String {
    let path = text(settings, "modelPath");
    match path.strip_prefix('/') {
        Some(from_root) => from_root.to_owned(),
        None => format!("omni/{path}"),
    }
}
