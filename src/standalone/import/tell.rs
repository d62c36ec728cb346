//! How what is left out is told: those of a kind in one line.

/// How many are named.
const NAMED: usize = 10;

/// The first of these by name, and how many more there are.
pub(super) fn named<'a>(of: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = of.into_iter().collect();
    let shown: Vec<String> = all.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
    match all.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
