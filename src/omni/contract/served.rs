//! Asking an instance for its description.

use super::compare;
use crate::omni::OmniClient;
use crate::omni::transport::Call;
use crate::ports::{Contract, OmniError, OmniErrorKind};

impl OmniClient {
    /// Not every instance serves one, and what stands at the server's root is not the API's alone: whatever answer is no
    /// description counts as none. Only where no answer came, or nothing was sent,
    /// is that an error.
    pub(in crate::omni) async fn get_contract(&self) -> Result<Option<Contract>, OmniError> {
        let call = Call::new("GET /openapi.json", "the description of the API").at_the_root();
        match self.send(&call).await {
            Ok(answer) => Ok(compare(&answer.into_body())),
            Err(error) => match error.kind {
                OmniErrorKind::Unreachable { .. }
                | OmniErrorKind::AnswerLost { .. }
                | OmniErrorKind::RateLimited { .. }
                | OmniErrorKind::NoPlace { .. } => Err(error),
                _ => Ok(None),
            },
        }
    }
}
