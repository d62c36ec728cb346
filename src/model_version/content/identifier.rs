//! The identifier of a copied dashboard: `<slug>-v<version>-<tag>`.
//!
//! It is computed, never chosen by Omni, so that a copy whose import got no answer is found again by asking for it.

use sha2::{Digest, Sha256};

/// The longest identifier that Omni takes, in characters.
pub const LONGEST: usize = 48;

/// What makes the identifiers of one version unlike those of any other in the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Six characters of a hash of the connection, the mapping's owner and the version: identifiers are unique in the
    /// whole organisation, trash and redirects included, and two mappings may have versions of the same number.
    #[must_use]
    pub fn new(connection_id: &str, mapping_owner: &str, version: i32) -> Self {
        let digest = Sha256::digest(format!("{connection_id}\n{mapping_owner}\n{version}"));
        Self(digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The identifier of this slug in this version.
    #[must_use]
    pub fn identifier(&self, slug: &str, version: i32) -> String {
        format!("{slug}-v{version}-{}", self.0)
    }
}

/// Whether a text is a slug: lower-case letters, digits and hyphens, a letter or digit at both ends.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_stable_and_differs_by_connection_owner_and_version() {
        let tag = Tag::new("c", "team/acme", 2);
        assert_eq!(tag, Tag::new("c", "team/acme", 2));
        assert_ne!(tag, Tag::new("d", "team/acme", 2));
        assert_ne!(tag, Tag::new("c", "team/other", 2));
        assert_ne!(tag, Tag::new("c", "team/acme", 3));
        let identifier = tag.identifier("patient-summary", 2);
        assert!(
            identifier.starts_with("patient-summary-v2-") && identifier.len() == 25,
            "{identifier}"
        );
    }

    #[test]
    fn the_longest_slug_of_the_highest_version_fits() {
        let slug = "a".repeat(29);
        assert!(Tag::new("c", "o", i32::MAX).identifier(&slug, i32::MAX).len() <= LONGEST);
    }

    #[test]
    fn slugs_are_told_from_other_text() {
        assert!(is_slug("patient-summary") && is_slug("a") && is_slug("7"));
        for text in ["", "-a", "a-", "A", "a_b", "a b", "ä"] {
            assert!(!is_slug(text), "{text:?}");
        }
    }
}
