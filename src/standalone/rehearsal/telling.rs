//! Rehearsed calls as people and programs read them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{CallAhead, Rehearsed};

/// So many things that calls of a kind are about are named.
const NAMED: usize = 3;

/// What no rehearsal can know.
pub(in crate::standalone) const UNKNOWN: &str = "\
Rehearsed: Omni was read, and nothing was written. More calls follow where Omni answers otherwise than is usual: an import
that does not honour its folder or fills the tabs, lists that lag, 429s, lost answers. Less is done where Omni's validation
of the model or the content finds an error, a query is not right, or somebody changes the source meanwhile.
";

/// The calls, those of a kind in one line; all of them one by one, if wanted.
pub(in crate::standalone) fn lines(calls: &[CallAhead], each: bool) -> String {
    let mut text = String::new();
    if each {
        for call in calls {
            let query = if call.query.is_empty() { "" } else { "?" };
            let _ = writeln!(text, "        {} {}{query}{}", call.method(), call.path, call.query);
        }
        return text;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for call in calls {
        if !kinds.contains(&call.operation) {
            kinds.push(call.operation);
        }
    }
    for kind in kinds {
        let of_kind: Vec<&CallAhead> = calls.iter().filter(|it| it.operation == kind).collect();
        let mut seen = BTreeSet::new();
        let about = of_kind.iter().map(|it| it.about.as_str());
        let about: Vec<&str> = about.filter(|it| seen.insert(*it)).collect();
        let more = match about.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let shown = about[..about.len().min(NAMED)].join(", ");
        let _ = writeln!(text, "  {:>4}  {kind}  ({shown}{more})", of_kind.len());
    }
    text
}

/// What else there is to say of a version.
pub(in crate::standalone) fn remarks(rehearsed: &Rehearsed) -> String {
    let mut text = String::new();
    for lost in &rehearsed.not_carried {
        let _ = writeln!(text, "        not carried: {lost}");
    }
    for link in &rehearsed.foreign_links {
        let _ = writeln!(text, "        leads out of the version: {link}");
    }
    if let Some(stops) = &rehearsed.stops {
        let _ = writeln!(text, "        {}: {}", stops.reason.as_str(), stops.message);
    }
    text
}

/// The calls for programs.
pub(in crate::standalone) fn to_json(calls: &[CallAhead]) -> Value {
    let call = |it: &CallAhead| json!({"method": it.method(), "path": it.path, "query": it.query, "about": it.about});
    calls.iter().map(call).collect()
}
