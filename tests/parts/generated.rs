//! Files that are made from the code and kept in the repository: held to what the code says, or written anew.

use std::path::Path;

/// Set to anything, generated files are written instead of held: `make generated`.
const WRITE: &str = "WAVEPIN_WRITE_GENERATED";

/// Holds a whole file, by its path in the repository, to what it must say.
#[track_caller]
pub(crate) fn holds(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    if old == text {
        return;
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    let differs = old.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| old.lines().count().min(text.lines().count()));
    panic!(
        "{path} is not what the code says: run `make generated` and commit.\nline {}\n  is        {:?}\n  should be {:?}",
        line + 1,
        old.lines().nth(line),
        text.lines().nth(line)
    );
}

/// Holds the part of a page between `<!-- <name>: generated -->` and `<!-- <name>: end -->` to what it must say.
#[track_caller]
pub(crate) fn part_holds(path: &str, name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let page = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let (head, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{path} has no line {begin}"));
    let (_, tail) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("{path} has no line {end}"));
    holds(path, &format!("{head}{begin}{}\n{end}{tail}", text.trim_end()));
}
