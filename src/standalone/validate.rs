//! A version, validated as it is now: read from the ledger and from Omni. Nothing is written anywhere, but for the places
//! that its calls take in the request budget.

mod shapes;

use std::sync::Arc;

use super::catalog::{Catalog, id_of};
use super::diff::Unanswered;
use super::plan::shown;
use crate::model_version::{self, Found, Validated};
use crate::omni_instance;
use crate::ports::{Object, World};
use crate::resources::{ModelVersionSpec, OmniInstanceSpec};

/// What came of validating one version.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedVersion {
    /// The instance, as `name`, or `namespace/name` where it is not in `default`.
    pub instance: String,
    /// The object that declares the version, likewise.
    pub name: String,
    /// The version.
    pub version: i32,
    /// What was looked at and found.
    pub validated: Validated,
}

impl ValidatedVersion {
    /// What keeps the version from tenants who do not have it already.
    pub fn blocking(&self) -> impl Iterator<Item = &Found> {
        self.validated.findings.iter().filter(|it| it.blocks)
    }
}

/// The object that declares this version of an instance.
///
/// # Errors
/// No object does; says which versions are declared.
pub fn version(
    catalog: &Catalog,
    instance: &Object<OmniInstanceSpec>,
    number: i32,
) -> Result<Arc<Object<ModelVersionSpec>>, String> {
    let of_instance = |it: &&Arc<Object<ModelVersionSpec>>| {
        it.namespace == instance.namespace && it.spec.instance_ref.name == instance.name
    };
    let mut declared: Vec<_> = catalog.versions().filter(of_instance).collect();
    declared.sort_by_key(|it| (it.spec.version, it.first_seen, it.name.clone()));
    if let Some(found) = declared.iter().find(|it| it.spec.version == number) {
        return Ok(Arc::clone(found));
    }
    let numbers: Vec<String> = declared.iter().map(|it| it.spec.version.to_string()).collect();
    Err(format!(
        "the files declare no version {number} of OmniInstance {}, but {}; name one of these, or give its file with -f",
        shown(&id_of(instance)),
        if numbers.is_empty() {
            "none".to_owned()
        } else {
            numbers.join(", ")
        }
    ))
}

/// Validates a version. `tell` is told of every step before it is taken. `world` must only look, and may take places in
/// the request budget.
///
/// # Errors
/// What keeps it from being validated.
pub async fn validate(
    world: &World,
    instance: &Object<OmniInstanceSpec>,
    version: &Object<ModelVersionSpec>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<ValidatedVersion, Unanswered> {
    tell("looking which organisation it is");
    omni_instance::recognized(world, instance).await?;
    let validated = model_version::validate(world, version, tell).await?;
    Ok(ValidatedVersion {
        instance: shown(&id_of(instance)),
        name: shown(&id_of(version)),
        version: version.spec.version,
        validated,
    })
}
