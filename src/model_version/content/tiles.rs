//! The queries of a dashboard's tiles, out of its export.

use serde_json::Value;

use super::pairing::tiles;

/// One tile's query.
#[derive(Debug, Clone, PartialEq)]
pub struct TileQuery {
    /// What tells it from the others of its dashboard.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The query, bound to the dashboard's own models.
    pub query: Value,
}

/// Every tile that asks something; texts do not.
#[must_use]
pub fn queries(export: &Value) -> Vec<TileQuery> {
    let asking = tiles(export).into_iter().enumerate().filter_map(|(at, tile)| {
        let query = tile.pointer("/query/queryJson").filter(|query| query.is_object())?;
        let text = |name: &str| tile[name].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        Some(TileQuery {
            id: text("miniUuid").unwrap_or_else(|| format!("{at}")),
            name: text("name").unwrap_or_else(|| format!("the tile at place {}", at + 1)),
            query: query.clone(),
        })
    });
    asking.collect()
}
