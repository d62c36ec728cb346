//! The objects of a namespace, listed once: for commands of people, with their own rights. Nothing is watched.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout, WaveApproval};

/// How many objects an answer has at most.
const PAGE: u32 = 500;

/// One object of ours, as the API server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `spec`, as it stands there.
    pub spec: Value,
    /// `status`; null where nobody has written one.
    pub status: Value,
    /// When it was created.
    created: Option<Time>,
}

/// Every object of our kinds in a namespace, the older first.
///
/// # Errors
/// A kind cannot be listed: which, why, and what a person can do.
pub async fn list_objects(client: &Client, namespace: &str) -> Result<Vec<Listed>, String> {
    let mut objects = Vec::new();
    for resource in [
        ApiResource::erase::<OmniInstance>(&()),
        ApiResource::erase::<ModelVersion>(&()),
        ApiResource::erase::<TenantPin>(&()),
        ApiResource::erase::<VersionRollout>(&()),
        ApiResource::erase::<WaveApproval>(&()),
    ] {
        let listed = list(client, namespace, &resource).await.map_err(|error| {
            format!(
                "{} in namespace {namespace} cannot be listed: {error}; have the verb `list` on them granted to you",
                resource.plural
            )
        })?;
        objects.extend(listed.into_iter().map(|object| taken(&resource, object)));
    }
    objects.sort_by(|one, other| {
        let age = |of: &Listed| (of.created.clone(), of.name.clone());
        age(one).cmp(&age(other))
    });
    Ok(objects)
}

async fn list(client: &Client, namespace: &str, resource: &ApiResource) -> Result<Vec<DynamicObject>, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let mut params = ListParams::default().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = api.list(&params).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

fn taken(resource: &ApiResource, object: DynamicObject) -> Listed {
    let DynamicObject { metadata, mut data, .. } = object;
    Listed {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
        spec: data.get_mut("spec").map(Value::take).unwrap_or_default(),
        status: data.get_mut("status").map(Value::take).unwrap_or_default(),
        created: metadata.creation_timestamp,
    }
}
