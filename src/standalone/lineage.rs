//! What depends on what among the objects of a catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::{Catalog, environment_of_pin, environment_of_rollout, id_of};
use super::statuses::Key;
use crate::ports::Object;
use crate::resources::ModelVersionSpec;

/// What of each object makes its work due when it changes.
pub(super) fn fingerprints(catalog: &Catalog) -> BTreeMap<Key, BTreeMap<String, String>> {
    fn print<S>(object: &Object<S>) -> String {
        format!("{} {:?} {:?}", object.spec_hash, object.labels, object.requests)
    }
    let mut all: BTreeMap<Key, BTreeMap<String, String>> = BTreeMap::new();
    let mut add = |key, name: &str, print| {
        all.entry(key).or_default().insert(name.to_owned(), print);
    };
    for object in catalog.instances() {
        add(Key::Instance(id_of(object)), &object.name, print(object));
    }
    for object in catalog.versions() {
        add(Key::Version(id_of(object)), &object.name, print(object));
    }
    for object in catalog.pins() {
        let key = Key::Environment(environment_of_pin(object));
        add(key, &object.name, print(object));
    }
    for object in catalog.rollouts() {
        let key = Key::Environment(environment_of_rollout(object));
        // No object's name has a slash: a pin may have the same name.
        add(key, &format!("rollout/{}", object.name), print(object));
    }
    for object in catalog.approvals() {
        // One without a rollout is no work: it is only told so.
        if let Some(rollout) = catalog.rollout_of(object) {
            let key = Key::Environment(environment_of_rollout(rollout));
            add(key, &format!("approval/{}", object.name), print(object));
        }
    }
    all
}

/// The version that this one is cut from, if it is declared.
fn source<'all>(
    catalog: &'all Catalog,
    version: &Object<ModelVersionSpec>,
) -> Option<&'all Arc<Object<ModelVersionSpec>>> {
    let number = version.spec.source.from_version?;
    catalog.versions().find(|other| {
        other.namespace == version.namespace
            && other.spec.instance_ref == version.spec.instance_ref
            && other.spec.version == number
    })
}

/// How many declared versions lie between this one and the first of its line; a circle ends it.
pub(super) fn depth(catalog: &Catalog, version: &Object<ModelVersionSpec>) -> usize {
    let mut seen = BTreeSet::from([version.name.clone()]);
    let mut above = source(catalog, version);
    while let Some(version) = above {
        if !seen.insert(version.name.clone()) {
            break;
        }
        above = source(catalog, version);
    }
    seen.len() - 1
}

/// Whether the source of a version is due, so that this one may become due in the same round.
pub(super) fn depends_on_work(catalog: &Catalog, version: &Object<ModelVersionSpec>, due: &BTreeSet<Key>) -> bool {
    source(catalog, version).is_some_and(|source| due.contains(&Key::Version(id_of(source))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standalone::{CatalogOptions, example};

    /// The example with versions cut from these: `(name, version, from)`.
    fn catalog(cuts: &[(&str, i32, i32)]) -> Catalog {
        let mut reading = example::clinical();
        let cut = reading
            .manifests
            .iter()
            .position(|manifest| manifest.name == "clinical-v2");
        let cut = reading.manifests.remove(cut.unwrap());
        for (name, version, from) in cuts {
            let mut next = cut.clone();
            next.name = (*name).to_owned();
            next.body["spec"]["version"] = (*version).into();
            next.body["spec"]["source"]["fromVersion"] = (*from).into();
            reading.manifests.push(next);
        }
        let now = jiff::Timestamp::UNIX_EPOCH;
        Catalog::new(reading, &Catalog::default(), CatalogOptions { prune: false, now })
    }

    #[test]
    fn sources_come_before_what_is_cut_from_them_and_a_circle_has_an_end() {
        let depths = |cuts: &[(&str, i32, i32)]| -> Vec<usize> {
            let catalog = catalog(cuts);
            catalog.versions().map(|version| depth(&catalog, version)).collect()
        };
        // By name: the hotfix 4 is cut from 2, whatever its number says.
        assert_eq!(
            depths(&[("a-hotfix", 4, 2), ("two", 2, 1), ("three", 3, 2)]),
            [2, 0, 2, 1]
        );
        assert_eq!(depths(&[("five", 5, 6), ("six", 6, 5), ("orphan", 8, 7)]), [0, 1, 0, 1]);
    }

    #[test]
    fn only_work_whose_objects_changed_has_another_fingerprint() {
        let before = fingerprints(&catalog(&[("two", 2, 1), ("three", 3, 1)]));
        let after = fingerprints(&catalog(&[("two", 2, 1), ("three", 3, 2)]));
        assert_eq!(before.len(), 6, "an instance, three versions, two environments");
        let moved: Vec<_> = before
            .iter()
            .filter(|(key, prints)| after.get(key) != Some(prints))
            .collect();
        assert!(
            matches!(moved[..], [(Key::Version((_, name)), _)] if name == "three"),
            "{moved:?}"
        );
    }
}
