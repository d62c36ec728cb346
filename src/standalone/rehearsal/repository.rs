//! A repository of a rehearsal: read as it is, and never pushed to.

use std::sync::Arc;

use async_trait::async_trait;

use super::organization::Organization;
use crate::ports::{
    Copied, CopyRequest, Directory, ModelRepository, RepositoryError, RepositoryErrorKind, Revision, Whereabouts,
};

/// What is there, with the directories that would have been written.
pub(super) struct Repository {
    real: Arc<dyn ModelRepository>,
    organization: Arc<Organization>,
}

impl Repository {
    pub(super) fn new(real: Arc<dyn ModelRepository>, organization: Arc<Organization>) -> Self {
        Self { real, organization }
    }
}

#[async_trait]
impl ModelRepository for Repository {
    async fn head(&self, branch: &str) -> Result<String, RepositoryError> {
        self.real.head(branch).await
    }

    async fn tree(&self, at: &Revision, path: &str) -> Result<Option<String>, RepositoryError> {
        match self.organization.tried_directory(path) {
            Some(tree) => Ok(Some(tree)),
            None => self.real.tree(at, path).await,
        }
    }

    async fn directory(&self, at: &Revision, path: &str) -> Result<Option<Directory>, RepositoryError> {
        self.real.directory(at, path).await
    }

    /// The copy would be on its branch, or proposed; that it fits there was looked at before.
    async fn copy_directory(&self, request: &CopyRequest) -> Result<Copied, RepositoryError> {
        let commit = match &request.at {
            Some(commit) => commit.clone(),
            None => self.real.head(&request.branch).await?,
        };
        let at = Revision::Commit(commit.clone());
        let tree = self.tree(&at, &request.from).await?.ok_or_else(|| RepositoryError {
            action: format!("copy the directory {:?}", request.from),
            repository: "the repository".into(),
            kind: RepositoryErrorKind::NoDirectory {
                path: request.from.clone(),
                commit: commit.clone(),
            },
        })?;
        let whereabouts = match request.propose {
            Some(_) => Whereabouts::Proposed,
            None => {
                self.organization.try_directory(&request.to, &tree);
                Whereabouts::OnBranch
            }
        };
        Ok(Copied {
            commit,
            tree,
            changed: true,
            whereabouts,
        })
    }
}
