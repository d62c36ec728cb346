//! The adapter to Git: directories read, and copied in one commit, over HTTPS or SSH.
//!
//! There is no Git program, no work tree and no file here: the few objects that are needed are asked for by their ids,
//! files left out, and a copied directory is one new entry in trees that are otherwise as they were. What is in a
//! repository of any size is touched only along the two paths. Nothing is ever forced: a branch moves from the commit
//! that was read to the one on top of it, or not at all.

mod address;
mod answer;
mod copy;
mod http;
mod known_hosts;
mod line;
mod names;
mod objects;
mod pack;
mod pkt_line;
mod push;
mod snapshot;
mod ssh;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use self::address::Address;
use self::answer::{Kind, Secrets};
use self::copy::{Patience, commit_id, without_commit};
use self::http::{Bounds, Http};
use self::line::Connection;
use self::objects::Id;
use self::snapshot::{Limits, Snapshot};
use self::ssh::{Ssh, SshLogin};
use self::upload::Upload;
use crate::ports::{Copied, CopyRequest, Directory, ModelRepository, RepositoryError, Revision};

/// What opens a repository.
#[derive(Debug, Clone)]
pub enum GitCredential {
    /// For `https://`.
    Token {
        /// The user that goes with the token; absent: the one in the address, else one that hosts take any token with.
        user: Option<String>,
        /// The token, as the host gave it.
        token: SecretString,
        /// Certificates in PEM of authorities that are trusted besides the public ones.
        authorities: Option<String>,
    },
    /// For `ssh://`.
    Key {
        /// An Ed25519 or ECDSA key without a passphrase, as `ssh-keygen` writes it.
        private_key: SecretString,
        /// The keys that the server may show, as `ssh-keyscan` writes them.
        known_hosts: String,
    },
}

/// How a repository is used.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// How long one exchange with the server may take, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// The longest answer that is taken, in bytes.
    pub answer_limit: usize,
    /// How many bytes of objects may be unpacked at once.
    pub object_limit: usize,
    /// How many files, those in directories below it included, a directory may have.
    pub file_limit: usize,
    /// How often a copy is made anew on top of what others push.
    pub tries: u32,
    /// The pause before the second try; doubled before each further one, up to 5 seconds.
    pub pause: Duration,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            answer_limit: 64 * 1024 * 1024,
            object_limit: 256 * 1024 * 1024,
            file_limit: 20_000,
            tries: 8,
            pause: Duration::from_millis(200),
        }
    }
}

/// A repository on a server.
pub struct GitRepository {
    address: Address,
    way: Way,
    options: GitOptions,
}

enum Way {
    Http(Http),
    Ssh(SshLogin),
}

/// The host, in lower case, and the port that an address leads to: where its credential goes.
///
/// # Errors
/// The address is none that can be used.
pub fn destination(address: &str) -> Result<(String, u16), RepositoryError> {
    let parsed = Address::parse(address).map_err(|kind| unusable("an unusable address", kind))?;
    Ok(parsed.destination())
}

fn unusable(repository: &str, kind: Kind) -> RepositoryError {
    RepositoryError {
        action: "use the address and the credential".to_owned(),
        repository: repository.into(),
        kind,
    }
}

impl GitRepository {
    /// A repository at this address (`https://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`). Sends nothing.
    /// Where the credential may be sent is for the caller to vouch for (see [`destination`]); no redirect is followed.
    ///
    /// # Errors
    /// The address or the credential cannot be used, or they do not go together.
    pub fn new(address: &str, credential: &GitCredential, options: GitOptions) -> Result<Self, RepositoryError> {
        let address = Address::parse(address).map_err(|kind| unusable("an unusable address", kind))?;
        let way = Self::way(&address, credential, &options);
        let way = way.map_err(|kind| unusable(&address.to_string(), kind))?;
        Ok(Self { address, way, options })
    }

    fn way(address: &Address, credential: &GitCredential, options: &GitOptions) -> Result<Way, Kind> {
        let bounds = Bounds {
            timeout: options.timeout,
            answer: options.answer_limit,
        };
        match (address, credential) {
            (
                Address::Http { url, user: in_url },
                GitCredential::Token {
                    user,
                    token,
                    authorities,
                },
            ) => {
                let user = user.as_deref().or(in_url.as_deref());
                Http::new(url.clone(), user, token, authorities.as_deref(), bounds).map(Way::Http)
            }
            (
                Address::Ssh { user, host, port, path },
                GitCredential::Key {
                    private_key,
                    known_hosts,
                },
            ) => Ok(Way::Ssh(SshLogin {
                user: user.clone(),
                host: host.clone(),
                port: *port,
                path: path.clone(),
                key: Arc::new(ssh::private_key(private_key)?),
                known_hosts: Arc::from(known_hosts.as_str()),
                bounds,
            })),
            (Address::Http { .. }, GitCredential::Key { .. }) => Err(Kind::Address {
                why: "an https:// address takes a token, and the credential is a private key; write the address as \
                      ssh://USER@HOST/PATH, or put a token into the Secret"
                    .to_owned(),
            }),
            (Address::Ssh { .. }, GitCredential::Token { .. }) => Err(Kind::Address {
                why: "an ssh address takes a private key and known hosts, and the credential is a token; write the \
                      address as https://HOST/PATH, or put a key into the Secret"
                    .to_owned(),
            }),
        }
    }

    async fn connect(&self) -> Result<Connection, Kind> {
        match &self.way {
            Way::Http(http) => Ok(Connection::Http(http.clone())),
            Way::Ssh(login) => Ssh::connect(login.clone()).await.map(Connection::Ssh),
        }
    }

    fn failed(&self, action: String, kind: Kind) -> RepositoryError {
        let kind = match &self.way {
            Way::Http(http) => http.secrets().clean(kind),
            Way::Ssh(_) => Secrets::default().clean(kind),
        };
        RepositoryError {
            action,
            repository: self.address.to_string().into(),
            kind,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            bytes: self.options.object_limit,
            files: self.options.file_limit,
        }
    }

    /// A state of the repository, and the tree of the directory that is looked for.
    async fn look<'a>(
        &self,
        connection: &'a Connection,
        at: &Revision,
        path: &str,
        files: bool,
    ) -> Result<(Snapshot<'a>, Option<Id>), Kind> {
        names::check_path(path)?;
        let mut upload = Upload::open(connection).await?;
        let (commit, named) = match at {
            Revision::Branch(branch) => (newest(&mut upload, branch).await?, None),
            Revision::Commit(commit) => (commit_id(commit)?, Some(commit.as_str())),
        };
        let snapshot = Snapshot::of(upload, &[commit], files, self.limits()).await;
        let mut snapshot = snapshot.map_err(|kind| without_commit(kind, named))?;
        let root = snapshot.root(commit)?;
        let tree = snapshot.directory(root, path).await?;
        Ok((snapshot, tree))
    }
}

async fn newest(upload: &mut Upload<'_>, branch: &str) -> Result<Id, Kind> {
    names::check_branch(branch)?;
    let newest = upload.branch(branch).await?;
    newest.ok_or_else(|| Kind::NoBranch {
        branch: branch.to_owned(),
    })
}

#[async_trait]
impl ModelRepository for GitRepository {
    async fn head(&self, branch: &str) -> Result<String, RepositoryError> {
        let head = async {
            let connection = self.connect().await?;
            let mut upload = Upload::open(&connection).await?;
            newest(&mut upload, branch).await
        };
        let head = head
            .await
            .map_err(|kind| self.failed(format!("read the branch {branch:?}"), kind))?;
        Ok(head.to_string())
    }

    async fn tree(&self, at: &Revision, path: &str) -> Result<Option<String>, RepositoryError> {
        let tree = async {
            let connection = self.connect().await?;
            let (_, tree) = self.look(&connection, at, path, false).await?;
            Ok(tree.map(|id| id.to_string()))
        };
        tree.await
            .map_err(|kind| self.failed(format!("look for the directory {path:?}"), kind))
    }

    async fn directory(&self, at: &Revision, path: &str) -> Result<Option<Directory>, RepositoryError> {
        let directory = async {
            let connection = self.connect().await?;
            let (mut snapshot, tree) = self.look(&connection, at, path, true).await?;
            match tree {
                Some(tree) => snapshot.read(tree, path).await.map(Some),
                None => Ok(None),
            }
        };
        directory
            .await
            .map_err(|kind| self.failed(format!("read the directory {path:?}"), kind))
    }

    async fn copy_directory(&self, request: &CopyRequest) -> Result<Copied, RepositoryError> {
        let patience = Patience {
            tries: self.options.tries,
            pause: self.options.pause,
        };
        let copied = async {
            names::check(request)?;
            let connection = self.connect().await?;
            copy::copy(&connection, request, self.limits(), patience).await
        };
        let action = || {
            let CopyRequest { from, to, branch, .. } = request;
            format!("copy the directory {from:?} to {to:?} for the branch {branch:?}")
        };
        copied.await.map_err(|kind| self.failed(action(), kind))
    }
}

impl std::fmt::Debug for GitRepository {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GitRepository")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
