//! Names with the number of a version in them.

use std::str::FromStr;

/// A name with the number of a version in it: `clinical v{version}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    after: String,
}

impl Pattern {
    /// The name of this version.
    #[must_use]
    pub fn of(&self, version: i32) -> String {
        format!("{}{version}{}", self.before, self.after)
    }

    /// The version that has this name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<i32> {
        let digits = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let version = digits.parse().ok().filter(|version| *version >= 1)?;
        // `01` and `+1` are other names.
        (self.of(version) == name).then_some(version)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split("{version}").collect::<Vec<_>>().as_slice() {
            [before, after] => Ok(Self {
                before: (*before).to_owned(),
                after: (*after).to_owned(),
            }),
            _ => Err(format!(
                "{text:?} must have {{version}} in it, once, where the number stands"
            )),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}{{version}}{}", self.before, self.after)
    }
}
