//! Paths and branches of a request, checked before anything is asked of a server.

use super::answer::Kind;
use crate::ports::CopyRequest;

/// Checks all that a copy names.
pub(super) fn check(request: &CopyRequest) -> Result<(), Kind> {
    check_branch(&request.branch)?;
    request.propose.as_deref().map_or(Ok(()), check_branch)?;
    check_path(&request.from)?;
    check_path(&request.to)?;
    let (from, to) = (&request.from, &request.to);
    if to == from || to.strip_prefix(from.as_str()).is_some_and(|rest| rest.starts_with('/')) {
        return Err(wrong(to, "it is the directory that is copied, or lies in it"));
    }
    if request.propose.as_ref() == Some(&request.branch) {
        return Err(wrong(&request.branch, "a branch cannot propose to itself"));
    }
    Ok(())
}

/// Checks a directory's path from the root.
pub(super) fn check_path(path: &str) -> Result<(), Kind> {
    let why = if path.is_empty() {
        "it is empty"
    } else if path.starts_with('/') || path.ends_with('/') {
        "it begins or ends with a slash"
    } else if path.chars().any(char::is_control) || path.contains('\\') {
        "it holds a control character or a backslash"
    } else if path.split('/').any(|name| ["", ".", ".."].contains(&name)) {
        "one of its names is empty or made of dots"
    } else if path.split('/').any(|name| name.eq_ignore_ascii_case(".git")) {
        "one of its names is .git"
    } else {
        return Ok(());
    };
    Err(wrong(path, why))
}

/// Checks a branch's short name (git-check-ref-format).
pub(super) fn check_branch(name: &str) -> Result<(), Kind> {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let bad = name.contains(forbidden)
        || name.split('/').any(part)
        || name.starts_with('-')
        || name.ends_with('.')
        || name.contains("..")
        || name.contains("@{");
    if bad {
        Err(wrong(name, "Git takes no branch of this name"))
    } else {
        Ok(())
    }
}

fn wrong(name: &str, why: &'static str) -> Kind {
    Kind::Name {
        name: name.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_does_not_take_are_refused() {
        for name in ["main", "release/v2", "wavepin/clinical-2", "größe"] {
            check_branch(name).unwrap();
        }
        for name in [
            "", "a b", "a\0b", "-a", "a..b", "/a", "a/", "a.lock", "a@{1}", ".a", "a:b",
        ] {
            check_branch(name).unwrap_err();
        }
        for path in ["omni", "omni/v 1", "größe/x"] {
            check_path(path).unwrap();
        }
        for path in ["", "/a", "a/", "a//b", "a/../b", "./a", ".git/x", "a\nb", "a\\b"] {
            check_path(path).unwrap_err();
        }
    }
}
