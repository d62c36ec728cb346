//! The organisation of a rehearsal: what is there, as it is read, with what would have been done put over it.
//!
//! What Omni would make gets an id in braces, which says what it is; no id of Omni's looks like it. Lists show at once
//! what was made, validation finds nothing new, and every query is found right: what Omni may do otherwise is told with
//! the plan, not played here.

mod access;
mod documents;
mod folders;
mod git;
mod models;
mod published;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use self::documents::{Document, Moved};
use self::folders::Place;
use self::models::Model;
use super::pace::Pace;
use crate::model_version::content::links::LinkMap;
use crate::model_version::content::renames::Renames;
use crate::ports::{Met, OmniErrorKind, Rehearsal, Request};
use crate::resources::QueryValidation;

/// What stands for a time that only Omni will tell.
const LATER: &str = "later";
/// The status of what is not there.
const NOT_FOUND: u16 = 404;

/// One call, as it would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallAhead {
    /// Its method and path pattern.
    pub operation: &'static str,
    /// Its path. What Omni will give an id to stands in braces, in words.
    pub path: String,
    /// Its query.
    pub query: String,
    /// What it is about.
    pub about: String,
}

impl CallAhead {
    fn of(request: &Request<'_>) -> Self {
        let pattern = request.operation.split(' ').next_back().unwrap_or_default();
        let mut values = request.segments.iter();
        let fill = |part: &str| match part.starts_with('{') {
            true => values.next().cloned().unwrap_or_default(),
            false => part.to_owned(),
        };
        let path: Vec<String> = pattern.split('/').map(fill).collect();
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Self {
            operation: request.operation,
            path: format!("{}{}", request.below, path.join("/")),
            query: query.join("&"),
            about: request.object.to_owned(),
        }
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.operation.split(' ').next().unwrap_or_default()
    }
}

/// What is known of a version before it is rehearsed.
#[derive(Default)]
pub(super) struct Expected {
    /// How its queries are validated.
    pub(super) queries: Option<QueryValidation>,
    /// Where links of its copies lead: the identifiers of its sources, each with its copy's.
    pub(super) links: LinkMap,
    /// What has another name in its copies.
    pub(super) renames: Renames,
}

/// An answer, or what Omni would refuse with.
type Answer = Result<Value, OmniErrorKind>;

/// One organisation, and what was tried on it.
pub(super) struct Organization {
    pace: Arc<Pace>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Vec<CallAhead>,
    /// What Omni answered, by what was asked; or the status and the words that it was refused with.
    read: BTreeMap<String, Result<Value, (u16, String)>>,
    /// Of the version that is rehearsed.
    expected: Expected,
    models: Vec<Model>,
    /// Branches that were made, by their shared model: name and id.
    branches: BTreeMap<String, Vec<(String, String)>>,
    /// Branches that were merged: shared model and name.
    merged: BTreeSet<(String, String)>,
    /// The files of models and branches that were read or written, as Omni answers them.
    files: BTreeMap<(String, Option<String>), Value>,
    /// Models and branches whose files were written.
    written: BTreeSet<(String, Option<String>)>,
    /// Git settings that were given, by model.
    linked: BTreeMap<String, Value>,
    /// The model whose Git settings were asked for last.
    git_source: Option<String>,
    /// Directories of the repository that were copied or written, with their trees.
    directories: BTreeMap<String, String>,
    /// Roles that were given: user group, model, role.
    roles: Vec<(String, String, String)>,
    /// Folders by id, those that are there and those that were made.
    folders: BTreeMap<String, Place>,
    documents: BTreeMap<String, Document>,
    /// Documents that are there and were moved, by identifier.
    moved: BTreeMap<String, Moved>,
}

impl Organization {
    /// Of one instance; calls take their time as its budget has it.
    pub(super) fn new(pace: Arc<Pace>) -> Self {
        Self {
            pace,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since this was last asked.
    pub(super) fn take(&self) -> Vec<CallAhead> {
        std::mem::take(&mut self.state().asked)
    }

    /// A folder that is on record.
    pub(super) fn know_folder(&self, id: Option<String>, path: Option<String>) {
        if let (Some(id), Some(path)) = (id, path) {
            self.state().folders.entry(id).or_default().set_path(path);
        }
    }

    /// The tree of a directory that was only tried.
    pub(super) fn tried_directory(&self, path: &str) -> Option<String> {
        self.state().directories.get(path).cloned()
    }

    /// A directory would be there.
    pub(super) fn try_directory(&self, path: &str, tree: &str) {
        self.state().directories.insert(path.to_owned(), tree.to_owned());
    }

    /// The version that is rehearsed from now on.
    pub(super) fn expect(&self, expected: Expected) {
        self.state().expected = expected;
    }
}

impl Rehearsal for Organization {
    fn reserve(&self) {
        self.pace.take_place();
    }

    fn meet(&self, request: &Request<'_>) -> Met {
        if !request.placed {
            self.pace.take_place();
        }
        let mut state = self.state();
        state.asked.push(CallAhead::of(request));
        if let Some(answer) = state.answer(request) {
            return Met::Answered(answer);
        }
        let elsewhere = state.elsewhere(request);
        match state.read.get(&name(request, elsewhere.as_deref())).cloned() {
            Some(known) => {
                let known = known.map_err(|(status, detail)| match status {
                    NOT_FOUND => OmniErrorKind::NotFound { detail },
                    _ => OmniErrorKind::Refused { status, detail },
                });
                Met::Answered(state.amended(request, known))
            }
            None => Met::Read(elsewhere),
        }
    }

    fn read(&self, request: &Request<'_>, answer: Answer) -> Answer {
        let mut state = self.state();
        let name = name(request, state.elsewhere(request).as_deref());
        match &answer {
            Ok(body) => drop(state.read.insert(name, Ok(body.clone()))),
            Err(OmniErrorKind::NotFound { detail }) => drop(state.read.insert(name, Err((NOT_FOUND, detail.clone())))),
            Err(OmniErrorKind::Refused { status, detail }) => {
                drop(state.read.insert(name, Err((*status, detail.clone()))));
            }
            Err(_) => {}
        }
        state.amended(request, answer)
    }
}

/// What is asked, in one text.
fn name(request: &Request<'_>, elsewhere: Option<&[String]>) -> String {
    let segments = elsewhere.unwrap_or(request.segments);
    format!("{} {segments:?} {:?}", request.operation, request.query)
}

/// Whether this is the id of something that was only tried.
fn is_tried(id: &str) -> bool {
    id.starts_with('{')
}

fn parameter<'a>(request: &'a Request<'_>, name: &str) -> Option<&'a str> {
    let mut query = request.query.iter();
    query.find(|(it, _)| *it == name).map(|(_, value)| value.as_str())
}

fn segment<'a>(request: &'a Request<'_>, at: usize) -> &'a str {
    request.segments.get(at).map(String::as_str).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Whether a list ends with this page.
fn is_last_page(page: &Value) -> bool {
    page["pageInfo"]["hasNextPage"] != true
}

impl State {
    /// What is known without asking Omni: whatever would change something, and whatever is about what was only tried.
    fn answer(&mut self, request: &Request<'_>) -> Option<Answer> {
        let nothing = Value::Null;
        let body = request.body.unwrap_or(&nothing);
        match request.operation {
            "POST /v1/models" => Some(Ok(self.create_model(body))),
            "GET /v1/models/{id}/yaml" => self.files(request).map(Ok),
            "POST /v1/models/{id}/yaml" => Some(Ok(self.write_file(segment(request, 0), body))),
            "GET /v1/models/{id}/git" => self.git_settings(request),
            "POST /v1/models/{id}/git" => Some(Ok(self.link_git(segment(request, 0), body))),
            "POST /v1/models/{id}/git/sync" => Some(Ok(self.sync_git(segment(request, 0)))),
            "POST /v1/models/{id}/migrate" => Some(Ok(self.migrate(segment(request, 0), body))),
            "GET /v1/models/{id}/validate" => self.validation(request).map(Ok),
            "POST /v1/models/{id}/branch/{name}/merge" => {
                Some(Ok(self.merge(segment(request, 0), segment(request, 1))))
            }
            "GET /v1/models/{id}/content-validator" => self.content_validation(segment(request, 0)).map(Ok),
            "POST /v1/user-groups/{id}/model-roles" => Some(Ok(self.give_role(segment(request, 0), body))),
            "GET /v1/folders" => self.folder_at(parameter(request, "path").unwrap_or_default()).map(Ok),
            "POST /v1/folders" => Some(Ok(self.create_folder(body))),
            "GET /v1/folders/{id}/permissions" => self.permits_of_the_top(segment(request, 0)).map(Ok),
            "POST /v1/folders/{id}/permissions" => Some(Ok(self.permit(segment(request, 0), body))),
            "PATCH /v1/folders/{id}/permissions" => Some(self.change_permit(segment(request, 0), body)),
            "DELETE /v1/folders/{id}/permissions" => Some(Ok(self.revoke(segment(request, 0), body))),
            "GET /v1/documents" => self.documents_of_a_new_folder(request).map(Ok),
            "GET /unstable/documents/{identifier}/export" => self.export(segment(request, 0)).map(Ok),
            "POST /unstable/documents/import" => Some(Ok(self.import(body))),
            "PUT /v1/documents/{identifier}/move" => Some(Ok(self.move_document(segment(request, 0), body))),
            "PATCH /v1/documents/{identifier}/labels" => Some(Ok(self.label(segment(request, 0), body))),
            "GET /v1/documents/{identifier}/access-list" => self.own_permits(request).map(Ok),
            "POST /v1/documents/{identifier}/permissions" => Some(Ok(self.give_on_document(segment(request, 0), body))),
            "PATCH /v1/documents/{identifier}/permissions" => {
                Some(Ok(self.give_on_document(segment(request, 0), body)))
            }
            "GET /v1/documents/{identifier}/permissions" => self.settings(request).map(Ok),
            "PUT /v1/documents/{identifier}/permissions" => Some(Ok(self.set_on_document(segment(request, 0), body))),
            "POST /v2/documents" => Some(self.create_document(body)),
            "POST /v1/query/run" => Some(self.query(parameter(request, "userId"))),
            operation if operation.starts_with("GET ") => None,
            operation => Some(Err(OmniErrorKind::Refused {
                status: 501,
                detail: format!("a rehearsal does not know what {operation} does"),
            })),
        }
    }

    /// What stands for something that was only tried in a read.
    fn elsewhere(&self, request: &Request<'_>) -> Option<Vec<String>> {
        match request.operation {
            "GET /v1/folders/{id}/permissions" => self.above_what_is_new(segment(request, 0)),
            "GET /v2/documents/{identifier}" => self.original(segment(request, 0)),
            "GET /v1/models/{id}/yaml" => {
                let from = self.files_from(segment(request, 0));
                (from != segment(request, 0)).then(|| vec![from.to_owned()])
            }
            _ => None,
        }
    }

    /// What Omni answered, as it would be after all that was tried.
    fn amended(&mut self, request: &Request<'_>, answer: Answer) -> Answer {
        let mut body = answer?;
        match request.operation {
            "GET /v1/models" => self.amend_models(request, &mut body),
            "GET /v1/models/{id}/yaml" => self.keep_files(request, &body),
            "GET /v1/models/{id}/content-validator" => self.amend_content_validation(segment(request, 0), &mut body),
            "GET /v1/user-groups/{id}/model-roles" => self.amend_roles(segment(request, 0), &mut body),
            "GET /v1/folders" => self.keep_folders(&body),
            "GET /v1/folders/{id}/permissions" => self.amend_permits(segment(request, 0), &mut body),
            "GET /v1/documents" => self.amend_documents(request, &mut body),
            "GET /unstable/documents/{identifier}/export" => self.amend_export(segment(request, 0), &mut body),
            "GET /v2/documents/{identifier}" => self.amend_published(segment(request, 0), &mut body),
            _ => {}
        }
        Ok(body)
    }

    /// Every query is found right: who must get nothing is refused, and a tenant's reads the tenant's schema.
    fn query(&self, user: Option<&str>) -> Answer {
        let asked = self.expected.queries.as_ref();
        if asked.is_some_and(|it| it.denied_to.iter().any(|denied| Some(denied.as_str()) == user)) {
            return Err(OmniErrorKind::Refused {
                status: 403,
                detail: "as it must be".to_owned(),
            });
        }
        let tenant = user.and_then(|user| self.tenant_of(user));
        let schema = asked.and_then(|it| Some(it.expect_schema.as_ref()?.replace("{tenant}", tenant.as_ref()?)));
        let mut line = json!({"status": "PLANNED", "summary": {}});
        if let Some(schema) = schema {
            let quoted: Vec<String> = schema.split('.').map(|part| format!("\"{part}\"")).collect();
            line["summary"]["display_sql"] = json!(format!("SELECT 1 FROM {}.\"T\"", quoted.join(".")));
        }
        Ok(json!([line]))
    }

    /// The tenant of an embed user that was looked up.
    fn tenant_of(&self, user: &str) -> Option<String> {
        let looked_up = self
            .read
            .iter()
            .filter(|(name, _)| name.starts_with("GET /scim/v2/embed/Users "));
        let users = looked_up.filter_map(|(_, answer)| answer.as_ref().ok()?["Resources"].as_array());
        let found = users.flatten().find(|it| text(it, "id") == user)?;
        let at_the_top = ["embedExternalId", "externalId"]
            .iter()
            .find_map(|name| found[*name].as_str());
        let mut extensions = found.as_object()?.values();
        let id = at_the_top.or_else(|| extensions.find_map(|it| it.get("embedExternalId")?.as_str()));
        id.map(ToOwned::to_owned)
    }
}
