//! Why an edit is refused, in words that may be told where the edit may, and in words that may be told anywhere.

use serde_json::Value;

/// An edit that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which of the list, counted from none.
    pub edit: usize,
    /// Why.
    pub why: Why,
}

/// Why an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What is said behind the edit's name.
    said: String,
    /// The same without anything that stands in the edit.
    unquoted: String,
}

impl Why {
    /// Words that name what stands in the edit, and words that do not.
    pub(super) fn new(said: impl Into<String>, unquoted: impl Into<String>) -> Self {
        Self {
            said: format!(": {}", said.into()),
            unquoted: format!(": {}", unquoted.into()),
        }
    }

    /// Words that name nothing of it.
    pub(super) fn plain(said: &str) -> Self {
        Self::new(said, said)
    }

    /// Likewise, about a place that the edit names.
    pub(super) fn at(place: &str, said: &str) -> Self {
        Self {
            said: format!(" ({place}): {said}"),
            unquoted: format!(": {said}"),
        }
    }

    /// Its text is no YAML, by the parser's words, which may quote it.
    pub(super) fn no_yaml(place: &str, text: &str, words: &str) -> Self {
        Self {
            said: format!(" ({place}) is no YAML: {words}"),
            unquoted: format!(" is no YAML{}", broken_at(text)),
        }
    }

    /// Why, of an edit that is called this.
    #[must_use]
    pub fn of(&self, edit: &str) -> String {
        format!("{edit}{}", self.said)
    }

    /// Likewise, without anything that stands in it.
    #[must_use]
    pub fn unquoted_of(&self, edit: &str) -> String {
        format!("{edit}{}", self.unquoted)
    }
}

/// Where a text stops to be YAML, as words behind others.
pub(super) fn broken_at(text: &str) -> String {
    let error = serde_saphyr::from_str::<Value>(text).err();
    match error.and_then(|error| error.location()) {
        Some(at) => format!(": look at line {}, column {}", at.line(), at.column()),
        None => String::new(),
    }
}
