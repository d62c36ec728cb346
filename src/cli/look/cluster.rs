//! What is declared in a cluster, read as a folder of files would be: listed once, with the rights of who asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use kube::{Client, Resource as _};
use serde_json::{Value, json};

use super::super::Exit;
use crate::cluster::{Listed, list_objects};
use crate::ports::{Approvers, Object, Voucher};
use crate::resources::conditions::READY;
use crate::resources::{WaveApproval, WaveApprovalSpec, WaveApprovalStatus};
use crate::standalone::{Catalog, CatalogOptions, Manifest, Place, Reading};

/// What the controller has found of approvals, as their statuses tell: it alone knows which admission policy is meant, and may
/// read it.
#[derive(Debug, Default)]
pub(super) struct Statuses(Mutex<BTreeMap<String, WaveApprovalStatus>>);

#[async_trait]
impl Approvers for Statuses {
    async fn voucher(&self, approval: &Object<WaveApprovalSpec>) -> Voucher {
        let statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = statuses.get(&approval.key());
        let said = || {
            let ready = status?.conditions.iter().find(|it| it.type_ == READY)?;
            Some(ready.message.clone())
        };
        match status.and_then(|status| status.verified) {
            Some(true) => Voucher::Verified,
            Some(false) => Voucher::Unverified(said().unwrap_or_else(|| "its status says so".to_owned())),
            None => Voucher::Unseen("its status does not say yet who made it".to_owned()),
        }
    }
}

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
    statuses: &Statuses,
) -> Result<Catalog, Exit> {
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let objects = list_objects(client, namespace).await.map_err(|why| {
        eprintln!("wavepin: {why}, or name manifests with -f in place of a cluster");
        Exit::Failed
    })?;
    let approvals = objects.iter().filter(|it| it.kind == WaveApproval::kind(&()));
    let of = |it: &Listed| {
        let status = serde_json::from_value(it.status.clone()).ok()?;
        Some((format!("{}/{}", it.namespace, it.name), status))
    };
    *statuses.0.lock().unwrap_or_else(PoisonError::into_inner) = approvals.filter_map(of).collect();
    let manifests = (1..).zip(objects);
    let reading = Reading {
        manifests: manifests
            .map(|(number, listed)| manifest(number, listed, overridden))
            .collect(),
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

fn manifest(number: usize, listed: Listed, overridden: bool) -> Manifest {
    let mut spec = listed.spec;
    if overridden && let Some(mapping) = spec.get_mut("mapping").and_then(Value::as_object_mut) {
        mapping.remove("urlSecretRef");
    }
    Manifest {
        place: Place {
            file: PathBuf::from("the cluster"),
            document: number,
        },
        body: json!({"apiVersion": listed.api_version, "kind": listed.kind, "spec": spec}),
        api_version: listed.api_version,
        kind: listed.kind,
        namespace: listed.namespace,
        name: listed.name,
        labels: listed.labels,
        annotations: listed.annotations,
    }
}
