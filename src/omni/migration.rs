//! Export and import of whole documents; beta in Omni, and for organisation keys only.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::OmniClient;
use super::answer::{Drift, Field};
use super::transport::Call;
use crate::ports::{Exported, ImportRequest, Imported, OmniError, OmniErrorKind, Reservation};

impl OmniClient {
    pub(super) async fn get_export(&self, identifier: &str) -> Result<Option<Exported>, OmniError> {
        let call = Call::new(
            "GET /unstable/documents/{identifier}/export",
            format!("document {identifier}"),
        )
        .segment(identifier)
        .long();
        let Some(answer) = self.send_for_option(&call).await? else {
            return Ok(None);
        };
        let mut exported = answer.read(&call, exported)?;
        if let Some(organization) = answer.read(&call, |root| Ok(organization(root)))? {
            self.standing.shows(&organization).map_err(|kind| call.error(kind))?;
        }
        exported.body = answer.into_body();
        // Exported as a map or as a list, and imported as a map alone: whoever compares two exports sees maps.
        if let Some(uploads) = exported.body.get_mut("fileUploads") {
            let map = file_uploads(uploads.take()).map_err(|why| call.drift("fileUploads", why))?;
            *uploads = Value::Object(map);
        }
        Ok(Some(exported))
    }

    /// The answer has two known shapes; of any other nothing is taken, since only the document proves what was made.
    pub(super) async fn post_import(&self, request: &ImportRequest, place: Reservation) -> Result<Imported, OmniError> {
        let object = format!("document {}", request.identifier);
        let call = Call::new("POST /unstable/documents/import", object);
        let body = import_body(request).map_err(|why| {
            call.error(OmniErrorKind::Refused {
                status: 400,
                detail: format!("not sent: {why}"),
            })
        })?;
        let call = call.body(body);
        let answer = self.send_reserved(&call, place).await?;
        answer.read(&call, |root| Ok(imported(root)))
    }
}

/// The first of these places that holds a text.
fn first_text(root: &Field<'_>, places: &[&[&str]]) -> Option<String> {
    let text = |place: &&[&str]| root.at(place)?.as_text().ok();
    places.iter().find_map(text)
}

fn need_first_text(root: &Field<'_>, places: &[&[&str]]) -> Result<String, Drift> {
    first_text(root, places).ok_or_else(|| Drift(places[0].join(".")))
}

fn exported(root: &Field<'_>) -> Result<Exported, Drift> {
    root.need("exportVersion")?;
    let folder_path = first_text(root, &[&["document", "folder", "path"]]);
    Ok(Exported {
        identifier: need_first_text(root, &[&["document", "identifier"], &["dashboard", "identifier"]])?,
        document_id: need_first_text(root, &[&["document", "documentId"], &["document", "workbookId"]])?,
        dashboard_id: need_first_text(root, &[&["document", "dashboardId"], &["dashboard", "id"]])?,
        name: need_first_text(root, &[&["document", "name"]])?,
        shared_model_id: need_first_text(
            root,
            &[
                &["document", "sharedModelId"],
                &["document", "sharedModel", "id"],
                &["dashboard", "model", "baseModelId"],
            ],
        )?,
        folder_path: folder_path.map(|path| path.trim_matches('/').to_owned()),
        updated_at: first_text(root, &[&["document", "updatedAt"]]),
        body: Value::Null,
    })
}

/// The only place where Omni's API tells which organisation it is.
fn organization(root: &Field<'_>) -> Option<String> {
    first_text(
        root,
        &[&["dashboard", "organizationId"], &["document", "organizationId"]],
    )
}

/// The export's body with the three fields that an import has more, and its two maps as maps.
fn import_body(request: &ImportRequest) -> Result<Value, &'static str> {
    let Value::Object(mut body) = request.body.clone() else {
        return Err("the body of an export is an object");
    };
    let uploads = body.remove("fileUploads").unwrap_or_default();
    body.insert("fileUploads".to_owned(), Value::Object(file_uploads(uploads)?));
    let query_models = body.entry("queryModels").or_insert(Value::Null);
    if query_models.is_null() {
        *query_models = Value::Object(Map::new());
    }
    for (name, value) in [
        ("baseModelId", &request.base_model_id),
        ("identifier", &request.identifier),
        ("folderPath", &request.folder_path),
    ] {
        body.insert(name.to_owned(), Value::String(value.clone()));
    }
    Ok(Value::Object(body))
}

/// Omni exports uploaded files as a map or as a list, and imports a map only: an empty list is refused.
fn file_uploads(uploads: Value) -> Result<Map<String, Value>, &'static str> {
    match uploads {
        Value::Null => Ok(Map::new()),
        Value::Object(uploads) => Ok(uploads),
        Value::Array(uploads) => uploads
            .into_iter()
            .map(|upload| {
                let id = upload.get("fileUploadId").and_then(Value::as_str).map(str::to_owned);
                Ok((id.ok_or("an element of fileUploads has no fileUploadId")?, upload))
            })
            .collect(),
        _ => Err("fileUploads is neither a map nor a list"),
    }
}

fn imported(root: &Field<'_>) -> Imported {
    let tiles = ["dashboard", "document", "workbook"];
    let tiles = tiles.iter().find_map(|place| root.at(&[place, "miniUuidMap"]));
    Imported {
        identifier: first_text(
            root,
            &[
                &["identifier"],
                &["document", "identifier"],
                &["workbook", "identifier"],
                &["workbook", "miniUuid"],
            ],
        ),
        document_id: first_text(
            root,
            &[
                &["documentId"],
                &["document", "documentId"],
                &["document", "id"],
                &["workbook", "documentId"],
                &["workbook", "id"],
            ],
        ),
        dashboard_id: first_text(
            root,
            &[&["dashboard", "dashboardId"], &["dashboardId"], &["dashboard", "id"]],
        ),
        tiles: tile_map(root.get("miniUuidMap").or(tiles)),
    }
}

fn tile_map(tiles: Option<Field<'_>>) -> BTreeMap<String, String> {
    let entries = tiles.and_then(|tiles| tiles.entries().ok()).unwrap_or_default();
    let entry = |(old, new): (&str, Field<'_>)| Some((old.to_owned(), new.as_text().ok()?));
    entries.into_iter().filter_map(entry).collect()
}
