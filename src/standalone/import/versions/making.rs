//! What is being made: the manifests, and what is said beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::super::pins::number;
use super::super::tell::named;
use super::super::{ManifestFile, Metadata, Reference, names, namespace, yaml};
use super::VersionsAsked;
use crate::ports::{Existing, ExistingDashboard, Object, VersionRecord};
use crate::resources::OmniInstanceSpec;
use crate::standalone::Catalog;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionSpec<'a> {
    instance_ref: Reference<'a>,
    version: i32,
    source: Source<'a>,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    adopt: Adopt<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Adopt<'a> {
    model_id: &'a str,
    folder_path: &'a str,
    dashboards: Vec<Dashboard<'a>>,
}

#[derive(Debug, Serialize)]
struct Dashboard<'a> {
    slug: &'a str,
    identifier: &'a str,
}

/// What a version is made of.
pub(super) struct Found {
    pub(super) model: String,
    pub(super) folder: String,
    /// The identifiers, by slug.
    pub(super) dashboards: BTreeMap<String, String>,
}

/// What is being made.
pub(super) struct Making<'a> {
    pub(super) instance: &'a Object<OmniInstanceSpec>,
    pub(super) catalog: &'a Catalog,
    pub(super) asked: &'a VersionsAsked,
    /// Several instances are declared, each of which has a folder of its own.
    pub(super) among: bool,
    pub(super) records: BTreeMap<i32, VersionRecord>,
    pub(super) files: Vec<ManifestFile>,
    pub(super) left: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Making<'_> {
    /// The rows of `dashboard_model`, by version. Says which of them are of none, and which versions tenants are on that have
    /// none.
    pub(super) fn rows<'e>(&mut self, existing: &'e Existing) -> BTreeMap<i32, Vec<&'e ExistingDashboard>> {
        let mut rows: BTreeMap<i32, Vec<&ExistingDashboard>> = BTreeMap::new();
        let mut odd = 0_usize;
        for row in &existing.dashboards {
            match number(row.version) {
                Some(version) => rows.entry(version).or_default().push(row),
                None => odd += 1,
            }
        }
        if odd > 0 {
            self.left.push(format!(
                "{odd} rows of dashboard_model have a model_version_id that is no version (NULL, or not from 1 to \
                 2147483647); give them one, or delete them"
            ));
        }
        let mut tenants: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
        for row in &existing.tenants {
            if let Some(version) = number(row.version).filter(|version| !rows.contains_key(version)) {
                tenants.entry(version).or_default().insert(&row.tenant);
            }
        }
        for (version, tenants) in tenants {
            self.left.push(format!(
                "version {version}: {} tenants are on it ({}), and dashboard_model has no row of it; put its dashboards there, \
                 or set their rows to another version",
                tenants.len(),
                named(tenants)
            ));
        }
        rows.values_mut().for_each(|rows| rows.sort());
        rows
    }

    /// The versions that have rows, or tenants, so that no pattern speaks for them.
    pub(super) fn with_rows(&self, existing: &Existing) -> BTreeSet<i32> {
        let dashboards = existing.dashboards.iter().map(|row| row.version);
        let tenants = existing.tenants.iter().map(|row| row.version);
        dashboards.chain(tenants).filter_map(number).collect()
    }

    /// Whether a version needs a manifest; says why not where it has what it needs.
    pub(super) fn is_wanted(&mut self, version: i32) -> bool {
        let record = self.records.get(&version);
        let made = record.filter(|it| !it.source.starts_with("adopt:") || it.retired_at.is_some());
        if let Some(record) = made {
            let how = if record.retired_at.is_some() {
                "retired"
            } else {
                "made by Wavepin"
            };
            self.notes.push(format!(
                "version {version} is {how} already ({}), and is not adopted",
                record.source
            ));
            return false;
        }
        let name = self.name(version);
        let other = self.catalog.versions().find(|it| {
            it.namespace == self.instance.namespace
                && it.spec.instance_ref.name == self.instance.name
                && it.spec.version == version
                && it.name != name
        });
        if let Some(other) = other {
            self.notes.push(format!(
                "version {version} is declared already, by ModelVersion {}",
                other.name
            ));
        }
        let taken = self.catalog.versions().find(|it| {
            it.namespace == self.instance.namespace
                && it.name == name
                && (&it.spec.instance_ref.name, it.spec.version) != (&self.instance.name, version)
        });
        if let Some(taken) = taken {
            self.left.push(format!(
                "version {version}: its manifest would be called {name}, and that is version {} of OmniInstance {}; say --name",
                taken.spec.version, taken.spec.instance_ref.name
            ));
        }
        other.is_none() && taken.is_none()
    }

    fn name(&self, version: i32) -> String {
        match &self.asked.name {
            Some(name) => name.of(version),
            None => format!("{}-v{version}", self.instance.name),
        }
    }

    pub(super) fn put(&mut self, version: i32, found: &Found) {
        let name = self.name(version);
        let metadata = Metadata {
            name: &name,
            namespace: namespace(&self.instance.namespace),
            labels: BTreeMap::new(),
        };
        let dashboards = found
            .dashboards
            .iter()
            .map(|(slug, identifier)| Dashboard { slug, identifier });
        let spec = VersionSpec {
            instance_ref: Reference {
                name: &self.instance.name,
            },
            version,
            source: Source {
                adopt: Adopt {
                    model_id: &found.model,
                    folder_path: &found.folder,
                    dashboards: dashboards.collect(),
                },
            },
        };
        let text = yaml("ModelVersion", metadata, spec);
        let folder = match self.among {
            true => names::of_all([&self.instance.namespace, &self.instance.name]).into(),
            false => PathBuf::new(),
        };
        let place = folder.join(format!("{name}.yaml"));
        self.files.push(ManifestFile { place, text });
    }
}
