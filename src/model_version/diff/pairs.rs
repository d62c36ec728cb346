//! Which tile of one document stands for which of the other.
//!
//! A copy's tiles are its source's, with other ids, and a person may have edited them since. So each is looked for by less
//! and less: by all that it is, by its name, by what it asks, by its place on the dashboard. What is left is added or
//! removed. A tile that was taken away and another one put into its very place look like one that was changed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A tile or a text of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its id in the document.
    pub(super) id: String,
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// What tells it from others of its document.
    pub(super) label: String,
    /// All that it is, its id apart.
    pub(super) value: Map<String, Value>,
}

impl Item {
    fn key(&self, name: &str) -> Option<&Value> {
        self.value.get(name)
    }

    fn same_type(&self, other: &Self) -> bool {
        self.key("type") == other.key("type")
    }

    /// What says what it is, for one that the other document does not have: not every part of its chart.
    pub(super) fn in_short(&self) -> Map<String, Value> {
        const TOLD: [(&str, &[&str]); 2] = [
            ("query", &["table", "fields", "filters", "userEditedSQL"]),
            ("chart", &["visType", "chartType"]),
        ];
        let mut told = Map::new();
        for key in ["name", "type", "description", "topicName", "markdown"] {
            told.extend(self.key(key).map(|it| (key.to_owned(), it.clone())));
        }
        for (part, keys) in TOLD {
            for key in keys {
                let value = self.key(part).and_then(|it| it.get(*key));
                told.extend(value.map(|it| (format!("{part}.{key}"), it.clone())));
            }
        }
        told.retain(|_, value| !is_nothing(value));
        told
    }

    /// What it asks: the view and the fields.
    fn question(&self) -> Option<(&Value, &Value)> {
        let query = self.key("query")?;
        let (table, fields) = (query.get("table")?, query.get("fields")?);
        (!fields.as_array()?.is_empty()).then_some((table, fields))
    }
}

/// What is alike in two items that stand for each other, the surest first.
const ROUNDS: [fn(&Item, &Item) -> bool; 5] = [
    |one, other| one.value == other.value,
    |one, other| one.same_type(other) && one.name.is_some() && one.name == other.name && asks_alike(one, other),
    |one, other| one.same_type(other) && one.name.is_some() && one.name == other.name,
    |one, other| one.same_type(other) && one.question().is_some() && one.question() == other.question(),
    |one, other| one.same_type(other) && one.key("layout").is_some() && one.key("layout") == other.key("layout"),
];

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn asks_alike(one: &Item, other: &Item) -> bool {
    one.question() == other.question()
}

/// Every item of both, each with the one that it stands for: in the order of the first, then what only the second has.
pub(super) fn pairs(one: &[Item], other: &[Item]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut found: Vec<Option<usize>> = vec![None; one.len()];
    let mut left: BTreeSet<usize> = (0..other.len()).collect();
    for alike in ROUNDS {
        for (at, item) in one.iter().enumerate() {
            if found[at].is_some() {
                continue;
            }
            if let Some(twin) = left.iter().copied().find(|twin| alike(item, &other[*twin])) {
                left.remove(&twin);
                found[at] = Some(twin);
            }
        }
    }
    let paired = found.into_iter().enumerate().map(|(at, twin)| (Some(at), twin));
    paired.chain(left.into_iter().map(|twin| (None, Some(twin)))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Name, first field and column.
    fn items(tiles: &[(&str, &str, u32)]) -> Vec<Item> {
        let item = |(name, field, x): &(&str, &str, u32)| Item {
            id: String::new(),
            name: Some((*name).to_owned()),
            label: (*name).to_owned(),
            value: json!({"type": "query", "name": name, "layout": {"lg": {"x": x}},
                "query": {"table": "t", "fields": [field]}})
            .as_object()
            .unwrap()
            .clone(),
        };
        tiles.iter().map(item).collect()
    }

    #[test]
    fn a_tile_is_found_by_less_and_less() {
        let one = items(&[
            ("same", "a", 0),
            ("named", "b", 1),
            ("asks", "c", 2),
            ("placed", "d", 3),
        ]);
        let other = items(&[("x", "y", 3), ("z", "c", 9), ("named", "w", 8), ("same", "a", 0)]);
        let expected = [(0, 3), (1, 2), (2, 1), (3, 0)].map(|(one, other)| (Some(one), Some(other)));
        assert_eq!(pairs(&one, &other), expected);
    }

    #[test]
    fn of_two_tiles_of_one_name_each_finds_the_one_that_asks_the_same() {
        let one = items(&[("n", "a", 0), ("n", "b", 1)]);
        let other = items(&[("n", "b", 5), ("n", "a", 6)]);
        assert_eq!(pairs(&one, &other), [(Some(0), Some(1)), (Some(1), Some(0))]);
    }

    #[test]
    fn what_stands_for_nothing_is_left_alone() {
        let (one, other) = (items(&[("a", "x", 0)]), items(&[("b", "y", 1)]));
        assert_eq!(pairs(&one, &other), [(Some(0), None), (None, Some(0))]);
    }
}
