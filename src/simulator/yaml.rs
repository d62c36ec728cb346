//! The YAML API of a model: one file a call, with layers and checksums.

use serde_json::{Value, json};

use super::canonical::to_yaml;
use super::http::{Answer, Call, Object, Reply, optional_flag, optional_text, required_text, uuid};
use super::layers::{merge, view_name};
use super::organisation::{File, Files, Model, ModelKind, Organisation, checksum};
use super::viewpoint::Viewpoint;

const MODES: [&str; 5] = ["combined", "extension", "staged", "merged", "history"];

/// Whether a call means the authored files alone.
fn extension_only(mode: Option<&str>) -> Result<bool, Answer> {
    match mode {
        None | Some("combined") => Ok(false),
        Some("extension" | "staged") => Ok(true),
        Some(known) if MODES.contains(&known) => {
            Err(Answer::bad("mode", format!("{known} is not kept by this organisation")))
        }
        Some(_) => Err(Answer::bad("mode", "Invalid enum value")),
    }
}

impl Organisation {
    /// The model that a YAML call reads or writes: the model itself, or the branch that it names.
    fn yaml_target(&self, model_id: &str, branch_id: Option<&str>) -> Result<(&Model, Option<&Model>), Answer> {
        uuid("modelId", model_id)?;
        let model = self.model(model_id)?;
        let branch = self
            .named_branch(model, branch_id)
            .map_err(|refusal| match refusal.status {
                404 => Answer::not_found("Branch does not exist"),
                _ => refusal,
            })?;
        Ok((model, branch))
    }

    pub(super) fn read_yaml(&self, call: &Call, model_id: &str) -> Reply {
        call.only_params(&[
            "branchId",
            "fileName",
            "mode",
            "fullyResolved",
            "includeChecksums",
            "includeSchemas",
        ])?;
        let extension = extension_only(call.param("mode"))?;
        let (model, branch) = self.yaml_target(model_id, call.param("branchId"))?;
        if branch.is_some() && extension && matches!(model.kind, ModelKind::Workbook | ModelKind::Query) {
            return Err(Answer::refusal(
                400,
                "Branches are not valid for workbook models with mode=extension, staged",
            ));
        }
        // A read fails for a caller without the attribute even where the schema is not part of the answer.
        self.schema_files(&model.connection_id, Viewpoint::CALLER)?;
        let mut files = if extension {
            authored(model, branch)
        } else {
            self.combined(model, branch)?
        };
        if let Some(wanted) = call.param("fileName") {
            let pattern = regex::Regex::new(&format!("^(?:{wanted})$")).ok();
            files.retain(|(name, _)| name == wanted || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name)));
        }
        let mut answer = files_answer(&files, branch.unwrap_or(model).version);
        if call.flag("includeChecksums") {
            answer["checksums"] = checksums(&files);
        }
        Ok(Answer::ok(answer))
    }

    /// All files with the layers below merged in.
    fn combined(&self, model: &Model, branch: Option<&Model>) -> Result<Vec<(String, String)>, Answer> {
        let own = branch
            .filter(|branch| branch.base_model_id.as_deref() == Some(model.id.as_str()))
            .map_or(&model.files, |branch| &branch.files);
        let mut layers: Vec<&Files> = self
            .layers_below(model, branch, Viewpoint::CALLER)?
            .into_iter()
            .map(|(_, files)| files)
            .collect();
        layers.push(own);
        let mut merged: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
        for (name, file) in layers.into_iter().flatten() {
            match (merged.get_mut(name), file.parsed.as_ref()) {
                (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
                (Some(Value::Array(below)), Value::Array(above)) => below.extend(above.iter().cloned()),
                _ => {
                    merged.insert(name.clone(), file.parsed.as_ref().clone());
                }
            }
        }
        Ok(merged
            .into_iter()
            .map(|(name, value)| (name, to_yaml(&value)))
            .collect())
    }

    pub(super) fn write_yaml(&mut self, call: &Call, model_id: &str) -> Reply {
        let body = call.body(&[
            "branchId",
            "fileName",
            "mode",
            "commitMessage",
            "fetchedAtMillis",
            "fullyResolved",
            "previousChecksum",
            "yaml",
        ])?;
        let file_name = required_text(&body, "fileName")
            .map_err(|_| required("fileName"))?
            .to_owned();
        let text = required_text(&body, "yaml").map_err(|_| required("yaml"))?.to_owned();
        optional_flag(&body, "fullyResolved")?;
        check_name(&file_name)?;
        let extension = extension_only(optional_text(&body, "mode")?)?;
        let (model, branch) = self.yaml_target(model_id, optional_text(&body, "branchId")?)?;
        if model.kind == ModelKind::Schema {
            return Err(Answer::refusal(400, "Bad Request: Schema models cannot be edited"));
        }
        let target = branch.unwrap_or(model);
        if let Some(previous) = optional_text(&body, "previousChecksum")? {
            let current = authored(model, branch).into_iter().find(|(name, _)| *name == file_name);
            if checksum(current.map(|(_, text)| text).unwrap_or_default()) != previous {
                let status = self.knobs.checksum_mismatch;
                return Err(Answer::refusal(status, "File has been modified since it was fetched"));
            }
        }
        let file = self.parsed_file(model, branch, &file_name, &text, extension)?;
        let target_id = target.id.clone();
        self.put_file(&target_id, &file_name, file);
        let (model, branch) = self.yaml_target(model_id, body.get("branchId").and_then(Value::as_str))?;
        if !self.knobs.yaml_answers_files {
            return Ok(Answer::ok(json!({"success": true, "fileName": file_name})));
        }
        let files: Vec<_> = authored(model, branch)
            .into_iter()
            .filter(|(name, _)| *name == file_name)
            .collect();
        let mut answer = files_answer(&files, branch.unwrap_or(model).version);
        answer["checksums"] = checksums(&files);
        Ok(Answer::ok(answer))
    }

    /// The file to keep, or none where the text removes it.
    fn parsed_file(
        &self,
        model: &Model,
        branch: Option<&Model>,
        file_name: &str,
        text: &str,
        extension: bool,
    ) -> Result<Option<File>, Answer> {
        if text.is_empty() {
            let ignored = || File::new("ignored: true\n").map_err(|reason| Answer::bad("yaml", reason));
            return if extension { Ok(None) } else { ignored().map(Some) };
        }
        let file = File::new(text).map_err(|reason| Answer::bad("yaml", format!("Invalid YAML: {reason}")))?;
        if extension || view_name(file_name).is_none() {
            return Ok(Some(file));
        }
        // The whole view was meant: what the layers below have and the text has not is from now on ignored.
        let below = self.layers(model, branch, Viewpoint::CALLER)?;
        let view = view_name(file_name)
            .and_then(|view| below.views.get(&view).cloned())
            .unwrap_or_default();
        let Value::Object(mut body) = file.parsed.as_ref().clone() else {
            return Ok(Some(file));
        };
        for group in ["dimensions", "measures", "filters"] {
            ignore_the_rest(&mut body, group, view.body.get(group).and_then(Value::as_object));
        }
        let text = to_yaml(&Value::Object(body));
        File::new(&text).map(Some).map_err(|reason| Answer::bad("yaml", reason))
    }

    /// Sets or removes one authored file.
    pub(super) fn put_file(&mut self, model_id: &str, file_name: &str, file: Option<File>) {
        let now = self.clock.stamp();
        let Some(model) = self.models.get_mut(model_id) else {
            return;
        };
        match file {
            Some(file) => model.files.insert(file_name.to_owned(), file),
            None => model.files.remove(file_name),
        };
        model.updated_at = now;
        model.version += 1;
    }

    pub(super) fn delete_yaml(&mut self, call: &Call, model_id: &str) -> Reply {
        call.only_params(&["branchId", "fileName", "mode", "commitMessage"])?;
        let file_name = call.param("fileName").ok_or_else(|| required("fileName"))?.to_owned();
        if ![".topic", ".composite_topic", ".view"]
            .iter()
            .any(|suffix| file_name.ends_with(suffix))
        {
            return Err(Answer::bad("fileName", "Invalid file name"));
        }
        let extension = extension_only(call.param("mode"))?;
        let (model, branch) = self.yaml_target(model_id, call.param("branchId"))?;
        let target = branch.unwrap_or(model);
        if !target.files.contains_key(&file_name) && extension {
            return Err(Answer::not_found("File does not exist"));
        }
        let file = self.parsed_file(model, branch, &file_name, "", extension)?;
        let target_id = target.id.clone();
        self.put_file(&target_id, &file_name, file);
        Ok(Answer::ok(json!({"success": true})))
    }
}

fn required(field: &str) -> Answer {
    Answer::bad(field, format!("{field} is required"))
}

fn check_name(name: &str) -> Result<(), Answer> {
    let known = matches!(name, "model" | "relationships")
        || [".view", ".topic", ".composite_topic"].iter().any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|stem| !stem.is_empty() && !stem.contains(".."))
        });
    if known {
        Ok(())
    } else {
        Err(Answer::bad("fileName", "Invalid file name"))
    }
}

fn ignore_the_rest(body: &mut Object, group: &str, inherited: Option<&Object>) {
    let missing: Vec<&String> = inherited
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| body.get(group).and_then(|fields| fields.get(name.as_str())).is_none())
        .collect();
    if missing.is_empty() {
        return;
    }
    if let Value::Object(fields) = body.entry(group).or_insert_with(|| json!({})) {
        fields.extend(missing.into_iter().map(|name| (name.clone(), json!({"ignored": true}))));
    }
}

/// What people wrote, and the two files that are always there, empty or not.
pub(super) fn authored(model: &Model, branch: Option<&Model>) -> Vec<(String, String)> {
    let files = &branch.unwrap_or(model).files;
    let mut found: Vec<(String, String)> = files
        .iter()
        .map(|(name, file)| (name.clone(), file.text.clone()))
        .collect();
    if model.kind != ModelKind::Schema {
        for (name, text) in [("model", "{}\n"), ("relationships", "[]\n")] {
            if !files.contains_key(name) {
                found.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    found
}

fn files_answer(files: &[(String, String)], version: u64) -> Value {
    let texts: Object = files.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
    let views: Object = files
        .iter()
        .filter_map(|(name, _)| view_name(name).map(|view| (name.clone(), json!(view))))
        .collect();
    json!({"files": texts, "version": version, "viewNames": views})
}

fn checksums(files: &[(String, String)]) -> Value {
    files
        .iter()
        .map(|(name, text)| (name.clone(), json!(checksum(text))))
        .collect::<Object>()
        .into()
}
