//! Which tile, local model and id of a copy stands for which of its source.
//!
//! An import makes new ids for everything. Tiles are paired by their order and their content in the two exports; the
//! answer of the import, which a lost connection loses, may contradict that but is not needed. Doubt is an error.

use std::collections::BTreeMap;

use serde_json::Value;
use snafu::Snafu;

/// Ids of the source, each with the id that stands for it in the copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairing {
    /// Every id that may stand in the body as a whole value or as a key.
    pub ids: BTreeMap<String, String>,
    /// The local models of tabs: source id to copy id.
    pub query_models: BTreeMap<String, String>,
    /// The documents' own local models: source and copy.
    pub workbook_models: Option<(String, String)>,
}

/// Why tiles cannot be paired.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
#[snafu(display("{why}"))]
pub struct Unpaired {
    why: String,
}

fn unpaired(why: impl Into<String>) -> Unpaired {
    Unpaired { why: why.into() }
}

/// Where a tile's own ids stand.
const TILE_IDS: [&str; 12] = [
    "/id",
    "/miniUuid",
    "/queryId",
    "/visConfigId",
    "/modelId",
    "/queryPresentationCollectionId",
    "/query/id",
    "/query/modelId",
    "/query/queryJson/modelId",
    "/query/queryJson/metadata/model_id",
    "/query/queryJson/model_extension_id",
    "/visConfig/id",
];

/// Where a document's own ids stand.
const DOCUMENT_IDS: [&str; 13] = [
    "/document/identifier",
    "/document/documentId",
    "/document/workbookId",
    "/document/modelId",
    "/document/dashboardId",
    "/document/dashboardMiniUuid",
    "/dashboard/id",
    "/dashboard/identifier",
    "/dashboard/modelId",
    "/dashboard/workbookId",
    "/dashboard/model/id",
    "/dashboard/queryPresentationCollection/id",
    "/workbookModel/id",
];

/// Every id of a document's own, each with a name that is the same however often Omni makes the ids anew: publishing
/// gives a document another workbook model.
pub(super) fn settled_ids(export: &Value) -> BTreeMap<String, String> {
    let numbers = |count: usize| (0..count).collect::<Vec<_>>();
    named_ids(
        export,
        &numbers(tiles(export).len()),
        &numbers(text_tiles(export).len()),
    )
}

/// The same, with the tiles and the texts called by these numbers in place of their own: documents in which the same
/// tiles stand in other places then have the same names for them.
pub(in crate::model_version) fn named_ids(
    export: &Value,
    tile_numbers: &[usize],
    text_numbers: &[usize],
) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let mut take = |value: &Value, path: &str, name: String| {
        if let Some(id) = value.pointer(path).and_then(Value::as_str) {
            ids.entry(id.to_owned()).or_insert(name);
        }
    };
    for path in DOCUMENT_IDS {
        take(export, path, format!("#{path}"));
    }
    for (tile, number) in tiles(export).into_iter().zip(tile_numbers) {
        for path in TILE_IDS {
            take(tile, path, format!("#{number}{path}"));
        }
    }
    for (text, number) in text_tiles(export).iter().zip(text_numbers) {
        take(text, "/id", format!("#text {number}"));
    }
    ids
}

/// The tiles of an export, in order.
#[must_use]
pub fn tiles(export: &Value) -> Vec<&Value> {
    export["dashboard"]["queryPresentationCollection"]["queryPresentationCollectionMemberships"]
        .as_array()
        .map(|memberships| {
            memberships
                .iter()
                .map(|membership| &membership["queryPresentation"])
                .collect()
        })
        .unwrap_or_default()
}

/// Pairs a source with its copy. `claimed` is the import's own tile map, empty where it was lost; `rebound` is the
/// source's body after [`super::transform::rebind`].
///
/// # Errors
/// The tiles differ in number, two tiles in the same place differ, or the import's answer says otherwise.
pub fn pair(rebound: &Value, copy: &Value, claimed: &BTreeMap<String, String>) -> Result<Pairing, Unpaired> {
    let mut pairing = Pairing::default();
    let (theirs, ours) = (tiles(rebound), tiles(copy));
    if theirs.len() != ours.len() {
        return Err(unpaired(format!(
            "the source has {} tiles and the copy {}",
            theirs.len(),
            ours.len()
        )));
    }
    for (at, (source, copy)) in theirs.iter().zip(&ours).enumerate() {
        let name = source["name"].as_str().unwrap_or("without a name");
        if likeness(source) != likeness(copy) {
            return Err(unpaired(format!(
                "tile {} ({name}) of the source is another one in the copy",
                at + 1
            )));
        }
        pair_tile(&mut pairing, source, copy, name)?;
    }
    for (source, copy) in claimed {
        if pairing.ids.get(source).is_some_and(|paired| paired != copy) {
            return Err(unpaired(format!(
                "Omni's answer pairs tile {source} with {copy}, its content with another"
            )));
        }
    }
    pair_text_tiles(&mut pairing, rebound, copy);
    pair_uploads(&mut pairing, rebound, copy);
    pair_document(&mut pairing, rebound, copy);
    Ok(pairing)
}

/// What is the same in a tile and its copy whatever ids they have.
fn likeness(tile: &Value) -> (&Value, &Value, &Value, Value, &Value) {
    let mut query = tile["query"]["queryJson"].clone();
    if let Some(fields) = query.as_object_mut() {
        fields.retain(|name, _| {
            matches!(
                name.as_str(),
                "table" | "fields" | "sorts" | "pivots" | "limit" | "userEditedSQL"
            )
        });
    }
    (
        &tile["type"],
        &tile["name"],
        &tile["topicName"],
        query,
        &tile["visConfig"]["visType"],
    )
}

fn pair_tile(pairing: &mut Pairing, source: &Value, copy: &Value, name: &str) -> Result<(), Unpaired> {
    for path in TILE_IDS {
        pair_at(pairing, source, copy, path);
    }
    let extension = |tile: &Value| {
        tile["query"]["queryJson"]["model_extension_id"]
            .as_str()
            .map(ToOwned::to_owned)
    };
    match (extension(source), extension(copy)) {
        (None, None) => {}
        (Some(old), Some(new)) => {
            let before = pairing.query_models.insert(old.clone(), new.clone());
            if before.is_some_and(|paired| paired != new) {
                return Err(unpaired(format!(
                    "the tab model {old} of tile {name} stands for two models in the copy"
                )));
            }
        }
        (Some(_), None) => return Err(unpaired(format!("tile {name} lost the model of its tab"))),
        (None, Some(_)) => {
            return Err(unpaired(format!(
                "tile {name} got a tab model that its source does not have"
            )));
        }
    }
    Ok(())
}

fn text_tiles(export: &Value) -> &[Value] {
    let texts = export["dashboard"]["metadata"]["textTiles"].as_array();
    texts.map_or(&[], Vec::as_slice)
}

fn pair_text_tiles(pairing: &mut Pairing, source: &Value, copy: &Value) {
    for (source, copy) in text_tiles(source).iter().zip(text_tiles(copy)) {
        pair_at(pairing, source, copy, "/id");
    }
}

/// Files are the same where their bytes are; the import gives them new ids.
fn pair_uploads(pairing: &mut Pairing, source: &Value, copy: &Value) {
    let uploads = |export: &Value| export["fileUploads"].as_object().cloned().unwrap_or_default();
    let copies = uploads(copy);
    for (key, file) in &uploads(source) {
        let same = |other: &Value| other["data"] == file["data"] && other["fileName"] == file["fileName"];
        if let Some((other, twin)) = copies.iter().find(|(_, other)| same(other)) {
            pairing.ids.insert(key.clone(), other.clone());
            pair_at(pairing, file, twin, "/fileUploadId");
            pair_at(pairing, file, twin, "/id");
        }
    }
}

fn pair_document(pairing: &mut Pairing, source: &Value, copy: &Value) {
    for path in DOCUMENT_IDS {
        pair_at(pairing, source, copy, path);
    }
    let workbook = |export: &Value| export["workbookModel"]["id"].as_str().map(ToOwned::to_owned);
    pairing.workbook_models = workbook(source).zip(workbook(copy));
}

fn pair_at(pairing: &mut Pairing, source: &Value, copy: &Value, path: &str) {
    let text = |value: &Value| value.pointer(path).and_then(Value::as_str).map(ToOwned::to_owned);
    if let (Some(old), Some(new)) = (text(source), text(copy)) {
        pairing.ids.entry(old).or_insert(new);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn export(tiles: &[(&str, &str, Option<&str>)]) -> Value {
        let memberships: Vec<Value> = tiles
            .iter()
            .map(|(id, name, model)| {
                let mut query = json!({"table": "t", "fields": [format!("t.{name}")]});
                if let Some(model) = model {
                    query["model_extension_id"] = json!(model);
                }
                json!({"queryPresentation": {"miniUuid": id, "name": name, "type": "query", "query": {"queryJson": query}}})
            })
            .collect();
        json!({"dashboard": {"queryPresentationCollection": {"queryPresentationCollectionMemberships": memberships}}})
    }

    #[test]
    fn tiles_are_paired_by_place_and_content() {
        let pairing = pair(
            &export(&[("a", "x", None), ("b", "y", Some("q"))]),
            &export(&[("c", "x", None), ("d", "y", Some("r"))]),
            &BTreeMap::new(),
        )
        .unwrap();
        assert_eq!(pairing.ids["a"], "c");
        assert_eq!(pairing.ids["b"], "d");
        assert_eq!(pairing.query_models["q"], "r");
    }

    #[test]
    fn doubt_is_an_error() {
        let source = export(&[("a", "x", None), ("b", "y", Some("q"))]);
        let refused = |copy: &Value, claimed: &[(&str, &str)]| {
            let claimed = claimed
                .iter()
                .map(|(old, new)| ((*old).to_owned(), (*new).to_owned()))
                .collect();
            pair(&source, copy, &claimed).unwrap_err().to_string()
        };
        assert!(refused(&export(&[("c", "x", None)]), &[]).contains("2 tiles and the copy 1"));
        assert!(refused(&export(&[("c", "y", None), ("d", "x", Some("r"))]), &[]).contains("tile 1 (x)"));
        assert!(refused(&export(&[("c", "x", None), ("d", "y", None)]), &[]).contains("lost the model of its tab"));
        let whole = export(&[("c", "x", None), ("d", "y", Some("r"))]);
        assert!(refused(&whole, &[("a", "d")]).contains("pairs tile a with d"));
    }
}
