//! Query views of tabs: what names their raw columns in the workbook must name their aliases in a copy.
//!
//! A query view that is made in a workbook exposes the raw columns of its query, `"cte"."view.field"`. One that is made
//! from YAML exposes the aliases alone that its `query.fields` block gives, so the raw names would break the tile.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::model_version::definition::Files;

static RAW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:"([A-Za-z_]\w*)"\.)?"([A-Za-z_][\w/]*\.[A-Za-z_]\w*)""#).expect("the pattern is well-formed")
});

/// The query views of a local model: by name, raw column to alias.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<String, BTreeMap<String, String>>);

impl Aliases {
    /// Reads them out of a local model's files.
    #[must_use]
    pub fn of(files: &Files) -> Self {
        let views = files.iter().filter_map(|(name, yaml)| {
            let view = name.strip_suffix(".query.view")?;
            let parsed: Value = serde_saphyr::from_str(yaml).ok()?;
            let fields = parsed.pointer("/query/fields")?.as_object()?;
            let alias = |(raw, alias): (&String, &Value)| Some((raw.clone(), alias.as_str()?.to_owned()));
            Some((view.to_owned(), fields.iter().filter_map(alias).collect()))
        });
        Self(views.collect())
    }

    /// Reads them out of a compiled local model.
    #[must_use]
    pub fn of_compiled(model: &Value) -> Self {
        let views = model["views"].as_array().into_iter().flatten();
        let views = views.filter_map(|view| {
            let fields = view.pointer("/query/fields")?.as_object()?;
            let alias = |(raw, alias): (&String, &Value)| Some((raw.clone(), alias.as_str()?.to_owned()));
            let aliases = fields.iter().filter_map(alias).collect();
            Some((view["name"].as_str()?.to_owned(), aliases))
        });
        Self(views.collect())
    }

    /// The files, with aliases in place of raw columns.
    #[must_use]
    pub fn rewrite(&self, files: Files) -> Files {
        let own = |name: &str| name.strip_suffix(".query.view").map(ToOwned::to_owned);
        files
            .into_iter()
            .map(|(name, yaml)| (name.clone(), self.text(own(&name).as_deref(), &yaml)))
            .collect()
    }

    /// A compiled local model, with aliases in place of raw columns.
    pub fn rewrite_model(&self, model: &mut Value) {
        for view in model["views"].as_array_mut().into_iter().flatten() {
            let name = view["name"].as_str().map(ToOwned::to_owned);
            self.rewrite_value(name.as_deref(), view);
        }
        self.rewrite_value(None, &mut model["relationships"]);
        self.rewrite_value(None, &mut model["topics"]);
    }

    fn rewrite_value(&self, own: Option<&str>, value: &mut Value) {
        match value {
            Value::String(text) if text.contains('"') => *text = self.text(own, text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite_value(own, item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.rewrite_value(own, field)),
            _ => {}
        }
    }

    /// `own`: the query view whose text it is, which names its columns without itself. A table that is no query view
    /// keeps its columns.
    fn text(&self, own: Option<&str>, text: &str) -> String {
        RAW.replace_all(text, |found: &Captures<'_>| {
            let view = found.get(1).map(|view| view.as_str()).or(own);
            match view.and_then(|view| self.0.get(view)?.get(&found[2]).map(|alias| (view, alias))) {
                Some((view, alias)) => format!("${{{view}.{alias}}}"),
                None => found[0].to_owned(),
            }
        })
        .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_columns_of_query_views_become_aliases_and_those_of_tables_stay() {
        let view =
            "query:\n  fields:\n    encounters.days: days\ndimensions:\n  long:\n    sql: '\"encounters.days\" > 3'\n";
        let on = "- on_sql: \"cte\".\"encounters.days\" = \"table\".\"encounters.days\"";
        let files = Files::from([
            ("cte.query.view".into(), view.into()),
            ("relationships".into(), on.into()),
        ]);
        let aliases = Aliases::of(&files);
        let rewritten = aliases.rewrite(files);
        assert!(rewritten["cte.query.view"].contains("${cte.days} > 3"), "{rewritten:?}");
        assert_eq!(
            rewritten["relationships"],
            "- on_sql: ${cte.days} = \"table\".\"encounters.days\""
        );
        let mut model = serde_json::json!({"views": [{"name": "cte", "sql": "\"encounters.days\""}, {"name": "other", "sql": "\"encounters.days\""}]});
        let fields = serde_json::json!({"encounters.days": "days"});
        let compiled = serde_json::json!({"views": [{"name": "cte", "query": {"fields": fields}}, {"name": "other"}]});
        assert_eq!(Aliases::of_compiled(&compiled), aliases);
        aliases.rewrite_model(&mut model);
        assert_eq!(model["views"][0]["sql"], "${cte.days}");
        assert_eq!(model["views"][1]["sql"], "\"encounters.days\"");
    }
}
