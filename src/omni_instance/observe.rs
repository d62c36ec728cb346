//! What a pass asks of the mapping and of Omni.

use crate::ports::{CREDENTIAL_PACE, Failure, KeyScope, Next, Object, Urgency, World};
use crate::resources::OmniInstanceSpec;
use crate::resources::conditions::Reason;

/// What a pass learned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Observed {
    /// The mapping cannot be used; Omni was not asked.
    NoMapping(Failure),
    /// The mapping is ours; Omni, or its key, cannot be used.
    NoOmni(Failure),
    /// Both can be used.
    Usable,
}

/// Prepares the mapping, then asks Omni.
pub(super) async fn observe(world: &World, instance: &Object<OmniInstanceSpec>) -> Observed {
    if let Err(failure) = world.mapping(instance).await {
        return Observed::NoMapping(failure);
    }
    match identify(world, instance).await {
        Ok(()) => Observed::Usable,
        Err(failure) => Observed::NoOmni(failure),
    }
}

/// Asks Omni whose key it is, and takes an organisation's only.
async fn identify(world: &World, instance: &Object<OmniInstanceSpec>) -> Result<(), Failure> {
    let omni = world.omni(instance, Urgency::Check).await?;
    let identity = omni.identity().await;
    let identity = identity.map_err(|error| world.told(instance, Failure::from(&error)))?;
    match identity.key_scope {
        KeyScope::Organization => Ok(()),
        KeyScope::Other(scope) => {
            let key = &instance.spec.api_key_secret_ref;
            let message = format!(
                "the API key in Secret {}/{}, key {}, is of scope {scope:?}, and Omni lets only organisation keys \
                 export and import; put an organisation API key there",
                instance.namespace, key.name, key.key
            );
            let failure = Failure::stalled(Reason::NotOrganizationKey, message).credential();
            Err(world.told(instance, failure.next(Next::After(CREDENTIAL_PACE))))
        }
    }
}
