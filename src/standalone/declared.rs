//! What is declared, as the reconcilers ask for it in place of a cluster.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::catalog::{Catalog, Entries, Entry};
use crate::ports::{
    Absence, ConfigMapError, ConfigMapRecord, ConfigMaps, Lookup, Object, Objects, SecretError, SecretRecord, Secrets,
};
use crate::resources::{ModelVersionSpec, OmniInstanceSpec, TenantPinSpec, VersionRolloutSpec, WaveApprovalSpec};

/// What is declared now: a catalog that can be exchanged for a newer one while passes go on.
#[derive(Debug, Default)]
pub struct Declared {
    catalog: RwLock<Arc<Catalog>>,
}

impl Declared {
    /// Holds this catalog.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog: RwLock::new(Arc::new(catalog)),
        }
    }

    /// The catalog of now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a newer catalog.
    pub fn replace(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    /// Whether what these files lack was deleted. Only with pruning, only where they declare an instance, and never
    /// while a document was refused: it may be the one that is missed.
    pub(super) fn absence_is_deletion(&self, namespace: &str) -> bool {
        let catalog = self.catalog();
        let namespaces: BTreeSet<&str> = catalog
            .instances()
            .map(|instance| instance.namespace.as_str())
            .collect();
        catalog.is_whole() && namespaces.contains(namespace)
    }
}

fn look_up<S>(entries: &Entries<S>, namespace: &str, name: &str) -> Lookup<S> {
    match entries.get(&(namespace.to_owned(), name.to_owned())) {
        None => Lookup::Absent,
        Some(Entry::Unreadable(why)) => Lookup::Unreadable(why.clone()),
        Some(Entry::Found(object)) => Lookup::Found(Arc::clone(object)),
    }
}

impl Objects for Declared {
    fn instance(&self, namespace: &str, name: &str) -> Lookup<OmniInstanceSpec> {
        look_up(self.catalog().instance_entries(), namespace, name)
    }

    fn version(&self, namespace: &str, name: &str) -> Lookup<ModelVersionSpec> {
        look_up(self.catalog().version_entries(), namespace, name)
    }

    fn versions(&self, namespace: &str, instance: &str) -> Vec<Arc<Object<ModelVersionSpec>>> {
        self.catalog()
            .versions()
            .filter(|version| version.namespace == namespace && version.spec.instance_ref.name == instance)
            .cloned()
            .collect()
    }

    fn pin(&self, namespace: &str, name: &str) -> Lookup<TenantPinSpec> {
        look_up(self.catalog().pin_entries(), namespace, name)
    }

    fn pins(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<TenantPinSpec>>> {
        self.catalog()
            .pins()
            .filter(|pin| {
                pin.namespace == namespace
                    && pin.spec.instance_ref.name == instance
                    && pin.spec.environment == environment
            })
            .cloned()
            .collect()
    }

    fn environments(&self, namespace: &str, instance: &str) -> BTreeSet<String> {
        let environments = self.catalog().environments().into_iter();
        environments
            .filter(|key| key.namespace == namespace && key.instance == instance)
            .map(|key| key.environment)
            .collect()
    }

    fn rollouts(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<VersionRolloutSpec>>> {
        self.catalog()
            .rollouts()
            .filter(|rollout| {
                rollout.namespace == namespace
                    && rollout.spec.instance_ref.name == instance
                    && rollout.spec.environment == environment
            })
            .cloned()
            .collect()
    }

    fn pinned(&self, namespace: &str, instance: &str) -> BTreeSet<i32> {
        let catalog = self.catalog();
        let pins = catalog
            .pins()
            .filter(|it| it.namespace == namespace && it.spec.instance_ref.name == instance);
        let rollouts = catalog.rollouts();
        let rollouts = rollouts.filter(|it| it.namespace == namespace && it.spec.instance_ref.name == instance);
        pins.filter_map(|pin| pin.spec.version)
            .chain(rollouts.map(|rollout| rollout.spec.version))
            .collect()
    }

    fn rollout(&self, namespace: &str, name: &str) -> Lookup<VersionRolloutSpec> {
        look_up(self.catalog().rollout_entries(), namespace, name)
    }

    fn approvals(&self, namespace: &str, rollout: &str) -> Vec<Arc<Object<WaveApprovalSpec>>> {
        self.catalog()
            .approvals()
            .filter(|it| it.namespace == namespace && it.spec.rollout_ref.name == rollout)
            .cloned()
            .collect()
    }

    fn absence(&self, namespace: &str, _: &str) -> Absence {
        if self.absence_is_deletion(namespace) {
            Absence::Deleted
        } else {
            Absence::Unknown
        }
    }
}

#[async_trait]
impl Secrets for Declared {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretRecord>, SecretError> {
        Ok(self.catalog().secret(namespace, name).cloned())
    }
}

#[async_trait]
impl ConfigMaps for Declared {
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMapRecord>, ConfigMapError> {
        Ok(self.catalog().config_map(namespace, name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::standalone::catalog::tests::{INSTANCE, PIN, catalog};

    #[test]
    fn objects_are_found_by_name_and_by_what_they_refer_to() {
        let declared = Declared::new(catalog(&[INSTANCE, PIN], &Catalog::default(), false));
        let pins = declared.pins("default", "clinical", "production");
        assert_eq!(pins.len(), 1);
        assert_eq!(
            pins[0].requests,
            BTreeMap::from([("restore-row".to_owned(), "2->1".to_owned())])
        );
        assert!(declared.pins("default", "clinical", "staging").is_empty());
        assert!(matches!(declared.instance("default", "clinical"), Lookup::Found(_)));
        assert!(matches!(declared.instance("other", "clinical"), Lookup::Absent));
    }

    #[test]
    fn absence_is_deletion_only_when_pruning_a_folder_that_was_read_whole() {
        let whole = |prune| Declared::new(catalog(&[INSTANCE], &Catalog::default(), prune));
        assert!(!whole(false).absence_is_deletion("default"));
        assert!(whole(true).absence_is_deletion("default"));
        assert!(!whole(true).absence_is_deletion("elsewhere"));
        let broken = Declared::new(catalog(&[INSTANCE, "a: [b"], &Catalog::default(), true));
        assert!(
            !broken.absence_is_deletion("default"),
            "the broken file may hold the missing pin"
        );
    }

    #[tokio::test]
    async fn secrets_are_found_by_name() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: omni}\nstringData: {apiKey: k}\n";
        let declared = Declared::new(catalog(&[secret], &Catalog::default(), false));
        assert!(declared.secret("default", "omni").await.unwrap().is_some());
        assert!(declared.secret("default", "other").await.unwrap().is_none());
    }
}
