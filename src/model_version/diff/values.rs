//! Two values compared key by key, and told in few words.

use serde_json::Value;

use super::Detail;

/// How many characters of a value are told.
const LONGEST: usize = 80;

/// How much of what two long texts have in common is told before they part.
const LEAD: usize = 16;

/// Every key where two values differ. Lists of the same length are gone into, if they hold more than plain values.
pub(super) fn details(before: &Value, after: &Value) -> Vec<Detail> {
    let mut found = Vec::new();
    note(&mut found, String::new(), before, after);
    found
}

fn note(found: &mut Vec<Detail>, key: String, before: &Value, after: &Value) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().collect();
            names.extend(other.keys().filter(|name| !one.contains_key(*name)));
            names.sort();
            for name in names {
                let path = match key.as_str() {
                    "" => name.clone(),
                    key => format!("{key}.{name}"),
                };
                let [one, other] = [one, other].map(|it| it.get(name).unwrap_or(&Value::Null));
                note(found, path, one, other);
            }
        }
        (Value::Array(one), Value::Array(other))
            if one.len() == other.len() && one.iter().chain(other).all(|it| it.is_object() || it.is_array()) =>
        {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                note(found, format!("{key}[{at}]"), one, other);
            }
        }
        _ => {
            let (before, after) = told(before, after);
            found.push(Detail { key, before, after });
        }
    }
}

/// Both values in few words, which differ.
fn told(before: &Value, after: &Value) -> (Option<String>, Option<String>) {
    let mut texts = [before, after].map(|it| (!it.is_null()).then(|| plain(it)));
    if texts[0] == texts[1] {
        // A number and its digits as a text read the same.
        texts = [before, after].map(|it| (!it.is_null()).then(|| it.to_string()));
    }
    let [before, after] = texts;
    let from = match (&before, &after) {
        (Some(one), Some(other)) => parting(one, other),
        _ => 0,
    };
    (before.map(|it| cut(&it, from)), after.map(|it| cut(&it, from)))
}

/// Where telling begins, so that what differs between two texts is seen: at the start, but for long texts that begin
/// alike.
fn parting(one: &str, other: &str) -> usize {
    let common = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    let common = common.count();
    let longest = one.chars().count().max(other.chars().count());
    if longest > LONGEST && common > LONGEST / 2 {
        common - LEAD
    } else {
        0
    }
}

fn cut(text: &str, from: usize) -> String {
    let mut left = text.chars().skip(from);
    let mut told: String = left.by_ref().take(LONGEST).collect();
    if left.next().is_some() {
        told.push_str("...");
    }
    if from > 0 { format!("...{told}") } else { told }
}

/// A value on one line, with no more marks than it needs, and nothing that a terminal would obey.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().fold(String::new(), |mut line, letter| {
            if letter.is_control() {
                line.extend(letter.escape_default());
            } else {
                line.push(letter);
            }
            line
        }),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{name}: {}", plain(field)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text on one line, cut where it is long.
pub(super) fn short(text: &str) -> String {
    cut(&plain(&Value::String(text.to_owned())), 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: &Value, after: &Value) -> Vec<String> {
        let told = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
        let line = |it: Detail| format!("{}: {} -> {}", it.key, told(it.before), told(it.after));
        details(before, after).into_iter().map(line).collect()
    }

    #[test]
    fn each_key_that_differs_is_told_with_its_path_and_no_other() {
        let one =
            json!({"label": "A", "same": [1], "link": {"url": "x", "label": "l"}, "old": true, "sorts": [{"by": "a"}]});
        let other =
            json!({"label": "B", "same": [1], "link": {"url": "y", "label": "l"}, "new": [], "sorts": [{"by": "b"}]});
        assert_eq!(
            lines(&one, &other),
            [
                "label: A -> B",
                "link.url: x -> y",
                "new: - -> []",
                "old: true -> -",
                "sorts[0].by: a -> b"
            ]
        );
    }

    #[test]
    fn lists_of_plain_values_and_of_other_lengths_are_told_whole() {
        assert_eq!(lines(&json!(["a", "b"]), &json!(["b", "a"])), [": [a, b] -> [b, a]"]);
        let (one, other) = (json!([{"a": 1}]), json!([{"a": 1}, {"b": "x"}]));
        assert_eq!(lines(&one, &other), [": [{a: 1}] -> [{a: 1}, {b: x}]"]);
    }

    #[test]
    fn what_is_told_is_short_and_shows_where_long_texts_part() {
        let long = "x".repeat(500);
        let [told] = details(&json!(null), &json!(long)).try_into().unwrap();
        assert_eq!(told.after.unwrap().chars().count(), LONGEST + 3);
        let (one, other) = (format!("{long}1{long}"), format!("{long}2{long}"));
        let [told] = details(&json!(one), &json!(other)).try_into().unwrap();
        let [before, after] = [told.before.unwrap(), told.after.unwrap()];
        assert!(before.starts_with("...xxx") && before.contains('1'), "{before}");
        assert!(after.contains('2') && after.chars().count() <= LONGEST + 6, "{after}");
    }

    #[test]
    fn no_text_moves_the_cursor_and_a_number_is_told_from_its_digits() {
        assert_eq!(lines(&json!("a\n\u{1b}[2J"), &json!("b")), [": a\\n\\u{1b}[2J -> b"]);
        assert_eq!(lines(&json!(1), &json!("1")), [": 1 -> \"1\""]);
    }
}
