//! Who may do what: user groups and their roles, own permits and settings of documents, schedules.

use std::collections::BTreeSet;

use super::{Look, Observed};
use crate::ports::{DocumentPermit, Grantee, Omni, OmniError, OmniErrorKind, Scheduled};

/// What a document's own permits let people do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnPermits {
    /// As they were last read.
    pub permits: Vec<DocumentPermit>,
    /// Those who were given one in this pass.
    pub given: BTreeSet<Grantee>,
    /// Those whom Omni did not let the key give one.
    pub refused: BTreeSet<Grantee>,
    /// They were read once more since the last one was given.
    pub read_back: bool,
}

/// Looks at one of these.
///
/// # Errors
/// Those of Omni.
pub(super) async fn look(look: Look, omni: &dyn Omni, seen: &mut Observed) -> Result<(), OmniError> {
    match look {
        Look::Roles(group) => {
            let roles = match omni.group_roles(&group).await {
                Err(error) if matches!(error.kind, OmniErrorKind::NotFound { .. }) => None,
                roles => Some(roles?),
            };
            seen.roles.insert(group, roles);
        }
        Look::UserGroups => seen.user_groups = Some(omni.user_groups().await?),
        Look::BaseRole(connection) => {
            let connection = omni.connection(&connection).await?;
            seen.base_role = Some(connection.and_then(|it| it.base_role));
        }
        Look::Schedules(most) => seen.schedules = Some(schedules(omni, most).await?),
        Look::DocumentPermits(identifier) => {
            let permits = omni.document_permits(&identifier).await?;
            let own = seen.document_permits.entry(identifier).or_default();
            own.permits = permits;
            own.read_back = true;
        }
        Look::Settings { identifier, owner } => {
            let settings = omni.document_settings(&identifier, &owner).await?;
            seen.settings.insert(identifier, settings);
        }
        _ => {}
    }
    Ok(())
}

/// Nothing of a version depends on them: where the key may not list them, or Omni has no such list, that is told.
async fn schedules(omni: &dyn Omni, most_pages: usize) -> Result<Option<Vec<Scheduled>>, OmniError> {
    use OmniErrorKind::{Gone, NotFound, Refused, Untrusted};
    match omni.schedules(most_pages).await {
        Err(error)
            if matches!(
                error.kind,
                Refused { .. } | NotFound { .. } | Gone { .. } | Untrusted { .. }
            ) =>
        {
            Ok(None)
        }
        schedules => schedules,
    }
}
