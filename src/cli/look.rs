//! Where commands that only look find what is declared: in files, or in a cluster.

mod cluster;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;

use super::Exit;
use super::apply::world_of;
use super::database::DatabaseUrl;
use super::folder::Folder;
use super::question::{unanswered, wrong};
use crate::clients::{ClientOptions, ClientRegistry};
use crate::cluster::ClusterSecrets;
use crate::ports::World;
use crate::resources::conditions::Reason;
use crate::standalone::{Catalog, Declared, Unanswered, Within};

/// What is declared, and of what of it is asked.
#[derive(Debug, Args)]
pub(super) struct Sources {
    /// A manifest, or a folder of them with all below it; may be given more than once. Without it, what is declared is read
    /// from the cluster that the kubeconfig names, with your own rights there.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The namespace in the cluster; without it that of the kubeconfig's context.
    #[arg(short = 'n', long, value_name = "NAMESPACE", conflicts_with = "paths")]
    namespace: Option<String>,
    /// The mapping database. Of files, that of instances that name none: sqlite:wavepin.sqlite where it is not given. Of a
    /// cluster, that of every instance, for who may not read the Secrets with the URLs. postgres://… or sqlite:FILE.
    #[arg(
        long,
        value_name = "URL",
        env = "WAVEPIN_DATABASE_URL",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(SecretString::from(text))
    )]
    database_url: Option<SecretString>,
    /// The OmniInstance that is meant, where there is more than one: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    pub(super) instance: Option<String>,
    /// The environment that is meant; without it every one.
    #[arg(long, value_name = "NAME")]
    pub(super) environment: Option<String>,
}

/// What was found, and the world to look at it in.
pub(super) struct Looked {
    declared: Arc<Declared>,
    client: Option<kube::Client>,
    statuses: Arc<cluster::Statuses>,
    pub(super) world: World,
    /// The mapping's URL is asked of Secrets in the cluster.
    asks_secrets: bool,
}

impl Looked {
    /// Tells why there is no answer, and what else can be done where a Secret is in the way.
    pub(super) fn unanswered(&self, why: &Unanswered) -> Exit {
        let exit = unanswered(why);
        if let Unanswered::Failed(failure) = why
            && self.asks_secrets
            && failure.reason == Reason::SecretMissing
        {
            eprintln!(
                "wavepin: who may not read that Secret names the mapping by --database-url, with a user that may read it"
            );
        }
        exit
    }

    /// What is declared, as it was read last.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.declared.catalog()
    }

    /// Some of the documents are not taken.
    pub(super) fn refused(&self) -> bool {
        !self.catalog().refusals().is_empty()
    }
}

impl Sources {
    /// Of which environments it is asked.
    pub(super) fn within(&self) -> Within {
        Within {
            instance: self.instance.clone(),
            environment: self.environment.clone(),
        }
    }

    /// No files are named.
    pub(super) const fn is_of_cluster(&self) -> bool {
        self.paths.is_empty()
    }

    /// The way to the cluster, and the namespace and name that are meant by `NAME` or `NAMESPACE/NAME` there.
    ///
    /// # Errors
    /// How to end: what is wrong was told.
    pub(super) async fn place_of(&self, name: &str) -> Result<(kube::Client, String, String), Exit> {
        let client = cluster::client().await?;
        let own = || {
            self.namespace
                .clone()
                .unwrap_or_else(|| client.default_namespace().to_owned())
        };
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) if self.namespace.as_deref().is_none_or(|own| own == namespace) => {
                (namespace.to_owned(), name.to_owned())
            }
            Some((namespace, _)) => {
                return Err(wrong(&format!(
                    "{name} is in namespace {namespace}, and -n names another; leave one of them out"
                )));
            }
            None => (own(), name.to_owned()),
        };
        Ok((client, namespace, name))
    }

    /// Reads what is declared.
    ///
    /// # Errors
    /// How to end: what is wrong was told.
    pub(super) async fn look(&self) -> Result<Looked, Exit> {
        let client = if self.paths.is_empty() {
            Some(cluster::client().await?)
        } else {
            None
        };
        let statuses = Arc::new(cluster::Statuses::default());
        let catalog = self.read(&Catalog::default(), client.as_ref(), &statuses).await?;
        let declared = Arc::new(Declared::new(catalog));
        let default = || Some(SecretString::from("sqlite:wavepin.sqlite"));
        let options = ClientOptions {
            default_database: match client {
                Some(_) => self.database_url.clone(),
                None => self.database_url.clone().or_else(default),
            },
            read_only: true,
            ..ClientOptions::default()
        };
        let (mut world, _) = world_of(&declared, options.clone());
        if let Some(client) = &client {
            let secrets = Arc::new(ClusterSecrets::new(client.clone()));
            world.clients = Arc::new(ClientRegistry::new(Arc::clone(&secrets) as _, options));
            world.secrets = secrets;
            world.approvers = Arc::clone(&statuses) as _;
        }
        Ok(Looked {
            declared,
            statuses,
            asks_secrets: client.is_some() && self.database_url.is_none(),
            client,
            world,
        })
    }

    /// Reads what is declared anew.
    ///
    /// # Errors
    /// How to end: what is wrong was told.
    pub(super) async fn look_again(&self, looked: &Looked) -> Result<(), Exit> {
        let catalog = self
            .read(&looked.catalog(), looked.client.as_ref(), &looked.statuses)
            .await?;
        looked.declared.replace(catalog);
        Ok(())
    }

    async fn read(
        &self,
        before: &Catalog,
        client: Option<&kube::Client>,
        statuses: &cluster::Statuses,
    ) -> Result<Catalog, Exit> {
        match client {
            Some(client) => {
                let overridden = self.database_url.is_some();
                cluster::catalog(client, self.namespace.as_deref(), overridden, before, statuses).await
            }
            None => {
                let folder = Folder {
                    paths: self.paths.clone(),
                    database: DatabaseUrl::default(),
                };
                folder.load(before, false).map_err(|error| wrong(&error))
            }
        }
    }
}
