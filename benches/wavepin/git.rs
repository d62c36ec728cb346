//! One directory copied in a large repository, next to `git` with a sparse work tree.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;
use wavepin::model_repository::{GitCredential, GitOptions, GitRepository};
use wavepin::ports::{Author, CopyRequest, ModelRepository as _};

use crate::git_server::{GitServer, Repository};
use crate::table::{Goal, Table};

/// How many files the repository has, and how many of them the directory that is copied.
pub(crate) const FILES: usize = 100_000;
pub(crate) const COPIED: usize = 2_000;
/// How many files one directory of the others has.
const TOGETHER: usize = 500;

/// The time of each.
#[derive(Debug)]
pub(crate) struct Git {
    wavepin: Duration,
    sparse: Duration,
}

impl Git {
    /// Adds its rows.
    pub(crate) fn tell(&self, table: &mut Table) {
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        table.ratio(
            &format!("a directory of {COPIED} files copied in a repository of {FILES}"),
            seconds(self.wavepin),
            format!("git, sparse and shallow: {}", seconds(self.sparse)),
            self.wavepin.as_secs_f64() / self.sparse.as_secs_f64(),
            Goal::AtMost(1.0),
        );
    }
}

/// Copies the directory both ways over HTTPS, each to a place of its own, and sees that both came to the same.
pub(crate) async fn measure() -> Git {
    let repository = large();
    let wavepin = by_wavepin(&repository).await;
    let sparse = by_git(&repository);
    let tree = |directory: &str| repository.git(&["rev-parse", &format!("main:{directory}")]);
    assert_eq!(tree("omni/by-wavepin"), tree("omni/by-git"), "both are the copy");
    Git { wavepin, sparse }
}

/// A repository that is filled in one go.
fn large() -> Repository {
    let repository = GitServer::shared().repository("large");
    let mut commit = "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 5\nStart\n".to_owned();
    let mut add = |path: String, n: usize| {
        let text = format!("label: File {n}\n");
        write!(commit, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).expect("a text takes more");
    };
    for n in 0..COPIED {
        add(format!("omni/source/v{n}.view"), n);
    }
    for n in COPIED..FILES {
        add(format!("others/{}/f{n}.sql", n / TOGETHER), n);
    }
    repository.git_stdin(&["fast-import", "--quiet"], &commit);
    repository
}

async fn by_wavepin(repository: &Repository) -> Duration {
    let server = GitServer::shared();
    let credential = GitCredential::Token {
        user: None,
        token: SecretString::from(server.token()),
        authorities: Some(server.authority().to_owned()),
    };
    let adapter = GitRepository::new(&repository.https(), &credential, GitOptions::default());
    let adapter = adapter.expect("the address is one");
    let request = CopyRequest {
        branch: "main".to_owned(),
        from: "omni/source".to_owned(),
        at: None,
        to: "omni/by-wavepin".to_owned(),
        message: "Copy".to_owned(),
        author: Author {
            name: "Wavepin".to_owned(),
            email: "wavepin@example.com".to_owned(),
        },
        time: Timestamp::now(),
        propose: None,
    };
    let started = Instant::now();
    adapter.copy_directory(&request).await.expect("it is copied");
    started.elapsed()
}

/// What a script does that knows of partial clones: only the directory's files are fetched and checked out.
fn by_git(repository: &Repository) -> Duration {
    let server = GitServer::shared();
    let home = tempfile::tempdir().expect("there is room for a folder");
    let authority = home.path().join("ca.pem");
    std::fs::write(&authority, server.authority()).expect("there is room for a file");
    let work = home.path().join("work");
    let address = repository
        .https()
        .replacen("https://", &format!("https://x-access-token:{}@", server.token()), 1);
    let script = format!(
        "set -e
         git clone --quiet --depth 1 --filter=blob:none --sparse --branch main '{address}' '{work}'
         cd '{work}'
         git sparse-checkout set omni/source omni/by-git
         cp -r omni/source omni/by-git
         git add omni/by-git
         git -c user.name=A -c user.email=a@example.com commit --quiet -m Copy
         git push --quiet origin main",
        work = work.display()
    );
    let started = Instant::now();
    let ran = Command::new("sh")
        .args(["-c", &script])
        .env("GIT_SSL_CAINFO", &authority)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("there is a shell");
    let took = started.elapsed();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    took
}
