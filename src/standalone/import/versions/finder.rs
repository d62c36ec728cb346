//! Finds documents by whatever id a row holds, with few calls, each within the request budget.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use super::is_shared;
use crate::ports::{DocumentRecord, Exported, Failure, ModelRecord, Object, Omni, OmniError, OmniErrorKind, World};
use crate::resources::OmniInstanceSpec;

/// How many pages of the list of all documents are read: of 100 each.
const MOST_PAGES: usize = 20;

/// How many documents are read, one by one, to find those of a few ids that Omni does not look up.
const MOST_READ: usize = 300;

/// What is needed of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) identifier: String,
    pub(super) name: String,
    pub(super) model: String,
    pub(super) folder: Option<String>,
    document_id: String,
    dashboard_id: String,
}

impl Document {
    fn is(&self, id: &str) -> bool {
        let own = [&self.identifier, &self.document_id, &self.dashboard_id];
        own.into_iter().any(|own| own.eq_ignore_ascii_case(id))
    }
}

impl From<Exported> for Document {
    fn from(export: Exported) -> Self {
        Self {
            identifier: export.identifier,
            name: export.name,
            model: export.shared_model_id,
            folder: export.folder_path,
            document_id: export.document_id,
            dashboard_id: export.dashboard_id,
        }
    }
}

/// What came of reading a document.
enum Export {
    Is(Document),
    None,
    /// Omni refused to export this one.
    Refused(String),
}

/// Reads from one organisation, each thing once.
pub(super) struct Finder<'a> {
    world: &'a World,
    instance: &'a Object<OmniInstanceSpec>,
    omni: &'a dyn Omni,
    tell: &'a (dyn Fn(&str) + Sync),
    read: BTreeMap<String, Document>,
    models: BTreeMap<String, Option<ModelRecord>>,
    /// The documents that are still to be read where an id is looked for, by the folder that was named, if one was.
    unread: BTreeMap<Option<String>, Result<VecDeque<DocumentRecord>, String>>,
    /// What Omni does not export, and why not, by identifier.
    refused: BTreeMap<String, String>,
    /// Omni was asked in vain for a UUID that is a dashboard's: rows hold those, and others would be asked for in vain too.
    looks_up_no_uuids: bool,
}

impl<'a> Finder<'a> {
    pub(super) fn new(
        world: &'a World,
        instance: &'a Object<OmniInstanceSpec>,
        omni: &'a dyn Omni,
        tell: &'a (dyn Fn(&str) + Sync),
    ) -> Self {
        Self {
            world,
            instance,
            omni,
            tell,
            read: BTreeMap::new(),
            models: BTreeMap::new(),
            unread: BTreeMap::new(),
            refused: BTreeMap::new(),
            looks_up_no_uuids: false,
        }
    }

    fn told(&self, error: &OmniError) -> Failure {
        self.world.told(self.instance, Failure::from(error))
    }

    /// The document of an id; or why it is not told.
    pub(super) async fn document(
        &mut self,
        id: &str,
        folder: Option<&str>,
    ) -> Result<Result<Document, String>, Failure> {
        if let Some(known) = self.known(id) {
            return Ok(Ok(known));
        }
        let is_uuid = Uuid::parse_str(id).is_ok();
        if !(is_uuid && self.looks_up_no_uuids) {
            match self.export(id).await? {
                Export::Is(document) if document.is(id) => return Ok(Ok(document)),
                Export::Is(document) => {
                    return Ok(Err(format!(
                        "Omni leads on to {:?}, which has other ids; correct the row",
                        document.identifier
                    )));
                }
                Export::Refused(why) => return Ok(Err(format!("Omni does not export it: {why}"))),
                Export::None if !is_uuid => {
                    return Ok(Err(
                        "Omni has no such document; correct the row, or delete it".to_owned()
                    ));
                }
                Export::None => {}
            }
        }
        self.look_for(id, folder).await
    }

    fn known(&self, id: &str) -> Option<Document> {
        self.read.values().find(|document| document.is(id)).cloned()
    }

    async fn export(&mut self, id: &str) -> Result<Export, Failure> {
        (self.tell)(&format!("reading document {id}"));
        match self.omni.export(id).await {
            Ok(None) => Ok(Export::None),
            Ok(Some(export)) => {
                let document = Document::from(export);
                self.read.insert(document.identifier.clone(), document.clone());
                Ok(Export::Is(document))
            }
            // It says something of this document, and nothing of others.
            Err(error) if matches!(error.kind, OmniErrorKind::Refused { .. }) => {
                let why = error.kind.to_string();
                self.refused.insert(id.to_owned(), why.clone());
                Ok(Export::Refused(why))
            }
            Err(error) => Err(self.told(&error)),
        }
    }

    /// Reads the documents of the folder, or of all folders, until one of them has the id.
    async fn look_for(&mut self, id: &str, folder: Option<&str>) -> Result<Result<Document, String>, Failure> {
        let place = folder.map(str::to_owned);
        if !self.unread.contains_key(&place) {
            let listed = self.listed(folder).await?;
            self.unread.insert(place.clone(), listed);
        }
        loop {
            let next = match self.unread.get_mut(&place) {
                Some(Ok(unread)) => unread.pop_front(),
                Some(Err(why)) => return Ok(Err(why.clone())),
                None => None,
            };
            let Some(next) = next else { break };
            if self.read.contains_key(&next.identifier) {
                continue;
            }
            if let Export::Is(document) = self.export(&next.identifier).await?
                && document.is(id)
            {
                self.looks_up_no_uuids |= document.dashboard_id.eq_ignore_ascii_case(id);
                return Ok(Ok(document));
            }
        }
        let (place, correct) = match folder {
            Some(folder) => (format!("folder {folder:?}"), "correct the row, or --folder"),
            None => ("any folder".to_owned(), "correct the row, or delete it"),
        };
        Ok(Err(format!(
            "Omni has no document of this id, and no dashboard in {place} has it{}; {correct}",
            self.but_for_refused()
        )))
    }

    /// What may be what is looked for, since Omni does not export it.
    fn but_for_refused(&self) -> String {
        match self.refused.first_key_value() {
            Some((first, why)) => format!(
                ", as far as they can be read: {} cannot, as {first}: {why}",
                self.refused.len()
            ),
            None => String::new(),
        }
    }

    async fn listed(&self, folder: Option<&str>) -> Result<Result<VecDeque<DocumentRecord>, String>, Failure> {
        if let Some(path) = folder {
            let documents = self.in_folder(path).await?;
            return Ok(documents.map_or_else(
                || Err(format!("Omni has no folder {path:?}; correct --folder")),
                |documents| Ok(documents.into()),
            ));
        }
        (self.tell)("listing the documents of the organisation");
        let all = self.omni.all_documents(MOST_PAGES).await;
        let all = all.map_err(|error| self.told(&error))?.map(|mut all| {
            all.retain(|document| !document.deleted && document.has_dashboard && document.folder_path.is_some());
            all
        });
        Ok(match all {
            Some(all) if all.len() <= MOST_READ => Ok(all.into()),
            _ => Err(format!(
                "Omni looks no document up by this id, which is a dashboard's, and the organisation has more than \
                 {MOST_READ} documents; say where a version's are, as --folder 'clinical/v{{version}}'"
            )),
        })
    }

    async fn in_folder(&self, path: &str) -> Result<Option<Vec<DocumentRecord>>, Failure> {
        (self.tell)(&format!("listing folder {path}"));
        let folder = self.omni.folder(path).await.map_err(|error| self.told(&error))?;
        let Some(folder) = folder else { return Ok(None) };
        let documents = self.omni.documents(&folder.id).await;
        let mut documents = documents.map_err(|error| self.told(&error))?;
        documents.retain(|document| document.has_dashboard);
        Ok(Some(documents))
    }

    /// The dashboards of a folder, all of them; or why they are not told.
    pub(super) async fn folder(&mut self, path: &str) -> Result<Result<Vec<Document>, String>, Failure> {
        let Some(listed) = self.in_folder(path).await? else {
            return Ok(Err(format!("Omni has no folder {path:?}; correct --folder")));
        };
        let mut documents = Vec::new();
        for DocumentRecord { identifier, .. } in listed {
            if let Some(read) = self.read.get(&identifier) {
                documents.push(read.clone());
                continue;
            }
            match self.export(&identifier).await? {
                Export::Is(document) => documents.push(document),
                Export::None => {}
                Export::Refused(why) => {
                    return Ok(Err(format!(
                        "{identifier} in folder {path:?} cannot be exported ({why}); move it elsewhere, or write the manifest by hand"
                    )));
                }
            }
        }
        Ok(Ok(documents))
    }

    /// A shared model; `None` where there is none of this id.
    pub(super) async fn model(&mut self, id: &str) -> Result<Option<ModelRecord>, Failure> {
        if let Some(known) = self.models.get(id) {
            return Ok(known.clone());
        }
        (self.tell)(&format!("looking at model {id}"));
        let model = self.omni.model(id).await.map_err(|error| self.told(&error))?;
        let model = model.filter(is_shared);
        self.models.insert(id.to_owned(), model.clone());
        Ok(model)
    }

    /// The shared models of every connection.
    pub(super) async fn models(&self) -> Result<Vec<ModelRecord>, Failure> {
        let connections: BTreeSet<String> = self.omni.connection_ids().await.map_err(|error| self.told(&error))?;
        let mut models = Vec::new();
        for connection in connections {
            (self.tell)(&format!("listing the models of connection {connection}"));
            let listed = self.omni.shared_models(&connection).await;
            models.extend(listed.map_err(|error| self.told(&error))?.into_iter().filter(is_shared));
        }
        Ok(models)
    }
}
