//! What is declared in a cluster, read as a folder of files would be: listed once, with the rights of who asks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::super::Exit;
use crate::resources::{ModelVersion, OmniInstance, TenantPin, VersionRollout};
use crate::standalone::{Catalog, CatalogOptions, Manifest, Place, Reading};

/// How many objects an answer has at most.
const PAGE: u32 = 500;

/// A way to the cluster that the kubeconfig names.
pub(super) async fn client() -> Result<Client, Exit> {
    // A second installation is refused and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::try_default().await.map_err(|error| {
        eprintln!(
            "wavepin: no way to a cluster: {error}; name a kubeconfig in KUBECONFIG, or manifests with -f in place of a \
             cluster"
        );
        Exit::Failed
    })
}

/// Everything of ours in a namespace. `overridden`: the mapping's URL was given, so that no instance's Secret is asked.
pub(super) async fn catalog(
    client: &Client,
    namespace: Option<&str>,
    overridden: bool,
    before: &Catalog,
) -> Result<Catalog, Exit> {
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let mut objects = Vec::new();
    for resource in [
        ApiResource::erase::<OmniInstance>(&()),
        ApiResource::erase::<ModelVersion>(&()),
        ApiResource::erase::<TenantPin>(&()),
        ApiResource::erase::<VersionRollout>(&()),
    ] {
        let listed = list(client, namespace, &resource).await.map_err(|error| {
            eprintln!(
                "wavepin: {} in namespace {namespace} cannot be listed: {error}; grant yourself `list` on them, or name \
                 manifests with -f",
                resource.plural
            );
            Exit::Failed
        })?;
        objects.extend(listed.into_iter().map(|object| (resource.clone(), object)));
    }
    // The older first, as their creation says.
    objects.sort_by_key(|(_, object)| {
        let created = object.meta().creation_timestamp.as_ref().map(|time| time.0);
        (created, object.meta().name.clone())
    });
    let manifests = (1..).zip(objects);
    let manifests = manifests.map(|(number, (resource, object))| manifest(number, &resource, object, overridden));
    let reading = Reading {
        manifests: manifests.collect(),
        refusals: Vec::new(),
    };
    // The list is whole: what it lacks is not there.
    let options = CatalogOptions {
        prune: true,
        now: Timestamp::now(),
    };
    let catalog = Catalog::new(reading, before, options);
    for refusal in catalog.refusals() {
        eprintln!("refused  {refusal}");
    }
    Ok(catalog)
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

fn manifest(number: usize, resource: &ApiResource, object: DynamicObject, overridden: bool) -> Manifest {
    let DynamicObject { metadata, data, .. } = object;
    let mut spec = data.get("spec").cloned().unwrap_or(Value::Null);
    if overridden && let Some(mapping) = spec.get_mut("mapping").and_then(Value::as_object_mut) {
        mapping.remove("urlSecretRef");
    }
    let own = |of: Option<BTreeMap<String, String>>| of.unwrap_or_default();
    Manifest {
        place: Place {
            file: PathBuf::from("the cluster"),
            document: number,
        },
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        namespace: metadata.namespace.unwrap_or_default(),
        name: metadata.name.unwrap_or_default(),
        labels: own(metadata.labels),
        annotations: own(metadata.annotations),
        body: json!({"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}),
    }
}
