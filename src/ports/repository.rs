//! What the reconcilers need of the Git repository that holds models' files.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use snafu::Snafu;

/// Which state of a repository is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// The newest commit of a branch, by the branch's short name: `main`.
    Branch(String),
    /// A commit, by its id of 40 hexadecimal digits. Servers that only speak Git's protocol 0 or 1 give no commit but
    /// the newest of a branch.
    Commit(String),
}

/// A directory of a repository with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The id of its tree: equal where every name, mode and content below is.
    pub tree: String,
    /// The files by their path under the directory, with `/` between names, each its text.
    pub files: BTreeMap<String, String>,
}

/// Whom a commit names as its author and committer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// A name, for people.
    pub name: String,
    /// An address; many servers show a commit as the work of the account that it belongs to.
    pub email: String,
}

/// One directory to be copied in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRequest {
    /// The branch that the copy is for, by its short name.
    pub branch: String,
    /// The directory to copy, from the root, without a slash at either end.
    pub from: String,
    /// The commit whose directory is copied; absent: the newest of the branch. With it, doing it again copies the same
    /// files however the source has changed since.
    pub at: Option<String>,
    /// Where the copy goes, from the root, likewise. The directories above it are made where they are missing.
    pub to: String,
    /// The commit's message.
    pub message: String,
    /// The commit's author and committer.
    pub author: Author,
    /// The commit's time.
    pub time: Timestamp,
    /// The branch that is pushed in place of `branch`, by its short name, for people to merge; absent: `branch` itself.
    pub propose: Option<String>,
}

/// Where a copied directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// On the branch that it is for: pushed there, or merged.
    OnBranch,
    /// On the branch that proposes it, and not merged yet.
    Proposed,
}

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// A commit that has the directory: the one that was pushed, or the newest of the branch that has it already.
    pub commit: String,
    /// The id of the directory's tree.
    pub tree: String,
    /// Whether this call pushed a commit. False: the directory was there already with the same tree.
    pub changed: bool,
    /// Which branch has it.
    pub whereabouts: Whereabouts,
}

/// Why a repository could not do what was asked. No text holds a token, a password or a private key.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub), display("failed to {action} in {repository}: {kind}"))]
pub struct RepositoryError {
    /// What was being done, as a verb and its object: `copy "omni/v1" to "omni/v2" on the branch "main"`.
    pub action: String,
    /// The repository's address, without user and password.
    pub repository: Box<str>,
    /// What went wrong.
    #[snafu(source)]
    pub kind: RepositoryErrorKind,
}

/// What went wrong with a repository, and the way out where a person has to take it.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub))]
pub enum RepositoryErrorKind {
    /// The server cannot be reached, or the connection broke: what was sent last may or may not have taken effect.
    #[snafu(display("the server cannot be reached: {why}"))]
    Unreachable {
        /// The cause, in words, its own causes included.
        why: String,
        /// The error below.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server did not answer in time: what was sent last may or may not have taken effect.
    #[snafu(display("the server did not answer within {limit:?}"))]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The address is none that can be used, or does not go with the credential.
    #[snafu(display("{why}"))]
    Address {
        /// What is wrong with it, and how to write it.
        why: String,
    },
    /// The credential cannot be used as it is written.
    #[snafu(display("{why}"))]
    CredentialInvalid {
        /// What is wrong, and how to make a right one.
        why: String,
    },
    /// The server does not take the credential, or takes it and does not let it do this.
    #[snafu(display(
        "the server refused the credential: {words}. Give it a {credential} that may {right} this repository"
    ))]
    CredentialRefused {
        /// The server's words.
        words: String,
        /// What is used: `token` or `deploy key`.
        credential: &'static str,
        /// What it has to be allowed: `read` or `write to`.
        right: &'static str,
    },
    /// The known hosts have no key for this server.
    #[snafu(display(
        "the known hosts have no key for {host}, which shows {offered}. If that is its key, as its owner publishes it, add \
         this line to the known hosts: {line}"
    ))]
    HostUnknown {
        /// The host, as known hosts write it: with its port where that is not 22.
        host: String,
        /// The kind and fingerprint of the key that the server shows.
        offered: String,
        /// The line that makes it known.
        line: String,
    },
    /// The server shows another key than the known hosts have, or one that they call revoked.
    #[snafu(display(
        "{host} shows {offered}, but the known hosts have {known}: somebody may be listening in, and nothing was sent. If \
         its owner has changed the key, replace its lines in the known hosts"
    ))]
    HostKeyChanged {
        /// The host, as known hosts write it.
        host: String,
        /// The kind and fingerprint of the key that the server shows.
        offered: String,
        /// Those that it should have shown.
        known: String,
    },
    /// There is no such repository, as far as the credential may see.
    #[snafu(display(
        "there is no repository, or the credential may not see it: {words}. Correct the address, or give the credential \
         access"
    ))]
    NoRepository {
        /// The server's words.
        words: String,
    },
    /// The repository has no such branch.
    #[snafu(display("it has no branch {branch:?}. Name one that it has, or push it"))]
    NoBranch {
        /// The branch's short name.
        branch: String,
    },
    /// The repository has no such commit, or does not give it out.
    #[snafu(display("it does not give out the commit {commit}, which may be gone: {words}"))]
    NoCommit {
        /// The commit's id.
        commit: String,
        /// The server's words.
        words: String,
    },
    /// The branch or commit has no such directory.
    #[snafu(display("there is no directory {path:?} at commit {commit}"))]
    NoDirectory {
        /// The path from the root.
        path: String,
        /// Where it was looked for.
        commit: String,
    },
    /// A file stands where a directory is wanted.
    #[snafu(display("{path:?} is {is} and no directory; name another path, or take it away"))]
    NotDirectory {
        /// The path from the root.
        path: String,
        /// What it is.
        is: &'static str,
    },
    /// The directory is there with other content, which is not written over.
    #[snafu(display(
        "{path:?} is there already with other content (tree {holds}, the copy would be {wanted}), and is not written over. \
         Take it away, or name another directory"
    ))]
    DirectoryTaken {
        /// The path from the root.
        path: String,
        /// Its tree.
        holds: String,
        /// The tree that the copy would have.
        wanted: String,
    },
    /// The branch that should propose the copy is there without it, and is not written over.
    #[snafu(display(
        "the branch {branch:?} is there already without the copy, and is not written over. Merge or delete it, or name \
         another to propose with"
    ))]
    BranchTaken {
        /// The branch's short name.
        branch: String,
    },
    /// A path or a branch of the request cannot be used.
    #[snafu(display("{name:?} cannot be used: {why}"))]
    Name {
        /// The path or branch as it was given.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The directory holds something else than files and directories, which Omni does not read.
    #[snafu(display("{path:?} is {is}, which Omni cannot read; put the file itself in its place"))]
    Entry {
        /// The path from the root.
        path: String,
        /// What it is: `a submodule` or `a symbolic link`.
        is: &'static str,
    },
    /// The directory holds a file whose name Omni would not take.
    #[snafu(display("Omni would not take the file name {path:?}: {why}. Rename it"))]
    FileName {
        /// The path from the root, made printable.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The directory holds a file that is no text.
    #[snafu(display("{path:?} is no UTF-8 text, so no file of a model; take it out of the directory"))]
    NotText {
        /// The path from the root.
        path: String,
    },
    /// More than is taken.
    #[snafu(display("{what} is over the limit of {limit}. {remedy}"))]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, with its unit.
        limit: String,
        /// What a person can do.
        remedy: &'static str,
    },
    /// The server does not let anybody push to the branch as it was pushed.
    #[snafu(display(
        "the server protects the branch {branch:?}: {words}. Let the credential's owner push to it, or propose the copy on \
         a branch of its own"
    ))]
    Protected {
        /// The branch's short name.
        branch: String,
        /// The server's words, its hooks' included.
        words: String,
    },
    /// Somebody else pushed to the branch each time before this could.
    #[snafu(display("somebody else pushed to the branch {branch:?} first, {tries} times in a row: {words}"))]
    Outrun {
        /// The branch's short name.
        branch: String,
        /// How often it was tried.
        tries: u32,
        /// The server's words at the last.
        words: String,
    },
    /// The server refused for another reason.
    #[snafu(display("the server refused: {words}"))]
    Refused {
        /// The server's words.
        words: String,
    },
    /// The server works in a way that is not supported.
    #[snafu(display("{what}"))]
    Unsupported {
        /// What, and the way out.
        what: String,
    },
    /// The server's answer is none of Git's.
    #[snafu(display("the server's answer is not understood: {why}. Check that the address is a Git repository's"))]
    NotGit {
        /// What was seen.
        why: String,
    },
}

/// One Git repository, reached with one credential. Every call reads the server anew.
#[async_trait]
pub trait ModelRepository: Send + Sync {
    /// The id of the branch's newest commit.
    async fn head(&self, branch: &str) -> Result<String, RepositoryError>;
    /// The id of a directory's tree, `None` where the directory is absent. Reads no file.
    async fn tree(&self, at: &Revision, path: &str) -> Result<Option<String>, RepositoryError>;
    /// A directory with the text of all its files, `None` where it is absent.
    async fn directory(&self, at: &Revision, path: &str) -> Result<Option<Directory>, RepositoryError>;
    /// Copies a directory in one commit, never by force. Repeatable: a copy that is there is left as it is. Where
    /// somebody else pushes meanwhile, the commit is made anew on top of theirs.
    async fn copy_directory(&self, request: &CopyRequest) -> Result<Copied, RepositoryError>;
}
