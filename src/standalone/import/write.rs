//! Puts manifests into a folder: whole or not at all, each, and never over what a person changed.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use snafu::{ResultExt, Snafu};

use super::{ManifestFile, Manifests};

/// What became of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// How many were written.
    pub written: usize,
    /// How many were there already, just so.
    pub same: usize,
    /// Those that are there and say something else, and were left as they are.
    pub differ: Vec<PathBuf>,
}

/// A file or folder cannot be read or written. What was written before stays, and is whole.
#[derive(Debug, Snafu)]
#[snafu(display("failed to write {}: {source}; the files before it are written, and a second run goes on from there", path.display()))]
pub struct WriteError {
    /// Which.
    path: PathBuf,
    /// Why.
    source: std::io::Error,
}

/// Writes the manifests under a folder, which is made where it is not there. `force`: also over files that differ.
///
/// # Errors
/// A file or folder cannot be read or written.
pub fn write(out: &Path, manifests: &Manifests, force: bool) -> Result<Written, WriteError> {
    let mut came = Written::default();
    for file in &manifests.files {
        let path = out.join(&file.place);
        let text = text(manifests, file);
        let there = match std::fs::read(&path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(source).context(WriteSnafu { path }),
        };
        match there {
            Some(there) if there == text.as_bytes() => came.same += 1,
            Some(_) if !force => came.differ.push(path),
            _ => match put(&path, &text, force).context(WriteSnafu { path: &path })? {
                true => came.written += 1,
                // Somebody was faster.
                false => came.differ.push(path),
            },
        }
    }
    Ok(came)
}

fn text(manifests: &Manifests, file: &ManifestFile) -> String {
    format!("{}{}", manifests.header, file.text)
}

/// Puts a text into place at once; false where something stands there by now and `over` is not said.
fn put(path: &Path, text: &str, over: bool) -> std::io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden: readers of manifests pass it by.
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let placed = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| place(&beside, path, over));
    if !matches!(placed, Ok(true)) || beside.exists() {
        // What is left of it; what is told is the first error.
        let _ = std::fs::remove_file(&beside);
    }
    placed
}

fn place(beside: &Path, path: &Path, over: bool) -> std::io::Result<bool> {
    if over {
        return std::fs::rename(beside, path).map(|()| true);
    }
    match std::fs::hard_link(beside, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A file system without links.
        Err(_) if !path.exists() => std::fs::rename(beside, path).map(|()| true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(text: &str) -> Manifests {
        let file = |place: &str| ManifestFile {
            place: PathBuf::from(place),
            text: text.to_owned(),
        };
        Manifests {
            header: "# made\n".to_owned(),
            files: vec![file("production/0/a.yaml"), file("production/1/b.yaml")],
            ..Manifests::default()
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_a_person_changed_stays_until_it_is_forced_and_nothing_else_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("new/pins");
        let came = write(&out, &manifests("kind: A\n"), false).unwrap();
        assert_eq!((came.written, came.same, came.differ.len()), (2, 0, 0));
        let a = out.join("production/0/a.yaml");
        assert_eq!(std::fs::read_to_string(&a).unwrap(), "# made\nkind: A\n");
        let came = write(&out, &manifests("kind: A\n"), false).unwrap();
        assert_eq!((came.written, came.same, came.differ.len()), (0, 2, 0));

        std::fs::write(&a, "mine").unwrap();
        let came = write(&out, &manifests("kind: A\n"), false).unwrap();
        assert_eq!((came.written, came.same, came.differ), (0, 1, vec![a.clone()]));
        assert_eq!(std::fs::read_to_string(&a).unwrap(), "mine");
        let came = write(&out, &manifests("kind: A\n"), true).unwrap();
        assert_eq!((came.written, came.same, came.differ.len()), (1, 1, 0));
        assert_eq!(std::fs::read_to_string(&a).unwrap(), "# made\nkind: A\n");
        assert_eq!(names(a.parent().unwrap()), ["a.yaml"]);
    }

    #[test]
    fn one_who_was_faster_keeps_the_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.yaml");
        std::fs::write(&path, "first").unwrap();
        assert!(!put(&path, "second", false).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(names(home.path()), ["a.yaml"]);
    }

    #[test]
    fn a_folder_that_cannot_be_one_is_told() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write(&file, &manifests("kind: A\n"), false).unwrap_err().to_string();
        assert!(error.contains("file/production/0/a.yaml"), "{error}");
    }
}
