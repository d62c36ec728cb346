//! The older text format, which `curl` gets and `promtool check metrics` reads.

use std::collections::BTreeSet;

/// What a text in the OpenMetrics format says, in the older one: there a counter is named by its samples, and units,
/// exemplars and the mark of the end are unknown.
pub(super) fn classic(open_metrics: &str) -> String {
    let typed = |line: &'_ str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
    let counters: BTreeSet<String> = open_metrics.lines().filter_map(typed).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let head = ["# HELP ", "# TYPE "].into_iter().find(|head| line.starts_with(head));
        match head {
            Some(head) => {
                let (name, rest) = line[head.len()..].split_once(' ').unwrap_or((&line[head.len()..], ""));
                let end = if counters.contains(name) { "_total" } else { "" };
                text.push_str(&format!("{head}{name}{end} {rest}"));
            }
            None if line.starts_with('#') => continue,
            None => text.push_str(line.rsplit_once(" # {").map_or(line, |(sample, _)| sample)),
        }
        text.push('\n');
    }
    text
}
