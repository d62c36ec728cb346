//! What differs between two complete versions of an instance, read from the ledger and from Omni. Nothing is written
//! anywhere, but for the places that its calls take in the request budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::{Catalog, Id, id_of};
use super::plan::shown;
use super::report::columns;
use crate::model_version::content::links::LinkMap;
use crate::model_version::diff::{self, Detail, Difference, Document};
use crate::omni_instance;
use crate::ports::{
    DashboardRecord, Exported, Failure, Mapping, ModelFiles, Object, Omni, Urgency, VersionRecord, World,
};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::Reason;

/// How many keys of one object the table shows; the other shapes have all.
const MOST_SHOWN: usize = 12;

/// What is to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The version that is looked at first.
    pub one: i32,
    /// The version that is held against it.
    pub other: i32,
    /// The dashboards are left out.
    pub model_only: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The instance, as `name`, or `namespace/name` where it is not in `default`.
    pub instance: String,
    /// The version that was looked at first.
    pub one: i32,
    /// The version that was held against it.
    pub other: i32,
    /// The dashboards were left out.
    pub model_only: bool,
    /// Each object that is not the same in both.
    pub differences: Vec<Difference>,
}

/// Why what was asked of versions was not answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Unanswered {
    /// What was asked for is not there.
    NotThere(String),
    /// Something is in the way.
    Failed(Failure),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The instance of this name, as `name` or `namespace/name`; without a name the only one.
///
/// # Errors
/// There is none, or more than one that it could be.
pub fn instance(catalog: &Catalog, name: Option<&str>) -> Result<Arc<Object<OmniInstanceSpec>>, String> {
    let is_meant = |id: &Id| name.is_none_or(|name| name == id.1 || name == format!("{}/{}", id.0, id.1));
    let meant: Vec<_> = catalog.instances().filter(|it| is_meant(&id_of(it))).collect();
    let names = |of: &[String]| {
        if of.is_empty() {
            "none".to_owned()
        } else {
            of.join(", ")
        }
    };
    let declared: Vec<String> = catalog.instances().map(|it| shown(&id_of(it))).collect();
    match (meant.as_slice(), name) {
        ([instance], _) => Ok(Arc::clone(instance)),
        ([], Some(name)) => Err(format!(
            "the files declare no OmniInstance {name:?}; they declare {}",
            names(&declared)
        )),
        ([], None) => Err("the files declare no OmniInstance; give with -f the folder that has one".to_owned()),
        _ => Err(format!(
            "the files declare more than one OmniInstance that could be meant: {}; name one with --instance",
            names(&declared)
        )),
    }
}

/// Compares two versions. `tell` is told of every step before it is taken. `world` must only look, and may take places
/// in the request budget.
///
/// # Errors
/// A version is not known or not complete; or what keeps the mapping or Omni from being read.
pub async fn diff(
    world: &World,
    instance: &Object<OmniInstanceSpec>,
    comparison: Comparison,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Compared, Unanswered> {
    let Comparison { one, other, model_only } = comparison;
    let (mapping, _) = world.mapping(instance).await?;
    let versions = mapping.versions().await.map_err(|error| Failure::from(&error))?;
    let one = Side::of(&*mapping, instance, &versions, one).await?;
    let other = Side::of(&*mapping, instance, &versions, other).await?;
    tell("looking which organisation it is");
    omni_instance::recognized(world, instance).await?;
    let omni = world.omni(instance, Urgency::Check).await?;
    let reading = Reading {
        world,
        instance,
        omni: &*omni,
        tell,
    };
    let [first, second] = [reading.model(&one).await?, reading.model(&other).await?];
    let mut differences = diff::models((&first, &one.links), (&second, &other.links));
    if !model_only {
        differences.extend(diff::dashboards(&one.dashboards, &other.dashboards));
        differences.extend(reading.dashboards(&one, &other).await?);
        // Stable: within a dashboard the rows stand as they were found.
        differences.sort_by(|one, other| one.dashboard.cmp(&other.dashboard));
    }
    Ok(Compared {
        instance: shown(&id_of(instance)),
        one: one.version,
        other: other.version,
        model_only,
        differences,
    })
}

/// One of the two versions, as the ledger knows it.
struct Side {
    version: i32,
    model: String,
    dashboards: BTreeMap<String, DashboardRecord>,
    links: LinkMap,
}

impl Side {
    async fn of(
        mapping: &dyn Mapping,
        instance: &Object<OmniInstanceSpec>,
        versions: &BTreeMap<i32, VersionRecord>,
        version: i32,
    ) -> Result<Self, Unanswered> {
        let model = comparable(instance, versions, version)?;
        let dashboards = mapping.dashboards(version).await;
        let dashboards = dashboards.map_err(|error| Failure::from(&error))?;
        Ok(Self {
            version,
            model,
            links: diff::links(&dashboards),
            dashboards,
        })
    }
}

/// The model of a version that can be compared.
fn comparable(
    instance: &Object<OmniInstanceSpec>,
    versions: &BTreeMap<i32, VersionRecord>,
    version: i32,
) -> Result<String, Unanswered> {
    let name = shown(&id_of(instance));
    let Some(record) = versions.get(&version) else {
        let known: Vec<String> = versions.keys().map(ToString::to_string).collect();
        return Err(Unanswered::NotThere(if known.is_empty() {
            format!(
                "the mapping of OmniInstance {name} has no version yet; apply the folder first, or name the database that \
                 has it with --database-url"
            )
        } else {
            format!(
                "the mapping of OmniInstance {name} has no version {version}, but {}; name one of these, or apply a \
                 ModelVersion of this number first",
                known.join(", ")
            )
        }));
    };
    if record.retired_at.is_some() {
        return Err(Unanswered::NotThere(format!(
            "version {version} of OmniInstance {name} is retired: there is nothing left of it to compare; name another one"
        )));
    }
    match &record.model_id {
        Some(model) if record.complete_at.is_some() => Ok(model.clone()),
        _ => Err(Unanswered::Failed(Failure::passing(
            Reason::VersionNotComplete,
            format!(
                "version {version} of OmniInstance {name} is not complete yet; wait until it is (`wavepin get` says what is \
                 left, the conditions of its ModelVersion what is in the way), then compare"
            ),
        ))),
    }
}

/// Reads from Omni, and tells how far it is.
struct Reading<'a> {
    world: &'a World,
    instance: &'a Object<OmniInstanceSpec>,
    omni: &'a dyn Omni,
    tell: &'a (dyn Fn(&str) + Sync),
}

impl Reading<'_> {
    async fn model(&self, side: &Side) -> Result<ModelFiles, Failure> {
        (self.tell)(&format!("reading the model of version {}", side.version));
        let files = self.omni.model_files(&side.model, None).await;
        files.map_err(|error| self.world.told(self.instance, Failure::from(&error)))
    }

    /// The dashboards that both versions have, a pair at a time: exports of hundreds would fill the memory.
    async fn dashboards(&self, one: &Side, other: &Side) -> Result<Vec<Difference>, Failure> {
        let mut differences = Vec::new();
        let both = one
            .dashboards
            .values()
            .filter_map(|it| Some((it, other.dashboards.get(&it.slug)?)));
        let both: Vec<_> = both.collect();
        for (number, (first, second)) in both.iter().enumerate() {
            let slug = &first.slug;
            (self.tell)(&format!("reading dashboard {} of {}: {slug}", number + 1, both.len()));
            let [first, second] = [self.export(one, first).await?, self.export(other, second).await?];
            let document = |export, side| document(export, side);
            differences.extend(diff::documents(slug, &document(&first, one), &document(&second, other)));
        }
        Ok(differences)
    }

    async fn export(&self, side: &Side, dashboard: &DashboardRecord) -> Result<Exported, Failure> {
        let identifier = &dashboard.ids.identifier;
        let export = self.omni.export(identifier).await;
        let export = export.map_err(|error| self.world.told(self.instance, Failure::from(&error)))?;
        export.ok_or_else(|| {
            let message = format!(
                "Omni has no document {identifier:?}, which is dashboard {} of version {}; put it back, or compare the \
                 models alone with --model-only",
                dashboard.slug, side.version
            );
            Failure::stalled(Reason::Missing, message)
        })
    }
}

fn document<'a>(export: &'a Exported, side: &'a Side) -> Document<'a> {
    Document {
        body: &export.body,
        model: &side.model,
        links: &side.links,
    }
}

impl Compared {
    /// A line an object and a key, for people.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { one, other, .. } = self;
        if self.differences.is_empty() {
            let of = if self.model_only { "the models of " } else { "" };
            return format!("no difference between {of}versions {one} and {other}\n");
        }
        let mut lines = vec![["KIND", "WHERE", "CHANGE", "WHAT"].map(str::to_owned).to_vec()];
        for row in &self.differences {
            let mut told = row
                .details
                .iter()
                .take(MOST_SHOWN)
                .map(|it| words(row, it))
                .collect::<Vec<_>>();
            let more = row.details.len() - told.len();
            if more > 0 {
                told.push(format!("and {more} more keys"));
            }
            let mut told = told.into_iter();
            let first = told.next().unwrap_or_default();
            lines.push(vec![
                row.kind.word().to_owned(),
                row.place.clone(),
                row.change.word().to_owned(),
                first,
            ]);
            lines.extend(told.map(|it| vec![String::new(), String::new(), String::new(), it]));
        }
        columns(&lines)
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

/// One key, with what became of it; of an object that one version alone has, what it has there.
fn words(row: &Difference, detail: &Detail) -> String {
    let Detail { key, before, after } = detail;
    let nothing = || "(none)".to_owned();
    match (row.change, before, after) {
        (diff::Change::Changed, before, after) => format!(
            "{key}: {} -> {}",
            before.clone().unwrap_or_else(nothing),
            after.clone().unwrap_or_else(nothing)
        ),
        (_, before, after) => {
            let value = before.as_ref().or(after.as_ref());
            format!("{key}: {}", value.cloned().unwrap_or_else(nothing))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standalone::catalog::tests::{INSTANCE, catalog};

    #[test]
    fn the_instance_is_the_only_one_or_the_one_that_is_named() {
        let one = catalog(&[INSTANCE], &Catalog::default(), false);
        assert_eq!(instance(&one, None).unwrap().name, "clinical");
        assert_eq!(instance(&one, Some("default/clinical")).unwrap().name, "clinical");
        let why = instance(&one, Some("other")).unwrap_err();
        assert!(why.contains("\"other\"") && why.contains("clinical"), "{why}");
        let second = INSTANCE.replace("name: clinical", "name: second");
        let two = catalog(&[INSTANCE, &second], &Catalog::default(), false);
        let why = instance(&two, None).unwrap_err();
        assert!(why.contains("--instance") && why.contains("second"), "{why}");
        assert_eq!(instance(&two, Some("second")).unwrap().name, "second");
        let none = catalog(&[], &Catalog::default(), false);
        assert!(instance(&none, None).unwrap_err().contains("no OmniInstance"));
    }
}
