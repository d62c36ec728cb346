//! Everything that objects were, from their first instant to their end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::parts::ApiServer;

/// One state of one object, in the order in which the API server told them.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) object: Arc<Value>,
    /// It is the last, and the object is gone.
    pub(super) gone: bool,
}

impl Moment {
    /// Whether it is of this object.
    pub(super) fn is_of(&self, kind: &str, name: &str) -> bool {
        self.object["kind"] == kind && self.object["metadata"]["name"] == name
    }
}

/// Watches the objects of a namespace for as long as it lives.
#[derive(Debug)]
pub(super) struct Record {
    moments: Arc<Mutex<Vec<Moment>>>,
    watches: Vec<JoinHandle<()>>,
}

impl Record {
    /// Of objects of Wavepin in one namespace, and of the Applications in another.
    pub(super) fn new(api_server: &ApiServer, namespace: &str, applications: &str) -> Self {
        let moments = Arc::<Mutex<Vec<Moment>>>::default();
        let kinds = [
            ("wavepin.dev", "OmniInstance", "omniinstances", namespace),
            ("wavepin.dev", "ModelVersion", "modelversions", namespace),
            ("wavepin.dev", "TenantPin", "tenantpins", namespace),
            ("wavepin.dev", "VersionRollout", "versionrollouts", namespace),
            ("wavepin.dev", "WaveApproval", "waveapprovals", namespace),
            ("argoproj.io", "Application", "applications", applications),
        ];
        let watches = kinds.map(|(group, kind, plural, namespace)| {
            let kind = GroupVersionKind::gvk(group, "v1alpha1", kind);
            let resource = ApiResource::from_gvk_with_plural(&kind, plural);
            let api = Api::namespaced_with(api_server.client(), namespace, &resource);
            tokio::spawn(watch(api, Arc::clone(&moments)))
        });
        Self {
            moments,
            watches: watches.into(),
        }
    }

    /// All of it so far.
    pub(super) fn all(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last state of one object.
    pub(super) fn last(&self, kind: &str, name: &str) -> Option<Arc<Value>> {
        let moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let last = moments.iter().rev().find(|it| it.is_of(kind, name))?;
        Some(Arc::clone(&last.object))
    }

    /// How much there is so far.
    pub(super) fn len(&self) -> usize {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

/// Adds every change to the record. The API server ends a watch after minutes; the next goes on where it ended.
async fn watch(api: Api<DynamicObject>, moments: Arc<Mutex<Vec<Moment>>>) {
    let mut version = "0".to_owned();
    loop {
        let Ok(changes) = api.watch(&WatchParams::default(), &version).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut changes = changes.boxed();
        while let Some(Ok(change)) = changes.next().await {
            let (object, gone) = match change {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                WatchEvent::Deleted(object) => (object, true),
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
            };
            version = object.metadata.resource_version.clone().unwrap_or(version);
            let object = Arc::new(serde_json::to_value(object).expect("it came as JSON"));
            let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            moments.push(Moment { object, gone });
        }
    }
}
