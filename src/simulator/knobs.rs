//! Knobs: where Omni is known to answer in more than one way, or is set up in more than one way.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::kind_of;

/// Where Omni's sources disagree, or its set-up varies; every default is the better-attested behaviour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// The shape of a successful import's answer.
    pub import_answer: ImportAnswer,
    /// Whether the `workbook` answer carries `miniUuidMap`.
    pub import_mini_uuid_map: bool,
    /// What becomes of `folderPath` in an import.
    pub import_folder: ImportFolder,
    /// Whether an import with the undocumented key `folderId` is taken, the key ignored.
    pub import_ignores_folder_id: bool,
    /// Whether an import fills the QUERY models of tabs; Omni leaves them empty.
    pub import_fills_query_models: bool,
    /// Whether an import loses the last tile without saying so.
    pub import_drops_tile: bool,
    /// Whether an import gives uploaded files new ids.
    pub import_renews_upload_ids: bool,
    /// Whether the documents API shows the specification of a chart flat, as until September 2026: what is written back so
    /// loses it.
    pub documents_flat_charts: bool,
    /// Whether the documents API refuses a tile whose fields the shared model does not have; nobody has told.
    pub documents_need_fields: bool,
    /// How many tiles the documents API takes at once; nobody has told whether there is a limit.
    pub documents_tile_cap: Option<u32>,
    /// What an import does with an identifier that is in use.
    pub identifier_clash: IdentifierClash,
    /// The shape of a validation answer.
    pub validate_answer: ValidateAnswer,
    /// The status of a checksum mismatch, 400 or 409.
    pub checksum_mismatch: u16,
    /// Whether `POST …/yaml` answers with the files, as the specification says, or `{success, fileName}`.
    pub yaml_answers_files: bool,
    /// Whether the older YAML path below `/api/unstable` is gone (410).
    pub unstable_yaml_gone: bool,
    /// What creating a folder does where its path is taken.
    pub folder_clash: FolderClash,
    /// Whether the permissions of a folder show those of the folders above too.
    pub permissions_show_inherited: bool,
    /// The shape in which the permissions of a folder are read.
    pub permissions_answer: PermissionsAnswer,
    /// The page size and the direction of a list of documents that asks for neither.
    pub document_defaults: DocumentDefaults,
    /// The shape of the labels in a list of documents.
    pub document_labels: DocumentLabels,
    /// The shape of the list of connection environments.
    pub environments_answer: EnvironmentsAnswer,
    /// Whether documents move by POST, as the specification of May 2026 says, instead of PUT.
    pub move_by_post: bool,
    /// Whether a second model of one name is refused; Omni makes a twin.
    pub model_name_unique: bool,
    /// Whether one creation of a shared model makes two of that name, of which the answer tells one.
    pub model_twin: bool,
    /// What the connections' schema models are like.
    pub schema_model: SchemaModel,
    /// Whether creating a model answers 200 with `success: false` and makes nothing.
    pub create_model_fails_inside: bool,
    /// Drafts that a merge says it could not publish; the merge still answers 200.
    pub failed_drafts: u32,
    /// What the first sync of a model makes of a directory that is in its repository already.
    pub git_first_sync: GitFirstSync,
    /// Whether branch-based schema refresh is on, which forbids a second shared model.
    pub branch_schema_refresh: bool,
    /// The key owner's value of the attribute that drives the environments; none makes reads fail.
    pub caller_attribute: Option<String>,
    /// Whether the environment of a query with `userId` is the one of that user's attribute, instead of the key owner's.
    pub query_user_routes: bool,
    /// What a view of a dynamic schema comes to for a user without a value of the attribute that names the schema.
    pub unset_schema_attribute: UnsetSchemaAttribute,
    /// How often a run of a query times out before it is done: first in the call, then while it is waited for.
    pub run_timeouts: u32,
    /// Whether the main key is a personal one instead of an organization key.
    pub key_is_personal: bool,
    /// The status that a key gets which is not known: 403, or 401 as the specification says.
    pub bad_key_status: u16,
    /// Whether the key's owner administers the connection.
    pub connection_admin: bool,
    /// Whether the address and the key lead to another organisation: its connections are others, and no model of this one
    /// is listed.
    pub another_organisation: bool,
    /// Seconds in `Retry-After` of an answer over the budget; none sends no such header, as Omni does.
    pub retry_after: Option<u64>,
    /// Milliseconds that a list lags behind a creation.
    pub list_lag_millis: u64,
    /// Whether lists lag as long behind moves, renames, deletions, and the branches of a model.
    pub list_lag_changes: bool,
    /// Requests a key may make in one window; none is no budget.
    pub requests_per_minute: Option<u32>,
    /// The window of the budget, in milliseconds: 60,000 as Omni has it, less for impatient tests.
    pub budget_window_millis: u64,
    /// Whether `GET /openapi.json` answers with a document.
    pub openapi: OpenapiDocument,
    /// A JSON merge patch (RFC 7396) on that document, an object; none serves it as it is.
    pub openapi_patch: Option<Value>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            import_answer: ImportAnswer::Identifiers,
            import_mini_uuid_map: true,
            import_folder: ImportFolder::Honour,
            import_ignores_folder_id: false,
            import_fills_query_models: false,
            import_drops_tile: false,
            import_renews_upload_ids: false,
            documents_flat_charts: false,
            documents_need_fields: false,
            documents_tile_cap: None,
            identifier_clash: IdentifierClash::Reject,
            validate_answer: ValidateAnswer::Array,
            checksum_mismatch: 400,
            yaml_answers_files: false,
            unstable_yaml_gone: false,
            folder_clash: FolderClash::Suffix,
            permissions_show_inherited: true,
            permissions_answer: PermissionsAnswer::Permits,
            document_defaults: DocumentDefaults::Specification,
            document_labels: DocumentLabels::Names,
            environments_answer: EnvironmentsAnswer::ConnectionEnvironments,
            move_by_post: false,
            another_organisation: false,
            model_name_unique: false,
            model_twin: false,
            schema_model: SchemaModel::Ready,
            create_model_fails_inside: false,
            failed_drafts: 0,
            git_first_sync: GitFirstSync::Import,
            branch_schema_refresh: false,
            caller_attribute: Some("staging".to_owned()),
            query_user_routes: true,
            unset_schema_attribute: UnsetSchemaAttribute::ReadsFromSchema,
            run_timeouts: 0,
            key_is_personal: false,
            bad_key_status: 403,
            connection_admin: true,
            retry_after: None,
            list_lag_millis: 0,
            list_lag_changes: false,
            requests_per_minute: None,
            budget_window_millis: 60_000,
            openapi: OpenapiDocument::Served,
            openapi_patch: None,
        }
    }
}

impl Knobs {
    /// Turns one knob, by the name of its field.
    ///
    /// # Errors
    /// There is no such knob, or it has no such setting; says which.
    pub fn turn(&mut self, name: &str, setting: Value) -> Result<(), String> {
        let mut all = json!(self);
        all[name] = setting;
        let turned: Self = serde_json::from_value(all).map_err(|error| format!("knob {name}: {error}"))?;
        turned.check()?;
        *self = turned;
        Ok(())
    }

    /// Refuses settings that have the right type and make no sense.
    fn check(&self) -> Result<(), String> {
        let one_of = |name: &str, given: u16, allowed: [u16; 2]| match allowed.contains(&given) {
            true => Ok(()),
            false => Err(format!(
                "knob {name}: {given} is neither {} nor {}",
                allowed[0], allowed[1]
            )),
        };
        one_of("checksum_mismatch", self.checksum_mismatch, [400, 409])?;
        one_of("bad_key_status", self.bad_key_status, [403, 401])?;
        if self.requests_per_minute == Some(0) {
            return Err(
                "knob requests_per_minute: 0 admits nothing; write 1 or more, or null for no budget".to_owned(),
            );
        }
        if self.budget_window_millis == 0 {
            return Err("knob budget_window_millis: 0 is no window; write 1 or more".to_owned());
        }
        match &self.openapi_patch {
            None | Some(Value::Object(_)) => Ok(()),
            Some(other) => Err(format!(
                "knob openapi_patch: {} is no patch of a document; write a JSON object, or null for none",
                kind_of(other)
            )),
        }
    }

    /// Turns one knob as a command line says it, `name=value`; a value that is no JSON is a text.
    ///
    /// # Errors
    /// It is not of that form, or as of [`Knobs::turn`].
    pub fn turn_text(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is no setting of a knob; write name=value"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        self.turn(name, value)
    }
}

/// The shape of a successful import's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportAnswer {
    /// 201 with `documentId` and `identifier`.
    Identifiers,
    /// 200 with `dashboard`, `workbook` and `miniUuidMap`.
    Workbook,
    /// 200 with neither: a shape that nobody has seen.
    Unknown,
}

/// What becomes of `folderPath` in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFolder {
    /// The document lands in that folder.
    Honour,
    /// The document lands at the root.
    Root,
    /// The document lands in the key owner's personal space.
    Personal,
}

/// What an import does with an identifier that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierClash {
    /// Refuses with 400.
    Reject,
    /// Replaces the document that holds it.
    Overwrite,
    /// Appends `-1`, `-2`, ….
    Suffix,
}

/// What `GET /openapi.json` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenapiDocument {
    /// 200 with Omni's published contract, reduced to the calls that are served.
    Served,
    /// 404: this organisation publishes none.
    Absent,
}

/// What the first sync of a model makes of a directory that is in its repository already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitFirstSync {
    /// The model takes the files.
    Import,
    /// Neither side changes.
    Ignore,
    /// The model's own files take their place: what only the directory had is gone.
    Erase,
    /// 200 with `inSync: false` where the two differ.
    Conflict,
}

/// What creating a folder does where its path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderClash {
    /// The new folder's path gets `-1`, `-2`, ….
    Suffix,
    /// Refuses with 400.
    Reject,
    /// Makes a second folder of the same path.
    Twin,
}

/// What the connections' schema models are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaModel {
    /// There, with the tables of the database.
    Ready,
    /// There, and not refreshed yet: without tables.
    Unrefreshed,
    /// Not there: no shared model can be made.
    Absent,
}

/// What becomes of a query over a dynamic schema for a user without a value of its attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsetSchemaAttribute {
    /// It silently reads the schema that the dynamic one is made from, which is everybody's.
    ReadsFromSchema,
    /// It cannot be planned.
    Fails,
}

/// The shape in which the permissions of a folder are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionsAnswer {
    /// `{permits: [{role, userGroupId, accessBoost}]}`, as the specification has it.
    Permits,
    /// `{principals: [{id, name, type, direct: {role, accessBoost}}]}`, as the documentation has it; those that come
    /// from above are not in it.
    Principals,
}

/// The page size and the direction of a list of documents that asks for neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentDefaults {
    /// 50 by name, ascending.
    Specification,
    /// 20 by name, descending.
    Documentation,
}

/// The shape of the labels in a list of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentLabels {
    /// Names, as the specification has it.
    Names,
    /// `{name, verified}`, as the documentation has it.
    Objects,
}

/// The shape of the list of connection environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentsAnswer {
    /// `connectionEnvironments`, with values as a list.
    ConnectionEnvironments,
    /// `data`, with values as a text with commas.
    Data,
}

/// The shape of a validation answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidateAnswer {
    /// A bare array of `{message, is_warning, yaml_path}`.
    Array,
    /// `{valid, issues}` with `severity`.
    Object,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_are_turned_by_name_and_checked() {
        let mut knobs = Knobs::default();
        knobs.turn_text("import_answer=workbook").unwrap();
        knobs.turn_text("caller_attribute=null").unwrap();
        knobs.turn_text("retry_after=3").unwrap();
        let wanted = Knobs {
            import_answer: ImportAnswer::Workbook,
            caller_attribute: None,
            retry_after: Some(3),
            ..Knobs::default()
        };
        assert_eq!(knobs, wanted);
        assert!(
            knobs
                .turn_text("import_answer=whatever")
                .unwrap_err()
                .contains("whatever")
        );
        assert!(
            knobs
                .turn_text("import_anser=workbook")
                .unwrap_err()
                .contains("import_anser")
        );
        assert!(knobs.turn_text("import_answer").is_err());
        for (setting, why) in [
            ("checksum_mismatch=401", "checksum_mismatch: 401 is neither 400 nor 409"),
            ("bad_key_status=404", "bad_key_status: 404 is neither 403 nor 401"),
            ("requests_per_minute=0", "requests_per_minute: 0 admits nothing"),
            (
                "failed_drafts=-1",
                "failed_drafts: invalid value: integer `-1`, expected u32",
            ),
            ("budget_window_millis=0", "budget_window_millis: 0 is no window"),
            ("openapi_patch=[]", "openapi_patch: array is no patch"),
            (
                "folder_clash=sufix",
                "unknown variant `sufix`, expected one of `suffix`, `reject`, `twin`",
            ),
        ] {
            let refused = knobs.turn_text(setting).unwrap_err();
            assert!(refused.contains(why), "{setting}: {refused}");
        }
        assert_eq!(knobs, wanted, "a refused turn turns nothing");
    }
}
