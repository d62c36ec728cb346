//! What the kinds have in common, so that watches, store and status writer are written once.

use std::fmt::Debug;
use std::hash::Hash;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::environment::EnvironmentKey;
use crate::resources::{
    ModelVersion, ModelVersionSpec, ModelVersionStatus, OmniInstance, OmniInstanceSpec, OmniInstanceStatus, TenantPin,
    TenantPinSpec, TenantPinStatus, VersionRollout, VersionRolloutSpec, VersionRolloutStatus, WaveApproval,
    WaveApprovalSpec, WaveApprovalStatus,
};

/// The kinds, where one must be named as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KindName {
    /// OmniInstance.
    OmniInstance,
    /// ModelVersion.
    ModelVersion,
    /// TenantPin.
    TenantPin,
    /// VersionRollout.
    VersionRollout,
    /// WaveApproval.
    WaveApproval,
}

impl KindName {
    /// The word in `kind:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OmniInstance => "OmniInstance",
            Self::ModelVersion => "ModelVersion",
            Self::TenantPin => "TenantPin",
            Self::VersionRollout => "VersionRollout",
            Self::WaveApproval => "WaveApproval",
        }
    }
}

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectName {
    /// Both, as owned text.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The parts of a status that every kind has.
pub(super) struct StatusHead<'a> {
    pub(super) observed_generation: &'a mut Option<i64>,
    pub(super) last_handled_reconcile_at: &'a mut Option<String>,
    pub(super) conditions: &'a mut Vec<Condition>,
}

/// One of our kinds.
pub(super) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static
{
    type Spec: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    type Status: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// By what objects of the kind are looked up together.
    type Group: Clone + Debug + Ord + Hash + Send + Sync + 'static;
    const NAME: KindName;

    fn group_of(namespace: &str, spec: &Self::Spec) -> Self::Group;
    fn head(status: &mut Self::Status) -> StatusHead<'_>;
    fn conditions(status: &Self::Status) -> &[Condition];
    fn observed_generation(status: &Self::Status) -> Option<i64>;
}

macro_rules! kind {
    ($kind:ident, $spec:ident, $status:ident, $group:ty, |$namespace:ident, $by:ident| $grouped:expr) => {
        impl Kind for $kind {
            type Spec = $spec;
            type Status = $status;
            type Group = $group;
            const NAME: KindName = KindName::$kind;

            fn group_of($namespace: &str, $by: &$spec) -> $group {
                $grouped
            }

            fn head(status: &mut $status) -> StatusHead<'_> {
                StatusHead {
                    observed_generation: &mut status.observed_generation,
                    last_handled_reconcile_at: &mut status.last_handled_reconcile_at,
                    conditions: &mut status.conditions,
                }
            }

            fn conditions(status: &$status) -> &[Condition] {
                &status.conditions
            }

            fn observed_generation(status: &$status) -> Option<i64> {
                status.observed_generation
            }
        }
    };
}

kind!(
    OmniInstance,
    OmniInstanceSpec,
    OmniInstanceStatus,
    String,
    |namespace, _spec| namespace.to_owned()
);
kind!(
    ModelVersion,
    ModelVersionSpec,
    ModelVersionStatus,
    ObjectName,
    |namespace, spec| ObjectName::new(namespace, &spec.instance_ref.name)
);
kind!(
    TenantPin,
    TenantPinSpec,
    TenantPinStatus,
    EnvironmentKey,
    |namespace, spec| EnvironmentKey {
        namespace: namespace.to_owned(),
        instance: spec.instance_ref.name.clone(),
        environment: spec.environment.clone(),
    }
);
kind!(
    VersionRollout,
    VersionRolloutSpec,
    VersionRolloutStatus,
    EnvironmentKey,
    |namespace, spec| EnvironmentKey {
        namespace: namespace.to_owned(),
        instance: spec.instance_ref.name.clone(),
        environment: spec.environment.clone(),
    }
);
// Approvals are looked up by the rollout that they are for.
kind!(
    WaveApproval,
    WaveApprovalSpec,
    WaveApprovalStatus,
    ObjectName,
    |namespace, spec| ObjectName::new(namespace, &spec.rollout_ref.name)
);
