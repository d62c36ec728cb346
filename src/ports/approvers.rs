//! Whether it is proved who made an approval.

use async_trait::async_trait;

use super::Object;
use crate::resources::WaveApprovalSpec;

/// What is known of who made an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voucher {
    /// The approver made it: it was checked when it was made.
    Verified,
    /// That is not proved; the text says why, and what a person can do.
    Unverified(String),
    /// It cannot be seen now, which may pass; the text says why.
    Unseen(String),
}

/// Tells whether an approver made an approval. An object itself does not know who made it.
#[async_trait]
pub trait Approvers: Send + Sync {
    /// What is known of one approval. May ask somebody, so it is asked of approvals alone that could open a wave now.
    async fn voucher(&self, approval: &Object<WaveApprovalSpec>) -> Voucher;
}

/// Of files nobody knows who wrote them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files;

#[async_trait]
impl Approvers for Files {
    async fn voucher(&self, _: &Object<WaveApprovalSpec>) -> Voucher {
        Voucher::Unverified(
            "a file does not say who wrote it, so that no approval is verified without Kubernetes; let the wave ask for \
             `approval: Required` here"
                .to_owned(),
        )
    }
}
