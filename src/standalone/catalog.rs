//! The objects of a folder, typed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config_maps;
use super::manifests::{Manifest, Place, Reading, Refusal};
use super::secrets;
use crate::environment::EnvironmentKey;
use crate::ports::{ConfigMapRecord, Object, SecretRecord};
use crate::resources::{
    ANNOTATION_PREFIX, GROUP, ModelVersion, ModelVersionSpec, OmniInstance, OmniInstanceSpec, TenantPin, TenantPinSpec,
    VersionRollout, VersionRolloutSpec, WaveApproval, WaveApprovalSpec, schema,
};

/// The only version of the group that there is.
const API_VERSION: &str = "wavepin.dev/v1alpha1";

/// Namespace and name.
pub type Id = (String, String);

/// The id of an object.
#[must_use]
pub fn id_of<S>(object: &Object<S>) -> Id {
    (object.namespace.clone(), object.name.clone())
}

/// One declared object, or why it is none.
#[derive(Debug, Clone)]
pub(super) enum Entry<S> {
    Found(Arc<Object<S>>),
    Unreadable(String),
}

pub(super) type Entries<S> = BTreeMap<Id, Entry<S>>;

/// Everything that a set of files declares.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    instances: Entries<OmniInstanceSpec>,
    versions: Entries<ModelVersionSpec>,
    pins: Entries<TenantPinSpec>,
    rollouts: Entries<VersionRolloutSpec>,
    approvals: Entries<WaveApprovalSpec>,
    secrets: BTreeMap<Id, SecretRecord>,
    config_maps: BTreeMap<Id, ConfigMapRecord>,
    refusals: Vec<Refusal>,
    skipped: Vec<String>,
    prune: bool,
}

/// How a catalog is made from files.
#[derive(Debug, Clone, Copy)]
pub struct CatalogOptions {
    /// Objects that are no longer in the files count as deleted.
    pub prune: bool,
    /// Now: since when objects are known that the catalog before did not have.
    pub now: Timestamp,
}

impl Catalog {
    /// Sorts manifests by kind and checks each against its schema. What `before` knew keeps its first-seen time;
    /// among new objects, those that stand earlier in the files count as older.
    #[must_use]
    pub fn new(reading: Reading, before: &Self, options: CatalogOptions) -> Self {
        let mut catalog = Self {
            refusals: reading.refusals,
            prune: options.prune,
            ..Self::default()
        };
        let mut places: BTreeMap<(String, Id), Place> = BTreeMap::new();
        let schemas = Schemas::default();
        let named = config_maps::named(&reading.manifests);
        for (order, manifest) in (0u64..).zip(reading.manifests) {
            let kind = Kind::of(&manifest).filter(|kind| !kind.is_by_name() || named.contains(&manifest.id()));
            let Some(kind) = kind else {
                catalog.skip(&manifest);
                continue;
            };
            let twin = places.insert((manifest.kind.clone(), manifest.id()), manifest.place.clone());
            let first_seen = options.now + Duration::from_micros(order);
            let refused = match twin {
                // Which of the two is meant cannot be known, so neither is.
                Some(twin) => Err(format!("is declared twice, also in {twin}; take one of them out")),
                None => Ok(()),
            };
            let refused = catalog.take(kind, &manifest, refused, (before, &schemas, first_seen));
            if let Err(why) = refused {
                let object = Some(format!("{}/{}", manifest.kind, manifest.name));
                catalog.refusals.push(Refusal {
                    place: manifest.place,
                    object,
                    why,
                });
            }
        }
        catalog
    }

    /// Keeps one manifest, or tells why not: for what is known so far, or for what its schema says.
    fn take(
        &mut self,
        kind: Kind,
        manifest: &Manifest,
        so_far: Result<(), String>,
        (before, schemas, first_seen): (&Self, &Schemas, Timestamp),
    ) -> Result<(), String> {
        match kind {
            Kind::OmniInstance => {
                let (all, known) = (&mut self.instances, &before.instances);
                put(all, known, &schemas.instance, manifest, so_far, first_seen)
            }
            Kind::ModelVersion => {
                let (all, known) = (&mut self.versions, &before.versions);
                put(all, known, &schemas.version, manifest, so_far, first_seen)
            }
            Kind::TenantPin => {
                let (all, known) = (&mut self.pins, &before.pins);
                put(all, known, &schemas.pin, manifest, so_far, first_seen)
            }
            Kind::VersionRollout => {
                let (all, known) = (&mut self.rollouts, &before.rollouts);
                put(all, known, &schemas.rollout, manifest, so_far, first_seen)
            }
            Kind::WaveApproval => {
                let (all, known) = (&mut self.approvals, &before.approvals);
                put(all, known, &schemas.approval, manifest, so_far, first_seen)
            }
            Kind::Secret => so_far.and_then(|()| secrets::record(manifest)).map(|secret| {
                self.secrets.insert(manifest.id(), secret);
            }),
            Kind::ConfigMap => so_far.and_then(|()| config_maps::record(manifest)).map(|config_map| {
                self.config_maps.insert(manifest.id(), config_map);
            }),
            Kind::Unknown => Err(format!(
                "{} {} is no kind of {GROUP}; there are OmniInstance, ModelVersion, TenantPin, VersionRollout and WaveApproval, in {API_VERSION}",
                manifest.api_version, manifest.kind
            )),
        }
    }

    fn skip(&mut self, manifest: &Manifest) {
        self.skipped.push(format!(
            "{}: {}/{} of {} is not Wavepin's",
            manifest.place, manifest.kind, manifest.name, manifest.api_version
        ));
    }

    /// The documents that are not taken.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Objects of other groups, each with where it stands: not applied, and no fault.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Objects that are not here were deleted, as far as these files can tell: they are pruned, and no document was
    /// refused that may be the one that is missed.
    pub(super) fn is_whole(&self) -> bool {
        self.prune && self.refusals.is_empty()
    }

    pub(super) fn instance_entries(&self) -> &Entries<OmniInstanceSpec> {
        &self.instances
    }

    pub(super) fn version_entries(&self) -> &Entries<ModelVersionSpec> {
        &self.versions
    }

    pub(super) fn rollout_entries(&self) -> &Entries<VersionRolloutSpec> {
        &self.rollouts
    }

    pub(super) fn pin_entries(&self) -> &Entries<TenantPinSpec> {
        &self.pins
    }

    /// Whether every Secret here is there too, the same, and no other.
    #[must_use]
    pub fn has_the_secrets_of(&self, other: &Self) -> bool {
        let values = |secret: &SecretRecord| -> Vec<(String, String)> {
            let values = secret.values.iter();
            values
                .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()))
                .collect()
        };
        let same = |id: &Id, one: &SecretRecord| {
            let other = other.secrets.get(id);
            other.is_some_and(|other| one.hosts == other.hosts && values(one) == values(other))
        };
        self.secrets.len() == other.secrets.len() && self.secrets.iter().all(|(id, one)| same(id, one))
    }

    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<&SecretRecord> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned()))
    }

    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMapRecord> {
        self.config_maps.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The instances, sorted.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Object<OmniInstanceSpec>>> {
        found(&self.instances)
    }

    /// The versions, sorted by namespace and name.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Object<ModelVersionSpec>>> {
        found(&self.versions)
    }

    /// The pins, sorted by namespace and name.
    pub fn pins(&self) -> impl Iterator<Item = &Arc<Object<TenantPinSpec>>> {
        found(&self.pins)
    }

    /// The rollouts, sorted by namespace and name.
    pub fn rollouts(&self) -> impl Iterator<Item = &Arc<Object<VersionRolloutSpec>>> {
        found(&self.rollouts)
    }

    /// The approvals, sorted by namespace and name.
    pub fn approvals(&self) -> impl Iterator<Item = &Arc<Object<WaveApprovalSpec>>> {
        found(&self.approvals)
    }

    /// The rollout that an approval is for, if it is declared.
    pub(super) fn rollout_of(&self, approval: &Object<WaveApprovalSpec>) -> Option<&Arc<Object<VersionRolloutSpec>>> {
        let id = (approval.namespace.clone(), approval.spec.rollout_ref.name.clone());
        match self.rollouts.get(&id) {
            Some(Entry::Found(rollout)) => Some(rollout),
            Some(Entry::Unreadable(_)) | None => None,
        }
    }

    /// The environments that pins or rollouts are declared for.
    pub(super) fn environments(&self) -> BTreeSet<EnvironmentKey> {
        let pins = self.pins().map(|pin| environment_of_pin(pin));
        pins.chain(self.rollouts().map(|rollout| environment_of_rollout(rollout)))
            .collect()
    }
}

/// The environment of a pin.
pub(super) fn environment_of_pin(pin: &Object<TenantPinSpec>) -> EnvironmentKey {
    EnvironmentKey {
        namespace: pin.namespace.clone(),
        instance: pin.spec.instance_ref.name.clone(),
        environment: pin.spec.environment.clone(),
    }
}

/// The environment of a rollout.
pub(super) fn environment_of_rollout(rollout: &Object<VersionRolloutSpec>) -> EnvironmentKey {
    EnvironmentKey {
        namespace: rollout.namespace.clone(),
        instance: rollout.spec.instance_ref.name.clone(),
        environment: rollout.spec.environment.clone(),
    }
}

fn found<S>(entries: &Entries<S>) -> impl Iterator<Item = &Arc<Object<S>>> {
    entries.values().filter_map(|entry| match entry {
        Entry::Found(object) => Some(object),
        Entry::Unreadable(_) => None,
    })
}

/// The kinds that a folder is read for.
enum Kind {
    OmniInstance,
    ModelVersion,
    TenantPin,
    VersionRollout,
    WaveApproval,
    Secret,
    ConfigMap,
    /// Of our group, but no kind or version that there is.
    Unknown,
}

impl Kind {
    /// Only those are read that a version names.
    const fn is_by_name(&self) -> bool {
        matches!(self, Self::ConfigMap)
    }

    /// `None` for objects of other groups.
    fn of(manifest: &Manifest) -> Option<Self> {
        match (manifest.api_version.as_str(), manifest.kind.as_str()) {
            (API_VERSION, "OmniInstance") => Some(Self::OmniInstance),
            (API_VERSION, "ModelVersion") => Some(Self::ModelVersion),
            (API_VERSION, "TenantPin") => Some(Self::TenantPin),
            (API_VERSION, "VersionRollout") => Some(Self::VersionRollout),
            (API_VERSION, "WaveApproval") => Some(Self::WaveApproval),
            ("v1", "Secret") => Some(Self::Secret),
            ("v1", "ConfigMap") => Some(Self::ConfigMap),
            (other, _) if other.split('/').next() == Some(GROUP) => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// The schemas of the specs, made once a catalog.
struct Schemas {
    instance: Value,
    version: Value,
    pin: Value,
    rollout: Value,
    approval: Value,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            instance: schema::of_spec::<OmniInstance>(),
            version: schema::of_spec::<ModelVersion>(),
            pin: schema::of_spec::<TenantPin>(),
            rollout: schema::of_spec::<VersionRollout>(),
            approval: schema::of_spec::<WaveApproval>(),
        }
    }
}

/// Keeps the object under its id, or that it is unreadable, and why.
fn put<S: DeserializeOwned + Serialize>(
    entries: &mut Entries<S>,
    before: &Entries<S>,
    schema: &Value,
    manifest: &Manifest,
    so_far: Result<(), String>,
    first_seen: Timestamp,
) -> Result<(), String> {
    let id = manifest.id();
    let first_seen = match before.get(&id) {
        Some(Entry::Found(known)) => known.first_seen,
        _ => first_seen,
    };
    let read = so_far.and_then(|()| object(manifest, schema, first_seen));
    let (entry, result) = match read {
        Ok(object) => (Entry::Found(Arc::new(object)), Ok(())),
        Err(why) => (Entry::Unreadable(why.clone()), Err(why)),
    };
    entries.insert(id, entry);
    result
}

fn object<S: DeserializeOwned + Serialize>(
    manifest: &Manifest,
    schema: &Value,
    first_seen: Timestamp,
) -> Result<Object<S>, String> {
    let mut faults = Vec::new();
    for field in manifest.body.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&field.as_str()) {
            faults.push(format!("{field} is no field; there are metadata and spec"));
        }
    }
    match manifest.body.get("spec") {
        Some(spec) => faults.extend(schema::check(schema, spec, "spec")),
        None => faults.push("spec is missing".to_owned()),
    }
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    let spec: S = serde_json::from_value(manifest.body["spec"].clone()).map_err(|error| format!("spec: {error}"))?;
    Ok(Object {
        namespace: manifest.namespace.clone(),
        name: manifest.name.clone(),
        labels: manifest.labels.clone(),
        requests: requests(&manifest.annotations),
        spec_hash: spec_hash(&spec),
        spec,
        first_seen,
        deleting: false,
    })
}

fn requests(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    annotations
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(ANNOTATION_PREFIX)?.to_owned(), value.clone())))
        .collect()
}

/// The first 16 hexadecimal digits of the SHA-256 of the spec as JSON with sorted keys, defaults filled in.
fn spec_hash<S: Serialize>(spec: &S) -> String {
    let canonical = serde_json::to_value(spec).expect("specs are plain data").to_string();
    let digest = Sha256::digest(canonical.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    pub(in crate::standalone) const INSTANCE: &str = "apiVersion: wavepin.dev/v1alpha1
kind: OmniInstance
metadata: {name: clinical}
spec: {baseUrl: 'http://127.0.0.1:4000', apiKeySecretRef: {name: omni, key: apiKey}}
";
    pub(in crate::standalone) const PIN: &str = "apiVersion: wavepin.dev/v1alpha1
kind: TenantPin
metadata: {name: acme, annotations: {wavepin.dev/restore-row: '2->1', other: x}}
spec: {instanceRef: {name: clinical}, tenant: acme-corp, environment: production, version: 1}
";

    pub(in crate::standalone) fn catalog(texts: &[&str], before: &Catalog, prune: bool) -> Catalog {
        let mut reading = Reading::default();
        for (number, text) in texts.iter().enumerate() {
            reading.add(Path::new(&format!("{number}.yaml")), text);
        }
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Catalog::new(reading, before, CatalogOptions { prune, now })
    }

    #[test]
    fn the_spec_hash_tells_specs_apart_and_nothing_else() {
        let hash = |text: &str| {
            catalog(&[text], &Catalog::default(), false)
                .pins()
                .next()
                .unwrap()
                .spec_hash
                .clone()
        };
        let reordered = PIN.replace(
            "tenant: acme-corp, environment: production",
            "environment: production, tenant: acme-corp",
        );
        let spelled_out = PIN.replace("version: 1}", "version: 1, deletionPolicy: Retain}");
        assert_eq!(hash(PIN), hash(&reordered));
        assert_eq!(
            hash(PIN),
            hash(&spelled_out),
            "a default that is written out is no change"
        );
        assert_ne!(hash(PIN), hash(&PIN.replace("version: 1}", "version: 2}")));
    }

    #[test]
    fn an_object_that_is_declared_twice_is_refused_and_so_is_its_twin() {
        let catalog = catalog(
            &[PIN, &PIN.replace("version: 1}", "version: 2}"), INSTANCE],
            &Catalog::default(),
            false,
        );
        assert_eq!(catalog.refusals().len(), 1);
        assert!(catalog.refusals()[0].to_string().contains("also in 0.yaml, document 1"));
        assert_eq!(catalog.pins().count(), 0);
        assert_eq!(catalog.instances().count(), 1, "the rest goes on");
    }

    #[test]
    fn a_kind_of_ours_that_does_not_exist_is_refused_and_others_are_passed_by() {
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
        let wrong = "apiVersion: wavepin.dev/v1\nkind: TenantPin\nmetadata: {name: acme}\n";
        let catalog = catalog(&[deployment, wrong], &Catalog::default(), false);
        assert!(
            catalog.skipped()[0].contains("Deployment/web"),
            "{:?}",
            catalog.skipped()
        );
        assert!(
            catalog.refusals()[0].why.contains("wavepin.dev/v1alpha1"),
            "{:?}",
            catalog.refusals()
        );
    }

    #[test]
    fn what_was_known_stays_older_than_what_came_later() {
        let first = catalog(&[PIN], &Catalog::default(), false);
        let newcomer = PIN.replace("name: acme,", "name: aaa,");
        let second = catalog(&[&newcomer, PIN], &first, false);
        let seen: BTreeMap<_, _> = second.pins().map(|pin| (pin.name.clone(), pin.first_seen)).collect();
        assert_eq!(seen["acme"], first.pins().next().unwrap().first_seen);
        let alone = catalog(&[&newcomer, PIN], &Catalog::default(), false);
        let seen: BTreeMap<_, _> = alone.pins().map(|pin| (pin.name.clone(), pin.first_seen)).collect();
        assert!(seen["aaa"] < seen["acme"], "the order of files decides among new ones");
    }
}
