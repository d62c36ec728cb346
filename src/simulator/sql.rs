//! The text of a planned query: the tables that it reads, where they lie for who asks, and how they are joined.
//!
//! It names no conditions, groups and order: of what those do a simulator without a warehouse can show nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::http::Object;
use super::layers::{Layers, Scope, View, raw_references, references};
use super::query::split;

/// How deep query views may stand on each other, and fields refer to each other.
const DEEPEST: u8 = 32;

/// What a query selects.
#[derive(Debug)]
pub(super) struct Select<'a> {
    pub(super) layers: &'a Layers,
    /// The view that the others are joined to.
    pub(super) base: &'a str,
    pub(super) topic: Option<&'a Value>,
    /// The fields that it shows.
    pub(super) columns: Vec<&'a str>,
    /// Those that it needs besides, to filter and to sort by.
    pub(super) besides: Vec<&'a str>,
    pub(super) limit: Option<u64>,
}

/// A view, and what joins it to those before it.
struct Join {
    view: String,
    on: String,
}

impl Select<'_> {
    /// The text.
    ///
    /// # Errors
    /// A view that it reads is of a dynamic schema, and the attribute that names the schema has no value; says which.
    pub(super) fn text(&self) -> Result<String, String> {
        self.text_within(0)
    }

    fn text_within(&self, depth: u8) -> Result<String, String> {
        let columns: Vec<String> = self.columns.iter().filter_map(|field| self.column(field)).collect();
        let columns = match columns.is_empty() {
            true => "*".to_owned(),
            false => columns.join(", "),
        };
        let mut text = format!("SELECT {columns} FROM {}", self.table(self.base, depth)?);
        for join in self.joins() {
            text += &format!(" LEFT JOIN {} ON {}", self.table(&join.view, depth)?, join.on);
        }
        if let Some(limit) = self.limit {
            text += &format!(" LIMIT {limit}");
        }
        Ok(text)
    }

    fn column(&self, field: &str) -> Option<String> {
        let (view, name) = split(field)?;
        let definition = self.layers.field(view, name)?;
        let plain = format!("{}.{}", quoted(view), quoted(name));
        let value = match definition.get("aggregate_type").and_then(Value::as_str) {
            None => plain,
            Some("count") => "COUNT(*)".to_owned(),
            Some("count_distinct") => format!("COUNT(DISTINCT {plain})"),
            Some(aggregate) => format!("{}({plain})", aggregate.to_uppercase()),
        };
        Some(format!("{value} AS {}", quoted(field)))
    }

    /// A view as it stands after `FROM` and `JOIN`.
    fn table(&self, name: &str, depth: u8) -> Result<String, String> {
        let alias = quoted(name);
        let Some(view) = self.layers.views.get(name).filter(|_| depth < DEEPEST) else {
            return Ok(alias);
        };
        if let Some(sql) = view.body.get("sql").and_then(Value::as_str) {
            return Ok(format!("({sql}) AS {alias}"));
        }
        if let Some(query) = view.body.get("query").and_then(Value::as_object) {
            return Ok(format!("({}) AS {alias}", self.inner(query, depth)?));
        }
        let schema = match &view.scope {
            Some(Scope::Unset(attribute)) => {
                return Err(format!(
                    "view \"{name}\" needs a value for the user attribute \"{attribute}\""
                ));
            }
            Some(Scope::Schema(schema)) => schema.clone(),
            None => self
                .said(view, "schema")
                .unwrap_or_else(|| self.layers.default_schema.clone()),
        };
        let table = self.said(view, "table_name").unwrap_or_else(|| name.to_uppercase());
        let place = [&self.layers.database, &schema, &table].map(|part| quoted(part));
        Ok(format!("{} AS {alias}", place.join(".")))
    }

    /// What a view's file says, or that of a view that it extends.
    fn said(&self, view: &View, key: &str) -> Option<String> {
        let parents = view.body.get("extends").and_then(Value::as_array);
        let parents = parents.into_iter().flatten().filter_map(Value::as_str);
        let bodies = parents
            .filter_map(|name| self.layers.views.get(name))
            .map(|parent| &parent.body);
        std::iter::once(&view.body)
            .chain(bodies)
            .find_map(|body| body.get(key).and_then(Value::as_str))
            .map(str::to_owned)
    }

    /// The query of a query view.
    fn inner(&self, query: &Object, depth: u8) -> Result<String, String> {
        let text = |key: &str| query.get(key).and_then(Value::as_str);
        let fields = query.get("fields").and_then(Value::as_object).into_iter().flatten();
        let inner = Select {
            layers: self.layers,
            base: text("base_view").unwrap_or_default(),
            topic: text("topic")
                .and_then(|name| self.layers.topics.get(name))
                .map(AsRef::as_ref),
            columns: fields.map(|(field, _)| field.as_str()).collect(),
            besides: Vec::new(),
            limit: None,
        };
        inner.text_within(depth + 1)
    }

    /// The views that it needs besides the base, each after the one that it is joined to.
    fn joins(&self) -> Vec<Join> {
        let above = self.parents();
        let mut joins: Vec<Join> = Vec::new();
        for view in self.needed() {
            let mut path = Vec::new();
            let mut next = Some(&view);
            while let Some((child, parent)) = next.and_then(|child| above.get_key_value(child)) {
                path.push((parent, child));
                next = Some(parent);
            }
            for (parent, child) in path.into_iter().rev() {
                if !joins.iter().any(|join| join.view == *child) {
                    let on = self.condition(parent, child);
                    let view = child.clone();
                    joins.push(Join { view, on });
                }
            }
        }
        joins
    }

    /// All views that its fields are of, or that the definitions of its fields name.
    fn needed(&self) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        for (view, field) in self
            .columns
            .iter()
            .chain(&self.besides)
            .filter_map(|field| split(field))
        {
            self.follow(view, field, 0, &mut needed);
        }
        needed
    }

    fn follow(&self, view: &str, field: &str, depth: u8, needed: &mut BTreeSet<String>) {
        let Some(definition) = self.layers.field(view, field).filter(|_| depth < DEEPEST) else {
            return;
        };
        needed.insert(view.to_owned());
        let sql = definition.get("sql").and_then(Value::as_str).unwrap_or_default();
        let owners = raw_references(sql).into_iter().filter_map(|(owner, _)| owner);
        needed.extend(owners.filter(|owner| self.layers.views.contains_key(owner)));
        for (wanted, name) in references(sql) {
            if (wanted.as_str(), name.as_str()) != (view, field) {
                self.follow(&wanted, &name, depth + 1, needed);
            }
        }
    }

    /// To which view each one is joined: as the topic has it, else by the shortest way of relationships.
    fn parents(&self) -> BTreeMap<String, String> {
        let mut parents = BTreeMap::new();
        let joins = self.topic.and_then(|topic| topic.get("joins"));
        if let Some(joins) = joins {
            nested(self.base, joins, &mut parents);
        }
        let mut reached: Vec<String> = std::iter::once(self.base.to_owned())
            .chain(parents.keys().cloned())
            .collect();
        let mut at = 0;
        while let Some(from) = reached.get(at).cloned() {
            at += 1;
            let relationships = self.layers.relationships.iter();
            for relationship in relationships.filter(|it| it.from == from && (joins.is_none() || it.local)) {
                if !reached.contains(&relationship.to) {
                    parents.insert(relationship.to.clone(), from.clone());
                    reached.push(relationship.to.clone());
                }
            }
        }
        parents.remove(self.base);
        parents
    }

    /// What joins two views, in whichever direction their relationship is written.
    fn condition(&self, parent: &str, child: &str) -> String {
        let between = |from: &str, to: &str| {
            let mut all = self.layers.relationships.iter();
            all.find(|it| it.from == from && it.to == to)
        };
        let found = between(parent, child).or_else(|| between(child, parent));
        found.map_or_else(|| "TRUE".to_owned(), |found| as_columns(&found.on_sql))
    }
}

/// The parent of every view in a topic's nested joins.
fn nested(parent: &str, joins: &Value, parents: &mut BTreeMap<String, String>) {
    for (view, below) in joins.as_object().into_iter().flatten() {
        parents.entry(view.clone()).or_insert_with(|| parent.to_owned());
        nested(view, below, parents);
    }
}

/// A condition with columns for references.
fn as_columns(sql: &str) -> String {
    references(sql).into_iter().fold(sql.to_owned(), |text, (view, field)| {
        let column = format!("{}.{}", quoted(&view), quoted(&field));
        text.replace(&format!("${{{view}.{field}}}"), &column)
    })
}

/// A name in quotes, as it stands in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
