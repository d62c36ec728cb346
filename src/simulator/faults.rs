//! Faults: what goes wrong on the way to Omni and back, armed by tests.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod spec;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 before anything happens, with `Retry-After` where seconds are given.
    #[serde(rename = "status_429")]
    Status429 {
        /// Seconds in `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// This status, and nothing happened: a gateway that is down.
    Status {
        /// The status, 200 to 599.
        code: u16,
    },
    /// 500, and nothing happened.
    #[serde(rename = "status_500_before")]
    Status500Before,
    /// It happened, and the answer is 500.
    #[serde(rename = "status_500_after")]
    Status500After,
    /// It happened, and the connection closes without an answer.
    LostAnswer,
    /// The connection closes without an answer, and nothing happened.
    DropBefore,
    /// It happened twice, as when something on the way sends a request again; the answer is the second one's.
    Doubled,
    /// The answer comes late.
    Slow {
        /// How late, in milliseconds.
        millis: u64,
    },
    /// It happened, and the answer comes a byte at a time.
    SlowBody {
        /// Between two bytes, in milliseconds.
        #[serde(default = "one_milli")]
        millis: u64,
    },
    /// It happened, and the connection closes in the middle of the answer.
    Truncated,
    /// It happened, and the answer is a JSON object without what is needed.
    WrongJson,
    /// It happened, and in an otherwise right answer every field of one name has another.
    RenamedField {
        /// The name.
        from: String,
        /// The name that it has instead.
        to: String,
    },
    /// It happened, and in an otherwise right answer every field of this name has this value.
    ChangedField {
        /// The name.
        name: String,
        /// Any JSON.
        to: Value,
    },
    /// Nothing happened, and the answer is 200 with `success: false` in it.
    FailureInside,
    /// Nothing happened, and the answer is a 404 that is no JSON: a path that is not there.
    Missing,
    /// Nothing happened, and the answer is a 410 that names a successor.
    Gone {
        /// The successor's path; without it, that of the request below `/api/v2`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        successor: Option<String>,
    },
    /// Nothing happened, and the answer is a 403: a key without the right.
    Forbidden,
    /// Nothing happened, and the answer is 200 with an HTML page: a sign-in on the way.
    NotJson,
    /// Nothing happened, and the answer is a 307.
    Redirect {
        /// What is in `Location`: an http or https URL, or a path.
        to: String,
    },
    /// It happened, and the answer is well-formed JSON of this size.
    Huge {
        /// The size of the body.
        bytes: u64,
    },
    /// It happened, and the answer's body never ends.
    Endless,
    /// It happened, and the answer is JSON of arrays within arrays.
    Nested {
        /// How many.
        depth: u32,
    },
    /// It happened, and a text in the otherwise right answer is no UTF-8.
    InvalidUtf8,
    /// No answer ever, nothing happens, and the connection stays open.
    Hang,
}

impl FaultKind {
    /// The names of all kinds, as a fault's text has them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        spec::KINDS.iter().map(|(name, _)| *name)
    }
}

/// A fault and the requests that it befalls.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method, or any.
    pub method: Option<String>,
    /// A regular expression that is searched in the path, query not included.
    pub path: Regex,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many requests are befallen.
    pub times: u32,
    /// How many matching requests pass first.
    pub after: u32,
}

impl Fault {
    /// A fault that befalls the next request with this method and a path that matches.
    ///
    /// # Errors
    /// The path is no regular expression.
    pub fn once(method: &str, path: &str, kind: FaultKind) -> Result<Self, regex::Error> {
        Ok(Self {
            method: Some(method.to_owned()),
            path: Regex::new(path)?,
            kind,
            times: 1,
            after: 0,
        })
    }

    /// Reads `{match: {method, path}, fault, times, after}`; `fault` is a name, or an object with a `kind`.
    ///
    /// # Errors
    /// It makes no sense; names the field and what it may hold.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        spec::read(value)
    }

    /// Reads the same as text, as a command line has it.
    ///
    /// # Errors
    /// It is no JSON, or as of [`Fault::from_json`].
    pub fn from_text(text: &str) -> Result<Self, String> {
        let value = serde_json::from_str(text).map_err(|error| format!("fault: this is no JSON: {error}"))?;
        Self::from_json(&value)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "match": {"method": self.method, "path": self.path.as_str()},
            "fault": self.kind,
            "times": self.times,
            "after": self.after,
        })
    }
}

const fn one_milli() -> u64 {
    1
}

/// The armed faults, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The fault that befalls this request, if any. Every matching fault counts the request as passed, but only the
    /// first that is due strikes.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        let mut struck = None;
        for fault in &mut self.0 {
            let matches = fault.times > 0
                && fault
                    .method
                    .as_deref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && fault.path.is_match(path);
            if !matches {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if struck.is_none() {
                fault.times -= 1;
                struck = Some(fault.kind.clone());
            }
        }
        self.0.retain(|fault| fault.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_strikes_and_is_spent() {
        let text =
            json!({"match": {"method": "post", "path": "/import$"}, "fault": "lost_answer", "times": 2, "after": 1});
        let mut faults = Faults(vec![Fault::from_json(&text).unwrap()]);
        let path = "/api/unstable/documents/import";
        assert_eq!(faults.strike("GET", path), None);
        assert_eq!(faults.strike("POST", path), None, "the first one passes");
        assert_eq!(faults.strike("POST", path), Some(FaultKind::LostAnswer));
        assert_eq!(faults.strike("POST", path), Some(FaultKind::LostAnswer));
        assert_eq!(faults.strike("POST", path), None);
        assert!(faults.0.is_empty());
    }
}
