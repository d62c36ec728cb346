//! What a pass asks of the mapping and of Omni.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::{self, Identity, Seen};
use crate::ports::{
    CREDENTIAL_PACE, Contract, Failure, KeyScope, LOOK_AGAIN, Mapping, Next, Object, Omni, OmniError, OmniErrorKind,
    Urgency, World,
};
use crate::resources::conditions::Reason;
use crate::resources::{OmniInstanceSpec, annotations};

/// What a pass learned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    /// What can be used.
    pub(super) parts: Parts,
    /// What Omni's description of its API says; `None` where it was not asked for.
    pub(super) contract: Option<Result<Option<Contract>, Failure>>,
    /// Work that was turned away may be tried again now.
    pub(super) opens: bool,
}

/// What of an instance can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Parts {
    /// The mapping cannot be used; Omni was not asked.
    NoMapping(Failure),
    /// The mapping is ours; Omni, or its key, cannot be used.
    NoOmni(Failure),
    /// Both can be used; which organisation it is, is not known, or it is another one.
    NotRecognized(Failure),
    /// All can be used.
    Usable,
}

impl Observed {
    const fn without(parts: Parts) -> Self {
        Self {
            parts,
            contract: None,
            opens: false,
        }
    }
}

/// What becomes of what is new of the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is kept, so that the organisation is recognised by it from now on.
    News,
    /// The mapping is left as it is.
    Nothing,
}

/// Prepares the mapping, then asks Omni.
pub(super) async fn observe(world: &World, instance: &Object<OmniInstanceSpec>, keep: Keep) -> Observed {
    let mapping = match world.mapping(instance).await {
        Ok((mapping, _)) => mapping,
        Err(failure) => return Observed::without(Parts::NoMapping(failure)),
    };
    let omni = match world.omni(instance, Urgency::Check).await {
        Ok(omni) => omni,
        Err(failure) => return Observed::without(Parts::NoOmni(failure)),
    };
    let look = Look {
        world,
        instance,
        mapping,
        omni,
        keep,
    };
    look.organization().await
}

/// One look at the organisation.
struct Look<'a> {
    world: &'a World,
    instance: &'a Object<OmniInstanceSpec>,
    mapping: Arc<dyn Mapping>,
    omni: Arc<dyn Omni>,
    keep: Keep,
}

impl Look<'_> {
    /// Whose key it is, what the contract says, and which organisation it is: in this order, so that a key that is
    /// refused costs one call, and a contract that is right again opens the calls of this look too.
    async fn organization(&self) -> Observed {
        let standing = self.omni.standing();
        let mut key = self.key().await;
        if let Err(error) = &key
            && !matches!(error.kind, OmniErrorKind::Untrusted { .. })
        {
            let failure = self.told(error);
            standing.unseen(&failure.message);
            return Observed::without(Parts::NoOmni(failure));
        }
        let contract = self.omni.contract().await.map_err(|error| self.told(&error));
        let mut news = false;
        if let Ok(contract) = &contract {
            let touching = contract.as_ref().map(|it| it.touching.clone()).unwrap_or_default();
            news = standing.touch(touching);
            if key.is_err() {
                key = self.key().await;
            }
        }
        let parts = match key {
            Err(error) => Parts::NoOmni(self.told(&error)),
            Ok(KeyScope::Other(scope)) => Parts::NoOmni(self.not_an_organizations(&scope)),
            Ok(KeyScope::Organization) => match self.recognized().await {
                Ok(recognized) => {
                    news |= recognized;
                    Parts::Usable
                }
                Err(failure) => Parts::NotRecognized(failure),
            },
        };
        if let Parts::NoOmni(failure) = &parts {
            standing.unseen(&failure.message);
        }
        Observed {
            parts,
            contract: Some(contract),
            opens: news && standing.turned_away(),
        }
    }

    async fn key(&self) -> Result<KeyScope, OmniError> {
        Ok(self.omni.identity().await?.key_scope)
    }

    fn told(&self, error: &OmniError) -> Failure {
        self.world.told(self.instance, Failure::from(error))
    }

    /// Omni lets only an organisation's key do what is needed.
    fn not_an_organizations(&self, scope: &str) -> Failure {
        let key = &self.instance.spec.api_key_secret_ref;
        let message = format!(
            "the API key in Secret {}/{}, key {}, is of scope {scope:?}, and Omni lets only organisation keys \
             export and import; put an organisation API key there",
            self.instance.namespace, key.name, key.key
        );
        let failure = Failure::stalled(Reason::NotOrganizationKey, message).credential();
        self.world
            .told(self.instance, failure.next(Next::After(CREDENTIAL_PACE)))
    }

    /// Holds what is seen of the organisation against what is on record, and keeps what is new. Returns whether it was
    /// not known before to be the right one.
    async fn recognized(&self) -> Result<bool, Failure> {
        let standing = self.omni.standing();
        match self.identity().await {
            Err(failure) => {
                standing.unseen(&failure.message);
                Err(failure)
            }
            Ok(Identity::Another { message, by_id }) => {
                if !by_id {
                    standing.forget_shown();
                }
                let message = format!("OmniInstance {}: {message}", self.instance.key());
                standing.unrecognized(&message);
                Err(Failure::stalled(Reason::AnotherOrganization, message).next(Next::After(LOOK_AGAIN)))
            }
            Ok(Identity::Same { organization, news }) => {
                if news && self.keep == Keep::News {
                    let kept = self.mapping.record_organization(&organization).await;
                    kept.map_err(|error| Failure::from(&error))?;
                }
                Ok(standing.recognized(organization.id))
            }
        }
    }

    /// An export showed the id of another organisation, which the rest of the look may not confirm: an answer can go
    /// astray on its way. One more export, of a document that is on record, tells what is shown now. Whatever else comes
    /// of it, what was shown before stays.
    async fn look_again_at_the_id(&self, versions: impl Iterator<Item = i32>) -> Result<(), Failure> {
        if !self.omni.standing().is_in_doubt() {
            return Ok(());
        }
        // The newest are the ones that are least likely to have been deleted since.
        for version in versions {
            let dashboards = self.mapping.dashboards(version).await;
            let dashboards = dashboards.map_err(|error| Failure::from(&error))?;
            if let Some(dashboard) = dashboards.values().next() {
                let answer = self.omni.export(&dashboard.ids.identifier).await;
                if !matches!(answer, Ok(None)) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        let ledger = |error| Failure::from(&error);
        let known = self.mapping.organization().await.map_err(ledger)?;
        let versions = self.mapping.versions().await.map_err(ledger)?;
        let connections = versions.values().filter_map(|it| it.connection_id.clone());
        let connections: BTreeSet<String> = connections.collect();
        self.look_again_at_the_id(versions.keys().rev().copied()).await?;
        let mut seen = Seen {
            connections: self.omni.connection_ids().await.map_err(|error| self.told(&error))?,
            id: self.omni.standing().shown(),
            has_model: false,
        };
        // The newest is the one that is least likely to have been deleted since.
        let model = versions.values().rev().find_map(|it| it.model_id.as_deref());
        if let Some(model) = model
            && decide::needs_model(known.as_ref(), &connections, &seen)
        {
            let found = self.omni.model(model).await.map_err(|error| self.told(&error))?;
            seen.has_model = found.is_some();
        }
        let confirmed = self.instance.requests.get(annotations::CONFIRM_IDENTITY);
        let confirmed = confirmed.map(String::as_str);
        Ok(decide::recognize(known.as_ref(), &connections, &seen, confirmed))
    }
}
