//! The way to the Git repositories that Omni keeps an instance's models in.

use std::sync::Arc;

use secrecy::SecretString;

use super::observe::{RepositorySeen, Route};
use crate::ports::{Clients, Failure, ModelRepository, Object, RepositoryError, Revision};
use crate::resources::OmniInstanceSpec;

/// Opens repositories at the addresses that Omni has, with the instance's credential.
#[derive(Clone, Copy)]
pub struct Repositories<'a> {
    clients: &'a dyn Clients,
    instance: &'a Object<OmniInstanceSpec>,
}

impl<'a> Repositories<'a> {
    /// The repositories of an instance.
    pub(super) fn new(clients: &'a dyn Clients, instance: &'a Object<OmniInstanceSpec>) -> Self {
        Self { clients, instance }
    }

    /// The repository at an address.
    ///
    /// # Errors
    /// The instance does not say what opens it, or not for this address.
    pub(super) async fn at(self, address: &str) -> Result<Arc<dyn ModelRepository>, Failure> {
        let repository = self.clients.repository(self.instance, address).await;
        repository.map_err(|error| Failure::from(&error))
    }

    /// The token that Omni gets in with by itself.
    ///
    /// # Errors
    /// The instance has none, or none that may be sent to Omni.
    pub(super) async fn token(self) -> Result<SecretString, Failure> {
        let token = self.clients.repository_token(self.instance).await;
        token.map_err(|error| Failure::from(&error))
    }

    /// The newest commit of the branch that is copied from, and what stands where the copy comes from and goes to.
    ///
    /// # Errors
    /// Those of the repository, as conditions tell them.
    pub(super) async fn look(self, route: &Route) -> Result<RepositorySeen, Failure> {
        let repository = self.at(&route.address).await?;
        let told = |error: RepositoryError| Failure::from(&error);
        let commit = repository.head(&route.base).await.map_err(told)?;
        let at = Revision::Commit(commit.clone());
        let on_branch = Revision::Branch(route.branch.clone());
        Ok(RepositorySeen {
            source: repository.tree(&at, &route.from).await.map_err(told)?,
            present: match &route.to {
                Some(to) => repository.tree(&on_branch, to).await.map_err(told)?,
                None => None,
            },
            commit,
        })
    }
}
