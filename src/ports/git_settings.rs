//! How Omni keeps a shared model in a Git repository.

use secrecy::SecretString;

/// What Omni has of Git for one shared model (`API.md` §6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSettings {
    /// The repository's address, as Omni reaches it.
    pub clone_url: String,
    /// Omni's word for how it gets in: `ssh` or `https_token`.
    pub auth_method: String,
    /// The branch that the model is kept on.
    pub base_branch: String,
    /// Where its files are, as Omni says it; see [`GitSettings::directory`].
    pub model_path: Option<String>,
    /// Omni's word for the host's software.
    pub provider: Option<String>,
    /// Omni's word for who may change the model only by a pull request: `always`, `users-only`, `never`.
    pub require_pull_request: String,
    /// The model takes what is merged in the repository, and nothing else.
    pub follower: bool,
    /// Where people look at the repository.
    pub web_url: Option<String>,
}

impl GitSettings {
    /// The directory of a model of this name, from the root of the repository and without a slash at either end: Omni's
    /// path is below `omni/` unless it begins with a slash, and is the model's name where it says none (`API.md` §6.1).
    #[must_use]
    pub fn directory(&self, model: &str) -> String {
        let path = self.model_path.as_deref().unwrap_or_default();
        let directory = match path.strip_prefix('/') {
            Some(from_root) => from_root.to_owned(),
            None if path.is_empty() => format!("omni/{model}"),
            // Omni answers the path that it made of a plain one, too.
            None if path.starts_with("omni/") => path.to_owned(),
            None => format!("omni/{path}"),
        };
        directory.trim_matches('/').to_owned()
    }
}

/// Settings for a model that has none.
#[derive(Debug, Clone)]
pub struct GitLink {
    /// The settings.
    pub settings: GitSettings,
    /// What Omni gets in with, where it wants a token.
    pub token: Option<SecretString>,
}

/// What came of bringing a model and its repository to the same state. A conflict is an answer, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSync {
    /// They hold the same now.
    pub in_sync: bool,
    /// Omni's words.
    pub message: String,
}

/// A definition to be copied by Omni's own migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The model whose definition becomes the other's.
    pub target: String,
    /// The commit, tag or branch of the source's repository.
    pub git_ref: String,
    /// The target's branch that is written to; needed where the target has Git settings.
    pub branch: Option<String>,
    /// The message of the commit, where the target has a repository.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_what_omni_makes_of_the_path() {
        let directory = |path: Option<&str>| {
            let settings = GitSettings {
                clone_url: "git@example.com:acme/models.git".to_owned(),
                auth_method: "ssh".to_owned(),
                base_branch: "main".to_owned(),
                model_path: path.map(str::to_owned),
                provider: None,
                require_pull_request: "never".to_owned(),
                follower: false,
                web_url: None,
            };
            settings.directory("clinical v1")
        };
        assert_eq!(directory(None), "omni/clinical v1");
        assert_eq!(directory(Some("")), "omni/clinical v1");
        assert_eq!(directory(Some("sales")), "omni/sales");
        assert_eq!(directory(Some("omni/sales")), "omni/sales");
        assert_eq!(directory(Some("/bi/models/sales")), "bi/models/sales");
    }
}
