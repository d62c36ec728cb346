//! Whether a spec may be acted on at all, and whether an organisation is the one on record. Pure.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::ports::Organization;
use crate::resources::{ANNOTATION_PREFIX, BaseUrl, OmniInstanceSpec, annotations};

/// How many ids a message names.
const MOST_IDS: usize = 3;

/// What tells which organisation it is, as it is seen now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The ids of its connections.
    pub(super) connections: BTreeSet<String>,
    /// Its id, if an export showed one.
    pub(super) id: Option<String>,
    /// A model that is on record is there.
    pub(super) has_model: bool,
}

/// Which organisation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// The one on record, or the first that was ever seen.
    Same {
        /// What is known of it now.
        organization: Organization,
        /// It differs from what is kept.
        news: bool,
    },
    /// Another, or one that nothing tells from another.
    Another {
        /// What was known, what is seen, and the way out.
        message: String,
        /// Its id alone tells it from the one on record.
        by_id: bool,
    },
}

/// Whether the connections leave it open which organisation it is, so that a model on record has to be looked for. A
/// model tells nothing once a person confirmed another organisation: the ledger may hold models of both.
pub(super) fn needs_model(known: Option<&Organization>, ledger: &BTreeSet<String>, seen: &Seen) -> bool {
    known.is_none_or(|known| known.confirmed == 0) && !shares_connections(known, ledger, seen)
}

fn shares_connections(known: Option<&Organization>, ledger: &BTreeSet<String>, seen: &Seen) -> bool {
    let connections = known.map_or(ledger, |known| &known.connections);
    connections.is_empty() || !connections.is_disjoint(&seen.connections)
}

/// Tells the organisation by what is on record: by its connections, where they were never recorded by those of the
/// `ledger`'s versions; by a model; by its id. Connections come and go, so one in common is enough.
pub(super) fn recognize(
    known: Option<&Organization>,
    ledger: &BTreeSet<String>,
    seen: &Seen,
    confirmed: Option<&str>,
) -> Identity {
    let before = known.cloned().unwrap_or_default();
    let shares = shares_connections(known, ledger, seen) || seen.has_model;
    // Of an organisation with other connections an export may have shown the id before they were: it tells nothing more.
    let seen = &Seen {
        id: seen.id.clone().filter(|_| shares),
        ..seen.clone()
    };
    let other_id = before.id.is_some() && seen.id.is_some() && before.id != seen.id;
    if shares && !other_id {
        let mut keep = before;
        keep.connections.extend(seen.connections.iter().cloned());
        keep.id = keep.id.or_else(|| seen.id.clone());
        return Identity::Same {
            news: known != Some(&keep),
            organization: keep,
        };
    }
    let name = identity(seen, before.confirmed);
    if confirmed == Some(&name) {
        return Identity::Same {
            organization: Organization {
                connections: seen.connections.clone(),
                id: seen.id.clone(),
                confirmed: before.confirmed + 1,
            },
            news: true,
        };
    }
    let connections = known.map_or(ledger, |known| &known.connections);
    Identity::Another {
        by_id: shares,
        message: format!(
            "this is another organisation than the one whose versions stand in the mapping: on record is {}, seen is {}. \
             Nothing is sent to it but this look; pins and promotion go on. Correct spec.baseUrl or the API key; or, if \
             this organisation is meant, annotate the OmniInstance with {ANNOTATION_PREFIX}{}: {name:?}",
            told(connections, before.id.as_deref()),
            told(&seen.connections, seen.id.as_deref()),
            annotations::CONFIRM_IDENTITY,
        ),
    }
}

/// A short name for what is seen now: the first 10 hexadecimal digits of the SHA-256 of how often a person confirmed
/// another organisation before, of the organisation's id and of the sorted ids of its connections, a line each. The count
/// is in it so that an annotation that is left in git confirms nothing a second time.
fn identity(seen: &Seen, confirmed: u32) -> String {
    let mut hash = Sha256::new();
    let count = confirmed.to_string();
    let id = seen.id.as_deref().unwrap_or_default();
    for line in [count.as_str(), id]
        .into_iter()
        .chain(seen.connections.iter().map(String::as_str))
    {
        hash.update(line);
        hash.update("\n");
    }
    let digest = hash.finalize();
    digest[..5].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told(connections: &BTreeSet<String>, id: Option<&str>) -> String {
    let named: Vec<&str> = connections.iter().take(MOST_IDS).map(String::as_str).collect();
    let more = connections.len().saturating_sub(MOST_IDS);
    let mut told = match (connections.len(), more) {
        (0, _) => "no connection".to_owned(),
        (1, _) => format!("connection {}", named[0]),
        (_, 0) => format!("connections {}", named.join(", ")),
        _ => format!("connections {} and {more} more", named.join(", ")),
    };
    if let Some(id) = id {
        told = format!("organisation {id} with {told}");
    }
    told
}

/// What is wrong with a spec, if anything: files bypass the schema of the API server. No text repeats the URL, which
/// may hold a password by mistake.
pub(super) fn refusal(spec: &OmniInstanceSpec) -> Option<String> {
    let secret = &spec.api_key_secret_ref;
    if secret.name.is_empty() || secret.key.is_empty() {
        return Some("spec.apiKeySecretRef needs a name and a key".to_owned());
    }
    if !(1..=1000).contains(&spec.requests_per_minute) {
        let rate = spec.requests_per_minute;
        return Some(format!("spec.requestsPerMinute is {rate}; it must be from 1 to 1000"));
    }
    if spec.interval.0.is_zero() {
        return Some("spec.interval is 0s; it must be longer, like 5m".to_owned());
    }
    if spec
        .mapping
        .schema
        .as_deref()
        .is_some_and(|schema| !is_plain_name(schema))
    {
        return Some(
            "spec.mapping.schema must be a plain PostgreSQL name: lower-case letters, digits and _, at most 63"
                .to_owned(),
        );
    }
    let mut tables = spec.mapping.tenant_tables.iter();
    if let Some(refusal) = tables.find_map(|(name, table)| table.refusal(name)) {
        return Some(refusal);
    }
    BaseUrl::parse(&spec.base_url).err()
}

fn is_plain_name(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    text.len() <= 63
        && first.is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn seen(connections: &[&str]) -> Seen {
        Seen {
            connections: ids(connections),
            ..Seen::default()
        }
    }

    fn on_record(connections: &[&str]) -> Organization {
        Organization {
            connections: ids(connections),
            ..Organization::default()
        }
    }

    fn same(identity: Identity) -> Option<Organization> {
        match identity {
            Identity::Same { organization, news } => news.then_some(organization),
            Identity::Another { message, .. } => panic!("{message}"),
        }
    }

    fn another(identity: Identity) -> String {
        match identity {
            Identity::Same { organization, .. } => panic!("taken for the same: {organization:?}"),
            Identity::Another { message, .. } => message,
        }
    }

    fn offered(message: &str) -> String {
        message.split('"').nth(1).unwrap().to_owned()
    }

    #[test]
    fn the_first_is_recorded_unless_the_ledger_speaks_of_another() {
        let none = ids(&[]);
        let kept = same(recognize(None, &none, &seen(&["a", "b"]), None));
        assert_eq!(kept, Some(on_record(&["a", "b"])));
        let kept = same(recognize(None, &ids(&["a", "x"]), &seen(&["a"]), None));
        assert_eq!(kept, Some(on_record(&["a"])));
        let message = another(recognize(None, &ids(&["x"]), &seen(&["a"]), None));
        assert!(
            message.contains("on record is connection x, seen is connection a"),
            "{message}"
        );
    }

    #[test]
    fn connections_come_and_go_and_one_in_common_is_enough() {
        let none = ids(&[]);
        let known = on_record(&["a", "b"]);
        assert_eq!(same(recognize(Some(&known), &none, &seen(&["a", "b"]), None)), None);
        let kept = same(recognize(Some(&known), &none, &seen(&["b", "c"]), None));
        assert_eq!(kept, Some(on_record(&["a", "b", "c"])));
        another(recognize(Some(&known), &none, &seen(&["c"]), None));
        another(recognize(Some(&known), &none, &seen(&[]), None));
    }

    #[test]
    fn a_model_on_record_tells_where_every_connection_is_new() {
        let known = on_record(&["a"]);
        let moved = Seen {
            has_model: true,
            ..seen(&["z"])
        };
        assert!(needs_model(Some(&known), &ids(&[]), &moved));
        assert!(!needs_model(Some(&known), &ids(&[]), &seen(&["a"])));
        same(recognize(Some(&known), &ids(&[]), &moved, None));
        let confirmed = Organization { confirmed: 1, ..known };
        assert!(!needs_model(Some(&confirmed), &ids(&[]), &moved));
    }

    #[test]
    fn another_id_is_another_organisation_whatever_its_connections() {
        let known = Organization {
            id: Some("one".to_owned()),
            ..on_record(&["a"])
        };
        let other = Seen {
            id: Some("two".to_owned()),
            ..seen(&["a"])
        };
        let message = another(recognize(Some(&known), &ids(&[]), &other, None));
        assert!(
            message.contains("organisation one with") && message.contains("organisation two with"),
            "{message}"
        );
        let learned = same(recognize(Some(&on_record(&["a"])), &ids(&[]), &other, None));
        assert_eq!(learned.unwrap().id.as_deref(), Some("two"));
    }

    #[test]
    fn a_confirmation_holds_for_what_was_seen_and_for_once() {
        let none = ids(&[]);
        let first = on_record(&["a"]);
        let name = offered(&another(recognize(Some(&first), &none, &seen(&["b"]), None)));
        assert_eq!(name.len(), 10);
        another(recognize(Some(&first), &none, &seen(&["c"]), Some(&name)));
        let second = same(recognize(Some(&first), &none, &seen(&["b"]), Some(&name))).unwrap();
        assert_eq!((second.connections.clone(), second.confirmed), (ids(&["b"]), 1));
        // Back to the first, which has to be confirmed too; and then the annotation that was left confirms nothing.
        let back = offered(&another(recognize(Some(&second), &none, &seen(&["a"]), Some(&name))));
        let third = same(recognize(Some(&second), &none, &seen(&["a"]), Some(&back))).unwrap();
        another(recognize(Some(&third), &none, &seen(&["b"]), Some(&name)));
    }

    #[test]
    fn many_connections_are_counted_and_few_are_named() {
        let many: BTreeSet<String> = (0..500).map(|number| format!("{number:03}")).collect();
        let message = another(recognize(None, &many, &seen(&["x"]), None));
        assert!(message.contains("connections 000, 001, 002 and 497 more"), "{message}");
        assert!(message.len() < 700, "{}", message.len());
    }
}
