//! The newer documents API. What it makes of a dashboard is taken for what an import of the same would make: nothing else
//! would be whole. Only the model of its workbook is empty until its files are written.

use serde_json::{Value, json};

use super::documents::workbook_model;
use super::{Answer, State, text};
use crate::model_version::content::transform::{Rebinding, import_body};
use crate::model_version::definition::is_blank;
use crate::ports::OmniErrorKind;

impl State {
    /// The document that is there of which one that was only made is a copy, perhaps of a copy. That API shows the two
    /// alike.
    pub(super) fn original(&self, identifier: &str) -> Option<Vec<String>> {
        let mut original = identifier;
        while let Some(document) = self.documents.get(original) {
            original = &document.source;
        }
        (original != identifier).then(|| vec![original.to_owned()])
    }

    pub(super) fn amend_published(&self, identifier: &str, body: &mut Value) {
        if let Some(document) = self.documents.get(identifier) {
            body["identifier"] = json!(identifier);
            body["modelId"] = json!(document.model);
            body["workbookModelId"] = json!(workbook_model(identifier));
        }
    }

    /// What is asked for does not say of what it is a copy: that is known by where links to its source lead.
    pub(super) fn create_document(&mut self, body: &Value) -> Answer {
        let identifier = text(body, "identifier");
        let mut links = self.expected.links.0.iter();
        let source = links.find(|(_, copy)| *copy == identifier).map(|(source, _)| source);
        let Some(export) = source.and_then(|source| self.exported(source)) else {
            return Err(OmniErrorKind::Refused {
                status: 501,
                detail: format!("a rehearsal does not know what document {identifier:?} is a copy of"),
            });
        };
        let mut copy = import_body(
            &export,
            &Rebinding {
                from_model: shared_model(&export),
                to_model: text(body, "modelId"),
                links: &self.expected.links,
                renames: &self.expected.renames,
            },
        );
        let folder = self.path_of(text(body, "folderId")).unwrap_or_default();
        for (name, value) in [
            ("identifier", identifier),
            ("baseModelId", text(body, "modelId")),
            ("folderPath", folder),
        ] {
            copy[name] = json!(value);
        }
        self.import(&copy);
        let own = workbook_model(identifier);
        self.files.insert((own, None), json!({"files": {}}));
        if let Some(made) = self.documents.get_mut(identifier) {
            made.created = true;
        }
        Ok(json!({"identifier": identifier, "name": body["name"], "description": body["description"]}))
    }

    /// The export of a document, as it was read before or would be.
    fn exported(&self, identifier: &str) -> Option<Value> {
        let operation = "GET /unstable/documents/{identifier}/export";
        let begins = format!("{operation} {:?} ", [identifier]);
        let mut read = self.read.iter().filter(|(name, _)| name.starts_with(&begins));
        let read = || read.find_map(|(_, answer)| answer.as_ref().ok().cloned());
        self.export(identifier).or_else(read)
    }

    /// The model whose files are those of a workbook's model: an import takes over its source's.
    pub(super) fn files_from<'a>(&'a self, model: &'a str) -> &'a str {
        let mut from = model;
        let imported = |model: &str| {
            let mut documents = self.documents.iter().filter(|(_, it)| !it.created);
            documents.find(|(identifier, _)| workbook_model(identifier) == model)
        };
        while let Some((_, document)) = imported(from) {
            from = &document.source_workbook;
        }
        from
    }

    /// Whether a model has as many files as another, of which it is to have all.
    pub(super) fn has_files_of(&self, source: &str, model: &str) -> bool {
        let count = |model: &str| {
            let files = self.files.get(&(self.files_from(model).to_owned(), None))?["files"].as_object()?;
            let written = files.values().filter_map(Value::as_str).filter(|yaml| !is_blank(yaml));
            Some(written.count())
        };
        count(source).is_some_and(|wanted| count(model).unwrap_or_default() >= wanted)
    }
}

/// The shared model that an export's document sits on.
fn shared_model(export: &Value) -> &str {
    let places = [
        "/document/sharedModelId",
        "/document/sharedModel/id",
        "/dashboard/model/baseModelId",
    ];
    let mut found = places.iter().filter_map(|place| export.pointer(place)?.as_str());
    found.next().unwrap_or_default()
}
