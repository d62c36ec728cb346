//! Permits and settings of single dashboards; each call may be sent again without harm.

use super::{Effect, Hands};
use crate::model_version::decide::NO_ACCESS;
use crate::model_version::observe::Observed;
use crate::ports::{OmniError, OmniErrorKind};

impl Hands<'_> {
    /// What Omni does not let the key give is told, and keeps no version from its tenants. That somebody must not see a
    /// dashboard is no such thing: without it the copy would be seen by more people than its source.
    pub(super) async fn open_document(&self, effect: Effect, seen: &mut Observed) -> Result<(), OmniError> {
        match effect {
            Effect::GrantDocument {
                identifier,
                grantees,
                role,
                change,
            } => {
                let sent = if change {
                    self.omni.change_document_grant(&identifier, &grantees, &role).await
                } else {
                    self.omni.grant_document(&identifier, &grantees, &role).await
                };
                let own = seen.document_permits.entry(identifier).or_default();
                match sent {
                    Ok(()) => own.given.extend(grantees),
                    Err(error) if role != NO_ACCESS && is_refused(&error) => own.refused.extend(grantees),
                    Err(error) => return Err(error),
                }
                own.read_back = false;
            }
            Effect::SetDocument { identifier, settings } => {
                match self.omni.set_document(&identifier, &settings).await {
                    Ok(()) => {
                        let known = seen.settings.entry(identifier).or_default();
                        known.get_or_insert_default().extend(settings);
                    }
                    Err(error) if is_refused(&error) => drop(seen.settings_refused.insert(identifier)),
                    Err(error) => return Err(error),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Nothing happened, and nothing would the next time.
fn is_refused(error: &OmniError) -> bool {
    matches!(
        error.kind,
        OmniErrorKind::Refused { .. } | OmniErrorKind::NotFound { .. }
    )
}
