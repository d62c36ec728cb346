//! promtool, which says what Prometheus takes and what its rules make of it.

use std::path::Path;

use super::helm::tool;
use super::program::Output;

/// What promtool says when it is asked this, with that on its standard input.
#[track_caller]
fn promtool(args: &[&str], input: &str) -> Output {
    tool("promtool", args, input)
}

/// Holds a scrape to the format and to the conventions for names.
#[track_caller]
pub(crate) fn check_metrics(scrape: &str) {
    let checked = promtool(&["check", "metrics"], scrape);
    assert!(
        checked.status.success() && checked.stderr.is_empty(),
        "{checked}\n{scrape}"
    );
}

/// Holds a file of rules to the language, and to what is thought good in it.
#[track_caller]
pub(crate) fn check_rules(file: &Path) {
    let file = file.display().to_string();
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &file], "").success();
}

/// Runs the tests of a file; gives what it said.
#[track_caller]
pub(crate) fn test_rules(file: &Path) -> Output {
    promtool(&["test", "rules", &file.display().to_string()], "")
}
