//! Real Git repositories behind the settings of models, read and written by the `git` program as Omni's own servers do.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Texts by their path under a directory.
pub(super) type Texts = BTreeMap<String, String>;

/// A repository on this machine, with whatever address Omni knows it by.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    path: PathBuf,
}

impl Repository {
    pub(super) fn at(path: &str) -> Result<Self, String> {
        let repository = Self { path: path.into() };
        repository.git(&["rev-parse", "--git-dir"], b"")?;
        Ok(repository)
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        run(&self.path, arguments, input)
    }

    /// The commit that a branch, a tag or a commit's own id names.
    pub(super) fn commit(&self, git_ref: &str) -> Option<String> {
        let named = format!("{git_ref}^{{commit}}");
        let found = self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &named], b"");
        let found = String::from_utf8(found.ok()?).ok()?;
        Some(found.trim().to_owned())
    }

    /// The files of a directory; none where it is absent.
    pub(super) fn read(&self, commit: &str, directory: &str) -> Result<Option<Texts>, String> {
        let below = format!("{directory}/");
        let listed = self.git(
            &["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, &below],
            b"",
        )?;
        let listed = String::from_utf8(listed).map_err(|source| source.to_string())?;
        let paths: Vec<&str> = listed.split_terminator('\0').collect();
        if paths.is_empty() {
            return Ok(None);
        }
        let asked: String = paths.iter().map(|path| format!("{commit}:{path}\n")).collect();
        let mut answer = &self.git(&["cat-file", "--batch"], asked.as_bytes())?[..];
        let mut files = Texts::new();
        for path in paths {
            let text = next_object(&mut answer).ok_or_else(|| format!("{path}: git tells no content"))?;
            let name = path.strip_prefix(&below).unwrap_or(path);
            files.insert(name.to_owned(), text);
        }
        Ok(Some(files))
    }

    /// Commits these files as all that a directory holds, on top of a branch; the branch's newest commit afterwards.
    pub(super) fn write(&self, branch: &str, directory: &str, files: &Texts, message: &str) -> Result<String, String> {
        let head = self.commit(&format!("refs/heads/{branch}"));
        let from = head.map(|head| format!("from {head}\n")).unwrap_or_default();
        let mut commit = format!(
            "commit refs/heads/{branch}\ncommitter Omni <omni@example.com> {} +0000\ndata {}\n{message}\n{from}D {directory}\n",
            jiff::Timestamp::now().as_second(),
            message.len()
        );
        for (name, text) in files {
            commit.push_str(&format!(
                "M 100644 inline {directory}/{name}\ndata {}\n{text}\n",
                text.len()
            ));
        }
        self.git(&["fast-import", "--quiet"], commit.as_bytes())?;
        let made = self.commit(&format!("refs/heads/{branch}"));
        made.ok_or_else(|| format!("{branch} is not there after a commit"))
    }
}

/// One answer of `git cat-file --batch`: a line that ends with the size, so many bytes, a line end.
fn next_object(answer: &mut &[u8]) -> Option<String> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let size: usize = head.rsplit(' ').next()?.parse().ok()?;
    let text = answer.get(end + 1..end + 1 + size)?;
    let text = String::from_utf8(text.to_vec()).ok()?;
    *answer = answer.get(end + 2 + size..).unwrap_or_default();
    Some(text)
}

fn run(path: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(path).args(arguments);
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut git = git.spawn().map_err(|source| format!("git does not start: {source}"))?;
    let stdin = git.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        git.wait_with_output()
    });
    let output = output.map_err(|source| source.to_string())?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
