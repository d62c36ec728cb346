//! A document as the newer documents API reads it, made ready to be created anew by the same API; and what that way does
//! not carry. What Omni does with a part is known for some parts only: all others count as not carried, so that no copy is
//! made that lacks something.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::pairing::tiles;
use super::transform::{Rebinding, rebind_models};
use crate::ports::{Exported, PublishedDocument, PublishedRead};

/// What a creation takes of what was read.
const CONTENT: [&str; 6] = [
    "name",
    "description",
    "queryPresentations",
    "controls",
    "settings",
    "containers",
];
/// What a document says of itself: a copy has its own.
const OWN: [&str; 6] = [
    "identifier",
    "modelId",
    "workbookModelId",
    "folderId",
    "summary",
    "draftOf",
];
/// The kinds of tile that consist of a query and a chart.
const KINDS: [&str; 4] = ["blank", "query", "sql", "dbt"];
/// A change of a document may hold so many tiles; whether a creation may hold more is not known.
const MOST_TILES: usize = 48;
/// A dashboard may have so many pages.
const MOST_PAGES: usize = 15;

/// Whether a document can be copied by the newer documents API.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit<'a> {
    /// All of it.
    Whole(&'a PublishedDocument),
    /// Somebody published it between the two reads, which are of two states.
    Moved,
    /// All but this.
    Lacking(Vec<String>),
}

/// Whether a document can be copied so: as that API reads it, and as an export of the same state shows it whole.
#[must_use]
pub fn fit<'a>(read: Option<&'a PublishedRead>, export: &Exported) -> Fit<'a> {
    let document = match read {
        None => return Fit::Lacking(vec!["the document, which the documents API does not find".to_owned()]),
        Some(PublishedRead::Refused(words)) => return Fit::Lacking(vec![format!("the document ({words})")]),
        Some(PublishedRead::Document(document)) => document,
    };
    // A publish gives a document another workbook model, so that both reads are of one state where both name the same.
    if export.body["workbookModel"]["id"] != document.workbook_model_id.as_str()
        || export.shared_model_id != document.shared_model_id
    {
        return Fit::Moved;
    }
    let lacking = lacking(&document.body, &export.body);
    if lacking.is_empty() {
        Fit::Whole(document)
    } else {
        Fit::Lacking(lacking)
    }
}

fn lacking(body: &Value, export: &Value) -> Vec<String> {
    let mut lacking = Vec::new();
    let parts = body.as_object().into_iter().flatten();
    let unknown = parts.filter(|(name, part)| {
        let known = CONTENT.contains(&name.as_str()) || OWN.contains(&name.as_str());
        !known && !part.is_null()
    });
    lacking.extend(unknown.map(|(name, _)| format!("its part {name:?}")));
    if !body["draftOf"].is_null() {
        lacking.push("what is published, since it is a draft".to_owned());
    }
    let data: Vec<&Value> = body["queryPresentations"]["data"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter(|tile| !tile.is_null())
        .collect();
    let whole = tiles(export);
    if data.len() != whole.len() {
        lacking.push(format!(
            "{} tiles, of which the documents API shows {}",
            whole.len(),
            data.len()
        ));
    }
    if data.len() > MOST_TILES {
        lacking.push(format!("{} tiles, of which {MOST_TILES} fit", data.len()));
    }
    let pages = body["containers"].as_array().map(Vec::len);
    match pages {
        Some(0) => lacking.push("a dashboard without a page".to_owned()),
        Some(many) if many > MOST_PAGES => lacking.push(format!("{many} pages, of which {MOST_PAGES} fit")),
        _ => {}
    }
    for tile in data {
        let kind = tile["type"].as_str().unwrap_or("without a name");
        if !KINDS.contains(&kind) {
            lacking.push(format!("tile {} of kind {kind}", named(tile)));
        } else if !tile["fileUploadId"].is_null() {
            lacking.push(format!("the uploaded file of tile {}", named(tile)));
        }
    }
    lacking.extend(
        composite(body)
            .into_iter()
            .map(|field| format!("the composite filter on {field}")),
    );
    lacking.extend(of_export(export, &whole));
    lacking
}

/// What only an export shows: files, and models of tabs. The documents API does not tell which tile has a model of its own.
fn of_export(export: &Value, whole: &[&Value]) -> Vec<String> {
    let mut lacking = Vec::new();
    for file in export["fileUploads"].as_object().into_iter().flat_map(Map::values) {
        let name = file["fileName"].as_str().unwrap_or("without a name");
        lacking.push(format!("the uploaded file {name}"));
    }
    let own = &export["workbookModel"]["id"];
    let mut bound = BTreeSet::new();
    for tile in whole {
        let model = &tile["query"]["queryJson"]["model_extension_id"];
        if let Some(id) = model.as_str().filter(|_| model != own) {
            bound.insert(id);
            lacking.push(format!(
                "the fields that the tab of tile {} has of its own",
                named(tile)
            ));
        }
    }
    let models = export["queryModels"].as_object().into_iter().flatten();
    let unbound = models.filter(|(id, _)| !bound.contains(id.as_str())).count();
    if unbound > 0 {
        lacking.push(format!("{unbound} models of tabs that no tile names"));
    }
    let views = export["workbookModel"]["views"].as_array().into_iter().flatten();
    let of_query = views.filter(|view| !view["query"].is_null());
    lacking.extend(of_query.map(|view| format!("the query view {}", view["name"].as_str().unwrap_or_default())));
    lacking
}

fn named(tile: &Value) -> String {
    format!("{:?}", tile["name"].as_str().unwrap_or_default())
}

/// The fields that have a filter made of filters.
fn composite(body: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_composite(body, &mut found);
    found
}

fn collect_composite(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_composite(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                // A field's name: what else is called composite is none.
                if name.contains('.') && field["type"] == "composite" {
                    found.insert(name.clone());
                }
                collect_composite(field, found);
            }
        }
        _ => {}
    }
}

/// The body to create the copy with: what was read, bound to the new model, with its links led into the new version and
/// its names changed.
#[must_use]
pub fn creation(document: &PublishedDocument, rebinding: &Rebinding<'_>) -> Value {
    let mut body = Map::new();
    for name in CONTENT {
        if let Some(part) = document.body.get(name).filter(|part| !part.is_null()) {
            body.insert(name.to_owned(), part.clone());
        }
    }
    let mut body = Value::Object(body);
    for part in ["queryPresentations", "controls", "settings", "containers"] {
        if let Some(part) = body.get_mut(part) {
            rebind_models(part, rebinding);
            rebinding.links.rewrite_value(part);
        }
    }
    rebinding.renames.published(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::links::LinkMap;
    use super::super::renames::Renames;
    use super::*;
    use crate::resources::{Rename, RenameKind};

    fn published() -> Value {
        json!({
            "identifier": "12db1a0a", "name": "D", "description": null, "modelId": "old", "workbookModelId": "wb-1",
            "queryPresentations": {"order": ["1"], "data": {"1": {"type": "query", "name": "T",
                "query": {"table": "a", "fields": ["a.b"], "filters": {"a.b": {"type": "string", "values": ["a.b"]}}},
                "chart": {"spec": {"y": {"field": {"name": "a.b"}}}}}}},
            "controls": {"data": {"a.b": {"type": "string", "values": ["old"]}}, "order": ["a.b"]},
            "settings": {"refreshInterval": null},
            "containers": [{"textTiles": [{"markdown": "/w/12db1a0a {{a.b}}"}]}],
        })
    }

    fn whole() -> Value {
        json!({
            "dashboard": {"queryPresentationCollection": {"queryPresentationCollectionMemberships": [
                {"queryPresentation": {"name": "T", "query": {"queryJson": {"table": "a"}}}}]}},
            "workbookModel": {"id": "wb-1", "views": []}, "queryModels": {}, "fileUploads": {},
        })
    }

    fn read(body: Value) -> PublishedRead {
        PublishedRead::Document(Box::new(PublishedDocument {
            shared_model_id: body["modelId"].as_str().unwrap().to_owned(),
            workbook_model_id: body["workbookModelId"].as_str().unwrap().to_owned(),
            body,
        }))
    }

    fn exported(body: Value) -> Exported {
        Exported {
            identifier: "12db1a0a".to_owned(),
            document_id: "d-1".to_owned(),
            dashboard_id: "d-2".to_owned(),
            name: "D".to_owned(),
            shared_model_id: "old".to_owned(),
            folder_path: None,
            updated_at: None,
            body,
        }
    }

    /// What is lacking, with one place of either read changed.
    fn lacking_with(place: &str, value: Value) -> String {
        let (mut body, mut export) = (published(), whole());
        let target = match place.strip_prefix("export:") {
            Some(place) => export.pointer_mut(place),
            None if body.pointer(place).is_none() => {
                body[&place[1..]] = Value::Null;
                body.pointer_mut(place)
            }
            None => body.pointer_mut(place),
        };
        *target.unwrap() = value;
        match fit(Some(&read(body)), &exported(export)) {
            Fit::Lacking(lacking) => lacking.join("; "),
            other => panic!("{place}: {other:?}"),
        }
    }

    #[test]
    fn a_document_of_queries_and_charts_is_carried_whole() {
        let document = read(published());
        assert!(matches!(fit(Some(&document), &exported(whole())), Fit::Whole(_)));
    }

    #[test]
    fn whatever_is_not_known_to_be_carried_is_named() {
        let tile = published()["queryPresentations"]["data"]["1"].clone();
        let many: Map<String, Value> = (1..=49).map(|key: u32| (key.to_string(), tile.clone())).collect();
        let tab = json!({"table": "a", "model_extension_id": "tab-1"});
        let query = "/dashboard/queryPresentationCollection/queryPresentationCollectionMemberships/0/queryPresentation/query/queryJson";
        for (place, value, told) in [
            ("/app", json!({"id": 1}), "its part \"app\""),
            ("/draftOf", json!("x"), "it is a draft"),
            (
                "/queryPresentations/data",
                json!({}),
                "1 tiles, of which the documents API shows 0",
            ),
            ("/queryPresentations/data", json!(many), "49 tiles, of which 48 fit"),
            ("/containers", json!([]), "a dashboard without a page"),
            ("/containers", json!(vec![json!({}); 16]), "16 pages, of which 15 fit"),
            (
                "/queryPresentations/data/1/type",
                json!("spreadsheet"),
                "tile \"T\" of kind spreadsheet",
            ),
            (
                "/controls/data/a.b/type",
                json!("composite"),
                "the composite filter on a.b",
            ),
            (
                "export:/fileUploads",
                json!({"f": {"fileName": "x.csv"}}),
                "the uploaded file x.csv",
            ),
            (
                "export:/queryModels",
                json!({"q": {}}),
                "1 models of tabs that no tile names",
            ),
            (
                "export:/workbookModel/views",
                json!([{"name": "cte", "query": {}}]),
                "the query view cte",
            ),
            (
                &format!("export:{query}"),
                tab,
                "the fields that the tab of tile \"T\" has of its own",
            ),
        ] {
            let lacking = lacking_with(place, value);
            assert!(lacking.contains(told), "{place}: {lacking}");
        }
        let (none, refused) = (
            fit(None, &exported(whole())),
            PublishedRead::Refused("classic".to_owned()),
        );
        assert!(matches!(none, Fit::Lacking(_)));
        assert_eq!(
            fit(Some(&refused), &exported(whole())),
            Fit::Lacking(vec!["the document (classic)".to_owned()])
        );
    }

    #[test]
    fn the_page_says_what_is_carried() {
        let page = include_str!("../../../docs/content.md");
        for kind in KINDS {
            assert!(page.contains(&format!("`{kind}`")), "docs/content.md lacks {kind}");
        }
        let limits = format!("more than {MOST_TILES} tiles, more than {MOST_PAGES} pages");
        assert!(page.contains(&limits), "docs/content.md lacks {limits:?}");
    }

    #[test]
    fn two_reads_of_two_publications_are_no_document() {
        let mut body = published();
        body["workbookModelId"] = json!("wb-2");
        assert_eq!(fit(Some(&read(body)), &exported(whole())), Fit::Moved);
    }

    #[test]
    fn links_and_names_change_by_structure_and_equal_text_stays() {
        let PublishedRead::Document(document) = read(published()) else {
            unreachable!("it was just made")
        };
        let links = LinkMap(BTreeMap::from([("12db1a0a".to_owned(), "d-v2-abc123".to_owned())]));
        let renames = Renames::of(&[Rename {
            kind: RenameKind::Field,
            find: "a.b".to_owned(),
            replace: "a.c".to_owned(),
            optional: false,
        }]);
        let body = creation(
            &document,
            &Rebinding {
                from_model: "old",
                to_model: "new",
                links: &links,
                renames: &renames,
            },
        );
        assert_eq!(
            body,
            json!({
                "name": "D",
                "queryPresentations": {"order": ["1"], "data": {"1": {"type": "query", "name": "T",
                    "query": {"table": "a", "fields": ["a.c"], "filters": {"a.c": {"type": "string", "values": ["a.b"]}}},
                    "chart": {"spec": {"y": {"field": {"name": "a.c"}}}}}}},
                "controls": {"data": {"a.c": {"type": "string", "values": ["old"]}}, "order": ["a.c"]},
                "settings": {"refreshInterval": null},
                "containers": [{"textTiles": [{"markdown": "/w/d-v2-abc123 {{a.c}}"}]}],
            })
        );
    }
}
