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

/// Where reasons stand that a test gives, instead of expecting them.
const GIVEN_BY_HAND: [&str; 4] = [
    "src/standalone/schedule.rs",
    "src/resources/conditions.rs",
    "src/cluster/report.rs",
    "src/cluster/tests.rs",
];

/// What the code uses itself, and what its tests expect.
fn code_and_tests() -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let (mut code, mut tests) = (String::new(), String::new());
    for file in files {
        let of_tests = ["tests", "tests.rs", "laws.rs"];
        let place = file.strip_prefix(root).unwrap();
        let is_one_of = |names: &[&str]| place.iter().any(|part| names.iter().any(|it| part == *it));
        let is_test = is_one_of(&of_tests);
        let is_input = is_one_of(&["scene.rs", "fakes.rs"]);
        if is_input || file.ends_with("resources/reasons.rs") || file.ends_with("tests/reasons.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let by_hand = GIVEN_BY_HAND.iter().any(|it| place == Path::new(it));
        match text.split_once("#[cfg(test)]\nmod tests {") {
            _ if is_test && by_hand => {}
            _ if is_test => tests += &text,
            Some((own, _)) if by_hand => code += own,
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
    // As the type has it, or as it stands in a status: alone, after its condition, before its message.
    let expected = Regex::new(r#"(?:\bReason::([A-Z][A-Za-z]+)|"(?:Stalled )?([A-Z][A-Za-z]+)["':])"#).unwrap();
    let met: BTreeSet<&str> = expected
        .captures_iter(&tests)
        .filter_map(|it| it.get(1).or_else(|| it.get(2)))
        .map(|it| it.as_str())
        .collect();
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|it| it.as_str()).collect();
    let unused: Vec<_> = all.difference(&given).collect();
    let unmet: Vec<_> = all.difference(&met).collect();
    assert!(unused.is_empty(), "no code gives {unused:?}");
    assert!(unmet.is_empty(), "no test expects {unmet:?}: can it be reached?");
}
