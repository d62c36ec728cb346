//! Git in specs: where the files of a version's model are kept, and what opens an instance's repositories.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The directory of a version's model in the Git repository that Omni keeps the source's model in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelGit {
    /// The directory, from the root of the repository: `omni/clinical-v{version}`, where `{version}` stands for the number. What is there with other content is never written over.
    #[schemars(
        length(min = 1, max = 400),
        regex(pattern = r"^[A-Za-z0-9_{}-][A-Za-z0-9_.{}-]*(/[A-Za-z0-9_{}-][A-Za-z0-9_.{}-]*)*$")
    )]
    pub directory: String,
    /// The branch that the directory is on. Absent: the base branch of the source's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[\w][\w./-]*$"))]
    pub branch: Option<String>,
    /// With copy: Git. True: the copy is pushed to the branch `wavepin/<directory>`, and waited for until people have merged it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub propose: bool,
    /// With copy: Git. What follows where Omni does not take the files that were pushed. Absent: the version stops and says so. Yaml: they are sent through the YAML API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<GitFallback>,
    /// With copy: Git. Who the commit is by. Absent: `Wavepin <wavepin@noreply.invalid>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<GitAuthor>,
    /// With copy: Git. How the commit's message begins; instance, version and source stand below it. Absent: `Cut model version <version> from version <source>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub message: Option<String>,
}

/// What follows where Omni does not take files that were pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GitFallback {
    /// They are sent through the YAML API, and Omni writes them to the directory.
    Yaml,
}

/// Whom a commit names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitAuthor {
    /// A name, for people.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^<>\n]+$"))]
    pub name: String,
    /// An address; hosts show a commit as the work of the account that it belongs to.
    #[schemars(length(min = 1, max = 254), regex(pattern = r"^[^<>\s]+$"))]
    pub email: String,
}

/// How a definition is copied by Omni's own migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migrate {
    /// The commit, tag or branch of the source's repository to copy at; it must hold what the source's model holds. Absent: the newest commit of the base branch when the cut begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[\w][\w./-]*$"))]
    pub git_ref: Option<String>,
}

/// What opens the Git repositories that Omni keeps the instance's models in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitAccess {
    /// What the address of a repository, as Omni has it, must begin with, up to a slash or the colon before a path: `https://github.com/acme/`, `git@github.com:acme/`. The credential goes nowhere else.
    #[schemars(
        length(min = 1, max = 400),
        regex(pattern = r"^((https|ssh)://[^/?#\s]+/([^?#\s]*/)?|[^@/:\s]+@[^@/:\s]+:([^\s]*/)?)$")
    )]
    pub url_prefix: String,
    /// The Secret with the credential. For https: `token`, and, where they are needed, `username` and `ca.crt`. For ssh: `identity`, an Ed25519 or ECDSA key without a passphrase, and `known_hosts`.
    pub secret_ref: SecretRef,
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
