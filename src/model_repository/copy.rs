//! A directory copied in one commit: one entry of a tree, and the trees and the commit above it.

use std::time::Duration;

use jiff::Timestamp;

use super::answer::{Kind, not_git};
use super::line::Connection;
use super::objects::{self, Entry, EntryKind, Id, ObjectKind, Objects};
use super::pack;
use super::push::{Pushed, push};
use super::snapshot::{Limits, Snapshot};
use super::upload::Upload;
use crate::ports::{Copied, CopyRequest, Whereabouts};

/// What came of one try.
enum Tried {
    Done(Copied),
    /// Somebody else pushed first. The server's words.
    Outrun(String),
}

/// How often it is tried while others push.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) tries: u32,
    /// Before the second try; doubled before each further one.
    pub(super) pause: Duration,
}

/// Copies a directory, again on top of what others push meanwhile.
pub(super) async fn copy(
    connection: &Connection,
    request: &CopyRequest,
    limits: Limits,
    patience: Patience,
) -> Result<Copied, Kind> {
    let mut last = String::new();
    for number in 0..patience.tries {
        if number > 0 {
            tokio::time::sleep(pause(patience.pause, number)).await;
        }
        match attempt(connection, request, limits).await? {
            Tried::Done(copied) => return Ok(copied),
            Tried::Outrun(words) => last = words,
        }
    }
    Err(Kind::Outrun {
        branch: target(request).to_owned(),
        tries: patience.tries,
        words: last,
    })
}

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Doubled from try to try, and up to doubled once more by chance, so that two who collide part.
fn pause(first: Duration, number: u32) -> Duration {
    let doubled = first.saturating_mul(1 << (number - 1).min(10)).min(LONGEST_PAUSE);
    let chance = Timestamp::now().subsec_nanosecond().unsigned_abs() % 1000;
    doubled + doubled * chance / 1000
}

/// The branch that is pushed.
fn target(request: &CopyRequest) -> &str {
    request.propose.as_deref().unwrap_or(&request.branch)
}

/// What the branches are at.
struct Tips {
    /// Of the branch that the copy is for.
    head: Id,
    /// The commit whose directory is copied.
    source: Id,
    /// Of the branch that proposes it, if it is there.
    proposal: Option<Id>,
}

impl Tips {
    async fn read(upload: &mut Upload<'_>, request: &CopyRequest) -> Result<Self, Kind> {
        let branch = &request.branch;
        let head = upload.branch(branch).await?;
        let head = head.ok_or_else(|| Kind::NoBranch { branch: branch.clone() })?;
        let source = match &request.at {
            Some(commit) => commit_id(commit)?,
            None => head,
        };
        let proposal = match &request.propose {
            Some(branch) => upload.branch(branch).await?,
            None => None,
        };
        Ok(Self { head, source, proposal })
    }

    fn all(&self) -> Vec<Id> {
        let mut all = vec![self.head, self.source];
        all.extend(self.proposal);
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// An id of a request.
pub(super) fn commit_id(text: &str) -> Result<Id, Kind> {
    Id::parse(text).ok_or_else(|| Kind::Name {
        name: text.to_owned(),
        why: "the id of a commit has 40 hexadecimal digits",
    })
}

/// A refusal to give out a commit that a request names.
pub(super) fn without_commit(kind: Kind, commit: Option<&str>) -> Kind {
    match (kind, commit) {
        (Kind::Refused { words }, Some(commit)) => Kind::NoCommit {
            commit: commit.to_owned(),
            words,
        },
        (kind, _) => kind,
    }
}

async fn attempt(connection: &Connection, request: &CopyRequest, limits: Limits) -> Result<Tried, Kind> {
    let mut upload = Upload::open(connection).await?;
    let tips = Tips::read(&mut upload, request).await?;
    let snapshot = Snapshot::of(upload, &tips.all(), false, limits).await;
    let mut snapshot = snapshot.map_err(|kind| without_commit(kind, request.at.as_deref()))?;
    let root = snapshot.root(tips.head)?;
    let source = snapshot.root(tips.source)?;
    let from = snapshot.directory(source, &request.from).await?;
    let from = from.ok_or_else(|| Kind::NoDirectory {
        path: request.from.clone(),
        commit: tips.source.to_string(),
    })?;
    let done = |commit: Id, changed, whereabouts| {
        Ok(Tried::Done(Copied {
            commit: commit.to_string(),
            tree: from.to_string(),
            changed,
            whereabouts,
        }))
    };
    match snapshot.directory(root, &request.to).await? {
        Some(there) if there == from => return done(tips.head, false, Whereabouts::OnBranch),
        Some(there) => {
            return Err(Kind::DirectoryTaken {
                path: request.to.clone(),
                holds: there.to_string(),
                wanted: from.to_string(),
            });
        }
        None => {}
    }
    let whereabouts = match request.propose {
        Some(_) => Whereabouts::Proposed,
        None => Whereabouts::OnBranch,
    };
    if let Some(proposal) = tips.proposal {
        let proposed = snapshot.root(proposal)?;
        if snapshot.directory(proposed, &request.to).await? == Some(from) {
            return done(proposal, false, whereabouts);
        }
        return Err(Kind::BranchTaken {
            branch: target(request).to_owned(),
        });
    }
    snapshot.check(from, &request.from).await?;
    let known = snapshot.into_objects().await;
    let (commit, pack) = build(&known, root, tips.head, from, request)?;
    let before = if request.propose.is_some() { Id::NONE } else { tips.head };
    match push(connection, target(request), before, commit, &pack).await? {
        Pushed::Done => done(commit, true, whereabouts),
        Pushed::Outrun(words) => Ok(Tried::Outrun(words)),
        Pushed::Denied(words) => denied(connection, request, &tips, words).await,
    }
}

/// Tells a protected branch from one that somebody else just moved, which not every server tells apart.
async fn denied(connection: &Connection, request: &CopyRequest, tips: &Tips, words: String) -> Result<Tried, Kind> {
    let mut upload = Upload::open(connection).await?;
    let now = Tips::read(&mut upload, request).await?;
    upload.close().await;
    if now.head != tips.head || now.proposal != tips.proposal {
        return Ok(Tried::Outrun(words));
    }
    Err(Kind::Protected {
        branch: target(request).to_owned(),
        words,
    })
}

/// The commit on top of `parent` whose root has the copied directory, and a pack of it with the trees that are new.
fn build(known: &Objects, root: Id, parent: Id, from: Id, request: &CopyRequest) -> Result<(Id, Vec<u8>), Kind> {
    let mut written = Vec::new();
    let path: Vec<&str> = request.to.split('/').collect();
    let root = graft(known, Some(root), &path, from, &mut written)?;
    let seconds = request.time.as_second();
    let commit = objects::commit(root, parent, &request.author, seconds, &request.message);
    let id = put(ObjectKind::Commit, commit, &mut written);
    Ok((id, pack::write(&written)))
}

/// A tree like `tree`, or a new one, with a directory at the path; it and all trees on the way are written.
fn graft(
    known: &Objects,
    tree: Option<Id>,
    path: &[&str],
    directory: Id,
    written: &mut Vec<(ObjectKind, Vec<u8>)>,
) -> Result<Id, Kind> {
    let Some((name, below)) = path.split_first() else {
        return Ok(directory);
    };
    let mut entries = match tree {
        None => Vec::new(),
        Some(id) => match known.get(&id) {
            Some((ObjectKind::Tree, data)) => objects::entries(data)?,
            _ => return Err(not_git(format!("it leaves out the tree {id}"))),
        },
    };
    let there = entries.iter().position(|entry| entry.name == name.as_bytes());
    let there = there.map(|index| entries.remove(index));
    // A file in the way was found before this.
    let next = there
        .filter(|entry| entry.kind() == EntryKind::Directory)
        .map(|entry| entry.id);
    let id = graft(known, next, below, directory, written)?;
    entries.push(Entry::directory(name, id));
    Ok(put(ObjectKind::Tree, objects::tree(entries), written))
}

fn put(kind: ObjectKind, data: Vec<u8>, written: &mut Vec<(ObjectKind, Vec<u8>)>) -> Id {
    let id = Id::of(kind, &data);
    written.push((kind, data));
    id
}
