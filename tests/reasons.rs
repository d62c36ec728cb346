//! Every stop says why and what to do: the reasons are a closed set that is documented, used, and met by tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use wavepin::resources::reasons::Reason;

use crate::parts::generated;

/// Doc comments are broken into lines; tables are not.
fn in_one_line(text: &str) -> String {
    text.trim().replace('\n', " ")
}

mod generated_pages {
    use super::{Reason, generated, in_one_line};

    #[test]
    fn generated_reasons() {
        let mut table = String::from("| reason | meaning | cause | what to do |\n|---|---|---|---|\n");
        for reason in Reason::ALL {
            let [meaning, cause, remedy] = [reason.meaning(), reason.cause(), reason.remedy()].map(in_one_line);
            table += &format!("| `{}` | {meaning} | {cause} | {remedy} |\n", reason.as_str());
        }
        generated::part_holds("docs/reasons.md", "reasons", &table);
    }
}

#[test]
fn every_reason_has_a_meaning_a_cause_and_a_remedy_in_sentences() {
    for reason in Reason::ALL {
        for text in [reason.meaning(), reason.cause(), reason.remedy()].map(in_one_line) {
            assert!(text.ends_with('.') && text.len() >= 5, "{}: {text:?}", reason.as_str());
            assert!(
                !text.contains('|'),
                "{} would break the table: {text:?}",
                reason.as_str()
            );
        }
    }
}

fn sources(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// What the code uses itself, and what its tests expect.
fn code_and_tests() -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let (mut code, mut tests) = (String::new(), String::new());
    for file in files {
        let of_tests = ["tests", "tests.rs", "laws.rs", "scene.rs", "fakes.rs"];
        let is_test = file
            .strip_prefix(root)
            .unwrap()
            .iter()
            .any(|part| of_tests.iter().any(|it| part == *it));
        if file.ends_with("resources/reasons.rs") || file.ends_with("tests/reasons.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        match text.split_once("#[cfg(test)]\nmod tests {") {
            _ if is_test => tests += &text,
            Some((own, own_tests)) => {
                code += own;
                tests += own_tests;
            }
            None => code += &text,
        }
    }
    (code, tests)
}

/// A reason that no code gives is not in the set; one that no test meets may be out of reach.
#[test]
fn every_reason_is_given_by_the_code_and_met_by_a_test() {
    let (code, tests) = code_and_tests();
    let given = Regex::new(r"Reason::([A-Z][A-Za-z]+)").unwrap();
    let given: BTreeSet<&str> = given.captures_iter(&code).map(|it| it.extract::<1>().1[0]).collect();
    let word = Regex::new(r"\b[A-Z][A-Za-z]+\b").unwrap();
    let met: BTreeSet<&str> = word.find_iter(&tests).map(|it| it.as_str()).collect();
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|it| it.as_str()).collect();
    let unused: Vec<_> = all.difference(&given).collect();
    let unmet: Vec<_> = all.difference(&met).collect();
    assert!(unused.is_empty(), "no code gives {unused:?}");
    assert!(unmet.is_empty(), "no test expects {unmet:?}: can it be reached?");
}
