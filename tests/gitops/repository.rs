//! A git repository that Argo CD syncs from.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::Output;

/// The branch that is synced, as the example says it.
const BRANCH: &str = "main";

/// A bare repository, and a clone in which commits are made.
#[derive(Debug)]
pub(super) struct Repository {
    /// Where it is served.
    pub(super) url: String,
    clone: PathBuf,
}

impl Repository {
    pub(super) fn new(folder: &Path, name: &str, url: String) -> Result<Self, String> {
        let bare = folder.join(format!("{name}.git"));
        let clone = folder.join(name);
        let path = |path: &Path| path.display().to_string();
        git(
            folder,
            &["init", "--quiet", "--bare", "--initial-branch", BRANCH, &path(&bare)],
        )?;
        git(folder, &["clone", "--quiet", &path(&bare), &path(&clone)])?;
        git(&clone, &["checkout", "--quiet", "-B", BRANCH])?;
        Ok(Self { url, clone })
    }

    /// Writes files, or takes those away that have no text, and publishes the commit; gives its hash.
    #[track_caller]
    pub(super) fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> String {
        for (name, text) in files {
            let file = self.clone.join(name);
            let folder = file.parent().expect("it stands in the clone");
            std::fs::create_dir_all(folder).expect("the clone takes folders");
            match text {
                Some(text) => std::fs::write(file, text),
                None => std::fs::remove_file(file),
            }
            .expect("the clone takes files");
        }
        let git = |args: &[&str]| git(&self.clone, args).expect("git works");
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", message]);
        git(&["push", "--quiet", "origin", BRANCH]);
        git(&["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Runs git apart from the settings of whoever runs the tests.
fn git(folder: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=tests", "-c", "user.email=tests@example.com"])
        .args(args)
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1");
    // A hook of this very repository may be what runs the tests.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = Output::of(&mut command, "")?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(output.to_string())
    }
}
