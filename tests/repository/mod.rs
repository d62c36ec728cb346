//! The git adapter on real servers: `git http-backend` behind TLS, and `sshd`. What happened is asked of the git program.

mod copies;
mod race;
mod reads;
mod refusals;

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use wavepin::model_repository::{GitCredential, GitOptions, GitRepository};
use wavepin::ports::{Author, CopyRequest, RepositoryError};

use crate::parts::git::{GitServer, Repository, file};

/// The ways to a server, with what it may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Https,
    /// Without partial clones.
    HttpsUnfiltered,
    Ssh,
    SshUnfiltered,
    /// With Git's protocol 0.
    OldHttps,
    OldHttpsUnfiltered,
    OldSsh,
    OldSshUnfiltered,
}

impl Way {
    const ALL: [Way; 8] = [
        Way::Https,
        Way::HttpsUnfiltered,
        Way::Ssh,
        Way::SshUnfiltered,
        Way::OldHttps,
        Way::OldHttpsUnfiltered,
        Way::OldSsh,
        Way::OldSshUnfiltered,
    ];

    /// Whether the server knows Git's protocol 2.
    fn is_modern(self) -> bool {
        matches!(self, Way::Https | Way::HttpsUnfiltered | Way::Ssh | Way::SshUnfiltered)
    }

    /// Whether the server offers partial clones.
    fn is_filtered(self) -> bool {
        matches!(self, Way::Https | Way::Ssh | Way::OldHttps | Way::OldSsh)
    }

    /// The adapter, on a repository that is made to lack what this way lacks.
    fn to(self, repository: &Repository) -> GitRepository {
        self.with(repository, options())
    }

    fn with(self, repository: &Repository, options: GitOptions) -> GitRepository {
        if !self.is_filtered() {
            repository.git(&["config", "uploadpack.allowFilter", "false"]);
        }
        let (address, credential) = match self {
            Way::Https | Way::HttpsUnfiltered => (repository.https(), token()),
            Way::OldHttps | Way::OldHttpsUnfiltered => (repository.old_https(), token()),
            Way::Ssh | Way::SshUnfiltered => (repository.ssh(), key()),
            Way::OldSsh | Way::OldSshUnfiltered => (repository.old_ssh(), key()),
        };
        GitRepository::new(&address, &credential, options).unwrap()
    }
}

/// What opens every repository over HTTPS.
pub(crate) fn token() -> GitCredential {
    let server = GitServer::shared();
    GitCredential::Token {
        user: None,
        token: SecretString::from(server.token()),
        authorities: Some(server.authority().to_owned()),
    }
}

/// What opens every repository over SSH.
pub(crate) fn key() -> GitCredential {
    let server = GitServer::shared();
    GitCredential::Key {
        private_key: SecretString::from(server.keys().0),
        known_hosts: server.known_hosts().0,
    }
}

/// Patient with a slow machine, and quick between tries.
pub(crate) fn options() -> GitOptions {
    GitOptions {
        pause: Duration::from_millis(1),
        ..GitOptions::default()
    }
}

/// A repository with a model of two versions of nesting, and something beside it.
fn with_model(name: &str) -> Repository {
    let repository = GitServer::shared().repository(name);
    repository.commit(
        "main",
        "Start",
        &[
            file("README.md", "Models of acme"),
            file("omni/clinical-v1/model", "label: Clinical"),
            file("omni/clinical-v1/patients.view", "label: Patients"),
            file("omni/clinical-v1/PUBLIC/visits.view", "label: Visits"),
            file("omni/other/model", "label: Other"),
        ],
    );
    repository
}

/// Version 1 to version 2.
fn request() -> CopyRequest {
    CopyRequest {
        branch: "main".to_owned(),
        from: "omni/clinical-v1".to_owned(),
        at: None,
        to: "omni/clinical-v2".to_owned(),
        message: "Cut clinical v2 from v1".to_owned(),
        author: Author {
            name: "Wavepin".to_owned(),
            email: "wavepin@example.com".to_owned(),
        },
        time: Timestamp::from_second(1_700_000_100).unwrap(),
        propose: None,
    }
}

/// All that an error says: itself, its causes, and its fields. Fails the test when a secret is among it.
#[track_caller]
fn told(error: &RepositoryError) -> String {
    let mut said = format!("{error}\n{error:?}\n");
    let mut below = error.source();
    while let Some(cause) = below {
        said.push_str(&format!("{cause}\n{cause:?}\n"));
        below = cause.source();
    }
    let server = GitServer::shared();
    let (key, other_key) = server.keys();
    let inside = |key: &str| key.lines().nth(2).unwrap().to_owned();
    for secret in [
        server.token().to_owned(),
        "token-of-nobody".to_owned(),
        inside(key),
        inside(other_key),
    ] {
        assert!(!said.contains(&secret), "{said}");
        let encoded = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("x-access-token:{secret}"),
        );
        assert!(!said.contains(&encoded), "{said}");
    }
    said
}
