//! Names inside of texts: references, templates, links, expressions of charts.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Walk;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

/// `${view.field}`, with a timeframe or without.
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\$\{\s*([A-Za-z0-9_/]+\.[A-Za-z0-9_]+(?:\[\w+\])?)\s*\}"));
/// What stands in a template: `{{view.field}}`, `{{#view.field}}`, `{{result._last.view.field.value}}`.
static TEMPLATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\{\{[^{}]*\}\}"));
/// Words in a template, joined by dots.
static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_][\w/]*(?:\.\w+)+(?:\[[a-z_]+\])?"));
/// A filter in a link: `?f--view.field=`.
static FILTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bf--([A-Za-z0-9_/]+\.[A-Za-z0-9_]+(?:\[\w+\])?)"));
/// A column in an expression of a chart: `datum['view.field']`.
static COLUMN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"\[(['"])([A-Za-z0-9_/]+\.[A-Za-z0-9_]+(?:\[\w+\])?)(['"])\]"#));
/// A column of a query view, as SQL quotes it: `"view.field"`, `"cte"."view.field"`.
static RAW: LazyLock<Regex> = LazyLock::new(|| pattern(r#""([A-Za-z_][\w/]*\.[A-Za-z_]\w*)""#));

/// Where people write SQL.
const SQL: [&str; 6] = [
    "sql",
    "on_sql",
    "where_sql",
    "always_where_sql",
    "having_sql",
    "userEditedSQL",
];

impl Walk<'_> {
    /// The text with every name in it changed; nothing where none is.
    pub(super) fn in_text(&mut self, property: &str, text: &str) -> Option<String> {
        let mut changed = text.to_owned();
        for (pattern, open, close) in [(&REFERENCE, "${", "}"), (&FILTER, "f--", "")] {
            changed = self.each(pattern, &changed, 1, |to| format!("{open}{to}{close}"));
        }
        if changed.contains("{{") {
            let templates = TEMPLATE.replace_all(&changed, |found: &Captures<'_>| {
                PATH.replace_all(&found[0], |path: &Captures<'_>| self.path(&path[0]))
                    .into_owned()
            });
            changed = templates.into_owned();
        }
        let columns = COLUMN.replace_all(&changed, |found: &Captures<'_>| match self.field(&found[2], None) {
            Some(to) => format!("[{}{to}{}]", &found[1], &found[3]),
            None => found[0].to_owned(),
        });
        changed = columns.into_owned();
        if SQL.contains(&property) {
            changed = self.each(&RAW, &changed, 1, |to| format!("\"{to}\""));
        }
        (changed != text).then_some(changed)
    }

    fn each(&mut self, pattern: &Regex, text: &str, group: usize, write: impl Fn(&str) -> String) -> String {
        let replaced = pattern.replace_all(text, |found: &Captures<'_>| {
            let to = self.field(&found[group], None);
            to.map_or_else(|| found[0].to_owned(), |to| write(&to))
        });
        replaced.into_owned()
    }

    /// A path in a template: the view and its field may have words before and behind them.
    fn path(&mut self, path: &str) -> String {
        let (words, timeframe) = path.find('[').map_or((path, ""), |at| path.split_at(at));
        let words: Vec<&str> = words.split('.').collect();
        for at in 0..words.len().saturating_sub(1) {
            let Some(to) = self.field(&words[at..=at + 1].join("."), None) else {
                continue;
            };
            let all = [&words[..at], &[to.as_str()], &words[at + 2..]].concat();
            return format!("{}{timeframe}", all.join("."));
        }
        path.to_owned()
    }

    /// A text of a chart that is wholly a field's name, with dots and brackets escaped or not.
    pub(super) fn whole(&mut self, text: &str) -> Option<String> {
        if !text.contains("\\.") {
            return text.contains('.').then(|| self.field(text, None)).flatten();
        }
        let plain = text.replace("\\.", ".").replace("\\[", "[").replace("\\]", "]");
        let to = self.field(&plain, None)?;
        let brackets = text.contains("\\[");
        let escaped = to.replace('.', "\\.");
        Some(if brackets {
            escaped.replace('[', "\\[").replace(']', "\\]")
        } else {
            escaped
        })
    }
}
