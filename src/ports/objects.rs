//! The objects that people declared, as a cluster or a folder of files holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::resources::{ModelVersionSpec, OmniInstanceSpec, TenantPinSpec, VersionRolloutSpec, WaveApprovalSpec};

/// One declared object, as far as reconcilers may know it.
///
/// Nothing here is peculiar to Kubernetes, so that a folder of files can be the source as well as a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<S> {
    /// The namespace; a folder of files has `default` where a manifest names none.
    pub namespace: String,
    /// The name, unique among objects of the kind in the namespace.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations that start with `wavepin.dev/`, without that prefix.
    pub requests: BTreeMap<String, String>,
    /// What is declared.
    pub spec: S,
    /// A hash of the spec, the same wherever the object comes from.
    pub spec_hash: String,
    /// Since when the object has been known here; decides who of two came first where the mapping does not know.
    pub first_seen: Timestamp,
    /// The object is being deleted.
    pub deleting: bool,
}

impl<S> Object<S> {
    /// `<namespace>/<name>`: how durable records name the object.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether this is its [`key`](Self::key).
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        key.strip_prefix(self.namespace.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            == Some(self.name.as_str())
    }
}

/// What is known of one name.
#[derive(Debug, Clone)]
pub enum Lookup<S> {
    /// There is no such object.
    Absent,
    /// There is one, but it does not parse; the text says why.
    Unreadable(String),
    /// There it is.
    Found(Arc<Object<S>>),
}

/// What the absence of an object means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Nothing: a namespace that is not watched, a folder that is applied without pruning.
    Unknown,
    /// It is not there since this time at least, and nobody saw it go. It may have been deleted while nobody looked,
    /// or not be back yet: a cluster that is built anew gets its objects one after the other.
    Since(Timestamp),
    /// It was deleted.
    Deleted,
}

/// Looks up what is declared. Answers from memory, complete since before the first pass.
pub trait Objects: Send + Sync {
    /// One instance.
    fn instance(&self, namespace: &str, name: &str) -> Lookup<OmniInstanceSpec>;
    /// One version, by the name of its object.
    fn version(&self, namespace: &str, name: &str) -> Lookup<ModelVersionSpec>;
    /// Every version that names this instance, sorted by name.
    fn versions(&self, namespace: &str, instance: &str) -> Vec<Arc<Object<ModelVersionSpec>>>;
    /// One pin, by the name of its object.
    fn pin(&self, namespace: &str, name: &str) -> Lookup<TenantPinSpec>;
    /// Every pin of this instance and environment, sorted by name.
    fn pins(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<TenantPinSpec>>>;
    /// The environments in which pins of this instance are declared.
    fn environments(&self, namespace: &str, instance: &str) -> BTreeSet<String>;
    /// Every rollout of this instance and environment, sorted by name.
    fn rollouts(&self, namespace: &str, instance: &str, environment: &str) -> Vec<Arc<Object<VersionRolloutSpec>>>;
    /// One rollout, by the name of its object.
    fn rollout(&self, namespace: &str, name: &str) -> Lookup<VersionRolloutSpec>;
    /// Every approval that names this rollout, sorted by name.
    fn approvals(&self, namespace: &str, rollout: &str) -> Vec<Arc<Object<WaveApprovalSpec>>>;
    /// The versions that pins and rollouts of this instance name, in whatever environment.
    fn pinned(&self, namespace: &str, instance: &str) -> BTreeSet<i32>;
    /// What it means that no pin has this name, or that the one that had it before is not there any more.
    fn absence(&self, namespace: &str, name: &str) -> Absence;
}
