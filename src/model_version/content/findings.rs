//! Findings of Omni's content validation, told apart by where they stand and what they say and not by their order, nor by
//! ids, which are other ones in every copy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::ports::DocumentFindings;

/// One finding, with its name: the same for the same words in the same place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The dashboard.
    pub slug: String,
    /// The tile, by its name; `None` where it is about the dashboard as a whole.
    pub tile: Option<String>,
    /// Where in it and what: `tile "Admissions": Field wards.name does not exist`.
    pub text: String,
    /// The name.
    pub fingerprint: String,
}

/// What was found in the dashboards that these identifiers lead to, each under its slug. `names` gives every document of
/// the version and of its source the slug that it is known by, so that words which name one say the same of both.
#[must_use]
pub fn of(
    documents: &[DocumentFindings],
    slugs: &BTreeMap<&str, &str>,
    names: &BTreeMap<&str, &str>,
) -> BTreeSet<Finding> {
    let mut findings = BTreeSet::new();
    for document in documents {
        let Some(slug) = slugs.get(document.identifier.as_str()) else {
            continue;
        };
        // Two tiles of one name may have the same fault: the second is not the first.
        let mut times: BTreeMap<(&Option<String>, String), usize> = BTreeMap::new();
        for issue in &document.issues {
            let words = settled(&issue.message, names);
            let time = times.entry((&issue.tile, words.clone())).or_default();
            *time += 1;
            let place = issue.tile.as_deref();
            findings.insert(Finding {
                slug: (*slug).to_owned(),
                tile: issue.tile.clone(),
                text: match place {
                    Some(tile) => format!("tile {tile:?}: {}", issue.message),
                    None => issue.message.clone(),
                },
                fingerprint: fingerprint(&[slug, place.unwrap_or("\u{1}"), &words, &time.to_string()]),
            });
        }
    }
    findings
}

static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[A-Za-z0-9][A-Za-z0-9_-]+").expect("the pattern is well-formed"));

/// The words without what is another one in a copy: ids, and identifiers of documents.
fn settled(message: &str, names: &BTreeMap<&str, &str>) -> String {
    let settled = WORD.replace_all(message, |word: &regex::Captures<'_>| {
        let word = &word[0];
        match names.get(word) {
            Some(slug) => format!("<{slug}>"),
            None if uuid::Uuid::try_parse(word).is_ok() => "<id>".to_owned(),
            None => word.to_owned(),
        }
    });
    settled.into_owned()
}

pub(in crate::model_version) fn fingerprint(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    let digest = digest.finalize();
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ContentIssue;

    const ID: [&str; 2] = [
        "0a6b2a4e-0000-4000-8000-000000000001",
        "0a6b2a4e-0000-4000-8000-000000000002",
    ];

    fn document(identifier: &str, issues: &[(&str, &str)]) -> DocumentFindings {
        let issue = |(tile, message): &(&str, &str)| ContentIssue {
            tile: (!tile.is_empty()).then(|| (*tile).to_owned()),
            message: (*message).to_owned(),
        };
        DocumentFindings {
            identifier: identifier.to_owned(),
            issues: issues.iter().map(issue).collect(),
        }
    }

    fn fingerprints(identifier: &str, issues: &[(&str, &str)]) -> BTreeSet<String> {
        let names = BTreeMap::from([("12db1a0a", "wards"), ("wards-v2-abc", "wards")]);
        let slugs = BTreeMap::from([(identifier, "wards")]);
        let found = of(&[document(identifier, issues)], &slugs, &names);
        found.into_iter().map(|it| it.fingerprint).collect()
    }

    #[test]
    fn order_ids_and_identifiers_do_not_count() {
        let source = fingerprints(
            "12db1a0a",
            &[
                ("Beds", "Field beds.free does not exist"),
                ("Map", &format!("Model {} lacks a view, see 12db1a0a", ID[0])),
                ("", "Field a.b does not exist"),
            ],
        );
        let copy = fingerprints(
            "wards-v2-abc",
            &[
                ("", "Field a.b does not exist"),
                ("Map", &format!("Model {} lacks a view, see wards-v2-abc", ID[1])),
                ("Beds", "Field beds.free does not exist"),
            ],
        );
        assert_eq!(source, copy);
        assert_eq!(source.len(), 3);
    }

    #[test]
    fn the_same_words_in_another_place_or_once_more_are_another_finding() {
        let one = fingerprints("a", &[("Beds", "no")]);
        for other in [&[("Rooms", "no")][..], &[("", "no")], &[("Beds", "no "), ("x", "")]] {
            assert!(one.is_disjoint(&fingerprints("a", other)), "{other:?}");
        }
        let twice = fingerprints("a", &[("Beds", "no"), ("Beds", "no")]);
        assert!(twice.is_superset(&one) && twice.len() == 2);
    }

    #[test]
    fn documents_of_other_people_are_not_looked_at() {
        let found = of(
            &[document("theirs", &[("T", "no")])],
            &BTreeMap::new(),
            &BTreeMap::new(),
        );
        assert!(found.is_empty());
    }
}
