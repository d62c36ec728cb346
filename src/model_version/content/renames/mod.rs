//! Names of fields, views and topics that a version's model does not share with its source's: changed in what is copied
//! onto it. A name is looked for by structure: where a dashboard or a local model names a field, and in references inside
//! of texts; never among labels and the values of filters, which may hold the same letters.
//!
//! | file | names stand |
//! |---|---|
//! | `place` | in keys and values of an export and of a local model's files |
//! | `text` | inside of a text: `${view.field}`, `{{view.field}}`, links, expressions of charts |
//! | `local` | in what a local model declares itself |

mod local;
mod place;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use place::At;
use serde_json::Value;

use crate::model_version::definition::{Files, parse};
use crate::ports::AskedRename;
use crate::resources::{Rename, RenameKind};

/// The renames of a version, by what they find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renames {
    fields: BTreeMap<String, String>,
    views: BTreeMap<String, String>,
    topics: BTreeMap<String, String>,
}

/// What came of renaming in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renamed {
    /// The renames that found their name.
    pub matched: BTreeSet<(RenameKind, String)>,
    /// What cannot be renamed, each with why.
    pub clashes: BTreeSet<String>,
}

impl Renames {
    /// Those that a spec declares.
    #[must_use]
    pub fn of(declared: &[Rename]) -> Self {
        let of_kind = |kind: RenameKind| {
            let declared = declared.iter().filter(|it| it.kind == kind);
            declared.map(|it| (it.find.clone(), it.replace.clone())).collect()
        };
        Self {
            fields: of_kind(RenameKind::Field),
            views: of_kind(RenameKind::View),
            topics: of_kind(RenameKind::Topic),
        }
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.views.is_empty() && self.topics.is_empty()
    }

    /// Renames in an export's body, in place.
    pub fn body(&self, body: &mut Value) -> Renamed {
        let mut walk = Walk::new(self);
        if self.is_empty() {
            return walk.renamed;
        }
        if let Some(dashboard) = body.get_mut("dashboard") {
            walk.dashboard(dashboard);
        }
        if let Some(model) = body.get_mut("workbookModel") {
            walk.compiled(model);
        }
        for model in body
            .get_mut("queryModels")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            walk.compiled(model.1);
        }
        walk.renamed
    }

    /// Renames in a document as the newer documents API has it, in place.
    pub fn published(&self, body: &mut Value) {
        if self.is_empty() {
            return;
        }
        let mut walk = Walk::new(self);
        for part in ["queryPresentations", "controls", "settings", "containers"] {
            if let Some(part) = body.get_mut(part) {
                walk.dashboard(part);
            }
        }
        // What an export calls so.
        let at = At {
            property: "filterOrder",
            ..At::default()
        };
        if let Some(order) = body.pointer_mut("/controls/order") {
            walk.value(at, order);
        }
    }

    /// Renames in a local model's files; a file in which no name is found keeps its text.
    #[must_use]
    pub fn files(&self, files: Files) -> Files {
        if self.is_empty() {
            return files;
        }
        let renamed = files.into_iter().map(|(name, yaml)| {
            let mut walk = Walk::new(self);
            let to = walk.file_name(&name);
            let text = match parse(&yaml) {
                Ok(mut parsed) => {
                    let before = parsed.clone();
                    walk.file(&name, &mut parsed);
                    // What no longer parses as it was meant is caught where the copy is compared with its source.
                    let written = (parsed != before).then(|| serde_saphyr::to_string(&parsed).ok());
                    written.flatten().unwrap_or(yaml)
                }
                Err(_) => yaml,
            };
            (to, text)
        });
        renamed.collect()
    }
}

/// Why a spec's renames cannot be meant, if they cannot: what one gives must not be what another finds, or it would depend
/// on their order what comes of them.
///
/// # Errors
/// The rename, and what to write instead.
pub fn check(declared: &[Rename]) -> Result<(), String> {
    let mut found = BTreeSet::new();
    let views: BTreeSet<&str> = finds(declared, RenameKind::View);
    for rename in declared {
        let (kind, find, replace) = (rename.kind, rename.find.as_str(), rename.replace.as_str());
        let refuse = |why: String| Err(format!("content.renames: {kind:?} {find}: {why}"));
        let dots = |name: &str| name.matches('.').count() == usize::from(kind == RenameKind::Field);
        if !dots(find) || !dots(replace) {
            return refuse(
                "a Field is named by view and field, as in patients.dob; a View and a Topic by their name alone".into(),
            );
        }
        if find == replace {
            return refuse("find and replace are the same".into());
        }
        if !found.insert((kind, find)) {
            return refuse("it stands there twice".into());
        }
        if finds(declared, kind).contains(replace) {
            return refuse(format!(
                "{replace} is renamed itself, so that it would depend on the order what comes of it; give each name the one that it shall have in the end, in two versions if they change places"
            ));
        }
        if let (RenameKind::Field, Some((view, field))) = (kind, replace.rsplit_once('.'))
            && views.contains(view)
        {
            let view = declared
                .iter()
                .find(|it| it.kind == RenameKind::View && it.find == view);
            let to = view.map_or("", |it| it.replace.as_str());
            return refuse(format!("its view is renamed too; replace it by {to}.{field}"));
        }
    }
    Ok(())
}

fn finds(declared: &[Rename], kind: RenameKind) -> BTreeSet<&str> {
    let declared = declared.iter().filter(|it| it.kind == kind);
    declared.map(|it| it.find.as_str()).collect()
}

/// What is written down of a copy: every rename that was asked for, and whether it found its name.
#[must_use]
pub fn asked(declared: &[Rename], renamed: &Renamed) -> Vec<AskedRename> {
    let asked = declared.iter().map(|it| AskedRename {
        kind: it.kind,
        find: it.find.clone(),
        replace: it.replace.clone(),
        matched: renamed.matched.contains(&(it.kind, it.find.clone())),
    });
    asked.collect()
}

/// Whether a copy that was made with these renames may differ from one made with what is declared now.
#[must_use]
pub fn moved(declared: &[Rename], made_with: &[AskedRename]) -> bool {
    let is = |rename: &Rename, asked: &AskedRename| {
        (rename.kind, &rename.find, &rename.replace) == (asked.kind, &asked.find, &asked.replace)
    };
    let gone = |asked: &AskedRename| asked.matched && !declared.iter().any(|rename| is(rename, asked));
    let new = |rename: &Rename| !made_with.iter().any(|asked| is(rename, asked));
    made_with.iter().any(gone) || declared.iter().any(new)
}

/// One pass over a value, and what it found.
struct Walk<'a> {
    names: &'a Renames,
    renamed: Renamed,
}

impl<'a> Walk<'a> {
    fn new(names: &'a Renames) -> Self {
        Self {
            names,
            renamed: Renamed::default(),
        }
    }

    fn noted(&mut self, kind: RenameKind, find: &str) {
        self.renamed.matched.insert((kind, find.to_owned()));
    }

    /// A view's new name.
    fn view(&mut self, name: &str) -> Option<String> {
        let to = self.names.views.get(name)?.clone();
        self.noted(RenameKind::View, name);
        Some(to)
    }

    /// A topic's new name.
    fn topic(&mut self, name: &str) -> Option<String> {
        let to = self.names.topics.get(name)?.clone();
        self.noted(RenameKind::Topic, name);
        Some(to)
    }

    /// A field's new name: with a `-` before it as topics leave fields out, with a timeframe behind it, `view.*`; or bare,
    /// where it stands in the view `own`.
    fn field(&mut self, name: &str, own: Option<&str>) -> Option<String> {
        let (sign, rest) = name.strip_prefix('-').map_or(("", name), |rest| ("-", rest));
        let (bare, timeframe) = rest.find('[').map_or((rest, ""), |at| rest.split_at(at));
        let Some((view, field)) = bare.rsplit_once('.') else {
            let to = self.own_field(own?, bare)?;
            return Some(format!("{sign}{to}{timeframe}"));
        };
        if let Some(to) = self.names.fields.get(bare) {
            let to = format!("{sign}{to}{timeframe}");
            self.noted(RenameKind::Field, bare);
            return Some(to);
        }
        let to = self.view(view)?;
        Some(format!("{sign}{to}.{field}{timeframe}"))
    }

    /// The new bare name of a field of the view `own`.
    fn own_field(&mut self, own: &str, name: &str) -> Option<String> {
        let full = format!("{own}.{name}");
        let to = self.names.fields.get(&full)?;
        let (view, field) = to.rsplit_once('.')?;
        let field = field.to_owned();
        if view != self.names.views.get(own).map_or(own, String::as_str) {
            self.renamed.clashes.insert(format!(
                "{full} stands in a local model of its own, which keeps its fields in their view: rename the view, or the field inside of it"
            ));
            return None;
        }
        self.noted(RenameKind::Field, &full);
        Some(field)
    }
}
