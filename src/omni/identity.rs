//! Whose key it is.

use super::OmniClient;
use super::transport::Call;
use crate::ports::{Identity, KeyScope, OmniError};

impl OmniClient {
    /// Asked without model ids: with them Omni answers 404 for models that exist but have no role row.
    pub(super) async fn who_am_i(&self) -> Result<Identity, OmniError> {
        let call = Call::new("GET /v1/whoami", "the API key");
        let answer = self.send(&call).await?;
        answer.read(&call, |root| {
            let key_scope = match root.need_text("keyScope")? {
                scope if scope == "organization" => KeyScope::Organization,
                other => KeyScope::Other(other),
            };
            let owner = root.at(&["user", "membershipId"]);
            Ok(Identity {
                key_scope,
                membership_id: owner.map(|it| it.as_text()).transpose()?,
            })
        })
    }
}
