//! Versions to adopt: for the rows of `dashboard_model`, and for models and folders that follow a pattern.

mod finder;
mod making;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use self::finder::{Document, Finder};
use self::making::{Found, Making};
pub use self::pattern::Pattern;
use super::{Manifests, names};
use crate::model_version::content::identifier::is_slug;
use crate::omni_instance;
use crate::ports::{Existing, ExistingDashboard, Failure, ModelKind, ModelRecord, Object, Urgency, World};
use crate::resources::OmniInstanceSpec;
use crate::standalone::{Catalog, Unanswered};

/// The longest slug that every version's identifiers have room for.
const LONGEST_SLUG: usize = 29;

/// The most dashboards that a version adopts.
const MOST_DASHBOARDS: usize = 500;

/// Which versions are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionsAsked {
    /// What manifests are called; absent: `<instance>-v{version}`.
    pub name: Option<Pattern>,
    /// Where a version's dashboards are: `clinical/v{version}`. Needed for versions without rows, and saves calls where rows
    /// hold ids that Omni does not look documents up by.
    pub folder: Option<Pattern>,
    /// What the models of versions without rows are called: `clinical v{version}`.
    pub model: Option<Pattern>,
}

impl VersionsAsked {
    fn header(&self, only: Option<&str>) -> String {
        let mut again = "wavepin import versions -f MANIFESTS --out FOLDER".to_owned();
        if let Some(instance) = only {
            again.push_str(&format!(" --instance {instance}"));
        }
        for (flag, pattern) in [("folder", &self.folder), ("model", &self.model), ("name", &self.name)] {
            if let Some(pattern) = pattern {
                again.push_str(&format!(" --{flag} '{pattern}'"));
            }
        }
        format!(
            "# A version as people made it; adopting it writes nothing to Omni. To make this again, which leaves it alone once it \
             was changed:\n# {again}\n"
        )
    }
}

/// Versions for the rows of an instance, and for the models that follow a pattern. `tell` is told of every step before it is
/// taken. `world` must only look, and may take places in the request budget.
///
/// # Errors
/// What keeps the ledger or Omni from being read.
pub async fn versions(
    world: &World,
    (instance, catalog): (&Object<OmniInstanceSpec>, &Catalog),
    existing: &Existing,
    asked: &VersionsAsked,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Manifests, Unanswered> {
    if let Some(name) = asked.name.as_ref().filter(|name| !names::is_name(&name.of(i32::MAX))) {
        return Err(Unanswered::NotThere(format!(
            "--name '{name}' makes no name of an object: write lower-case letters, digits, '-' and '.', at most 253"
        )));
    }
    let (mapping, _) = world.mapping(instance).await?;
    let records = mapping.versions().await.map_err(|error| Failure::from(&error))?;
    let mut making = Making {
        instance,
        catalog,
        asked,
        among: catalog.instances().nth(1).is_some(),
        records,
        files: Vec::new(),
        left: Vec::new(),
        notes: Vec::new(),
    };
    if existing.dashboards.is_empty() && asked.model.is_none() {
        let note =
            "dashboard_model has no row; --model and --folder find versions by what models and folders are called";
        making.notes.push(note.to_owned());
    }
    let rows = making.rows(existing);
    let wanted: Vec<_> = rows
        .into_iter()
        .filter(|(version, _)| making.is_wanted(*version))
        .collect();
    if !wanted.is_empty() || asked.model.is_some() {
        tell("looking which organisation it is");
        omni_instance::recognized(world, instance).await?;
        let omni = world.omni(instance, Urgency::Check).await?;
        let mut finder = Finder::new(world, instance, &*omni, tell);
        for (version, rows) in &wanted {
            match from_rows(&mut finder, asked, *version, rows).await? {
                Ok(found) => making.put(*version, &found),
                Err(why) => making.left.push(format!("version {version}: {why}")),
            }
        }
        if let (Some(model), Some(folder)) = (&asked.model, &asked.folder) {
            let have: BTreeSet<i32> = making.with_rows(existing);
            from_names(&mut finder, &mut making, (model, folder), &have).await?;
        }
    }
    making.files.sort();
    Ok(Manifests {
        header: asked.header(making.among.then(|| instance.key()).as_deref()),
        files: making.files,
        left: making.left,
        notes: making.notes,
    })
}

/// What the rows of a version are about; or why that cannot be told.
async fn from_rows(
    finder: &mut Finder<'_>,
    asked: &VersionsAsked,
    version: i32,
    rows: &[&ExistingDashboard],
) -> Result<Result<Found, String>, Failure> {
    let wanted = match slugs(rows) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Err(why)),
    };
    let folder = asked.folder.as_ref().map(|folder| folder.of(version));
    let (mut documents, mut missing) = (BTreeMap::new(), Vec::new());
    for (slug, id) in wanted {
        match finder.document(id, folder.as_deref()).await? {
            Ok(document) => drop(documents.insert(slug.to_owned(), document)),
            Err(why) => missing.push(format!("{slug} ({id}): {why}")),
        }
    }
    if !missing.is_empty() {
        return Ok(Err(missing.join("; ")));
    }
    one_version(finder, documents).await
}

/// The slugs of a version's rows, each with what stands in `dashboard_id`.
fn slugs<'r>(rows: &[&'r ExistingDashboard]) -> Result<BTreeMap<&'r str, &'r str>, String> {
    let mut slugs = BTreeMap::new();
    for row in rows {
        let (Some(slug), Some(id)) = (row.slug.as_deref(), row.dashboard_id.as_deref()) else {
            return Err(
                "a row of dashboard_model has NULL for a slug or a dashboard; fill it in, or delete it".to_owned(),
            );
        };
        if !is_slug(slug) || slug.len() > LONGEST_SLUG {
            return Err(format!(
                "dashboard_slug {slug:?} is none that Wavepin takes: lower-case letters, digits and hyphens, at most \
                 {LONGEST_SLUG}, with a letter or digit first and last. Rename it in the rows and in what asks for it"
            ));
        }
        if let Some(other) = slugs.insert(slug, id) {
            return Err(format!(
                "dashboard_slug {slug:?} has two rows, with {other} and {id}; delete the one that is wrong"
            ));
        }
    }
    if slugs.len() > MOST_DASHBOARDS {
        return Err(format!(
            "it has {} dashboards, and {MOST_DASHBOARDS} are the most",
            slugs.len()
        ));
    }
    Ok(slugs)
}

/// What documents have in common that are to be one version.
async fn one_version(
    finder: &mut Finder<'_>,
    documents: BTreeMap<String, Document>,
) -> Result<Result<Found, String>, Failure> {
    Ok(match in_common(&documents) {
        Err(why) => Err(why),
        Ok((model, folder)) => match finder.model(model).await? {
            None => Err(format!(
                "its dashboards sit on model {model}, which Omni does not have as a shared model"
            )),
            Some(_) => Ok(Found {
                model: model.to_owned(),
                folder: folder.to_owned(),
                dashboards: documents
                    .iter()
                    .map(|(slug, it)| (slug.clone(), it.identifier.clone()))
                    .collect(),
            }),
        },
    })
}

fn in_common(documents: &BTreeMap<String, Document>) -> Result<(&str, &str), String> {
    let (mut models, mut folders) = (BTreeMap::new(), BTreeMap::new());
    let mut identifiers: BTreeMap<&str, &str> = BTreeMap::new();
    for (slug, document) in documents {
        models.entry(document.model.as_str()).or_insert(slug);
        folders.entry(document.folder.as_deref()).or_insert(slug);
        if let Some(other) = identifiers.insert(&document.identifier, slug) {
            return Err(format!(
                "{other} and {slug} are one dashboard, {}; a version has each once: copy it in Omni, or use one slug",
                document.identifier
            ));
        }
    }
    let each = |of: Vec<String>| of.join(", ");
    let [model] = models.keys().copied().collect::<Vec<_>>()[..] else {
        let which = models.iter().map(|(model, slug)| format!("{slug} on {model}"));
        return Err(format!(
            "its dashboards sit on {} models ({}), and a version has one; put the odd ones on the model, as copies, and \
             correct their rows",
            models.len(),
            each(which.collect())
        ));
    };
    match folders.keys().copied().collect::<Vec<_>>()[..] {
        [Some(folder)] => Ok((model, folder)),
        _ => {
            let place = |folder: &Option<&str>| folder.map_or_else(|| "no folder".to_owned(), ToOwned::to_owned);
            let which = folders
                .iter()
                .map(|(folder, slug)| format!("{slug} in {}", place(folder)));
            Err(format!(
                "its dashboards are not in one folder of the organisation ({}); move them into one, which changes no id",
                each(which.collect())
            ))
        }
    }
}

/// Versions without rows, by what their models and folders are called.
async fn from_names(
    finder: &mut Finder<'_>,
    making: &mut Making<'_>,
    (model, folder): (&Pattern, &Pattern),
    have: &BTreeSet<i32>,
) -> Result<(), Unanswered> {
    let mut named: BTreeMap<i32, Vec<ModelRecord>> = BTreeMap::new();
    for record in finder.models().await? {
        let version = record.name.as_deref().and_then(|name| model.version(name));
        if let Some(version) = version.filter(|version| !have.contains(version)) {
            named.entry(version).or_default().push(record);
        }
    }
    for (version, models) in named {
        if !making.is_wanted(version) {
            continue;
        }
        let found = match models.as_slice() {
            [model] => in_folder(finder, model, &folder.of(version)).await?,
            twins => Err(format!(
                "{} models are called {:?} ({}); rename all but one",
                twins.len(),
                model.of(version),
                twins.iter().map(|it| it.id.clone()).collect::<Vec<_>>().join(", ")
            )),
        };
        match found {
            Ok(found) => {
                making.notes.push(format!(
                    "version {version} has no rows yet: its slugs are made of what its dashboards are called, so see that \
                     they are what your application asks for before you apply it"
                ));
                making.put(version, &found);
            }
            Err(why) => making.left.push(format!("version {version}: {why}")),
        }
    }
    Ok(())
}

/// All dashboards of a folder as a version, with slugs made of their names.
async fn in_folder(
    finder: &mut Finder<'_>,
    model: &ModelRecord,
    folder: &str,
) -> Result<Result<Found, String>, Failure> {
    let documents = match finder.folder(folder).await? {
        Ok(documents) => documents,
        Err(why) => return Ok(Err(why)),
    };
    let mut dashboards = BTreeMap::new();
    for document in &documents {
        if document.model != model.id {
            return Ok(Err(format!(
                "{} in folder {folder:?} sits on another model ({}); move it elsewhere, or write the manifest by hand",
                document.identifier, document.model
            )));
        }
        let Some(slug) = names::slug(&document.name, LONGEST_SLUG) else {
            return Ok(Err(format!(
                "what {} is called, {:?}, makes no slug of 1 to {LONGEST_SLUG} letters, digits and hyphens; write the \
                 manifest by hand, with a slug for it",
                document.identifier, document.name
            )));
        };
        if let Some(other) = dashboards.insert(slug.clone(), document.identifier.clone()) {
            return Ok(Err(format!(
                "{other} and {} would both be {slug}; write the manifest by hand, with a slug for each",
                document.identifier
            )));
        }
    }
    Ok(match dashboards.len() {
        1..=MOST_DASHBOARDS => Ok(Found {
            model: model.id.clone(),
            folder: folder.trim_matches('/').to_owned(),
            dashboards,
        }),
        0 => Err(format!("folder {folder:?} has no dashboard")),
        many => Err(format!("it has {many} dashboards, and {MOST_DASHBOARDS} are the most")),
    })
}

/// Whether a version may sit on a model.
fn is_shared(model: &ModelRecord) -> bool {
    model.kind == ModelKind::Shared && !model.deleted
}

#[cfg(test)]
mod tests;
