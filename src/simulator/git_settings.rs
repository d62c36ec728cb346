//! Git settings of shared models, their synchronisation, and migrate. Where a hand named a repository for the address it
//! is read and written; where there is none, what a ref holds is what the model held when a hand set the ref, and the base
//! branch always holds what the model holds now.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply, optional_flag, optional_text, required_text, uuid};
use super::identity::KeyScope;
use super::knobs::GitFirstSync;
use super::organisation::{File, Files, Model, ModelKind, Organisation};
use super::repository::{Repository, Texts};

/// The fields of a body, all of which may be left out of a change.
const FIELDS: [&str; 10] = [
    "authMethod",
    "baseBranch",
    "branchPerPullRequest",
    "cloneUrl",
    "gitFollower",
    "gitServiceProvider",
    "modelPath",
    "requirePullRequest",
    "sshUrl",
    "webUrl",
];

/// The fields that take one of a few words.
const WORDS: [(&str, &[&str]); 3] = [
    ("authMethod", &["ssh", "https_token"]),
    (
        "gitServiceProvider",
        &[
            "auto",
            "github",
            "gitlab",
            "azure_devops",
            "bitbucket",
            "bitbucket_datacenter",
        ],
    ),
    ("requirePullRequest", &["always", "users-only", "never"]),
];

const MIGRATE_KEYS: [&str; 5] = [
    "targetModelId",
    "gitRef",
    "branchName",
    "commitMessage",
    "deleteViewsAndTopicsMissingFromSource",
];

/// What one shared model has of git.
#[derive(Debug, Clone)]
pub(super) struct GitSettings {
    /// As they are answered, but for what the model's id gives.
    fields: Object,
    /// What refs besides the base branch hold.
    refs: BTreeMap<String, Files>,
    /// Model and directory were brought together once.
    met: bool,
}

impl GitSettings {
    /// Takes over what a body says, and leaves the rest as it is.
    fn change(&mut self, body: &Object) -> Result<(), Answer> {
        for (field, words) in WORDS {
            if let Some(other) = optional_text(body, field)?.filter(|text| !words.contains(text)) {
                return Err(Answer::bad(field, format!("Invalid enum value. Received '{other}'")));
            }
        }
        for flag in ["branchPerPullRequest", "gitFollower"] {
            optional_flag(body, flag)?;
        }
        for text in ["baseBranch", "cloneUrl", "modelPath", "sshUrl", "webUrl"] {
            optional_text(body, text)?;
        }
        check_token(body, &self.fields)?;
        for field in FIELDS {
            if let Some(value) = body.get(field) {
                self.fields.insert(field.to_owned(), value.clone());
            }
        }
        // One address under two names, of which the older one gives way.
        let address = body.get("cloneUrl").or_else(|| body.get("sshUrl")).cloned();
        for name in ["cloneUrl", "sshUrl"] {
            if let Some(address) = &address {
                self.fields.insert(name.to_owned(), address.clone());
            }
        }
        Ok(())
    }

    fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// From the root of the repository, as Omni reads the path (`API.md` §6.1).
    fn directory(&self) -> String {
        let path = self.text("modelPath");
        let path = match path.strip_prefix('/') {
            Some(from_root) => from_root.to_owned(),
            None if path.starts_with("omni/") => path.to_owned(),
            None => format!("omni/{path}"),
        };
        path.trim_matches('/').to_owned()
    }

    fn record(&self, model_id: &str, with_secret: bool) -> Value {
        let mut record = json!(self.fields);
        let by_key = self.fields["authMethod"] == "ssh";
        record["publicKey"] = by_key.then(|| format!("ssh-ed25519 {model_id}")).into();
        record["webhookUrl"] = json!(format!("https://simulator.omniapp.co/api/webhooks/git/{model_id}"));
        if with_secret {
            record["webhookSecret"] = json!("simulated-secret");
        }
        record
    }
}

/// A token is no field that is ever told again.
fn check_token(body: &Object, present: &Object) -> Result<(), Answer> {
    let token = optional_text(body, "token")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if token.is_some_and(|token| token.is_empty() || token.len() > 1000 || !token.chars().all(plain)) {
        return Err(Answer::bad("token", "Invalid"));
    }
    let by_token = body.get("authMethod").is_some_and(|method| method == "https_token");
    let was_by_token = present.get("authMethod").is_some_and(|method| method == "https_token");
    match by_token && !was_by_token && token.is_none() {
        true => Err(Answer::bad("token", "Required when authMethod is https_token")),
        false => Ok(()),
    }
}

fn is_nothing(parsed: &Value) -> bool {
    match parsed {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn known_fields() -> Vec<&'static str> {
    FIELDS.into_iter().chain(["token"]).collect()
}

impl Organisation {
    fn model_with_git(&self, model_id: &str) -> Result<&GitSettings, Answer> {
        self.shared_model(model_id)?;
        let missing = || Answer::not_found("Git configuration not found for this model");
        self.git.get(model_id).ok_or_else(missing)
    }

    fn shared_model(&self, model_id: &str) -> Result<&Model, Answer> {
        uuid("modelId", model_id)?;
        let found = self.model(model_id).ok();
        let shared = found.filter(|it| matches!(it.kind, ModelKind::Shared | ModelKind::SharedExtension));
        if !self.knobs.connection_admin {
            return Err(Answer::refusal(403, "Forbidden: Requires MANAGE_MODEL permission"));
        }
        shared.ok_or_else(|| Answer::not_found("Model does not exist"))
    }

    pub(super) fn read_git(&self, call: &Call, model_id: &str) -> Reply {
        let settings = self.model_with_git(model_id)?;
        let with_secret = call.param("include") == Some("webhookSecret");
        Ok(Answer::ok(settings.record(model_id, with_secret)))
    }

    pub(super) fn link_git(&mut self, call: &Call, model_id: &str) -> Reply {
        let body = call.body(&known_fields())?;
        let name = self.shared_model(model_id)?.name.clone().unwrap_or_default();
        if self.git.contains_key(model_id) {
            let why = "Git configuration already exists for this model";
            return Err(Answer::refusal(409, why));
        }
        let unset = json!({
            "authMethod": "ssh", "baseBranch": "main", "branchPerPullRequest": false, "gitFollower": false,
            "gitServiceProvider": "auto", "modelPath": format!("omni/{name}"), "requirePullRequest": "never",
            "webUrl": null,
        });
        let mut settings = GitSettings {
            fields: unset.as_object().cloned().unwrap_or_default(),
            refs: BTreeMap::new(),
            met: false,
        };
        settings.change(&body)?;
        if !settings.fields.contains_key("cloneUrl") {
            return Err(Answer::bad("cloneUrl", "Required"));
        }
        let record = settings.record(model_id, false);
        self.git.insert(model_id.to_owned(), settings);
        Ok(Answer::json(201, record))
    }

    pub(super) fn change_git(&mut self, call: &Call, model_id: &str) -> Reply {
        let body = call.body(&known_fields())?;
        let mut settings = self.model_with_git(model_id)?.clone();
        settings.change(&body)?;
        let record = settings.record(model_id, false);
        self.git.insert(model_id.to_owned(), settings);
        Ok(Answer::ok(record))
    }

    pub(super) fn unlink_git(&mut self, model_id: &str) -> Reply {
        self.model_with_git(model_id)?;
        self.git.remove(model_id);
        Ok(Answer::ok(
            json!({"success": true, "message": "Git repository unlinked successfully"}),
        ))
    }

    /// The repository behind a model's settings, where a hand named one.
    fn repository_of(&self, settings: &GitSettings) -> Option<&Repository> {
        self.repositories.get(settings.text("cloneUrl"))
    }

    pub(super) fn hand_add_repository(&mut self, body: &Object) -> Reply {
        let address = required_text(body, "clone_url")?.to_owned();
        let repository = Repository::at(required_text(body, "path")?).map_err(|why| Answer::bad("path", why))?;
        self.repositories.insert(address, repository);
        Ok(Answer::ok(json!({"success": true})))
    }

    /// `POST …/git/sync`. What a first sync makes of a directory that is there already, nobody has told: a knob.
    pub(super) fn sync_git(&mut self, call: &Call, model_id: &str) -> Reply {
        let body = if call.body.is_empty() {
            Object::new()
        } else {
            call.body(&["commitMessage"])?
        };
        let message = optional_text(&body, "commitMessage")?
            .unwrap_or("Sync by Omni")
            .to_owned();
        let settings = self.model_with_git(model_id)?.clone();
        let bad = |why: String| Answer::refusal(400, format!("Bad Request: {why}"));
        let repository = self.repository_of(&settings).cloned();
        let repository = repository.ok_or_else(|| bad("the repository cannot be reached".to_owned()))?;
        let head = repository.commit(&format!("refs/heads/{}", settings.text("baseBranch")));
        let there = match &head {
            Some(head) => repository.read(head, &settings.directory()).map_err(bad)?,
            None => None,
        };
        let told = |synced: bool, in_sync: bool, sha: Option<String>, message: &str| {
            let answer = json!({"didSync": synced, "inSync": in_sync, "gitSha": sha, "message": message});
            Ok(Answer::ok(answer))
        };
        let first = !settings.met;
        if let (Some(files), true) = (&there, first) {
            match self.knobs.git_first_sync {
                GitFirstSync::Import => {
                    let parsed = files.iter().map(|(name, text)| Ok((name.clone(), File::new(text)?)));
                    let parsed: Result<Files, String> = parsed.collect();
                    self.replace_files(model_id, parsed.map_err(bad)?, false);
                    self.have_met(model_id);
                    return told(true, true, head, "Imported from git");
                }
                GitFirstSync::Ignore => {
                    self.have_met(model_id);
                    return told(false, true, head, "Already in sync");
                }
                GitFirstSync::Conflict if *files != self.texts(model_id) => {
                    return told(false, false, head, "The directory and the model differ");
                }
                GitFirstSync::Conflict | GitFirstSync::Erase => {}
            }
        }
        let texts = self.texts(model_id);
        self.have_met(model_id);
        if there.unwrap_or_default() == texts {
            return told(false, true, head, "Already in sync");
        }
        let sha = repository.write(settings.text("baseBranch"), &settings.directory(), &texts, &message);
        told(true, true, Some(sha.map_err(bad)?), "Synced")
    }

    fn have_met(&mut self, model_id: &str) {
        if let Some(settings) = self.git.get_mut(model_id) {
            settings.met = true;
        }
    }

    /// What stands in files of a model where something was authored.
    fn texts(&self, model_id: &str) -> Texts {
        let files = self
            .models
            .get(model_id)
            .map(|model| model.files.clone())
            .unwrap_or_default();
        let authored = files.into_iter().filter(|(_, file)| !is_nothing(&file.parsed));
        authored.map(|(name, file)| (name, file.text)).collect()
    }

    /// Whether a merge into the model is refused, since people must open a pull request or it follows another.
    pub(super) fn wants_pull_request(&self, model_id: &str) -> bool {
        self.git.get(model_id).is_some_and(|settings| {
            settings.text("requirePullRequest") == "always" || settings.fields["gitFollower"] == true
        })
    }

    /// Writes what was merged to the model's directory; whether there is one.
    pub(super) fn push_merged(&mut self, model_id: &str, message: &str) -> Result<bool, Answer> {
        let Some(settings) = self.git.get(model_id).cloned() else {
            return Ok(false);
        };
        let Some(repository) = self.repository_of(&settings).cloned() else {
            return Ok(false);
        };
        self.have_met(model_id);
        let (branch, directory) = (settings.text("baseBranch"), settings.directory());
        let pushed = repository.write(branch, &directory, &self.texts(model_id), message);
        pushed.map_err(|why| Answer::refusal(400, format!("Bad Request: {why}")))?;
        Ok(true)
    }

    /// Sets a ref of a model's repository to what the model holds now, as a tag does.
    pub(super) fn hand_set_ref(&mut self, body: &Object) -> Reply {
        let model = self.model_called(body)?;
        let (id, files) = (model.id.clone(), model.files.clone());
        let name = required_text(body, "git_ref")?.to_owned();
        self.model_with_git(&id)?;
        if let Some(settings) = self.git.get_mut(&id) {
            settings.refs.insert(name, files);
        }
        Ok(Answer::ok(json!({"success": true})))
    }

    /// `POST …/migrate`: the target's definition becomes the source's at a ref.
    pub(super) fn migrate_model(&mut self, call: &Call, source_id: &str, scope: KeyScope) -> Reply {
        let body = call.body(&MIGRATE_KEYS)?;
        if scope == KeyScope::Personal {
            let why = "Forbidden: User does not have access to the source or target model";
            return Err(Answer::refusal(403, why));
        }
        let target_id = required_text(&body, "targetModelId")?.to_owned();
        if uuid::Uuid::try_parse(&target_id).is_err() {
            return Err(Answer::refusal(400, "Bad Request: targetModelId is not a valid UUID"));
        }
        let absent = |which: &str| Answer::not_found(format!("Not Found: {which} model not found"));
        self.shared_model(source_id).map_err(|_| absent("Source"))?;
        self.shared_model(&target_id).map_err(|_| absent("Target"))?;
        let files = self.files_at(source_id, optional_text(&body, "gitRef")?)?;
        let ignore = optional_flag(&body, "deleteViewsAndTopicsMissingFromSource")?.unwrap_or(true);
        optional_text(&body, "commitMessage")?;
        let place = match (self.git.contains_key(&target_id), optional_text(&body, "branchName")?) {
            (true, None) => {
                let why = "Bad Request: Target model has git enabled but branchName was not provided";
                return Err(Answer::refusal(400, why));
            }
            (true, Some(branch)) => self.branch_for(&target_id, branch),
            (false, _) => target_id,
        };
        self.replace_files(&place, files, ignore);
        Ok(Answer::ok(json!({"success": true})))
    }

    /// What a ref holds; the base branch where none is named.
    fn files_at(&self, model_id: &str, git_ref: Option<&str>) -> Result<Files, Answer> {
        let none = || Answer::refusal(400, "Bad Request: Source model has no git configuration");
        let settings = self.git.get(model_id).ok_or_else(none)?;
        if git_ref == Some("") {
            return Err(Answer::refusal(400, "Bad Request: gitRef is empty"));
        }
        if let Some(repository) = self.repository_of(settings) {
            let named = git_ref.unwrap_or_else(|| settings.text("baseBranch"));
            let missing = || Answer::refusal(400, format!("Bad Request: gitRef: there is no {named}"));
            let commit = repository.commit(named).ok_or_else(missing)?;
            let bad = |why: String| Answer::refusal(400, format!("Bad Request: {why}"));
            let texts = repository
                .read(&commit, &settings.directory())
                .map_err(bad)?
                .unwrap_or_default();
            let files = texts.iter().map(|(name, text)| Ok((name.clone(), File::new(text)?)));
            return files.collect::<Result<Files, String>>().map_err(bad);
        }
        let present = || self.model(model_id).map(|model| model.files.clone());
        match git_ref {
            None => present(),
            Some(name) if settings.fields["baseBranch"] == name => present(),
            Some(name) => {
                let missing = || Answer::refusal(400, format!("Bad Request: gitRef: there is no {name}"));
                settings.refs.get(name).cloned().ok_or_else(missing)
            }
        }
    }

    /// The branch of a model by its name; made where there is none.
    fn branch_for(&mut self, model_id: &str, name: &str) -> String {
        let known = |branch: &&Model| branch.name.as_deref() == Some(name);
        if let Some(known) = self.branches(model_id).find(known).map(|branch| branch.id.clone()) {
            return known;
        }
        let base = self.models.get(model_id);
        let (connection, files) = base.map_or_else(Default::default, |it| (it.connection_id.clone(), it.files.clone()));
        let base = Some(model_id.to_owned());
        let branch = self.add_model(ModelKind::Branch, Some(name.to_owned()), &connection, base);
        branch.forked_from.clone_from(&files);
        branch.files = files;
        branch.id.clone()
    }

    /// Puts these files in the place of all that a model has. What views and topics they do not have goes, or stays as
    /// one that is ignored.
    fn replace_files(&mut self, model_id: &str, files: Files, ignore: bool) {
        let old: Vec<String> = self
            .models
            .get(model_id)
            .map(|model| model.files.keys().cloned().collect())
            .unwrap_or_default();
        for name in old.into_iter().filter(|name| !files.contains_key(name)) {
            let is_left = ignore && (name.ends_with(".view") || name.ends_with(".topic"));
            let ignored = is_left.then(|| File::new("ignored: true\n").ok()).flatten();
            self.put_file(model_id, &name, ignored);
        }
        for (name, file) in files {
            self.put_file(model_id, &name, Some(file));
        }
    }
}
