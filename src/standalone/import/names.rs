//! Names of objects and of folders, made of names that are the application's own.
//!
//! A name depends on nothing but what it is made of, so that whoever joins renames nobody; and two are never the same.

use sha2::{Digest as _, Sha256};

/// How many letters of a text stay in a name that a hash tells apart.
const READABLE: usize = 40;

/// How many hexadecimal digits of a hash tell names apart.
const DIGITS: usize = 16;

/// A name that Kubernetes takes: the parts with dots between where that says it all, else what can be read of them and a
/// hash. A dot is in none of the parts that stay as they are, so that no two names of as many parts meet.
pub(super) fn of_all<const N: usize>(parts: [&str; N]) -> String {
    match parts.iter().all(|part| is_plain(part)) {
        true => parts.join("."),
        false => {
            let digits = hash(parts);
            format!("{}.{}", parts.map(readable).join("."), &digits[..DIGITS])
        }
    }
}

/// The name of a folder.
pub(super) fn of_folder(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => format!("{}.{}", readable(text), &hash([text])[..DIGITS]),
    }
}

/// So many hexadecimal digits of a hash of a text: in which of 16, 256, … folders it is, whoever else is there.
pub(super) fn bucket(text: &str, digits: usize) -> String {
    hash([text])[..digits].to_owned()
}

/// A slug made of what people call a dashboard; `None` where nothing of it can be one, or too much.
pub(super) fn slug(name: &str, longest: usize) -> Option<String> {
    let slug = reduced(name);
    (1..=longest).contains(&slug.len()).then_some(slug)
}

/// What an API server takes as the name of an object.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_plain)
}

/// A label of DNS: what may stand in a name as it is.
fn is_plain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn readable(text: &str) -> String {
    let whole = reduced(text);
    // Only letters, digits and hyphens are left, a byte each.
    let cut = whole.get(..READABLE).unwrap_or(&whole).trim_end_matches('-');
    match cut {
        "" => "x".to_owned(),
        cut => cut.to_owned(),
    }
}

/// Lower-case letters, digits and single hyphens between them.
fn reduced(text: &str) -> String {
    let mut words = String::new();
    for letter in text.chars().map(|letter| letter.to_ascii_lowercase()) {
        if letter.is_ascii_alphanumeric() {
            words.push(letter);
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    words.trim_end_matches('-').to_owned()
}

fn hash<const N: usize>(parts: [&str; N]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length keeps `a`, `bc` from `ab`, `c`.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_name_already_stays_and_the_rest_is_told_apart_by_a_hash() {
        assert_eq!(of_all(["acme-corp", "production"]), "acme-corp.production");
        assert_eq!(of_folder("production"), "production");
        for (tenant, start) in [
            ("ACME Corp", "acme-corp.production."),
            ("acme corp", "acme-corp.production."),
            ("a.b", "a-b.production."),
            ("日本", "x.production."),
            ("-", "x.production."),
            ("", "x.production."),
        ] {
            let name = of_all([tenant, "production"]);
            assert!(name.starts_with(start) && is_name(&name), "{tenant:?}: {name}");
        }
        assert_ne!(of_all(["ACME Corp", "production"]), of_all(["acme corp", "production"]));
        // Fixed for ever: another name would be another object.
        assert_eq!(
            of_all(["ACME Corp", "production"]),
            "acme-corp.production.90449ecdd35fb96b"
        );
        assert_eq!(bucket("acme-corp", 1), "c");
    }

    #[test]
    fn a_slug_is_made_of_a_name_or_not_at_all() {
        assert_eq!(slug("Patient Summary", 29).as_deref(), Some("patient-summary"));
        assert_eq!(
            slug(" 30-day (re)admissions ", 29).as_deref(),
            Some("30-day-re-admissions")
        );
        assert_eq!(slug("概要", 29), None);
        assert_eq!(slug(&"long ".repeat(20), 29), None);
    }

    proptest! {
        #[test]
        fn names_are_taken_and_no_two_pairs_have_the_same(
            pairs in proptest::collection::btree_set(("[a-b.A -]{0,3}|\\PC{0,80}", "[a-b.-]{0,3}"), 2..40)
        ) {
            let mut names = BTreeMap::new();
            for (one, other) in pairs {
                let name = of_all([&one, &other]);
                prop_assert!(is_name(&name), "{name}");
                let twin = names.insert(name.clone(), (one.clone(), other.clone()));
                prop_assert_eq!(twin, None, "{}", name);
                prop_assert!(is_name(&of_folder(&one)), "{}", of_folder(&one));
            }
        }
    }
}
