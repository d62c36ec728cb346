//! Models and branches: list, create, merge, delete.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::canonical::canonical;
use super::http::{Answer, Call, Reply, optional_flag, optional_text, paged, required_text, uuid};
use super::knobs::SchemaModel;
use super::layers::Viewpoint;
use super::organisation::{Files, Model, ModelKind, Organisation};

static BRANCH_NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\w\-/]+$").expect("a fixed pattern"));

const LIST_PARAMS: [&str; 11] = [
    "baseModelId",
    "connectionId",
    "cursor",
    "include",
    "includeDeleted",
    "modelId",
    "modelKind",
    "name",
    "pageSize",
    "sortDirection",
    "sortField",
];

const CREATE_KEYS: [&str; 7] = [
    "accessGrants",
    "allowAsWorkbookBase",
    "baseModelId",
    "connectionId",
    "modelKind",
    "modelName",
    "usesIsolatedBranches",
];

impl Organisation {
    pub(super) fn list_models(&self, call: &Call) -> Reply {
        call.only_params(&LIST_PARAMS)?;
        for name in ["baseModelId", "connectionId", "modelId"] {
            if let Some(id) = call.param(name) {
                uuid(name, id)?;
            }
        }
        let kind = match call.param("modelKind") {
            None => None,
            Some(text) => Some(ModelKind::parse(text).ok_or_else(|| Answer::bad("modelKind", "Invalid enum value"))?),
        };
        let (size, from) = call.page(20)?;
        let mut found: Vec<&Model> = self
            .models
            .values()
            .filter(|model| self.listed_deletion(model).is_none() || call.flag("includeDeleted"))
            .filter(|model| self.listed(model.created_at) && !self.knobs.another_organisation)
