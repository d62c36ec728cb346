//! Faults: what goes wrong on the way to Omni and back, armed by tests.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 before anything happens, with `Retry-After` where seconds are given.
    #[serde(rename = "status_429")]
    Status429 {
        /// Seconds in `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// This status, and nothing happened: a route that is missing, a gateway that is down.
    Status {
        /// The status.
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
    #[serde(alias = "refuse_connection")]
    DropBefore,
    /// The answer comes late.
    Slow {
        /// How late, in milliseconds.
        millis: u64,
    },
    /// It happened, and the connection closes in the middle of the answer.
    Truncated,
    /// It happened, and the answer is a JSON object without what is needed.
    WrongJson,
    /// No answer ever, nothing happens, and the connection stays open.
    Hang,
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
    pub(super) fn from_json(value: Value) -> Result<Self, String> {
        let armed: Armed = serde_json::from_value(value).map_err(|error| format!("this is no fault: {error}"))?;
        let kind = match armed.fault {
            Value::String(name) => json!({"kind": name}),
            other => other,
        };
        let kind = serde_json::from_value(kind).map_err(|error| format!("fault: {error}"))?;
        let path = Regex::new(&armed.matching.path).map_err(|error| format!("match.path: {error}"))?;
        Ok(Self {
            method: armed.matching.method,
            path,
            kind,
            times: armed.times,
            after: armed.after,
        })
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Armed {
    #[serde(rename = "match", default)]
    matching: Matching,
    fault: Value,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    after: u32,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Matching {
    method: Option<String>,
    path: String,
}

fn once() -> u32 {
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
        let mut faults = Faults(vec![Fault::from_json(text).unwrap()]);
        let path = "/api/unstable/documents/import";
        assert_eq!(faults.strike("GET", path), None);
        assert_eq!(faults.strike("POST", path), None, "the first one passes");
        assert_eq!(faults.strike("POST", path), Some(FaultKind::LostAnswer));
        assert_eq!(faults.strike("POST", path), Some(FaultKind::LostAnswer));
        assert_eq!(faults.strike("POST", path), None);
        assert!(faults.0.is_empty());
    }

    #[test]
    fn a_fault_that_is_misspelt_is_refused() {
        assert!(
            Fault::from_json(json!({"fault": "lost_anser"}))
                .unwrap_err()
                .contains("lost_anser")
        );
        assert!(Fault::from_json(json!({"fault": "hang", "time": 2})).is_err());
        let slow = Fault::from_json(json!({"fault": {"kind": "slow", "millis": 5}})).unwrap();
        assert_eq!(slow.kind, FaultKind::Slow { millis: 5 });
    }
}
