//! Labels, and which documents have them.

use serde_json::{Value, json};

use super::http::{Answer, Call, Object, Reply, optional_flag, optional_text, optional_texts, required_text};
use super::identity::KeyScope;
use super::knobs::DocumentLabels;
use super::organisation::{Document, Organisation};

const LABEL_KEYS: [&str; 5] = ["name", "color", "description", "homepage", "verified"];

/// The longest description of a label.
const LONGEST_DESCRIPTION: usize = 500;

/// One label; its name has no case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) name: String,
    color: Option<String>,
    description: Option<String>,
    homepage: bool,
    pub(super) verified: bool,
}

fn is_called(name: &str) -> impl Fn(&str) -> bool {
    let name = name.to_lowercase();
    move |other| other.to_lowercase() == name
}

impl Label {
    /// Takes over what a body says, and leaves the rest as it is.
    fn change(&mut self, body: &Object) -> Result<(), Answer> {
        if let Some(name) = optional_text(body, "name")? {
            match name.chars().count() {
                0..2 => return Err(Answer::bad("name", "String must contain at least 2 character(s)")),
                2..=25 => name.clone_into(&mut self.name),
                _ => return Err(Answer::bad("name", "String must contain at most 25 character(s)")),
            }
        }
        if let Some(color) = nullable_text(body, "color", 9)? {
            self.color = color;
        }
        if let Some(description) = nullable_text(body, "description", LONGEST_DESCRIPTION)? {
            self.description = description;
        }
        if let Some(homepage) = optional_flag(body, "homepage")? {
            self.homepage = homepage;
        }
        if let Some(verified) = optional_flag(body, "verified")? {
            self.verified = verified;
        }
        Ok(())
    }
}

/// A text that may be absent or `null`.
fn nullable_text(body: &Object, field: &str, longest: usize) -> Result<Option<Option<String>>, Answer> {
    if body.get(field) == Some(&Value::Null) {
        return Ok(Some(None));
    }
    match optional_text(body, field)? {
        Some(text) if text.chars().count() > longest => {
            let why = format!("String must contain at most {longest} character(s)");
            Err(Answer::bad(field, why))
        }
        text => Ok(text.map(|text| Some(text.to_owned()))),
    }
}

/// Only an Organization Admin marks a label as verified or puts it on the home page.
fn check_marks(body: &Object, scope: KeyScope) -> Result<(), Answer> {
    let marks = ["homepage", "verified"];
    let marked = marks.iter().any(|mark| body.get(*mark) == Some(&Value::Bool(true)));
    match marked && scope == KeyScope::Personal {
        true => Err(Answer::refusal(403, "Permission denied")),
        false => Ok(()),
    }
}

impl Organisation {
    pub(super) fn label(&self, name: &str) -> Result<&Label, Answer> {
        let called = is_called(name);
        let found = self.labels.iter().find(|label| called(&label.name));
        found.ok_or_else(|| Answer::not_found(format!("Label \"{name}\" does not exist")))
    }

    fn uses_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Document> {
        let live = self.documents.values().filter(|document| document.deleted_at.is_none());
        live.filter(move |document| document.metadata.labels.contains(name))
    }

    fn label_record(&self, label: &Label) -> Value {
        json!({
            "name": label.name, "color": label.color, "description": label.description, "homepage": label.homepage,
            "verified": label.verified, "usage_count": self.uses_of(&label.name).count(),
        })
    }

    pub(super) fn list_labels(&self) -> Reply {
        let mut labels: Vec<&Label> = self.labels.iter().collect();
        labels.sort_by_key(|label| label.name.to_lowercase());
        let labels: Vec<Value> = labels.iter().map(|label| self.label_record(label)).collect();
        Ok(Answer::ok(json!({"labels": labels})))
    }

    pub(super) fn read_label(&self, name: &str) -> Reply {
        Ok(Answer::ok(self.label_record(self.label(name)?)))
    }

    pub(super) fn create_label(&mut self, call: &Call, scope: KeyScope) -> Reply {
        let body = call.body(&LABEL_KEYS)?;
        self.check_member(call)?;
        let mut label = Label {
            name: required_text(&body, "name")?.to_owned(),
            color: None,
            description: None,
            homepage: false,
            verified: false,
        };
        label.change(&body)?;
        check_marks(&body, scope)?;
        self.check_free_label(&label.name)?;
        let record = self.label_record(&label);
        self.labels.push(label);
        Ok(Answer::json(201, record))
    }

    fn check_free_label(&self, name: &str) -> Result<(), Answer> {
        match self.label(name) {
            Ok(taken) => Err(Answer::refusal(409, format!("Label \"{}\" already exists", taken.name))),
            Err(_) => Ok(()),
        }
    }

    /// Changes a label; documents that have it keep it under its new name.
    pub(super) fn change_label(&mut self, call: &Call, scope: KeyScope, name: &str) -> Reply {
        let body = call.body(&LABEL_KEYS)?;
        self.check_member(call)?;
        let old = self.label(name)?.clone();
        let mut new = old.clone();
        new.change(&body)?;
        check_marks(&body, scope)?;
        if !is_called(&old.name)(&new.name) {
            self.check_free_label(&new.name)?;
        }
        for document in self.documents.values_mut() {
            if document.metadata.labels.remove(&old.name) {
                document.metadata.labels.insert(new.name.clone());
            }
        }
        if let Some(label) = self.labels.iter_mut().find(|label| **label == old) {
            *label = new.clone();
        }
        Ok(Answer::ok(self.label_record(&new)))
    }

    pub(super) fn delete_label(&mut self, call: &Call, name: &str) -> Reply {
        self.check_member(call)?;
        let label = self.label(name)?.clone();
        let uses = self.uses_of(&label.name).count();
        if uses > 0 {
            let why = format!("Label \"{}\" is applied to {uses} document(s)", label.name);
            return Err(Answer::refusal(409, why));
        }
        self.labels.retain(|other| *other != label);
        Ok(Answer::empty())
    }

    /// `PUT` and `DELETE …/labels/{name}` of a document: one label on or off, however it was.
    pub(super) fn label_document(&mut self, call: &Call, identifier: &str, name: &str, on: bool) -> Reply {
        self.check_member(call)?;
        let id = self.document(identifier)?.id.clone();
        let label = self.label(name)?.name.clone();
        if let Some(document) = self.documents.get_mut(&id) {
            match on {
                true => document.metadata.labels.insert(label),
                false => document.metadata.labels.remove(&label),
            };
        }
        Ok(Answer::empty())
    }

    /// `PATCH …/labels` of a document.
    pub(super) fn change_document_labels(&mut self, call: &Call, identifier: &str) -> Reply {
        let body = call.body(&["add", "remove"])?;
        self.check_member(call)?;
        let named = |field| -> Result<Vec<String>, Answer> {
            let names = optional_texts(&body, field)?;
            let labels = names
                .iter()
                .map(|name| self.label(name).map(|label| label.name.clone()));
            labels.collect()
        };
        let (add, remove) = (named("add")?, named("remove")?);
        if add.is_empty() && remove.is_empty() {
            let why = "Bad Request: At least one label must be provided in add or remove";
            return Err(Answer::refusal(400, why));
        }
        let id = self.document(identifier)?.id.clone();
        let Some(document) = self.documents.get_mut(&id) else {
            return Err(Answer::not_found("Not Found"));
        };
        document.metadata.labels.retain(|label| !remove.contains(label));
        document.metadata.labels.extend(add);
        Ok(Answer::ok(json!({"labels": document.metadata.labels})))
    }

    /// The labels of a document as lists show them.
    pub(super) fn labels_shown(&self, document: &Document) -> Value {
        let labels = document.metadata.labels.iter();
        match self.knobs.document_labels {
            DocumentLabels::Names => json!(document.metadata.labels),
            DocumentLabels::Objects => labels
                .map(|name| json!({"name": name, "verified": self.label(name).is_ok_and(|label| label.verified)}))
                .collect(),
        }
    }

    /// The labels that a list is asked for, of which a document needs one; none where it is not asked for any.
    ///
    /// # Errors
    /// There is no such label.
    pub(super) fn wanted_labels(&self, call: &Call) -> Result<Option<Vec<String>>, Answer> {
        let Some(names) = call.param("labels") else {
            return Ok(None);
        };
        let labels = names.split(',').map(|name| match self.label(name.trim()) {
            Ok(label) => Ok(label.name.clone()),
            Err(_) => Err(Answer::refusal(
                400,
                format!("Bad Request: labels: Unknown label {}", name.trim()),
            )),
        });
        labels.collect::<Result<_, _>>().map(Some)
    }
}

/// Whether a document has one of these labels; any has where none is wanted.
pub(super) fn has_one_of(document: &Document, wanted: Option<&[String]>) -> bool {
    wanted.is_none_or(|wanted| wanted.iter().any(|label| document.metadata.labels.contains(label)))
}
