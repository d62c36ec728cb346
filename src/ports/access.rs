//! The way of every pass to an instance's mapping and Omni, with its failures in the words of conditions.

use std::sync::Arc;

use super::{Failure, Mapping, Object, Omni, Shape, Urgency, World};
use crate::resources::{OmniInstanceSpec, annotations};

impl World {
    /// The instance's mapping, prepared: its tables are as needed, and the fence is ours.
    ///
    /// # Errors
    /// What keeps the mapping from being used; a credential that may be the cause is read again before the next try.
    pub async fn mapping(&self, instance: &Object<OmniInstanceSpec>) -> Result<(Arc<dyn Mapping>, Shape), Failure> {
        let mapping = self.clients.mapping(instance).await;
        let mapping = mapping.map_err(|error| self.told(instance, Failure::from(&error)))?;
        let own = instance.key();
        let owner = instance.spec.mapping.owner.as_deref().unwrap_or(&own);
        let take_from = instance.requests.get(annotations::TAKE_MAPPING_FROM);
        let shape = mapping.prepare(owner, take_from.map(String::as_str)).await;
        let shape = shape.map_err(|error| self.told(instance, Failure::from(&error)))?;
        Ok((mapping, shape))
    }

    /// The client of the instance's organisation, whose calls wait for their turn in this class. Makes no call to Omni.
    ///
    /// # Errors
    /// What keeps the client from being made.
    pub async fn omni(&self, instance: &Object<OmniInstanceSpec>, urgency: Urgency) -> Result<Arc<dyn Omni>, Failure> {
        let omni = self.clients.omni(instance, urgency).await;
        omni.map_err(|error| self.told(instance, Failure::from(&error)))
    }

    /// Forgets the instance's credentials if they may be the cause of the failure; returns the failure as it is.
    #[must_use]
    pub fn told(&self, instance: &Object<OmniInstanceSpec>, failure: Failure) -> Failure {
        if failure.credential {
            self.clients.forget_credentials(instance);
        }
        failure
    }
}
