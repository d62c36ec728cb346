//! The way from an instance's spec to its Omni, its mapping and its repositories.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use snafu::Snafu;

use super::{
    Answer, Delivery, Mapping, MappingError, ModelRepository, Notice, Object, Omni, Question, RepositoryError,
    SecretError, Urgency,
};
use crate::resources::{OmniInstanceSpec, conditions::Reason};

/// Why an instance's Omni, mapping or repository cannot be used now.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub))]
pub enum ConnectError {
    /// The Secret or its key is not there (yet): waited for, since objects may be applied in any order.
    #[snafu(display("{message}"))]
    Missing {
        /// Which Secret or key, and what to do.
        message: String,
    },
    /// The Secret or the spec forbids it: a person must change something.
    #[snafu(display("{message}"))]
    Refused {
        /// The reason for the condition.
        reason: Reason,
        /// What is wrong and what to do.
        message: String,
    },
    /// The Secret cannot be read now.
    #[snafu(display("{source}"))]
    Secret {
        /// Why.
        source: SecretError,
    },
    /// The address of the repository, or the credential for it, cannot be used.
    #[snafu(display("{source}"))]
    Repository {
        /// Why.
        source: RepositoryError,
    },
    /// The database cannot be reached or used.
    #[snafu(display("{source}"))]
    Database {
        /// Why.
        source: MappingError,
    },
}

/// Makes, keeps and renews the adapters of instances.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client of this instance's organisation, with its key as the Secret holds it now, whose calls wait for their
    /// turn in this class. Makes no call to Omni, but connects the mapping: the request budget is kept there.
    async fn omni(&self, instance: &Object<OmniInstanceSpec>, urgency: Urgency) -> Result<Arc<dyn Omni>, ConnectError>;
    /// The mapping of this instance; connected, but not yet prepared (see [`Mapping::prepare`]).
    async fn mapping(&self, instance: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError>;
    /// The Git repository at an address that Omni has, opened with the instance's credential for it. Sends nothing.
    async fn repository(
        &self,
        instance: &Object<OmniInstanceSpec>,
        address: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError>;
    /// The token that opens the instance's repositories, for Omni to get in with by itself. Only for an Omni that the
    /// token may be sent to.
    async fn repository_token(&self, instance: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError>;
    /// Asks a check of a rollout, once, for as long as its time-out says. What keeps it from being asked is an answer too.
    async fn ask_check(&self, question: &Question) -> Answer;
    /// Tells a channel of a rollout, once and for a few seconds. What keeps it from being told is an outcome too.
    async fn notify(&self, notice: &Notice) -> Delivery;
    /// Omni, the database or a repository refused a credential: the Secret is read again before the next use.
    fn forget_credentials(&self, instance: &Object<OmniInstanceSpec>);
}
