//! Two documents of one dashboard compared: the dashboard, its filters and controls, tiles, texts, files, and the models
//! of its workbook and tabs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::outline::{self, Outline};
use super::pairs::{Item, pairs};
use super::{Difference, Kind, keys, values};
use crate::model_version::content::compare::{local_model, mapped, whole};
use crate::model_version::content::links::LinkMap;
use crate::model_version::content::pairing::{named_ids, tiles};
use crate::model_version::content::query_views::Aliases;
use crate::model_version::content::renames::Renames;
use crate::model_version::content::transform::{Rebinding, rebind};

/// What the shared model of either version is called here.
const SHARED_MODEL: &str = "<model>";

/// What the metadata of a dashboard says of each tile, and what it is called here.
const OF_TILES: [(&str, &str); 3] = [
    ("tileSettings", "settings"),
    ("tileFilterMap", "filterMap"),
    ("tileControlMap", "controlMap"),
];

/// One document of a dashboard.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its export.
    pub body: &'a Value,
    /// The shared model of its version.
    pub model: &'a str,
    /// What the links of its version lead to; see [`super::links`].
    pub links: &'a LinkMap,
}

impl Document<'_> {
    /// The export, bound as that of any version would be.
    fn settled(&self) -> Value {
        let mut body = self.body.clone();
        let rebinding = Rebinding {
            from_model: self.model,
            to_model: SHARED_MODEL,
            links: self.links,
            renames: &Renames::default(),
        };
        rebind(&mut body, &rebinding);
        // A tab's query view exposes raw columns where it was made by hand, and aliases in a copy.
        let tabs = body.get_mut("queryModels").and_then(Value::as_object_mut);
        for model in tabs.into_iter().flat_map(|tabs| tabs.values_mut()) {
            Aliases::of_compiled(model).rewrite_model(model);
        }
        body
    }
}

/// What differs between the documents of one dashboard in two versions.
#[must_use]
pub fn documents(slug: &str, one: &Document<'_>, other: &Document<'_>) -> Vec<Difference> {
    let bodies = [one.settled(), other.settled()];
    let read = bodies.each_ref().map(|body| Parts::of(body, &BTreeMap::new()));
    let tile_pairs = pairs(&read[0].tiles, &read[1].tiles);
    let text_pairs = pairs(&read[0].texts, &read[1].texts);
    let ids: [BTreeMap<String, String>; 2] = std::array::from_fn(|side| {
        let numbers = |pairs: &[_], count| numbers(pairs, side, count);
        let (tiles, texts) = (read[side].tiles.len(), read[side].texts.len());
        named_ids(
            &bodies[side],
            &numbers(&tile_pairs, tiles),
            &numbers(&text_pairs, texts),
        )
    });
    let [mut one, mut other] = std::array::from_fn(|side| Parts::of(&bodies[side], &ids[side]));
    note_orders(&mut one, &mut other, &tile_pairs);

    let mut rows: Vec<Difference> = Vec::new();
    let [own, theirs] = [&one, &other].map(|it| Value::Object(it.own.clone()));
    rows.extend(Difference::between(Kind::Dashboard, "", Some(&own), Some(&theirs)));
    for (kind, one, other) in [
        (Kind::Control, &one.controls, &other.controls),
        (Kind::Upload, &one.uploads, &other.uploads),
    ] {
        let each = keys(one, other).into_iter();
        rows.extend(each.filter_map(|key| Difference::between(kind, key, one.get(key), other.get(key))));
    }
    rows.extend(items(Kind::Tile, &one.tiles, &other.tiles, &tile_pairs));
    rows.extend(items(Kind::Text, &one.texts, &other.texts, &text_pairs));
    rows.extend(local_models(&bodies, &ids, &tile_pairs, &one.tiles));
    rows.into_iter().map(|row| row.of(slug)).collect()
}

/// The number of its pair for each item of one side.
fn numbers(pairs: &[(Option<usize>, Option<usize>)], side: usize, count: usize) -> Vec<usize> {
    let mut numbers = vec![0; count];
    for (number, pair) in pairs.iter().enumerate() {
        if let Some(at) = [pair.0, pair.1][side] {
            numbers[at] = number;
        }
    }
    numbers
}

fn items(
    kind: Kind,
    one: &[Item],
    other: &[Item],
    pairs: &[(Option<usize>, Option<usize>)],
) -> impl Iterator<Item = Difference> {
    let row = move |&(before, after): &(Option<usize>, Option<usize>)| {
        let sides = [before.map(|at| &one[at]), after.map(|at| &other[at])];
        let label = sides[0].or(sides[1]).map_or("", |it| &it.label);
        let whole = sides.iter().all(Option::is_some);
        let value = |it: &Item| if whole { it.value.clone() } else { it.in_short() };
        let [before, after] = sides.map(|it| it.map(|it| Value::Object(value(it))));
        Difference::between(kind, label, before.as_ref(), after.as_ref())
    };
    pairs.iter().filter_map(row).collect::<Vec<_>>().into_iter()
}

/// A document, taken apart.
#[derive(Debug)]
struct Parts {
    tiles: Vec<Item>,
    texts: Vec<Item>,
    controls: BTreeMap<String, Value>,
    control_order: Vec<String>,
    uploads: BTreeMap<String, Value>,
    /// What is left: the dashboard's own.
    own: Map<String, Value>,
}

impl Parts {
    /// Of the places that make a dashboard, its ids replaced.
    fn of(body: &Value, ids: &BTreeMap<String, String>) -> Self {
        let mut whole = whole(body, |value| mapped(value, ids));
        let object = |value: Value| match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let mut own = object(whole["dashboard"].take());
        let mut metadata = own.remove("metadata").unwrap_or_default();
        let tiles = list(whole["tiles"].take()).into_iter().map(object).collect();
        let tiles = read_tiles(tiles, &mut metadata);
        let texts = read_texts(&mut metadata);
        let mut controls = object(whole["controls"].take());
        let filters = object(controls.remove("filterConfig").unwrap_or_default());
        let order = list(controls.remove("filterOrder").unwrap_or_default());
        own.extend(controls);
        own.extend(object(without_empty(metadata)));
        // A document and its dashboard have one name.
        own.insert("name".to_owned(), whole["name"].take());
        let uploads = list(whole["files"].take()).into_iter().map(upload);
        Self {
            tiles,
            texts,
            controls: filters.into_iter().collect(),
            control_order: order.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
            uploads: uploads.collect(),
            own,
        }
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn read_tiles(tiles: Vec<Map<String, Value>>, metadata: &mut Value) -> Vec<Item> {
    let mut names = BTreeSet::new();
    let mut items = Vec::new();
    for (at, mut tile) in tiles.into_iter().enumerate() {
        let id = text(tile.remove("miniUuid"));
        if let Some(query) = tile.get_mut("query").and_then(Value::as_object_mut) {
            // Which model it runs on is another one in every document; the fields of a tab are compared by themselves.
            query.retain(|key, _| !["modelId", "model_extension_id"].contains(&key.as_str()));
            if let Some(metadata) = query.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("model_id");
            }
        }
        tile.retain(|_, value| !value.is_null());
        tile.extend(of_item(metadata, &id));
        let name = tile.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
        let number = at + 1;
        let label = match &name {
            Some(name) if !name.is_empty() && names.insert(name.clone()) => values::short(name),
            Some(name) if !name.is_empty() => format!("{} (tile {number})", values::short(name)),
            _ => format!("tile {number}"),
        };
        items.push(Item {
            id,
            name,
            label,
            value: tile,
        });
    }
    items
}

/// Texts are called by their first line.
fn read_texts(metadata: &mut Value) -> Vec<Item> {
    let texts = metadata.as_object_mut().and_then(|it| it.remove("textTiles"));
    let mut items = Vec::new();
    for (at, entry) in list(texts.unwrap_or_default()).into_iter().enumerate() {
        let Value::Object(mut value) = entry else { continue };
        let id = text(value.remove("id"));
        value.extend(of_item(metadata, &id));
        let words = value.get("markdown").and_then(Value::as_str).unwrap_or_default();
        let first = words.lines().find(|line| !line.trim().is_empty());
        items.push(Item {
            id,
            name: first.map(ToOwned::to_owned),
            label: first.map_or_else(
                || format!("text {}", at + 1),
                |line| format!("{:?}", values::short(line)),
            ),
            value,
        });
    }
    items
}

fn text(value: Option<Value>) -> String {
    value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Takes out of the metadata what it says of one tile or text: its place, and how it is set.
fn of_item(metadata: &mut Value, id: &str) -> Map<String, Value> {
    let mut own = Map::new();
    let mut places = Map::new();
    let layouts = metadata.get_mut("layouts").and_then(Value::as_object_mut);
    for (width, entries) in layouts.into_iter().flatten() {
        let Some(entries) = entries.as_array_mut() else {
            continue;
        };
        if let Some(at) = entries.iter().position(|entry| entry["i"] == *id) {
            let mut place = entries.remove(at);
            place.as_object_mut().and_then(|place| place.remove("i"));
            places.insert(width.clone(), place);
        }
    }
    if !places.is_empty() {
        own.insert("layout".to_owned(), Value::Object(places));
    }
    for (key, name) in OF_TILES {
        let of_tiles = metadata.get_mut(key).and_then(Value::as_object_mut);
        if let Some(settings) = of_tiles.and_then(|of_tiles| of_tiles.remove(id)) {
            own.insert(name.to_owned(), settings);
        }
    }
    let hidden = metadata.get_mut("hiddenTiles").and_then(Value::as_array_mut);
    if let Some(hidden) = hidden
        && let Some(at) = hidden.iter().position(|it| it == id)
    {
        hidden.remove(at);
        own.insert("hidden".to_owned(), json!(true));
    }
    own
}

/// What is left of the metadata when all that is said of tiles was taken out.
fn without_empty(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| (name, without_empty(field)));
            Value::Object(fields.filter(|(_, field)| !is_empty(field)).collect())
        }
        other => other,
    }
}

/// An uploaded file by its name; its bytes by their hash.
fn upload(mut file: Value) -> (String, Value) {
    let name = text(file.as_object_mut().and_then(|it| it.remove("fileName")));
    if let Some(data) = file.get_mut("data") {
        let digest = Sha256::digest(data.to_string());
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        *data = json!(format!("sha256 {hash}"));
    }
    (name, file)
}

/// The order of tiles, and that of filters and controls, where what both documents have stands in another one.
fn note_orders(one: &mut Parts, other: &mut Parts, tile_pairs: &[(Option<usize>, Option<usize>)]) {
    let both = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|name| other.contains(name)).cloned().collect()
    };
    let before = both(&one.control_order, &other.control_order);
    let after = both(&other.control_order, &one.control_order);
    let mut paired: Vec<(usize, usize)> = tile_pairs.iter().filter_map(|(one, other)| one.zip(*other)).collect();
    let labels = |paired: &[(usize, usize)]| -> Vec<String> {
        let label = |(at, _): &(usize, usize)| one.tiles[*at].label.clone();
        paired.iter().map(label).collect()
    };
    let tiles_before = labels(&paired);
    paired.sort_by_key(|(_, other)| *other);
    let tiles_after = labels(&paired);
    for (name, before, after) in [("filterOrder", before, after), ("tileOrder", tiles_before, tiles_after)] {
        if before != after {
            one.own.insert(name.to_owned(), json!(before));
            other.own.insert(name.to_owned(), json!(after));
        }
    }
}

/// What was made in the workbook, and in the tabs of tiles that stand for each other.
fn local_models(
    bodies: &[Value; 2],
    ids: &[BTreeMap<String, String>; 2],
    tile_pairs: &[(Option<usize>, Option<usize>)],
    labelled: &[Item],
) -> Vec<Difference> {
    let compared = |place: &str, models: [&Value; 2]| {
        let [one, other] = std::array::from_fn(|side| {
            let local = local_model(&mapped(models[side], &ids[side]));
            Outline::of_compiled(&local)
        });
        let mut rows = outline::compare(&one, &other);
        for row in &mut rows {
            row.place = format!("{place} / {}", row.place);
        }
        rows
    };
    let mut rows = compared("workbook", bodies.each_ref().map(|body| &body["workbookModel"]));
    let mut seen = BTreeSet::new();
    let tiles = bodies.each_ref().map(tiles);
    for (one, other) in tile_pairs.iter().filter_map(|(one, other)| one.zip(*other)) {
        let tab = |side: usize, at: usize| tiles[side][at]["query"]["queryJson"]["model_extension_id"].as_str();
        let tabs = [tab(0, one), tab(1, other)];
        if tabs == [None, None] || !seen.insert(tabs) {
            continue;
        }
        let models: [&Value; 2] =
            std::array::from_fn(|side| &bodies[side]["queryModels"][tabs[side].unwrap_or_default()]);
        rows.extend(compared(&format!("tab of {}", labelled[one].label), models));
    }
    rows
}
