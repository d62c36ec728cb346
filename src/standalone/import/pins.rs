//! Pins for the rows of `tenant_version`: a file a pin, in folders of at most 1,000.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::tell::named;
use super::{ManifestFile, Manifests, Metadata, Reference, names, namespace, yaml};
use crate::ports::{Existing, ExistingTenant, Object, TenantLines};
use crate::resources::{OmniInstanceSpec, TenantPinSpec, TenantTable, is_label_value};
use crate::standalone::Catalog;

/// The most files in a folder: more than that is slow to look at, on Git hosts and in consoles.
const MOST_FILES: usize = 1000;

/// Which pins are asked for, and how they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinsAsked {
    /// Of this environment alone.
    pub environment: Option<String>,
    /// Without a version, so that they follow the rollout of their environment.
    pub follow: bool,
    /// With labels from this one of `mapping.tenantTables`.
    pub labels_from: Option<String>,
    /// How many digits of a hash of the tenant name its folder: 0 is one folder for an environment, 1 is 16, 2 is 256.
    pub digits: usize,
}

/// Why no pins were made.
type Refused = String;

impl PinsAsked {
    /// The table of labels that is asked for.
    ///
    /// # Errors
    /// The instance does not declare it, or cannot.
    pub fn table<'i>(&self, instance: &'i Object<OmniInstanceSpec>) -> Result<Option<&'i TenantTable>, Refused> {
        let Some(name) = &self.labels_from else { return Ok(None) };
        let declared = &instance.spec.mapping.tenant_tables;
        let Some(table) = declared.get(name) else {
            let names: Vec<&str> = declared.keys().map(String::as_str).collect();
            return Err(format!(
                "OmniInstance {} has no {name:?} in spec.mapping.tenantTables, but {}; declare it there, or correct \
                 --labels-from",
                instance.key(),
                if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                }
            ));
        };
        table.refusal(name).map_or(Ok(Some(table)), Err)
    }

    fn header(&self, only: Option<&str>) -> String {
        let mut again = "wavepin import pins -f MANIFESTS --out FOLDER".to_owned();
        if let Some(instance) = only {
            again.push_str(&format!(" --instance {instance}"));
        }
        if self.follow {
            again.push_str(" --follow");
        }
        if let Some(table) = &self.labels_from {
            again.push_str(&format!(" --labels-from {table}"));
        }
        if self.digits != 1 {
            again.push_str(&format!(
                " --folders {}",
                16_usize.pow(u32::try_from(self.digits).unwrap_or(0))
            ));
        }
        format!(
            "# From a row of tenant_version. To make it again, which leaves it alone once it was changed:\n# {again}\n"
        )
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PinSpec<'a> {
    instance_ref: Reference<'a>,
    tenant: &'a str,
    environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
}

/// Pins for the rows of an instance. What is declared already in `catalog` by another name is left to that.
///
/// # Errors
/// What was asked for is not there, or cannot be done: nothing was made.
pub fn pins(
    existing: &Existing,
    instance: &Object<OmniInstanceSpec>,
    catalog: &Catalog,
    asked: &PinsAsked,
) -> Result<Manifests, Refused> {
    asked.table(instance)?;
    let mut rows: Vec<&ExistingTenant> = existing.tenants.iter().collect();
    rows.sort();
    if let Some(environment) = &asked.environment {
        let there: BTreeSet<&str> = rows.iter().map(|row| row.environment.as_str()).collect();
        if !there.contains(environment.as_str()) {
            return Err(format!(
                "no row of tenant_version is of environment {environment:?}; there are: {}",
                if there.is_empty() {
                    "none".to_owned()
                } else {
                    named(there)
                }
            ));
        }
        rows.retain(|row| row.environment == *environment);
    }
    let mut making = Making::new(existing, instance, catalog, asked)?;
    for row in rows {
        making.take(row);
    }
    let mut made = making.done()?;
    if existing.tenants.is_empty() {
        made.notes
            .push("tenant_version has no row, so that there is nobody to pin".to_owned());
    }
    Ok(made)
}

/// What is being made.
struct Making<'a> {
    instance: &'a Object<OmniInstanceSpec>,
    asked: &'a PinsAsked,
    /// The versions that have dashboards.
    mapped: BTreeSet<i32>,
    labels: BTreeMap<&'a str, Table<'a>>,
    /// The catalog declares other instances too.
    among: bool,
    /// The names of pins that are declared of other instances in this namespace, or of other tenants.
    taken: BTreeMap<&'a str, &'a TenantPinSpec>,
    /// The names of pins that are declared, by tenant and environment.
    declared: BTreeMap<(&'a str, &'a str), &'a str>,
    files: Vec<ManifestFile>,
    names: BTreeSet<String>,
    /// Why tenants are left out, and who.
    left: BTreeMap<String, Vec<&'a str>>,
    notes: BTreeMap<String, Vec<&'a str>>,
}

/// What the table of labels says in one environment.
#[derive(Default)]
struct Table<'a> {
    labels: BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>,
    twice: BTreeSet<&'a str>,
    odd: BTreeMap<&'a str, &'a str>,
}

impl<'a> Making<'a> {
    fn new(
        existing: &'a Existing,
        instance: &'a Object<OmniInstanceSpec>,
        catalog: &'a Catalog,
        asked: &'a PinsAsked,
    ) -> Result<Self, Refused> {
        let mapped = existing.dashboards.iter().filter_map(|row| number(row.version));
        let of_instance = catalog
            .pins()
            .filter(|pin| pin.namespace == instance.namespace && pin.spec.instance_ref.name == instance.name);
        let declared = of_instance
            .map(|pin| {
                (
                    (pin.spec.tenant.as_str(), pin.spec.environment.as_str()),
                    pin.name.as_str(),
                )
            })
            .collect();
        let taken = catalog.pins().filter(|pin| pin.namespace == instance.namespace);
        let mut making = Self {
            instance,
            asked,
            mapped: mapped.collect(),
            among: catalog.instances().nth(1).is_some(),
            taken: taken.map(|pin| (pin.name.as_str(), &pin.spec)).collect(),
            labels: BTreeMap::new(),
            declared,
            files: Vec::new(),
            names: BTreeSet::new(),
            left: BTreeMap::new(),
            notes: BTreeMap::new(),
        };
        if let Some(table) = asked.table(instance)? {
            for (environment, lines) in &existing.labels {
                making.labels.insert(environment, Table::read(table, lines)?);
            }
        }
        Ok(making)
    }

    fn take(&mut self, row: &'a ExistingTenant) {
        let (tenant, environment) = (row.tenant.as_str(), row.environment.as_str());
        let name = self.name_of(tenant, environment);
        if let Some(other) = self
            .declared
            .get(&(tenant, environment))
            .filter(|other| **other != name)
        {
            let why = format!("are pinned already, as by TenantPin {other}, and get no second pin");
            return self.notes.entry(why).or_default().push(tenant);
        }
        let (version, labels) = match self.judged(row) {
            Ok(judged) => judged,
            Err(why) => return self.left.entry(why).or_default().push(tenant),
        };
        let is_its = |spec: &TenantPinSpec| {
            (
                spec.tenant.as_str(),
                spec.environment.as_str(),
                spec.instance_ref.name.as_str(),
            ) == (tenant, environment, self.instance.name.as_str())
        };
        let is_taken = self.taken.get(name.as_str()).is_some_and(|spec| !is_its(spec));
        if is_taken || !self.names.insert(name.clone()) {
            let why = format!("would have the name of another pin, {name}; write their pins by hand");
            return self.left.entry(why).or_default().push(tenant);
        }
        let metadata = Metadata {
            name: &name,
            namespace: namespace(&self.instance.namespace),
            labels,
        };
        let spec = PinSpec {
            instance_ref: Reference {
                name: &self.instance.name,
            },
            tenant,
            environment,
            version: (!self.asked.follow).then_some(version),
        };
        let text = yaml("TenantPin", metadata, spec);
        let folder = self.folder().join(names::of_folder(environment));
        let folder = folder.join(names::bucket(tenant, self.asked.digits));
        let place = folder.join(format!("{name}.yaml"));
        self.files.push(ManifestFile { place, text });
    }

    /// The pins of several instances may have one tenant and environment: the instance is in the name then.
    fn name_of(&self, tenant: &str, environment: &str) -> String {
        match self.among {
            true => names::of_all([tenant, environment, &self.instance.name]),
            false => names::of_all([tenant, environment]),
        }
    }

    /// Where the environments are: with several instances, one folder for each.
    fn folder(&self) -> PathBuf {
        match self.among {
            true => names::of_all([&self.instance.namespace, &self.instance.name]).into(),
            false => PathBuf::new(),
        }
    }

    /// The version and the labels of a row's pin; or why it can have none.
    fn judged(&self, row: &'a ExistingTenant) -> Result<(i32, BTreeMap<&'a str, &'a str>), String> {
        let (tenant, environment) = (row.tenant.as_str(), row.environment.as_str());
        let fits = |text: &str, most: usize| {
            (1..=most).contains(&text.chars().count()) && !text.chars().any(|letter| letter.is_ascii_control())
        };
        if !fits(tenant, 253) {
            return Err(
                "cannot be named by a pin, whose spec.tenant has 1 to 253 characters and no control characters; \
                        they stay rows, which may take part in a rollout by themselves"
                    .to_owned(),
            );
        }
        if !fits(environment, 63) {
            return Err(format!(
                "are in environment {environment:?}, which a pin cannot name: spec.environment has 1 to 63 characters and no \
                 control characters; rename it in their rows"
            ));
        }
        let Some(version) = number(row.version) else {
            let held = row.version.map_or_else(|| "NULL".to_owned(), |held| held.to_string());
            return Err(format!(
                "have {held} in model_version_id, which is no version; set their rows to one, or delete them"
            ));
        };
        if !self.mapped.contains(&version) {
            return Err(format!(
                "are on version {version}, of which dashboard_model has no row; put its dashboards there and adopt it, or \
                 set their rows to another version"
            ));
        }
        Ok((version, self.labels_of(tenant, environment)?))
    }

    fn labels_of(&self, tenant: &str, environment: &str) -> Result<BTreeMap<&'a str, &'a str>, String> {
        let Some(table) = self.labels.get(environment) else {
            return Ok(BTreeMap::new());
        };
        if table.twice.contains(tenant) {
            return Err(
                "stand more than once in the table of labels; name a view that has one row for each, or say \
                        environmentColumn where it has one for each environment"
                    .to_owned(),
            );
        }
        if let Some(column) = table.odd.get(tenant) {
            return Err(format!(
                "have something in column {column} of the table of labels that is no value of a label: those have at most \
                 63 letters, digits, '-', '_' and '.', with a letter or digit first and last. Correct it, or name a view"
            ));
        }
        Ok(table.labels.get(tenant).cloned().unwrap_or_default())
    }

    fn done(mut self) -> Result<Manifests, Refused> {
        self.files.sort();
        let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
        for file in &self.files {
            *folders.entry(file.place.parent().unwrap_or(Path::new(""))).or_default() += 1;
        }
        if let Some((folder, count)) = folders.into_iter().find(|(_, count)| *count > MOST_FILES) {
            let way_out = match self.asked.digits {
                0 => "give --folders 16 and an empty --out, since other folders are other places",
                1 => "give --folders 256 and an empty --out, since other folders are other places",
                _ => "let so many take part in rollouts as rows, which need no pin",
            };
            return Err(format!(
                "folder {} would have {count} files, and {MOST_FILES} are the most; {way_out}",
                folder.display()
            ));
        }
        let lines = |of: BTreeMap<String, Vec<&str>>| {
            let line = |(why, tenants): (String, Vec<&str>)| {
                format!("{} tenants {why}: {}", tenants.len(), named(tenants.iter().copied()))
            };
            of.into_iter().map(line).collect()
        };
        Ok(Manifests {
            header: self.asked.header(self.among.then(|| self.instance.key()).as_deref()),
            files: self.files,
            left: lines(self.left),
            notes: lines(self.notes),
        })
    }
}

impl<'a> Table<'a> {
    fn read(table: &'a TenantTable, lines: &'a TenantLines) -> Result<Self, Refused> {
        let lines = match lines {
            TenantLines::Read(lines) => lines,
            TenantLines::NotAsked => return Ok(Self::default()),
            TenantLines::Unusable(why) => {
                return Err(format!("{}, which labels tenants, cannot be used: {why}", table.table));
            }
        };
        let mut read = Self::default();
        for line in lines {
            let mut own = BTreeMap::new();
            for (column, value) in table.columns.iter().zip(&line.values) {
                let Some(value) = value else { continue };
                if !is_label_value(value) {
                    read.odd.insert(&line.tenant, column);
                }
                own.insert(column.as_str(), value.as_str());
            }
            if read.labels.insert(&line.tenant, own).is_some() {
                read.twice.insert(&line.tenant);
            }
        }
        Ok(read)
    }
}

/// A number that can be a version's.
pub(super) fn number(held: Option<i64>) -> Option<i32> {
    held.and_then(|held| i32::try_from(held).ok())
        .filter(|number| *number >= 1)
}

#[cfg(test)]
mod tests;
