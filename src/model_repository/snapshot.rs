//! One state of a repository, of which no more is fetched than what is looked at.

use super::answer::{Kind, not_git};
use super::objects::{Entry, EntryKind, Id, ObjectKind, Objects, entries, tree_of};
use super::pack::{self, Keep};
use super::upload::{Filter, Upload};
use crate::ports::Directory;

/// How much of a directory is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of objects, unpacked.
    pub(super) bytes: usize,
    /// Files of one directory, those below it included.
    pub(super) files: usize,
}

/// Some commits with as much below them as was needed so far.
pub(super) struct Snapshot<'a> {
    upload: Upload<'a>,
    objects: Objects,
    files: bool,
    limits: Limits,
}

/// One file of a directory.
struct Found {
    /// From the directory, with `/` between names.
    path: String,
    id: Id,
}

impl<'a> Snapshot<'a> {
    /// Of these commits; with `files` if the text of files is looked at too.
    pub(super) async fn of(upload: Upload<'a>, commits: &[Id], files: bool, limits: Limits) -> Result<Self, Kind> {
        let filter = match upload.is_stepwise() {
            true => Filter::Below,
            // There is no second answer.
            false if files => Filter::Nothing,
            false => Filter::Files,
        };
        let mut snapshot = Self {
            upload,
            objects: Objects::new(),
            files,
            limits,
        };
        snapshot.fetch(commits, true, filter).await?;
        Ok(snapshot)
    }

    async fn fetch(&mut self, wanted: &[Id], commits: bool, filter: Filter) -> Result<(), Kind> {
        let pack = self.upload.fetch(wanted, commits, filter).await?;
        let keep = Keep {
            blobs: self.files,
            limit: self.limits.bytes,
        };
        let mut objects = std::mem::take(&mut self.objects);
        let read = tokio::task::spawn_blocking(move || pack::read(&pack, keep, &mut objects).map(|()| objects));
        self.objects = read.await.map_err(|_| not_git("its pack could not be read"))??;
        Ok(())
    }

    /// What was fetched. The conversation ends.
    pub(super) async fn into_objects(self) -> Objects {
        self.upload.close().await;
        self.objects
    }

    /// The tree that a commit is of.
    pub(super) fn root(&self, commit: Id) -> Result<Id, Kind> {
        match self.objects.get(&commit) {
            Some((ObjectKind::Commit, data)) => tree_of(data),
            _ => Err(Kind::NoCommit {
                commit: commit.to_string(),
                words: "what has this id is no commit".to_owned(),
            }),
        }
    }

    /// The entries of a tree, fetched if they are not there.
    async fn tree(&mut self, id: Id) -> Result<Vec<Entry>, Kind> {
        if !self.objects.contains_key(&id) && self.upload.is_stepwise() {
            self.fetch(&[id], false, Filter::Below).await?;
        }
        self.known_tree(id)
    }

    fn known_tree(&self, id: Id) -> Result<Vec<Entry>, Kind> {
        match self.objects.get(&id) {
            Some((ObjectKind::Tree, data)) => entries(data),
            _ => Err(not_git(format!("it leaves out the tree {id}"))),
        }
    }

    /// The directory at a path under a tree.
    pub(super) async fn directory(&mut self, root: Id, path: &str) -> Result<Option<Id>, Kind> {
        let mut at = root;
        let mut passed = String::new();
        for name in path.split('/') {
            if !passed.is_empty() {
                passed.push('/');
            }
            passed.push_str(name);
            let entries = self.tree(at).await?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == name.as_bytes()) else {
                return Ok(None);
            };
            let is = match entry.kind() {
                EntryKind::Directory => {
                    at = entry.id;
                    continue;
                }
                EntryKind::File => "a file",
                EntryKind::SymbolicLink => "a symbolic link",
                EntryKind::Submodule => "a submodule",
            };
            return Err(Kind::NotDirectory { path: passed, is });
        }
        Ok(Some(at))
    }

    /// Checks that a directory holds nothing but files that Omni would take.
    pub(super) async fn check(&mut self, tree: Id, path: &str) -> Result<(), Kind> {
        if self.upload.is_stepwise() {
            self.fetch(&[tree], false, Filter::Files).await?;
        }
        self.walk(tree, path).map(drop)
    }

    /// A directory with the text of its files.
    pub(super) async fn read(&mut self, tree: Id, path: &str) -> Result<Directory, Kind> {
        if self.upload.is_stepwise() {
            self.fetch(&[tree], false, Filter::Nothing).await?;
        }
        let mut files = std::collections::BTreeMap::new();
        for found in self.walk(tree, path)? {
            let Some((_, data)) = self.objects.get(&found.id) else {
                return Err(not_git(format!("it leaves out the file {:?}", found.path)));
            };
            let text = String::from_utf8(data.to_vec()).map_err(|_| Kind::NotText {
                path: format!("{path}/{}", found.path),
            })?;
            files.insert(found.path, text);
        }
        Ok(Directory {
            tree: tree.to_string(),
            files,
        })
    }

    /// The files of a directory and of those below it, all of whose trees were fetched.
    fn walk(&self, tree: Id, path: &str) -> Result<Vec<Found>, Kind> {
        let mut files = Vec::new();
        let mut directories = vec![(String::new(), tree)];
        let mut seen = 0;
        while let Some((above, tree)) = directories.pop() {
            for entry in self.known_tree(tree)? {
                let name = file_name(&entry.name, &format!("{path}/{above}"))?;
                let inner = format!("{above}{name}");
                let whole = || format!("{path}/{inner}");
                // Directories count too, so that a tree of them has an end.
                seen += 1;
                if seen > self.limits.files {
                    return Err(Kind::TooLarge {
                        what: format!("the number of files in {path:?}"),
                        limit: self.limits.files.to_string(),
                        remedy: "Take out of the directory what is no part of the model",
                    });
                }
                match entry.kind() {
                    EntryKind::Directory => directories.push((format!("{inner}/"), entry.id)),
                    EntryKind::File => files.push(Found {
                        path: inner,
                        id: entry.id,
                    }),
                    EntryKind::SymbolicLink => {
                        return Err(Kind::Entry {
                            path: whole(),
                            is: "a symbolic link",
                        });
                    }
                    EntryKind::Submodule => {
                        return Err(Kind::Entry {
                            path: whole(),
                            is: "a submodule",
                        });
                    }
                }
            }
        }
        Ok(files)
    }
}

/// A name that Omni, and every system that a repository is checked out on, takes for a file's.
fn file_name<'a>(name: &'a [u8], above: &str) -> Result<&'a str, Kind> {
    let text = std::str::from_utf8(name);
    let why = match text {
        Err(_) => "it is no UTF-8",
        Ok(text) if text.chars().any(char::is_control) => "it holds a control character",
        Ok(text) if text.contains(['\\', ':', '*', '?', '"', '<', '>', '|']) => {
            r#"it holds one of the characters \ : * ? " < > |"#
        }
        Ok(text) if text.trim() != text => "it begins or ends with a space",
        Ok(text) if text.ends_with('.') => "it ends with a full stop",
        Ok(text) if text.len() > 255 => "it is longer than 255 bytes",
        Ok(text) => return Ok(text),
    };
    Err(Kind::FileName {
        path: format!("{above}{}", String::from_utf8_lossy(name)),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_omni_would_not_take_is_named() {
        for name in [
            "patients.view",
            "PUBLIC",
            "daily sales.topic",
            "model",
            ".gitkeep",
            "größe.view",
        ] {
            assert_eq!(file_name(name.as_bytes(), "").unwrap(), name);
        }
        let long = "a".repeat(256);
        for name in [
            &b"\xff.view"[..],
            b"a\n.view",
            b"a\\b.view",
            b"a:b",
            b" a",
            b"a.",
            long.as_bytes(),
        ] {
            let told = file_name(name, "omni/v1/").unwrap_err();
            assert!(
                matches!(&told, Kind::FileName { path, .. } if path.starts_with("omni/v1/")),
                "{told}"
            );
        }
    }
}
