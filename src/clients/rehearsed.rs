//! Adapters for a rehearsal: Omni is read and nothing is written, neither there nor in the mapping.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::ClientRegistry;
use crate::ports::{
    Answer, Clients, ConnectError, Delivery, Mapping, ModelRepository, Notice, Object, Omni, Question, Stages, Urgency,
};
use crate::resources::OmniInstanceSpec;

/// The adapters of a registry, behind the stages of a rehearsal. The registry must only look.
pub struct RehearsedClients {
    registry: Arc<ClientRegistry>,
    stages: Arc<dyn Stages>,
}

impl RehearsedClients {
    /// Puts stages before the adapters of a registry.
    #[must_use]
    pub fn new(registry: Arc<ClientRegistry>, stages: Arc<dyn Stages>) -> Self {
        Self { registry, stages }
    }
}

#[async_trait]
impl Clients for RehearsedClients {
    async fn omni(&self, instance: &Object<OmniInstanceSpec>, urgency: Urgency) -> Result<Arc<dyn Omni>, ConnectError> {
        let client = self.registry.client(instance, urgency).await?;
        Ok(Arc::new(client.rehearsing(self.stages.omni(&instance.key()))))
    }

    async fn mapping(&self, instance: &Object<OmniInstanceSpec>) -> Result<Arc<dyn Mapping>, ConnectError> {
        let real = self.registry.mapping(instance).await?;
        Ok(self.stages.mapping(&instance.key(), real))
    }

    async fn repository(
        &self,
        instance: &Object<OmniInstanceSpec>,
        address: &str,
    ) -> Result<Arc<dyn ModelRepository>, ConnectError> {
        let real = self.registry.repository(instance, address).await?;
        Ok(self.stages.repository(&instance.key(), real))
    }

    async fn repository_token(&self, instance: &Object<OmniInstanceSpec>) -> Result<SecretString, ConnectError> {
        self.registry.repository_token(instance).await
    }

    async fn ask_check(&self, _: &Question) -> Answer {
        Answer::unknown("a rehearsal asks no check".to_owned())
    }

    async fn notify(&self, _: &Notice) -> Delivery {
        Delivery::Failed {
            why: "a rehearsal tells nobody".to_owned(),
            wait: None,
        }
    }

    fn forget_credentials(&self, instance: &Object<OmniInstanceSpec>) {
        self.registry.forget_credentials(instance);
    }
}
