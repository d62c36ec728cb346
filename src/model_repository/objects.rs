//! Git's objects: ids, trees and commits (gitformat-pack, and "git help cat-file").

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::answer::{Kind, not_git};
use crate::ports::Author;

/// The SHA-1 of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id([u8; 20]);

impl Id {
    /// What stands for no object: a ref that is not there.
    pub(super) const NONE: Self = Self([0; 20]);

    /// From 40 hexadecimal digits.
    pub(super) fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        let mut id = [0; 20];
        if text.len() != 2 * id.len() || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, digits) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }

    /// From 20 bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its 20 bytes.
    pub(super) fn bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The id of this object.
    pub(super) fn of(kind: ObjectKind, data: &[u8]) -> Self {
        let mut digest = Sha1::new();
        digest.update(format!("{} {}\0", kind.name(), data.len()));
        digest.update(data);
        Self(digest.finalize().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The kinds of object that are read and written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Commit,
    Tree,
    Blob,
}

impl ObjectKind {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }
}

/// Objects by their ids.
pub(super) type Objects = HashMap<Id, (ObjectKind, Arc<[u8]>)>;

/// What an entry of a tree is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Directory,
    File,
    SymbolicLink,
    Submodule,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its mode in octal digits, as it stands: old trees have some that nobody writes any more.
    pub(super) mode: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) id: Id,
}

impl Entry {
    /// A directory.
    pub(super) fn directory(name: &str, id: Id) -> Self {
        Self {
            mode: b"40000".to_vec(),
            name: name.as_bytes().to_vec(),
            id,
        }
    }

    /// What it is.
    pub(super) fn kind(&self) -> EntryKind {
        match self.mode.strip_prefix(b"0").unwrap_or(&self.mode) {
            b"40000" => EntryKind::Directory,
            b"120000" => EntryKind::SymbolicLink,
            b"160000" => EntryKind::Submodule,
            _ => EntryKind::File,
        }
    }

    /// Its place among others: a directory stands where its name with a slash would.
    fn order(&self) -> impl Iterator<Item = u8> {
        let slash = (self.kind() == EntryKind::Directory).then_some(b'/');
        self.name.iter().copied().chain(slash)
    }
}

/// The entries of a tree, in their order.
pub(super) fn entries(tree: &[u8]) -> Result<Vec<Entry>, Kind> {
    let mut entries = Vec::new();
    let mut rest = tree;
    while !rest.is_empty() {
        let (entry, after) = entry(rest).ok_or_else(|| not_git("a tree in it is broken"))?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

fn entry(tree: &[u8]) -> Option<(Entry, &[u8])> {
    let space = tree.iter().position(|byte| *byte == b' ')?;
    let (mode, rest) = (&tree[..space], &tree[space + 1..]);
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (name, rest) = (&rest[..end], &rest[end + 1..]);
    let (id, rest) = rest.split_at_checked(20)?;
    let entry = Entry {
        mode: mode.to_vec(),
        name: name.to_vec(),
        id: Id::from_bytes(id)?,
    };
    Some((entry, rest))
}

/// A tree of these entries.
pub(super) fn tree(mut entries: Vec<Entry>) -> Vec<u8> {
    entries.sort_by(|one, other| one.order().cmp(other.order()));
    let mut tree = Vec::new();
    for Entry { mode, name, id } in entries {
        tree.extend_from_slice(&mode);
        tree.push(b' ');
        tree.extend_from_slice(&name);
        tree.push(0);
        tree.extend_from_slice(id.bytes());
    }
    tree
}

/// The tree that a commit is of.
pub(super) fn tree_of(commit: &[u8]) -> Result<Id, Kind> {
    let id = commit
        .strip_prefix(b"tree ")
        .and_then(|rest| rest.get(..40))
        .and_then(Id::parse);
    id.ok_or_else(|| not_git("a commit in it names no tree"))
}

/// A commit on top of another.
pub(super) fn commit(root: Id, parent: Id, author: &Author, seconds: i64, message: &str) -> Vec<u8> {
    let (name, email) = (bare(&author.name), bare(&author.email));
    let who = format!("{name} <{email}> {seconds} +0000");
    let message = message.trim().replace('\0', "");
    format!("tree {root}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}\n").into_bytes()
}

/// A name or an address without what would end it in a commit.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_git_has_them() {
        assert_eq!(
            Id::of(ObjectKind::Tree, b"").to_string(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
        assert_eq!(
            Id::of(ObjectKind::Blob, b"hello\n").to_string(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        let id = Id::parse("4b825dc642cb6eb9a060e54bf8d69288fbee4904").unwrap();
        assert_eq!(id, Id::of(ObjectKind::Tree, b""));
        for text in ["", "4b82", "zb825dc642cb6eb9a060e54bf8d69288fbee4904"] {
            assert_eq!(Id::parse(text), None);
        }
    }

    #[test]
    fn a_tree_is_sorted_as_git_sorts_it_and_reads_as_it_was_written() {
        let file = |name: &str| Entry {
            mode: b"100644".to_vec(),
            name: name.as_bytes().to_vec(),
            id: Id::NONE,
        };
        let written = tree(vec![
            Entry::directory("a", Id::NONE),
            file("a.b"),
            file("a-b"),
            file("A"),
        ]);
        let read = entries(&written).unwrap();
        let names: Vec<_> = read
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.name).into_owned())
            .collect();
        assert_eq!(names, ["A", "a-b", "a.b", "a"]);
        assert_eq!(tree(read), written);
        assert!(entries(&written[..written.len() - 1]).is_err());
    }

    #[test]
    fn nothing_in_a_commit_breaks_out_of_its_line() {
        let author = Author {
            name: "Wave\npin <x>".to_owned(),
            email: "bot@example.com>\n".to_owned(),
        };
        let commit = commit(Id::NONE, Id::NONE, &author, 7, "Copy it\n\n");
        let text = String::from_utf8(commit.clone()).unwrap();
        assert!(
            text.ends_with("committer Wavepin x <bot@example.com> 7 +0000\n\nCopy it\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 6);
        assert_eq!(tree_of(&commit).unwrap(), Id::NONE);
    }
}
